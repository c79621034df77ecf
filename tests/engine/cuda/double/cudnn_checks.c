/* What finalising a descriptor checks: that all is there, has the right size and goes together. */
#include "double_internal.h"

#include <string.h>

#define BAD CUDNN_STATUS_BAD_PARAM

static int64_t number(const double_attribute *a, int i) {
    return a->values[i].number;
}

static int64_t bytes_of(cudnnDataType_t type) {
    return type == CUDNN_DATA_FLOAT ? 4 : type == CUDNN_DATA_BFLOAT16 ? 2 : 0;
}

/* Four dimensions, channels-last and dense. */
static cudnnStatus_t check_tensor(const double_descriptor *d) {
    const double_attribute *type = double_get(d, CUDNN_ATTR_TENSOR_DATA_TYPE);
    const double_attribute *dims = double_get(d, CUDNN_ATTR_TENSOR_DIMENSIONS);
    const double_attribute *strides = double_get(d, CUDNN_ATTR_TENSOR_STRIDES);
    const double_attribute *id = double_get(d, CUDNN_ATTR_TENSOR_UNIQUE_ID);
    const double_attribute *alignment = double_get(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    if (!type || !dims || !strides || !id || !alignment) return BAD;
    if (dims->count != 4 || strides->count != 4) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    for (int i = 0; i < 4; i++)
        if (number(dims, i) < 1 || number(strides, i) < 1)
            return CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND;
    int64_t c = number(dims, 1), h = number(dims, 2), w = number(dims, 3), a = number(alignment, 0);
    int64_t bytes = bytes_of((cudnnDataType_t)type->values[0].choice);
    if (bytes == 0) return CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE;
    if (a < bytes || (a & (a - 1)) != 0) return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    bool is_dense = number(strides, 0) == h * w * c && number(strides, 1) == 1 &&
                    number(strides, 2) == w * c && number(strides, 3) == c;
    return is_dense ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED_LAYOUT;
}

static cudnnStatus_t check_convolution(const double_descriptor *d) {
    const double_attribute *compute = double_get(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE);
    const double_attribute *mode = double_get(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE);
    const double_attribute *spatial = double_get(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
    const double_attribute *strides = double_get(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    const double_attribute *dilations = double_get(d, CUDNN_ATTR_CONVOLUTION_DILATIONS);
    const double_attribute *before = double_get(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    const double_attribute *after = double_get(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
    if (!compute || !mode || !spatial || !strides || !dilations || !before || !after) return BAD;
    if (number(spatial, 0) != 2) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    if (mode->values[0].choice != CUDNN_CROSS_CORRELATION) return CUDNN_STATUS_NOT_SUPPORTED;
    if (compute->values[0].choice != CUDNN_DATA_FLOAT) return CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE;
    for (int i = 0; i < 2; i++) /* this double knows no more than the backend asks for */
        if (number(strides, i) != number(strides, 0) || number(strides, i) < 1 ||
            number(dilations, i) != 1 || number(before, i) != 0 || number(after, i) != 0)
            return CUDNN_STATUS_NOT_SUPPORTED;
    return CUDNN_STATUS_SUCCESS;
}

typedef struct operation_names {
    cudnnBackendAttributeName_t convolution, alpha, beta, tensor[DOUBLE_TENSORS];
} operation_names;

static const operation_names names_of[3] = {
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
     {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y}},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
     {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY}},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
     {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY}}};

static bool has_dims(const double_descriptor *tensor, int64_t n, int64_t c, int64_t h, int64_t w) {
    const double_attribute *dims = double_get(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS);
    return number(dims, 0) == n && number(dims, 1) == c && number(dims, 2) == h &&
           number(dims, 3) == w;
}

static cudnnStatus_t check_operation(double_descriptor *d, int direction) {
    const operation_names *names = &names_of[direction];
    const double_attribute *convolution = double_get(d, names->convolution);
    const double_attribute *alpha = double_get(d, names->alpha), *beta = double_get(d, names->beta);
    double_problem p = {.direction = direction};
    const double_descriptor *tensor[DOUBLE_TENSORS];
    if (!convolution || !alpha || !beta || alpha->values[0].real != 1 || beta->values[0].real != 0)
        return BAD;
    const double_descriptor *c =
        double_final(convolution->values[0].pointer, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    if (!c) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    for (int i = 0; i < DOUBLE_TENSORS; i++) {
        const double_attribute *a = double_get(d, names->tensor[i]);
        tensor[i] = a ? double_final(a->values[0].pointer, CUDNN_BACKEND_TENSOR_DESCRIPTOR) : NULL;
        if (!tensor[i]) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
        p.type[i] =
            (cudnnDataType_t)double_get(tensor[i], CUDNN_ATTR_TENSOR_DATA_TYPE)->values[0].choice;
        p.alignment[i] = number(double_get(tensor[i], CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT), 0);
        p.id[i] = number(double_get(tensor[i], CUDNN_ATTR_TENSOR_UNIQUE_ID), 0);
    }
    const double_attribute *x = double_get(tensor[DOUBLE_X], CUDNN_ATTR_TENSOR_DIMENSIONS);
    const double_attribute *w = double_get(tensor[DOUBLE_WEIGHT], CUDNN_ATTR_TENSOR_DIMENSIONS);
    p.n = number(x, 0), p.c = number(x, 1), p.h = number(x, 2), p.w = number(x, 3);
    p.o = number(w, 0), p.k = number(w, 2);
    p.stride = number(double_get(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), 0);
    if (p.h < p.k || p.w < p.k) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    p.oh = (p.h - p.k) / p.stride + 1, p.ow = (p.w - p.k) / p.stride + 1;
    if (!has_dims(tensor[DOUBLE_WEIGHT], p.o, p.c, p.k, p.k) ||
        !has_dims(tensor[DOUBLE_Y], p.n, p.o, p.oh, p.ow))
        return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    if (p.id[0] == p.id[1] || p.id[0] == p.id[2] || p.id[1] == p.id[2])
        return CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES;
    d->problem = p;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t check_graph(double_descriptor *d) {
    const double_attribute *ops = double_get(d, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    if (!ops) return BAD;
    static const cudnnBackendDescriptorType_t kinds[] = {
        CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR};
    for (int i = 0; i < 3; i++) {
        const double_descriptor *op = double_final(ops->values[0].pointer, kinds[i]);
        if (!op) continue;
        d->problem = op->problem;
        return CUDNN_STATUS_SUCCESS;
    }
    return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
}

/* cuDNN offers no convolution whose tensors are not of one type. */
static cudnnStatus_t check_heuristics(double_descriptor *d) {
    const double_attribute *graph = double_get(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    const double_attribute *mode = double_get(d, CUDNN_ATTR_ENGINEHEUR_MODE);
    const double_descriptor *of =
        graph ? double_final(graph->values[0].pointer, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
              : NULL;
    if (!of || !mode) return BAD;
    const double_problem *p = &of->problem;
    d->problem = *p;
    if (p->type[0] != p->type[1] || p->type[0] != p->type[2])
        return CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE;
    bool has_engines = p->c != double_now.unsupported_channels;
    if (mode->values[0].choice == CUDNN_HEUR_MODE_FALLBACK) {
        if (!has_engines) return CUDNN_STATUS_NOT_SUPPORTED;
        d->proposals[d->proposal_count++] = DOUBLE_PLAIN;
        return CUDNN_STATUS_SUCCESS;
    }
    for (int e = 0; has_engines && e < DOUBLE_ENGINES; e++)
        if (e != DOUBLE_TENSOR_CORES || double_now.capability >= 80)
            d->proposals[d->proposal_count++] = (double_engine)e;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t check_plan(double_descriptor *d) {
    const double_attribute *handle = double_get(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
    const double_attribute *config = double_get(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    const double_descriptor *of =
        config ? double_final(config->values[0].pointer, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) : NULL;
    if (!handle || !of) return BAD;
    if (of->engine == DOUBLE_NOT_SUPPORTED) return CUDNN_STATUS_NOT_SUPPORTED_SHAPE;
    d->problem = of->problem;
    d->engine = of->engine;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t check_pack(const double_descriptor *d) {
    const double_attribute *ids = double_get(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const double_attribute *pointers = double_get(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    return ids && pointers && ids->count == pointers->count ? CUDNN_STATUS_SUCCESS : BAD;
}

cudnnStatus_t double_check(double_descriptor *d) {
    switch (d->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        return check_tensor(d);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
        return check_convolution(d);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        return check_operation(d, 0);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
        return check_operation(d, 1);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        return check_operation(d, 2);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        return check_graph(d);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        return check_heuristics(d);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
        return check_plan(d);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
        return check_pack(d);
    default:
        return CUDNN_STATUS_NOT_SUPPORTED;
    }
}
