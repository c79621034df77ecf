/* A directory imported into the store and taken out again is the same directory. */
#include "../store/fixture.h"

#include "api/import.h"
#include "api/snapshot.h"
#include "engine/data/dataset.h"
#include "engine/image/mask.h"
#include "engine/image/png.h"

#include <sys/stat.h>

enum { COUNT = 150, CHANNELS = 2, HEIGHT = 3, WIDTH = 5 };

static void fill_image(float *pixels, size_t number) {
    for (size_t i = 0; i < CHANNELS * HEIGHT * WIDTH; i++)
        pixels[i] = (float)number + (float)i / 64;
}

/* Every fifth slice is annotated, every seventh has no known label. */
static gs_dataset_slice slice_number(size_t i, char *case_name, char *name) {
    sprintf(case_name, "case-%zu", i / 10);
    sprintf(name, "slice %zu", i);
    return (gs_dataset_slice){
        .case_name = case_name,
        .name = name,
        .index = (int64_t)i % 10,
        .label = i % 7 == 0 ? GS_LABEL_UNKNOWN
                 : i % 2    ? GS_LABEL_PRESENCE
                            : GS_LABEL_ABSENCE,
        .split = i / 10 % 3 == 0   ? GS_SPLIT_NONE
                 : i / 10 % 3 == 1 ? GS_SPLIT_TRAIN
                                   : GS_SPLIT_TEST,
    };
}

/* Without a target where the slice is labelled absence. */
static void fill_mask(uint8_t *mask, size_t number) {
    char ignored[32];
    bool is_absence = slice_number(number, ignored, ignored).label == GS_LABEL_ABSENCE;
    const uint8_t values[] = {0, 127, is_absence ? 0 : 255};
    for (size_t i = 0; i < HEIGHT * WIDTH; i++) mask[i] = values[(i + number) % 3];
}

static void write_directory(const char *folder) {
    gs_dataset_writer *writer;
    gs_dataset_info info = {.name = "round-trip",
                            .made_by = "a test",
                            .normalization = GS_NORMALIZE_FOREGROUND,
                            .channels = CHANNELS,
                            .height = HEIGHT,
                            .width = WIDTH};
    assert_ok(gs_dataset_writer_open(folder, &info, &writer, &error));
    for (size_t i = 0; i < COUNT; i++) {
        char case_name[32], name[32];
        float pixels[CHANNELS * HEIGHT * WIDTH];
        uint8_t mask[HEIGHT * WIDTH];
        gs_dataset_slice slice = slice_number(i, case_name, name);
        fill_image(pixels, i);
        fill_mask(mask, i);
        assert_ok(gs_dataset_writer_add(writer, &slice, pixels, i % 5 == 0 ? mask : NULL, &error));
    }
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
}

static void check_directory(const char *folder) {
    gs_dataset *dataset;
    assert_ok(gs_dataset_open(folder, &dataset, &error));
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    assert_string_equal(info->name, "round-trip");
    assert_int_equal(info->normalization, GS_NORMALIZE_FOREGROUND);
    size_t at = 0;
    for (size_t i = 0; i < COUNT; i++) {
        char case_name[32], name[32];
        float pixels[CHANNELS * HEIGHT * WIDTH];
        uint8_t mask[HEIGHT * WIDTH];
        gs_dataset_slice expected = slice_number(i, case_name, name);
        if (expected.label == GS_LABEL_UNKNOWN) continue; /* left out */
        assert_true(at < gs_dataset_count(dataset));
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, at);
        assert_string_equal(slice->case_name, case_name);
        assert_string_equal(slice->name, name);
        assert_int_equal(slice->index, expected.index);
        assert_int_equal(slice->label, expected.label);
        assert_int_equal(slice->split, expected.split);
        fill_image(pixels, i);
        assert_memory_equal(gs_dataset_image(dataset, at), pixels, sizeof pixels);
        fill_mask(mask, i);
        const uint8_t *found = gs_dataset_mask(dataset, at);
        assert_int_equal(found != NULL, i % 5 == 0);
        if (found) assert_memory_equal(found, mask, sizeof mask);
        at++;
    }
    assert_int_equal(at, gs_dataset_count(dataset));
    gs_dataset_close(dataset);
}

