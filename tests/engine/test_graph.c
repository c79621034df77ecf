/* Building graphs: what shapes come out, what is refused and how it is said, what is shared, and
 * what has a gradient. */
#include "trial.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static gs_parameter_set set;
static int weight, u, bias, short_u, gamma_short;

static gs_graph *new_graph(void) {
    gs_graph *graph = gs_graph_new(&set);
    assert_non_null(graph);
    return graph;
}

static gs_tensor *input(gs_graph *graph, int n, int c, int h, int w) {
    return gs_graph_input(graph, "x", (gs_shape){n, c, h, w});
}

static void expect_shape(const gs_tensor *tensor, int n, int c, int h, int w) {
    assert_non_null(tensor);
    gs_shape s = gs_tensor_shape(tensor);
    if (s.n != n || s.c != c || s.h != h || s.w != w)
        fail_msg("[%d,%d,%d,%d], not [%d,%d,%d,%d]", s.n, s.c, s.h, s.w, n, c, h, w);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static gs_tensor *empty_tensor(gs_graph *g) {
    return input(g, 1, 0, 3, 3);
}

static gs_tensor *conv_of_wrong_channels(gs_graph *g) {
    return gs_graph_conv2d(g, input(g, 1, 5, 9, 9), gs_graph_parameter(g, weight), NULL, 1);
}

static gs_tensor *conv_of_small_map(gs_graph *g) {
    return gs_graph_conv2d(g, input(g, 1, 3, 2, 9), gs_graph_parameter(g, weight), NULL, 1);
}

static gs_tensor *conv_without_stride(gs_graph *g) {
    return gs_graph_conv2d(g, input(g, 1, 3, 9, 9), gs_graph_parameter(g, weight), NULL, 0);
}

static gs_tensor *conv_with_short_bias(gs_graph *g) {
    return gs_graph_conv2d(g, input(g, 1, 3, 9, 9), gs_graph_parameter(g, weight),
                           gs_graph_parameter(g, short_u), 1);
}

static gs_tensor *weight_with_short_u(gs_graph *g) {
    return gs_graph_effective_weight(g, weight, short_u);
}

static gs_tensor *norm_with_short_gamma(gs_graph *g) {
    return gs_graph_prepare(
        g, input(g, 1, 3, 4, 4),
        (gs_prepare_params){.norm = GS_NORM_LAYER, .gamma = gamma_short, .beta = gamma_short});
}

static gs_tensor *sum_of_different_shapes(gs_graph *g) {
    return gs_graph_add(g, input(g, 1, 3, 4, 5), input(g, 1, 3, 4, 6));
}

static gs_tensor *channels_of_different_maps(gs_graph *g) {
    return gs_graph_concat_channels(g, input(g, 1, 3, 4, 5), input(g, 1, 2, 6, 5));
}

static gs_tensor *batch_of_different_channels(gs_graph *g) {
    return gs_graph_concat_batch(g, input(g, 1, 3, 4, 5), input(g, 1, 2, 4, 5));
}

static gs_tensor *too_many_channels(gs_graph *g) {
    return gs_graph_slice_channels(g, input(g, 1, 3, 4, 5), 2, 2);
}

static gs_tensor *samples_before_the_first(gs_graph *g) {
    return gs_graph_batch_view(g, input(g, 3, 1, 2, 2), -1, 2);
}

static gs_tensor *samples_after_the_last(gs_graph *g) {
    gs_tensor *view = gs_graph_batch_view(g, input(g, 4, 1, 2, 2), 1, 2);
    return gs_graph_batch_view(g, view, 1, 2);
}

static gs_tensor *loss_of_different_shapes(gs_graph *g) {
    return gs_graph_loss_l1(g, input(g, 1, 3, 4, 5), input(g, 2, 3, 4, 5));
}

static gs_tensor *hinge_without_generated(gs_graph *g) {
    return gs_graph_loss_hinge(g, input(g, 2, 1, 4, 5), 2);
}

typedef struct refusal {
    gs_tensor *(*build)(gs_graph *graph);
    const char *says;
} refusal;

static const refusal refusals[] = {
    {empty_tensor, "[1,0,3,3]"},
    {conv_of_wrong_channels, "[1,5,9,9] with [4,3,3,3]"},
    {conv_of_small_map, "[1,3,2,9] with [4,3,3,3]"},
    {conv_without_stride, "stride 0"},
    {conv_with_short_bias, "3 biases for 4 outputs"},
    {weight_with_short_u, "short_u has 3 elements, its weight 4 outputs"},
    {norm_with_short_gamma, "gamma_short scales 2 channels, not 3"},
    {sum_of_different_shapes, "[1,3,4,5] + [1,3,4,6]"},
    {channels_of_different_maps, "[1,3,4,5] and [1,2,6,5]"},
    {batch_of_different_channels, "[1,3,4,5] and [1,2,4,5]"},
    {too_many_channels, "channels 2 to 4 of 3"},
    {samples_before_the_first, "samples -1 to 1 of a batch of 3"},
    {samples_after_the_last, "samples 1 to 3 of a batch of 2"},
    {loss_of_different_shapes, "loss_l1 of [1,3,4,5] and [2,3,4,5]"},
    {hinge_without_generated, "2 real samples of 2"},
};

/* The first error stays, every builder after it returns NULL and adds nothing, and the plan fails
 * with it. */
static void expect_refusal(const refusal *r, gs_device *device) {
    gs_graph *graph = new_graph();
    gs_error err = {0};
    assert_null(r->build(graph));
    int tensors = graph->tensor_count, nodes = graph->node_count;
    assert_null(input(graph, 1, 1, 1, 1));
    assert_null(sum_of_different_shapes(graph));
    assert_null(gs_graph_tanh(graph, gs_graph_parameter(graph, weight)));
    gs_graph_backward(graph, NULL, 0, GS_GROUP_GENERATOR);
    gs_graph_amsgrad(graph, GS_GROUP_GENERATOR);
    assert_int_equal(graph->tensor_count, tensors);
    assert_int_equal(graph->node_count, nodes);
    assert_int_equal(gs_graph_finish(graph, &err), GS_SHAPE_MISMATCH);
    gs_plan *plan = NULL;
    err = (gs_error){0};
    assert_int_equal(gs_plan_new(graph, device, GS_PLAN_TRAINING, &plan, &err), GS_SHAPE_MISMATCH);
    assert_null(plan);
    if (!strstr(err.text, r->says)) fail_msg("\"%s\" does not say \"%s\"", err.text, r->says);
}

static void the_first_error_sticks_and_names_shapes(void **state) {
    (void)state;
    gs_device *device;
    assert_int_equal(gs_device_open("reference", 1, GS_PRECISION_FP32, &device, NULL), GS_OK);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        expect_refusal(&refusals[i], device);
    gs_device_close(device);
}

static void a_missing_tensor_flows_through(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    gs_tensor *x = input(g, 1, 1, 4, 4);
    assert_null(gs_graph_conv2d(g, NULL, NULL, NULL, 1));
    assert_null(gs_graph_prepare(g, NULL, (gs_prepare_params){0}));
    assert_null(gs_graph_add(g, x, NULL));
    assert_null(gs_graph_concat_channels(g, NULL, x));
    assert_null(gs_graph_concat_batch(g, NULL, x));
    assert_null(gs_graph_slice_channels(g, NULL, 0, 1));
    assert_null(gs_graph_batch_view(g, NULL, 0, 1));
    assert_null(gs_graph_tanh(g, NULL));
    assert_null(gs_graph_sigmoid(g, NULL));
    assert_null(gs_graph_average_pool(g, NULL));
    assert_null(gs_graph_loss_l1(g, x, NULL));
    assert_null(gs_graph_loss_hinge(g, NULL, 1));
    assert_null(gs_graph_loss_negative_mean(g, NULL));
    assert_null(gs_graph_loss_dice(g, x, x, NULL));
    assert_null(gs_graph_loss_squared(g, NULL, x));
    gs_graph_keep(g, NULL, "nothing");
    assert_int_equal(gs_graph_finish(g, NULL), GS_OK);
    gs_graph_free(g);
    gs_graph_free(NULL);
}

/* ---- Shapes ---------------------------------------------------------------------------------- */

static void layers_keep_ceil_of_size_over_stride(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    for (int size = 1; size <= 9; size++)
        for (int stride = 1; stride <= 2; stride++) {
            gs_tensor *x = gs_graph_prepare(g, input(g, 2, 3, size, 9),
                                            (gs_prepare_params){.kernel = 3, .stride = stride});
            gs_tensor *y = gs_graph_conv2d(g, x, gs_graph_parameter(g, weight), NULL, stride);
            expect_shape(y, 2, 4, (size + stride - 1) / stride, stride == 1 ? 9 : 5);
        }
    gs_graph_free(g);
}

static void other_shapes(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    gs_tensor *x = input(g, 4, 3, 5, 6);
    expect_shape(gs_graph_parameter(g, weight), 4, 3, 3, 3);
    expect_shape(gs_graph_parameter(g, bias), 1, 4, 1, 1);
    expect_shape(gs_graph_average_pool(g, x), 4, 3, 3, 3);
    expect_shape(gs_graph_concat_channels(g, x, gs_graph_slice_channels(g, x, 1, 2)), 4, 5, 5, 6);
    expect_shape(gs_graph_concat_batch(g, x, gs_graph_batch_view(g, x, 3, 1)), 5, 3, 5, 6);
    expect_shape(gs_graph_loss_negative_mean(g, x), 1, 1, 1, 1);
    expect_shape(gs_graph_prepare(g, x, (gs_prepare_params){.upsample = true, .crop_w = 7}), 4, 3,
                 10, 7);
    gs_graph_free(g);
}

/* ---- Sharing --------------------------------------------------------------------------------- */

static int count_nodes(const gs_graph *graph, gs_op op) {
    int count = 0;
    for (int i = 0; i < graph->node_count; i++) count += graph->nodes[i]->op == op;
    return count;
}

static void whole_views_and_slices_are_the_tensor(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    gs_tensor *x = input(g, 4, 3, 2, 2);
    assert_ptr_equal(gs_graph_batch_view(g, x, 0, 4), x);
    assert_ptr_equal(gs_graph_slice_channels(g, x, 0, 3), x);
    gs_tensor *view = gs_graph_batch_view(g, gs_graph_batch_view(g, x, 1, 3), 1, 2);
    assert_ptr_equal(view->base, x);
    assert_int_equal(view->view_from, 2);
    gs_graph_free(g);
}

static void statistics_are_computed_once(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    gs_tensor *x = input(g, 4, 3, 2, 2);
    gs_prepare_params instance = {.norm = GS_NORM_INSTANCE};
    gs_graph_prepare(g, x, instance);
    gs_graph_prepare(g, x, instance);
    gs_graph_prepare(g, gs_graph_batch_view(g, x, 1, 2), instance);
    assert_int_equal(count_nodes(g, GS_OP_NORM_STATISTICS), 1);
    gs_graph_free(g);
}

static void effective_weights_last_until_their_weight_changes(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    gs_tensor *first = gs_graph_effective_weight(g, weight, u);
    assert_ptr_equal(gs_graph_effective_weight(g, weight, u), first);
    assert_ptr_equal(gs_graph_effective_weight(g, weight, -1), gs_graph_parameter(g, weight));
    gs_graph_power_iteration(g, weight, u);
    gs_tensor *second = gs_graph_effective_weight(g, weight, u);
    assert_ptr_not_equal(second, first);
    gs_loss_term term = {.loss = gs_graph_loss_negative_mean(g, second), .coefficient = 1};
    gs_graph_backward(g, &term, 1, GS_GROUP_GENERATOR);
    gs_graph_amsgrad(g, GS_GROUP_GENERATOR);
    assert_ptr_not_equal(gs_graph_effective_weight(g, weight, u), second);
    assert_int_equal(gs_graph_finish(g, NULL), GS_OK);
    gs_graph_free(g);
}

/* ---- What has a gradient ----------------------------------------------------------------------
 */

static gs_tensor *layer(gs_graph *g, gs_tensor *x) {
    return gs_graph_conv2d(g, x, gs_graph_effective_weight(g, weight, u),
                           gs_graph_parameter(g, bias), 1);
}

static void only_what_the_group_trains_is_differentiated(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    gs_tensor *unused = input(g, 1, 3, 4, 4), *y = layer(g, input(g, 1, 3, 4, 4));
    gs_loss_term term = {.loss = gs_graph_loss_negative_mean(g, y), .coefficient = 1};
    int forward = g->node_count;
    gs_graph_backward(g, &term, 1, GS_GROUP_DISCRIMINATOR);
    assert_int_equal(g->node_count, forward); /* the group has no part in the loss */
    assert_null(gs_graph_input_gradient(g, &term, 1, unused));
    gs_graph_backward(g, &term, 1, GS_GROUP_GENERATOR);
    assert_non_null(g->gradients[weight]);
    assert_non_null(g->gradients[bias]);
    assert_null(g->gradients[u]);
    assert_null(g->gradients[short_u]);
    assert_int_equal(count_nodes(g, GS_OP_CONV_GRADIENT_DATA), 0); /* nobody asks for it */
    gs_graph_amsgrad(g, GS_GROUP_GENERATOR);
    assert_int_equal(g->nodes[g->node_count - 1]->as.amsgrad.count, 2);
    gs_graph_free(g);
}

static void a_loss_of_coefficient_zero_costs_nothing(void **state) {
    (void)state;
    gs_graph *g = new_graph();
    gs_tensor *y = layer(g, input(g, 1, 3, 4, 4));
    gs_loss_term terms[] = {{.loss = gs_graph_loss_negative_mean(g, y)}};
    int forward = g->node_count;
    gs_graph_backward(g, terms, 1, GS_GROUP_GENERATOR);
    assert_int_equal(g->node_count, forward);
    assert_null(g->gradients[weight]);
    gs_graph_free(g);
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static void parameters_are_found_by_name(void **state) {
    (void)state;
    assert_int_equal(gs_parameter_set_find(&set, "bias"), bias);
    assert_int_equal(gs_parameter_set_find(&set, "biases"), -1);
    for (int i = 0; i < set.count; i++) assert_int_equal(set.items[i].offset % 16, 0);
}

static void parameters_pass_in_and_out_as_floats(void **state) {
    (void)state;
    const float written[] = {1.5f, -2, 3e-7f, 4};
    for (size_t element = 4; element <= 8; element += 4) {
        gs_parameters *p;
        float values[4];
        assert_int_equal(gs_parameters_new(&set, element, GS_FOR_INFERENCE, &p, NULL), GS_OK);
        assert_null(p->gradients);
        assert_null(p->steps);
        uint64_t version = p->version;
        gs_parameters_write(p, p->values, bias, written);
        assert_true(p->version > version);
        gs_parameters_read(p, p->values, bias, values);
        assert_memory_equal(values, written, sizeof values);
        gs_parameters_free(p);
    }
    gs_parameters_free(NULL);
}

static void many_parameters_keep_their_places(void **state) {
    (void)state;
    gs_parameter_set many = {0};
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(
            gs_parameter_set_add(&many, name, GS_GROUP_GENERATOR, true, 1, (int[]){1 + i % 20}), i);
    }
    assert_int_equal(gs_parameter_set_find(&many, "p299"), 299);
    for (int i = 1; i < 300; i++)
        assert_true(many.items[i].offset >= many.items[i - 1].offset + many.items[i - 1].size);
    assert_true(many.size >= many.items[299].offset + many.items[299].size);
    gs_parameter_set_deinit(&many);
}

/* A set that ran out of memory makes no graph; parameters report it. */
static void parameters_without_memory(void **state) {
    (void)state;
    gs_parameter_set failing = {0};
    gs_memory_fail_at(1, false);
    gs_parameter_set_add(&failing, "p", GS_GROUP_GENERATOR, true, 1, (int[]){3});
    assert_true(failing.failed);
    assert_null(gs_graph_new(&failing));
    gs_parameter_set_deinit(&failing);
    for (uint64_t n = 1; n <= 7; n++) { /* the object, five arrays, the step counts */
        gs_parameters *p = NULL;
        gs_error err;
        gs_memory_fail_at(n, false);
        assert_int_equal(gs_parameters_new(&set, 4, GS_FOR_TRAINING, &p, &err), GS_OUT_OF_MEMORY);
        assert_null(p);
    }
    gs_memory_fail_at(0, false);
}

static int describe_parameters(void **state) {
    (void)state;
    weight = gs_parameter_set_add(&set, "weight", GS_GROUP_GENERATOR, true, 4, (int[]){4, 3, 3, 3});
    u = gs_parameter_set_add(&set, "u", GS_GROUP_GENERATOR, false, 1, (int[]){4});
    bias = gs_parameter_set_add(&set, "bias", GS_GROUP_GENERATOR, true, 1, (int[]){4});
    short_u = gs_parameter_set_add(&set, "short_u", GS_GROUP_GENERATOR, true, 1, (int[]){3});
    gamma_short =
        gs_parameter_set_add(&set, "gamma_short", GS_GROUP_DISCRIMINATOR, true, 1, (int[]){2});
    return set.failed ? -1 : 0;
}

static int forget_parameters(void **state) {
    (void)state;
    gs_parameter_set_deinit(&set);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_sticks_and_names_shapes),
        cmocka_unit_test(a_missing_tensor_flows_through),
        cmocka_unit_test(layers_keep_ceil_of_size_over_stride),
        cmocka_unit_test(other_shapes),
        cmocka_unit_test(whole_views_and_slices_are_the_tensor),
        cmocka_unit_test(statistics_are_computed_once),
        cmocka_unit_test(effective_weights_last_until_their_weight_changes),
        cmocka_unit_test(only_what_the_group_trains_is_differentiated),
        cmocka_unit_test(a_loss_of_coefficient_zero_costs_nothing),
        cmocka_unit_test(parameters_are_found_by_name),
        cmocka_unit_test(parameters_pass_in_and_out_as_floats),
        cmocka_unit_test(many_parameters_keep_their_places),
        cmocka_unit_test(parameters_without_memory),
    };
    return cmocka_run_group_tests(tests, describe_parameters, forget_parameters);
}
