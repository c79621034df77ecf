/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). The i-th number of a (seed, stream) pair depends on nothing else, so results
 * do not depend on threads or on the device. */
#ifndef GS_BASE_RANDOM_H
#define GS_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct gs_rng {
    uint64_t seed;
    uint64_t stream;  /* independent sequences of one seed */
    uint64_t counter; /* 32-bit numbers drawn so far */
} gs_rng;

/* The index-th block of four 32-bit numbers of (seed, stream). */
void gs_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t block[4]);

uint32_t gs_rng_u32(gs_rng *rng);
/* Uniform in [0, bound), unbiased; bound > 0. */
uint32_t gs_rng_below(gs_rng *rng, uint32_t bound);
/* Uniform in [0, 1), 53 bits. */
double gs_rng_uniform(gs_rng *rng);
/* Standard normal (Box-Muller, one value per two draws). */
double gs_rng_normal(gs_rng *rng);
/* Fisher-Yates. */
void gs_rng_shuffle(gs_rng *rng, uint32_t *values, size_t count);

/* count standard normals of (seed, stream), independent of any gs_rng: value i comes from block
 * i/2. */
void gs_random_normal(uint64_t seed, uint64_t stream, float *values, size_t count);

#endif
