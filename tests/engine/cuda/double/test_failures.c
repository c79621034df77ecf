/* Every call of CUDA and cuDNN fails in turn, while a model is used and while one is trained: each
 * time the error is reported, nothing is left behind, and the next attempt succeeds. */
#include "tests/train/training.h"

#include "control.h"

#include "engine/graph/plan.h"
#include "engine/model/inference.h"

static gs_network network;

/* Opens a device, makes two plans of different sizes, runs both often enough to be replayed, and
 * closes everything. */
static gs_status use_model(gs_error *err) {
    gs_device *device = NULL;
    gs_parameters *parameters = NULL;
    gs_plan *plans[2] = {NULL};
    gs_inference io[2];
    gs_status status = gs_device_open("cuda", 1, GS_PRECISION_BF16, &device, err);
    if (status == GS_OK)
        status = gs_parameters_new(&network.set, sizeof(float), GS_FOR_INFERENCE, &parameters, err);
    if (status == GS_OK) status = gs_network_initialize(&network, parameters, 5, err);
    for (int i = 0; i < 2 && status == GS_OK; i++) {
        gs_graph *graph = gs_graph_new(&network.set);
        assert_non_null(graph);
        gs_inference_build(graph, &network, GS_INFER_SEGMENT, 1 + i, &io[i]);
        status = gs_plan_new(graph, device, GS_PLAN_INFERENCE, &plans[i], err);
        for (int run = 0; run < 3 && status == GS_OK; run++)
            status = gs_plan_run(plans[i], parameters, err);
    }
    for (int i = 0; i < 2; i++) gs_plan_free(plans[i]);
    gs_parameters_free(parameters);
    gs_device_close(device);
    return status;
}

typedef gs_status work(gs_error *err);

/* The last calls of an attempt close what is open: their failures are nobody's business any more.
 */
enum { CLOSING_CALLS = 64 };

static uint64_t count_calls(work *attempt, const char *what) {
    gs_error err;
    uint64_t before = CONTROL(double_get_activity)().calls;
    if (attempt(&err) != GS_OK) fail_msg("%s: %s", what, err.text);
    return CONTROL(double_get_activity)().calls - before;
}

static void fail_one(work *attempt, const char *what, uint64_t n, bool closes) {
    gs_error err = {0};
    char when[160];
    CONTROL(double_fail_call)(n);
    gs_status status = attempt(&err);
    const char *failed = CONTROL(double_failed_call)();
    bool was_reached = failed[0] != '\0';
    CONTROL(double_fail_call)(0);
    snprintf(when, sizeof when, "%s with call %d failing, %s", what, (int)n, failed);
    expect_nothing_alive(when);
    if (was_reached && status == GS_OK && !closes) fail_msg("%s: nobody noticed", when);
    if (!was_reached && status != GS_OK) fail_msg("%s: %s", when, err.text);
    if (status != GS_OK && (!err.text[0] || status == GS_DEVICE_LOST))
        fail_msg("%s: \"%s\"", when, err.text);
}

/* Fails call after call, beyond the first `all` only every `step`-th. */
static void fail_each(work *attempt, const char *what, uint64_t all, uint64_t step) {
    uint64_t calls = count_calls(attempt, what);
    assert_true(calls > all);
    for (uint64_t n = 1; n <= calls; n += n < all ? 1 : step)
        fail_one(attempt, what, n, n + CLOSING_CALLS > calls);
    (void)count_calls(attempt, what); /* all is well again */
}

static void a_model_that_is_used_survives_every_failure(void **state) {
    (void)state;
    fail_each(use_model, "using a model", 500, 13);
}

static char *data, *out;

/* Four steps, a validation and a checkpoint on the way. */
static gs_status train_model(gs_error *err) {
    gs_trainer_options o = options_for(data, out);
    o.engine = (gs_engine_wish){.backend = "cuda"};
    o.max_steps = 4;
    o.validate_every = o.checkpoint_every = 2;
    record r = {0};
    return train(&o, &r, err);
}

static void a_training_survives_every_failure(void **state) {
    (void)state;
    data = path("data"), out = path("failing");
    make_small_dataset(data, 12, 12, 1);
    fail_each(train_model, "training", 20, 211);
    gs_free(data), gs_free(out);
}

static int make_all(void **state) {
    gs_model_config config;
    return gs_model_config_make("tiny", 1, 0, 0, 0, &config, NULL) == GS_OK &&
                   gs_network_init(&network, &config, GS_PARTS_GENERATOR, NULL) == GS_OK
               ? make_folder(state)
               : -1;
}

static int free_all(void **state) {
    gs_network_deinit(&network);
    return remove_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_that_is_used_survives_every_failure),
        cmocka_unit_test(a_training_survives_every_failure),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
