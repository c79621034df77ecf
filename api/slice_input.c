#include "api/slice_input.h"

#include "engine/data/volume_cut.h"
#include "engine/image/decode.h"
#include "engine/image/normalize.h"

const char *gs_slice_normalization(const gs_slice_record *slice) {
    gs_volume_preset preset;
    bool is_normalized =
        gs_volume_preset_find(slice->preset, &preset) && gs_volume_preset_normalizes(preset);
    return is_normalized ? slice->normalization : NULL;
}

gs_status gs_slice_input_decode(const gs_slice_record *slice, const void *bytes, size_t size,
                                const gs_image_limits *limits, gs_image *image_out,
                                gs_pixels *pixels_out, gs_error *err) {
    const char *name = gs_slice_normalization(slice);
    gs_image image;
    GS_TRY(gs_image_decode(slice->content_type, bytes, size, limits, &image, err));
    gs_normalization normalization = GS_NORMALIZE_NONE;
    gs_status status = name ? gs_normalization_parse(name, &normalization, err) : GS_OK;
    if (status == GS_OK && name) status = gs_normalize(&image, normalization, err);
    if (status != GS_OK) {
        gs_image_deinit(&image);
        return status;
    }
    *image_out = image;
    *pixels_out = name ? GS_PIXELS_NORMALIZED : GS_PIXELS_RAW;
    return GS_OK;
}
