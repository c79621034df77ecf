/* Augmentation: image and mask move together, nothing leaves its range, the same stream repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/train/augment.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 2, HEIGHT = 31, WIDTH = 22, PIXELS = HEIGHT * WIDTH };

typedef struct example {
    float image[CHANNELS * PIXELS], room[CHANNELS * PIXELS];
    uint8_t mask[PIXELS];
} example;

/* A blob of 1 on -1, off the centre both ways, in both channels and in the mask. */
static void make(example *e) {
    for (int i = 0; i < PIXELS; i++) {
        int y = i / WIDTH, x = i % WIDTH;
        int inside = y >= 6 && y < 15 && x >= 4 && x < 10;
        e->mask[i] = inside ? 255 : y > 25 ? 127 : 0;
        e->image[i] = e->image[PIXELS + i] = inside ? 1.0f : -1.0f;
    }
}

static void vary(example *e, uint64_t stream, int with_mask) {
    make(e);
    gs_augment_target target = {CHANNELS, HEIGHT, WIDTH, e->image, with_mask ? e->mask : NULL,
                                e->room};
    gs_augment(&target, 9, stream);
}

static void image_and_mask_move_together(void **state) {
    (void)state;
    static example e;
    int moved = 0;
    for (uint64_t stream = 0; stream < 50; stream++) {
        vary(&e, stream, 1);
        int agreeing = 0, target = 0;
        for (int i = 0; i < PIXELS; i++) {
            assert_true(e.mask[i] == 0 || e.mask[i] == 127 || e.mask[i] == 255);
            assert_true(e.image[i] >= -1.0001f && e.image[i] <= 1.2001f);
            agreeing += (e.image[i] > 0) == (e.mask[i] == 255);
            target += e.mask[i] == 255;
        }
        assert_true(agreeing > PIXELS - 30); /* the rims: bilinear against nearest */
        assert_in_range(target, 35, 75);     /* 54, zoomed by up to 10 % and cut at an edge never */
        assert_memory_equal(e.image, e.image + PIXELS, PIXELS * sizeof(float));
        moved += e.mask[10 * WIDTH + 7] != 255;
    }
    assert_in_range(moved, 20, 49); /* three of four flips take the blob elsewhere */
}

static void same_stream_repeats_and_another_differs(void **state) {
    (void)state;
    static example a, b, c;
    vary(&a, 3, 1);
    vary(&b, 3, 0);
    vary(&c, 4, 1);
    assert_memory_equal(a.image, b.image, sizeof a.image);
    assert_memory_not_equal(a.image, c.image, sizeof a.image);
}

static void single_pixel_survives(void **state) {
    (void)state;
    float image = 0.5f, room;
    uint8_t mask = 255;
    gs_augment_target target = {1, 1, 1, &image, &mask, &room};
    for (uint64_t stream = 0; stream < 20; stream++) gs_augment(&target, 1, stream);
    assert_true(fabsf(image - 0.5f) < 1e-6f);
    assert_int_equal(mask, 255);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_and_mask_move_together),
        cmocka_unit_test(same_stream_repeats_and_another_differs),
        cmocka_unit_test(single_pixel_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
