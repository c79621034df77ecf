#include "engine/image/normalize.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [GS_NORMALIZE_NONE] = "none",
    [GS_NORMALIZE_UNIT] = "unit",
    [GS_NORMALIZE_FOREGROUND] = "foreground",
};
enum { NAMES = sizeof names / sizeof names[0] };

const char *gs_normalization_name(gs_normalization normalization) {
    return names[normalization];
}

gs_status gs_normalization_parse(const char *name, gs_normalization *out, gs_error *err) {
    for (size_t i = 0; i < NAMES; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (gs_normalization)i;
        return GS_OK;
    }
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "no normalization is called \"%.80s\"; there are none, unit and foreground",
                   name);
}

/* Two passes: the sum of squares of large, nearly equal values would lose the deviation. */
bool gs_foreground_measure(const float *pixels, size_t count, double *mean_out,
                           double *deviation_out) {
    double sum = 0, squares = 0;
    size_t nonzero = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)pixels[i];
        nonzero += pixels[i] != 0.0f;
    }
    if (nonzero == 0) return false;
    const double mean = sum / (double)nonzero;
    for (size_t i = 0; i < count; i++)
        if (pixels[i] != 0.0f) squares += ((double)pixels[i] - mean) * ((double)pixels[i] - mean);
    const double deviation = sqrt(squares / (double)nonzero);
    /* Rounding of the mean leaves equal values a deviation of about 1e-16 of their size. */
    *deviation_out = deviation > 1e-12 * fabs(mean) ? deviation : 0;
    *mean_out = mean;
    return true;
}

/* A result is bounded by sqrt(count) / 5, so it is finite whatever the pixels. */
static void normalize_foreground(float *pixels, size_t count) {
    double mean, deviation;
    if (!gs_foreground_measure(pixels, count, &mean, &deviation)) return;
    const double factor = deviation > 0 ? 1 / (5 * deviation) : 0;
    for (size_t i = 0; i < count; i++)
        if (pixels[i] != 0.0f) pixels[i] = (float)(((double)pixels[i] - mean) * factor);
}

gs_status gs_normalize(gs_image *image, gs_normalization normalization, gs_error *err) {
    GS_TRY(gs_image_check_finite(image, err));
    switch (normalization) {
    case GS_NORMALIZE_NONE:
        break;
    case GS_NORMALIZE_UNIT:
        for (size_t i = 0; i < gs_image_values(image); i++)
            image->pixels[i] = 2 * image->pixels[i] - 1;
        break;
    case GS_NORMALIZE_FOREGROUND:
        for (int c = 0; c < image->channels; c++)
            normalize_foreground(gs_image_channel(image, c), gs_image_plane(image));
        break;
    }
    return GS_OK;
}
