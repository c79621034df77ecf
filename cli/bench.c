/* `genseg bench`: medians of repeated runs with random weights and images. */
#include "base/memory.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/graph/plan.h"
#include "engine/model/inference.h"
#include "engine/model/objective.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_ITERATIONS = 1000 };

typedef struct bench {
    const char *op, *preset;
    gs_engine_wish engine;
    double width;
    int batch, threads, iterations;
    bool json, profile, memory, nondeterministic;
    gs_network network;
    gs_device *device;
    gs_parameters *parameters;
    gs_plan *plan;
} bench;

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fills an input with reproducible normals, or (masks) with a fifth of ones. */
static gs_status fill(bench *b, const gs_tensor *input, bool is_mask, gs_error *err) {
    if (!input) return GS_OK;
    size_t size = gs__shape_size(gs_tensor_shape(input));
    float *values = gs_alloc(size, sizeof *values);
    if (!values) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for an input");
    gs_random_normal(1, 1, values, size);
    for (size_t i = 0; is_mask && i < size; i++) values[i] = values[i] > 0.8f ? 1.0f : 0.0f;
    gs_plan_write(b->plan, input, values);
    gs_free(values);
    return GS_OK;
}

static gs_status build_training(bench *b, gs_graph *graph, gs_error *err) {
    gs_step step;
    /* Every second presence image is annotated, as in the reference program's bench. */
    gs_step_options options = {.kind = GS_STEP_UPDATE,
                               .pairs = b->batch,
                               .annotated = (b->batch + 1) / 2,
                               .objective = {.weights = gs_loss_weights_default()}};
    gs_step_build(graph, &b->network, &options, &step);
    GS_TRY(gs_plan_new(graph, b->device, GS_PLAN_TRAINING, &b->plan, err));
    GS_TRY(fill(b, step.images, false, err));
    GS_TRY(fill(b, step.unique, false, err));
    GS_TRY(fill(b, step.target, true, err));
    return fill(b, step.annotated, true, err);
}

/* A figure of another precision than asked for would mislead. */
static gs_status check_precision(const bench *b, gs_error *err) {
    const gs_engine_choice *choice = gs_device_choice(b->device);
    gs_precision wanted = b->engine.precision;
    if (wanted == GS_PRECISION_AUTO || wanted == choice->precision) return GS_OK;
    return gs_fail(err, GS_UNSUPPORTED, "--precision %s: %s", gs_precision_name(wanted),
                   choice->remark);
}

