/* Export and import under every failing allocation: an error, nothing half-made, nothing leaked. */
#include "../store/fixture.h"

#include "api/exchange.h"
#include "base/file.h"
#include "engine/data/volume_file.h"
#include "engine/image/mask.h"
#include "engine/image/npy.h"
#include "store/volume.h"

#include <dirent.h>
#include <sys/stat.h>

enum { HEIGHT = 3, WIDTH = 5, ATTEMPTS = 2000 };

/* A slice of its own with a mask that has all three values. */
static void fill_slice(gs_new_slice *slice, float first) {
    const size_t shape[] = {1, HEIGHT, WIDTH};
    static const uint8_t values[] = {0, 127, 255};
    float pixels[HEIGHT * WIDTH];
    gs_mask mask;
    char *content, *png;
    assert_ok(gs_mask_init(HEIGHT, WIDTH, NULL, &mask, &error));
    for (size_t i = 0; i < HEIGHT * WIDTH; i++) {
        pixels[i] = first + (float)i;
        mask.values[i] = values[i % 3];
    }
    *slice = (gs_new_slice){.channels = 1,
                            .height = HEIGHT,
                            .width = WIDTH,
                            .index = -1,
                            .content_type = "application/x-npy",
                            .label = "presence",
                            .author = "a test"};
    assert_ok(gs_npy_encode(GS_NPY_F32, pixels, shape, 3, &content, &slice->content_size, &error));
    assert_ok(gs_mask_encode_png(&mask, &png, &slice->mask_size, &error));
    gs_mask_deinit(&mask);
    slice->content = content;
    slice->mask = png;
}

static void free_slice(const gs_new_slice *slice) {
    gs_free((void *)(uintptr_t)slice->content);
    gs_free((void *)(uintptr_t)slice->mask);
}

/* A gs_volume_next: the one slice that the context points to. */
static gs_status next_slice(void *context, gs_new_slice *slice, bool *more, gs_error *err) {
    (void)err;
    gs_new_slice *own = context;
    *more = own->height > 0;
    *slice = *own;
    own->height = 0;
    return GS_OK;
}

static void add_volume(fixture *f) {
    char folder[128], packed[160], path[160], *bytes;
    size_t size;
    gs_volume scan;
    gs_new_slice slice;
    gs_volume_record record;
    snprintf(folder, sizeof folder, "%s/upload", f->folder);
    snprintf(packed, sizeof packed, "%s/packed.nii.gz", f->folder);
    snprintf(path, sizeof path, "%s/image-0.nii", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_ok(gs_volume_init((int[]){WIDTH, HEIGHT, 2}, (double[]){1, 1, 1}, &scan, &error));
    assert_ok(gs_volume_save(&scan, GS_VOXEL_INT16, packed, &error));
    gs_volume_deinit(&scan);
    assert_ok(gs_file_read(packed, 1 << 20, &bytes, &size, &error));
    assert_ok(gs_volume_file_take(bytes, size, 1000, path, &error));
    gs_free(bytes);
    fill_slice(&slice, 100);
    gs_new_slice given = slice;
    given.index = 1;
    const gs_new_volume volume = {.case_name = "v",
                                  .preset = "plain",
                                  .geometry_json = "{}",
                                  .sha256 = "9f86d081884c7d659a2feaa0c55ad015"
                                            "a3bf4f1b2b0b822cd15d6c15b0f00a08",
                                  .channels = 1,
                                  .folder = folder,
                                  .next = next_slice,
                                  .context = &given};
    assert_ok(gs_store_volume_add(f->store, "demo", &volume, NULL, &record, NULL, &error));
    gs_volume_record_deinit(&record);
    free_slice(&slice);
}

static void fill_store(fixture *f) {
    gs_new_slice slice;
    gs_slice_record record;
    make_dataset(f, "demo");
    fill_slice(&slice, 0);
    assert_ok(gs_store_slice_add(f->store, "demo", &slice, 1, NULL, &record, NULL, &error));
    free_slice(&slice);
    add_volume(f);
}

static size_t count_entries(const char *folder) {
    size_t count = 0;
    DIR *entries = opendir(folder);
    if (!entries) return 0;
    for (struct dirent *entry; (entry = readdir(entries));) count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void export_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    char folder[128], parent[112];
    gs_exchange_summary summary;
    fill_store(f);
    snprintf(parent, sizeof parent, "%s/exports", f->folder);
    snprintf(folder, sizeof folder, "%s/demo", parent);
    assert_int_equal(mkdir(parent, 0755), 0);
    for (uint64_t n = 1; n < ATTEMPTS; n++) {
        gs_memory_fail_at(n, false);
        gs_status status = gs_exchange_write(f->store, "demo", folder, &summary, &error);
        gs_memory_fail_at(0, false);
        if (status == GS_OK) {
            assert_true(n > 20);
            assert_int_equal(summary.slices, 2);
            assert_int_equal(summary.masks, 2);
            assert_int_equal(summary.volumes, 1);
            return;
        }
        assert_int_equal(status, GS_OUT_OF_MEMORY);
        assert_int_equal(count_entries(parent), 0);
    }
    fail_msg("never succeeded");
}

static void import_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    char folder[128], uploads[128], name[32];
    gs_exchange_summary summary;
    fill_store(f);
    snprintf(folder, sizeof folder, "%s/exported", f->folder);
    snprintf(uploads, sizeof uploads, "%s/uploads", f->folder);
    assert_ok(gs_exchange_write(f->store, "demo", folder, &summary, &error));
    for (uint64_t n = 1; n < ATTEMPTS; n++) {
        snprintf(name, sizeof name, "d%d", (int)n);
        gs_memory_fail_at(n, false);
        gs_status status = gs_exchange_read(f->store, folder, name, &summary, &error);
        gs_memory_fail_at(0, false);
        assert_int_equal(count_entries(uploads), 0);
        if (status != GS_OK) {
            assert_int_equal(status, GS_OUT_OF_MEMORY);
            /* What is stored by then is whole: a second call adds the rest. */
            assert_ok(gs_exchange_read(f->store, folder, name, &summary, &error));
        }
        gs_dataset_counts counts;
        assert_ok(gs_store_dataset_count(f->store, name, &counts, &error));
        assert_int_equal(counts.slices, 2);
        assert_int_equal(counts.annotated, 2);
        if (status == GS_OK) {
            assert_true(n > 20);
            return;
        }
    }
    fail_msg("never succeeded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(export_survives_every_failing_allocation),
        TEST(import_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
