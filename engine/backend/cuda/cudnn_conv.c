/* The way of every plan: tensors, convolution, operation, graph -> engines that the heuristics
 * propose, best first -> the first that computes as it may and that can be finalised. */
#include "engine/backend/cuda/cudnn_conv.h"

#include "base/memory.h"
#include "engine/backend/cuda/descriptor.h"
#include "engine/backend/cuda/status.h"

enum { X, WEIGHT, Y, TENSORS, PROPOSALS = 24 };

/* An engine that wants more is passed over as long as another is proposed. */
#define WORKSPACE_LIMIT ((int64_t)1 << 30)

struct gs_cudnn_conv {
    gs_descriptors descriptors; /* the graph's, then the plan's */
    cudnnBackendDescriptor_t plan;
    int64_t workspace;
};

/* ---- Describing ------------------------------------------------------------------------------ */

static gs_status describe_tensor(gs_descriptors *list, const gs_cudnn_key *key, int which,
                                 cudnnBackendDescriptor_t *out, gs_error *err) {
    const int64_t dims[TENSORS][4] = {{key->n, key->c, key->h, key->w},
                                      {key->o, key->c, key->k, key->k},
                                      {key->n, key->o, key->oh, key->ow}};
    const int64_t *d = dims[which];
    const int64_t strides[4] = {d[1] * d[2] * d[3], 1, d[3] * d[1], d[1]};
    cudnnDataType_t type = (cudnnDataType_t)key->type[which];
    cudnnBackendDescriptor_t t;
    GS_TRY(gs__descriptor_new(list, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor", &t, err));
    GS_TRY(gs__descriptor_set(t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type, err));
    GS_TRY(gs__descriptor_set(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, d, err));
    GS_TRY(gs__descriptor_set(t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides, err));
    GS_TRY(gs__descriptor_set_number(t, CUDNN_ATTR_TENSOR_UNIQUE_ID, which + 1, err));
    GS_TRY(
        gs__descriptor_set_number(t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, key->alignment[which], err));
    *out = t;
    return gs__descriptor_finish(t, "a tensor", err);
}

static gs_status describe_convolution(gs_descriptors *list, int64_t stride,
                                      cudnnBackendDescriptor_t *out, gs_error *err) {
    const int64_t strides[2] = {stride, stride}, ones[2] = {1, 1}, zeros[2] = {0, 0};
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    cudnnBackendDescriptor_t c;
    GS_TRY(
        gs__descriptor_new(list, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "a convolution", &c, err));
    GS_TRY(gs__descriptor_set(c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1,
                              &compute, err));
    GS_TRY(gs__descriptor_set(c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
                              &mode, err));
    GS_TRY(gs__descriptor_set_number(c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2, err));
    GS_TRY(gs__descriptor_set(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2,
                              strides, err));
    GS_TRY(gs__descriptor_set(c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones, err));
    GS_TRY(gs__descriptor_set(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, zeros,
                              err));
    GS_TRY(gs__descriptor_set(c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, zeros,
                              err));
    *out = c;
    return gs__descriptor_finish(c, "a convolution", err);
}

/* The names of one direction's operation and attributes. */
typedef struct direction_names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t convolution, alpha, beta, tensor[TENSORS];
} direction_names;

static const direction_names names_of[] = {
    [GS_CUDNN_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                          {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y}},
    [GS_CUDNN_GRADIENT_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                                {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY}},
    [GS_CUDNN_GRADIENT_WEIGHT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                                  {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY}},
};

static gs_status describe_graph(gs_descriptors *list, const gs_cudnn_target *target,
                                const gs_cudnn_key *key, cudnnBackendDescriptor_t *out,
                                gs_error *err) {
    const direction_names *names = &names_of[key->direction];
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t tensor[TENSORS], convolution, operation, graph;
    for (int i = 0; i < TENSORS; i++) GS_TRY(describe_tensor(list, key, i, &tensor[i], err));
    GS_TRY(describe_convolution(list, key->stride, &convolution, err));
    GS_TRY(gs__descriptor_new(list, names->operation, "an operation", &operation, err));
    GS_TRY(gs__descriptor_set_child(operation, names->convolution, convolution, err));
    for (int i = 0; i < TENSORS; i++)
        GS_TRY(gs__descriptor_set_child(operation, names->tensor[i], tensor[i], err));
    GS_TRY(gs__descriptor_set(operation, names->alpha, CUDNN_TYPE_FLOAT, 1, &one, err));
    GS_TRY(gs__descriptor_set(operation, names->beta, CUDNN_TYPE_FLOAT, 1, &zero, err));
    GS_TRY(gs__descriptor_finish(operation, "an operation", err));
    GS_TRY(
        gs__descriptor_new(list, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "a graph", &graph, err));
    GS_TRY(gs__descriptor_set_child(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, operation, err));
    if (target->handle)
        GS_TRY(gs__descriptor_set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                  &target->handle, err));
    *out = graph;
    return gs__descriptor_finish(graph, "a graph", err);
}

