/* Shared by the planner's files: plan.c (making and running), device.c, placement.c, packing.c,
 * constants.c, plan_values.c (reading and writing), profile.c. */
#ifndef GS_ENGINE_GRAPH_PLAN_INTERNAL_H
#define GS_ENGINE_GRAPH_PLAN_INTERNAL_H

#include "engine/graph/plan.h"

enum { GS_TENSOR_ALIGNMENT = 64, GS_GUARD_BYTES = 64 };

/* A value that depends on parameters only, shared by all inference plans of a device that read what
 * was made in the same way of the same parameters (constants.c). */
typedef struct gs_constant gs_constant;

struct gs_device {
    const gs_backend *backend;
    void *state;
    int threads;
    gs_precision precision;
    char *arena;
    size_t arena_bytes;
    void *scratch;
    size_t scratch_bytes;
    gs_constant *constants; /* list */
};

/* What the plan knows of a node. */
typedef struct gs_plan_node {
    void *handle;
    size_t scratch; /* bytes that the kernel asked for */
    double seconds; /* that it ran, … */
    int runs;       /* … in so many runs */
    bool skipped;   /* in the current run of an inference plan: what it makes is there */
} gs_plan_node;

struct gs_plan {
    gs_graph *graph;
    gs_device *device;
    gs_plan_mode mode;
    gs_plan_node *nodes;     /* [node_count] */
    gs_constant **constants; /* [tensor_count] inference: NULL for what lies in the arena */
    bool *wanted;            /* [tensor_count] inference, for the choice of nodes to run */
    size_t arena_bytes, scratch_bytes;
    const char *broken_scratch; /* GS_PLAN_GUARDED: the first operation that wrote beyond it */
};

/* Makes *memory at least so many bytes; contents are not kept. On failure the device has what it
 * had before, if that can be had again, so that plans made earlier go on working. */
GS_MUST_CHECK gs_status gs__device_reserve(void **memory, size_t *have, size_t bytes,
                                           gs_error *err);

/* The memory of a tensor between runs. */
char *gs__planned_pointer(const gs_plan *plan, const gs_tensor *tensor);

/* Whether the device's memory is still large enough: not after a larger plan failed to get memory
 * and the old could not be had again. */
bool gs__plan_has_memory(const gs_plan *plan);

/* Inserts the nodes that pack weights, once the plan's nodes are compiled. */
GS_MUST_CHECK gs_status gs__plan_pack_weights(gs_plan *plan, gs_error *err);

/* Gives constants that remain in memory between runs their place outside the arena. */
GS_MUST_CHECK gs_status gs__plan_place_constants(gs_plan *plan, gs_error *err);
void gs__plan_release_constants(gs_plan *plan);
/* Chooses the nodes that a run with these parameters can skip, and says that it was done. */
void gs__plan_skip_current(gs_plan *plan, const gs_parameters *parameters);
void gs__plan_constants_made(gs_plan *plan, const gs_parameters *parameters);

/* When a tensor's memory is in use: between these nodes; the size is 0 for what has none in the
 * arena of its own. */
typedef struct gs_lifetime {
    size_t bytes;
    int first, last;
} gs_lifetime;
void gs__plan_lifetimes(const gs_plan *plan, gs_lifetime *of_id); /* [tensor_count] */

/* Gives every tensor that has no memory elsewhere its place in the arena. */
GS_MUST_CHECK gs_status gs__plan_place_tensors(gs_plan *plan, gs_error *err);

#endif
