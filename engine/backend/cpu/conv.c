/* Convolution, forward and backward by data, by oneDNN primitives on channels-last maps.
 *
 * oneDNN chooses its own layout for weights. They are packed into it once per value: packed copies
 * are listed in the backend's state, shared by the primitives that want the same layout of the same
 * tensor, and marked stale when the effective weight is computed anew. */
#include "engine/backend/cpu/cpu_internal.h"

#include "base/memory.h"

struct gs_packed_weight {
    const gs_tensor *weight;
    dnnl_memory_desc_t layout;
    dnnl_memory_t memory, plain;
    void *bytes; /* NULL: the layout is the plain one and primitives read the weight itself */
    dnnl_primitive_t reorder;
    bool stale;
    uint64_t version; /* gs_parameters.version it was packed at, for weights no node produces */
    int users;
    gs_packed_weight *next;
};

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
    gs_packed_weight *weight;
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

/* ---- Packed weights -------------------------------------------------------------------------- */

void gs__cpu_weight_changed(gs_cpu_state *state, const gs_tensor *weight) {
    for (gs_packed_weight *p = state->packed; p; p = p->next)
        if (p->weight == weight) p->stale = true;
    gs__cpu_panels_changed(state, weight);
}

static void packed_release(gs_cpu_state *state, gs_packed_weight *packed) {
    if (!packed || --packed->users > 0) return;
    for (gs_packed_weight **at = &state->packed; *at; at = &(*at)->next)
        if (*at == packed) {
            *at = packed->next;
            break;
        }
    dnnl_primitive_destroy(packed->reorder);
    dnnl_memory_destroy(packed->memory);
    dnnl_memory_destroy(packed->plain);
    gs_free(packed->bytes);
    gs_free(packed);
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

static gs_status packed_fill(gs_cpu_state *state, gs_packed_weight *p, gs_error *err) {
    dnnl_memory_desc_t plain = weight_layout(p->weight->shape, dnnl_oihw);
    TRY_DNNL(dnnl_memory_create(&p->plain, &plain, state->engine, DNNL_MEMORY_NONE), "memory");
    if (dnnl_memory_desc_equal(&plain, &p->layout)) return GS_OK;
    p->bytes = gs_alloc_aligned(dnnl_memory_desc_get_size(&p->layout), 64);
    if (!p->bytes) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a packed weight");
    TRY_DNNL(dnnl_memory_create(&p->memory, &p->layout, state->engine, p->bytes), "memory");
    return reorder_make(state, &plain, &p->layout, &p->reorder, err);
}

static gs_status packed_acquire(gs_cpu_state *state, const gs_tensor *weight,
                                const dnnl_memory_desc_t *layout, gs_packed_weight **out,
                                gs_error *err) {
    for (gs_packed_weight *p = state->packed; p; p = p->next)
        if (p->weight == weight && dnnl_memory_desc_equal(&p->layout, layout)) {
            p->users++;
            *out = p;
            return GS_OK;
        }
    gs_packed_weight *p = gs_alloc(1, sizeof *p);
    if (!p) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a packed weight");
    *p = (gs_packed_weight){
        .weight = weight, .layout = *layout, .stale = true, .users = 1, .next = state->packed};
    state->packed = p;
    gs_status status = packed_fill(state, p, err);
    if (status != GS_OK)
        packed_release(state, p);
    else
        *out = p;
    return status;
}

/* Sets the data of a memory object; oneDNN does work at every change, so equal pointers are
 * skipped. */
static void point_at(dnnl_memory_t memory, void *data) {
    void *now = NULL;
    dnnl_memory_get_data_handle(memory, &now);
    if (now != data) dnnl_memory_set_data_handle(memory, data);
}

static gs_status packed_update(const gs_run *run, gs_packed_weight *p, dnnl_memory_t *out,
                               gs_error *err) {
    gs_cpu_state *state = run->state;
    point_at(p->plain, gs_run_pointer(run, p->weight));
    *out = p->bytes ? p->memory : p->plain;
    if (!p->bytes) return GS_OK;
    /* A weight that is a parameter itself changes outside the graph, or by AMSGrad in it. */
    bool is_parameter = p->weight->producer < 0;
    if (is_parameter && !(run->constants && p->version == run->parameters->version))
        p->stale = true;
    if (!p->stale) return GS_OK;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, p->plain}, {DNNL_ARG_TO, p->memory}};
    TRY_DNNL(dnnl_primitive_execute(p->reorder, state->stream, 2, args), "packing a weight");
    p->stale = false;
    p->version = run->parameters->version;
    return GS_OK;
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
    return packed_acquire(conv->state, r->weight,
                          dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0),
                          &conv->weight, err);
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
    *handle_out = conv;
    GS_TRY(gs__cpu_direct_conv_new(state, node, &conv->direct, scratch_bytes_out, err));
    return conv->direct ? GS_OK : prepare_primitive(conv, node, scratch_bytes_out, err);
}

void gs__cpu_conv_release(void *handle) {
    convolution *conv = handle;
    gs__cpu_direct_conv_free(conv->direct);
    for (int i = 0; i < conv->arg_count; i++) dnnl_memory_destroy(conv->args[i].memory);
    packed_release(conv->state, conv->weight);
    dnnl_primitive_destroy(conv->primitive);
    gs_free(conv);
}

/* ---- Running --------------------------------------------------------------------------------- */

static gs_status run_primitive(const gs_run *run, const convolution *conv, gs_error *err) {
    dnnl_exec_arg_t args[MAX_ARGS + 1];
    int count = 0;
    for (; count < conv->arg_count; count++) {
        const argument *arg = &conv->args[count];
        void *data = arg->tensor ? gs_run_pointer(run, arg->tensor)
                                 : (char *)run->scratch + arg->scratch_offset;
        point_at(arg->memory, data);
        args[count] = (dnnl_exec_arg_t){arg->kind, arg->memory};
    }
    args[count].arg = DNNL_ARG_WEIGHTS;
    GS_TRY(packed_update(run, conv->weight, &args[count++].memory, err));
    TRY_DNNL(dnnl_primitive_execute(conv->primitive, conv->state->stream, count, args),
             "a convolution");
    TRY_DNNL(dnnl_stream_wait(conv->state->stream), "waiting");
    return GS_OK;
}

gs_status gs__cpu_conv_run(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    convolution *conv = handle;
    if (!conv->direct) return run_primitive(run, conv, err);
    gs__cpu_direct_conv_run(run, node, conv->direct);
    return GS_OK;
}
