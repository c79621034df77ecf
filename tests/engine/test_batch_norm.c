/* Batch norm, dropout of channels and the logarithm of a mean of exponentials, on numbers worked
 * out by hand, in every backend. */
#include "trial.h"

#include <math.h>

enum { BACKENDS = 2, VALUES = 8 };
static gs_device *devices[BACKENDS];

/* [2,2,1,2] */
static const double x[VALUES] = {1, 2, 0, -1, 4, 0, 3, 5};
static const geometry shape = {.x = {2, 2, 1, 2}, .outputs = 1};

static double value_of(const trial *t, int parameter, int i) {
    float values[2];
    gs_parameters_read(t->parameters, t->parameters->values, parameter, values);
    return (double)values[i];
}

static void expect(const trial *t, const gs_tensor *tensor, const double *expected, int count) {
    double values[VALUES];
    gs_plan_read_double(t->plan, tensor, values);
    for (int i = 0; i < count; i++)
        if (!(fabs(values[i] - expected[i]) <= 2e-6 * (1 + fabs(expected[i]))))
            fail_msg("element %d is %.9g, not %.9g", i, values[i], expected[i]);
}

/* Builds and plans; scale (2, -1), shift (0.5, 0.25), running mean (1, -2) and variance (4, 0.25).
 */
static void start(trial *t, trial_builder *build, gs_device *device, const double *input) {
    trial_build(t, &shape, build, TRIAL_GRADIENTS_ONLY);
    trial_plan(t, device, GS_PLAN_GUARDED, 1);
    gs_plan_write_double(t->plan, t->inputs[0], input);
    const struct {
        int parameter;
        float values[2];
    } set[] = {{t->gamma, {2, -1}},
               {t->beta, {0.5f, 0.25f}},
               {t->mean, {1, -2}},
               {t->variance, {4, 0.25f}}};
    for (int i = 0; i < 4; i++)
        gs_parameters_write(t->parameters, t->parameters->values, set[i].parameter, set[i].values);
}

static gs_prepare_params batch_norm(const trial *t, gs_tensor *statistics) {
    return (gs_prepare_params){
        .norm = GS_NORM_BATCH, .gamma = t->gamma, .beta = t->beta, .statistics = statistics};
}

static void build_both(trial *t) {
    gs_tensor *input = trial_input(t, t->g.x, INPUT_VALUES);
    gs_tensor *running = gs_graph_running_statistics(t->graph, t->mean, t->variance, t->g.x.n);
    trial_project(t, gs_graph_prepare(t->graph, input, batch_norm(t, running)));
    gs_tensor *batch = gs_graph_batch_statistics(t->graph, input);
    trial_project(t, gs_graph_prepare(t->graph, input, batch_norm(t, batch)));
    gs_graph_update_statistics(t->graph, t->mean, t->variance, input);
}

static void batch_norm_is_pytorchs(void **state) {
    (void)state;
    const double with_running[] = {0.5,           1.499998750002, -3.7499200024,
                                   -1.7499600012, 3.499996250007, -0.499998750002,
                                   -9.749800006,  -13.7497200084};
    const double with_batch[] = {-0.514182787545, 0.838060929182,  0.983798740608,  1.403112306669,
                                 3.542548362634,  -1.866426504271, -0.274141957577, -1.1127690897};
    for (int b = 0; b < BACKENDS; b++) {
        trial t;
        start(&t, build_both, devices[b], x);
        trial_run(&t);
        expect(&t, t.outputs[0], with_running, VALUES);
        expect(&t, t.outputs[1], with_batch, VALUES);
        /* 0.9 of the old, 0.1 of the new: means 1.75, variances 2.1875 and 5.6875 times 4/3 */
        const double mean[] = {1.075, -1.625}, variance[] = {3.8916666667, 0.9833333333};
        for (int i = 0; i < 2; i++) {
            assert_true(fabs(value_of(&t, t.mean, i) - mean[i]) < 1e-6);
            assert_true(fabs(value_of(&t, t.variance, i) - variance[i]) < 1e-5);
        }
        trial_deinit(&t);
    }
}

/* Channels that do not vary at all: the variance must neither fall below zero nor become NaN. */
static void constant_channels_have_no_variance(void **state) {
    (void)state;
    const double constant[VALUES] = {7, 7, -3, -3, 7, 7, -3, -3};
    for (int b = 0; b < BACKENDS; b++) {
        trial t;
        start(&t, build_both, devices[b], constant);
        for (int i = 0; i < 200; i++) trial_run(&t);
        for (int i = 0; i < 2; i++) assert_true(value_of(&t, t.variance, i) >= 0);
        assert_true(value_of(&t, t.variance, 0) < 1e-6);
        trial_deinit(&t);
    }
}

static void build_log_mean_exp(trial *t) {
    gs_tensor *input = trial_input(t, (gs_shape){1, 1, 2, 2}, INPUT_VALUES);
    gs_tensor *loss = gs_graph_loss_log_mean_exp(t->graph, input);
    trial_loss(t, loss, 1);
    trial_output(t, loss);
}

static void large_exponents_do_not_overflow(void **state) {
    (void)state;
    const double scores[] = {1000, 999.5, -2000, 998}, loss[] = {999.1686625585};
    const double gradient[] = {0.5740969929, 0.3482074279, 0, 0.0776955791};
    for (int b = 0; b < BACKENDS; b++) {
        trial t;
        start(&t, build_log_mean_exp, devices[b], scores);
        trial_run(&t);
        expect(&t, t.outputs[0], loss, 1);
        expect(&t, t.gradients[0], gradient, 4);
        gs_plan_write_double(t.plan, t.inputs[0], (double[]){0, 1, (double)NAN, 2});
        trial_run(&t);
        assert_true(isnan(trial_objective(&t)));
        trial_deinit(&t);
    }
}

static void build_mismatched(trial *t) {
    gs_tensor *input = trial_input(t, t->g.x, INPUT_VALUES);
    trial_output(t, gs_graph_scale_channels(t->graph, input, gs_graph_tanh(t->graph, input)));
}

static void shapes_that_do_not_fit_are_refused(void **state) {
    (void)state;
    trial t;
    gs_error err;
    trial_build(&t, &shape, build_mismatched, TRIAL_GRADIENTS_ONLY);
    assert_int_equal(gs_graph_finish(t.graph, &err), GS_SHAPE_MISMATCH);
    trial_deinit(&t);
}

static int open_devices(void **state) {
    (void)state;
    bool ok = gs_device_open("reference", 1, GS_PRECISION_FP32, &devices[0], NULL) == GS_OK &&
              gs_device_open("cpu", 2, GS_PRECISION_FP32, &devices[1], NULL) == GS_OK;
    return ok ? 0 : -1;
}

static int close_devices(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) gs_device_close(devices[b]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_is_pytorchs),
        cmocka_unit_test(constant_channels_have_no_variance),
        cmocka_unit_test(large_exponents_do_not_overflow),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
