/* Places tensors by liveness, compiles nodes, runs them.
 *
 * Invariants: (1) two tensors whose lifetimes overlap never share bytes; (2) a view has no memory
 * of its own, and its base lives as long as any use of the view; (3) kept tensors live to the end.
 */
#include "engine/graph/plan.h"

#include "base/memory.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TENSOR_ALIGNMENT = 64, GUARD_BYTES = 64, GUARD_VALUE = 0xA5 };

struct gs_device {
    const gs_backend *backend;
    void *state;
    int threads;
    gs_precision precision;
    char *arena;
    size_t arena_bytes;
    void *scratch;
    size_t scratch_bytes;
};

struct gs_plan {
    gs_graph *graph;
    gs_device *device;
    gs_plan_mode mode;
    void **handles;  /* [node_count] */
    double *seconds; /* [node_count] that it ran, … */
    int *runs;       /* [node_count] … in so many runs */
    size_t arena_bytes, constant_bytes, scratch_bytes;
    size_t *node_scratch;       /* [node_count] bytes that the kernel asked for */
    const char *broken_scratch; /* GS_PLAN_GUARDED: the first operation that wrote beyond them */
    char *constants;
    uint64_t constants_version; /* gs_parameters.version they were computed for; 0 = never */
};

/* ---- Device ---------------------------------------------------------------------------------- */

/* OMP_NUM_THREADS is read here because the runtime's own copy changes with every plan that runs. */
static int default_threads(void) {
    const char *text = getenv("OMP_NUM_THREADS");
    int wanted = text ? atoi(text) : 0, processors = omp_get_num_procs();
    return wanted > 0 && wanted <= processors ? wanted : processors;
}

gs_status gs_device_open(const char *backend, int threads, gs_precision precision, gs_device **out,
                         gs_error *err) {
    const gs_backend *found;
    GS_TRY(gs_backend_find(backend, &found, err));
    gs_device *device = gs_alloc(1, sizeof *device);
    if (!device) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a device");
    device->backend = found;
    device->precision = gs_precision_resolve(backend, precision);
    device->threads = threads > 0 ? threads : default_threads();
    if (found->open) {
        gs_status status = found->open(device->threads, device->precision, &device->state, err);
        if (status != GS_OK) {
            gs_free(device);
            return status;
        }
    }
    *out = device;
    return GS_OK;
}

void gs_device_close(gs_device *device) {
    if (!device) return;
    if (device->backend->close) device->backend->close(device->state);
    gs_free(device->arena), gs_free(device->scratch);
    gs_free(device);
}

const gs_backend *gs_device_backend(const gs_device *device) {
    return device->backend;
}

int gs_device_threads(const gs_device *device) {
    return device->threads;
}

gs_precision gs_device_precision(const gs_device *device) {
    return device->precision;
}

/* Contents are not kept: plans never rely on what a previous run left. On failure the device has
 * what it had before, if that can be had again, so that plans made earlier go on working. */
static gs_status device_reserve(void **memory, size_t *have, size_t bytes, gs_error *err) {
    if (bytes <= *have) return GS_OK;
    size_t before = *have;
    gs_free(*memory);
    *memory = gs_alloc_aligned(bytes, 4096);
    *have = *memory ? bytes : 0;
    if (*memory) return GS_OK;
    if (before) *memory = gs_alloc_aligned(before, 4096);
    if (*memory) *have = before;
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu bytes of activations", bytes);
}

/* ---- Placement ------------------------------------------------------------------------------- */

typedef struct placement {
    gs_tensor *tensor;
    size_t size, offset; /* bytes */
    int first, last;     /* nodes between which the memory is in use */
} placement;

static gs_tensor *memory_owner(gs_tensor *tensor) {
    return tensor->base ? tensor->base : tensor;
}

static void extend_lifetime(placement *of_id, gs_tensor *tensor, int node) {
    if (!tensor) return;
    placement *p = &of_id[memory_owner(tensor)->id];
    if (node > p->last) p->last = node;
}

static void find_lifetimes(const gs_plan *plan, placement *of_id) {
    const gs_graph *graph = plan->graph;
    for (int i = 0; i < graph->tensor_count; i++) {
        gs_tensor *t = graph->tensors[i];
        of_id[i].tensor = t;
        of_id[i].first = of_id[i].last = t->producer > 0 ? t->producer : 0;
        size_t bytes = gs__tensor_bytes(plan->device->backend, t);
        of_id[i].size = (bytes + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;
    }
    for (int n = 0; n < graph->node_count; n++) {
        for (int i = 0; i < graph->nodes[n]->in_count; i++)
            extend_lifetime(of_id, graph->nodes[n]->in[i], n);
        for (int i = 0; i < graph->nodes[n]->out_count; i++)
            extend_lifetime(of_id, graph->nodes[n]->out[i], n);
    }
    for (int i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i]->kept) of_id[i].last = graph->node_count;
}

