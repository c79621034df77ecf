/* What each operation means, on numbers worked out by hand or by PyTorch 1.13, in every backend:
 * the oracle itself is held against something. */
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BACKENDS = 2, INPUTS = 3, PARAMETERS = 5 };
static const char *const backends[BACKENDS] = {"reference", "cpu"};
static gs_device *devices[BACKENDS];

/* A trial with given numbers; NULL leaves random ones. Inputs are in the builder's order,
 * parameters are weight, u, bias, gamma, beta. */
typedef struct setting {
    geometry g;
    trial_builder *build;
    const double *inputs[INPUTS];
    const float *parameters[PARAMETERS];
} setting;

static void start(trial *t, const setting *s, gs_device *device) {
    trial_build(t, &s->g, s->build, TRIAL_GRADIENTS_ONLY);
    trial_plan(t, device, GS_PLAN_GUARDED, 1);
    for (int i = 0; i < INPUTS; i++)
        if (s->inputs[i]) gs_plan_write_double(t->plan, t->inputs[i], s->inputs[i]);
    for (int i = 0; i < PARAMETERS; i++)
        if (s->parameters[i])
            gs_parameters_write(t->parameters, t->parameters->values, i, s->parameters[i]);
}

static void expect_values(const trial *t, const char *name, const double *expected, size_t count) {
    readings all;
    trial_read(t, &all);
    const reading *r = find_reading(&all, name);
    assert_int_equal(r->count, count);
    bool is_exact = t->parameters->element_size == sizeof(double);
    for (size_t i = 0; i < count; i++) {
        double tolerance = (is_exact ? 1e-9 : 2e-6) * (1 + fabs(expected[i]));
        if (!(fabs(r->values[i] - expected[i]) <= tolerance))
            fail_msg("%s[%zu] is %.12g, not %.12g (%s backend)", name, i, r->values[i], expected[i],
                     is_exact ? "reference" : "cpu");
    }
    readings_deinit(&all);
}

static void expect(const setting *s, const char *name, const double *expected, size_t count) {
    for (int b = 0; b < BACKENDS; b++) {
        trial t;
        start(&t, s, devices[b]);
        trial_run(&t);
        expect_values(&t, name, expected, count);
        trial_deinit(&t);
    }
}

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define EXPECT(setting, name, ...)                                                                 \
    expect(&(setting), name, (const double[]){__VA_ARGS__}, COUNT(((const double[]){__VA_ARGS__})))

static gs_tensor *values_input(trial *t) {
    return trial_input(t, t->g.x, INPUT_VALUES);
}

/* ---- Convolution ----------------------------------------------------------------------------- */

