/* Convolutions: nodes handed to cuDNN, with what it needs around it.
 *
 * In bfloat16 all three tensors of a cuDNN convolution are bfloat16 - it offers none with a float
 * output - so what lies in memory as float is converted into scratch before, and out of it after.
 * The scratch of a node: cuDNN's workspace | x | y | weight, each only where it is needed; a bias's
 * sums take its turn when the convolution is done. */
#include "engine/backend/cuda/cuda_internal.h"

#include "base/memory.h"

#include <string.h>

enum { X, WEIGHT, Y, TENSORS, ALIGNMENT = 16, SCRATCH_ALIGNMENT = 256 };

typedef struct convolution {
    const gs_cudnn_conv *conv; /* the cache's; NULL: only a bias's gradient is wanted */
    gs_cudnn_key key;
    size_t at[TENSORS]; /* in the scratch, where `copied` */
    bool copied[TENSORS];
} convolution;

/* ---- Compiling ------------------------------------------------------------------------------- */

typedef struct roles {
    const gs_tensor *tensor[TENSORS];
} roles;

static roles roles_of(const gs_node *node) {
    switch (node->op) {
    case GS_OP_CONV:
        return (roles){{node->in[0], node->in[1], node->out[0]}};
    case GS_OP_CONV_GRADIENT_DATA:
        return (roles){{node->out[0], node->in[0], node->in[1]}};
    default:
        return (roles){{node->in[0], node->out[0], node->in[1]}};
    }
}

static gs_cudnn_direction direction_of(gs_op op) {
    return op == GS_OP_CONV                 ? GS_CUDNN_FORWARD
           : op == GS_OP_CONV_GRADIENT_DATA ? GS_CUDNN_GRADIENT_DATA
                                            : GS_CUDNN_GRADIENT_WEIGHT;
}

/* What the address of a tensor in memory is a multiple of: views begin anywhere in their base. */
static int64_t alignment_of(const gs_tensor *t, size_t element) {
    gs_shape one = t->shape;
    one.n = 1;
    size_t skipped = t->base ? (size_t)t->view_from * gs__shape_size(one) * element : 0;
    int64_t alignment = ALIGNMENT;
    while (skipped % (size_t)alignment != 0) alignment /= 2;
    return alignment;
}

static gs_cudnn_key key_of(const gs_cuda_state *state, const gs_node *node, const roles *r) {
    gs_shape x = r->tensor[X]->shape, w = r->tensor[WEIGHT]->shape, y = r->tensor[Y]->shape;
    bool is_bfloat16 = state->precision == GS_PRECISION_BF16;
    gs_cudnn_key key = {.direction = direction_of(node->op),
                        .n = x.n,
                        .c = x.c,
                        .h = x.h,
                        .w = x.w,
                        .o = w.n,
                        .k = w.h,
                        .oh = y.h,
                        .ow = y.w,
                        .stride = node->as.conv.stride,
                        .tensor_cores = state->precision != GS_PRECISION_FP32,
                        .nondeterministic = state->nondeterministic};
    for (int i = 0; i < TENSORS; i++) {
        key.type[i] = is_bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
        key.alignment[i] = ALIGNMENT;
    }
    return key;
}

static gs_status find_or_make(gs_cuda_state *state, const gs_cudnn_key *key,
                              const gs_cudnn_conv **out, gs_error *err) {
    for (gs_cuda_cached_conv *c = state->convs; c; c = c->next)
        if (memcmp(&c->key, key, sizeof *key) == 0) {
            *out = c->conv;
            return GS_OK;
        }
    gs_cuda_cached_conv *made = gs_alloc(1, sizeof *made);
    if (!made) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a convolution");
    made->key = *key;
    gs_cudnn_target target = {.handle = state->cudnn, .properties = state->properties};
    gs_status status = gs__cudnn_conv_new(target, key, &made->conv, err);
    if (status != GS_OK) {
        gs_free(made);
        return status;
    }
    made->next = state->convs;
    state->convs = made;
    *out = made->conv;
    return GS_OK;
}

