/* Comparing a backend with the reference, on shapes that leave remainders everywhere. */
#ifndef TESTS_ENGINE_COMPARISON_H
#define TESTS_ENGINE_COMPARISON_H

#include "operations.h"

#include "base/random.h"

/* |actual - expected| <= relative · max|expected| + absolute. */
typedef struct tolerance {
    double relative, absolute;
    /* Normalising divides by as little as sqrt(1e-5), so what rounds to zero in the reference is up
     * to 316 times a rounding error elsewhere, forwards as well as backwards. */
    double absolute_normalized;
} tolerance;

/* Both fail the running test. */
void compare_all(const char *name, const geometry *g, const readings *expected,
                 const readings *actual, const tolerance *allowed);
void expect_same_bits(const char *name, const geometry *g, const readings *a, const readings *b);

geometry random_geometry(gs_rng *rng, geometry_needs needs);

/* Fails the running test when nothing is called that. */
const operation_trial *find_trial(const char *name);

#endif