static const double one_to_twelve[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void build_conv(trial *t) {
    trial_project(t, gs_graph_conv2d(t->graph, values_input(t), trial_parameter(t, t->weight),
                                     trial_parameter(t, t->bias), t->g.prepare.stride));
}

static void convolution_does_not_flip_its_kernel(void **state) {
    (void)state;
    setting s = {.g = {.x = {1, 1, 3, 4}, .outputs = 1, .prepare = {.kernel = 2, .stride = 1}},
                 .build = build_conv,
                 .inputs = {one_to_twelve},
                 .parameters = {(float[]){1, 2, 3, 4}, NULL, (float[]){0.5f}}};
    EXPECT(s, "output 0", 44.5, 54.5, 64.5, 84.5, 94.5, 104.5);
    s.g.prepare.stride = 2;
    EXPECT(s, "output 0", 44.5, 64.5);
}

static void weights_are_stored_outputs_first(void **state) {
    (void)state;
    setting s = {.g = {.x = {1, 2, 1, 1}, .outputs = 2, .prepare = {.kernel = 1, .stride = 1}},
                 .build = build_conv,
                 .inputs = {(double[]){1, 2}},
                 .parameters = {(float[]){1, 10, 100, 1000}, NULL, (float[]){0, 0}}};
    EXPECT(s, "output 0", 21, 2100);
}

/* The scores of real and generated images, all within the hinge. */
static void build_scores(trial *t) {
    gs_tensor *x = trial_input(t, t->g.x, INPUT_FIXED);
    gs_tensor *scores =
        gs_graph_conv2d(t->graph, x, trial_parameter(t, t->weight), trial_parameter(t, t->bias), 1);
    trial_loss(t, gs_graph_loss_hinge(t->graph, scores, t->g.x.n / 2), 1.0f / 3);
}

/* Each real pixel adds -1/(3n) to the bias's gradient, each generated one 1/(3n). AMSGrad is blind
 * to a gradient's size: what rounding leaves of such a sum must be far below its epsilon, 1e-8. */
static void bias_gradients_that_cancel_are_zero(void **state) {
    (void)state;
    const gs_shape shapes[] = {
        {6, 3, 7, 5}, {2, 1, 31, 9}, {6, 256, 2, 2}, {2, 256, 15, 8}, {2, 128, 8, 8}};
    for (int threads = 1; threads <= 2; threads++) {
        gs_device *device;
        assert_int_equal(gs_device_open("cpu", threads, GS_PRECISION_FP32, &device, NULL), GS_OK);
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            trial t;
            trial_build(&t, &(geometry){.x = shapes[k], .outputs = 1, .prepare = {.kernel = 1}},
                        build_scores, TRIAL_GRADIENTS_ONLY);
            trial_plan(&t, device, GS_PLAN_GUARDED, 1);
            float zeros[256] = {0};
            gs_parameters_write(t.parameters, t.parameters->values, t.weight, zeros);
            gs_parameters_write(t.parameters, t.parameters->values, t.bias, zeros);
            trial_run(&t);
            readings all;
            trial_read(&t, &all);
            double gradient = find_reading(&all, "gradient of bias")->values[0];
            if (!(fabs(gradient) <= 1e-12))
                fail_msg("shape %zu, %d threads: %g", k, threads, gradient);
            readings_deinit(&all);
            trial_deinit(&t);
        }
        gs_device_close(device);
    }
}

static void build_effective_weight(trial *t) {
    trial_output(t, gs_graph_effective_weight(t->graph, t->weight, t->u));
    gs_graph_power_iteration(t->graph, t->weight, t->u);
}

static void spectral_norm_is_pytorchs(void **state) {
    (void)state;
    setting s = {.g = {.x = {1, 3, 1, 1}, .outputs = 2, .prepare = {.kernel = 1}},
                 .build = build_effective_weight,
                 .parameters = {(float[]){3, 0, 4, 1, 2, -2}, (float[]){0.6f, 0.8f}}};
    double sigma = 3.155946767612;
    for (int b = 0; b < BACKENDS; b++) {
        trial t;
        start(&t, &s, devices[b]);
        trial_run(&t);
        readings all;
        trial_read(&t, &all);
        const double *w = find_reading(&all, "output 0")->values;
        const double *u = find_reading(&all, "u")->values;
        const double expected[] = {3, 0, 4, 1, 2, -2};
        /* 0.6 and 0.8 are floats here. */
        for (int i = 0; i < 6; i++) assert_true(fabs(w[i] - expected[i] / sigma) <= 2e-7);
        assert_true(fabs(u[0] - 0.934218386179) <= 2e-7);
        assert_true(fabs(u[1] - 0.356701565632) <= 2e-7);
        readings_deinit(&all);
        trial_deinit(&t);
    }
}

/* ---- Preparation ----------------------------------------------------------------------------- */

static void build_prepare(trial *t) {
    trial_project(t, gs_graph_prepare(t->graph, values_input(t), t->g.prepare));
}

enum { MAX_SIDE = 8, Z = -1, END = -2 }; /* Z: a row of zeros */

/* Rows and columns of the padded map, as rows and columns of x. */
typedef struct padding_case {
    int h, w;
    gs_prepare_params prepare;
    int rows[MAX_SIDE + 1], columns[MAX_SIDE + 1];
} padding_case;

