/* Updates of parameters in place, on numbers worked out by hand or by PyTorch 1.13, in every
 * backend. */
#include "trial.h"

#include <math.h>

enum { BACKENDS = 2 };
static const char *const backends[BACKENDS] = {"reference", "cpu"};
static gs_device *devices[BACKENDS];

/* ---- AMSGrad --------------------------------------------------------------------------------- */

static void build_distance(trial *t) {
    gs_tensor *target = trial_input(t, (gs_shape){1, t->g.x.c, 1, 1}, INPUT_FIXED);
    trial_loss(t, gs_graph_loss_squared(t->graph, trial_parameter(t, t->gamma), target), 1);
}

static double parameter_value(const trial *t, int index, int i) {
    size_t at = t->set.items[index].offset + (size_t)i;
    if (t->parameters->element_size == sizeof(double)) return ((double *)t->parameters->values)[at];
    return (double)((float *)t->parameters->values)[at];
}

/* Relative: the largest second moment is just a thousandth above the last. */
static void expect_state(const trial *t, const char *name, const double expected[2]) {
    readings all;
    trial_read(t, &all);
    const double *values = find_reading(&all, name)->values;
    for (int i = 0; i < 2; i++)
        if (!(fabs(values[i] - expected[i]) <= 1e-5 * fabs(expected[i])))
            fail_msg("%s[%d] is %.9g, not %.9g", name, i, values[i], expected[i]);
    readings_deinit(&all);
}

static void build_average(trial *t) {
    trial_output(t, gs_graph_effective_weight(t->graph, t->weight, -1));
    gs_graph_moving_average(t->graph, t->gamma, t->beta, 0.75);
}

static void moving_average_moves_towards_the_other(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        trial t;
        trial_build(&t, &(geometry){.x = {1, 2, 1, 1}, .outputs = 1}, build_average,
                    TRIAL_GRADIENTS_ONLY);
        trial_plan(&t, devices[b], GS_PLAN_TRAINING, 1);
        gs_parameters_write(t.parameters, t.parameters->values, t.gamma, (float[]){1, -8});
        gs_parameters_write(t.parameters, t.parameters->values, t.beta, (float[]){3, 8});
        const double expected[2][2] = {{1.5, -4}, {1.875, -1}};
        for (int step = 0; step < 2; step++) {
            trial_run(&t);
            for (int i = 0; i < 2; i++) {
                assert_true(parameter_value(&t, t.gamma, i) == expected[step][i]);
                assert_true(parameter_value(&t, t.beta, i) == (i ? 8 : 3));
            }
        }
        trial_deinit(&t);
    }
}

/* The first step of AMSGrad is the rate, whatever the gradient. */
static void discriminators_have_a_rate_of_their_own(void **state) {
    (void)state;
    static const gs_group groups[] = {GS_GROUP_GENERATOR, GS_GROUP_DISCRIMINATOR};
    static const double moves[] = {2e-3, 5e-4};
    for (int b = 0; b < BACKENDS; b++) {
        gs_parameter_set set = {0};
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                gs_parameter_set_add(&set, i ? "other" : "one", groups[i], true, 1, (int[]){1}), i);
        gs_graph *graph = gs_graph_new(&set);
        gs_tensor *target = gs_graph_input(graph, "target", (gs_shape){1, 1, 1, 1});
        for (int i = 0; i < 2; i++) {
            gs_loss_term term = {
                .loss = gs_graph_loss_squared(graph, gs_graph_parameter(graph, i), target),
                .coefficient = 1};
            gs_graph_backward(graph, &term, 1, groups[i]);
            gs_graph_amsgrad(graph, groups[i]);
        }
        gs_plan *plan;
        gs_parameters *parameters;
        assert_int_equal(gs_plan_new(graph, devices[b], GS_PLAN_TRAINING, &plan, NULL), GS_OK);
        assert_int_equal(gs_parameters_new(&set, gs_device_backend(devices[b])->element_size,
                                           GS_FOR_TRAINING, &parameters, NULL),
                         GS_OK);
        parameters->learning_rate = 2e-3;
        parameters->discriminator_rate = 0.25;
        gs_plan_write(plan, target, (float[]){7});
        assert_int_equal(gs_plan_run(plan, parameters, NULL), GS_OK);
        for (int i = 0; i < 2; i++) {
            float value;
            gs_parameters_read(parameters, parameters->values, i, &value);
            if (!(fabs((double)value - moves[i]) < 1e-8))
                fail_msg("%s moved by %g, not %g", set.items[i].name, (double)value, moves[i]);
        }
        gs_plan_free(plan);
        gs_parameters_free(parameters);
        gs_parameter_set_deinit(&set);
    }
}

/* The second moment of both elements falls below its largest value, which AMSGrad goes on using. */
static void amsgrad_is_pytorchs(void **state) {
    (void)state;
    const double gradients[3][2] = {{0.5, -2}, {-1, 0.25}, {0.01, 0}};
    const double expected[3][2] = {{0.999000000019996, -0.4990000000049999},
                                   {0.9996322595273915, -0.4986490642347872},
                                   {0.9999551058659242, -0.49846488289066854}};
    for (int b = 0; b < BACKENDS; b++) {
        trial t;
        trial_build(&t, &(geometry){.x = {1, 2, 1, 1}, .outputs = 1}, build_distance,
                    TRIAL_AMSGRAD);
        trial_plan(&t, devices[b], GS_PLAN_TRAINING, 1);
        gs_parameters_write(t.parameters, t.parameters->values, t.gamma, (float[]){1, -0.5f});
        double tolerance = b == 0 ? 1e-12 : 2e-7;
        for (int step = 0; step < 3; step++) {
            double target[2]; /* the gradient of the mean of two squares is the difference */
            for (int i = 0; i < 2; i++)
                target[i] = parameter_value(&t, t.gamma, i) - gradients[step][i];
            gs_plan_write_double(t.plan, t.inputs[0], target);
            trial_run(&t);
            for (int i = 0; i < 2; i++)
                if (!(fabs(parameter_value(&t, t.gamma, i) - expected[step][i]) <= tolerance))
                    fail_msg("step %d, element %d: %.12g, not %.12g (%s backend)", step, i,
                             parameter_value(&t, t.gamma, i), expected[step][i], backends[b]);
            assert_int_equal(t.parameters->steps[t.gamma], step + 1);
            assert_int_equal(t.parameters->steps[t.beta], 0); /* has no gradient here */
        }
        expect_state(&t, "moment 1 of gamma", (double[]){-0.182412543387, -0.187543657453});
        expect_state(&t, "moment 2 of gamma", (double[]){0.001248502479, 0.004054616183});
        expect_state(&t, "largest moment 2 of gamma", (double[]){0.001249650120, 0.004058674855});
        trial_deinit(&t);
    }
}

static int open_devices(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++)
        if (gs_device_open(backends[b], 2, GS_PRECISION_FP32, &devices[b], NULL) != GS_OK)
            return -1;
    return 0;
}

static int close_devices(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) gs_device_close(devices[b]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amsgrad_is_pytorchs),
        cmocka_unit_test(discriminators_have_a_rate_of_their_own),
        cmocka_unit_test(moving_average_moves_towards_the_other),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
