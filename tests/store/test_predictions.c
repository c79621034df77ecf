#include "fixture.h"

#include "base/file.h"

#include <math.h>

static char ids[4][GS_ID_SIZE]; /* of slices */

static void add_slices(fixture *f, int count) {
    make_dataset(f, "a");
    for (int i = 0; i < count; i++) {
        char content[16], name[16];
        snprintf(content, sizeof content, "slice %d", i);
        snprintf(name, sizeof name, "%c", "cabd"[i]);
        gs_new_slice slice = slice_of(content);
        slice.name = name;
        gs_slice_record record = add_slice(f, "a", slice);
        memcpy(ids[i], record.id, sizeof ids[i]);
    }
}

static void add_model(fixture *f, const char *weights, gs_activation activation,
                      char id[GS_ID_SIZE]) {
    char path[96];
    gs_model_record record;
    snprintf(path, sizeof path, "%s/in.safetensors", f->folder);
    gs_file_piece piece = {.bytes = weights, .size = strlen(weights)};
    assert_ok(gs_file_replace(path, &piece, 1, &error));
    gs_new_model model = {.weights_path = path, .activation = activation};
    assert_ok(gs_store_model_add(f->store, &model, NULL, &record, NULL, &error));
    memcpy(id, record.id, GS_ID_SIZE);
    gs_model_record_deinit(&record);
}

static gs_new_prediction prediction_of(int slice, int64_t area, double uncertainty) {
    gs_new_prediction prediction = {.area = area, .uncertainty = uncertainty, .disagreement = 0.5};
    memcpy(prediction.slice, ids[slice], GS_ID_SIZE);
    return prediction;
}

static void put(fixture *f, const char *model, gs_new_prediction prediction) {
    assert_ok(gs_store_prediction_put(f->store, model, &prediction, 1, &error));
}

static gs_prediction get(fixture *f, int slice) {
    gs_slice_record record;
    assert_ok(gs_store_slice_get(f->store, ids[slice], &record, &error));
    return record.prediction;
}

static size_t gaps_of(fixture *f, const char *model, int64_t after, gs_prediction_gap *out) {
    size_t count;
    assert_ok(gs_store_prediction_gaps(f->store, "a", model, after, 2, out, &count, &error));
    return count;
}

static void gaps_are_what_a_model_has_not_seen(void **state) {
    fixture *f = *state;
    char model[GS_ID_SIZE], other[GS_ID_SIZE];
    gs_prediction_gap gaps[2];
    int64_t predicted, total;
    add_slices(f, 4);
    add_model(f, "one", GS_ACTIVATE_ALWAYS, model);
    add_model(f, "two", GS_ACTIVATE_NEVER, other);
    put(f, model, prediction_of(1, 3, 0.25));
    assert_int_equal(gaps_of(f, model, 0, gaps), 2);
    assert_string_equal(gaps[0].slice, ids[0]);
    assert_string_equal(gaps[1].slice, ids[2]);
    assert_int_equal(gaps_of(f, model, gaps[1].position, gaps), 1);
    assert_string_equal(gaps[0].slice, ids[3]);
    assert_int_equal(gaps_of(f, other, 0, gaps), 2);
    assert_string_equal(gaps[1].slice, ids[1]);
    assert_ok(gs_store_prediction_count(f->store, "a", model, &predicted, &total, &error));
    assert_int_equal(predicted, 1);
    assert_int_equal(total, 4);
    size_t count;
    assert_int_equal(gs_store_prediction_gaps(f->store, "none", model, 0, 2, gaps, &count, &error),
                     GS_NOT_FOUND);
    assert_int_equal(
        gs_store_prediction_gaps(f->store, "a", "mdl_none", 0, 2, gaps, &count, &error),
        GS_NOT_FOUND);
}

static void a_slice_shows_the_active_model_then_the_newest(void **state) {
    fixture *f = *state;
    char first[GS_ID_SIZE], second[GS_ID_SIZE], third[GS_ID_SIZE];
    add_slices(f, 1);
    add_model(f, "one", GS_ACTIVATE_ALWAYS, first);
    add_model(f, "two", GS_ACTIVATE_NEVER, second);
    add_model(f, "three", GS_ACTIVATE_NEVER, third);
    assert_string_equal(get(f, 0).model, "");
    put(f, second, prediction_of(0, 2, 0.2));
    put(f, third, prediction_of(0, 3, 0.3));
    assert_string_equal(get(f, 0).model, third);
    put(f, first, prediction_of(0, 1, 0.1));
    assert_string_equal(get(f, 0).model, first);
    assert_int_equal(get(f, 0).area, 1);
    assert_true(get(f, 0).uncertainty == 0.1 && get(f, 0).disagreement == 0.5);
    put(f, first, prediction_of(0, 7, 0.1)); /* again */
    assert_int_equal(get(f, 0).area, 7);
    assert_ok(gs_store_model_set_active(f->store, second, &error));
    assert_int_equal(get(f, 0).area, 2);
    assert_ok(gs_store_model_delete(f->store, third, &error));
    assert_ok(gs_store_model_delete(f->store, first, &error));
    assert_string_equal(get(f, 0).model, second);
}

static void a_model_that_does_not_translate_has_no_disagreement(void **state) {
    fixture *f = *state;
    char model[GS_ID_SIZE];
    add_slices(f, 1);
    add_model(f, "one", GS_ACTIVATE_ALWAYS, model);
    gs_new_prediction prediction = prediction_of(0, 1, 0.1);
    prediction.disagreement = (double)NAN;
    put(f, model, prediction);
    assert_true(isnan(get(f, 0).disagreement));
}