static int larger_first(const void *a, const void *b) {
    const placement *const *p = a, *const *q = b;
    if ((*p)->size != (*q)->size) return (*p)->size < (*q)->size ? 1 : -1;
    return (*p)->tensor->id - (*q)->tensor->id;
}

static int by_offset(const void *a, const void *b) {
    const placement *const *p = a, *const *q = b;
    return ((*p)->offset > (*q)->offset) - ((*p)->offset < (*q)->offset);
}

/* The lowest offset at which `p` fits beside those already placed that live at the same time. */
static size_t lowest_fit(const placement *p, placement **placed, size_t count, placement **room) {
    size_t overlapping = 0;
    for (size_t i = 0; i < count; i++)
        if (placed[i]->first <= p->last && p->first <= placed[i]->last)
            room[overlapping++] = placed[i];
    qsort(room, overlapping, sizeof *room, by_offset);
    size_t at = 0;
    for (size_t i = 0; i < overlapping; i++) {
        if (at + p->size <= room[i]->offset) break;
        size_t end = room[i]->offset + room[i]->size;
        if (end > at) at = end;
    }
    return at;
}

/* Greedy by size: large tensors first, each at the lowest place that is free during its life. */
static size_t place(placement **list, size_t count, placement **room) {
    size_t total = 0;
    qsort(list, count, sizeof *list, larger_first);
    for (size_t i = 0; i < count; i++) {
        list[i]->offset = lowest_fit(list[i], list, i, room);
        if (list[i]->offset + list[i]->size > total) total = list[i]->offset + list[i]->size;
    }
    return total;
}

static size_t place_apart(placement **list, size_t count, size_t gap) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        list[i]->offset = total;
        total += list[i]->size + gap;
    }
    return total;
}

static bool is_persistent_constant(const gs_plan *plan, const gs_tensor *tensor) {
    return plan->mode == GS_PLAN_INFERENCE && tensor->constant;
}

static gs_status place_tensors(gs_plan *plan, gs_error *err) {
    const gs_graph *graph = plan->graph;
    size_t count = (size_t)graph->tensor_count, activations = 0, constants = 0;
    placement *of_id = gs_alloc(count, sizeof *of_id);
    placement **list = gs_alloc(3 * count, sizeof *list);
    gs_status status = GS_OK;
    if (!of_id || !list) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to place %zu tensors", count);
        goto done;
    }
    find_lifetimes(plan, of_id);
    placement **constant_list = list + count, **room = list + 2 * count;
    for (size_t i = 0; i < count; i++) {
        const gs_tensor *t = of_id[i].tensor;
        if (t->base || t->storage != GS_IN_ARENA) continue;
        if (is_persistent_constant(plan, t))
            constant_list[constants++] = &of_id[i];
        else
            list[activations++] = &of_id[i];
    }
    plan->constant_bytes = place_apart(constant_list, constants, 0);
    if (plan->mode == GS_PLAN_GUARDED)
        plan->arena_bytes = place_apart(list, activations, GUARD_BYTES);
    else
        plan->arena_bytes = place(list, activations, room);
    for (size_t i = 0; i < count; i++)
        if (of_id[i].tensor->storage == GS_IN_ARENA && !of_id[i].tensor->base)
            of_id[i].tensor->offset = of_id[i].offset / plan->device->backend->element_size;
done:
    gs_free(of_id), gs_free(list);
    return status;
}

/* ---- Plan ------------------------------------------------------------------------------------ */

static gs_status compile_nodes(gs_plan *plan, gs_error *err) {
    const gs_graph *graph = plan->graph;
    gs_device *device = plan->device;
    size_t scratch = 0;
    for (int i = 0; i < graph->node_count; i++) {
        const gs_kernel *kernel = &device->backend->kernels[graph->nodes[i]->op];
        if (!kernel->run)
            return gs_fail(err, GS_UNSUPPORTED, "backend %s has no kernel for %s",
                           device->backend->name, gs_op_name(graph->nodes[i]->op));
        size_t wanted = 0;
        if (kernel->prepare)
            GS_TRY(
                kernel->prepare(device->state, graph->nodes[i], &plan->handles[i], &wanted, err));
        plan->node_scratch[i] = wanted;
        if (wanted > scratch) scratch = wanted;
    }
    if (plan->mode == GS_PLAN_GUARDED) scratch += GUARD_BYTES;
    plan->scratch_bytes = scratch;
    return device_reserve(&device->scratch, &device->scratch_bytes, scratch, err);
}

