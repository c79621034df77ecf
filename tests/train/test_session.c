/* Inference sessions: what they promise about their answers, and what they refuse to load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/model/weights.h"
#include "engine/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IMAGE = 2 * 20 * 14, PIXELS = 20 * 14, COUNT = 7 };

static char model_path[] = "/tmp/genseg-session-XXXXXX";

/* A tiny model with random weights; `spoil` may change the values before they are written.
 * `metrics`: JSON of its training, or NULL. */
static void write_model(const char *path, void (*spoil)(gs_parameters *), const char *metrics) {
    gs_model_config config;
    gs_network network;
    gs_parameters *parameters;
    assert_int_equal(gs_model_config_make("tiny", 1, 0, 0, 0, &config, NULL), GS_OK);
    assert_int_equal(gs_network_init(&network, &config, GS_PARTS_GENERATOR, NULL), GS_OK);
    assert_int_equal(gs_parameters_new(&network.set, 4, GS_FOR_INFERENCE, &parameters, NULL),
                     GS_OK);
    assert_int_equal(gs_network_initialize(&network, parameters, 3, NULL), GS_OK);
    if (spoil) spoil(parameters);
    gs_metadata_entry entry = {GS_METRICS_KEY, metrics};
    assert_int_equal(
        gs_weights_save(path, &network, parameters, GS_WEIGHTS_ONLY, &entry, metrics ? 1 : 0, NULL),
        GS_OK);
    gs_parameters_free(parameters);
    gs_network_deinit(&network);
}

static int make_model(void **state) {
    (void)state;
    int fd = mkstemp(model_path);
    if (fd < 0) return -1;
    close(fd);
    write_model(model_path, NULL, NULL);
    return 0;
}

static int remove_model(void **state) {
    (void)state;
    return unlink(model_path);
}

static gs_session *open_session(const char *backend) {
    gs_model *model;
    gs_session *session;
    gs_error err;
    assert_int_equal(gs_model_load(model_path, &model, &err), GS_OK);
    gs_session_options options = {.engine = {.backend = backend}, .threads = 2, .max_batch = 4};
    assert_int_equal(gs_session_open(model, &options, &session, &err), GS_OK);
    gs_model_release(model); /* the session keeps it */
    return session;
}

static float images[COUNT * IMAGE];

static void batches_of_any_size_agree_with_the_reference(void **state) {
    (void)state;
    static float cpu[COUNT * PIXELS], reference[COUNT * PIXELS];
    gs_session *a = open_session("cpu"), *b = open_session("reference");
    assert_int_equal(gs_session_segment(a, COUNT, images, cpu, NULL), GS_OK);
    assert_int_equal(gs_session_segment(b, COUNT, images, reference, NULL), GS_OK);
    for (int i = 0; i < COUNT * PIXELS; i++) {
        assert_true(fabsf(cpu[i] - reference[i]) <= 1e-5f);
        assert_true(cpu[i] >= 0 && cpu[i] <= 1);
    }
    gs_session_close(a), gs_session_close(b);
}

static void reconstruction_is_healthy_plus_residual(void **state) {
    (void)state;
    static float healthy[COUNT * IMAGE], residual[COUNT * IMAGE], sum[COUNT * IMAGE];
    gs_session *session = open_session("cpu");
    assert_int_equal(gs_session_remove(session, COUNT, images, healthy, residual, sum, NULL),
                     GS_OK);
    for (int i = 0; i < COUNT * IMAGE; i++) {
        float expected = healthy[i] + residual[i];
        assert_memory_equal(&sum[i], &expected, sizeof expected);
        assert_true(fabsf(healthy[i]) <= 1 && fabsf(residual[i]) <= 1);
    }
    gs_session_close(session);
}