static const padding_case paddings[] = {
    {3, 3, {.kernel = 0}, {0, 1, 2, END}, {0, 1, 2, END}},
    {3, 3, {.kernel = 1, .stride = 2}, {0, 1, 2, END}, {0, 1, 2, END}},
    {3, 3, {.kernel = 3}, {1, 0, 1, 2, 1, END}, {1, 0, 1, 2, 1, END}},
    {2, 3, {.kernel = 3, .stride = 2}, {1, 0, 1, 0, END}, {1, 0, 1, 2, 1, END}},
    {3, 4, {.kernel = 5}, {2, 1, 0, 1, 2, 1, 0, END}, {2, 1, 0, 1, 2, 3, 2, 1, END}},
    /* An even kernel pads less before than after, unless it strides. */
    {3, 3, {.kernel = 4}, {1, 0, 1, 2, 1, 0, END}, {1, 0, 1, 2, 1, 0, END}},
    {3, 3, {.kernel = 4, .stride = 2}, {1, 0, 1, 2, 1, END}, {1, 0, 1, 2, 1, END}},
    {2, 2, {.kernel = 3, .upsample = true}, {0, 0, 0, 1, 1, 1, END}, {0, 0, 0, 1, 1, 1, END}},
    /* Too small to reflect in one direction: zeros in both. */
    {2, 3, {.kernel = 5}, {Z, Z, 0, 1, Z, Z, END}, {Z, Z, 0, 1, 2, Z, Z, END}},
    {1, 5, {.kernel = 3}, {Z, 0, Z, END}, {Z, 0, 1, 2, 3, 4, Z, END}},
    /* Still smaller than the kernel: zeros at the end. */
    {1, 1, {.kernel = 4, .stride = 2}, {Z, 0, Z, Z, END}, {Z, 0, Z, Z, END}},
    /* Only what the kept part of the convolution's output reads. */
    {4, 4, {.kernel = 3, .crop_h = 2, .crop_w = 3}, {1, 0, 1, 2, END}, {1, 0, 1, 2, 3, END}},
    {3,
     3,
     {.kernel = 3, .upsample = true, .crop_h = 5, .crop_w = 5},
     {0, 0, 0, 1, 1, 2, 2, END},
     {0, 0, 0, 1, 1, 2, 2, END}},
    {3, 3, {.kernel = 3, .stride = 2, .crop_h = 1}, {1, 0, 1, END}, {1, 0, 1, 2, 1, END}},
};

static void check_padding(const padding_case *p) {
    double x[MAX_SIDE * MAX_SIDE], expected[MAX_SIDE * MAX_SIDE];
    size_t count = 0;
    for (int i = 0; i < p->h * p->w; i++) x[i] = 1 + i;
    for (const int *r = p->rows; *r != END; r++)
        for (const int *q = p->columns; *q != END; q++)
            expected[count++] = *r == Z || *q == Z ? 0 : x[*r * p->w + *q];
    setting s = {.g = {.x = {1, 1, p->h, p->w}, .outputs = 1, .prepare = p->prepare},
                 .build = build_prepare,
                 .inputs = {x}};
    expect(&s, "output 0", expected, count);
}

static void padding_reflects_or_fills_with_zeros(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(paddings); i++) check_padding(&paddings[i]);
}

static void norms_are_pytorchs(void **state) {
    (void)state;
    setting s = {.g = {.x = {1, 2, 1, 3}, .outputs = 1, .prepare = {.norm = GS_NORM_INSTANCE}},
                 .build = build_prepare,
                 .inputs = {(double[]){1, 2, 4, 0, -1, 3}},
                 .parameters = {NULL, NULL, NULL, (float[]){2, -1}, (float[]){0.5f, 0.25f}}};
    EXPECT(s, "output 0", -1.0690415314496, -0.2672603828624, 1.336301914312, -0.3922315914147,
           -0.9805789785367, 1.3728105699514);
    s.g.prepare.norm = GS_NORM_LAYER;
    EXPECT(s, "output 0", -0.0855390399886, 1.0855390399886, 3.427695199943, 1.1283085599829,
           1.7138475999715, -0.6283085599829);
}

static void instance_norm_of_one_pixel_is_zero(void **state) {
    (void)state;
    setting s = {.g = {.x = {1, 2, 1, 1}, .outputs = 1, .prepare = {.norm = GS_NORM_INSTANCE}},
                 .build = build_prepare,
                 .inputs = {(double[]){4, -0.5}}};
    EXPECT(s, "output 0", 0, 0);
}

