/* Owns the table of content types. Must not know how any of the formats works. */
#include "engine/image/decode.h"

#include "engine/image/nifti_slice.h"
#include "engine/image/npy.h"
#include "engine/image/png.h"

#include <string.h>
#include <strings.h>

typedef gs_status decode_function(const char *bytes, size_t size, const gs_image_limits *limits,
                                  gs_image *out, gs_error *err);

static const struct {
    const char *type;
    decode_function *decode;
} formats[] = {
    {"image/png", gs_png_decode},
    {"application/x-npy", gs_npy_decode},
    {"application/x-nifti", gs_nifti_slice_decode},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

/* Of stored slices only, see gs_nifti_slice_decode_stored. */
static bool has_stored_axes(const char *content_type) {
    const char *parameter = strchr(content_type, ';');
    if (!parameter) return false;
    parameter += 1 + strspn(parameter + 1, " \t");
    return strcmp(parameter, "axes=stored") == 0;
}

/* The row of `formats`, or FORMATS. */
static size_t find_format(const char *content_type) {
    content_type += strspn(content_type, " \t");
    size_t length = strcspn(content_type, "; \t");
    size_t i = 0;
    while (i < FORMATS && !(strlen(formats[i].type) == length &&
                            strncasecmp(formats[i].type, content_type, length) == 0))
        i++;
    return i;
}

const char *gs_image_type(size_t n) {
    return n < FORMATS ? formats[n].type : NULL;
}

bool gs_image_type_is_known(const char *content_type) {
    return find_format(content_type) < FORMATS;
}

gs_status gs_image_decode(const char *content_type, const char *bytes, size_t size,
                          const gs_image_limits *limits, gs_image *out, gs_error *err) {
    size_t format = find_format(content_type);
    if (format == FORMATS)
        return gs_fail(err, GS_UNSUPPORTED,
                       "no image has content type \"%.80s\"; use image/png, application/x-npy or "
                       "application/x-nifti",
                       content_type);
    if (formats[format].decode == gs_nifti_slice_decode && has_stored_axes(content_type))
        return gs_nifti_slice_decode_stored(bytes, size, limits, out, err);
    return formats[format].decode(bytes, size, limits, out, err);
}
