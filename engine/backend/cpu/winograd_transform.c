/* The instruction sets and precisions that winograd_transform_set.h is compiled for: those of the
 * products (implicit_gemm_tile.c). */
#include "engine/backend/cpu/winograd_transform.h"

#include "engine/backend/cpu/bfloat16.h"

enum { MOST = WINOGRAD_MOST_POINTS, MOST_TAPS = 4 };

/* Points of F(4,3) are 0, ±A, ±B and ∞. Of those whose powers are short numbers these round least:
 * a quarter as much as 1 and 2, by trial on random maps. */
#define A 0.75f
#define B 1.5f
#define AA (A * A)
#define BB (B * B)

#define EACH(i, count) _Pragma("GCC unroll 36") for (int i = 0; i < (count); i++)

/* Vectors of 16 bfloat16 values by integer operations: as gs__bfloat16 and gs__from_bfloat16. */
typedef float plain_floats __attribute__((vector_size(64)));
typedef uint32_t plain_words __attribute__((vector_size(64)));
typedef uint16_t plain_halves __attribute__((vector_size(32)));

static inline __attribute__((always_inline)) void round_words(plain_words *bits) {
    plain_words is_nan = (plain_words)((*bits & 0x7FFFFFFFu) > 0x7F800000u);
    plain_words rounded = (*bits + 0x7FFFu + (*bits >> 16 & 1)) >> 16;
    *bits = (is_nan & (*bits >> 16 | 0x40)) | (~is_nan & rounded);
}

#define TRANSFORM(name) plain_##name
#define TRANSFORM_TARGET
#define TRANSFORM_LANES 16
#define TRANSFORM_BFLOAT16 1
#define TRANSFORM_TO_HALVES(v)                                                                     \
    ({                                                                                             \
        plain_words bits_ = (plain_words)(v);                                                      \
        round_words(&bits_);                                                                       \
        __builtin_convertvector(bits_, plain_halves);                                              \
    })
#define TRANSFORM_FROM_HALVES(halves)                                                              \
    ((plain_floats)(__builtin_convertvector(halves, plain_words) << 16))
#include "engine/backend/cpu/winograd_transform_set.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TRANSFORM(name) avx2_##name
#define TRANSFORM_TARGET __attribute__((target("avx2,fma")))
#define TRANSFORM_LANES 8
#define TRANSFORM_BFLOAT16 0
#include "engine/backend/cpu/winograd_transform_set.h"

#define TRANSFORM(name) avx512_##name
#define TRANSFORM_TARGET __attribute__((target("avx512f")))
#define TRANSFORM_LANES 16
#define TRANSFORM_BFLOAT16 0
#include "engine/backend/cpu/winograd_transform_set.h"

#define TRANSFORM(name) native_##name
#define TRANSFORM_TARGET __attribute__((target("avx512f,avx512bf16")))
#define TRANSFORM_LANES 16
#define TRANSFORM_BFLOAT16 1
#define TRANSFORM_TO_HALVES(v) ((native_unaligned_halves)_mm512_cvtneps_pbh((__m512)(v)))
#define TRANSFORM_FROM_HALVES(halves)                                                              \
    ((native_vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)(halves)), 16))
#include "engine/backend/cpu/winograd_transform_set.h"
#endif

const gs_winograd_filter *gs__winograd_filters(gs_isa isa, gs_bf16 bf16) {
#if defined(__x86_64__)
    static const gs_winograd_filter *const floats[] = {
        [GS_ISA_AVX2] = avx2_filters, [GS_ISA_AVX512] = avx512_filters};
    if (bf16 == GS_BF16_NATIVE) return native_filters;
    if (bf16 == GS_BF16_NONE && isa >= GS_ISA_AVX2) return floats[isa];
#endif
    (void)isa;
    return bf16 == GS_BF16_NONE ? NULL : plain_filters;
}