static void samples_depend_on_image_and_seed_alone(void **state) {
    (void)state;
    static float a[3][COUNT * IMAGE], b[3][IMAGE];
    uint64_t seeds[COUNT] = {1, 2, 3, 4, 5, 6, 2};
    memcpy(images + 6 * IMAGE, images + 1 * IMAGE, IMAGE * sizeof *images);
    gs_session *session = open_session("cpu"), *other = open_session("cpu");
    assert_int_equal(gs_session_insert(session, COUNT, images, seeds, a[0], a[1], a[2], NULL),
                     GS_OK);
    assert_int_equal(gs_session_insert(other, 1, images + IMAGE, seeds + 1, b[0], b[1], b[2], NULL),
                     GS_OK);
    for (int k = 0; k < 3; k++) {
        assert_memory_equal(a[k] + IMAGE, b[k], sizeof b[k]);
        assert_memory_equal(a[k] + 6 * IMAGE, b[k], sizeof b[k]);
    }
    seeds[1] = 99;
    assert_int_equal(gs_session_insert(other, 1, images + IMAGE, seeds + 1, b[0], b[1], b[2], NULL),
                     GS_OK);
    assert_memory_equal(a[0] + IMAGE, b[0], sizeof b[0]); /* the healthy part has no seed */
    assert_memory_not_equal(a[1] + IMAGE, b[1], sizeof b[1]);
    gs_session_close(session), gs_session_close(other);
}

static void insert_code(gs_session *session, gs_unique_code code, float out[IMAGE]) {
    static float autoencoded[IMAGE], translated[IMAGE];
    assert_int_equal(
        gs_session_insert_codes(session, 1, images, &code, autoencoded, out, translated, NULL),
        GS_OK);
}

static void ends_of_an_interpolation_are_the_samples_themselves(void **state) {
    (void)state;
    enum { STEPS = 5 };
    static float a[3][STEPS * IMAGE], b[IMAGE], frames[STEPS * IMAGE];
    gs_unique_code codes[STEPS];
    for (int i = 0; i < STEPS; i++) {
        memcpy(frames + i * IMAGE, images, IMAGE * sizeof *images);
        codes[i] = (gs_unique_code){.seed = 3, .toward = 8, .t = i / (STEPS - 1.0)};
    }
    gs_session *session = open_session("cpu"), *other = open_session("cpu");
    assert_int_equal(gs_session_insert_codes(session, STEPS, frames, codes, a[0], a[1], a[2], NULL),
                     GS_OK);
    insert_code(other, (gs_unique_code){.seed = 3}, b);
    assert_memory_equal(a[1], b, sizeof b);
    insert_code(other, (gs_unique_code){.seed = 8}, b);
    assert_memory_equal(a[1] + (STEPS - 1) * IMAGE, b, sizeof b);
    insert_code(other, (gs_unique_code){.seed = 8, .toward = 3, .t = 0.5}, b);
    for (int i = 0; i < IMAGE; i++) assert_true(fabsf(a[1][2 * IMAGE + i] - b[i]) <= 1e-5f);
    for (int i = 1; i < STEPS; i++)
        assert_memory_not_equal(a[1] + i * IMAGE, a[1] + (i - 1) * IMAGE, sizeof b);
    gs_session_close(session), gs_session_close(other);
}

static void answers_allocate_nothing_once_warm(void **state) {
    (void)state;
    float probabilities[PIXELS];
    gs_session *session = open_session("cpu");
    assert_int_equal(gs_session_segment(session, 1, images, probabilities, NULL), GS_OK);
    uint64_t before = gs_memory_count();
    assert_int_equal(gs_session_segment(session, 1, images, probabilities, NULL), GS_OK);
    assert_int_equal(gs_memory_count() - before, 0);
    gs_session_close(session);
}

static void every_failing_allocation_is_a_clear_error(void **state) {
    (void)state;
    int failures = 0;
    for (uint64_t n = 1;; n += n < 60 ? 1 : 37) {
        gs_model *model = NULL;
        gs_session *session = NULL;
        float probabilities[PIXELS];
        gs_error err;
        gs_memory_fail_at(n, true);
        gs_status status = gs_model_load(model_path, &model, &err);
        gs_session_options options = {.threads = 1};
        if (status == GS_OK) status = gs_session_open(model, &options, &session, &err);
        if (status == GS_OK) status = gs_session_segment(session, 1, images, probabilities, &err);
        gs_memory_fail_at(0, false);
        gs_session_close(session);
        gs_model_release(model);
        if (status == GS_OK) break;
        assert_int_equal(status, GS_OUT_OF_MEMORY);
        failures++;
    }
    assert_true(failures > 50);
}