/* The target makes the gradient that arrives exactly one: 0.75 · 2 · (y - target) / 3. */
static void activation_at_zero_has_the_slopes_gradient(void **state) {
    (void)state;
    double leak = (double)0.25f;
    setting s = {.g = {.x = {1, 1, 1, 3}, .outputs = 1, .prepare = {.activate = true}},
                 .build = build_prepare,
                 .inputs = {(double[]){-1, 0, 2}, (double[]){-2, -2, 0}}};
    EXPECT(s, "output 0", 0, 0, 2);
    EXPECT(s, "gradient of input 0", 0, 0, 1);
    s.g.prepare.slope = 0.25f;
    s.inputs[1] = (double[]){-leak - 2, -2, 0};
    EXPECT(s, "output 0", -leak, 0, 2);
    EXPECT(s, "gradient of input 0", leak, leak, 1);
}

/* ---- Upsampling and convolution at once -------------------------------------------------------
 */

static gs_prepare_params cropped(const trial *t) {
    gs_prepare_params p = t->g.prepare;
    p.upsample = true;
    if (p.crop_h) p.crop_h = 2 * t->g.x.h - 1, p.crop_w = 2 * t->g.x.w - 1;
    return p;
}

static void build_upsampled_at_once(trial *t) {
    gs_shape low = t->g.x;
    low.c = t->g.outputs;
    gs_tensor *x = values_input(t);
    gs_upsampled_conv layer = {.weight = trial_parameter(t, t->weight),
                               .bias = trial_parameter(t, t->bias),
                               .low = trial_input(t, low, INPUT_VALUES)};
    trial_project(t, gs_graph_upsampled_conv2d(t->graph, x, cropped(t), &layer));
}

static void build_upsampled_then_convolved(trial *t) {
    gs_shape low = t->g.x;
    low.c = t->g.outputs;
    gs_prepare_params p = cropped(t);
    gs_prepare_params enlarge = {.upsample = true, .crop_h = p.crop_h, .crop_w = p.crop_w};
    gs_tensor *prepared = gs_graph_prepare(t->graph, values_input(t), p);
    gs_tensor *y = gs_graph_conv2d(t->graph, prepared, trial_parameter(t, t->weight),
                                   trial_parameter(t, t->bias), 1);
    gs_tensor *more = gs_graph_prepare(t->graph, trial_input(t, low, INPUT_VALUES), enlarge);
    trial_project(t, gs_graph_add(t->graph, y, more));
}

/* Outputs and all gradients of both graphs, on the same numbers. */
static void expect_same_function(const geometry *g, gs_device *device) {
    trial t;
    readings at_once;
    trial_build(&t, g, build_upsampled_at_once, TRIAL_GRADIENTS_ONLY);
    trial_plan(&t, device, GS_PLAN_GUARDED, 3);
    trial_run(&t);
    trial_read(&t, &at_once);
    trial_deinit(&t);
    trial_build(&t, g, build_upsampled_then_convolved, TRIAL_GRADIENTS_ONLY);
    trial_plan(&t, device, GS_PLAN_GUARDED, 3);
    trial_run(&t);
    double exactness = t.parameters->element_size == sizeof(double) ? 1e-10 : 2e-5;
    readings apart;
    trial_read(&t, &apart);
    trial_deinit(&t);
    assert_int_equal(apart.count, at_once.count);
    for (int i = 0; i < apart.count; i++) {
        const reading *a = &apart.items[i], *b = &at_once.items[i];
        double largest = 0;
        for (size_t k = 0; k < a->count; k++) largest = fmax(largest, fabs(a->values[k]));
        for (size_t k = 0; k < a->count; k++)
            if (!(fabs(a->values[k] - b->values[k]) <= exactness * (1 + largest)))
                fail_msg("%s: %s[%zu] is %.12g, not %.12g", geometry_text(g), a->name, k,
                         b->values[k], a->values[k]);
    }
    readings_deinit(&at_once), readings_deinit(&apart);
}

