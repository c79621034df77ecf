/* bfloat16: the upper half of a float. Conversions round to nearest, ties to even; a NaN stays one.
 */
#ifndef GS_ENGINE_BACKEND_CPU_BFLOAT16_H
#define GS_ENGINE_BACKEND_CPU_BFLOAT16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t gs__bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
    /* Rounding would carry a NaN's payload into its exponent or sign. */
    uint32_t nan = bits >> 16 | 0x40;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

static inline float gs__from_bfloat16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void gs__cpu_to_bfloat16(const float *from, size_t count, uint16_t *to);

/* Words with a value of each, the second in the upper half; `second` NULL: zero. */
void gs__cpu_to_bfloat16_pairs(const float *first, const float *second, size_t count, uint32_t *to);

/* sum + a·b of every lane of vectors of words. A word is a float, … */
#define GS_ADD_FLOATS(vector, sum, a, b) ((sum) + (vector)(a) * (vector)(b))
/* … or two bfloat16 values, where there is no instruction for it: as floats, the upper halves are
 * words with the rest masked, the lower ones words with the rest shifted out. */
#define GS_ADD_PAIRS(vector, sum, a, b)                                                            \
    ((sum) + (vector)((a) << 16) * (vector)((b) << 16) +                                           \
     (vector)((a)&0xFFFF0000u) * (vector)((b)&0xFFFF0000u))

#endif