static gs_status plan_build(gs_plan *plan, gs_error *err) {
    const gs_backend *backend = plan->device->backend;
    GS_TRY(gs_graph_finish(plan->graph, err));
    if (backend->choose_types) backend->choose_types(plan->device->state, plan->graph);
    omp_set_num_threads(plan->device->threads);
    plan->handles = gs_alloc((size_t)plan->graph->node_count, sizeof *plan->handles);
    plan->seconds = gs_alloc((size_t)plan->graph->node_count, sizeof *plan->seconds);
    plan->runs = gs_alloc((size_t)plan->graph->node_count, sizeof *plan->runs);
    plan->node_scratch = gs_alloc((size_t)plan->graph->node_count, sizeof *plan->node_scratch);
    if (!plan->handles || !plan->seconds || !plan->runs || !plan->node_scratch)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan");
    GS_TRY(place_tensors(plan, err));
    GS_TRY(compile_nodes(plan, err));
    void *arena = plan->device->arena;
    gs_status status = device_reserve(&arena, &plan->device->arena_bytes, plan->arena_bytes, err);
    plan->device->arena = arena;
    GS_TRY(status);
    plan->constants = gs_alloc_aligned(plan->constant_bytes, TENSOR_ALIGNMENT);
    if (!plan->constants)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu bytes of prepared weights",
                       plan->constant_bytes);
    return GS_OK;
}

gs_status gs_plan_new(gs_graph *graph, gs_device *device, gs_plan_mode mode, gs_plan **out,
                      gs_error *err) {
    gs_plan *plan = graph ? gs_alloc(1, sizeof *plan) : NULL;
    if (!plan) {
        gs_graph_free(graph);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan");
    }
    *plan = (gs_plan){.graph = graph, .device = device, .mode = mode};
    gs_status status = plan_build(plan, err);
    if (status != GS_OK) {
        gs_plan_free(plan);
        return status;
    }
    *out = plan;
    return GS_OK;
}

void gs_plan_free(gs_plan *plan) {
    if (!plan) return;
    for (int i = 0; plan->handles && i < plan->graph->node_count; i++) {
        const gs_kernel *kernel = &plan->device->backend->kernels[plan->graph->nodes[i]->op];
        if (plan->handles[i] && kernel->release) kernel->release(plan->handles[i]);
    }
    gs_graph_free(plan->graph);
    gs_free(plan->handles), gs_free(plan->seconds), gs_free(plan->runs);
    gs_free(plan->node_scratch);
    gs_free(plan->constants);
    gs_free(plan);
}

void *gs_run_pointer(const gs_run *run, const gs_tensor *tensor) {
    if (!tensor) return NULL;
    const gs_tensor *owner = tensor->base ? tensor->base : tensor;
    size_t size = run->parameters->element_size, at = owner->offset;
    if (tensor->base) {
        gs_shape one = tensor->shape;
        one.n = 1;
        at += (size_t)tensor->view_from * gs__shape_size(one);
    }
    switch (owner->storage) {
    case GS_IN_VALUES:
        return (char *)run->parameters->values + at * size;
    case GS_IN_GRADIENTS:
        return (char *)run->parameters->gradients + at * size;
    case GS_IN_ARENA:
        break;
    }
    return (owner->constant && run->constants ? run->constants : run->arena) + at * size;
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static char *planned_pointer(const gs_plan *plan, const gs_tensor *tensor) {
    gs_parameters sizes = {.element_size = plan->device->backend->element_size};
    gs_run run = {.arena = plan->device->arena,
                  .constants = plan->mode == GS_PLAN_INFERENCE ? plan->constants : NULL,
                  .parameters = &sizes};
    return gs_run_pointer(&run, tensor);
}

/* Calls visit(index in [N,C,H,W], index channels-last) for every element. */
#define FOR_EACH_ELEMENT(shape, outer, inner)                                                      \
    for (size_t n_ = 0, C_ = (size_t)(shape).c, P_ = (size_t)(shape).h * (size_t)(shape).w;        \
         n_ < (size_t)(shape).n; n_++)                                                             \
        for (size_t c_ = 0; c_ < C_; c_++)                                                         \
            for (size_t p_ = 0, outer, inner;                                                      \
                 outer = (n_ * C_ + c_) * P_ + p_, inner = (n_ * P_ + p_) * C_ + c_, p_ < P_;      \
                 p_++)

/* Not after a larger plan failed to get memory and the old could not be had again. */
static bool has_memory(const gs_plan *plan) {
    const gs_device *device = plan->device;
    return device->arena_bytes >= plan->arena_bytes && device->scratch_bytes >= plan->scratch_bytes;
}

void gs_plan_write(gs_plan *plan, const gs_tensor *input, const float *values) {
    if (!has_memory(plan)) return; /* gs_plan_run says so */
    void *memory = planned_pointer(plan, input);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(input->shape, outer, inner)((float *)memory)[inner] = values[outer];
    } else {
        FOR_EACH_ELEMENT(input->shape, outer, inner)
        ((double *)memory)[inner] = (double)values[outer];
    }
}

