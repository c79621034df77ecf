/* The real cuDNN, without a device: it is told a device's properties, and asked for an engine for
 * every convolution that the models have, in every precision. So descriptors are checked by cuDNN
 * itself, and no model meets a shape there is no engine for. Nothing is computed. */
#include "engine/backend/cuda/cuda_internal.h"
#include "engine/model/inference.h"
#include "engine/model/objective.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* The backend makes its device the thread's; here there is none. */
cudaError_t cudaSetDevice(int device) {
    (void)device;
    return cudaSuccess;
}

/* ---- Devices --------------------------------------------------------------------------------- */

typedef struct device {
    const char *name;
    int capability /* 100 · major + 10 · minor */, multiprocessors, shared_kib, threads;
} device;

enum { TURING, AMPERE, ADA, HOPPER };
static const device devices[] = {[TURING] = {"Tesla T4", 750, 40, 64, 1024},
                                 [AMPERE] = {"NVIDIA A100-SXM4-80GB", 800, 108, 163, 2048},
                                 [ADA] = {"NVIDIA L4", 890, 58, 99, 1536},
                                 [HOPPER] = {"NVIDIA H100 80GB HBM3", 900, 132, 227, 2048}};

static void describe(const device *d, char *text, size_t size) {
    snprintf(
        text, size,
        "{\"deviceName\": \"%s\", \"maxGridSize\": [2147483647, 65535, 65535], "
        "\"maxBlockSize\": [1024, 1024, 64], \"regsPerBlock\": 65536, "
        "\"multiProcessorCount\": %d, \"warpSize\": 32, \"maxSharedMemoryPerBlock\": 49152, "
        "\"maxSharedMemoryPerBlockOptin\": %d, \"reservedSharedMemoryPerBlock\": 1024, "
        "\"maxRegistersPerSM\": 65536, \"maxCtasPerSM\": 16, \"maxThreadsPerBlock\": 1024, "
        "\"maxThreadsPerSM\": %d, \"pciDeviceId\": 0, \"isTccDriver\": 0, "
        "\"supportCoopLaunch\": 1, \"totalGlobalMem\": 16000000000, \"smClockRateKHz\": "
        "1500000, \"memClockRateKHz\": 2000000, \"l2CacheSize\": 4194304, \"cudaDeviceId\": 0, "
        "\"deviceVer\": %d, \"driverVer\": 13000}",
        d->name, d->multiprocessors, d->shared_kib * 1024, d->threads, d->capability);
}

static cudnnBackendDescriptor_t properties_of(const device *d) {
    char text[1200];
    cudnnBackendDescriptor_t properties;
    describe(d, text, sizeof text);
    assert_int_equal(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &properties),
                     0);
    assert_int_equal(cudnnBackendSetAttribute(properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                              CUDNN_TYPE_CHAR, (int64_t)strlen(text), text),
                     0);
    assert_int_equal(cudnnBackendFinalize(properties), 0);
    return properties;
}

/* ---- Models ---------------------------------------------------------------------------------- */

static gs_graph *build(gs_network *network, bool trains, int batch) {
    gs_graph *graph = gs_graph_new(&network->set);
    gs_step step;
    gs_inference io;
    assert_non_null(graph);
    if (trains)
        gs_step_build(graph, network,
                      &(gs_step_options){.kind = GS_STEP_UPDATE,
                                         .pairs = batch,
                                         .annotated = batch,
                                         .objective = {.weights = gs_loss_weights_default()}},
                      &step);
    else
        gs_inference_build(graph, network, GS_INFER_INSERT, batch, &io);
    assert_int_equal(gs_graph_finish(graph, NULL), GS_OK);
    return graph;
}

/* What a plan does with a graph's convolutions; how many there are. */
static int compile(gs_cuda_state *state, gs_graph *graph, const char *what) {
    int count = 0;
    gs__cuda_choose_types(state, graph);
    for (int i = 0; i < graph->node_count; i++) {
        const gs_node *node = graph->nodes[i];
        if (node->op != GS_OP_CONV && node->op != GS_OP_CONV_GRADIENT_DATA &&
            node->op != GS_OP_CONV_GRADIENT_WEIGHT)
            continue;
        void *handle = NULL;
        size_t scratch = 0;
        gs_error err;
        if (gs__cuda_prepare_convolution(state, node, &handle, &scratch, &err) != GS_OK)
            fail_msg("%s: %s", what, err.text);
        gs__cuda_conv_release(handle);
        count++;
    }
    return count;
}

static void free_convolutions(gs_cuda_state *state) {
    while (state->convs) {
        gs_cuda_cached_conv *first = state->convs;
        state->convs = first->next;
        gs__cudnn_conv_free(first->conv);
        gs_free(first);
    }
}

/* A model of the width for `make demo` has other channel counts than one of the paper's. */
typedef struct variant {
    double width;
    int batch;
} variant;
static const variant variants[] = {{1, 2}, {0.25, 1}};

static void check_model(gs_cuda_state *state, const char *preset, const char *on) {
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        gs_model_config config;
        gs_network network;
        char what[160];
        double width = variants[v].width;
        int batch = variants[v].batch;
        assert_int_equal(gs_model_config_make(preset, width, 0, 0, 0, &config, NULL), GS_OK);
        assert_int_equal(gs_network_init(&network, &config, GS_PART_DISCRIMINATORS, NULL), GS_OK);
        gs_graph *training = build(&network, true, batch);
        gs_graph *inference = build(&network, false, batch);
        snprintf(what, sizeof what, "%s of width %g and batch %d in %s on %s", preset, width, batch,
                 gs_precision_name(state->precision), on);
        assert_true(compile(state, training, what) > 50);
        assert_true(compile(state, inference, what) > 10);
        gs_graph_free(training), gs_graph_free(inference);
        gs_network_deinit(&network);
    }
}

static void check_models(const device *d, gs_precision precision) {
    static const char *const presets[] = {"tiny", "synthetic48", "synthetic128", "brain", "liver"};
    gs_cuda_state state = {.precision = precision, .properties = properties_of(d)};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        check_model(&state, presets[i], d->name);
    free_convolutions(&state);
    assert_int_equal(cudnnBackendDestroyDescriptor(state.properties), 0);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

/* Half a minute of a processor for these; all devices in all precisions take four times as long. */
static void cudnn_computes_every_convolution_in_fp32(void **state) {
    (void)state;
    check_models(&devices[TURING], GS_PRECISION_FP32);
    check_models(&devices[HOPPER], GS_PRECISION_FP32);
}

static void cudnn_computes_every_convolution_in_tf32(void **state) {
    (void)state;
    check_models(&devices[AMPERE], GS_PRECISION_TF32);
}

static void cudnn_computes_every_convolution_in_bf16(void **state) {
    (void)state;
    check_models(&devices[AMPERE], GS_PRECISION_BF16);
    check_models(&devices[ADA], GS_PRECISION_BF16);
    check_models(&devices[HOPPER], GS_PRECISION_BF16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cudnn_computes_every_convolution_in_fp32),
        cmocka_unit_test(cudnn_computes_every_convolution_in_tf32),
        cmocka_unit_test(cudnn_computes_every_convolution_in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
