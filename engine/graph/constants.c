/* Values that depend on parameters only, in inference plans.
 *
 * Those that a node of every run reads, or that are kept, stay in memory outside the arena: one
 * copy for all plans of the device that have made it in the same way of the same parameters. Those
 * that only lead there (effective weights, once they are packed) lie in the arena, and are made
 * only in a run that has to make what they lead to. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <string.h>

/* How a value is made, as bytes: operations and parameters in prefix order. Empty: in a way that is
 * not compared, so nobody shares it. */
typedef struct recipe {
    unsigned char bytes[2048];
    size_t size;
} recipe;

struct gs_constant {
    const gs_parameter_set *set;
    recipe recipe;
    char *memory;
    size_t bytes;
    uint64_t version; /* gs_parameters.version that it was made of; 0 = never */
    int users;
    gs_constant *next;
};

/* ---- Recipes --------------------------------------------------------------------------------- */

static bool add_bytes(recipe *r, const void *bytes, size_t size) {
    if (size > sizeof r->bytes - r->size) return false;
    memcpy(r->bytes + r->size, bytes, size);
    r->size += size;
    return true;
}

/* Operations of which inputs and kind say all. */
static bool has_no_options(gs_op op) {
    return op == GS_OP_EFFECTIVE_WEIGHT || op == GS_OP_SUBPIXEL_WEIGHT ||
           op == GS_OP_BORDER_WEIGHT || op == GS_OP_PACK_WEIGHT;
}

static bool add_tensor(const gs_graph *graph, const gs_tensor *tensor, recipe *r) {
    if (tensor->base || tensor->storage == GS_IN_GRADIENTS) return false;
    int head[] = {-1, tensor->parameter};
    if (tensor->storage == GS_IN_VALUES) return add_bytes(r, head, sizeof head);
    const gs_node *node = graph->nodes[tensor->producer];
    if (!has_no_options(node->op)) return false;
    head[0] = (int)node->op;
    while (node->out[head[1] = head[1] + 1] != tensor) continue;
    if (!add_bytes(r, head, sizeof head)) return false;
    if (node->op == GS_OP_PACK_WEIGHT &&
        (!add_bytes(r, &node->as.pack.layout_bytes, sizeof node->as.pack.layout_bytes) ||
         !add_bytes(r, node->as.pack.layout, node->as.pack.layout_bytes)))
        return false;
    for (int i = 0; i < node->in_count; i++)
        if (!node->in[i] || !add_tensor(graph, node->in[i], r)) return false;
    return true;
}

static void make_recipe(const gs_graph *graph, const gs_tensor *tensor, recipe *out) {
    out->size = 0;
    if (!add_tensor(graph, tensor, out)) out->size = 0;
}

/* ---- The device's list ----------------------------------------------------------------------- */

static gs_constant *find_constant(const gs_plan *plan, const recipe *r) {
    for (gs_constant *c = plan->device->constants; r->size > 0 && c; c = c->next)
        if (c->set == plan->graph->set && c->recipe.size == r->size &&
            memcmp(c->recipe.bytes, r->bytes, r->size) == 0)
            return c;
    return NULL;
}

static gs_constant *acquire_constant(gs_plan *plan, const gs_tensor *tensor) {
    recipe r;
    make_recipe(plan->graph, tensor, &r);
    gs_constant *c = find_constant(plan, &r);
    if (c) {
        c->users++;
        return c;
    }
    c = gs_alloc(1, sizeof *c);
    if (!c) return NULL;
    *c = (gs_constant){.set = plan->graph->set,
                       .recipe = r,
                       .bytes = gs__tensor_bytes(plan->device->backend, tensor),
                       .users = 1,
                       .next = plan->device->constants};
    bool is_on_device = plan->device->backend->queue != NULL; /* device_memory.c gives it memory */
    if (!is_on_device) c->memory = gs_alloc_aligned(c->bytes, GS_TENSOR_ALIGNMENT);
    if (!c->memory && !is_on_device) {
        gs_free(c);
        return NULL;
    }
    plan->device->constants = c;
    return c;
}

