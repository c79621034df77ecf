#include "comparison.h"

#include <math.h>
#include <string.h>

/* ---- Comparison ------------------------------------------------------------------------------ */

static void compare(const char *name, const geometry *g, const reading *expected,
                    const reading *actual, const tolerance *allowed) {
    double largest = 0;
    assert_string_equal(expected->name, actual->name);
    assert_int_equal(expected->count, actual->count);
    for (size_t i = 0; i < expected->count; i++) largest = fmax(largest, fabs(expected->values[i]));
    double absolute =
        g->prepare.norm == GS_NORM_NONE ? allowed->absolute : allowed->absolute_normalized;
    for (size_t i = 0; i < expected->count; i++) {
        double difference = fabs(expected->values[i] - actual->values[i]);
        if (!(difference <= allowed->relative * largest + absolute) ||
            !isfinite(expected->values[i]))
            fail_msg("%s %s: %s[%zu] is %.9g, not %.9g", name, geometry_text(g), expected->name, i,
                     actual->values[i], expected->values[i]);
    }
}

void compare_all(const char *name, const geometry *g, const readings *expected,
                 const readings *actual, const tolerance *allowed) {
    assert_int_equal(expected->count, actual->count);
    for (int i = 0; i < expected->count; i++)
        compare(name, g, &expected->items[i], &actual->items[i], allowed);
}

void expect_same_bits(const char *name, const geometry *g, const readings *a, const readings *b) {
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        if (memcmp(a->items[i].values, b->items[i].values, a->items[i].count * sizeof(double)) != 0)
            fail_msg("%s %s: %s differs from one run to the next", name, geometry_text(g),
                     a->items[i].name);
}

/* ---- Geometries ------------------------------------------------------------------------------ */

static const int channel_counts[] = {1, 3, 4, 5, 15, 16, 17, 33};
static const int sizes[] = {1, 2, 3, 5, 7, 16, 33};
static const int kernels[] = {1, 3, 4, 5};

static int pick(gs_rng *rng, const int *from, size_t count) {
    return from[gs_rng_below(rng, (uint32_t)count)];
}

static bool flip(gs_rng *rng) {
    return gs_rng_below(rng, 2) != 0;
}

/* The reference takes its time: the largest convolutions get one sample and few outputs. */
static void limit_work(geometry *g) {
    double pixels = (double)g->x.h * (double)g->x.w, k = (double)g->prepare.kernel;
    while (pixels * g->x.n * g->x.c * g->outputs * k * k > 2e6 && (g->x.n > 1 || g->outputs > 1)) {
        g->x.n = 1;
        g->outputs = (g->outputs + 1) / 2;
    }
}

geometry random_geometry(gs_rng *rng, geometry_needs needs) {
    geometry g = {.outputs = pick(rng, channel_counts, 8),
                  .x = {.n = 1 + (int)gs_rng_below(rng, 3),
                        .c = pick(rng, channel_counts, 8),
                        .h = pick(rng, sizes, 7),
                        .w = pick(rng, sizes, 7)}};
    if (needs == ANY_MAP) return g;
    g.prepare.kernel = pick(rng, kernels, 4);
    g.prepare.stride = 1 + flip(rng);
    limit_work(&g);
    if (needs == ANY_KERNEL) return g;
    g.prepare.norm = (gs_norm)gs_rng_below(rng, 3);
    g.prepare.activate = flip(rng);
    g.prepare.slope = flip(rng) ? 0.2f : 0;
    g.prepare.upsample = flip(rng);
    if (flip(rng)) g.prepare.crop_h = 1 + (int)gs_rng_below(rng, (uint32_t)g.x.h);
    if (flip(rng)) g.prepare.crop_w = 1 + (int)gs_rng_below(rng, (uint32_t)g.x.w);
    return g;
}

const operation_trial *find_trial(const char *name) {
    for (int i = 0; i < operation_trial_count; i++)
        if (strcmp(operation_trials[i].name, name) == 0) return &operation_trials[i];
    fail_msg("no trial is called %s", name);
    return NULL;
}
