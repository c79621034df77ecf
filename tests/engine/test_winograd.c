/* Every filter against plain loops in double precision: convolutions and data gradients of odd
 * sizes, borders inside tiles, few and many channels. Called directly and on memory of exactly the
 * right size, so that AddressSanitizer sees a step beyond a map; and which filter is chosen. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/winograd_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* |ours - exact| <= relative · max|exact| + ABSOLUTE. The transforms of F(4,3) lose a decimal of
 * single precision's 6e-8, those of the others half of one; sums lose as much again. Of bfloat16
 * (4e-3) the others lose half a decimal too, and sums of many products gain some of it back. */
#define RELATIVE 1e-5
#define RELATIVE_BFLOAT16 2.5e-2
#define ABSOLUTE 1e-6

typedef struct geometry {
    int n, c, h, w, o;
} geometry;

/* What a case needs, in memory of its own size. */
typedef struct fixture {
    gs_winograd_conv conv;
    float *from, *weight, *bias; /* bias: NULL for a gradient */
    uint16_t *halves;            /* of `from`, or NULL */
    double *expected;
    size_t count; /* of results */
} fixture;

/* ---- Plain loops ----------------------------------------------------------------------------- */

static size_t pixel_at(gs_shape s, int n, int h, int w) {
    return (size_t)((n * s.h + h) * s.w + w) * (size_t)s.c;
}

/* One output pixel's terms: of y, or back into dx. */
static void add_pixel(const fixture *f, size_t x, size_t y) {
    const gs_winograd_conv *v = &f->conv;
    size_t k = (size_t)v->w.h, channels = (size_t)v->x.c, row = (size_t)v->x.w * channels;
    const float *g = f->weight;
    for (size_t o = y; o < y + (size_t)v->w.n; o++)
        for (size_t c = 0; c < channels; c++)
            for (size_t i = 0; i < k; i++)
                for (size_t j = 0; j < k; j++, g++) {
                    size_t in = x + i * row + j * channels + c;
                    size_t from = f->bias ? in : o, to = f->bias ? o : in;
                    f->expected[to] += (double)*g * (double)f->from[from];
                }
}

static void compute_exactly(const fixture *f) {
    gs_shape x = f->conv.x, y = f->conv.y;
    for (size_t i = 0; f->bias && i < f->count; i++)
        f->expected[i] = (double)f->bias[i % (size_t)y.c];
    for (int n = 0; n < y.n; n++)
        for (int h = 0; h < y.h; h++)
            for (int w = 0; w < y.w; w++)
                add_pixel(f, pixel_at(x, n, h * f->conv.stride, w * f->conv.stride),
                          pixel_at(y, n, h, w));
}

/* ---- Cases ----------------------------------------------------------------------------------- */

static float *random_values(size_t count, uint64_t stream) {
    gs_rng rng = {.seed = 7, .stream = stream};
    float *values = test_malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = (float)(gs_rng_uniform(&rng) - 0.5);
    return values;
}

/* The products that filters are tried with. */
typedef struct precision {
    gs_isa isa;
    gs_bf16 bf16;
    bool from_bfloat16; /* the map that is read */
} precision;
static precision tried;

static gs_winograd_conv conv_of(geometry g, gs_op op, int kernel, int stride) {
    return (gs_winograd_conv){
        .kernel = gs__gemm_kernel(tried.isa, tried.bf16),
        .from_bfloat16 = tried.from_bfloat16,
        .op = op,
        .x = {g.n, g.c, g.h, g.w},
        .w = {g.o, g.c, kernel, kernel},
        .y = {g.n, g.o, (g.h - kernel) / stride + 1, (g.w - kernel) / stride + 1},
        .stride = stride};
}

static fixture fixture_of(const gs_winograd_conv *conv) {
    bool is_forward = conv->op == GS_OP_CONV;
    fixture f = {.conv = *conv, .count = gs__shape_size(is_forward ? conv->y : conv->x)};
    size_t from_count = gs__shape_size(is_forward ? conv->x : conv->y);
    f.from = random_values(from_count, 1);
    if (conv->from_bfloat16) {
        f.halves = test_malloc(from_count * sizeof *f.halves);
        gs__cpu_to_bfloat16(f.from, from_count, f.halves);
    }
    f.weight = random_values(gs__shape_size(conv->w), 2);
    if (is_forward) f.bias = random_values((size_t)conv->w.n, 3);
    f.expected = test_calloc(f.count, sizeof *f.expected);
    compute_exactly(&f);
    return f;
}