static void release_constant(gs_device *device, gs_constant *constant) {
    if (!constant || --constant->users > 0) return;
    gs_constant **at = &device->constants;
    while (*at != constant) at = &(*at)->next;
    *at = constant->next;
    if (!device->backend->queue) gs_free(constant->memory);
    gs_free(constant);
}

size_t gs__constants_place(gs_device *device, char *at) {
    size_t bytes = 0;
    for (gs_constant *c = device->constants; c; c = c->next) {
        if (at) c->memory = at + bytes, c->version = 0;
        bytes += (c->bytes + GS_TENSOR_ALIGNMENT - 1) / GS_TENSOR_ALIGNMENT * GS_TENSOR_ALIGNMENT;
    }
    return bytes;
}

/* ---- The plan's ------------------------------------------------------------------------------ */

/* Marks the constants that must be there in every run. */
static void mark_resident(const gs_graph *graph, bool *resident) {
    for (int i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i]->kept) resident[i] = true;
    for (int n = 0; n < graph->node_count; n++) {
        const gs_node *node = graph->nodes[n];
        for (int i = 0; !node->constant && i < node->in_count; i++)
            if (node->in[i]) resident[gs__memory_owner(node->in[i])->id] = true;
    }
    for (int i = 0; i < graph->tensor_count; i++) {
        const gs_tensor *t = graph->tensors[i];
        if (t->base || !t->constant || t->storage != GS_IN_ARENA) resident[i] = false;
    }
}

gs_status gs__plan_place_constants(gs_plan *plan, gs_error *err) {
    if (plan->mode != GS_PLAN_INFERENCE) return GS_OK;
    const gs_graph *graph = plan->graph;
    plan->constants = gs_alloc((size_t)graph->tensor_count, sizeof *plan->constants);
    plan->wanted = gs_alloc((size_t)graph->tensor_count, sizeof *plan->wanted);
    if (!plan->constants || !plan->wanted)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan");
    mark_resident(graph, plan->wanted);
    for (int i = 0; i < graph->tensor_count; i++) {
        if (!plan->wanted[i]) continue;
        gs_tensor *t = graph->tensors[i];
        plan->constants[i] = acquire_constant(plan, t);
        if (!plan->constants[i])
            return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu bytes of prepared weights",
                           gs__tensor_bytes(plan->device->backend, t));
        t->memory = plan->constants[i]->memory;
    }
    return GS_OK;
}

void gs__plan_point_at_constants(gs_plan *plan) {
    for (int i = 0; plan->constants && i < plan->graph->tensor_count; i++)
        if (plan->constants[i]) plan->graph->tensors[i]->memory = plan->constants[i]->memory;
}

void gs__plan_release_constants(gs_plan *plan) {
    for (int i = 0; plan->constants && i < plan->graph->tensor_count; i++)
        release_constant(plan->device, plan->constants[i]);
    gs_free(plan->constants);
    gs_free(plan->wanted);
}

bool gs__plan_skip_current(gs_plan *plan, const gs_parameters *parameters) {
    const gs_graph *graph = plan->graph;
    bool is_current = true;
    for (int i = 0; i < graph->tensor_count; i++) {
        gs_constant *c = plan->constants[i];
        plan->wanted[i] = c && c->version != parameters->version;
        if (plan->wanted[i]) c->version = 0; /* until the run has come to its end */
        if (plan->wanted[i]) is_current = false;
    }
    for (int n = graph->node_count - 1; n >= 0; n--) {
        const gs_node *node = graph->nodes[n];
        bool wanted = !node->constant;
        for (int i = 0; i < node->out_count; i++)
            wanted = wanted || (node->out[i] && plan->wanted[node->out[i]->id]);
        plan->nodes[n].skipped = !wanted;
        /* What a node of every run reads was wanted above if it has to be made. */
        for (int i = 0; wanted && node->constant && i < node->in_count; i++) {
            const gs_tensor *owner = node->in[i] ? gs__memory_owner(node->in[i]) : NULL;
            if (owner && !plan->constants[owner->id]) plan->wanted[owner->id] = true;
        }
    }
    return is_current;
}

void gs__plan_constants_made(gs_plan *plan, const gs_parameters *parameters) {
    for (int i = 0; i < plan->graph->tensor_count; i++)
        if (plan->constants[i]) plan->constants[i]->version = parameters->version;
}
