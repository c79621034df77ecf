/* Packed weights against where implicit_gemm.h says each value belongs: both directions of a
 * convolution, phases of a strided one, odd numbers of channels (pairs that begin in one tap and
 * end in the next), one tap, more inner indices than a block has. On memory of exactly the right
 * size, so that AddressSanitizer sees a step beyond the weight. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/implicit_gemm_panels.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TAPS = 25 };

/* A weight [O,C,K,K]. */
typedef struct geometry {
    int o, c, k;
} geometry;

static const geometry geometries[] = {{32, 32, 3}, {40, 33, 3},  {5, 7, 3},   {17, 257, 1},
                                      {9, 19, 2},  {64, 16, 4},  {70, 3, 5},  {8, 35, 5},
                                      {1, 1, 3},   {31, 300, 1}, {48, 129, 3}};

static gs_weight_view forward_view(geometry g, size_t *offsets) {
    for (int t = 0; t < g.k * g.k; t++) offsets[t] = (size_t)t;
    return (gs_weight_view){.runs = g.k,
                            .run_taps = g.k,
                            .inner = g.c,
                            .outputs = g.o,
                            .tap_offsets = offsets,
                            .inner_stride = (size_t)(g.k * g.k),
                            .output_stride = (size_t)(g.c * g.k * g.k)};
}

/* Every `stride`th tap of every `stride`th row from the last on, as a data gradient's phase. */
static gs_weight_view gradient_view(geometry g, int stride, size_t *offsets) {
    int taps = (g.k - 1) / stride + 1;
    for (int i = 0; i < taps; i++)
        for (int j = 0; j < taps; j++)
            *offsets++ = (size_t)(stride * (taps - 1 - i) * g.k + stride * (taps - 1 - j));
    return (gs_weight_view){.runs = taps,
                            .run_taps = taps,
                            .inner = g.o,
                            .outputs = g.c,
                            .tap_offsets = offsets - taps * taps,
                            .inner_stride = (size_t)(g.c * g.k * g.k),
                            .output_stride = (size_t)(g.k * g.k)};
}

/* What meets value k of a run for an output; zero beyond both. */
static float value_at(const gs_weight_view *v, const float *weight, int run, size_t k, int output) {
    size_t inner = (size_t)v->inner;
    if (output >= v->outputs || k >= (size_t)v->run_taps * inner) return 0;
    size_t tap = (size_t)(run * v->run_taps) + k / inner;
    return weight[v->tap_offsets[tap] + k % inner * v->inner_stride +
                  (size_t)output * v->output_stride];
}

static uint32_t expected_word(const gs_gemm_kernel *kernel, const gs_weight_view *v,
                              const float *weight, int run, size_t word, int output) {
    uint32_t bits;
    if (kernel->word_values == 2)
        return (uint32_t)gs__bfloat16(value_at(v, weight, run, 2 * word, output)) |
               (uint32_t)gs__bfloat16(value_at(v, weight, run, 2 * word + 1, output)) << 16;
    float value = value_at(v, weight, run, word, output);
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void check_view(const gs_gemm_kernel *kernel, const gs_weight_view *v, const float *weight) {
    size_t length = (size_t)v->run_taps * (size_t)v->inner, words = run_words(kernel, length);
    size_t count = gs__panel_words(kernel, v->outputs, v->runs, length);
    uint32_t *panels = test_malloc(count * sizeof *panels), *at = panels;
    memset(panels, 0xFF, count * sizeof *panels);
    gs__pack_panels(kernel, v, weight, panels);
    for (int p = 0; p < panel_count(kernel, v->outputs); p++)
        for (int run = 0; run < v->runs; run++)
            for (size_t word = 0; word < words; word++)
                for (int o = 0; o < panel_width(kernel, v->outputs, p); o++) {
                    int output = p * full_width(kernel) + o;
                    uint32_t expected = expected_word(kernel, v, weight, run, word, output);
                    if (*at++ == expected) continue;
                    print_error("[%d outputs, %d inner] run %d word %zu output %d\n", v->outputs,
                                v->inner, run, word, output);
                    assert_int_equal(at[-1], expected);
                }
    assert_ptr_equal(at, panels + count);
    test_free(panels);
}

static void check_weight(const gs_gemm_kernel *kernel, geometry g) {
    size_t offsets[MAX_TAPS], size = (size_t)(g.o * g.c * g.k * g.k);
    float *weight = test_malloc(size * sizeof *weight);
    gs_random_normal(3, 1, weight, size);
    gs_weight_view view = forward_view(g, offsets);
    check_view(kernel, &view, weight);
    for (int stride = 1; stride <= 2; stride++) {
        view = gradient_view(g, stride, offsets);
        check_view(kernel, &view, weight);
    }
    test_free(weight);
}

static void every_value_is_in_its_place(void **state) {
    (void)state;
    for (int lanes = 8; lanes <= 16; lanes += 8)
        for (int values = 1; values <= 2; values++) {
            gs_gemm_kernel kernel = {.lanes = lanes, .word_values = values};
            for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++)
                check_weight(&kernel, geometries[i]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_value_is_in_its_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
