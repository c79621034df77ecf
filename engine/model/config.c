#include "engine/model/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The TASKS table of the reference program. */
static const struct preset {
    const char *name;
    int channels, height, columns;
    int levels, encoder[GS_MAX_LEVELS];
    int unique;
    int disc_levels, disc[GS_MAX_LEVELS];
} presets[] = {
    {"brain", 4, 240, 120, 6, {16, 32, 64, 128, 256, 512}, 128, 5, {64, 64, 128, 256, 512}},
    {"liver", 1, 256, 256, 6, {16, 32, 64, 128, 256, 512}, 128, 5, {64, 64, 128, 256, 512}},
    {"synthetic48", 1, 48, 48, 5, {32, 64, 128, 256, 512}, 128, 4, {128, 128, 256, 512}},
    {"synthetic128", 1, 128, 128, 6, {16, 32, 64, 128, 256, 512}, 128, 5, {64, 64, 128, 256, 512}},
    {"tiny", 2, 20, 14, 3, {4, 8, 16}, 4, 3, {4, 4, 8}},
};

enum { PRESETS = sizeof presets / sizeof *presets };

const char *gs_preset_name(int n) {
    return n >= 0 && n < PRESETS ? presets[n].name : NULL;
}

static gs_status scale_channels(const struct preset *p, gs_model_config *config, gs_error *err) {
    double width = config->width;
    int smallest = config->unique_channels = (int)(p->unique * width);
    for (int i = 0; i < p->levels; i++) {
        config->encoder_channels[i] = (int)(p->encoder[i] * width);
        if (config->encoder_channels[i] < smallest) smallest = config->encoder_channels[i];
    }
    for (int i = 0; i < p->disc_levels; i++) {
        config->disc_channels[i] = (int)(p->disc[i] * width);
        if (config->disc_channels[i] < smallest) smallest = config->disc_channels[i];
    }
    if (smallest < 1)
        return gs_fail(err, GS_INVALID_ARGUMENT, "width %g leaves a layer of %s without channels",
                       width, p->name);
    return GS_OK;
}

gs_status gs_model_config_make(const char *preset, double width, int channels, int height,
                               int columns, gs_model_config *out, gs_error *err) {
    const struct preset *p = NULL;
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(preset, presets[i].name) == 0) p = &presets[i];
    if (!p)
        return gs_fail(
            err, GS_INVALID_ARGUMENT,
            "no preset \"%.40s\": there are brain, liver, synthetic128, synthetic48, tiny", preset);
    if (!(width > 0 && width <= 1))
        return gs_fail(err, GS_INVALID_ARGUMENT, "width %g is not in (0, 1]", width);
    gs_model_config config = {.width = width,
                              .channels = channels ? channels : p->channels,
                              .height = height ? height : p->height,
                              .columns = columns ? columns : p->columns,
                              .architecture = gs_architecture_default(),
                              .encoder_levels = p->levels,
                              .disc_levels = p->disc_levels};
    snprintf(config.preset, sizeof config.preset, "%s", p->name);
    if (config.channels < 1 || config.channels > GS_MAX_CHANNELS || config.height < 1 ||
        config.height > GS_MAX_SIDE || config.columns < 1 || config.columns > GS_MAX_SIDE)
        return gs_fail(
            err, GS_INVALID_ARGUMENT,
            "images of %d channels, %d×%d: 1 to %d channels and sides of 1 to %d are possible",
            config.channels, config.height, config.columns, GS_MAX_CHANNELS, GS_MAX_SIDE);
    GS_TRY(scale_channels(p, &config, err));
    *out = config;
    return GS_OK;
}