static void fixture_deinit(fixture *f) {
    test_free(f->from), test_free(f->weight), test_free(f->expected);
    if (f->bias) test_free(f->bias);
    if (f->halves) test_free(f->halves);
}

/* Scratch and result start as NaN: nothing may be read that was not written before, and every value
 * is written. */
static float *run(const fixture *f, const gs_winograd *p, int threads) {
    size_t bytes = gs__winograd_scratch(p, threads);
    void *scratch = gs_alloc_aligned(bytes, 64);
    uint32_t *words = test_malloc(gs__winograd_words(p) * sizeof *words);
    float *result = test_malloc(f->count * sizeof *result);
    memset(scratch, 0xff, bytes);
    memset(words, 0xff, gs__winograd_words(p) * sizeof *words);
    memset(result, 0xff, f->count * sizeof *result);
    omp_set_num_threads(threads); /* as a device does */
    gs__winograd_pack(p, f->weight, words);
    gs__winograd_run(p, f->halves ? (void *)f->halves : f->from, words, f->bias, result, scratch,
                     threads);
    gs_free(scratch), test_free(words);
    return result;
}

static void compare(const fixture *f, gs_winograd_kind kind, const float *actual) {
    const gs_winograd_conv *v = &f->conv;
    double largest = 0, relative = v->kernel->word_values == 1 ? RELATIVE : RELATIVE_BFLOAT16;
    for (size_t i = 0; i < f->count; i++) largest = fmax(largest, fabs(f->expected[i]));
    for (size_t i = 0; i < f->count; i++)
        if (!(fabs(f->expected[i] - (double)actual[i]) <= relative * largest + ABSOLUTE))
            fail_msg(
                "isa %d bf16 %d filter %d, %s, [%d,%d,%d,%d] O %d K %d: [%zu] is %.9g, not %.9g",
                (int)v->kernel->isa, (int)v->kernel->bf16, (int)kind, gs_op_name(v->op), v->x.n,
                v->x.c, v->x.h, v->x.w, v->w.n, v->w.h, i, (double)actual[i], f->expected[i]);
}

/* The number of threads may not even change a bit. */
static void check_filter(const fixture *f, gs_winograd_kind kind) {
    gs_winograd p = gs__winograd_plan_filter(&f->conv, kind);
    float *one = run(f, &p, 1), *three = run(f, &p, 3);
    compare(f, kind, one);
    assert_memory_equal(one, three, f->count * sizeof *one);
    test_free(one), test_free(three);
}

/* Returns how many filters were tried. */
static int check(geometry g, gs_op op, int kernel, int stride) {
    gs_winograd_conv conv = conv_of(g, op, kernel, stride);
    int taps = gs__winograd_taps(&conv), count = 0;
    assert_int_not_equal(taps, 0);
    fixture f = fixture_of(&conv);
    for (int kind = 0; kind < GS_WINOGRAD_KINDS; kind++) {
        if (gs__winograd_filters(tried.isa, tried.bf16)[kind].taps != taps ||
            !gs__winograd_is_exact_enough(&conv, (gs_winograd_kind)kind))
            continue;
        check_filter(&f, (gs_winograd_kind)kind);
        count++;
    }
    fixture_deinit(&f);
    return count;
}

/* ---- Precisions ------------------------------------------------------------------------------ */

static const precision precisions[] = {
    {GS_ISA_AVX2, GS_BF16_NONE, false},        {GS_ISA_AVX512, GS_BF16_NONE, false},
    {GS_ISA_DEFAULT, GS_BF16_EMULATED, false}, {GS_ISA_DEFAULT, GS_BF16_EMULATED, true},
    {GS_ISA_AVX512, GS_BF16_NATIVE, false},    {GS_ISA_AVX512, GS_BF16_NATIVE, true},
};
enum { PRECISIONS = sizeof precisions / sizeof precisions[0] };

static bool processor_has(const precision *p) {
    if (p->isa == GS_ISA_DEFAULT) return true;
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f");
    bool native = __builtin_cpu_supports("avx512bf16");
    return (p->isa == GS_ISA_AVX2 ? avx2 : avx512) && (p->bf16 != GS_BF16_NATIVE || native);
#else
    return false;
#endif
}

/* Kernels and strides that there are filters for. */
static const int kernels[][2] = {{2, 1}, {3, 1}, {4, 2}};

