/* The cpu backend: oneDNN or our own kernels for convolutions, our own for the gradients of weights
 * and all around them, fp32.
 *
 * Layout: channels-last from the first layer to the last, so no layer converts anything and odd
 * channel counts (a concatenated skip makes 17, 33, … 257) need no padding. docs/architecture.md
 * has the measurement against oneDNN's 16-channel blocks that decided this. */
#include "engine/backend/cpu/cpu_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gs_isa processor_isa(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return GS_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return GS_ISA_AVX2;
#endif
    return GS_ISA_DEFAULT;
}

/* What the processor has, at most what GENSEG_MAX_CPU_ISA names. */
static gs_status choose_isa(gs_isa *out, gs_error *err) {
    static const char *const names[] = {
        [GS_ISA_DEFAULT] = "default", [GS_ISA_AVX2] = "avx2", [GS_ISA_AVX512] = "avx512"};
    const char *wanted = getenv("GENSEG_MAX_CPU_ISA");
    gs_isa have = processor_isa();
    if (!wanted || !*wanted) {
        *out = have;
        return GS_OK;
    }
    for (int i = GS_ISA_DEFAULT; i <= GS_ISA_AVX512; i++)
        if (strcmp(wanted, names[i]) == 0) {
            *out = (gs_isa)i < have ? (gs_isa)i : have;
            return GS_OK;
        }
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "GENSEG_MAX_CPU_ISA is \"%s\"; it may be avx512, avx2 or default", wanted);
}

static bool has_native_bf16(gs_isa isa) {
#if defined(__x86_64__)
    return isa == GS_ISA_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
    (void)isa;
    return false;
#endif
}

/* GENSEG_EMULATE_BF16=1 computes in it without the processor's help, slowly: for tests. */
static gs_precision cpu_resolve_precision(gs_precision wanted) {
    const char *emulate = getenv("GENSEG_EMULATE_BF16");
    gs_isa isa = GS_ISA_DEFAULT;
    gs_error ignored; /* opening says what is wrong */
    if (wanted == GS_PRECISION_FP32 || wanted == GS_PRECISION_TF32 || choose_isa(&isa, &ignored) != GS_OK)
        return GS_PRECISION_FP32;
    if (has_native_bf16(isa)) return GS_PRECISION_BF16;
    bool emulates = wanted == GS_PRECISION_BF16 && emulate && strcmp(emulate, "1") == 0;
    return emulates ? GS_PRECISION_BF16 : GS_PRECISION_FP32;
}

static gs_bf16 choose_bf16(gs_precision precision, gs_isa isa) {
    if (precision != GS_PRECISION_BF16) return GS_BF16_NONE;
    return has_native_bf16(isa) ? GS_BF16_NATIVE : GS_BF16_EMULATED;
}

static gs_status cpu_probe(const gs_engine_wish *wish, gs_engine_choice *out, gs_error *err) {
    (void)err;
    out->precision = cpu_resolve_precision(wish->precision);
    if (wish->precision == GS_PRECISION_BF16 && out->precision != GS_PRECISION_BF16)
        snprintf(out->remark, sizeof out->remark,
                 "not bf16: this processor has no AVX512-BF16");
    if (wish->precision == GS_PRECISION_TF32)
        snprintf(out->remark, sizeof out->remark, "not tf32: a processor multiplies fp32");
    return GS_OK;
}

static gs_status cpu_open(const gs_backend_options *options, void **state_out, gs_error *err) {
    gs_isa isa = GS_ISA_DEFAULT;
    GS_TRY(choose_isa(&isa, err));
    gs_cpu_state *state = gs_alloc(1, sizeof *state);
    if (!state) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the cpu backend");
    state->threads = options->threads;
    state->isa = isa;
    state->bf16 = choose_bf16(options->precision, isa);
    if (dnnl_engine_create(&state->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&state->stream, state->engine, dnnl_stream_default_flags) !=
            dnnl_success) {
        dnnl_engine_destroy(state->engine);
        gs_free(state);
        return gs_fail(err, GS_BACKEND, "oneDNN cannot open the processor");
    }
    *state_out = state;
    return GS_OK;
}

static void cpu_close(void *opaque) {
    gs_cpu_state *state = opaque;
    dnnl_stream_destroy(state->stream);
    dnnl_engine_destroy(state->engine);
    gs_free(state);
}

#define CONVOLUTION                                                                                \
    { gs__cpu_conv_prepare, gs__cpu_conv_run, gs__cpu_conv_release, gs__cpu_conv_packing, NULL }
