/* Convolution, forward and backward by data, by oneDNN primitives on channels-last maps or by our
 * own kernels, and packing its weight into the layout that either wants. */
#include "engine/backend/cpu/cpu_internal.h"

#include "base/memory.h"

enum { MAX_ARGS = 5 };

/* A memory argument of a primitive and where its data comes from. */
typedef struct argument {
    int kind; /* DNNL_ARG_… */
    dnnl_memory_t memory;
    const gs_tensor *tensor; /* data of a tensor, … */
    size_t scratch_offset;   /* … or (tensor NULL) memory in the scratch */
} argument;

typedef struct convolution {
    gs_cpu_state *state;
    gs_direct_conv *direct; /* not NULL: our own kernels, and nothing below is used */
    dnnl_primitive_t primitive;
    argument args[MAX_ARGS];
    int arg_count;
    int weight_arg; /* which of the arguments */
    dnnl_memory_desc_t weight_layout;
    bool is_packed; /* that layout is not the plain one */
} convolution;

#define TRY_DNNL(call, what)                                                                       \
    do {                                                                                           \
        dnnl_status_t try_dnnl_ = (call);                                                          \
        if (try_dnnl_ != dnnl_success)                                                             \
            return gs_fail(err, try_dnnl_ == dnnl_out_of_memory ? GS_OUT_OF_MEMORY : GS_BACKEND,   \
                           "oneDNN: %s failed with status %d", what, (int)try_dnnl_);              \
    } while (0)

static size_t round_up(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

static dnnl_memory_desc_t map_layout(gs_shape s) {
    dnnl_memory_desc_t layout;
    dnnl_memory_desc_init_by_tag(&layout, 4, (dnnl_dims_t){s.n, s.c, s.h, s.w}, dnnl_f32,
                                 dnnl_nhwc);
    return layout;
}

static dnnl_memory_desc_t weight_layout(gs_shape s, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t layout;
    dnnl_memory_desc_init_by_tag(&layout, 4, (dnnl_dims_t){s.n, s.c, s.h, s.w}, dnnl_f32, tag);
    return layout;
}

static dnnl_memory_desc_t vector_layout(int size) {
    dnnl_memory_desc_t layout;
    dnnl_memory_desc_init_by_tag(&layout, 1, (dnnl_dims_t){size}, dnnl_f32, dnnl_a);
    return layout;
}

static gs_status reorder_make(gs_cpu_state *state, const dnnl_memory_desc_t *from,
                              const dnnl_memory_desc_t *to, dnnl_primitive_t *out, gs_error *err) {
    dnnl_primitive_desc_t desc;
    TRY_DNNL(
        dnnl_reorder_primitive_desc_create(&desc, from, state->engine, to, state->engine, NULL),
        "describing a reorder");
    dnnl_status_t status = dnnl_primitive_create(out, desc);
    dnnl_primitive_desc_destroy(desc);
    TRY_DNNL(status, "creating a reorder");
    return GS_OK;
}

/* Sets the data of a memory object; oneDNN does work at every change, so equal pointers are
 * skipped. */
static void point_at(dnnl_memory_t memory, void *data) {
    void *now = NULL;
    dnnl_memory_get_data_handle(memory, &now);
    if (now != data) dnnl_memory_set_data_handle(memory, data);
}

/* ---- Building -------------------------------------------------------------------------------- */

static gs_status add_argument(convolution *conv, int kind, const dnnl_memory_desc_t *layout,
                              const gs_tensor *tensor, gs_error *err) {
    gs_assert(conv->arg_count < MAX_ARGS);
    argument *arg = &conv->args[conv->arg_count];
    TRY_DNNL(dnnl_memory_create(&arg->memory, layout, conv->state->engine, DNNL_MEMORY_NONE),
             "memory");
    arg->kind = kind;
    arg->tensor = tensor;
    conv->arg_count++;
    return GS_OK;
}

/* The tensors of a convolution whichever way it is run. */
typedef struct roles {
    const gs_tensor *map_in, *weight, *bias, *map_out;
} roles;

static roles roles_of(const gs_node *node) {
    if (node->op == GS_OP_CONV) return (roles){node->in[0], node->in[1], node->in[2], node->out[0]};
    return (roles){node->out[0], node->in[0], NULL, node->in[1]}; /* GS_OP_CONV_GRADIENT_DATA */
}

typedef struct layouts {
    dnnl_memory_desc_t map_in, weight, bias, map_out;
    dnnl_dims_t strides;
} layouts;

static dnnl_status_t describe(gs_cpu_state *state, gs_op op, const layouts *l, bool has_bias,
                              dnnl_primitive_desc_t *out) {
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t forward = NULL;
    dnnl_primitive_attr_t attr;
    const dnnl_dims_t none = {0, 0};
    const dnnl_memory_desc_t *bias = has_bias ? &l->bias : NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status != dnnl_success) return status;
    dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    status = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training,
                                                dnnl_convolution_direct, &l->map_in, &l->weight,
                                                bias, &l->map_out, l->strides, none, none);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&forward, &desc, attr, state->engine, NULL);
    if (status != dnnl_success || op == GS_OP_CONV) {
        *out = forward;
        dnnl_primitive_attr_destroy(attr);
        return status;
    }
    status =
        dnnl_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &l->map_in,
                                                 &l->weight, &l->map_out, l->strides, none, none);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(out, &desc, attr, state->engine, forward);
    dnnl_primitive_desc_destroy(forward);
    dnnl_primitive_attr_destroy(attr);
    return status;
}