/* ---- Choosing -------------------------------------------------------------------------------- */

/* What an engine does to numbers that this convolution does not allow. */
static bool is_forbidden(const gs_cudnn_key *key, cudnnBackendNumericalNote_t note) {
    bool is_float = key->type[X] == CUDNN_DATA_FLOAT;
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: /* of float: they multiply TF32 */
        return is_float && !key->tensor_cores;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: /* of float: to half */
        return is_float;
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return true;
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return !key->nondeterministic;
    default:
        return false;
    }
}

static gs_status may_compute(const gs_cudnn_key *key, cudnnBackendDescriptor_t config,
                             bool *may_out, gs_error *err) {
    gs_descriptors list = {.count = 0};
    cudnnBackendDescriptor_t engine;
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t count = 0;
    GS_TRY(gs__descriptor_new(&list, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "an engine", &engine, err));
    cudnnStatus_t status = cudnnBackendGetAttribute(
        config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                          CUDNN_TYPE_NUMERICAL_NOTE,
                                          CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes);
    gs__descriptors_free(&list, 0);
    TRY_CUDNN(status, "an engine's notes");
    *may_out = true;
    for (int64_t i = 0; i < count; i++)
        if (is_forbidden(key, notes[i])) *may_out = false;
    return GS_OK;
}

/* NOT_SUPPORTED is no failure: *plan_out is then NULL, and the next proposal is tried. */
static gs_status try_config(gs_cudnn_conv *conv, const gs_cudnn_target *target,
                            cudnnBackendDescriptor_t config, cudnnBackendDescriptor_t *plan_out,
                            int64_t *workspace_out, gs_error *err) {
    cudnnBackendDescriptor_t plan;
    int64_t count = 0;
    *plan_out = NULL;
    GS_TRY(gs__descriptor_new(&conv->descriptors, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "a plan",
                              &plan, err));
    if (target->handle)
        GS_TRY(gs__descriptor_set(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                  &target->handle, err));
    else
        GS_TRY(gs__descriptor_set_child(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                        target->properties, err));
    GS_TRY(gs__descriptor_set_child(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config, err));
    cudnnStatus_t status = cudnnBackendFinalize(plan);
    if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) return GS_OK;
    TRY_CUDNN(status, "a plan");
    TRY_CUDNN(cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                       CUDNN_TYPE_INT64, 1, &count, workspace_out),
              "a plan's workspace");
    *plan_out = plan;
    return GS_OK;
}

/* Takes the best of one mode's proposals; conv->plan stays NULL where none will do. */
static gs_status choose_of(gs_cudnn_conv *conv, const gs_cudnn_target *target,
                           const gs_cudnn_key *key, cudnnBackendDescriptor_t heuristics,
                           gs_error *err) {
    gs_descriptors *list = &conv->descriptors;
    cudnnBackendDescriptor_t configs[PROPOSALS];
    int64_t count = 0;
    for (int i = 0; i < PROPOSALS; i++)
        GS_TRY(gs__descriptor_new(list, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "an engine's settings",
                                  &configs[i], err));
    TRY_CUDNN(cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, PROPOSALS, &count, configs),
              "cuDNN's proposals");
    for (int64_t i = 0; !conv->plan && i < count && i < PROPOSALS; i++) {
        bool may = false;
        int before = list->count;
        int64_t workspace = 0;
        cudnnBackendDescriptor_t plan = NULL;
        GS_TRY(may_compute(key, configs[i], &may, err));
        if (may) GS_TRY(try_config(conv, target, configs[i], &plan, &workspace, err));
        if (plan && workspace <= WORKSPACE_LIMIT)
            conv->plan = plan, conv->workspace = workspace;
        else
            gs__descriptors_free(list, before);
    }
    return GS_OK;
}

