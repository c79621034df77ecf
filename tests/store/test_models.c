#include "fixture.h"

#include "base/file.h"

#include <sys/stat.h>

static char weights[96];

static void write_weights(fixture *f, const char *content) {
    snprintf(weights, sizeof weights, "%s/in.safetensors", f->folder);
    gs_file_piece piece = {.bytes = content, .size = strlen(content)};
    assert_ok(gs_file_replace(weights, &piece, 1, &error));
}

static gs_model_record add(fixture *f, gs_new_model model) {
    gs_model_record record;
    model.weights_path = weights;
    assert_ok(gs_store_model_add(f->store, &model, NULL, &record, NULL, &error));
    return record;
}

static bool has_file(fixture *f, const char *id) {
    char *path = gs_store_model_weights_path(f->store, id);
    bool found = access(path, R_OK) == 0;
    gs_free(path);
    return found;
}

static void a_model_keeps_its_weights_and_texts(void **state) {
    fixture *f = *state;
    write_weights(f, "weights");
    gs_model_record record = add(f, (gs_new_model){.name = "first",
                                                   .preset = "tiny",
                                                   .width = 0.25,
                                                   .config_json = "{\"channels\":1}"});
    assert_string_equal(record.config_json, "{\"channels\":1}");
    assert_string_equal(record.metrics_json, "null");
    assert_int_equal(record.weights_size, 7);
    assert_false(record.active);
    char *path = gs_store_model_weights_path(f->store, record.id), *bytes;
    size_t size;
    assert_ok(gs_file_read(path, 100, &bytes, &size, &error));
    assert_string_equal(bytes, "weights");
    gs_model_record same;
    assert_ok(gs_store_model_find(f->store, record.sha256, &same, &error));
    assert_string_equal(same.id, record.id);
    gs_free(bytes);
    gs_free(path);
    gs_model_record_deinit(&same);
    gs_model_record_deinit(&record);
}

static void activation_switches_and_protects(void **state) {
    fixture *f = *state;
    write_weights(f, "weights");
    gs_model_record active;
    assert_int_equal(gs_store_model_get_active(f->store, &active, &error), GS_NOT_FOUND);
    gs_model_record a = add(f, (gs_new_model){.activation = GS_ACTIVATE_IF_NONE});
    gs_model_record b = add(f, (gs_new_model){.activation = GS_ACTIVATE_IF_NONE});
    assert_true(a.active);
    assert_false(b.active);
    assert_int_equal(gs_store_model_delete(f->store, a.id, &error), GS_CONFLICT);
    assert_true(has_file(f, a.id));
    assert_int_equal(gs_store_model_set_active(f->store, "mdl_x", &error), GS_NOT_FOUND);
    assert_ok(gs_store_model_set_active(f->store, b.id, &error));
    assert_ok(gs_store_model_get_active(f->store, &active, &error));
    assert_string_equal(active.id, b.id);
    assert_ok(gs_store_model_delete(f->store, a.id, &error));
    assert_false(has_file(f, a.id));
    assert_int_equal(gs_store_model_delete(f->store, a.id, &error), GS_NOT_FOUND);
    gs_model_record_deinit(&active);
    gs_model_record_deinit(&a);
    gs_model_record_deinit(&b);
}

static void a_job_makes_one_model(void **state) {
    fixture *f = *state;
    write_weights(f, "weights");
    gs_model_record first = add(f, (gs_new_model){.job = "job_1", .parent = "mdl_gone"});
    gs_model_record second = add(f, (gs_new_model){.job = "job_1"});
    assert_string_equal(first.id, second.id);
    assert_string_equal(second.parent, "mdl_gone");
    gs_model_record_deinit(&first);
    gs_model_record_deinit(&second);
}