static gs_status add_arguments(convolution *conv, gs_op op, const layouts *l, const roles *r,
                               const_dnnl_primitive_desc_t desc, size_t *scratch, gs_error *err) {
    const dnnl_memory_desc_t *pad = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t pad_bytes = dnnl_memory_desc_get_size(pad);
    if (pad_bytes) {
        GS_TRY(add_argument(conv, DNNL_ARG_SCRATCHPAD, pad, NULL, err));
        conv->args[conv->arg_count - 1].scratch_offset = 0;
        *scratch += round_up(pad_bytes);
    }
    GS_TRY(add_argument(conv, op == GS_OP_CONV_GRADIENT_DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
                        &l->map_in, r->map_in, err));
    GS_TRY(add_argument(conv, op == GS_OP_CONV ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, &l->map_out,
                        r->map_out, err));
    if (r->bias) GS_TRY(add_argument(conv, DNNL_ARG_BIAS, &l->bias, r->bias, err));
    dnnl_memory_desc_t plain = weight_layout(r->weight->shape, dnnl_oihw);
    conv->weight_layout = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    conv->is_packed = !dnnl_memory_desc_equal(&conv->weight_layout, &plain);
    conv->weight_arg = conv->arg_count;
    return add_argument(conv, DNNL_ARG_WEIGHTS, &conv->weight_layout, NULL, err);
}

/* `conv` is released by the plan, also when this fails. */
static gs_status prepare_primitive(convolution *conv, const gs_node *node,
                                   size_t *scratch_bytes_out, gs_error *err) {
    gs_cpu_state *state = conv->state;
    roles r = roles_of(node);
    layouts l = {.map_in = map_layout(r.map_in->shape),
                 .weight = weight_layout(r.weight->shape, dnnl_format_tag_any),
                 .map_out = map_layout(r.map_out->shape),
                 .strides = {node->as.conv.stride, node->as.conv.stride}};
    if (r.bias) l.bias = vector_layout(r.bias->shape.c);
    dnnl_primitive_desc_t desc = NULL;
    TRY_DNNL(describe(state, node->op, &l, r.bias != NULL, &desc), "describing a convolution");
    gs_status status = add_arguments(conv, node->op, &l, &r, desc, scratch_bytes_out, err);
    dnnl_status_t created =
        status == GS_OK ? dnnl_primitive_create(&conv->primitive, desc) : dnnl_success;
    dnnl_primitive_desc_destroy(desc);
    GS_TRY(status);
    TRY_DNNL(created, "creating a convolution");
    return GS_OK;
}

gs_status gs__cpu_conv_prepare(void *state, const gs_node *node, void **handle_out,
                               size_t *scratch_bytes_out, gs_error *err) {
    convolution *conv = gs_alloc(1, sizeof *conv);
    if (!conv) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a convolution");
    conv->state = state;
    conv->weight_arg = -1;
    *handle_out = conv;
    GS_TRY(gs__cpu_direct_conv_new(state, node, &conv->direct, scratch_bytes_out, err));
    return conv->direct ? GS_OK : prepare_primitive(conv, node, scratch_bytes_out, err);
}

