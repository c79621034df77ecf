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
    static const gs_gemm_kernel plain = {16, 12, 2, plain_full, plain_half};
#if defined(__x86_64__)
    static const gs_gemm_kernel avx2 = {8, 6, 1, avx2_full, avx2_half};
    static const gs_gemm_kernel avx2_pairs = {16, 12, 2, avx2_pairs_full, avx2_pairs_half};
    static const gs_gemm_kernel native = {16, 12, 2, native_full, native_half};
    if (bf16 == GS_BF16_NATIVE) return &native;
    if (bf16 == GS_BF16_EMULATED && isa >= GS_ISA_AVX2) return &avx2_pairs;
    if (bf16 == GS_BF16_NONE) return isa == GS_ISA_AVX2 ? &avx2 : NULL;
#endif
    return bf16 == GS_BF16_NONE ? NULL : &plain;
}
