/* The cpu backend's weight gradient against plain loops in double precision: odd sizes, every
 * instruction set that the processor has, in bfloat16 too, more threads than there is work. Called
 * directly and on memory of exactly the right size, so that AddressSanitizer sees a step beyond a
 * map. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/winograd_gradient.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* |ours - exact| <= RELATIVE · max|exact| + ABSOLUTE: sums of some thousand products in single
 * precision, each of which carries 6e-8. */
#define RELATIVE 1e-5
#define ABSOLUTE 1e-6
/* Filters round what they transform to bfloat16 (4e-3). */
#define RELATIVE_FILTERED_BFLOAT16 2e-2

typedef struct geometry {
    int n, c, h, w, o, k, stride;
} geometry;

static int filtered; /* comparisons of filters */

/* ---- Running --------------------------------------------------------------------------------- */

static gs_status open_capped(const char *isa, gs_isa *out, gs_error *err) {
    void *state = NULL;
    setenv("GENSEG_MAX_CPU_ISA", isa, 1);
    gs_status status = gs_backend_cpu.open(
        &(gs_backend_options){.threads = 1, .precision = GS_PRECISION_FP32}, &state, err);
    unsetenv("GENSEG_MAX_CPU_ISA");
    if (status != GS_OK) return status;
    *out = ((gs_cpu_state *)state)->isa;
    gs_backend_cpu.close(state);
    return GS_OK;
}

static gs_isa best_isa(void) {
    gs_isa isa = GS_ISA_DEFAULT;
    assert_int_equal(open_capped("avx512", &isa, NULL), GS_OK);
    return isa;
}

static bool has_native_bfloat16(void) {
    gs_engine_choice choice;
    gs_engine_wish wish = {.backend = "cpu", .precision = GS_PRECISION_AUTO};
    return gs_engine_choose(&wish, &choice, NULL) == GS_OK && choice.precision == GS_PRECISION_BF16;
}

static gs_weight_gradient gradient_of(geometry g) {
    return (gs_weight_gradient){
        .x = {g.n, g.c, g.h, g.w},
        .dy = {g.n, g.o, (g.h - g.k) / g.stride + 1, (g.w - g.k) / g.stride + 1},
        .weight = {g.o, g.c, g.k, g.k},
        .stride = g.stride};
}

static float *random_map(gs_shape s, uint64_t stream) {
    gs_rng rng = {.seed = 7, .stream = stream};
    float *map = test_malloc(gs__shape_size(s) * sizeof *map);
    for (size_t i = 0; i < gs__shape_size(s); i++) map[i] = (float)(gs_rng_uniform(&rng) - 0.5);
    return map;
}

/* What the kernel makes of dy: rounded, so that the sums can be exact. */
static void round_map(gs_shape s, float *map) {
    for (size_t i = 0; i < gs__shape_size(s); i++) map[i] = gs__from_bfloat16(gs__bfloat16(map[i]));
}

static uint16_t *halves_of(gs_shape s, const float *map) {
    uint16_t *halves = test_malloc(gs__shape_size(s) * sizeof *halves);
    gs__cpu_to_bfloat16(map, gs__shape_size(s), halves);
    return halves;
}

/* The first channel of a pixel. */
static size_t pixel_at(gs_shape s, int n, int h, int w) {
    return (size_t)((n * s.h + h) * s.w + w) * (size_t)s.c;
}

/* The sum's terms in which one output pixel takes part; dw is [O,C,K,K]. */
static void add_pixel(const gs_weight_gradient *g, const float *x, const float *dy, double *dw) {
    size_t k = (size_t)g->weight.h, channels = (size_t)g->x.c, row = (size_t)g->x.w * channels;
    for (size_t o = 0; o < (size_t)g->weight.n; o++)
        for (size_t c = 0; c < channels; c++)
            for (size_t i = 0; i < k; i++)
                for (size_t j = 0; j < k; j++)
                    *dw++ += (double)dy[o] * (double)x[i * row + j * channels + c];
}