static size_t take(size_t *bytes, size_t size) {
    size_t at = *bytes;
    *bytes += (size + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
    return at;
}

/* A weight's own layout is cuDNN's as well where its kernel is 1×1 and it is float. */
static bool is_plain_weight(const gs_cudnn_key *key) {
    return key->k == 1 && key->type[WEIGHT] == CUDNN_DATA_FLOAT;
}

/* Which tensors cuDNN finds in the scratch. A weight that is read is packed by a node of its own.
 */
static void choose_copies(convolution *c, const gs_node *node, const roles *r) {
    bool is_bfloat16 = c->key.type[X] == CUDNN_DATA_BFLOAT16;
    for (int i = X; i < TENSORS; i++) {
        const gs_tensor *t = r->tensor[i];
        if (i == WEIGHT)
            c->copied[i] = node->op == GS_OP_CONV_GRADIENT_WEIGHT && !is_plain_weight(&c->key);
        else
            c->copied[i] = is_bfloat16 && !t->is_bfloat16;
        if (!c->copied[i] && i != WEIGHT)
            c->key.alignment[i] = alignment_of(t, is_bfloat16 ? sizeof(uint16_t) : sizeof(float));
    }
}

static size_t bytes_of(const convolution *c, const gs_tensor *t) {
    size_t element = c->key.type[X] == CUDNN_DATA_BFLOAT16 ? sizeof(uint16_t) : sizeof(float);
    return gs__shape_size(t->shape) * element;
}

gs_status gs__cuda_prepare_convolution(void *opaque, const gs_node *node, void **handle_out,
                                       size_t *scratch_bytes_out, gs_error *err) {
    gs_cuda_state *state = opaque;
    roles r = roles_of(node);
    const gs_tensor *bias = node->op == GS_OP_CONV_GRADIENT_WEIGHT ? node->out[1] : NULL;
    size_t sums = bias ? gs__cuda_bias_gradient_scratch(node->in[1]->shape) : 0, bytes = 0;
    convolution *c = gs_alloc(1, sizeof *c);
    if (!c) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a convolution");
    *handle_out = c;
    if (r.tensor[WEIGHT]) {
        GS_TRY(gs__cuda_enter(state, err));
        c->key = key_of(state, node, &r);
        choose_copies(c, node, &r);
        GS_TRY(find_or_make(state, &c->key, &c->conv, err));
        (void)take(&bytes, gs__cudnn_conv_workspace(c->conv));
        for (int i = 0; i < TENSORS; i++)
            if (c->copied[i]) c->at[i] = take(&bytes, bytes_of(c, r.tensor[i]));
    }
    *scratch_bytes_out = bytes > sums ? bytes : sums;
    return GS_OK;
}

void gs__cuda_conv_release(void *handle) {
    gs_free(handle);
}

/* ---- Packing --------------------------------------------------------------------------------- */

gs_packing gs__cuda_conv_packing(const void *handle) {
    static const gs_cuda_type as_float = GS_CUDA_FLOAT, as_bfloat16 = GS_CUDA_BFLOAT16;
    const convolution *c = handle;
    if (is_plain_weight(&c->key)) return (gs_packing){0};
    bool is_bfloat16 = c->key.type[WEIGHT] == CUDNN_DATA_BFLOAT16;
    size_t size = (size_t)(c->key.o * c->key.c * c->key.k * c->key.k);
    return (gs_packing){.bytes = size * (is_bfloat16 ? sizeof(uint16_t) : sizeof(float)),
                        .layout = is_bfloat16 ? &as_bfloat16 : &as_float,
                        .layout_bytes = sizeof as_float};
}

GS_CUDA_KERNEL(pack_weight) {
    (void)handle;
    gs_cuda_type type;
    memcpy(&type, node->as.pack.layout, sizeof type);
    gs_cuda_out packed = {gs_run_pointer(run, node->out[0]), type};
    return gs__cuda_launched(gs__cuda_pack_weight(gs__cuda_stream(run),
                                                  gs_run_pointer(run, node->in[0]),
                                                  node->in[0]->shape, packed),
                             node, err);
}

/* ---- Running --------------------------------------------------------------------------------- */

static void *place_of(const gs_run *run, const convolution *c, const roles *r, int which) {
    return c->copied[which] ? (char *)run->scratch + c->at[which]
                            : gs_run_pointer(run, r->tensor[which]);
}

static gs_status convert(const gs_run *run, const gs_node *node, gs_cuda_in from, gs_cuda_out to,
                         size_t count, gs_error *err) {
    return gs__cuda_launched(gs__cuda_cast(gs__cuda_stream(run), from, to, count), node, err);
}

static gs_status convert_input(const gs_run *run, const gs_node *node, const convolution *c,
                               const roles *r, int which, gs_error *err) {
    if (!c->copied[which]) return GS_OK;
    gs_cuda_out to = {place_of(run, c, r, which), GS_CUDA_BFLOAT16};
    return convert(run, node, gs__cuda_in(run, r->tensor[which]), to,
                   gs__shape_size(r->tensor[which]->shape), err);
}

static gs_status convert_output(const gs_run *run, const gs_node *node, const convolution *c,
                                const roles *r, int which, gs_error *err) {
    if (!c->copied[which]) return GS_OK;
    gs_cuda_in from = {place_of(run, c, r, which), GS_CUDA_BFLOAT16};
    return convert(run, node, from, gs__cuda_out(run, r->tensor[which]),
                   gs__shape_size(r->tensor[which]->shape), err);
}

static gs_status convolve(const gs_run *run, const convolution *c, const roles *r, gs_error *err) {
    const gs_cuda_state *state = run->state;
    return gs__cudnn_conv_run(c->conv, state->cudnn, place_of(run, c, r, X),
                              place_of(run, c, r, WEIGHT), place_of(run, c, r, Y), run->scratch,
                              err);
}

GS_CUDA_KERNEL(conv) {
    const convolution *c = handle;
    roles r = roles_of(node);
    GS_TRY(convert_input(run, node, c, &r, X, err));
    GS_TRY(convolve(run, c, &r, err));
    GS_TRY(convert_output(run, node, c, &r, Y, err));
    if (!node->in[2]) return GS_OK;
    return gs__cuda_launched(gs__cuda_add_bias(gs__cuda_stream(run),
                                               gs__cuda_out(run, node->out[0]), node->out[0]->shape,
                                               gs_run_pointer(run, node->in[2])),
                             node, err);
}

GS_CUDA_KERNEL(conv_gradient_data) {
    const convolution *c = handle;
    roles r = roles_of(node);
    GS_TRY(convert_input(run, node, c, &r, Y, err));
    GS_TRY(convolve(run, c, &r, err));
    return convert_output(run, node, c, &r, X, err);
}

static gs_status weight_gradient(const gs_run *run, const gs_node *node, const convolution *c,
                                 gs_error *err) {
    roles r = roles_of(node);
    GS_TRY(convert_input(run, node, c, &r, X, err));
    GS_TRY(convert_input(run, node, c, &r, Y, err));
    GS_TRY(convolve(run, c, &r, err));
    if (!c->copied[WEIGHT]) return GS_OK;
    bool is_bfloat16 = c->key.type[WEIGHT] == CUDNN_DATA_BFLOAT16;
    gs_cuda_in packed = {place_of(run, c, &r, WEIGHT),
                         is_bfloat16 ? GS_CUDA_BFLOAT16 : GS_CUDA_FLOAT};
    return gs__cuda_launched(gs__cuda_unpack_weight(gs__cuda_stream(run), packed,
                                                    node->out[0]->shape,
                                                    gs_run_pointer(run, node->out[0])),
                             node, err);
}

GS_CUDA_KERNEL(conv_gradient_weight) {
    const convolution *c = handle;
    if (c->conv) GS_TRY(weight_gradient(run, node, c, err));
    if (!node->out[1]) return GS_OK;
    return gs__cuda_launched(
        gs__cuda_bias_gradient(gs__cuda_stream(run), gs__cuda_in(run, node->in[1]),
                               node->in[1]->shape, gs_run_pointer(run, node->out[1]), run->scratch),
        node, err);
}