static void import_and_snapshot_are_inverse(void **state) {
    fixture *f = *state;
    char in[96], out[96], *summary;
    gs_import_summary imported;
    snprintf(in, sizeof in, "%s/in", f->folder);
    snprintf(out, sizeof out, "%s/out", f->folder);
    write_directory(in);
    assert_ok(gs_api_import_directory(f->store, in, NULL, &imported, &error));
    assert_int_equal(imported.slices, COUNT);
    assert_int_equal(imported.added, COUNT);
    assert_ok(gs_api_snapshot_dataset(f->store, "round-trip", out, &summary, &error));
    check_directory(out);
    assert_non_null(strstr(summary, "\"slices\":128"));
    assert_non_null(strstr(summary, "\"dataset\":\"round-trip\""));
    gs_free(summary);
}

static void importing_again_changes_nothing(void **state) {
    fixture *f = *state;
    char in[96], out[96], *before, *after;
    gs_import_summary imported;
    snprintf(in, sizeof in, "%s/in", f->folder);
    snprintf(out, sizeof out, "%s/out", f->folder);
    write_directory(in);
    assert_ok(gs_api_import_directory(f->store, in, "mine", &imported, &error));
    assert_ok(gs_api_snapshot_dataset(f->store, "mine", out, &before, &error));
    assert_ok(gs_api_import_directory(f->store, in, "mine", &imported, &error));
    assert_int_equal(imported.added, 0);
    assert_ok(gs_api_snapshot_dataset(f->store, "mine", out, &after, &error));
    const char *digest = strstr(before, "sha256");
    assert_non_null(digest);
    assert_memory_equal(digest, strstr(after, "sha256"), 70);
    gs_free(before);
    gs_free(after);
}

static void importing_again_leaves_deleted_slices_deleted(void **state) {
    fixture *f = *state;
    char in[96];
    gs_import_summary imported;
    gs_slice_list list;
    snprintf(in, sizeof in, "%s/in", f->folder);
    write_directory(in);
    assert_ok(gs_api_import_directory(f->store, in, "mine", NULL, &error));
    assert_ok(gs_store_slice_list(f->store, &(gs_slice_filter){0}, (gs_slice_sort){0},
                                  &(gs_page){.limit = 2}, &list, &error));
    void *bytes;
    size_t size;
    gs_slice_record record;
    bool created = false;
    assert_ok(gs_store_slice_content(f->store, list.items[0].id, &record, &bytes, &size, &error));
    for (int i = 0; i < 2; i++)
        assert_ok(gs_store_slice_delete(f->store, list.items[i].id, &error));
    gs_free(list.items);
    assert_ok(gs_api_import_directory(f->store, in, "mine", &imported, &error));
    assert_int_equal(imported.added, 0);
    assert_ok(gs_api_import_directory(f->store, in, "another", &imported, &error));
    assert_int_equal(imported.added, COUNT);
    /* Whoever uploads it wants it. */
    gs_new_slice slice = {.content = bytes,
                          .content_size = size,
                          .content_type = record.content_type,
                          .channels = record.channels,
                          .height = record.height,
                          .width = record.width,
                          .index = -1};
    assert_ok(gs_store_slice_add(f->store, "mine", &slice, 1, NULL, &record, &created, &error));
    assert_true(created);
    gs_free(bytes);
    assert_ok(gs_store_slice_delete(f->store, record.id, &error));
    assert_ok(gs_api_import_directory(f->store, in, "mine", &imported, &error));
    assert_int_equal(imported.added, 0);
}

static void the_digest_follows_labels(void **state) {
    fixture *f = *state;
    char in[96], out[96], *before, *after;
    snprintf(in, sizeof in, "%s/in", f->folder);
    snprintf(out, sizeof out, "%s/out", f->folder);
    write_directory(in);
    assert_ok(gs_api_import_directory(f->store, in, "mine", NULL, &error));
    assert_ok(gs_api_snapshot_dataset(f->store, "mine", out, &before, &error));
    gs_slice_list list;
    gs_slice_filter filter = {.label = "presence"};
    assert_ok(gs_store_slice_list(f->store, &filter, (gs_slice_sort){0}, &(gs_page){.limit = 1},
                                  &list, &error));
    assert_ok(
        gs_store_slice_set_label(f->store, list.items[0].id, "absence", &list.items[0], &error));
    gs_free(list.items);
    assert_ok(gs_api_snapshot_dataset(f->store, "mine", out, &after, &error));
    assert_memory_not_equal(strstr(before, "sha256"), strstr(after, "sha256"), 70);
    gs_free(before);
    gs_free(after);
}