static double *exact(const gs_weight_gradient *g, const float *x, const float *dy) {
    double *dw = test_calloc(gs__shape_size(g->weight), sizeof *dw);
    for (int n = 0; n < g->dy.n; n++)
        for (int r = 0; r < g->dy.h; r++)
            for (int q = 0; q < g->dy.w; q++)
                add_pixel(g, x + pixel_at(g->x, n, r * g->stride, q * g->stride),
                          dy + pixel_at(g->dy, n, r, q), dw);
    return dw;
}

/* Scratch starts as NaN: nothing may be read that was not written before. */
static float *run(const gs_weight_gradient *g, const void *x, const float *dy) {
    size_t bytes = gs__cpu_weight_gradient_scratch(g);
    void *scratch = gs_alloc_aligned(bytes, 64);
    float *dw = test_malloc(gs__shape_size(g->weight) * sizeof *dw);
    memset(scratch, 0xff, bytes);
    gs__cpu_weight_gradient(g, x, dy, scratch, dw);
    gs_free(scratch);
    return dw;
}

static void compare(const gs_weight_gradient *g, const double *expected, const float *actual,
                    double relative) {
    double largest = 0;
    size_t count = gs__shape_size(g->weight);
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(expected[i] - (double)actual[i]) <= relative * largest + ABSOLUTE))
            fail_msg("[%d,%d,%d,%d] O %d K %d stride %d, isa %d, %d threads: [%zu] is %.9g, not "
                     "%.9g",
                     g->x.n, g->x.c, g->x.h, g->x.w, g->weight.n, g->weight.h, g->stride,
                     (int)g->isa, g->threads, i, (double)actual[i], expected[i]);
}

/* Every filter that can do it, fast or not. */
static void check_filters(const gs_weight_gradient *g, const void *x, const float *dy,
                          const double *expected) {
    for (int kind = 0; kind < GS_WINOGRAD_KINDS; kind++) {
        gs_winograd_gradient p = gs__winograd_gradient_plan_filter(g, (gs_winograd_kind)kind);
        if (!p.filter) continue;
        filtered++;
        size_t bytes = gs__winograd_gradient_scratch(&p);
        void *scratch = gs_alloc_aligned(bytes, 64);
        float *dw = test_malloc(gs__shape_size(g->weight) * sizeof *dw);
        memset(scratch, 0xff, bytes);
        gs__winograd_gradient_run(&p, x, dy, scratch, dw);
        compare(g, expected, dw, g->bf16 == GS_BF16_NONE ? RELATIVE : RELATIVE_FILTERED_BFLOAT16);
        gs_free(scratch), test_free(dw);
    }
}

/* x: of the precision that g names. */
static void check_threads(gs_weight_gradient g, const void *x, const float *dy,
                          const double *expected) {
    static const int threads[] = {1, 2, 7};
    for (int t = 0; t < 3; t++) {
        g.threads = threads[t];
        float *once = run(&g, x, dy), *again = run(&g, x, dy);
        bool is_rounded = g.bf16 != GS_BF16_NONE && gs__winograd_gradient_plan(&g).filter;
        compare(&g, expected, once, is_rounded ? RELATIVE_FILTERED_BFLOAT16 : RELATIVE);
        assert_memory_equal(once, again, gs__shape_size(g.weight) * sizeof *once);
        test_free(once), test_free(again);
        check_filters(&g, x, dy, expected);
    }
}

