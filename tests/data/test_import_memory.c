/* What an import does where memory is short, with a layout whose cases take their time. */
#include "tests/data/import_fixture.h"

#include "engine/data/import_memory.h"

#include <stdatomic.h>

enum { CASES = 12, CASE_THREADS = 6, VOXELS = 8 * 8 * 8 };

/* Of one case: a volume of floats, and the int16 that it is made from. */
static const size_t case_bytes = VOXELS * (sizeof(float) + sizeof(int16_t));

static const char *volume_path;
static atomic_int inside, most_inside;
static atomic_int tries[CASES];
static int failing_tries; /* of the case short_of_memory */
enum { SHORT_OF_MEMORY = 5 };

static gs_status list_cases(const char *folder, gs__candidates *out, gs_error *err) {
    char name[32];
    (void)folder, (void)err;
    for (int i = 0; i < CASES; i++) {
        snprintf(name, sizeof name, "case-%02d", i);
        gs__candidate *c = gs__candidates_get(out, name, "");
        c->files[0] = gs_copy_string(volume_path);
    }
    return GS_OK;
}

/* A presence and an absence slice. */
static gs_status cut_slowly(const gs__candidate *candidate, const gs_import_options *options,
                            const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    (void)options;
    int number = atoi(candidate->name + 5), now = atomic_fetch_add(&inside, 1) + 1;
    for (int most = atomic_load(&most_inside); now > most;)
        if (atomic_compare_exchange_weak(&most_inside, &most, now)) break;
    usleep(10000);
    gs_status status = GS_OK;
    if (number == SHORT_OF_MEMORY && atomic_fetch_add(&tries[number], 1) < failing_tries)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a large case (%d there)", now);
    for (int i = 0; i < 2 && status == GS_OK; i++) {
        status = gs__cut_reserve(out, info, err);
        if (status != GS_OK) break;
        out->slices[i] = (gs__cut_slice){.level = i, .part = "", .label = GS_LABEL_PRESENCE + i};
        out->images[i] = (float)number;
        out->masks[i] = 1;
        out->count++;
    }
    atomic_fetch_sub(&inside, 1);
    return status;
}

static const gs__layout layout = {.name = "slow",
                                  .expected = "anything",
                                  .channels = 1,
                                  .height = 1,
                                  .width = 1,
                                  .file_names = {"volume"},
                                  .list = list_cases,
                                  .cut = cut_slowly};

static double nothing_at(const void *context, int x, int y, int z) {
    (void)context, (void)x, (void)y, (void)z;
    return 0;
}

static gs_import_options slow_options(const char *folder) {
    const nifti_form form = {.side = {8, 8, 8}, .spacing_mm = {1, 1, 1}, .datatype = DT_INT16};
    put_nifti(folder, "v.nii", &form, nothing_at, NULL);
    volume_path = path_in(folder, "v.nii");
    gs_import_options options = import_options(folder, 1);
    options.annotated = 1, options.validation = options.test = 0;
    options.threads = CASE_THREADS;
    atomic_store(&most_inside, 0);
    failing_tries = 0;
    for (int i = 0; i < CASES; i++) atomic_store(&tries[i], 0);
    return options;
}

/* In order, whoever was ready first. */
static void assert_cases(const char *folder, int left_out) {
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(path_in(folder, "out"), &dataset, &error));
    assert_int_equal(gs_dataset_cases(dataset), CASES - (left_out >= 0));
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        int number = (int)i / 2 + (left_out >= 0 && (int)i / 2 >= left_out);
        assert_true(*gs_dataset_image(dataset, i) == (float)number);
    }
    gs_dataset_close(dataset);
}

static void a_case_takes_what_its_headers_say(void **state) {
    slow_options(*state);
    char broken[256];
    put_path(broken, sizeof broken, *state, "broken.nii");
    put_file(*state, "broken.nii", "no volume", 9);
    gs__candidate one = {.files = {(char *)(uintptr_t)volume_path}};
    assert_int_equal(gs__case_memory(&one, 0), case_bytes);
    assert_int_equal(gs__case_memory(&one, 1), case_bytes + VOXELS * sizeof(float));
    one.files[1] = broken; /* will be refused */
    assert_int_equal(gs__case_memory(&one, 0), case_bytes);
    one.files[1] = one.files[0]; /* the second is converted after the first */
    assert_int_equal(gs__case_memory(&one, 0), case_bytes + VOXELS * sizeof(float));
}

static void threads_wait_for_memory(void **state) {
    gs_import_options options = slow_options(*state);
    assert_ok(gs__import(path_in(*state, "out"), &layout, &options, &error));
    assert_true(atomic_load(&most_inside) > 2);
    assert_cases(*state, -1);
    options = slow_options(*state);
    options.memory_bytes = case_bytes + case_bytes / 2; /* one, and the one whose turn it is */
    assert_ok(gs__import(path_in(*state, "out"), &layout, &options, &error));
    assert_true(atomic_load(&most_inside) <= 2);
    assert_cases(*state, -1);
    options = slow_options(*state);
    options.memory_bytes = 1;
    assert_ok(gs__import(path_in(*state, "out"), &layout, &options, &error));
    assert_int_equal(atomic_load(&most_inside), 1);
    assert_cases(*state, -1);
}

static void a_case_without_memory_is_tried_alone_and_then_refused(void **state) {
    gs_import_options options = slow_options(*state);
    failing_tries = 1;
    assert_ok(gs__import(path_in(*state, "out"), &layout, &options, &error));
    assert_non_null(strstr(notes, "12 cases imported, 0 left out"));
    assert_cases(*state, -1);
    options = slow_options(*state);
    failing_tries = 2;
    assert_ok(gs__import(path_in(*state, "out"), &layout, &options, &error));
    assert_non_null(strstr(notes, "left out: case-05: no memory for a large case (1 there)"));
    assert_non_null(strstr(notes, "11 cases imported, 1 left out"));
    assert_cases(*state, SHORT_OF_MEMORY);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_case_takes_what_its_headers_say),
        TEST(threads_wait_for_memory),
        TEST(a_case_without_memory_is_tried_alone_and_then_refused),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