static void what_was_deleted_meanwhile_is_left_out(void **state) {
    fixture *f = *state;
    char model[GS_ID_SIZE];
    add_slices(f, 2);
    add_model(f, "one", GS_ACTIVATE_ALWAYS, model);
    gs_new_prediction both[2] = {prediction_of(0, 1, 0.1), prediction_of(1, 2, 0.2)};
    assert_ok(gs_store_slice_delete(f->store, ids[0], &error));
    assert_ok(gs_store_prediction_put(f->store, model, both, 2, &error));
    assert_int_equal(get(f, 1).area, 2);
    assert_int_equal(gs_store_prediction_put(f->store, "mdl_none", both, 2, &error), GS_NOT_FOUND);
}

/* The names of the slices in this order, in pages of two. */
static void assert_order(fixture *f, gs_slice_order order, gs_direction direction,
                         const char *expected) {
    char names[8] = "", cursor[GS_CURSOR_SIZE] = "";
    do {
        gs_slice_list list;
        assert_ok(gs_store_slice_list(f->store, &(gs_slice_filter){.dataset = "a"},
                                      (gs_slice_sort){order, direction},
                                      &(gs_page){.limit = 2, .cursor = cursor}, &list, &error));
        for (size_t i = 0; i < list.count; i++) strcat(names, list.items[i].name);
        memcpy(cursor, list.next_cursor, sizeof cursor);
        gs_free(list.items);
    } while (cursor[0] && strlen(names) < 5);
    assert_string_equal(names, expected);
}

static void lists_sort_by_name_area_and_score(void **state) {
    fixture *f = *state;
    char model[GS_ID_SIZE];
    add_slices(f, 4); /* c a b d */
    add_model(f, "one", GS_ACTIVATE_ALWAYS, model);
    put(f, model, prediction_of(0, 1, 0.3)); /* c */
    put(f, model, prediction_of(1, 2, 0.1)); /* a */
    put(f, model, prediction_of(3, 2, 0.2)); /* d */
    assert_order(f, GS_ORDER_CREATED, GS_ASCENDING, "cabd");
    assert_order(f, GS_ORDER_CREATED, GS_DESCENDING, "dbac");
    assert_order(f, GS_ORDER_NAME, GS_ASCENDING, "abcd");
    assert_order(f, GS_ORDER_NAME, GS_DESCENDING, "dcba");
    assert_order(f, GS_ORDER_AREA, GS_ASCENDING, "cadb");
    assert_order(f, GS_ORDER_AREA, GS_DESCENDING, "adcb");
    assert_order(f, GS_ORDER_SCORE, GS_ASCENDING, "adcb");
    assert_order(f, GS_ORDER_SCORE, GS_DESCENDING, "cdab");
}

static void a_cursor_belongs_to_its_order(void **state) {
    fixture *f = *state;
    add_slices(f, 3);
    gs_slice_list list, other;
    assert_ok(gs_store_slice_list(f->store, &(gs_slice_filter){0},
                                  (gs_slice_sort){.order = GS_ORDER_NAME}, &(gs_page){.limit = 2},
                                  &list, &error));
    assert_int_equal(gs_store_slice_list(f->store, &(gs_slice_filter){0}, (gs_slice_sort){0},
                                         &(gs_page){.cursor = list.next_cursor}, &other, &error),
                     GS_INVALID_ARGUMENT);
    gs_free(list.items);
}

static void predictions_wait_in_a_queue_of_their_own(void **state) {
    fixture *f = *state;
    gs_job_record training, predicting, claimed;
    assert_ok(gs_store_job_add(f->store, "train", "a", "{}", NULL, NULL, &training, NULL, &error));
    assert_ok(
        gs_store_job_add(f->store, "predict", "a", "{}", NULL, NULL, &predicting, NULL, &error));
    assert_int_equal(gs_job_record_queue(&training), GS_QUEUE_TRAINING);
    assert_int_equal(gs_job_record_queue(&predicting), GS_QUEUE_PREDICTIONS);
    assert_ok(gs_store_job_claim(f->store, GS_QUEUE_PREDICTIONS, &claimed, &error));
    assert_string_equal(claimed.id, predicting.id);
    gs_job_record_deinit(&claimed);
    assert_int_equal(gs_store_job_claim(f->store, GS_QUEUE_PREDICTIONS, &claimed, &error),
                     GS_NOT_FOUND);
    size_t count;
    assert_ok(gs_store_job_requeue_all(f->store, GS_QUEUE_PREDICTIONS, &count, &error));
    assert_int_equal(count, 1);
    assert_ok(gs_store_job_claim(f->store, GS_QUEUE_TRAINING, &claimed, &error));
    assert_string_equal(claimed.id, training.id);
    gs_job_record_deinit(&claimed);
    gs_job_record_deinit(&training);
    gs_job_record_deinit(&predicting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(gaps_are_what_a_model_has_not_seen),
        TEST(a_slice_shows_the_active_model_then_the_newest),
        TEST(a_model_that_does_not_translate_has_no_disagreement),
        TEST(what_was_deleted_meanwhile_is_left_out),
        TEST(lists_sort_by_name_area_and_score),
        TEST(a_cursor_belongs_to_its_order),
        TEST(predictions_wait_in_a_queue_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