static gs_status choose(gs_cudnn_conv *conv, const gs_cudnn_target *target, const gs_cudnn_key *key,
                        cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode,
                        gs_error *err) {
    gs_descriptors *list = &conv->descriptors;
    cudnnBackendDescriptor_t heuristics;
    int before = list->count;
    GS_TRY(gs__descriptor_new(list, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "heuristics", &heuristics,
                              err));
    GS_TRY(gs__descriptor_set_child(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph, err));
    GS_TRY(gs__descriptor_set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1,
                              &mode, err));
    if (!target->handle)
        GS_TRY(gs__descriptor_set_child(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                        target->properties, err));
    cudnnStatus_t status = cudnnBackendFinalize(heuristics);
    if (CUDNN_STATUS_CATEGORY(status) != CUDNN_STATUS_NOT_SUPPORTED) {
        TRY_CUDNN(status, "heuristics");
        GS_TRY(choose_of(conv, target, key, heuristics, err));
    }
    if (!conv->plan) gs__descriptors_free(list, before);
    return GS_OK;
}

static const char *type_name(int64_t type) {
    return type == CUDNN_DATA_BFLOAT16 ? "bf16" : "fp32";
}

static gs_status fail_without_engine(const gs_cudnn_key *key, gs_error *err) {
    static const char *const names[] = {"convolution", "gradient of a convolution's input",
                                        "gradient of a convolution's weight"};
    return gs_fail(
        err, GS_BACKEND,
        "cuDNN %zu has no %sengine for the %s of [%lld,%lld,%lld,%lld] (%s) with a "
        "weight [%lld,%lld,%lld,%lld] (%s) and stride %lld to [%lld,%lld,%lld,%lld] (%s)",
        cudnnGetVersion(), key->nondeterministic ? "" : "deterministic ", names[key->direction],
        (long long)key->n, (long long)key->c, (long long)key->h, (long long)key->w,
        type_name(key->type[X]), (long long)key->o, (long long)key->c, (long long)key->k,
        (long long)key->k, type_name(key->type[WEIGHT]), (long long)key->stride, (long long)key->n,
        (long long)key->o, (long long)key->oh, (long long)key->ow, type_name(key->type[Y]));
}

static gs_status conv_build(gs_cudnn_conv *conv, const gs_cudnn_target *target,
                            const gs_cudnn_key *key, gs_error *err) {
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    cudnnBackendDescriptor_t graph;
    GS_TRY(describe_graph(&conv->descriptors, target, key, &graph, err));
    for (int i = 0; i < 2 && !conv->plan; i++)
        GS_TRY(choose(conv, target, key, graph, modes[i], err));
    return conv->plan ? GS_OK : fail_without_engine(key, err);
}

gs_status gs__cudnn_conv_new(gs_cudnn_target target, const gs_cudnn_key *key, gs_cudnn_conv **out,
                             gs_error *err) {
    gs_cudnn_conv *conv = gs_alloc(1, sizeof *conv);
    if (!conv) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a convolution");
    gs_status status = conv_build(conv, &target, key, err);
    if (status != GS_OK) {
        gs__cudnn_conv_free(conv);
        return status;
    }
    *out = conv;
    return GS_OK;
}

void gs__cudnn_conv_free(gs_cudnn_conv *conv) {
    if (!conv) return;
    gs__descriptors_free(&conv->descriptors, 0);
    gs_free(conv);
}

size_t gs__cudnn_conv_workspace(const gs_cudnn_conv *conv) {
    return (size_t)conv->workspace;
}

/* ---- Running --------------------------------------------------------------------------------- */

gs_status gs__cudnn_conv_run(const gs_cudnn_conv *conv, cudnnHandle_t handle, const void *x,
                             const void *weight, const void *y, void *workspace, gs_error *err) {
    const int64_t ids[TENSORS] = {X + 1, WEIGHT + 1, Y + 1};
    const void *data[TENSORS] = {x, weight, y};
    gs_descriptors list = {.count = 0};
    cudnnBackendDescriptor_t pack;
    GS_TRY(
        gs__descriptor_new(&list, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "arguments", &pack, err));
    gs_status status = gs__descriptor_set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
                                          CUDNN_TYPE_INT64, TENSORS, ids, err);
    if (status == GS_OK)
        status = gs__descriptor_set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                    CUDNN_TYPE_VOID_PTR, TENSORS, data, err);
    if (status == GS_OK)
        status = gs__descriptor_set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                                    &workspace, err);
    if (status == GS_OK) status = gs__descriptor_finish(pack, "arguments", err);
    if (status == GS_OK)
        status =
            gs__cudnn_check(cudnnBackendExecute(handle, conv->plan, pack), "a convolution", err);
    gs__descriptors_free(&list, 0);
    return status;
}
