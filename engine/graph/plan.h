/* A plan: a finished graph with every tensor placed in memory and every node compiled for a
 * backend. Nothing is allocated while it runs.
 *
 * Threads: a plan, its device and the parameters it runs on belong to one thread at a time. */
#ifndef GS_ENGINE_GRAPH_PLAN_H
#define GS_ENGINE_GRAPH_PLAN_H

#include "engine/backend/backend.h"

/* A backend opened with a number of threads, and what its plans share: the arena, where what one
 * plan leaves is overwritten by the next run of another, and weights as inference plans' kernels
 * read them, of which there is one copy. */
typedef struct gs_device gs_device;

typedef struct gs_device_options {
    gs_engine_wish engine;
    int threads; /* 0 = OMP_NUM_THREADS if that is set, else all processors */
    /* On cuda: convolutions may be faster, and the last bits of their results then differ from one
     * run to the next. */
    bool nondeterministic;
} gs_device_options;

/* gs_device_choice tells what became of the wish. Caller closes, after the plans. */
GS_MUST_CHECK gs_status gs_device_open_on(const gs_device_options *options, gs_device **out,
                                          gs_error *err);
/* The same of the three that matter in host memory. */
GS_MUST_CHECK gs_status gs_device_open(const char *backend, int threads, gs_precision precision,
                                       gs_device **out, gs_error *err);
void gs_device_close(gs_device *device); /* NULL is allowed */
const gs_backend *gs_device_backend(const gs_device *device);
int gs_device_threads(const gs_device *device);
const gs_engine_choice *gs_device_choice(const gs_device *device);
gs_precision gs_device_precision(const gs_device *device); /* of the choice */

/* Copies what plans on the device have made of the parameters into their arrays: all of them, so
 * that writing to some and running on is as it looks. To be called before they are read, before
 * some of them are written, and before the last plan of their set is freed, with which the device
 * forgets them. Costs nothing where plans compute in the arrays. */
GS_MUST_CHECK gs_status gs_device_fetch(gs_device *device, gs_parameters *parameters,
                                        gs_error *err);

/* Bytes that the device holds in memory of its own: 0 where it has none. */
size_t gs_device_memory_bytes(const gs_device *device);

typedef enum gs_plan_mode {
    GS_PLAN_TRAINING,  /* every node runs every time */
    GS_PLAN_INFERENCE, /* nodes that depend on parameters only run when these changed, and not if
                          another plan has made the same of them */
    GS_PLAN_GUARDED,   /* as training, slow, for tests: no memory is reused, sentinels lie between
                          tensors and behind each kernel's scratch, and memory starts as NaN */
} gs_plan_mode;

typedef struct gs_plan gs_plan;

/* Takes ownership of the graph, also on failure. The device is borrowed. Fails with the graph's own
 * first error if building it failed. */
GS_MUST_CHECK gs_status gs_plan_new(gs_graph *graph, gs_device *device, gs_plan_mode mode,
                                    gs_plan **out, gs_error *err);
void gs_plan_free(gs_plan *plan); /* NULL is allowed */

/* Copies [N,C,H,W] floats into an input, or (read) out of a kept tensor or a view of one. Inputs
 * keep what was written. */
void gs_plan_write(gs_plan *plan, const gs_tensor *input, const float *values);
void gs_plan_read(const gs_plan *plan, const gs_tensor *tensor, float *values_out);
/* The value of a loss after a run. */
double gs_plan_scalar(const gs_plan *plan, const gs_tensor *loss);
/* As write and read without rounding to float (tests in double precision). */
void gs_plan_write_double(gs_plan *plan, const gs_tensor *input, const double *values);
void gs_plan_read_double(const gs_plan *plan, const gs_tensor *tensor, double *values_out);

/* Runs all nodes. The parameters must be of the graph's set and of the backend's element size. */
GS_MUST_CHECK gs_status gs_plan_run(gs_plan *plan, gs_parameters *parameters, gs_error *err);

/* Runs of a device that computes by itself need not be waited for one by one: gs_plan_start
 * returns while it computes, and inputs may be written for the next. After gs_plan_wait, which
 * waits for all that was started on the device, the losses of each plan's last GS_PLAN_RUNS_AHEAD
 * runs can be read, other tensors not. On a backend in host memory gs_plan_start is gs_plan_run,
 * and only the last run's losses can be read. */
enum { GS_PLAN_RUNS_AHEAD = 16 };
/* *run_out: the run's number, for gs_plan_scalar_of. */
GS_MUST_CHECK gs_status gs_plan_start(gs_plan *plan, gs_parameters *parameters, uint64_t *run_out,
                                      gs_error *err);
GS_MUST_CHECK gs_status gs_plan_wait(gs_plan *plan, gs_error *err);
double gs_plan_scalar_of(const gs_plan *plan, const gs_tensor *loss, uint64_t run);
/* How many runs may be started before the first is read: 1 in host memory. */
int gs_device_runs_ahead(const gs_device *device);

/* Measures every node from now on (gs_plan_profile), and forgets what those that run always took so
 * far: first runs take longer. On a device it slows runs down, as nodes are waited for one by one;
 * in host memory nodes are always measured. */
void gs_plan_time_nodes(gs_plan *plan);

/* Bytes of the activation arena, and the operation that overwrote a guard, or the input that lies
 * before it (GS_PLAN_GUARDED; NULL = all intact). */
size_t gs_plan_arena_bytes(const gs_plan *plan);
const char *gs_plan_broken_guard(const gs_plan *plan);

/* What a node did in all runs of the plan. For profiles. */
typedef struct gs_node_profile {
    const char *op;
    char shapes[96]; /* of its first two inputs and its first output */
    double seconds;
    int runs;
    /* Of one run: multiplications and additions of a convolution as written (0 for other
     * operations), and the bytes of all inputs and outputs. */
    double operations, bytes;
    bool runs_always; /* false: only when parameters change, in an inference plan */
} gs_node_profile;
int gs_plan_node_count(const gs_plan *plan);
void gs_plan_profile(const gs_plan *plan, int node, gs_node_profile *out);

/* A tensor in the arena, in use from node `first` to node `last`. */
typedef struct gs_live_tensor {
    const char *op; /* that makes it, or the input's name */
    char shape[48];
    size_t bytes;
    int first, last;
} gs_live_tensor;

/* The node during which most bytes of the arena are in use, and the tensors that take them, largest
 * first. `bytes` is what the arena cannot be smaller than. Caller frees `tensors`. */
typedef struct gs_plan_peak {
    int node;
    const char *op;
    size_t bytes;
    gs_live_tensor *tensors;
    int count;
} gs_plan_peak;
GS_MUST_CHECK gs_status gs_plan_find_peak(const gs_plan *plan, gs_plan_peak *out, gs_error *err);

#endif
