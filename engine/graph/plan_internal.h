/* Shared by the planner's files: plan.c (making and running), device.c, device_memory.c and
 * mirror.c (memory of a device's own), placement.c, packing.c, constants.c, plan_values.c (reading
 * and writing), plan_queue.c (running on a device), guards.c, profile.c. */
#ifndef GS_ENGINE_GRAPH_PLAN_INTERNAL_H
#define GS_ENGINE_GRAPH_PLAN_INTERNAL_H

#include "engine/graph/plan.h"

enum { GS_TENSOR_ALIGNMENT = 64, GS_GUARD_BYTES = 64 };

/* A value that depends on parameters only, shared by all inference plans of a device that read what
 * was made in the same way of the same parameters (constants.c). */
typedef struct gs_constant gs_constant;

/* The copy of parameters in a device's memory. One for each set; plans of the set share it. */
typedef struct gs_mirror gs_mirror;

/* The memory of a device whose backend has a queue: one block, which is cut anew when a plan is
 * made and replaced when it has become too small (device_memory.c). */
typedef struct gs_device_memory {
    char *block;
    size_t bytes;
    uint64_t arrangement; /* counts the cuts: what an older plan recorded is then void */
    gs_mirror *mirrors;   /* list, in the order of their places */
    gs_plan *plans;       /* list */
} gs_device_memory;

struct gs_device {
    const gs_backend *backend;
    void *state;
    int threads;
    gs_engine_choice choice;
    char *arena;
    size_t arena_bytes;
    void *scratch;
    size_t scratch_bytes;
    gs_constant *constants; /* list */
    gs_device_memory own;   /* all zero where the backend has no queue */
};

/* What the plan knows of a node. */
typedef struct gs_plan_node {
    void *handle;
    size_t table;   /* where its table lies among the plan's */
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
    bool times_nodes;
    /* On a device only: */
    gs_plan *next; /* of the device's */
    gs_mirror *mirror;
    bool is_placed;
    size_t table_bytes;
    char *tables;               /* in the device's memory */
    struct gs_staging *staging; /* plan_queue.c */
};

/* Makes *memory at least so many bytes; contents are not kept. On failure the device has what it
 * had before, if that can be had again, so that plans made earlier go on working. */
GS_MUST_CHECK gs_status gs__device_reserve(void **memory, size_t *have, size_t bytes,
                                           gs_error *err);

/* Where the values of an input are written to, and those of a kept tensor read from, between runs:
 * in the arena, or in host memory beside the device's. */
char *gs__plan_input(gs_plan *plan, const gs_tensor *input);
const char *gs__plan_output(const gs_plan *plan, const gs_tensor *tensor);
/* The bytes from the start of the memory's owner to the tensor. */
size_t gs__view_bytes(const gs_plan *plan, const gs_tensor *tensor);

/* Runs the nodes that are not skipped, in order. */
GS_MUST_CHECK gs_status gs__plan_run_nodes(gs_plan *plan, gs_run *run, gs_error *err);

/* ---- guards.c: GS_PLAN_GUARDED ---- */

/* Before a run, before a node and after it. */
GS_MUST_CHECK gs_status gs__guards_set(gs_plan *plan, gs_error *err);
GS_MUST_CHECK gs_status gs__guard_scratch(const gs_plan *plan, int node, gs_error *err);
GS_MUST_CHECK gs_status gs__check_scratch(gs_plan *plan, int node, gs_error *err);

/* ---- Memory of a device's own: device_memory.c ---- */

/* Gives the plan, its set's mirror and its constants places in the device's memory, more of which
 * is got where there is too little. OUT_OF_MEMORY says what was needed and what there was; other
 * plans go on working then if what they had can be had again. */
GS_MUST_CHECK gs_status gs__device_place(gs_plan *plan, gs_error *err);
/* The plan is gone, or was never placed. */
void gs__device_forget(gs_plan *plan);
void gs__device_release_memory(gs_device *device);

/* ---- mirror.c ---- */

struct gs_mirror {
    const gs_parameter_set *set;
    bool trains;      /* has room for gradients and the optimiser's state */
    size_t at;        /* in the device's block */
    size_t placed;    /* bytes that it had there when it was last placed; 0 = never */
    uint64_t written; /* of the parameters that it is a copy of; 0 = of none */
    bool is_newer;    /* plans have changed it since */
    gs_optimizer optimizer;
    gs_parameters view; /* the parameters with the mirror's addresses */
    const void *optimizer_there;
    int users; /* plans */
    gs_mirror *next;
};
size_t gs__mirror_bytes(const gs_device *device, const gs_mirror *mirror);
/* Points its view into the device's block. */
void gs__mirror_point(const gs_device *device, gs_mirror *mirror);
/* Copies the parameters to the device unless they are there. */
GS_MUST_CHECK gs_status gs__mirror_update(gs_device *device, gs_mirror *mirror,
                                          const gs_parameters *parameters, gs_error *err);

/* ---- plan_queue.c ---- */

GS_MUST_CHECK gs_status gs__staging_new(gs_plan *plan, gs_error *err);
void gs__staging_free(gs_plan *plan);
GS_MUST_CHECK gs_status gs__queue_start(gs_plan *plan, gs_parameters *parameters, gs_error *err);
/* Waits, and with `kept` copies all kept tensors out first. */
typedef enum gs_fetching { GS_FETCH_LOSSES, GS_FETCH_KEPT } gs_fetching;
GS_MUST_CHECK gs_status gs__queue_finish(gs_plan *plan, gs_fetching what, gs_error *err);
uint64_t gs__queue_runs(const gs_plan *plan);
char *gs__staged_input(gs_plan *plan, const gs_tensor *input);
const char *gs__staged_output(const gs_plan *plan, const gs_tensor *tensor);
const char *gs__staged_scalar(const gs_plan *plan, const gs_tensor *loss, uint64_t run);

/* Whether the device's memory is still large enough: not after a larger plan failed to get memory
 * and the old could not be had again. */
bool gs__plan_has_memory(const gs_plan *plan);

/* Inserts the nodes that pack weights, once the plan's nodes are compiled. */
GS_MUST_CHECK gs_status gs__plan_pack_weights(gs_plan *plan, gs_error *err);

/* A device's constants: moved to follow each other from `at` on (NULL: only measured) and to be
 * made again; returns their bytes. */
size_t gs__constants_place(gs_device *device, char *at);
/* Tells the plan's tensors where its constants lie. */
void gs__plan_point_at_constants(gs_plan *plan);

/* Gives constants that remain in memory between runs their place outside the arena. */
GS_MUST_CHECK gs_status gs__plan_place_constants(gs_plan *plan, gs_error *err);
void gs__plan_release_constants(gs_plan *plan);
/* Chooses the nodes that a run with these parameters can skip, and says that it was done. True if
 * nothing that depends on parameters only has to be made. */
bool gs__plan_skip_current(gs_plan *plan, const gs_parameters *parameters);
void gs__plan_constants_made(gs_plan *plan, const gs_parameters *parameters);

/* When a tensor's memory is in use: between these nodes; the size is 0 for what has none in the
 * arena of its own. */
typedef struct gs_lifetime {
    size_t bytes;
    int first, last;
} gs_lifetime;
void gs__plan_lifetimes(const gs_plan *plan, gs_lifetime *of_id); /* [tensor_count] */

/* Not so: only when parameters change, in an inference plan. */
bool gs__plan_runs_always(const gs_plan *plan, int node);

/* Gives every tensor that has no memory elsewhere its place in the arena. */
GS_MUST_CHECK gs_status gs__plan_place_tensors(gs_plan *plan, gs_error *err);

#endif