void gs_plan_read(const gs_plan *plan, const gs_tensor *tensor, float *values_out) {
    const void *memory = planned_pointer(plan, tensor);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = ((const float *)memory)[inner];
    } else {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = (float)((const double *)memory)[inner];
    }
}

void gs_plan_write_double(gs_plan *plan, const gs_tensor *input, const double *values) {
    if (!has_memory(plan)) return;
    void *memory = planned_pointer(plan, input);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(input->shape, outer, inner)((float *)memory)[inner] = (float)values[outer];
    } else {
        FOR_EACH_ELEMENT(input->shape, outer, inner)((double *)memory)[inner] = values[outer];
    }
}

void gs_plan_read_double(const gs_plan *plan, const gs_tensor *tensor, double *values_out) {
    const void *memory = planned_pointer(plan, tensor);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = (double)((const float *)memory)[inner];
    } else {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = ((const double *)memory)[inner];
    }
}

double gs_plan_scalar(const gs_plan *plan, const gs_tensor *loss) {
    double value;
    gs_plan_read_double(plan, loss, &value);
    return value;
}

/* ---- Running --------------------------------------------------------------------------------- */

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t guard_offset(const gs_plan *plan, const gs_tensor *tensor) {
    size_t size = plan->device->backend->element_size;
    return tensor->offset * size + gs__tensor_bytes(plan->device->backend, tensor);
}

/* The bytes between a tensor's end and the next tensor: alignment padding and the guard. */
static size_t guard_size(const gs_plan *plan, const gs_tensor *tensor) {
    size_t bytes = gs__tensor_bytes(plan->device->backend, tensor);
    return (TENSOR_ALIGNMENT - bytes % TENSOR_ALIGNMENT) % TENSOR_ALIGNMENT + GUARD_BYTES;
}

static bool has_guard(const gs_tensor *tensor) {
    return tensor->storage == GS_IN_ARENA && !tensor->base;
}

static void set_guards(gs_plan *plan) {
    const gs_graph *graph = plan->graph;
    size_t size = plan->device->backend->element_size;
    for (int i = 0; i < graph->tensor_count; i++) {
        const gs_tensor *t = graph->tensors[i];
        if (!has_guard(t)) continue;
        memset(plan->device->arena + guard_offset(plan, t), GUARD_VALUE, guard_size(plan, t));
        bool is_input = t->producer < 0;
        if (!is_input) /* all ones is a NaN in every width */
            memset(plan->device->arena + t->offset * size, 0xFF,
                   gs__tensor_bytes(plan->device->backend, t));
    }
}

static bool is_guard(const unsigned char *guard, size_t size) {
    for (size_t k = 0; k < size; k++)
        if (guard[k] != GUARD_VALUE) return false;
    return true;
}

/* Before a node runs: what it finds in the scratch is NaN, and beyond what it asked for lies a
 * guard. */
static void guard_scratch(const gs_plan *plan, int node) {
    char *scratch = plan->device->scratch;
    memset(scratch, 0xFF, plan->node_scratch[node]);
    memset(scratch + plan->node_scratch[node], GUARD_VALUE, GUARD_BYTES);
}

static void check_scratch(gs_plan *plan, int node) {
    const unsigned char *guard =
        (const unsigned char *)plan->device->scratch + plan->node_scratch[node];
    if (!plan->broken_scratch && !is_guard(guard, GUARD_BYTES))
        plan->broken_scratch = gs_op_name(plan->graph->nodes[node]->op);
}

