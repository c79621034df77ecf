#include "targets.h"

#include "base/memory.h"
#include "engine/data/volume_cut.h"
#include "engine/image/decode.h"
#include "engine/image/rle.h"
#include "engine/model/safetensors.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Small, so that a mutated size is refused rather than allocated: what is looked for lies in
 * parsing. */
static const gs_image_limits limits = {.side = 256, .values = 1 << 16};

/* Accepted pixels are read: they must be there, and finite. */
static int fuzz_image(const char *type, const uint8_t *bytes, size_t size) {
    gs_image image = {0};
    gs_error err;
    if (gs_image_decode(type, (const char *)bytes, size, &limits, &image, &err) != GS_OK) return 0;
    gs_assert(gs_image_values(&image) <= limits.values);
    gs_assert(gs_image_check_finite(&image, &err) == GS_OK);
    gs_image_deinit(&image);
    return 1;
}

int fuzz_png(const uint8_t *bytes, size_t size) {
    return fuzz_image("image/png", bytes, size);
}

int fuzz_npy(const uint8_t *bytes, size_t size) {
    return fuzz_image("application/x-npy", bytes, size);
}

int fuzz_nifti(const uint8_t *bytes, size_t size) {
    return fuzz_image("application/x-nifti", bytes, size);
}

/* Every plane is read, and every slice cut, in the file's own orientation. */
static void read_volume(const gs_volume_file *file) {
    const gs_volume_files files = {.channels = {file}, .channel_count = 1, .labels = file};
    const int *side = gs_volume_file_grid(file)->side;
    const size_t area = (size_t)side[0] * (size_t)side[1];
    gs_volume_form form = {.normalization = GS_NORMALIZE_UNIT};
    gs_volume_cutter *cutter;
    gs_error err;
    gs_volume_form_size(GS_VOLUME_PLAIN, &files, 1, &form);
    if (gs_volume_cutter_open(GS_VOLUME_PLAIN, &files, &form, &cutter, &err) != GS_OK) return;
    float *image = gs_alloc(area, sizeof *image), *plane = gs_alloc(area, sizeof *plane);
    uint8_t *mask = gs_alloc(area, 1);
    gs_assert(image && plane && mask);
    for (int level = 0; level < gs_volume_cutter_levels(cutter); level++) {
        gs_volume_slice slice;
        const float *const maps[GS_VOLUME_SLICE_PARTS] = {image};
        gs_assert(gs_volume_cutter_cut(cutter, level, 0, image, mask, &slice, &err) == GS_OK);
        gs_assert(gs_volume_cutter_restore_map(cutter, level, maps, plane, &err) == GS_OK);
    }
    gs_free(image);
    gs_free(plane);
    gs_free(mask);
    gs_volume_cutter_close(cutter);
}

int fuzz_volume(const uint8_t *bytes, size_t size) {
    char path[64];
    gs_volume_file *file;
    gs_error err;
    snprintf(path, sizeof path, "/tmp/genseg-fuzz-%d.nii", (int)getpid());
    if (gs_volume_file_take((const char *)bytes, size, limits.values, path, &err) != GS_OK)
        return 0;
    gs_assert(gs_volume_file_open(path, &file, &err) == GS_OK);
    unlink(path);
    read_volume(file);
    gs_volume_file_close(file);
    return 1;
}

/* Accepted masks survive being written and read again. */
static int finish_mask(gs_mask *mask) {
    gs_error err;
    char *counts = NULL;
    gs_mask again = {0};
    gs_assert(gs_mask_check(mask, &err) == GS_OK);
    gs_assert(gs_rle_encode(mask, &counts, &err) == GS_OK);
    gs_assert(gs_rle_decode(counts, mask->height, mask->width, &limits, &again, &err) == GS_OK);
    gs_assert(gs_mask_count(&again, GS_MASK_TARGET) == gs_mask_count(mask, GS_MASK_TARGET));
    gs_free(counts);
    gs_mask_deinit(&again);
    gs_mask_deinit(mask);
    return 1;
}

int fuzz_mask_png(const uint8_t *bytes, size_t size) {
    gs_mask mask;
    gs_error err;
    return gs_mask_decode_png((const char *)bytes, size, &limits, &mask, &err) == GS_OK
               ? finish_mask(&mask)
               : 0;
}

int fuzz_rle_json(const uint8_t *bytes, size_t size) {
    gs_mask mask;
    gs_error err;
    json_t *json = json_loadb((const char *)bytes, size, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    if (!json) return 0;
    gs_status status = gs_rle_from_json(json, &limits, &mask, &err);
    json_decref(json);
    return status == GS_OK ? finish_mask(&mask) : 0;
}

int fuzz_rle_string(const uint8_t *bytes, size_t size) {
    gs_mask mask;
    gs_error err;
    char *counts = gs_copy_bytes(bytes, size);
    if (!counts) return 0;
    gs_status status = gs_rle_decode(counts, 9, 10, &limits, &mask, &err);
    gs_free(counts);
    return status == GS_OK ? finish_mask(&mask) : 0;
}

int fuzz_safetensors(const uint8_t *bytes, size_t size) {
    gs_safetensors *file = NULL;
    gs_error err;
    char *copy = gs_copy_bytes(bytes, size);
    if (!copy || gs_safetensors_parse("fuzz", copy, size, &file, &err) != GS_OK) return 0;
    float sum = 0;
    for (size_t i = 0; i < gs_safetensors_count(file); i++) {
        const gs_tensor_entry *tensor = gs_safetensors_get(file, i);
        gs_assert(gs_safetensors_find(file, tensor->name) == tensor);
        for (size_t k = 0; k < tensor->count; k++) sum += tensor->data[k];
    }
    const volatile float kept = sum; /* so that the reads are made */
    (void)kept;
    gs_safetensors_close(file);
    return 1;
}
