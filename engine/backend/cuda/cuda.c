/* The cuda backend: cuDNN's convolutions, our kernels for all the rest, one stream. */
#include "engine/backend/cuda/cuda_internal.h"

#include "engine/backend/plugin.h"

#define CONVOLUTION(name)                                                                          \
    {                                                                                              \
        gs__cuda_prepare_convolution, gs__cuda_run_##name, gs__cuda_conv_release,                  \
            gs__cuda_conv_packing, NULL                                                            \
    }
#define PLAIN(name)                                                                                \
    { NULL, gs__cuda_run_##name, NULL, NULL, NULL }
#define PREPARED(name, prepare)                                                                    \
    { gs__cuda_prepare_##prepare, gs__cuda_run_##name, NULL, NULL, NULL }
#define WITH_TABLE(name, prepare, table)                                                           \
    {                                                                                              \
        gs__cuda_prepare_##prepare, gs__cuda_run_##name, gs__cuda_free_handle, NULL,               \
            gs__cuda_##table##_table                                                               \
    }

static const gs_backend backend = {
    .name = "cuda",
    .element_size = sizeof(float),
    .probe = gs__cuda_probe,
    .open = gs__cuda_open,
    .close = gs__cuda_close,
    .choose_types = gs__cuda_choose_types,
    .queue = &gs__cuda_queue,
    .kernels =
        {
            [GS_OP_EFFECTIVE_WEIGHT] = PREPARED(effective_weight, spectral),
            [GS_OP_EFFECTIVE_WEIGHT_GRADIENT] =
                PREPARED(effective_weight_gradient, effective_weight_gradient),
            [GS_OP_POWER_ITERATION] = PREPARED(power_iteration, spectral),
            [GS_OP_CONV] = CONVOLUTION(conv),
            [GS_OP_CONV_GRADIENT_DATA] = CONVOLUTION(conv_gradient_data),
            /* Its weight is what it makes: nothing is packed. */
            [GS_OP_CONV_GRADIENT_WEIGHT] = {gs__cuda_prepare_convolution,
                                            gs__cuda_run_conv_gradient_weight,
                                            gs__cuda_conv_release, NULL, NULL},
            [GS_OP_PACK_WEIGHT] = PLAIN(pack_weight),
            [GS_OP_NORM_STATISTICS] = PREPARED(norm_statistics, statistics),
            [GS_OP_PREPARE] = WITH_TABLE(prepare, axes, axes),
            [GS_OP_PREPARE_GRADIENT] = WITH_TABLE(prepare_gradient, axes_and_scratch, axes),
            [GS_OP_BATCH_STATISTICS] = PREPARED(batch_statistics, statistics),
            [GS_OP_RUNNING_STATISTICS] = PLAIN(running_statistics),
            [GS_OP_UPDATE_STATISTICS] = PLAIN(update_statistics),
            [GS_OP_BATCH_NORM_GRADIENT] = PLAIN(batch_norm_gradient),
            [GS_OP_SCALE_CHANNELS] = PLAIN(scale_channels),
            [GS_OP_SUBPIXEL_WEIGHT] = PLAIN(subpixel_weight),
            [GS_OP_SUBPIXEL_WEIGHT_GRADIENT] = PLAIN(subpixel_weight_gradient),
            [GS_OP_BORDER_WEIGHT] = PLAIN(border_weight),
            [GS_OP_BORDER_WEIGHT_GRADIENT] = PLAIN(border_weight_gradient),
            [GS_OP_BORDER] = PLAIN(border),
            [GS_OP_BORDER_GRADIENT] = PREPARED(border_gradient, border_gradient),
            [GS_OP_PIXEL_SHUFFLE] = PLAIN(pixel_shuffle),
            [GS_OP_PIXEL_SHUFFLE_GRADIENT] =
                PREPARED(pixel_shuffle_gradient, pixel_shuffle_gradient),
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
            [GS_OP_LOSS_L1] = PREPARED(loss_l1, loss),
            [GS_OP_LOSS_L1_GRADIENT] = PLAIN(loss_l1_gradient),
            [GS_OP_LOSS_HINGE] = PREPARED(loss_hinge, loss),
            [GS_OP_LOSS_HINGE_GRADIENT] = PLAIN(loss_hinge_gradient),
            [GS_OP_LOSS_NEGATIVE_MEAN] = PREPARED(loss_negative_mean, loss),
            [GS_OP_LOSS_NEGATIVE_MEAN_GRADIENT] = PLAIN(loss_negative_mean_gradient),
            [GS_OP_LOSS_DICE] = PREPARED(loss_dice, loss),
            [GS_OP_LOSS_DICE_GRADIENT] = PREPARED(loss_dice_gradient, loss),
            [GS_OP_LOSS_SQUARED] = PREPARED(loss_squared, loss),
            [GS_OP_LOSS_SQUARED_GRADIENT] = PLAIN(loss_squared_gradient),
            [GS_OP_LOSS_LOG_MEAN_EXP] = PREPARED(loss_log_mean_exp, loss),
            [GS_OP_LOSS_LOG_MEAN_EXP_GRADIENT] = PREPARED(loss_log_mean_exp_gradient, loss),
            [GS_OP_AMSGRAD] = WITH_TABLE(amsgrad, amsgrad, amsgrad),
            [GS_OP_MOVING_AVERAGE] = PLAIN(moving_average),
        },
};

/* What the program looks for in this library. */
extern const gs_plugin gs_cuda_plugin;
const gs_plugin gs_cuda_plugin = {GENSEG_VERSION, GS_OP_COUNT, &backend};
