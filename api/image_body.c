/* The image in a request's body. */
#include <string.h>

#include "api/handler.h"
#include "api/slice_json.h"
#include "base/memory.h"
#include "engine/image/decode.h"

gs_status gs_decode_image_bytes(const gs_api_context *context, const char *content_type,
                                const char *bytes, size_t size, gs_image *out, gs_error *err) {
    if (size == 0) return gs_fail(err, GS_MALFORMED, "the image has no bytes");
    return gs_image_decode(content_type, bytes, size, &context->limits.image, out, err);
}

/* Decodes every part named `image`; the first *count_out entries of images are the caller's also on
 * failure. */
static gs_status decode_parts(const gs_api_context *context, const gs_part *parts, size_t count,
                              gs_image images[GS_MAX_PARTS], size_t *count_out, gs_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(parts[i].name, "image") != 0)
            return gs_fail(
                err, GS_INVALID_ARGUMENT,
                "the multipart body has a part \"%s\"; every part must be named \"image\"",
                parts[i].name);
        GS_TRY(gs_decode_image_bytes(context, parts[i].content_type, parts[i].bytes, parts[i].size,
                                     &images[*count_out], err));
        ++*count_out;
    }
    return GS_OK;
}

gs_status gs_request_image(const gs_api_context *context, const gs_request *request, gs_image *out,
                           gs_error *err) {
    if (!gs_request_has_type(request, "multipart/form-data")) {
        /* Without parameters: those of stored slices are not for clients. */
        const char *type = gs_request_get_header(request, "Content-Type");
        const char *known = gs_image_type_find(type);
        return gs_decode_image_bytes(context,
                                     known  ? known
                                     : type ? type
                                            : "(none)",
                                     request->body, request->body_size, out, err);
    }
    gs_part parts[GS_MAX_PARTS];
    gs_image images[GS_MAX_PARTS] = {0};
    size_t part_count, count = 0;
    GS_TRY(gs_request_multipart(request, parts, &part_count, err));
    gs_status status = decode_parts(context, parts, part_count, images, &count, err);
    if (status == GS_OK && count == 1) {
        *out = images[0]; /* one part may hold all channels */
        images[0] = (gs_image){0};
    } else if (status == GS_OK) {
        status = gs_image_stack(images, count, &context->limits.image, out, err);
    }
    for (size_t i = 0; i < count; i++) gs_image_deinit(&images[i]);
    return status;
}
