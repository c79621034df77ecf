/* Convolutions by plain loops, between the kernels that the cuda backend has around its own:
 * weights are packed as [O,K,K,C] in the type of the map beside them, a gradient is cast to it,
 * biases are added and summed. */
#include "kernel_backend.h"

#include "base/memory.h"
#include "trial.h"

#include <string.h>

/* ---- Packing -------------------------------------------------------------------------------- */

static gs_cuda_type weight_type(const gs_node *node) {
    const gs_tensor *map = node->in[node->op == GS_OP_CONV ? 0 : 1];
    return map->is_bfloat16 ? GS_CUDA_BFLOAT16 : GS_CUDA_FLOAT;
}

typedef struct handle {
    gs_cuda_type type;
    size_t bytes; /* of the packed weight */
} handle;

static size_t size_in(gs_cuda_type type) {
    return type == GS_CUDA_FLOAT ? sizeof(float) : sizeof(uint16_t);
}

gs_status kernel_conv_prepare(void *state, const gs_node *node, void **handle_out,
                              size_t *scratch_bytes_out, gs_error *err) {
    (void)state, (void)scratch_bytes_out, (void)err;
    handle *h = gs_alloc(1, sizeof *h);
    assert_non_null(h);
    const gs_tensor *weight = node->in[node->op == GS_OP_CONV ? 1 : 0];
    h->type = weight_type(node);
    h->bytes = gs__shape_size(weight->shape) * size_in(h->type);
    *handle_out = h;
    return GS_OK;
}

gs_packing kernel_conv_packing(const void *opaque) {
    const handle *h = opaque;
    return (gs_packing){h->bytes, &h->type, sizeof h->type};
}

void kernel_conv_release(void *h) {
    gs_free(h);
}

static gs_cuda_status launch_pack_weight(const gs_run *run, const gs_node *node) {
    const handle *h = node->as.pack.handle;
    return gs__cuda_pack_weight(NULL, gs_run_pointer(run, node->in[0]), node->in[0]->shape,
                                (gs_cuda_out){gs_run_pointer(run, node->out[0]), h->type});
}

/* ---- Loops ---------------------------------------------------------------------------------- */

static float load(gs_cuda_in map, size_t i) {
    if (map.type == GS_CUDA_FLOAT) return ((const float *)map.values)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)map.values)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef struct convolution {
    gs_shape in, weight, out;
    int stride;
} convolution;

static size_t map_at(gs_shape s, int n, int h, int w) {
    return (((size_t)n * (size_t)s.h + (size_t)h) * (size_t)s.w + (size_t)w) * (size_t)s.c;
}

/* Where the values of x, of the packed weight and of y are that a kernel position joins: C, C and
 * one of them. */
typedef void visit_run(const convolution *k, size_t x, size_t w, size_t y, void *data);

static void visit_runs(const convolution *k, visit_run *visit, void *data) {
    gs_shape s = k->out, f = k->weight;
    for (int n = 0; n < s.n; n++)
        for (int r = 0; r < s.h; r++)
            for (int q = 0; q < s.w; q++)
                for (int i = 0; i < f.h * f.w; i++) {
                    int h = r * k->stride + i / f.w, w = q * k->stride + i % f.w;
                    for (int o = 0; o < s.c; o++)
                        visit(k, map_at(k->in, n, h, w), (size_t)(o * f.h * f.w + i) * (size_t)f.c,
                              map_at(s, n, r, q) + (size_t)o, data);
                }
}

typedef struct operands {
    gs_cuda_in x, w, y;
    double *sums;
} operands;

static void add_to_output(const convolution *k, size_t x, size_t w, size_t y, void *data) {
    const operands *p = data;
    for (size_t c = 0; c < (size_t)k->in.c; c++)
        p->sums[y] += (double)load(p->x, x + c) * (double)load(p->w, w + c);
}

static void add_to_input(const convolution *k, size_t x, size_t w, size_t y, void *data) {
    const operands *p = data;
    for (size_t c = 0; c < (size_t)k->in.c; c++)
        p->sums[x + c] += (double)load(p->y, y) * (double)load(p->w, w + c);
}

static void add_to_weight(const convolution *k, size_t x, size_t w, size_t y, void *data) {
    const operands *p = data;
    for (size_t c = 0; c < (size_t)k->in.c; c++)
        p->sums[w + c] += (double)load(p->y, y) * (double)load(p->x, x + c);
}