#define PLAIN(name)                                                                                \
    { NULL, gs__cpu_##name, NULL, NULL, NULL }
#define WITH_SCRATCH(name)                                                                         \
    { gs__cpu_##name##_scratch, gs__cpu_##name, NULL, NULL, NULL }
#define LOSS(name)                                                                                 \
    { gs__cpu_loss_scratch, gs__cpu_##name, NULL, NULL, NULL }

const gs_backend gs_backend_cpu = {
    .name = "cpu",
    .element_size = sizeof(float),
    .open = cpu_open,
    .close = cpu_close,
    .probe = cpu_probe,
    .choose_types = gs__cpu_choose_types,
    .kernels =
        {
            [GS_OP_EFFECTIVE_WEIGHT] = PLAIN(effective_weight),
            [GS_OP_EFFECTIVE_WEIGHT_GRADIENT] = WITH_SCRATCH(effective_weight_gradient),
            [GS_OP_POWER_ITERATION] = WITH_SCRATCH(power_iteration),
            [GS_OP_CONV] = CONVOLUTION,
            [GS_OP_CONV_GRADIENT_DATA] = CONVOLUTION,
            [GS_OP_CONV_GRADIENT_WEIGHT] = WITH_SCRATCH(conv_gradient_weight),
            [GS_OP_PACK_WEIGHT] = {gs__cpu_pack_weight_prepare, gs__cpu_pack_weight,
                                   gs__cpu_pack_release, NULL, NULL},
            [GS_OP_NORM_STATISTICS] = WITH_SCRATCH(norm_statistics),
            [GS_OP_PREPARE] = WITH_SCRATCH(prepare),
            [GS_OP_PREPARE_GRADIENT] = WITH_SCRATCH(prepare_gradient),
            [GS_OP_BATCH_STATISTICS] = WITH_SCRATCH(batch_statistics),
            [GS_OP_RUNNING_STATISTICS] = PLAIN(running_statistics),
            [GS_OP_UPDATE_STATISTICS] = PLAIN(update_statistics),
            [GS_OP_BATCH_NORM_GRADIENT] = WITH_SCRATCH(batch_norm_gradient),
            [GS_OP_SCALE_CHANNELS] = PLAIN(scale_channels),
            [GS_OP_SUBPIXEL_WEIGHT] = PLAIN(subpixel_weight),
            [GS_OP_SUBPIXEL_WEIGHT_GRADIENT] = PLAIN(subpixel_weight_gradient),
            [GS_OP_BORDER_WEIGHT] = PLAIN(border_weight),
            [GS_OP_BORDER_WEIGHT_GRADIENT] = PLAIN(border_weight_gradient),
            [GS_OP_BORDER] = {gs__cpu_border_prepare, gs__cpu_border, gs__cpu_border_release,
                              gs__cpu_border_packing, NULL},
            [GS_OP_BORDER_GRADIENT] = WITH_SCRATCH(border_gradient),
            [GS_OP_PIXEL_SHUFFLE] = WITH_SCRATCH(pixel_shuffle),
            [GS_OP_PIXEL_SHUFFLE_GRADIENT] = WITH_SCRATCH(pixel_shuffle_gradient),
            [GS_OP_ADD] = PLAIN(add),
            [GS_OP_SUM] = PLAIN(sum),
            [GS_OP_CONCAT_CHANNELS] = PLAIN(concat_channels),
            [GS_OP_SLICE_CHANNELS] = PLAIN(slice_channels),
            [GS_OP_CONCAT_BATCH] = PLAIN(concat_batch),
            [GS_OP_TANH] = PLAIN(tanh),
            [GS_OP_TANH_GRADIENT] = PLAIN(tanh_gradient),
            [GS_OP_SIGMOID] = PLAIN(sigmoid),
            [GS_OP_SIGMOID_GRADIENT] = PLAIN(sigmoid_gradient),
            [GS_OP_AVERAGE_POOL] = PLAIN(average_pool),
            [GS_OP_AVERAGE_POOL_GRADIENT] = PLAIN(average_pool_gradient),
            [GS_OP_LOSS_L1] = LOSS(loss_l1),
            [GS_OP_LOSS_L1_GRADIENT] = PLAIN(loss_l1_gradient),
            [GS_OP_LOSS_HINGE] = LOSS(loss_hinge),
            [GS_OP_LOSS_HINGE_GRADIENT] = PLAIN(loss_hinge_gradient),
            [GS_OP_LOSS_NEGATIVE_MEAN] = LOSS(loss_negative_mean),
            [GS_OP_LOSS_NEGATIVE_MEAN_GRADIENT] = PLAIN(loss_negative_mean_gradient),
            [GS_OP_LOSS_DICE] = LOSS(loss_dice),
            [GS_OP_LOSS_DICE_GRADIENT] = LOSS(loss_dice_gradient),
            [GS_OP_LOSS_SQUARED] = LOSS(loss_squared),
            [GS_OP_LOSS_SQUARED_GRADIENT] = PLAIN(loss_squared_gradient),
            [GS_OP_LOSS_LOG_MEAN_EXP] = PLAIN(loss_log_mean_exp),
            [GS_OP_LOSS_LOG_MEAN_EXP_GRADIENT] = PLAIN(loss_log_mean_exp_gradient),
            [GS_OP_AMSGRAD] = PLAIN(amsgrad),
            [GS_OP_MOVING_AVERAGE] = PLAIN(moving_average),
        },
};
