/* The instruction sets that weight_gradient_tile.h is compiled for. Not by GS_VECTORIZED: the sets
 * differ in how many sums their registers hold, and any can be asked for (gs_isa). */
#include "engine/backend/cpu/weight_gradient.h"

#define TILE(name) plain_##name
#define TILE_TARGET
#define TILE_LANES 4
#define TILE_OUTPUTS 6
#include "engine/backend/cpu/weight_gradient_tile.h"

#if defined(__x86_64__)
#define TILE(name) avx2_##name
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_LANES 8
#define TILE_OUTPUTS 6
#include "engine/backend/cpu/weight_gradient_tile.h"

#define TILE(name) avx512_##name
#define TILE_TARGET __attribute__((target("avx512f")))
#define TILE_LANES 16
#define TILE_OUTPUTS 12
#include "engine/backend/cpu/weight_gradient_tile.h"
#endif

const tile_kernel *gs__tile_kernel(gs_isa isa) {
    static const tile_kernel kernels[] = {
        [GS_ISA_DEFAULT] = {4, 6, plain_run},
#if defined(__x86_64__)
        [GS_ISA_AVX2] = {8, 6, avx2_run},
        [GS_ISA_AVX512] = {16, 12, avx512_run},
#endif
    };
    return &kernels[isa];
}
