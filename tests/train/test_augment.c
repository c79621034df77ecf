/* Augmentation: image and mask move together, nothing leaves its range, the same stream repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "engine/train/augment.h"
#include "engine/train/spline_warp.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 2, HEIGHT = 31, WIDTH = 22, PIXELS = HEIGHT * WIDTH };

typedef struct example {
    float image[CHANNELS * PIXELS], room[CHANNELS * PIXELS];
    uint8_t mask[PIXELS];
    double sources[2 * PIXELS + 3 * (HEIGHT + WIDTH)];
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
    assert_int_equal(gs_augment_sources(HEIGHT, WIDTH), sizeof e->sources / sizeof *e->sources);
    gs_augment_target target = {CHANNELS, HEIGHT,    WIDTH, e->image, with_mask ? e->mask : NULL,
                                e->room,  e->sources};
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
            assert_true(e.image[i] >= -1 && e.image[i] <= 1);
            agreeing += (e.image[i] > 0) == (e.mask[i] == 255);
            target += e.mask[i] == 255;
        }
        assert_true(agreeing > PIXELS - 30); /* the rims: bilinear against nearest */
        assert_in_range(target, 25, 110);    /* 54, zoomed by 10 %, strained by some 12 % */
        /* One motion for all channels, a shift of its own for each. */
        for (int i = 0; i < PIXELS; i++)
            assert_true(fabsf(e.image[i] - e.image[PIXELS + i]) <= 0.4001f);
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
    double sources[8];
    uint8_t mask = 255;
    gs_augment_target target = {1, 1, 1, &image, &mask, &room, sources};
    for (uint64_t stream = 0; stream < 20; stream++) gs_augment(&target, 1, stream);
    assert_true(fabsf(image - 0.5f) < 1e-6f);
    assert_int_equal(mask, 255);
}

/* A mask that is the image: after any warp each pixel's label is that of the image's nearest pixel,
 * so where the image is far from the rim both agree, also in the corners that reflection fills. */
static void labels_follow_a_finely_structured_image(void **state) {
    (void)state;
    enum { SIDE = 160, ALL = SIDE * SIDE, BLOCK = 10 };
    static float image[ALL], room[ALL];
    static uint8_t mask[ALL];
    static double sources[2 * ALL + 6 * SIDE];
    int moved = 0;
    for (uint64_t stream = 0; stream < 12; stream++) {
        for (int i = 0; i < ALL; i++) {
            int is_target = (i / SIDE / BLOCK + i % SIDE / BLOCK) % 2;
            image[i] = is_target ? 1 : -1;
            mask[i] = is_target ? 255 : 0;
        }
        gs_augment_target target = {1, SIDE, SIDE, image, mask, room, sources};
        gs_augment(&target, 2, stream);
        for (int i = 0; i < ALL; i++) {
            assert_true(mask[i] == 0 || mask[i] == 255);
            /* 0.6 is more than a shift of 0.2 and less than half a pixel from the rim. */
            if (fabsf(image[i]) > 0.6f && (image[i] > 0) != (mask[i] == 255))
                fail_msg("stream %d: pixel %d is %g, its label %d", (int)stream, i,
                         (double)image[i], mask[i]);
            moved += (mask[i] == 255) != (i / SIDE / BLOCK + i % SIDE / BLOCK) % 2;
        }
    }
    assert_true(moved > ALL); /* of 12 ALL */
}

static void the_warp_passes_through_its_vectors(void **state) {
    (void)state;
    enum { ROWS = 41, COLUMNS = 61 };
    double y[3][3], x[3][3], largest = 0;
    gs_warp_weights rows[ROWS], columns[COLUMNS];
    gs_rng rng = {.seed = 3};
    gs_spline_warp warp;
    gs_spline_warp_weights(ROWS, rows);
    gs_spline_warp_weights(COLUMNS, columns);
    for (int i = 0; i < 9; i++) y[i / 3][i % 3] = gs_rng_normal(&rng), x[i / 3][i % 3] = i - 4.0;
    gs_spline_warp_init(&warp, y, x);
    for (int i = 0; i < 9; i++) {
        double dy, dx;
        gs_spline_warp_at(&warp, rows[i / 3 * 20], columns[i % 3 * 30], &dy, &dx);
        assert_true(fabs(dy - y[i / 3][i % 3]) < 1e-12 && fabs(dx - x[i / 3][i % 3]) < 1e-12);
    }
    for (int row = 1; row < ROWS; row++) { /* smooth: no jumps from row to row */
        double dy, dx, before;
        gs_spline_warp_at(&warp, rows[row - 1], columns[17], &before, &dx);
        gs_spline_warp_at(&warp, rows[row], columns[17], &dy, &dx);
        largest = fmax(largest, fabs(dy - before));
    }
    assert_true(largest > 0 && largest < 0.5);
    /* The same everywhere moves everything the same way. */
    for (int i = 0; i < 9; i++) y[i / 3][i % 3] = 1.5;
    gs_spline_warp_init(&warp, y, y);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        double dy, dx;
        gs_spline_warp_at(&warp, rows[i / COLUMNS], columns[i % COLUMNS], &dy, &dx);
        assert_true(fabs(dy - 1.5) < 1e-12 && fabs(dx - 1.5) < 1e-12);
    }
}

