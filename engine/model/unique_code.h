/* The unique code u that a lesion is made from: drawn from N(0, I) by a seed, or on the way from
 * one seed's code to another's. */
#ifndef GS_ENGINE_MODEL_UNIQUE_CODE_H
#define GS_ENGINE_MODEL_UNIQUE_CODE_H

#include <stddef.h>
#include <stdint.h>

typedef struct gs_unique_code {
    uint64_t seed;   /* where it is at t = 0 */
    uint64_t toward; /* the seed at t = 1; read only when t > 0 */
    double t;        /* 0…1 */
} gs_unique_code;

/* values: [count]; scratch: [count], used only where 0 < t < 1. At t = 0 and t = 1 the values are
 * those of the seed, bit for bit. */
void gs_unique_code_draw(const gs_unique_code *code, float *values, float *scratch, size_t count);

/* Spherical interpolation in place: a becomes a·sin((1-t)ω)/sin ω + b·sin(tω)/sin ω, where ω is the
 * angle between a and b as vectors (Shoemake, "Animating rotation with quaternion curves", 1985).
 * Codes of N(0, I) all have about the same length, and so have those in between, which a straight
 * line would make shorter than any the decoder has seen. Linear where ω is near 0 or π, or a vector
 * is zero. */
void gs_slerp(float *a, const float *b, double t, size_t count);

#endif
