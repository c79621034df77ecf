/* A data set that trains in milliseconds: 20×14 images of noise, presence ones with a bright
 * square. */
#ifndef GS_TESTS_TRAIN_SMALL_DATASET_H
#define GS_TESTS_TRAIN_SMALL_DATASET_H

#include "base/random.h"
#include "engine/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_HEIGHT = 20, SMALL_WIDTH = 14, SMALL_PIXELS = SMALL_HEIGHT * SMALL_WIDTH };

static void small_slice(int number, int has_target, float *image, uint8_t *mask) {
    gs_random_normal(5, (uint64_t)number, image, SMALL_PIXELS);
    for (int i = 0; i < SMALL_PIXELS; i++) image[i] = 0.05f * image[i] - 0.3f;
    memset(mask, 0, SMALL_PIXELS);
    int top = 2 + number % 9, left = 1 + number % 6;
    for (int y = top; has_target && y < top + 6; y++)
        for (int x = left; x < left + 6; x++) {
            image[y * SMALL_WIDTH + x] += 0.9f;
            mask[y * SMALL_WIDTH + x] = 255;
        }
}

/* What the masks of the training cases hold; those of the validation cases are always right. */
typedef enum small_masks {
    SMALL_MASKS_RIGHT,
    SMALL_MASKS_EMPTY,      /* nothing: a lesson to forget */
    SMALL_MASKS_HALF_WRONG, /* nothing in the left half, … */
    SMALL_MASKS_HALF,       /* … which is not annotated */
} small_masks;

static inline void spoil_mask(uint8_t *mask, small_masks masks) {
    for (int i = 0; i < SMALL_PIXELS; i++) {
        int is_left = i % SMALL_WIDTH < SMALL_WIDTH / 2;
        if (masks == SMALL_MASKS_EMPTY) mask[i] = 0;
        if (masks == SMALL_MASKS_HALF_WRONG && is_left) mask[i] = 0;
        if (masks == SMALL_MASKS_HALF && is_left) mask[i] = 127;
    }
}

/* presence and absence slices of as many cases; every `annotate`-th presence slice has its mask (0
 * = none); every fourth case is for validation, with masks. */
static inline void make_small_dataset_with(const char *folder, int presence, int absence,
                                           int annotate, small_masks masks) {
    gs_error err;
    gs_dataset_info info = {.name = "small",
                            .made_by = "a test",
                            .channels = 1,
                            .height = SMALL_HEIGHT,
                            .width = SMALL_WIDTH};
    gs_dataset_writer *writer = NULL;
    if (gs_dataset_writer_open(folder, &info, &writer, &err) != GS_OK) abort();
    for (int i = 0; i < presence + absence; i++) {
        float image[SMALL_PIXELS];
        uint8_t mask[SMALL_PIXELS];
        char name[32];
        int is_presence = i < presence, validates = i % 4 == 3;
        snprintf(name, sizeof name, "case-%d", i);
        small_slice(i, is_presence, image, mask);
        if (!validates) spoil_mask(mask, masks);
        gs_dataset_slice slice = {.case_name = name,
                                  .name = name,
                                  .label = is_presence ? GS_LABEL_PRESENCE : GS_LABEL_ABSENCE,
                                  .split = validates ? GS_SPLIT_VALIDATION : GS_SPLIT_TRAIN};
        int has_mask = is_presence && annotate && (validates || i % annotate == 0);
        if (gs_dataset_writer_add(writer, &slice, image, has_mask ? mask : NULL, &err) != GS_OK)
            abort();
    }
    if (gs_dataset_writer_finish(writer, &err) != GS_OK) abort();
    gs_dataset_writer_close(writer);
}

static inline void make_small_dataset(const char *folder, int presence, int absence, int annotate) {
    make_small_dataset_with(folder, presence, absence, annotate, SMALL_MASKS_RIGHT);
}

#endif