static void put_nan(gs_parameters *parameters) {
    ((float *)parameters->values)[5] = (float)NAN;
}

static void weights_that_cannot_be_used_are_refused(void **state) {
    (void)state;
    gs_model *model;
    gs_error err;
    char *path = gs_format("%s-bad", model_path);
    write_model(path, put_nan, NULL);
    assert_int_equal(gs_model_load(path, &model, &err), GS_NUMERIC);
    /* Parameters as dumped by the reference program have no configuration. */
    assert_int_equal(gs_model_load(TESTS_FOLDER "/train/tiny/weights.safetensors", &model, &err),
                     GS_UNUSABLE);
    assert_non_null(strstr(err.text, "genseg.config"));
    const float one = 1;
    const struct {
        const char *config, *expected;
    } configs[] = {
        {"{\"preset\":\"tiny\",\"width\":1.0,\"channels\":2,\"height\":20,\"columns\":14,"
         "\"normalization\":\"none\"}",
         "alien"},
        {"{\"preset\":\"lung\",\"width\":1.0,\"channels\":2,\"height\":20,\"columns\":14,"
         "\"normalization\":\"none\"}",
         "lung"},
        {"[]", "genseg.config"},
        {"{", "genseg.config"},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        gs_tensor_entry entry = {.name = "alien", .rank = 1, .shape = {1}, .data = &one};
        gs_metadata_entry metadata = {"genseg.config", configs[i].config};
        gs_safetensors_content content = {&entry, 1, &metadata, 1};
        assert_int_equal(gs_safetensors_save(path, &content, NULL), GS_OK);
        assert_int_equal(gs_model_load(path, &model, &err), GS_UNUSABLE);
        assert_non_null(strstr(err.text, configs[i].expected));
    }
    unlink(path);
    gs_free(path);
}

static void models_of_methods_that_do_not_translate_only_segment(void **state) {
    (void)state;
    static float a[IMAGE], b[IMAGE], c[IMAGE], probability[PIXELS];
    const uint64_t seed = 1;
    char path[sizeof model_path + 8];
    snprintf(path, sizeof path, "%s.method", model_path);
    for (int m = 0; m < GS_TRAINING_METHOD_COUNT; m++) {
        const gs_method_traits *method = gs_method_get((gs_training_method)m);
        char metrics[96];
        gs_model *model;
        gs_session *session;
        gs_error err;
        snprintf(metrics, sizeof metrics, "{\"method\": \"%s\", \"step\": 1}", method->name);
        write_model(path, NULL, metrics);
        assert_int_equal(gs_model_load(path, &model, &err), GS_OK);
        assert_int_equal(gs_session_open(model, NULL, &session, &err), GS_OK);
        gs_status expected = method->translates ? GS_OK : GS_UNUSABLE;
        assert_int_equal(gs_session_segment(session, 1, images, probability, &err), GS_OK);
        assert_int_equal(gs_session_remove(session, 1, images, a, b, c, &err), expected);
        if (expected != GS_OK) assert_non_null(strstr(err.text, method->name));
        assert_int_equal(gs_session_insert(session, 1, images, &seed, a, b, c, &err), expected);
        gs_session_close(session);
        gs_model_release(model);
    }
    unlink(path);
}

int main(void) {
    gs_random_normal(11, 0, images, COUNT * IMAGE);
    for (int i = 0; i < COUNT * IMAGE; i++) images[i] = tanhf(0.5f * images[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_any_size_agree_with_the_reference),
        cmocka_unit_test(reconstruction_is_healthy_plus_residual),
        cmocka_unit_test(samples_depend_on_image_and_seed_alone),
        cmocka_unit_test(ends_of_an_interpolation_are_the_samples_themselves),
        cmocka_unit_test(answers_allocate_nothing_once_warm),
        cmocka_unit_test(every_failing_allocation_is_a_clear_error),
        cmocka_unit_test(weights_that_cannot_be_used_are_refused),
        cmocka_unit_test(models_of_methods_that_do_not_translate_only_segment),
    };
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