static void check_kernels(geometry g) {
    for (int k = 0; k < 3; k++) {
        int filters = kernels[k][0] == 3 && tried.bf16 != GS_BF16_NONE ? 1 : 2;
        assert_int_equal(check(g, GS_OP_CONV, kernels[k][0], kernels[k][1]), filters);
        if (!tried.from_bfloat16)
            assert_int_equal(check(g, GS_OP_CONV_GRADIENT_DATA, kernels[k][0], kernels[k][1]),
                             filters);
    }
}

/* `g` has channels for vectors of 8; wider ones get as many more. */
static void check_all(geometry g) {
    for (int i = 0; i < PRECISIONS; i++) {
        if (!processor_has(&precisions[i])) continue;
        tried = precisions[i];
        int more = gs__gemm_kernel(tried.isa, tried.bf16)->lanes - 8;
        check_kernels((geometry){g.n, g.c + more, g.h, g.w, g.o + more});
    }
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void maps_of_every_size(void **state) {
    (void)state;
    for (int h = 4; h <= 10; h++)
        for (int w = 4; w <= 11; w++) check_all((geometry){1 + h % 2, 9, h, w, 11});
}

static void channels_that_fill_no_vector_and_no_panel(void **state) {
    (void)state;
    static const int channels[] = {8, 13, 16, 17, 24, 33};
    for (int c = 0; c < 6; c++)
        for (int o = 0; o < 6; o++) check_all((geometry){2, channels[c], 7, 6, channels[o]});
}

/* Several blocks of tiles that end within rows and samples, and several pieces of the depth. */
static void many_tiles_and_channels(void **state) {
    (void)state;
    check_all((geometry){3, 10, 41, 30, 12});
    check_all((geometry){1, 270, 6, 5, 40});
    check_all((geometry){1, 40, 5, 8, 270});
}

/* No vector of values or another kernel: no filter. */
static void what_filters_cannot_do(void **state) {
    (void)state;
    tried = precisions[0];
    if (!gs__gemm_kernel(tried.isa, tried.bf16)) skip();
    geometry few_inputs = {40, 7, 32, 32, 64}, few_outputs = {40, 64, 32, 32, 7};
    geometry many = {40, 64, 32, 32, 64}, half = {40, 4, 32, 32, 64};
    gs_winograd_conv conv = conv_of(few_inputs, GS_OP_CONV, 3, 1);
    assert_null(gs__winograd_plan(&conv).filter);
    conv = conv_of(few_outputs, GS_OP_CONV, 3, 1);
    assert_null(gs__winograd_plan(&conv).filter);
    static const int others[][2] = {{1, 1}, {4, 1}, {5, 1}, {2, 2}, {3, 2}};
    for (int k = 0; k < 5; k++) {
        conv = conv_of(many, GS_OP_CONV, others[k][0], others[k][1]);
        assert_null(gs__winograd_plan(&conv).filter);
    }
    conv = conv_of(half, GS_OP_CONV, 4, 2); /* two columns make a vector */
    assert_int_equal(gs__winograd_taps(&conv), 2);
}

/* Large maps get filters; a weight that few pixels meet is not enlarged. */
static void filters_are_chosen_where_they_pay(void **state) {
    (void)state;
    tried = precisions[0];
    if (!gs__gemm_kernel(tried.isa, tried.bf16)) skip();
    gs_winograd_conv conv = conv_of((geometry){1, 65, 62, 32, 128}, GS_OP_CONV, 3, 1);
    assert_int_equal(gs__winograd_plan(&conv).kind, GS_WINOGRAD_4_3);
    assert_non_null(gs__winograd_plan(&conv).filter);
    conv = conv_of((geometry){1, 512, 10, 6, 1024}, GS_OP_CONV, 3, 1);
    assert_null(gs__winograd_plan(&conv).filter);
    for (int op = 0; op < 2; op++) {
        conv = conv_of((geometry){40, 64, 26, 26, 128}, op ? GS_OP_CONV_GRADIENT_DATA : GS_OP_CONV,
                       4, 2);
        assert_non_null(gs__winograd_plan(&conv).filter);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_of_every_size),
        cmocka_unit_test(channels_that_fill_no_vector_and_no_panel),
        cmocka_unit_test(many_tiles_and_channels),
        cmocka_unit_test(what_filters_cannot_do),
        cmocka_unit_test(filters_are_chosen_where_they_pay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
