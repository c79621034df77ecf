/* Valid files with seeded damage: every decoder takes or refuses them without crashing, overrunning
 * or leaking (what the sanitizers of the build see). The same damage in every run. */
#include "samples.h"
#include "targets.h"

#include "base/memory.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { TRIALS = 3000, MOST_DAMAGES = 4 };

/* Values that lengths, counts and characters go wrong by. */
static const uint8_t interesting[] = {0, 1, 0x7f, 0x80, 0xff, '{', '[', '"', '(', '-', '9', 'e'};

static void damage(gs_rng *rng, bytes *file) {
    const size_t at = gs_rng_below(rng, (uint32_t)file->size + 1);
    const size_t length = gs_rng_below(rng, 9);
    const size_t rest = file->size - at;
    switch (gs_rng_below(rng, 5)) {
    case 0: /* flip a bit */
        if (rest > 0) file->data[at] = (char)(file->data[at] ^ (1 << gs_rng_below(rng, 8)));
        break;
    case 1: /* overwrite some bytes */
        for (size_t i = 0; i < length && i < rest; i++)
            file->data[at + i] = (char)interesting[gs_rng_below(rng, sizeof interesting)];
        break;
    case 2: /* cut the end off */
        if (gs_rng_below(rng, 4) == 0) file->size = at;
        break;
    case 3: /* take some bytes out */
        if (length <= rest) {
            memmove(file->data + at, file->data + at + length, rest - length);
            file->size -= length;
        }
        break;
    default: /* repeat some bytes */
        if (length <= rest) {
            bytes_add(file, "????????", length);
            memmove(file->data + at + length, file->data + at, rest);
        }
    }
}

/* Checksums would hide everything behind them: every chunk gets the right one, as far as the chunks
 * can be followed. */
static void repair_png(bytes *file) {
    bytes repaired = {0};
    size_t at = 8;
    bytes_add(&repaired, file->data, file->size < at ? file->size : at);
    while (at < file->size && file->size - at >= 12) {
        const uint8_t *chunk = (const uint8_t *)file->data + at;
        const size_t size =
            (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
        if (size > file->size - at - 12) break;
        char name[5] = {0};
        memcpy(name, chunk + 4, 4);
        png_add_chunk(&repaired, name, chunk + 8, size);
        at += 12 + size;
    }
    if (at < file->size) bytes_add(&repaired, file->data + at, file->size - at);
    bytes_free(file);
    *file = repaired;
}

/* Releases the sample. The sample itself must be accepted, or the test would test little. */
static void mutate(fuzz_target *target, bytes sample, void (*repair)(bytes *file)) {
    gs_rng rng = {.seed = 2019};
    int accepted = 0;
    assert_true(target((const uint8_t *)sample.data, sample.size));
    for (int trial = 0; trial < TRIALS; trial++) {
        bytes file = {0};
        bytes_add(&file, sample.data, sample.size);
        for (uint32_t n = 1 + gs_rng_below(&rng, MOST_DAMAGES); n > 0; n--) damage(&rng, &file);
        if (repair && trial % 2 == 0) repair(&file);
        char *exact = malloc(file.size + !file.size); /* the sanitizer sees reads behind its end */
        assert_non_null(exact);
        memcpy(exact, file.data, file.size);
        accepted += target((const uint8_t *)exact, file.size);
        free(exact);
        bytes_free(&file);
    }
    assert_in_range(accepted, 0, TRIALS - 1); /* the damage is real */
    bytes_free(&sample);
}

static void damaged_png_is_survived(void **state) {
    (void)state;
    const int colours[] = {0, 4, 2, 6};
    for (int i = 0; i < 4; i++)
        mutate(fuzz_png, png_sample(5, 4, i % 2 ? 16 : 8, colours[i]), repair_png);
}

static void damaged_mask_is_survived(void **state) {
    (void)state;
    bytes file = {0};
    png_add_signature(&file);
    png_add_header(&file, 3, 2, 8, 0, 0);
    png_add_rows(&file, "\0\0\x7f\xff\0\xff\0\x7f", 8);
    mutate(fuzz_mask_png, file, repair_png);
}

static void damaged_npy_is_survived(void **state) {
    (void)state;
    const float values[6] = {1, 2, 3, 4, 5, 6};
    mutate(fuzz_npy,
           npy_sample("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }\n", values,
                      sizeof values),
           NULL);
}

static void damaged_nifti_is_survived(void **state) {
    (void)state;
    const int16_t values[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const nifti_1_header header = nifti_header(3, 2, 2, DT_INT16, 16);
    bytes plain = nifti_sample(&header, values, sizeof values);
    mutate(fuzz_nifti, bytes_gzip(plain.data, plain.size), NULL);
    mutate(fuzz_nifti, plain, NULL);
}

static void damaged_volumes_are_survived(void **state) {
    (void)state;
    int16_t values[24];
    for (int i = 0; i < 24; i++) values[i] = (int16_t)(i % 7);
    nifti_1_header header = nifti_header(3, 4, 0, DT_INT16, 16);
    header.dim[0] = 3;
    header.dim[3] = 2;
    header.pixdim[1] = header.pixdim[2] = header.pixdim[3] = 2;
    header.sform_code = 1;
    header.srow_x[1] = -2;
    header.srow_y[2] = 2;
    header.srow_z[0] = 2;
    bytes plain = nifti_sample(&header, values, sizeof values);
    mutate(fuzz_volume, bytes_gzip(plain.data, plain.size), NULL);
    mutate(fuzz_volume, plain, NULL);
}

static bytes text_sample(const char *text) {
    bytes file = {0};
    bytes_add(&file, text, strlen(text));
    return file;
}

static void damaged_run_lengths_are_survived(void **state) {
    (void)state;
    mutate(fuzz_rle_json, text_sample("{\"size\": [9, 10], \"counts\": \"61X13mN000`0\"}"), NULL);
    mutate(fuzz_rle_json, text_sample("{\"size\": [2, 3], \"counts\": [1, 2, 3]}"), NULL);
    mutate(fuzz_rle_string, text_sample("61X13mN000`0"), NULL);
}

static void damaged_safetensors_are_survived(void **state) {
    (void)state;
    const float values[6] = {1, 2, 3, 4, 5, 6};
    mutate(fuzz_safetensors,
           safetensors_sample("{\"__metadata__\":{\"preset\":\"tiny\"},\"a\":{\"dtype\":\"F32\","
                              "\"shape\":[2,2],\"data_offsets\":[0,16]},\"b.c\":{\"dtype\":\"F32\","
                              "\"shape\":[2],\"data_offsets\":[16,24]}}",
                              values, sizeof values),
           NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_png_is_survived),
        cmocka_unit_test(damaged_mask_is_survived),
        cmocka_unit_test(damaged_npy_is_survived),
        cmocka_unit_test(damaged_nifti_is_survived),
        cmocka_unit_test(damaged_volumes_are_survived),
        cmocka_unit_test(damaged_run_lengths_are_survived),
        cmocka_unit_test(damaged_safetensors_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
