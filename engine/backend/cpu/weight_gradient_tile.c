/* The instruction sets that weight_gradient_tile.h is compiled for. Not by GS_VECTORIZED: the sets
 * differ in how many sums their registers hold, and any can be asked for (gs_isa). */
#include "engine/backend/cpu/weight_gradient.h"

#include "engine/backend/cpu/bfloat16.h"

#define TILE(name) plain_##name
#define TILE_TARGET
#define TILE_LANES 4
#define TILE_OUTPUTS 6
#define TILE_ADD(sum, a, b) GS_ADD_FLOATS(plain_vector, sum, a, b)
#include "engine/backend/cpu/weight_gradient_tile.h"

/* Pairs have the native kernel's shape without its instruction: tests run them everywhere. */
#define TILE(name) plain_pairs_##name
#define TILE_TARGET
#define TILE_LANES 16
#define TILE_OUTPUTS 12
#define TILE_ADD(sum, a, b) GS_ADD_PAIRS(plain_pairs_vector, sum, a, b)
#include "engine/backend/cpu/weight_gradient_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TILE(name) avx2_##name
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_LANES 8
#define TILE_OUTPUTS 6
#define TILE_ADD(sum, a, b) GS_ADD_FLOATS(avx2_vector, sum, a, b)
#include "engine/backend/cpu/weight_gradient_tile.h"

#define TILE(name) avx512_##name
#define TILE_TARGET __attribute__((target("avx512f")))
#define TILE_LANES 16
#define TILE_OUTPUTS 12
#define TILE_ADD(sum, a, b) GS_ADD_FLOATS(avx512_vector, sum, a, b)
#include "engine/backend/cpu/weight_gradient_tile.h"

#define TILE(name) avx2_pairs_##name
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_LANES 16
#define TILE_OUTPUTS 12
#define TILE_ADD(sum, a, b) GS_ADD_PAIRS(avx2_pairs_vector, sum, a, b)
#include "engine/backend/cpu/weight_gradient_tile.h"

#define TILE(name) native_##name
#define TILE_TARGET __attribute__((target("avx512f,avx512bf16")))
#define TILE_LANES 16
#define TILE_OUTPUTS 12
#define TILE_ADD(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
#include "engine/backend/cpu/weight_gradient_tile.h"
#endif

const tile_kernel *gs__tile_kernel(gs_isa isa, gs_bf16 bf16) {
    static const tile_kernel floats[] = {
        [GS_ISA_DEFAULT] = {4, 6, plain_run},
#if defined(__x86_64__)
        [GS_ISA_AVX2] = {8, 6, avx2_run},
        [GS_ISA_AVX512] = {16, 12, avx512_run},
#endif
    };
    static const tile_kernel plain_pairs = {16, 12, plain_pairs_run};
#if defined(__x86_64__)
    static const tile_kernel avx2_pairs = {16, 12, avx2_pairs_run};
    static const tile_kernel native = {16, 12, native_run};
    if (bf16 == GS_BF16_NATIVE) return &native;
    if (bf16 == GS_BF16_EMULATED && isa >= GS_ISA_AVX2) return &avx2_pairs;
#endif
    return bf16 == GS_BF16_NONE ? &floats[isa] : &plain_pairs;
}
