#include "engine/backend/cpu/bfloat16.h"

#include "engine/backend/cpu/cpu_internal.h"

GS_VECTORIZED void gs__cpu_to_bfloat16(const float *restrict from, size_t count,
                                       uint16_t *restrict to) {
    for (size_t i = 0; i < count; i++) to[i] = gs__bfloat16(from[i]);
}