/* Visits with sums of so many numbers, then leaves them in `out`. */
static gs_cuda_status convolve(const convolution *k, visit_run *visit, operands p, size_t count,
                               gs_cuda_out out) {
    double *sums = test_calloc(count, sizeof *sums);
    float *rounded = test_malloc(count * sizeof *rounded);
    p.sums = sums;
    visit_runs(k, visit, &p);
    for (size_t i = 0; i < count; i++) rounded[i] = (float)sums[i];
    gs_cuda_status status = gs__cuda_cast(NULL, (gs_cuda_in){rounded, GS_CUDA_FLOAT}, out, count);
    test_free(sums), test_free(rounded);
    return status;
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static gs_cuda_status launch_conv(const gs_run *run, const gs_node *node) {
    const gs_tensor *x = node->in[0], *w = node->in[1], *y = node->out[0];
    convolution k = {x->shape, w->shape, y->shape, node->as.conv.stride};
    operands p = {.x = map_in(run, x), .w = {gs_run_pointer(run, w), weight_type(node)}};
    gs_cuda_status status =
        convolve(&k, add_to_output, p, gs__shape_size(y->shape), map_out(run, y));
    if (status != 0 || !node->in[2]) return status;
    return gs__cuda_add_bias(NULL, map_out(run, y), y->shape, gs_run_pointer(run, node->in[2]));
}

static gs_cuda_status launch_conv_gradient_data(const gs_run *run, const gs_node *node) {
    const gs_tensor *w = node->in[0], *y = node->in[1], *x = node->out[0];
    convolution k = {x->shape, w->shape, y->shape, node->as.conv.stride};
    operands p = {.w = {gs_run_pointer(run, w), weight_type(node)}, .y = map_in(run, y)};
    return convolve(&k, add_to_input, p, gs__shape_size(x->shape), map_out(run, x));
}

/* Scratch: that of the bias, then the gradient as x's type. */
static size_t bias_scratch(const gs_node *node) {
    size_t bytes = gs__cuda_bias_gradient_scratch(node->in[1]->shape);
    return (bytes + 15) / 16 * 16;
}

static size_t conv_gradient_weight_scratch(const gs_node *node) {
    return bias_scratch(node) + gs__shape_size(node->in[1]->shape) * sizeof(float);
}

static gs_cuda_status weight_gradient(const gs_run *run, const gs_node *node) {
    const gs_tensor *x = node->in[0], *y = node->in[1], *w = node->out[0];
    convolution k = {x->shape, w->shape, y->shape, node->as.conv.stride};
    gs_cuda_out cast = {(char *)run->scratch + bias_scratch(node), map_in(run, x).type};
    gs_cuda_status status = gs__cuda_cast(NULL, map_in(run, y), cast, gs__shape_size(y->shape));
    if (status != 0) return status;
    operands p = {.x = map_in(run, x), .y = {cast.values, cast.type}};
    size_t count = gs__shape_size(w->shape);
    float *packed = test_malloc(count * sizeof *packed);
    status = convolve(&k, add_to_weight, p, count, (gs_cuda_out){packed, GS_CUDA_FLOAT});
    if (status == 0)
        status = gs__cuda_unpack_weight(NULL, (gs_cuda_in){packed, GS_CUDA_FLOAT}, w->shape,
                                        gs_run_pointer(run, w));
    test_free(packed);
    return status;
}

static gs_cuda_status launch_conv_gradient_weight(const gs_run *run, const gs_node *node) {
    gs_cuda_status status = node->out[0] ? weight_gradient(run, node) : 0;
    if (status != 0 || !node->out[1]) return status;
    return gs__cuda_bias_gradient(NULL, map_in(run, node->in[1]), node->in[1]->shape,
                                  gs_run_pointer(run, node->out[1]), run->scratch);
}

const kernel_row *conv_rows(gs_op op) {
    static const kernel_row rows[GS_OP_COUNT] = {
        [GS_OP_CONV] = {launch_conv, NULL, 1, 1},
        [GS_OP_CONV_GRADIENT_DATA] = {launch_conv_gradient_data, NULL, 2, 1},
        [GS_OP_CONV_GRADIENT_WEIGHT] = {launch_conv_gradient_weight, conv_gradient_weight_scratch,
                                        3, 0},
        [GS_OP_PACK_WEIGHT] = {launch_pack_weight, NULL, 0, 0},
    };
    return rows[op].launch ? &rows[op] : NULL;
}