gs_packing gs__cpu_conv_packing(const void *handle) {
    const convolution *conv = handle;
    if (conv->direct) return gs__cpu_direct_conv_packing(conv->direct);
    if (!conv->is_packed) return (gs_packing){0};
    return (gs_packing){.bytes = dnnl_memory_desc_get_size(&conv->weight_layout),
                        .layout = &conv->weight_layout,
                        .layout_bytes = sizeof conv->weight_layout};
}

void gs__cpu_conv_release(void *handle) {
    convolution *conv = handle;
    gs__cpu_direct_conv_free(conv->direct);
    for (int i = 0; i < conv->arg_count; i++) dnnl_memory_destroy(conv->args[i].memory);
    dnnl_primitive_destroy(conv->primitive);
    gs_free(conv);
}

/* ---- Running --------------------------------------------------------------------------------- */

static const gs_tensor *weight_of(const gs_node *node) {
    return node->in[node->op == GS_OP_CONV ? 1 : 0];
}

static gs_status run_primitive(const gs_run *run, const gs_node *node, const convolution *conv,
                               gs_error *err) {
    dnnl_exec_arg_t args[MAX_ARGS];
    int count = 0;
    for (; count < conv->arg_count; count++) {
        const argument *arg = &conv->args[count];
        /* The plan may have given the node a packed weight after it was prepared. */
        const gs_tensor *tensor = count == conv->weight_arg ? weight_of(node) : arg->tensor;
        void *data =
            tensor ? gs_run_pointer(run, tensor) : (char *)run->scratch + arg->scratch_offset;
        point_at(arg->memory, data);
        args[count] = (dnnl_exec_arg_t){arg->kind, arg->memory};
    }
    TRY_DNNL(dnnl_primitive_execute(conv->primitive, conv->state->stream, count, args),
             "a convolution");
    TRY_DNNL(dnnl_stream_wait(conv->state->stream), "waiting");
    return GS_OK;
}

gs_status gs__cpu_conv_run(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    convolution *conv = handle;
    if (!conv->direct) return run_primitive(run, node, conv, err);
    gs__cpu_direct_conv_run(run, node, conv->direct);
    return GS_OK;
}

/* ---- Packing --------------------------------------------------------------------------------- */

/* By oneDNN; our own kernels' handle is NULL. */
typedef struct packer {
    dnnl_stream_t stream;
    dnnl_memory_t plain, packed;
    dnnl_primitive_t reorder;
} packer;

gs_status gs__cpu_pack_prepare(void *opaque, const gs_node *node, void **handle_out,
                               size_t *scratch_bytes_out, gs_error *err) {
    (void)scratch_bytes_out;
    gs_cpu_state *state = opaque;
    const convolution *conv = node->as.pack.handle;
    if (conv->direct) return GS_OK;
    packer *p = gs_alloc(1, sizeof *p);
    if (!p) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to pack a weight");
    p->stream = state->stream;
    *handle_out = p;
    dnnl_memory_desc_t plain = weight_layout(node->in[0]->shape, dnnl_oihw);
    TRY_DNNL(dnnl_memory_create(&p->plain, &plain, state->engine, DNNL_MEMORY_NONE), "memory");
    TRY_DNNL(dnnl_memory_create(&p->packed, &conv->weight_layout, state->engine, DNNL_MEMORY_NONE),
             "memory");
    return reorder_make(state, &plain, &conv->weight_layout, &p->reorder, err);
}

gs_status gs__cpu_pack_run(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    const convolution *conv = node->as.pack.handle;
    packer *p = handle;
    void *weight = gs_run_pointer(run, node->in[0]), *packed = gs_run_pointer(run, node->out[0]);
    if (conv->direct) {
        gs__cpu_direct_conv_pack(conv->direct, weight, packed);
        return GS_OK;
    }
    point_at(p->plain, weight);
    point_at(p->packed, packed);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, p->plain}, {DNNL_ARG_TO, p->packed}};
    TRY_DNNL(dnnl_primitive_execute(p->reorder, p->stream, 2, args), "packing a weight");
    TRY_DNNL(dnnl_stream_wait(p->stream), "waiting");
    return GS_OK;
}

void gs__cpu_pack_release(void *handle) {
    packer *p = handle;
    dnnl_memory_destroy(p->plain);
    dnnl_memory_destroy(p->packed);
    dnnl_primitive_destroy(p->reorder);
    gs_free(p);
}