static void upsampling_and_convolution_at_once_is_the_same(void **state) {
    (void)state;
    const gs_shape shapes[] = {
        {1, 3, 2, 2}, {2, 5, 4, 3}, {2, 16, 7, 5}, {1, 4, 2, 9}, {1, 2, 1, 4}};
    for (size_t k = 0; k < COUNT(shapes); k++)
        for (int kernel = 3; kernel <= 5; kernel++)
            for (int crop = 0; crop < 2; crop++)
                for (int b = 0; b < BACKENDS; b++)
                    expect_same_function(&(geometry){.x = shapes[k],
                                                     .outputs = 3 + (int)k,
                                                     .prepare = {.kernel = kernel,
                                                                 .stride = 1,
                                                                 .norm = GS_NORM_LAYER,
                                                                 .activate = true,
                                                                 .crop_h = kernel % 2 ? crop : 0}},
                                         devices[b]);
}

/* ---- Joining and pooling --------------------------------------------------------------------- */

static void build_joins(trial *t) {
    gs_tensor *x = values_input(t);
    trial_output(t,
                 gs_graph_concat_channels(t->graph, x, gs_graph_slice_channels(t->graph, x, 1, 1)));
    trial_output(t, gs_graph_concat_batch(t->graph, gs_graph_batch_view(t->graph, x, 1, 1), x));
    trial_output(t, gs_graph_batch_view(t->graph, x, 1, 1));
}