static gs_status build(bench *b, gs_error *err) {
    bool trains = strcmp(b->op, "train") == 0;
    gs_model_config config;
    GS_TRY(gs_model_config_make(b->preset, b->width, 0, 0, 0, &config, err));
    GS_TRY(gs_network_init(&b->network, &config,
                           trains ? GS_PART_DISCRIMINATORS : GS_PARTS_GENERATOR, err));
    gs_device_options device = {
        .engine = b->engine, .threads = b->threads, .nondeterministic = b->nondeterministic};
    GS_TRY(gs_device_open_on(&device, &b->device, err));
    GS_TRY(check_precision(b, err));
    GS_TRY(gs_parameters_new(&b->network.set, gs_device_backend(b->device)->element_size,
                             trains ? GS_FOR_TRAINING : GS_FOR_INFERENCE, &b->parameters, err));
    GS_TRY(gs_network_initialize(&b->network, b->parameters, 1, err));
    gs_graph *graph = gs_graph_new(&b->network.set);
    if (!graph) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a graph");
    if (trains) return build_training(b, graph, err);
    gs_inference io;
    gs_inference_op op = strcmp(b->op, "segment") == 0 ? GS_INFER_SEGMENT : GS_INFER_REMOVE;
    gs_inference_build(graph, &b->network, op, b->batch, &io);
    GS_TRY(gs_plan_new(graph, b->device, GS_PLAN_INFERENCE, &b->plan, err));
    return fill(b, io.images, false, err);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A training step's maps are nobody's business, so only its losses are waited for. */
static gs_status run_once(bench *b, gs_error *err) {
    uint64_t run;
    if (strcmp(b->op, "train") != 0) return gs_plan_run(b->plan, b->parameters, err);
    GS_TRY(gs_plan_start(b->plan, b->parameters, &run, err));
    return gs_plan_wait(b->plan, err);
}

static gs_status measure(bench *b, double *median, gs_error *err) {
    /* On a device, constants are made in the first run and the second records the third. */
    enum { WARM_UP_RUNS = 3 };
    double seconds[MAX_ITERATIONS];
    bool is_device = gs_device_runs_ahead(b->device) > 1;
    for (int i = 0; i < (is_device ? WARM_UP_RUNS : 1); i++) GS_TRY(run_once(b, err));
    if (b->profile) gs_plan_time_nodes(b->plan);
    for (int i = 0; i < b->iterations; i++) {
        double start = now_seconds();
        GS_TRY(run_once(b, err));
        seconds[i] = now_seconds() - start;
    }
    qsort(seconds, (size_t)b->iterations, sizeof *seconds, ascending);
    *median = seconds[b->iterations / 2];
    return GS_OK;
}

static int slowest_first(const void *a, const void *b) {
    double x = ((const gs_node_profile *)a)->seconds, y = ((const gs_node_profile *)b)->seconds;
    return (x < y) - (x > y);
}

/* `seconds`, `operations` and `bytes` are of one run; all: what nodes that run always take. */
static void print_row(const char *name, const char *shapes, const gs_node_profile *p, double all) {
    double per_second = p->seconds > 0 ? 1 / p->seconds : 0; /* it may not have run at all */
    printf("%-26s %-46s %9.3f ms %8.1f GFLOP/s %6.1f GB/s ", name, shapes, 1e3 * p->seconds,
           p->operations * per_second * 1e-9, p->bytes * per_second * 1e-9);
    if (p->runs_always)
        printf("%5.1f %%\n", 100 * p->seconds / all);
    else
        puts("  once");
}

/* Adds a node to its kind's sum; nodes of one operation are one kind if they run equally often. */
static int add_to_kind(gs_node_profile *kind, int kinds, const gs_node_profile *p) {
    int k = 0;
    while (k < kinds && (strcmp(kind[k].op, p->op) != 0 || kind[k].runs_always != p->runs_always))
        k++;
    if (k == kinds) kind[k] = (gs_node_profile){.op = p->op, .runs_always = p->runs_always};
    kind[k].runs++;
    kind[k].seconds += p->seconds;
    kind[k].operations += p->operations, kind[k].bytes += p->bytes;
    return k == kinds ? kinds + 1 : kinds;
}

/* Nodes by the time they took, then the sums of each kind of node. */
static gs_status print_profile(const bench *b, gs_error *err) {
    int nodes = gs_plan_node_count(b->plan), kinds = 0;
    gs_node_profile *rows = gs_alloc((size_t)nodes, sizeof *rows), kind[2 * GS_OP_COUNT];
    if (!rows) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a profile");
    double all = 0;
    for (int i = 0; i < nodes; i++) {
        gs_node_profile *p = &rows[i];
        gs_plan_profile(b->plan, i, p);
        if (p->runs > 0) p->seconds /= p->runs;
        if (p->runs_always) all += p->seconds;
        kinds = add_to_kind(kind, kinds, p);
    }
    qsort(rows, (size_t)nodes, sizeof *rows, slowest_first);
    qsort(kind, (size_t)kinds, sizeof *kind, slowest_first);
    for (int i = 0; i < nodes; i++) print_row(rows[i].op, rows[i].shapes, &rows[i], all);
    for (int k = 0; k < kinds; k++) {
        char count[32];
        snprintf(count, sizeof count, "all %d", kind[k].runs);
        print_row(kind[k].op, count, &kind[k], all);
    }
    printf("arena %.1f MiB\n", (double)gs_plan_arena_bytes(b->plan) / (1 << 20));
    gs_free(rows);
    return GS_OK;
}

/* What is in the arena when it is fullest. */
static gs_status print_memory(const bench *b, gs_error *err) {
    const double mib = 1 << 20;
    gs_plan_peak peak;
    GS_TRY(gs_plan_find_peak(b->plan, &peak, err));
    for (int i = 0; i < peak.count; i++) {
        const gs_live_tensor *t = &peak.tensors[i];
        printf("%-26s %-24s %9.3f MiB, nodes %d to %d\n", t->op, t->shape, (double)t->bytes / mib,
               t->first, t->last);
    }
    printf("arena %.1f MiB, of which node %d of %d, %s, needs %.1f MiB; parameters %.1f MiB\n",
           (double)gs_plan_arena_bytes(b->plan) / mib, peak.node, gs_plan_node_count(b->plan),
           peak.op, (double)peak.bytes / mib, (double)gs_parameters_bytes(b->parameters) / mib);
    gs_free(peak.tensors);
    return GS_OK;
}

static gs_status check(bench *b, gs_error *err) {
    static const char *const ops[] = {"segment", "translate", "train"};
    bool is_known = false;
    for (int i = 0; i < 3; i++) is_known = is_known || strcmp(b->op, ops[i]) == 0;
    if (!is_known) return gs_fail(err, GS_INVALID_ARGUMENT, "--op is segment, translate or train");
    if (b->batch < 1 || b->batch > 1024)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--batch must be 1 to 1024");
    if (b->iterations < 1 || b->iterations > MAX_ITERATIONS)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--iterations must be 1 to %d", MAX_ITERATIONS);
    return GS_OK;
}

/* What one run multiplies and adds in convolutions, and the bytes that all nodes read and write.
 * Nodes that run only when parameters change are left out. */
typedef struct work {
    double operations, bytes;
} work;

static work work_of(const gs_plan *plan) {
    work sum = {0};
    for (int i = 0; i < gs_plan_node_count(plan); i++) {
        gs_node_profile node;
        gs_plan_profile(plan, i, &node);
        if (!node.runs_always) continue;
        sum.operations += node.operations;
        sum.bytes += node.bytes;
    }
    return sum;
}

int gs_cli_bench(int argc, char **argv) {
    bench b = {.op = "segment",
               .preset = "brain",
               .engine = {.backend = "auto"},
               .width = 1,
               .batch = 1,
               .iterations = 5};
    const gs_option options[] = {
        {"--op", GS_OPTION_TEXT, &b.op, "segment, translate (healthy image and residual) or train"},
        {"--preset", GS_OPTION_TEXT, &b.preset, "preset (brain)"},
        {"--width", GS_OPTION_NUMBER, &b.width, "width (1)"},
        {"--batch", GS_OPTION_INT, &b.batch,
         "images; train: presence and absence images, each (1)"},
        {"--precision", GS_OPTION_PRECISION, &b.engine.precision,
         "auto, fp32, tf32 or bf16 (fp32)"},
        {"--threads", GS_OPTION_INT, &b.threads, "threads (all processors)"},
        {"--iterations", GS_OPTION_INT, &b.iterations, "timed runs after a first untimed one (5)"},
        {"--backend", GS_OPTION_TEXT, &b.engine.backend,
         "auto, cpu, cuda or reference (auto: cuda where it can be used)"},
        {"--device", GS_OPTION_INT, &b.engine.device, "which of the visible CUDA devices (0)"},
        {"--nondeterministic", GS_OPTION_FLAG, &b.nondeterministic,
         "on cuda: also engines whose last bits differ from run to run"},
        {"--profile", GS_OPTION_FLAG, &b.profile,
         "also print time, GFLOP/s and GB/s of every node"},
        {"--memory", GS_OPTION_FLAG, &b.memory,
         "also print what is in the arena when it is fullest"},
        {"--json", GS_OPTION_FLAG, &b.json, "print the result as one JSON object"},
    };
    gs_error err;
    double median = 0;
    gs_status status = gs_options_parse(argc, argv, "bench --op OP [options]", options,
                                        sizeof options / sizeof *options, &err);
    if (status == GS_OK) status = check(&b, &err);
    if (status == GS_OK) status = build(&b, &err);
    if (status == GS_OK) status = measure(&b, &median, &err);
    if (status == GS_OK && b.profile) status = print_profile(&b, &err);
    if (status == GS_OK && b.memory) status = print_memory(&b, &err);
    if (status == GS_OK) {
        struct rusage usage;
        work done = work_of(b.plan);
        getrusage(RUSAGE_SELF, &usage);
        printf(b.json ? "{\"op\": \"%s\", \"preset\": \"%s\", \"width\": %g, \"batch\": %d, "
                        "\"backend\": \"%s\", \"precision\": \"%s\", \"threads\": %d, "
                        "\"seconds_median\": %.6g, \"peak_rss_mib\": %ld, "
                        "\"device_mib\": %zu, \"gflop\": %.6g, \"gigabytes\": %.6g}\n"
                      : "%s %s width %g batch %d %s %s threads %d: median %.6g s, peak %ld MiB, "
                        "device %zu MiB, %.4g GFLOP, %.4g GB\n",
               b.op, b.preset, b.width, b.batch, gs_device_choice(b.device)->backend,
               gs_precision_name(gs_device_precision(b.device)), gs_device_threads(b.device),
               median, usage.ru_maxrss / 1024, gs_device_memory_bytes(b.device) >> 20,
               1e-9 * done.operations, 1e-9 * done.bytes);
    }
    gs_plan_free(b.plan);
    gs_parameters_free(b.parameters);
    gs_device_close(b.device);
    gs_network_deinit(&b.network);
    return status == GS_OK ? 0 : gs_cli_fail("bench", &err);
}
