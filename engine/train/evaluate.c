#include "engine/train/evaluate.h"

#include "base/memory.h"
#include "engine/image/mask.h"
#include "engine/image/normalize.h"

#include <math.h>
#include <string.h>

gs_status gs_dataset_read_normalized(const gs_dataset *dataset, uint32_t i, float *pixels,
                                     gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    size_t size = (size_t)info->channels * (size_t)info->height * (size_t)info->width;
    memcpy(pixels, gs_dataset_image(dataset, i), size * sizeof *pixels);
    gs_image image = {
        .channels = info->channels, .height = info->height, .width = info->width, .pixels = pixels};
    gs_error inner;
    gs_status status = gs_normalize(&image, info->normalization, &inner);
    if (status == GS_OK) return GS_OK;
    return gs_fail(err, status, "slice %u (%.100s): %.300s", i,
                   gs_dataset_get_slice(dataset, i)->name, inner.text);
}

/* ---- Over all rows ----------------------------------------------------------------------------
 */

typedef void add_slice(void *sum, const float *values, const uint8_t *mask, size_t pixels);

/* Gives `add` the values and the mask of each row. */
static gs_status visit(const gs_annotated_rows *rows, gs_pixel_map *map, void *context,
                       add_slice *add, void *sum, gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(rows->dataset);
    size_t pixels = (size_t)info->height * (size_t)info->width;
    size_t image = pixels * (size_t)info->channels;
    float *images = gs_alloc(GS_EVALUATION_BATCH * image, sizeof *images);
    float *values = gs_alloc(GS_EVALUATION_BATCH * pixels, sizeof *values);
    gs_status status =
        images && values ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    for (size_t done = 0; status == GS_OK && done < rows->count;) {
        size_t left = rows->count - done,
               n = left < GS_EVALUATION_BATCH ? left : GS_EVALUATION_BATCH;
        const uint32_t *batch = rows->rows + done;
        for (size_t i = 0; status == GS_OK && i < n; i++)
            status = gs_dataset_read_normalized(rows->dataset, batch[i], images + i * image, err);
        if (status == GS_OK) status = map(context, n, images, values, err);
        for (size_t i = 0; status == GS_OK && i < n; i++)
            add(sum, values + i * pixels, gs_dataset_mask(rows->dataset, batch[i]), pixels);
        done += n;
    }
    gs_free(images), gs_free(values);
    return status;
}

/* ---- Dice -------------------------------------------------------------------------------------
 */

static void add_overlap(void *context, const float *probability, const uint8_t *mask,
                        size_t pixels) {
    gs_overlap *sum = context;
    for (size_t p = 0; p < pixels; p++) {
        if (mask[p] == GS_MASK_UNKNOWN) continue;
        bool predicted = probability[p] >= 0.5f, target = mask[p] == GS_MASK_TARGET;
        sum->both += predicted && target;
        sum->predicted += predicted;
        sum->target += target;
        sum->pixels++;
    }
}

gs_status gs_evaluate_overlap(const gs_annotated_rows *rows, gs_pixel_map *segment, void *context,
                              gs_overlap *out, gs_error *err) {
    gs_overlap sum = {0};
    GS_TRY(visit(rows, segment, context, add_overlap, &sum, err));
    *out = sum;
    return GS_OK;
}

static void add_next(void *context, const float *probability, const uint8_t *mask, size_t pixels) {
    gs_overlap **next = context;
    add_overlap((*next)++, probability, mask, pixels);
}

gs_status gs_evaluate_each(const gs_annotated_rows *rows, gs_pixel_map *segment, void *context,
                           gs_overlap *each_out, gs_error *err) {
    memset(each_out, 0, rows->count * sizeof *each_out);
    gs_overlap *next = each_out;
    return visit(rows, segment, context, add_next, &next, err);
}

double gs_overlap_dice(const gs_overlap *overlap) {
    double total = overlap->predicted + overlap->target;
    return total > 0 ? 2 * overlap->both / total : 1;
}

gs_status gs_evaluate_dice(const gs_annotated_rows *rows, gs_pixel_map *segment, void *context,
                           double *dice_out, gs_error *err) {
    gs_overlap sum;
    GS_TRY(gs_evaluate_overlap(rows, segment, context, &sum, err));
    *dice_out = gs_overlap_dice(&sum);
    return GS_OK;
}

/* ---- Localisation -----------------------------------------------------------------------------
 */

enum { BINS = 4096 };

/* Pixels by value, [0, 1) in equal bins and all above in the last: outside the masks and inside. */
typedef struct histograms {
    double count[2][BINS], sum[2];
} histograms;

static void add_values(void *context, const float *values, const uint8_t *mask, size_t pixels) {
    histograms *h = context;
    for (size_t p = 0; p < pixels; p++) {
        if (mask[p] == GS_MASK_UNKNOWN) continue;
        float value = values[p] > 0 ? values[p] : 0;
        int bin = value < 1 ? (int)(value * BINS) : BINS - 1, inside = mask[p] == GS_MASK_TARGET;
        h->count[inside][bin]++;
        h->sum[inside] += (double)value;
    }
}

static gs_localization localization_of(const histograms *h) {
    double total[2] = {0, 0}, ordered = 0;
    for (int b = 0; b < BINS; b++) {
        ordered += h->count[1][b] * (total[0] + 0.5 * h->count[0][b]);
        for (int side = 0; side < 2; side++) total[side] += h->count[side][b];
    }
    gs_localization out = {.auc = (double)NAN, .inside = (double)NAN, .outside = (double)NAN};
    if (total[1] > 0) out.inside = h->sum[1] / total[1];
    if (total[0] > 0) out.outside = h->sum[0] / total[0];
    if (total[0] > 0 && total[1] > 0) out.auc = ordered / (total[0] * total[1]);
    return out;
}

gs_status gs_evaluate_localization(const gs_annotated_rows *rows, gs_pixel_map *change,
                                   void *context, gs_localization *out, gs_error *err) {
    histograms *h = gs_alloc(1, sizeof *h);
    if (!h) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    gs_status status = visit(rows, change, context, add_values, h, err);
    if (status == GS_OK) *out = localization_of(h);
    gs_free(h);
    return status;
}
