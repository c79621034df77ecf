/* Every gradient rule against central differences, through the reference backend in double
 * precision. The objective is smooth but for activations and absolute values, whose kinks random
 * numbers miss; test_definitions.c covers the kinks. */
#include "operations.h"

#include <math.h>
#include <string.h>

static gs_device *device;

enum { SEED = 20, MAX_CHECKED = 16 };

/* Differences are second order in the step: error about 1e-10 where the third derivative is of
 * order one, and it is much more on maps of two or three pixels with nearly equal values. */
#define STEP 1e-5
#define TOLERANCE 2e-6

/* What to shift, element by element: an input's values or a parameter's. */
typedef struct variable {
    const char *name;
    gs_tensor *input;       /* NULL: a parameter */
    double *memory;         /* of the parameter, or the copy of the input's values */
    const double *gradient; /* NULL: the engine says that it is zero */
    size_t count;
} variable;

static double objective_at(trial *t, const variable *v, size_t i, double shift) {
    double saved = v->memory[i];
    v->memory[i] = saved + shift;
    if (v->input) gs_plan_write_double(t->plan, v->input, v->memory);
    trial_run(t);
    double value = trial_objective(t);
    v->memory[i] = saved;
    if (v->input) gs_plan_write_double(t->plan, v->input, v->memory);
    return value;
}

static void check_variable(trial *t, const char *trial_name, const variable *v) {
    double largest = 0;
    for (size_t i = 0; v->gradient && i < v->count; i++)
        largest = fmax(largest, fabs(v->gradient[i]));
    size_t every = v->count / MAX_CHECKED + 1;
    for (size_t i = 0; i < v->count; i += every) {
        double slope = (objective_at(t, v, i, STEP) - objective_at(t, v, i, -STEP)) / (2 * STEP);
        double claimed = v->gradient ? v->gradient[i] : 0, difference = fabs(slope - claimed);
        if (!(difference <= TOLERANCE * (1 + largest)))
            fail_msg("%s %s: d objective/d %s[%zu] is %.9g, the engine says %.9g", trial_name,
                     geometry_text(&t->g), v->name, i, slope, claimed);
    }
}

static const double *gradient_named(const readings *all, const char *of) {
    for (int i = 0; i < all->count; i++)
        if (strncmp(all->items[i].name, "gradient of ", 12) == 0 &&
            strcmp(all->items[i].name + 12, of) == 0)
            return all->items[i].values;
    return NULL;
}

static void check_inputs(trial *t, const char *name, const readings *all) {
    for (int i = 0; i < t->input_count; i++) {
        if (t->kinds[i] > INPUT_PROBABILITY) continue;
        variable v = {.name = t->inputs[i]->name,
                      .input = t->inputs[i],
                      .gradient = gradient_named(all, t->inputs[i]->name),
                      .count = gs__shape_size(t->inputs[i]->shape)};
        v.memory = test_malloc(v.count * sizeof *v.memory);
        gs_plan_read_double(t->plan, t->inputs[i], v.memory);
        check_variable(t, name, &v);
        test_free(v.memory);
    }
}

static void check_parameters(trial *t, const char *name, const readings *all) {
    for (int i = 0; i < t->set.count; i++) {
        const gs_parameter *item = &t->set.items[i];
        if (!item->trained || !t->graph->values[i]) continue;
        check_variable(t, name,
                       &(variable){.name = item->name,
                                   .memory = (double *)t->parameters->values + item->offset,
                                   .gradient = gradient_named(all, item->name),
                                   .count = item->size});
    }
}

static void check_trial(const operation_trial *operation, const geometry *g) {
    trial t;
    readings all;
    trial_build(&t, g, operation->build, operation->update);
    trial_plan(&t, device, GS_PLAN_GUARDED, SEED);
    trial_run(&t);
    trial_read(&t, &all);
    const char *broken = gs_plan_broken_guard(t.plan);
    if (broken) fail_msg("%s %s: %s wrote too much", operation->name, geometry_text(g), broken);
    check_inputs(&t, operation->name, &all);
    check_parameters(&t, operation->name, &all);
    readings_deinit(&all);
    trial_deinit(&t);
}

/* ---- Geometries ------------------------------------------------------------------------------ */