static void check(geometry shape) {
    gs_weight_gradient g = gradient_of(shape);
    float *x = random_map(g.x, 1), *dy = random_map(g.dy, 2);
    double *expected = exact(&g, x, dy);
    gs_isa best = best_isa();
    for (int isa = GS_ISA_DEFAULT; isa <= (int)best; isa++) {
        g.isa = (gs_isa)isa;
        check_threads(g, x, dy, expected);
    }
    test_free(expected);
    round_map(g.x, x), round_map(g.dy, dy);
    uint16_t *halves = halves_of(g.x, x);
    expected = exact(&g, x, dy);
    g.bf16 = GS_BF16_EMULATED;
    for (int isa = GS_ISA_DEFAULT; isa <= (int)best; isa++) {
        g.isa = (gs_isa)isa;
        check_threads(g, halves, dy, expected);
    }
    if (has_native_bfloat16()) {
        g.bf16 = GS_BF16_NATIVE;
        check_threads(g, halves, dy, expected);
    }
    test_free(expected), test_free(halves), test_free(x), test_free(dy);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static const int channel_counts[] = {1, 3, 5, 16, 17, 33};

/* Maps from the kernel's own size on; sizes that differ from case to case. */
static void every_kernel_of_odd_channels(void **state) {
    (void)state;
    gs_rng rng = {.seed = 7, .stream = 3};
    for (int c = 0; c < 6; c++)
        for (int o = 0; o < 6; o++)
            for (int k = 1; k <= 5; k++)
                for (int stride = 1; stride <= 2; stride++)
                    check((geometry){.n = 1 + (int)gs_rng_below(&rng, 3),
                                     .c = channel_counts[c],
                                     .h = k + (int)gs_rng_below(&rng, 7),
                                     .w = k + (int)gs_rng_below(&rng, 9),
                                     .o = channel_counts[o],
                                     .k = k,
                                     .stride = stride});
}

static void maps_as_small_as_the_kernel(void **state) {
    (void)state;
    for (int k = 1; k <= 5; k++)
        for (int c = 0; c < 6; c++)
            check((geometry){1, channel_counts[c], k, k, 5 + k, k, 1 + k % 2});
}

/* Several blocks of pixels that end within rows and samples. */
static void many_pixels(void **state) {
    (void)state;
    check((geometry){2, 5, 40, 31, 3, 3, 1});
    check((geometry){3, 1, 29, 33, 7, 4, 1});
    check((geometry){1, 17, 61, 42, 1, 5, 1});
    check((geometry){5, 3, 33, 27, 17, 2, 2});
    check((geometry){2, 33, 1, 700, 13, 1, 1});
}

/* Weights so large that maps are copied; outputs in one and in several pieces. */
static void large_weights(void **state) {
    (void)state;
    check((geometry){2, 65, 9, 7, 128, 4, 1});
    check((geometry){3, 64, 10, 9, 133, 4, 2});
    check((geometry){2, 129, 4, 5, 300, 3, 1});
    check((geometry){1, 43, 21, 22, 130, 5, 1});
    check((geometry){9, 1030, 2, 2, 270, 1, 1});
}

static void filters_of_many_tiles(void **state) {
    (void)state;
    filtered = 0;
    for (int k = 2; k <= 4; k++) {
        check((geometry){2, 33, 41, 30, 18, k, k == 4 ? 2 : 1});
        check((geometry){3, 70, 9, 8, 40, k, k == 4 ? 2 : 1});
        check((geometry){1, 16, 5, 23, 135, k, k == 4 ? 2 : 1});
    }
    /* Two filters for each kernel; without six points in bfloat16, which is always there. */
    assert_true(filtered >= 3 * 3 * 3);
}

static void instruction_set_is_capped_by_environment(void **state) {
    (void)state;
    static const char *const names[] = {"default", "avx2", "avx512"};
    gs_isa best = best_isa(), chosen = best;
    for (int isa = 0; isa < 3; isa++) {
        assert_int_equal(open_capped(names[isa], &chosen, NULL), GS_OK);
        assert_int_equal(chosen, isa < (int)best ? isa : (int)best);
    }
    gs_error err;
    assert_int_equal(open_capped("sse9", &chosen, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "sse9"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_of_odd_channels),
        cmocka_unit_test(maps_as_small_as_the_kernel),
        cmocka_unit_test(many_pixels),
        cmocka_unit_test(large_weights),
        cmocka_unit_test(filters_of_many_tiles),
        cmocka_unit_test(instruction_set_is_capped_by_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