static void joins_place_samples_and_channels(void **state) {
    (void)state;
    setting s = {
        .g = {.x = {2, 2, 1, 2}, .outputs = 1}, .build = build_joins, .inputs = {one_to_twelve}};
    EXPECT(s, "output 0", 1, 2, 3, 4, 3, 4, 5, 6, 7, 8, 7, 8);
    EXPECT(s, "output 1", 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT(s, "output 2", 5, 6, 7, 8);
}

static void build_pool(trial *t) {
    trial_project(t, gs_graph_average_pool(t->graph, values_input(t)));
}

static void pooling_does_not_count_the_padding(void **state) {
    (void)state;
    setting s = {
        .g = {.x = {1, 1, 3, 4}, .outputs = 1}, .build = build_pool, .inputs = {one_to_twelve}};
    EXPECT(s, "output 0", 3.5, 5, 7.5, 9);
    s.g.x = (gs_shape){1, 1, 2, 1};
    EXPECT(s, "output 0", 1.5);
}

static void build_saturated(trial *t) {
    gs_tensor *x = values_input(t);
    trial_project(t, gs_graph_tanh(t->graph, x));
    trial_project(t, gs_graph_sigmoid(t->graph, x));
}

static void saturated_functions_stay_finite(void **state) {
    (void)state;
    setting s = {.g = {.x = {1, 1, 1, 4}, .outputs = 1},
                 .build = build_saturated,
                 .inputs = {(double[]){-1000, 0, 1, 1000}}};
    EXPECT(s, "output 0", -1, 0, 0.76159415595576, 1);
    EXPECT(s, "output 1", 0, 0.5, 0.73105857863, 1);
}

/* ---- Losses ---------------------------------------------------------------------------------- */

static void build_hinge(trial *t) {
    trial_loss(t, gs_graph_loss_hinge(t->graph, values_input(t), t->g.x.n / 2), 1);
}

static void hinge_averages_real_and_generated_apart(void **state) {
    (void)state;
    setting s = {.g = {.x = {2, 1, 1, 2}, .outputs = 1},
                 .build = build_hinge,
                 .inputs = {(double[]){2, 0.5, -3, -0.25}}};
    EXPECT(s, "loss 0", 0.625);
    EXPECT(s, "gradient of input 0", 0, -0.5, 0, 0.5);
    s.inputs[0] = (double[]){1, 0, -1, 0}; /* on the margins */
    EXPECT(s, "gradient of input 0", 0, -0.5, 0, 0.5);
    s.g.x = (gs_shape){3, 1, 1, 1}; /* one real, two generated */
    s.inputs[0] = (double[]){0, 0, 2};
    EXPECT(s, "loss 0", 1 + 2);
    EXPECT(s, "gradient of input 0", -1, 0.5, 0.5);
}

static void build_l1(trial *t) {
    gs_tensor *a = values_input(t), *b = values_input(t);
    trial_loss(t, gs_graph_loss_l1(t->graph, a, b), 1);
    trial_loss(t, gs_graph_loss_negative_mean(t->graph, a), 0);
    trial_loss(t, gs_graph_loss_squared(t->graph, a, b), 0);
}

static void other_losses_are_means(void **state) {
    (void)state;
    setting s = {.g = {.x = {1, 1, 1, 4}, .outputs = 1},
                 .build = build_l1,
                 .inputs = {(double[]){1, 2, 3, -4}, (double[]){1, 4, 1, -1}}};
    EXPECT(s, "loss 0", 1.75);
    EXPECT(s, "loss 1", -0.5);
    EXPECT(s, "loss 2", 4.25);
    EXPECT(s, "gradient of input 0", 0, -0.25, 0.25, -0.25); /* 0 where both are equal */
    EXPECT(s, "gradient of input 1", 0, 0.25, -0.25, 0.25);
}

static void build_dice(trial *t) {
    gs_tensor *prediction = trial_input(t, t->g.x, INPUT_PROBABILITY);
    gs_tensor *target = trial_input(t, t->g.x, INPUT_BINARY);
    gs_tensor *annotated = trial_input(t, t->g.x, INPUT_BINARY);
    trial_loss(t, gs_graph_loss_dice(t->graph, prediction, target, annotated), 1);
}

static void dice_ignores_what_is_not_annotated(void **state) {
    (void)state;
    setting s = {
        .g = {.x = {1, 1, 1, 4}, .outputs = 1},
        .build = build_dice,
        .inputs = {(double[]){0.5, 0.25, 1, 0.75}, (double[]){1, 0, 1, 0}, (double[]){1, 1, 0, 1}}};
    double bottom = 3.5, of_all = 2 / (bottom * bottom), of_target = -2 / bottom;
    EXPECT(s, "loss 0", -2 / bottom);
    EXPECT(s, "gradient of input 0", of_all + of_target, of_all, 0, of_all);
    s.inputs[2] = (double[]){0, 0, 0, 0};
    EXPECT(s, "loss 0", -1);
    EXPECT(s, "gradient of input 0", 0, 0, 0, 0);
}

static void a_nan_reaches_every_loss(void **state) {
    (void)state;
    const double broken[] = {0.5, (double)NAN, -0.5, 0.25}, sound[] = {1, 0, 1, 0};
    trial_builder *builders[] = {build_hinge, build_l1, build_dice};
    for (int b = 0; b < BACKENDS; b++)
        for (size_t i = 0; i < COUNT(builders); i++) {
            setting s = {.g = {.x = {2, 1, 1, 2}, .outputs = 1},
                         .build = builders[i],
                         .inputs = {broken, i ? sound : NULL, i > 1 ? sound : NULL}};
            trial t;
            start(&t, &s, devices[b]);
            trial_run(&t);
            for (int k = 0; k < t.term_count; k++)
                if (!isnan(gs_plan_scalar(t.plan, t.terms[k].loss)))
                    fail_msg("loss %d of builder %zu, %s backend", k, i, backends[b]);
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
        cmocka_unit_test(convolution_does_not_flip_its_kernel),
        cmocka_unit_test(weights_are_stored_outputs_first),
        cmocka_unit_test(spectral_norm_is_pytorchs),
        cmocka_unit_test(padding_reflects_or_fills_with_zeros),
        cmocka_unit_test(norms_are_pytorchs),
        cmocka_unit_test(instance_norm_of_one_pixel_is_zero),
        cmocka_unit_test(activation_at_zero_has_the_slopes_gradient),
        cmocka_unit_test(upsampling_and_convolution_at_once_is_the_same),
        cmocka_unit_test(joins_place_samples_and_channels),
        cmocka_unit_test(pooling_does_not_count_the_padding),
        cmocka_unit_test(saturated_functions_stay_finite),
        cmocka_unit_test(hinge_averages_real_and_generated_apart),
        cmocka_unit_test(other_losses_are_means),
        cmocka_unit_test(dice_ignores_what_is_not_annotated),
        cmocka_unit_test(a_nan_reaches_every_loss),
        cmocka_unit_test(bias_gradients_that_cancel_are_zero),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
