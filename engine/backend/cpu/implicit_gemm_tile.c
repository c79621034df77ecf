/* The instruction sets and precisions that implicit_gemm_tile.h is compiled for. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/implicit_gemm.h"

#include <string.h>

/* Pairs have the native kernel's shape without its instruction: tests run them everywhere. */
#define TILE(name) plain_##name
#define TILE_TARGET
#define TILE_LANES 16
#define TILE_PIXELS 12
#define TILE_ADD(sum, a, b) GS_ADD_PAIRS(plain_vector, sum, a, b)
#include "engine/backend/cpu/implicit_gemm_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TILE(name) avx2_##name
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_LANES 8
#define TILE_PIXELS 6
#define TILE_ADD(sum, a, b) GS_ADD_FLOATS(avx2_vector, sum, a, b)
#include "engine/backend/cpu/implicit_gemm_tile.h"

#define TILE(name) avx512_##name
#define TILE_TARGET __attribute__((target("avx512f")))
#define TILE_LANES 16
#define TILE_PIXELS 12
#define TILE_ADD(sum, a, b) GS_ADD_FLOATS(avx512_vector, sum, a, b)
#include "engine/backend/cpu/implicit_gemm_tile.h"

#define TILE(name) avx2_pairs_##name
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_LANES 16
#define TILE_PIXELS 12
#define TILE_ADD(sum, a, b) GS_ADD_PAIRS(avx2_pairs_vector, sum, a, b)
#include "engine/backend/cpu/implicit_gemm_tile.h"

#define TILE(name) native_##name
#define TILE_TARGET __attribute__((target("avx512f,avx512bf16")))
#define TILE_LANES 16
#define TILE_PIXELS 12
#define TILE_ADD(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
#include "engine/backend/cpu/implicit_gemm_tile.h"
#endif

const gs_gemm_kernel *gs__gemm_kernel(gs_isa isa, gs_bf16 bf16) {
#define KERNEL(isa, bf16, lanes, pixels, values, name)                                             \
    { isa, bf16, lanes, pixels, values, name##_full, name##_half }
    static const gs_gemm_kernel plain = KERNEL(GS_ISA_DEFAULT, GS_BF16_EMULATED, 16, 12, 2, plain);
#if defined(__x86_64__)
    static const gs_gemm_kernel floats[] = {
        [GS_ISA_AVX2] = KERNEL(GS_ISA_AVX2, GS_BF16_NONE, 8, 6, 1, avx2),
        [GS_ISA_AVX512] = KERNEL(GS_ISA_AVX512, GS_BF16_NONE, 16, 12, 1, avx512),
    };
    static const gs_gemm_kernel avx2_pairs =
        KERNEL(GS_ISA_AVX2, GS_BF16_EMULATED, 16, 12, 2, avx2_pairs);
    static const gs_gemm_kernel native = KERNEL(GS_ISA_AVX512, GS_BF16_NATIVE, 16, 12, 2, native);
    if (bf16 == GS_BF16_NATIVE) return &native;
    if (bf16 == GS_BF16_EMULATED && isa >= GS_ISA_AVX2) return &avx2_pairs;
    if (bf16 == GS_BF16_NONE) return isa >= GS_ISA_AVX2 ? &floats[isa] : NULL;
#endif
#undef KERNEL
    return bf16 == GS_BF16_NONE ? NULL : &plain;
}
