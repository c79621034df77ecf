/* Descriptors: which attributes each kind has, setting and getting them, and their lives. */
#include "double_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cudnnContext {
    cudaStream_t stream;
};

static double_descriptor *descriptors;
static char message[200];

static cudnnStatus_t fail(cudnnStatus_t status, const char *text) {
    snprintf(message, sizeof message, "%s", text);
    return status;
}

/* At the start of a function that can fail. */
static cudnnStatus_t call(const char *name) {
    message[0] = '\0';
    if (double_call(name, cudaErrorInvalidValue) == cudaSuccess) return CUDNN_STATUS_SUCCESS;
    return double_now.lost != cudaSuccess
               ? fail(CUDNN_STATUS_EXECUTION_FAILED, "the device is lost")
               : fail(CUDNN_STATUS_INTERNAL_ERROR, "a failure that a test wished for");
}

/* ---- What there is to set -------------------------------------------------------------------- */

typedef struct rule {
    cudnnBackendDescriptorType_t descriptor;
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t least, most; /* elements */
} rule;

#define OPERATION(kind, prefix, x, w, y)                                                           \
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, prefix##_CONV_DESC,                  \
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},                                                         \
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, prefix##_##x,                    \
         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},                                                     \
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, prefix##_##w,                    \
         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},                                                     \
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, prefix##_##y,                    \
         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},                                                     \
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, prefix##_ALPHA,                  \
         CUDNN_TYPE_FLOAT, 1, 1},                                                                  \
    {                                                                                              \
        CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR, prefix##_BETA, CUDNN_TYPE_FLOAT,  \
            1, 1                                                                                   \
    }
#define TENSOR CUDNN_BACKEND_TENSOR_DESCRIPTOR
#define CONVOLUTION CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR

static const rule rules[] = {
    {TENSOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1},
    {TENSOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 1, DOUBLE_VALUES},
    {TENSOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 1, DOUBLE_VALUES},
    {TENSOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, 1},
    {TENSOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, 1},
    {CONVOLUTION, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1},
    {CONVOLUTION, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, 1},
    {CONVOLUTION, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, 1},
    {CONVOLUTION, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, 2},
    {CONVOLUTION, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, 2},
    {CONVOLUTION, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, 2},
    {CONVOLUTION, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, 2},
    OPERATION(FORWARD, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD, X, W, Y),
    OPERATION(BACKWARD_DATA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA, DX, W, DY),
    OPERATION(BACKWARD_FILTER, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER, X, DW, DY),
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
     1, 1},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, 1},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
     1, 1},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 1,
     DOUBLE_VALUES},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
     CUDNN_TYPE_VOID_PTR, 1, DOUBLE_VALUES},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
     1, 1},
};

static size_t element_bytes(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_HANDLE:
        return 8;
    default:
        return 4;
    }
}

/* ---- Lives ----------------------------------------------------------------------------------- */

static double_descriptor *find(void *descriptor) {
    double_descriptor *d = descriptors;
    while (d && d != descriptor) d = d->next;
    return d;
}

double_descriptor *double_final(void *descriptor, cudnnBackendDescriptorType_t type) {
    double_descriptor *d = find(descriptor);
    return d && d->type == type && d->is_final ? d : NULL;
}