static void a_label_stands_against_an_older_mask(void **state) {
    fixture *f = *state;
    char in[96], out[96], *summary;
    snprintf(in, sizeof in, "%s/in", f->folder);
    snprintf(out, sizeof out, "%s/out", f->folder);
    write_directory(in);
    assert_ok(gs_api_import_directory(f->store, in, "mine", NULL, &error));
    gs_slice_list list;
    gs_slice_filter filter = {.label = "presence", .annotated = GS_ANNOTATED_YES};
    assert_ok(gs_store_slice_list(f->store, &filter, (gs_slice_sort){0}, &(gs_page){.limit = 1},
                                  &list, &error));
    assert_int_equal(list.count, 1);
    assert_ok(
        gs_store_slice_set_label(f->store, list.items[0].id, "absence", &list.items[0], &error));
    gs_free(list.items);
    assert_ok(gs_api_snapshot_dataset(f->store, "mine", out, &summary, &error));
    assert_non_null(strstr(summary, "\"masks_left_out\":1,"));
    gs_free(summary);
    gs_dataset *dataset;
    assert_ok(gs_dataset_open(out, &dataset, &error));
    assert_ok(gs_dataset_check_labels(dataset, &error));
    gs_dataset_close(dataset);
}

static void nothing_to_snapshot_is_told(void **state) {
    fixture *f = *state;
    char out[96], *summary = NULL;
    struct stat info;
    snprintf(out, sizeof out, "%s/out", f->folder);
    assert_int_equal(gs_api_snapshot_dataset(f->store, "none", out, &summary, &error),
                     GS_NOT_FOUND);
    make_dataset(f, "empty");
    assert_int_equal(gs_api_snapshot_dataset(f->store, "empty", out, &summary, &error),
                     GS_UNUSABLE);
    uint8_t pixels[6] = {0};
    char *png;
    gs_png_options options = {.height = 2, .width = 3};
    gs_new_slice slice = slice_of("");
    assert_ok(gs_png_encode_u8(pixels, &options, &png, &slice.content_size, &error));
    slice.content = png;
    add_slice(f, "empty", slice); /* its label is not known */
    gs_free(png);
    assert_int_equal(gs_api_snapshot_dataset(f->store, "empty", out, &summary, &error),
                     GS_UNUSABLE);
    char manifest[128];
    snprintf(manifest, sizeof manifest, "%s/dataset.json", out);
    assert_int_not_equal(stat(manifest, &info), 0);
    assert_null(summary);
}

static void a_directory_of_another_size_is_refused(void **state) {
    fixture *f = *state;
    char in[96];
    snprintf(in, sizeof in, "%s/in", f->folder);
    write_directory(in);
    make_dataset(f, "mine");
    add_slice(f, "mine", slice_of("1x2x3"));
    assert_int_equal(gs_api_import_directory(f->store, in, "mine", NULL, &error),
                     GS_SHAPE_MISMATCH);
    gs_dataset_counts counts;
    assert_ok(gs_store_dataset_count(f->store, "mine", &counts, &error));
    assert_int_equal(counts.slices, 1);
    assert_int_equal(gs_api_import_directory(f->store, "/nonexistent", "mine", NULL, &error),
                     GS_NOT_FOUND);
}

static void absence_slices_with_a_target_are_refused(void **state) {
    fixture *f = *state;
    char in[96];
    gs_dataset_writer *writer;
    gs_dataset_counts counts;
    const gs_dataset_info info = {.name = "contradictory",
                                  .made_by = "a test",
                                  .channels = CHANNELS,
                                  .height = HEIGHT,
                                  .width = WIDTH};
    const gs_dataset_slice slice = {
        .case_name = "c", .name = "the wrong one", .label = GS_LABEL_ABSENCE};
    const float pixels[CHANNELS * HEIGHT * WIDTH] = {0};
    const uint8_t mask[HEIGHT * WIDTH] = {255};
    snprintf(in, sizeof in, "%s/in", f->folder);
    assert_ok(gs_dataset_writer_open(in, &info, &writer, &error));
    assert_ok(gs_dataset_writer_add(writer, &slice, pixels, mask, &error));
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
    assert_int_equal(gs_api_import_directory(f->store, in, NULL, NULL, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "the wrong one"));
    assert_int_equal(gs_store_dataset_count(f->store, "contradictory", &counts, &error),
                     GS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(import_and_snapshot_are_inverse), TEST(absence_slices_with_a_target_are_refused),
        TEST(importing_again_changes_nothing), TEST(importing_again_leaves_deleted_slices_deleted),
        TEST(the_digest_follows_labels),       TEST(a_label_stands_against_an_older_mask),
        TEST(nothing_to_snapshot_is_told),     TEST(a_directory_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
