/* What a model is: preset, width and the images it takes. Value type; knows no weights. */
#ifndef GS_ENGINE_MODEL_CONFIG_H
#define GS_ENGINE_MODEL_CONFIG_H

#include "engine/model/architecture.h"

enum { GS_MAX_LEVELS = 8, GS_MAX_CHANNELS = 16, GS_MAX_SIDE = 4096 };

/* How the pixels of an image become the model's input (engine/image/normalize.h). */
typedef enum gs_normalization {
    GS_NORMALIZE_NONE,       /* taken as they are */
    GS_NORMALIZE_UNIT,       /* 2x - 1: pixels in [0,1], as PNG gives them, to the range of tanh. A residual is
                                within [-1,1], half that range: a lesion that differs more from what
                                is below it can be neither painted nor wholly removed. NONE has no
                                such limit for pixels in [0,1]. */
    GS_NORMALIZE_FOREGROUND, /* per channel: minus the mean, divided by 5 standard deviations, both
                                of the nonzero pixels; zero pixels stay zero */
} gs_normalization;

typedef struct gs_model_config {
    char preset[16];               /* brain liver synthetic128 synthetic48 tiny */
    double width;                  /* multiplier of every channel count, > 0 and <= 1 */
    int channels, height, columns; /* of an input image [C,H,W]; the preset's unless set */
    gs_normalization normalization;
    gs_architecture architecture;
    /* Derived from preset and width: */
    int encoder_levels, encoder_channels[GS_MAX_LEVELS];
    int unique_channels; /* of the code's encoder_channels[last]; the common code has the rest */
    int disc_levels, disc_channels[GS_MAX_LEVELS];
} gs_model_config;

/* Fills *out from a preset's name and a width, with the default architecture. channels, height and
 * columns of 0 mean the preset's.
 * INVALID_ARGUMENT names an unknown preset, a width that leaves a layer without channels, or a size
 * out of range. */
GS_MUST_CHECK gs_status gs_model_config_make(const char *preset, double width, int channels,
                                             int height, int columns, gs_model_config *out,
                                             gs_error *err);

/* The n-th preset's name, n from 0; NULL beyond the last. */
const char *gs_preset_name(int n);

#endif
