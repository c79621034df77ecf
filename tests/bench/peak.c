/* The most that these processors compute: multiply-adds of registers alone, on so many threads at once.
 * Prints {"fp32": GFLOP/s, "bf16": GFLOP/s or null}. Compile with -march=native. usage: peak THREADS */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#else
#define LANES 8
#endif

/* Enough sums to hide a multiply-add's latency, few enough for AVX2's 16 registers. */
enum { SUMS = 12, ROUNDS = 1 << 20, TRIES = 15 };

typedef float vector __attribute__((vector_size(4 * LANES)));

static volatile float start = 0.5F; /* unknown to the compiler */
static volatile float sink;

static double fp32_round(void) {
    vector sum[SUMS], factor, term;
    for (int i = 0; i < SUMS; i++) sum[i] = start + (float)i - (vector){0};
    factor = start - (vector){0};
    term = factor * 0.25F;
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 16 /* or the sums go through memory */
        for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * factor + term;
    for (int i = 0; i < SUMS; i++) sink = sum[i][0];
    return 2.0 * LANES * SUMS * ROUNDS;
}

#if defined(__AVX512BF16__)
static double bf16_round(void) {
    __m512 sum[SUMS];
    __m512bh factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(start), _mm512_set1_ps(start));
    for (int i = 0; i < SUMS; i++) sum[i] = _mm512_set1_ps(start + (float)i);
    for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 16 /* or the sums go through memory */
        for (int i = 0; i < SUMS; i++) sum[i] = _mm512_dpbf16_ps(sum[i], factor, factor);
    for (int i = 0; i < SUMS; i++) sink = _mm512_cvtss_f32(sum[i]);
    return 4.0 * LANES * SUMS * ROUNDS;
}
#endif

/* The best of some tries, in GFLOP/s. */
static double measure(double (*work)(void), int threads) {
    double best = 0;
    for (int i = 0; i < TRIES; i++) {
        double operations = 0, before = omp_get_wtime();
#pragma omp parallel num_threads(threads) reduction(+ : operations)
        operations += work();
        double rate = operations / (omp_get_wtime() - before) / 1e9;
        if (rate > best) best = rate;
    }
    return best;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 0;
    if (threads < 1) {
        fputs("usage: peak THREADS\n", stderr);
        return 2;
    }
    printf("{\"fp32\": %.0f", measure(fp32_round, threads));
#if defined(__AVX512BF16__)
    printf(", \"bf16\": %.0f}\n", measure(bf16_round, threads));
#else
    puts(", \"bf16\": null}");
#endif
    return 0;
}