const char *gs_plan_broken_guard(const gs_plan *plan) {
    if (plan->broken_scratch) return plan->broken_scratch;
    for (int i = 0; i < plan->graph->tensor_count; i++) {
        const gs_tensor *t = plan->graph->tensors[i];
        if (!has_guard(t)) continue;
        const unsigned char *guard =
            (const unsigned char *)plan->device->arena + guard_offset(plan, t);
        if (!is_guard(guard, guard_size(plan, t)))
            return t->producer >= 0 ? gs_op_name(plan->graph->nodes[t->producer]->op) : t->name;
    }
    return NULL;
}

gs_status gs_plan_run(gs_plan *plan, gs_parameters *parameters, gs_error *err) {
    gs_device *device = plan->device;
    gs_assert(parameters->element_size == device->backend->element_size);
    gs_assert(parameters->set == plan->graph->set);
    if (!has_memory(plan))
        return gs_fail(err, GS_OUT_OF_MEMORY,
                       "the device lost its memory to a plan too large for it");
    omp_set_num_threads(device->threads);
    bool is_inference = plan->mode == GS_PLAN_INFERENCE;
    gs_run run = {.arena = device->arena,
                  .constants = is_inference ? plan->constants : NULL,
                  .parameters = parameters,
                  .scratch = device->scratch,
                  .state = device->state,
                  .threads = device->threads};
    bool is_current = is_inference && plan->constants_version == parameters->version;
    if (plan->mode == GS_PLAN_GUARDED) set_guards(plan);
    for (int i = 0; i < plan->graph->node_count; i++) {
        const gs_node *node = plan->graph->nodes[i];
        if (is_current && node->constant) continue;
        if (plan->mode == GS_PLAN_GUARDED) guard_scratch(plan, i);
        double start = now_seconds();
        GS_TRY(device->backend->kernels[node->op].run(&run, node, plan->handles[i], err));
        plan->seconds[i] += now_seconds() - start;
        plan->runs[i]++;
        if (plan->mode == GS_PLAN_GUARDED) check_scratch(plan, i);
    }
    plan->constants_version = parameters->version;
    return GS_OK;
}

size_t gs_plan_arena_bytes(const gs_plan *plan) {
    return plan->arena_bytes;
}

/* ---- Profile --------------------------------------------------------------------------------- */

static double bytes_of(const gs_plan *plan, gs_tensor *const *tensors, int count) {
    double total = 0;
    for (int i = 0; i < count; i++)
        if (tensors[i]) total += (double)gs__tensor_bytes(plan->device->backend, tensors[i]);
    return total;
}

/* Two per weight and pixel of the smaller map, which is the output of the forward convolution. */
static double operations_of(const gs_node *node) {
    const gs_tensor *weight, *map;
    switch (node->op) {
    case GS_OP_CONV:
        weight = node->in[1], map = node->out[0];
        break;
    case GS_OP_CONV_GRADIENT_DATA:
        weight = node->in[0], map = node->in[1];
        break;
    case GS_OP_CONV_GRADIENT_WEIGHT:
        weight = node->out[0], map = node->in[1];
        break;
    default:
        return 0;
    }
    gs_shape w = weight->shape, m = map->shape;
    return 2.0 * (double)gs__shape_size(w) * m.n * m.h * m.w;
}

static size_t append_shape(char *to, size_t size, const char *before, const gs_tensor *tensor) {
    if (!tensor) return 0;
    gs_shape s = tensor->shape;
    int length = snprintf(to, size, "%s%dx%dx%dx%d", before, s.n, s.c, s.h, s.w);
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

int gs_plan_node_count(const gs_plan *plan) {
    return plan->graph->node_count;
}

void gs_plan_profile(const gs_plan *plan, int node, gs_node_profile *out) {
    const gs_node *n = plan->graph->nodes[node];
    *out = (gs_node_profile){.op = gs_op_name(n->op),
                             .seconds = plan->seconds[node],
                             .runs = plan->runs[node],
                             .operations = operations_of(n),
                             .bytes = bytes_of(plan, n->in, n->in_count) +
                                      bytes_of(plan, n->out, n->out_count)};
    char *to = out->shapes;
    size_t used = append_shape(to, sizeof out->shapes, "", n->in[0]);
    used += append_shape(to + used, sizeof out->shapes - used, used ? " " : "", n->in[1]);
    append_shape(to + used, sizeof out->shapes - used, " -> ", n->out[0]);
}
