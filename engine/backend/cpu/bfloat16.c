#include "engine/backend/cpu/bfloat16.h"

#include "engine/backend/cpu/cpu_internal.h"

GS_VECTORIZED void gs__cpu_to_bfloat16(const float *restrict from, size_t count,
                                       uint16_t *restrict to) {
    for (size_t i = 0; i < count; i++) to[i] = gs__bfloat16(from[i]);
}

GS_VECTORIZED void gs__cpu_to_bfloat16_pairs(const float *restrict first,
                                             const float *restrict second, size_t count,
                                             uint32_t *restrict to) {
    for (size_t i = 0; i < count; i++) to[i] = gs__bfloat16(first[i]);
    for (size_t i = 0; second && i < count; i++) to[i] |= (uint32_t)gs__bfloat16(second[i]) << 16;
}