/* ---- Against the definition -------------------------------------------------------------------
 * Rotation by up to 3 degrees, zoom by up to 10 %, vectors of 5 pixels, intensity by up to 10 %,
 * reflection at the edges: written down once more, pixel by pixel, from the same random numbers. */

enum { TALL = 240, NARROW = 120, LARGE = TALL * NARROW };

typedef struct drawn {
    double flip_y, flip_x, angle, zoom, shift;
    gs_spline_warp warp;
} drawn;

static double within(gs_rng *rng, double limit) {
    return (2 * gs_rng_uniform(rng) - 1) * limit;
}

static drawn draw(uint64_t stream) {
    gs_rng rng = {.seed = 4, .stream = stream};
    double y[3][3], x[3][3];
    drawn d = {.flip_y = gs_rng_uniform(&rng) < 0.5 ? -1 : 1};
    d.flip_x = gs_rng_uniform(&rng) < 0.5 ? -1 : 1;
    d.angle = within(&rng, 3 * M_PI / 180);
    d.zoom = 1 + within(&rng, 0.1);
    for (int i = 0; i < 9; i++) {
        y[i / 3][i % 3] = 5 * gs_rng_normal(&rng);
        x[i / 3][i % 3] = 5 * gs_rng_normal(&rng);
    }
    gs_spline_warp_init(&d.warp, y, x);
    d.shift = within(&rng, 0.1);
    return d;
}

/* …, 2, 1, 0, 1, 2, …, size - 2, size - 1, size - 2, … */
static double mirrored(double at, int size, int *outside) {
    *outside += at < 0 || at > size - 1;
    while (at < 0 || at > size - 1) at = at < 0 ? -at : 2.0 * (size - 1) - at;
    return at;
}

static double between(const float *image, double y, double x) {
    int top = (int)fmin(floor(y), TALL - 2), left = (int)fmin(floor(x), NARROW - 2);
    double fy = y - top, fx = x - left;
    const float *at = image + top * NARROW + left;
    return (1 - fy) * ((1 - fx) * (double)at[0] + fx * (double)at[1]) +
           fy * ((1 - fx) * (double)at[NARROW] + fx * (double)at[NARROW + 1]);
}

static void images_are_varied_as_defined(void **state) {
    (void)state;
    static float image[LARGE], before[LARGE], room[LARGE];
    static double sources[2 * LARGE + 3 * (TALL + NARROW)];
    static gs_warp_weights rows[TALL], columns[NARROW];
    double angle = 0, least_zoom = 2, most_zoom = 0, shift = 0;
    int outside = 0;
    gs_spline_warp_weights(TALL, rows);
    gs_spline_warp_weights(NARROW, columns);
    for (uint64_t stream = 0; stream < 40; stream++) {
        drawn d = draw(stream);
        gs_random_normal(8, stream, before, LARGE);
        memcpy(image, before, sizeof image);
        gs_augment_target target = {1, TALL, NARROW, image, NULL, room, sources};
        gs_augment(&target, 4, stream);
        float low = INFINITY, high = -INFINITY;
        for (int i = 0; i < LARGE; i++) { /* what was interpolated, without the shift */
            double y = d.flip_y * (i / NARROW - (TALL - 1) / 2.0) / d.zoom;
            double x = d.flip_x * (i % NARROW - (NARROW - 1) / 2.0) / d.zoom, warp_y, warp_x;
            gs_spline_warp_at(&d.warp, rows[i / NARROW], columns[i % NARROW], &warp_y, &warp_x);
            double sy = cos(d.angle) * y - sin(d.angle) * x + (TALL - 1) / 2.0 + warp_y;
            double sx = sin(d.angle) * y + cos(d.angle) * x + (NARROW - 1) / 2.0 + warp_x;
            room[i] = (float)between(before, mirrored(sy, TALL, &outside),
                                     mirrored(sx, NARROW, &outside));
            low = fminf(low, room[i]), high = fmaxf(high, room[i]);
        }
        for (int i = 0; i < LARGE; i++) {
            double expected = (double)room[i] + d.shift * (double)(high - low);
            expected = fmin(fmax(expected, (double)low), (double)high);
            if (!(fabs((double)image[i] - expected) <= 1e-4))
                fail_msg("stream %d, pixel %d: %g, not %g", (int)stream, i, (double)image[i],
                         expected);
        }
        angle = fmax(angle, fabs(d.angle)), shift = fmax(shift, fabs(d.shift));
        least_zoom = fmin(least_zoom, d.zoom), most_zoom = fmax(most_zoom, d.zoom);
    }
    /* The extremes were among them. */
    assert_true(outside > LARGE / 10);
    assert_true(angle > 2.5 * M_PI / 180 && shift > 0.08);
    assert_true(least_zoom < 0.92 && most_zoom > 1.08);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_and_mask_move_together),
        cmocka_unit_test(labels_follow_a_finely_structured_image),
        cmocka_unit_test(the_warp_passes_through_its_vectors),
        cmocka_unit_test(images_are_varied_as_defined),
        cmocka_unit_test(same_stream_repeats_and_another_differs),
        cmocka_unit_test(single_pixel_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