static const gs_shape shapes[] = {
    {1, 1, 1, 1}, {1, 3, 1, 1}, {2, 2, 1, 3}, {1, 3, 2, 2},
    {2, 1, 3, 2}, {1, 2, 5, 3}, {3, 3, 4, 5},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const int kernels[] = {1, 3, 4, 5};

static void check_kernels(const operation_trial *operation, gs_shape x) {
    for (int k = 0; k < 4; k++)
        for (int stride = 1; stride <= 2; stride++)
            check_trial(operation,
                        &(geometry){.x = x,
                                    .outputs = 1 + k % 3,
                                    .prepare = {.kernel = kernels[k], .stride = stride}});
}

static void check_prepares(const operation_trial *operation, gs_shape x) {
    for (int k = 0; k < 4; k++)
        for (int option = 0; option < 3 * 3 * 2 * 2 * 2; option++) {
            int activation = option / 3 % 3, crop = option / 36;
            geometry g = {.x = x,
                          .outputs = 1,
                          .prepare = {.norm = (gs_norm)(option % 3),
                                      .activate = activation > 0,
                                      .slope = activation > 1 ? 0.2f : 0,
                                      .upsample = option / 9 % 2,
                                      .stride = 1 + option / 18 % 2,
                                      .kernel = kernels[k]}};
            if (crop) g.prepare.crop_h = x.h, g.prepare.crop_w = (x.w + 1) / 2;
            check_trial(operation, &g);
        }
}

static void check_operations(geometry_needs needs) {
    for (int i = 0; i < operation_trial_count; i++) {
        const operation_trial *operation = &operation_trials[i];
        if (operation->needs != needs || operation->has_state) continue;
        for (int s = 0; s < SHAPES; s++) {
            if (needs == ANY_MAP) check_trial(operation, &(geometry){.x = shapes[s], .outputs = 2});
            if (needs == ANY_KERNEL) check_kernels(operation, shapes[s]);
            if (needs == ANY_PREPARE) check_prepares(operation, shapes[s]);
        }
    }
}

static void joins_pointwise_functions_and_losses(void **state) {
    (void)state;
    check_operations(ANY_MAP);
}

static void convolutions(void **state) {
    (void)state;
    check_operations(ANY_KERNEL);
}

static void preparation(void **state) {
    (void)state;
    check_operations(ANY_PREPARE);
}

/* ---- Parts of an objective --------------------------------------------------------------------
 */

/* One part is of a single sample of a layer's output, the other of all. */
static gs_tensor *build_two_parts(trial *t, gs_loss_term *of_one) {
    gs_prepare_params pad = {.kernel = t->g.prepare.kernel};
    gs_tensor *x = gs_graph_prepare(t->graph, trial_input(t, t->g.x, INPUT_VALUES), pad);
    gs_tensor *y =
        gs_graph_conv2d(t->graph, x, trial_parameter(t, t->weight), trial_parameter(t, t->bias), 1);
    trial_project(t, y);
    gs_tensor *one = gs_graph_batch_view(t->graph, y, 1, 1);
    gs_tensor *both = gs_graph_add(t->graph, gs_graph_tanh(t->graph, one), one);
    *of_one =
        (gs_loss_term){.loss = gs_graph_loss_negative_mean(t->graph, both), .coefficient = 0.5f};
    return one;
}

static void build_at_once(trial *t) {
    gs_loss_term term;
    build_two_parts(t, &term);
    trial_loss(t, term.loss, term.coefficient);
}

static void build_early(trial *t) {
    gs_loss_term term;
    gs_tensor *one = build_two_parts(t, &term);
    t->terms[t->term_count++] =
        (gs_loss_term){.of = one, .gradient = gs_graph_gradient_of(t->graph, &term, 1, one)};
}

static void a_part_may_be_differentiated_early(void **state) {
    (void)state;
    const geometry g = {.x = {3, 2, 4, 5}, .outputs = 3, .prepare = {.kernel = 3}};
    trial_builder *const builders[] = {build_at_once, build_early};
    readings all[2];
    int compared = 0;
    for (int i = 0; i < 2; i++) {
        trial t;
        trial_build(&t, &g, builders[i], TRIAL_GRADIENTS_ONLY);
        trial_plan(&t, device, GS_PLAN_GUARDED, SEED);
        trial_run(&t);
        trial_read(&t, &all[i]);
        trial_deinit(&t);
    }
    for (int k = 0; k < all[0].count; k++) {
        const reading *expected = &all[0].items[k];
        if (strncmp(expected->name, "gradient of ", 12) != 0) continue;
        const double *actual = gradient_named(&all[1], expected->name + 12);
        assert_non_null(actual);
        for (size_t i = 0; i < expected->count; i++)
            assert_true(fabs(actual[i] - expected->values[i]) <= 1e-12);
        compared++;
    }
    assert_int_equal(compared, 3); /* the input, weight and bias */
    readings_deinit(&all[0]), readings_deinit(&all[1]);
}

static int open_device(void **state) {
    (void)state;
    return gs_device_open("reference", 1, GS_PRECISION_FP32, &device, NULL) == GS_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    gs_device_close(device);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_may_be_differentiated_early),
        cmocka_unit_test(joins_pointwise_functions_and_losses),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(preparation),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
