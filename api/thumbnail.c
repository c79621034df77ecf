/* GET /v1/slices/{id}/thumbnail: small pictures for lists of thousands. A slice's pixels never
 * change, so browsers keep them, and the server keeps some for the next browser. */
#include <stdio.h>

#include "api/resources.h"
#include "api/thumbnail_cache.h"
#include "base/memory.h"
#include "engine/image/decode.h"
#include "engine/image/png.h"
#include "store/slice.h"

enum { LONGEST_MIN = 16, LONGEST_MAX = 256, LONGEST_DEFAULT = 96 };

/* Where pixel `i` of `small` begins in a row of `large`. */
static int edge(int i, int small, int large) {
    return (int)((int64_t)i * large / small);
}

/* The mean of the pixels that fall on (row, column) of the smaller plane. */
static float mean_of(const float *plane, const gs_image *image, const gs_png_options *small,
                     int row, int column) {
    int top = edge(row, small->height, image->height);
    int bottom = edge(row + 1, small->height, image->height);
    int left = edge(column, small->width, image->width);
    int right = edge(column + 1, small->width, image->width);
    double sum = 0;
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
            sum += (double)plane[(size_t)y * (size_t)image->width + (size_t)x];
    return (float)(sum / ((double)(bottom - top) * (right - left)));
}

/* The side that becomes `size` when the longer one does; never 0, never more than before. */
static int scaled(int side, int longer, int size) {
    if (longer <= size) return side;
    int small = (int)(((int64_t)side * size + longer / 2) / longer);
    return small > 0 ? small : 1;
}

static gs_status render(const gs_slice_record *slice, const char *bytes, size_t size, int channel,
                        int longest, char **png, size_t *png_size, gs_error *err) {
    gs_image image;
    /* The limits held when it was stored; lower ones of today do not make it unreadable. */
    GS_TRY(gs_image_decode(slice->content_type, bytes, size, NULL, &image, err));
    const float *plane = gs_image_channel(&image, channel);
    int longer = image.height > image.width ? image.height : image.width;
    gs_png_options options = {.height = scaled(image.height, longer, longest),
                              .width = scaled(image.width, longer, longest)};
    gs_image_range(plane, gs_image_plane(&image), &options.low, &options.high);
    float *small = gs_alloc((size_t)options.height * (size_t)options.width, sizeof *small);
    gs_status status = small ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a thumbnail");
    for (int y = 0; small && y < options.height; y++)
        for (int x = 0; x < options.width; x++)
            small[(size_t)y * (size_t)options.width + (size_t)x] =
                mean_of(plane, &image, &options, y, x);
    if (status == GS_OK) status = gs_png_encode_float(small, &options, png, png_size, err);
    gs_free(small);
    gs_image_deinit(&image);
    return status;
}

static gs_status make(const gs_api_context *context, const gs_slice_record *slice, int channel,
                      int longest, char **png, size_t *png_size, gs_error *err) {
    void *bytes = NULL;
    size_t size = 0;
    GS_TRY(gs_store_slice_content(context->store, slice->id, NULL, &bytes, &size, err));
    gs_status status = render(slice, bytes, size, channel, longest, png, png_size, err);
    gs_free(bytes);
    return status;
}

gs_status gs_api_slice_thumbnail(const gs_api_context *context, const gs_request *request,
                                 gs_response *response, gs_error *err) {
    gs_slice_record slice;
    gs_fields fields;
    char tag[GS_THUMBNAIL_TAG_SIZE];
    bool not_modified = false;
    char *png = NULL;
    size_t size = 0;
    GS_TRY(gs_store_slice_get(context->store, request->params[0], &slice, err));
    gs_fields_of_query(request, response, &fields);
    int channel = (int)gs_fields_integer(&fields, "channel", GS_OPTIONAL, 0, slice.channels - 1, 0);
    int longest = (int)gs_fields_integer(&fields, "size", GS_OPTIONAL, LONGEST_MIN, LONGEST_MAX,
                                         LONGEST_DEFAULT);
    GS_TRY(gs_fields_finish(&fields, err));
    snprintf(tag, sizeof tag, "%s-%d-%d", slice.sha256, channel, longest);
    GS_TRY(gs_response_set_header(response, err, "Cache-Control",
                                  "private, max-age=31536000, immutable"));
    GS_TRY(gs_response_set_etag(request, response, tag, &not_modified, err));
    if (not_modified) return GS_OK;
    if (!gs_thumbnail_cache_find(context->thumbnails, tag, &png, &size)) {
        GS_TRY(make(context, &slice, channel, longest, &png, &size, err));
        gs_thumbnail_cache_keep(context->thumbnails, tag, png, size);
    }
    return gs_response_set_body(response, 200, "image/png", png, size, err);
}
