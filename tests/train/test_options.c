/* Options by name: what JSON may say, what goes together, and the history's lines. */
#include "tests/train/training.h"

#include "engine/train/history.h"
#include "engine/train/options.h"

/* {"name": value} into a wish that the JSON must outlive. */
static gs_status wish_for(const json_t *json, gs_training_wish *wish, gs_error *err) {
    const char *name;
    json_t *value;
    *wish = gs_training_wish_default();
    json_object_foreach((json_t *)json, name, value)
        GS_TRY(gs_training_wish_set(wish, name, value, err));
    return GS_OK;
}

static json_t *parse(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static void every_option_is_read(void **state) {
    (void)state;
    gs_error err;
    json_t *json =
        parse("{\"method\": \"mean_teacher\", \"dropout\": 0.25,"
              " \"average_decay\": 0.9, \"encoder_norm\": \"batch\", \"decoder_norm\": \"none\","
              " \"skips\": \"sum\", \"batch_size\": 7, \"min_annotated\": 2, \"pretraining_steps\": 6, \"patience\": 3,"
              " \"validate_every\": 11, \"checkpoint_every\": 13, \"learning_rate\": 0.01,"
              " \"discriminator_rate\": 0.1,"
              " \"augment\": true, \"keep_last\": true, \"unguarded\": true,"
              " \"weights\": {\"seg\": 20, \"con\": 0.5}}");
    gs_training_wish wish;
    gs_trainer_options o;
    assert_int_equal(wish_for(json, &wish, &err), GS_OK);
    assert_int_equal(gs_training_wish_resolve(&wish, &o, &err), GS_OK);
    assert_int_equal(o.objective.method, GS_TRAINING_MEAN_TEACHER);
    assert_true(o.objective.dropout == 0.25 && o.objective.average_decay == 0.9);
    assert_true(o.objective.weights.seg == 20 && o.objective.weights.con == 0.5);
    assert_true(o.objective.weights.adv == 3); /* not mentioned */
    assert_string_equal(o.architecture.encoder_norm, "batch");
    assert_string_equal(o.architecture.decoder_norm, "none");
    assert_string_equal(o.architecture.skips, "sum");
    assert_int_equal(o.batch_size, 7);
    assert_int_equal(o.min_annotated, 2);
    assert_int_equal(o.pretraining_steps, 6);
    assert_int_equal(o.patience, 3);
    assert_int_equal(o.validate_every, 11);
    assert_int_equal(o.checkpoint_every, 13);
    assert_true(o.discriminator_rate == 0.1);
    assert_true(o.learning_rate == 0.01 && o.augment && o.keep_last && o.unguarded);
    json_decref(json);
}

static void a_teacher_brings_its_dropout(void **state) {
    (void)state;
    gs_error err;
    json_t *json = parse("{\"method\": \"mean_teacher\", \"teacher\": \"dropout\"}");
    gs_training_wish wish;
    gs_trainer_options o;
    assert_int_equal(wish_for(json, &wish, &err), GS_OK);
    assert_int_equal(gs_training_wish_resolve(&wish, &o, &err), GS_OK);
    assert_true(o.objective.dropout == GS_TEACHER_DROPOUT_RATE);
    assert_string_equal(o.architecture.encoder_norm, "none");
    json_decref(json);
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    static const struct {
        const char *json, *named;
    } wrong[] = {
        {"{\"lerning_rate\": 1}", "lerning_rate"},
        {"{\"max_steps\": 1}", "max_steps"},
        {"{\"annotated_fraction\": 1}", "annotated_fraction"},
        {"{\"batch_size\": 0}", "batch_size"},
        {"{\"batch_size\": 257}", "batch_size"},
        {"{\"batch_size\": 2.5}", "batch_size"},
        {"{\"batch_size\": \"2\"}", "batch_size"},
        {"{\"learning_rate\": 0}", "learning_rate"},
        {"{\"discriminator_rate\": 0}", "discriminator_rate"},
        {"{\"augment\": 1}", "augment"},
        {"{\"method\": 1}", "method"},
        {"{\"method\": \"unet\"}", "unet"},
        {"{\"translation\": \"all\"}", "all"},
        {"{\"teacher\": \"strict\"}", "strict"},
        {"{\"skips\": \"long\"}", "long"},
        {"{\"encoder_norm\": \"group\"}", "group"},
        {"{\"weights\": 3}", "weights"},
        {"{\"weights\": {\"sag\": 3}}", "sag"},
        {"{\"weights\": {\"seg\": -1}}", "weights.seg"},
        {"{\"weights\": {\"seg\": true}}", "weights.seg"},
        {"{\"weights\": {\"seg\": 0, \"adv\": 0, \"rec\": 0, \"lat\": 0, \"cyc\": 0}}", "weights"},
        {"{\"dropout\": 0.5}", "dropout"},
        {"{\"pretraining_steps\": 9, \"method\": \"segmentation_only\"}", "pretraining steps"},
        {"{\"method\": \"autoencoder\", \"mutual_information\": true}", "autoencoder"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gs_error err = {0};
        gs_training_wish wish;
        gs_trainer_options o;
        json_t *json = parse(wrong[i].json);
        gs_status status = wish_for(json, &wish, &err);
        if (status == GS_OK) status = gs_training_wish_resolve(&wish, &o, &err);
        if (status != GS_INVALID_ARGUMENT || !strstr(err.text, wrong[i].named))
            fail_msg("%s: %s, \"%s\"", wrong[i].json, gs_status_name(status), err.text);
        json_decref(json);
    }
}

static void a_history_goes_on_after_half_a_line(void **state) {
    (void)state;
    char *out = path("history"), *file_path = path("history/history.jsonl"), *bytes;
    size_t size;
    gs_trainer_options o = options_for("data", out);
    gs_training_event event = {.kind = GS_EVENT_CHECKPOINT, .step = 4};
    for (int part = 0; part < 3; part++) {
        o.resume = part > 0;
        FILE *file = gs_history_open(&o);
        assert_non_null(file);
        json_t *line = gs_history_line(&o, &event);
        gs_history_write(file, line);
        json_decref(line);
        if (part == 1) fputs("{\"event\": \"che", file);
        fclose(file);
    }
    assert_int_equal(gs_file_read(file_path, 1000, &bytes, &size, NULL), GS_OK);
    const char *checkpoint = "{\"event\":\"checkpoint\",\"step\":4}\n";
    char *expected = gs_format("%s%s{\"event\": \"che\n%s", checkpoint, checkpoint, checkpoint);
    assert_string_equal(bytes, expected);
    gs_free(expected), gs_free(bytes), gs_free(out), gs_free(file_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_read),
        cmocka_unit_test(a_teacher_brings_its_dropout),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_history_goes_on_after_half_a_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