const double_attribute *double_get(const double_descriptor *d, cudnnBackendAttributeName_t name) {
    for (int i = 0; i < d->count; i++)
        if (d->attributes[i].name == name) return &d->attributes[i];
    return NULL;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *out) {
    double_lock();
    cudnnStatus_t status = call(__func__);
    double_descriptor *d = status == CUDNN_STATUS_SUCCESS ? calloc(1, sizeof *d) : NULL;
    if (d) {
        d->type = type;
        d->next = descriptors;
        descriptors = d;
        double_now.alive.descriptors++;
        *out = d;
    }
    double_unlock();
    return status;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
    double_lock();
    double_descriptor **at = &descriptors;
    while (*at && *at != descriptor) at = &(*at)->next;
    double_descriptor *d = *at;
    if (d) {
        *at = d->next;
        free(d);
        double_now.alive.descriptors--;
    }
    double_unlock();
    return d ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

/* ---- Attributes ------------------------------------------------------------------------------ */

static cudnnStatus_t set(double_descriptor *d, const rule *r, int64_t count, const void *elements) {
    double_attribute *a = NULL;
    for (int i = 0; i < d->count; i++)
        if (d->attributes[i].name == r->name) a = &d->attributes[i];
    if (!a) a = &d->attributes[d->count++];
    *a = (double_attribute){.name = r->name, .type = r->type, .count = count};
    size_t bytes = element_bytes(r->type);
    for (int64_t i = 0; i < count; i++)
        memcpy(&a->values[i], (const char *)elements + (size_t)i * bytes, bytes);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *elements) {
    double_lock();
    cudnnStatus_t status = call(__func__);
    double_descriptor *d = find(descriptor);
    const rule *r = NULL;
    for (size_t i = 0; d && i < sizeof rules / sizeof *rules; i++)
        if (rules[i].descriptor == d->type && rules[i].name == name) r = &rules[i];
    if (status != CUDNN_STATUS_SUCCESS) {
        /* as it is */
    } else if (!d || !elements) {
        status = fail(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no descriptor, or no elements");
    } else if (d->is_final) {
        status = fail(CUDNN_STATUS_BAD_PARAM, "the descriptor is finalised");
    } else if (!r) {
        status = fail(CUDNN_STATUS_NOT_SUPPORTED, "no such attribute of this descriptor");
    } else if (r->type != type) {
        status = fail(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "the attribute has another type");
    } else if (count < r->least || count > r->most) {
        status = fail(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT, "wrong number of elements");
    } else {
        status = set(d, r, count, elements);
    }
    double_unlock();
    return status;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
    double_lock();
    cudnnStatus_t status = call(__func__);
    double_descriptor *d = find(descriptor);
    if (status == CUDNN_STATUS_SUCCESS && (!d || d->is_final))
        status = fail(CUDNN_STATUS_BAD_PARAM, "no descriptor, or finalised already");
    if (status == CUDNN_STATUS_SUCCESS) {
        status = double_check(d);
        d->is_final = status == CUDNN_STATUS_SUCCESS;
        if (!d->is_final) fail(status, "the descriptor's attributes do not go together");
    }
    double_unlock();
    return status;
}

static cudnnStatus_t get_proposals(const double_descriptor *heuristics, int64_t room,
                                   int64_t *count_out, cudnnBackendDescriptor_t *out) {
    *count_out = heuristics->proposal_count;
    for (int64_t i = 0; out && i < heuristics->proposal_count && i < room; i++) {
        double_descriptor *config = find(out[i]);
        if (!config || config->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
            return fail(CUDNN_STATUS_BAD_PARAM, "proposals go into engine configurations");
        config->problem = heuristics->problem;
        config->engine = heuristics->proposals[i];
        config->is_final = true;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t get(double_descriptor *d, cudnnBackendAttributeName_t name,
                         cudnnBackendAttributeType_t type, int64_t room, int64_t *count_out,
                         void *out) {
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        return get_proposals(d, room, count_out, out);
    if (name == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        double_descriptor *engine = find(*(cudnnBackendDescriptor_t *)out);
        if (!engine || engine->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR)
            return fail(CUDNN_STATUS_BAD_PARAM, "an engine goes into an engine descriptor");
        engine->engine = d->engine;
        engine->is_final = true;
        *count_out = 1;
        return CUDNN_STATUS_SUCCESS;
    }
    if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE) {
        cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
        int count = double_engine_notes(d->engine, notes);
        *count_out = count;
        memcpy(out, notes, (size_t)(count < room ? count : room) * sizeof *notes);
        return CUDNN_STATUS_SUCCESS;
    }
    if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64) {
        *(int64_t *)out = double_engine_workspace(d->engine, &d->problem);
        *count_out = 1;
        return CUDNN_STATUS_SUCCESS;
    }
    return fail(CUDNN_STATUS_NOT_SUPPORTED, "no such attribute to get");
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room,
                                       int64_t *count_out, void *out) {
    double_lock();
    cudnnStatus_t status = call(__func__);
    double_descriptor *d = find(descriptor);
    if (status == CUDNN_STATUS_SUCCESS && (!d || !d->is_final))
        status = fail(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "the descriptor is not finalised");
    if (status == CUDNN_STATUS_SUCCESS) status = get(d, name, type, room, count_out, out);
    double_unlock();
    return status;
}

/* ---- Handles, running ------------------------------------------------------------------------ */

cudnnStatus_t cudnnCreate(cudnnHandle_t *out) {
    double_lock();
    cudnnStatus_t status = call(__func__);
    cudnnHandle_t handle = status == CUDNN_STATUS_SUCCESS ? calloc(1, sizeof *handle) : NULL;
    if (handle) {
        double_now.alive.handles++;
        *out = handle;
    }
    double_unlock();
    return status;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    double_lock();
    free(handle);
    double_now.alive.handles--;
    double_unlock();
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    double_lock();
    cudnnStatus_t status = call(__func__);
    if (status == CUDNN_STATUS_SUCCESS && !double_is_stream(stream))
        status = fail(CUDNN_STATUS_BAD_PARAM, "no such stream");
    if (status == CUDNN_STATUS_SUCCESS) handle->stream = stream;
    double_unlock();
    return status;
}

static cudnnStatus_t execute(cudnnHandle_t handle, cudnnBackendDescriptor_t of,
                             cudnnBackendDescriptor_t with) {
    const double_descriptor *plan = double_final(of, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    const double_descriptor *pack = double_final(with, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    if (!plan || !pack)
        return fail(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "no plan or no arguments");
    const double_attribute *ids = double_get(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const double_attribute *pointers = double_get(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    const double_attribute *workspace = double_get(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    const void *data[DOUBLE_TENSORS] = {NULL};
    for (int i = 0; i < DOUBLE_TENSORS; i++)
        for (int64_t k = 0; k < ids->count; k++)
            if (ids->values[k].number == plan->problem.id[i]) data[i] = pointers->values[k].pointer;
    cudnnStatus_t status = double_convolve(handle->stream, plan, data,
                                           workspace ? workspace->values[0].pointer : NULL);
    return status == CUDNN_STATUS_SUCCESS ? status : fail(status, "addresses are not as described");
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
    double_lock();
    cudnnStatus_t status = call(__func__);
    if (status == CUDNN_STATUS_SUCCESS) status = execute(handle, plan, pack);
    double_unlock();
    return status;
}

size_t cudnnGetVersion(void) {
    return CUDNN_VERSION;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
    return status == CUDNN_STATUS_SUCCESS ? "success" : "an error of the test double";
}

void cudnnGetLastErrorString(char *out, size_t size) {
    snprintf(out, size, "%s", message);
}