static void a_key_gives_the_first_model(void **state) {
    fixture *f = *state;
    write_weights(f, "weights");
    gs_idempotency key = {.key = "k", .scope = "POST /v1/models", .sha256 = "1"};
    gs_new_model model = {.weights_path = weights};
    gs_model_record first, second;
    bool created;
    assert_ok(gs_store_model_add(f->store, &model, &key, &first, &created, &error));
    assert_true(created);
    assert_ok(gs_store_model_add(f->store, &model, &key, &second, &created, &error));
    assert_false(created);
    assert_string_equal(first.id, second.id);
    gs_model_list list;
    assert_ok(gs_store_model_list(f->store, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 1);
    gs_model_list_deinit(&list);
    gs_model_record_deinit(&first);
    gs_model_record_deinit(&second);
}

static void weights_that_do_not_exist_add_no_model(void **state) {
    fixture *f = *state;
    gs_new_model model = {.weights_path = "/nonexistent/weights"};
    gs_model_record record;
    assert_int_equal(gs_store_model_add(f->store, &model, NULL, &record, NULL, &error),
                     GS_NOT_FOUND);
    gs_model_list list;
    assert_ok(gs_store_model_list(f->store, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 0);
    gs_model_list_deinit(&list);
}

static void opening_sweeps_what_a_crash_left(void **state) {
    fixture *f = *state;
    write_weights(f, "weights");
    gs_model_record record = add(f, (gs_new_model){.name = "kept"});
    const char *names[] = {"mdl_aaaaaaaaaaaaaaaa.safetensors",
                           "mdl_aaaaaaaaaaaaaaaa.safetensors.tmp", "notes.txt"};
    char path[3][160];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/models/%s", f->folder, names[i]);
        gs_file_piece piece = {.bytes = "x", .size = 1};
        assert_ok(gs_file_replace(path[i], &piece, 1, &error));
    }
    reopen(f);
    assert_int_not_equal(access(path[0], F_OK), 0);
    assert_int_not_equal(access(path[1], F_OK), 0);
    assert_int_equal(access(path[2], F_OK), 0); /* not ours */
    assert_true(has_file(f, record.id));
    gs_model_record_deinit(&record);
}

static void models_are_listed_newest_first(void **state) {
    fixture *f = *state;
    write_weights(f, "weights");
    const char *names[] = {"1", "2", "3"};
    for (size_t i = 0; i < 3; i++) {
        gs_model_record record = add(f, (gs_new_model){.name = names[i]});
        gs_model_record_deinit(&record);
    }
    gs_model_list list;
    assert_ok(gs_store_model_list(f->store, &(gs_page){.limit = 2}, &list, &error));
    assert_string_equal(list.items[0].name, "3");
    assert_string_equal(list.items[1].name, "2");
    char cursor[GS_CURSOR_SIZE];
    memcpy(cursor, list.next_cursor, sizeof cursor);
    gs_model_list_deinit(&list);
    assert_ok(gs_store_model_list(f->store, &(gs_page){.cursor = cursor}, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].name, "1");
    gs_model_list_deinit(&list);
}

static void adding_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    write_weights(f, "weights");
    gs_new_model model = {.weights_path = weights};
    gs_model_record record;
    for (uint64_t n = 1; n < 50; n++) {
        gs_memory_fail_at(n, true);
        gs_status status = gs_store_model_add(f->store, &model, NULL, &record, NULL, &error);
        gs_memory_fail_at(0, false);
        gs_model_list list;
        assert_ok(gs_store_model_list(f->store, &(gs_page){0}, &list, &error));
        assert_int_equal(list.count, status == GS_OK ? 1 : 0);
        gs_model_list_deinit(&list);
        if (status == GS_OK) {
            gs_model_record_deinit(&record);
            return;
        }
        assert_int_equal(status, GS_OUT_OF_MEMORY);
    }
    fail_msg("never succeeded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_model_keeps_its_weights_and_texts),
        TEST(activation_switches_and_protects),
        TEST(a_job_makes_one_model),
        TEST(a_key_gives_the_first_model),
        TEST(weights_that_do_not_exist_add_no_model),
        TEST(opening_sweeps_what_a_crash_left),
        TEST(models_are_listed_newest_first),
        TEST(adding_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
