#include "base/random.h"

#include <math.h>

static void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
    c[0] = n0, c[1] = (uint32_t)p1, c[2] = n2, c[3] = (uint32_t)p0;
}

void gs_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t block[4]) {
    block[0] = (uint32_t)index, block[1] = (uint32_t)(index >> 32);
    block[2] = (uint32_t)stream, block[3] = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        philox_round(block, k0, k1);
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
}

uint32_t gs_rng_u32(gs_rng *rng) {
    uint32_t block[4];
    gs_philox(rng->seed, rng->stream, rng->counter >> 2, block);
    return block[rng->counter++ & 3];
}

uint32_t gs_rng_below(gs_rng *rng, uint32_t bound) {
    uint32_t reject_under = (uint32_t)-bound % bound; /* 2^32 mod bound */
    for (;;) {
        uint64_t product = (uint64_t)gs_rng_u32(rng) * bound;
        if ((uint32_t)product >= reject_under) return (uint32_t)(product >> 32);
    }
}

static double unit_interval(uint32_t high, uint32_t low) {
    return (double)(((uint64_t)high << 21) ^ (low >> 11)) * 0x1p-53;
}

double gs_rng_uniform(gs_rng *rng) {
    uint32_t high = gs_rng_u32(rng);
    return unit_interval(high, gs_rng_u32(rng));
}

double gs_rng_normal(gs_rng *rng) {
    double radius = sqrt(-2.0 * log(1.0 - gs_rng_uniform(rng)));
    return radius * cos(2.0 * M_PI * gs_rng_uniform(rng));
}

void gs_rng_shuffle(gs_rng *rng, uint32_t *values, size_t count) {
    for (size_t i = count; i > 1; i--) {
        uint32_t j = gs_rng_below(rng, (uint32_t)i);
        uint32_t kept = values[i - 1];
        values[i - 1] = values[j];
        values[j] = kept;
    }
}

void gs_random_normal(uint64_t seed, uint64_t stream, float *values, size_t count) {
    for (size_t i = 0; i < count; i += 2) {
        uint32_t b[4];
        gs_philox(seed, stream, i / 2, b);
        double radius = sqrt(-2.0 * log(1.0 - unit_interval(b[0], b[1])));
        double angle = 2.0 * M_PI * unit_interval(b[2], b[3]);
        values[i] = (float)(radius * cos(angle));
        if (i + 1 < count) values[i + 1] = (float)(radius * sin(angle));
    }
}
