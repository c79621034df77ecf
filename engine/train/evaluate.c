#include "engine/train/evaluate.h"

#include "base/memory.h"
#include "engine/image/mask.h"
#include "engine/image/normalize.h"

#include <string.h>

gs_status gs_dataset_read_normalized(const gs_dataset *dataset, uint32_t i, float *pixels,
                                     gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    size_t size = (size_t)info->channels * (size_t)info->height * (size_t)info->width;
    memcpy(pixels, gs_dataset_image(dataset, i), size * sizeof *pixels);
    gs_image image = {.channels = info->channels,
                      .height = info->height,
                      .width = info->width,
                      .pixels = pixels};
    gs_error inner;
    gs_status status = gs_normalize(&image, info->normalization, &inner);
    if (status == GS_OK) return GS_OK;
    return gs_fail(err, status, "slice %u (%.100s): %.300s", i,
                   gs_dataset_get_slice(dataset, i)->name, inner.text);
}

typedef struct overlap {
    double both, predicted, target;
} overlap;

static void add_overlap(overlap *sum, const float *probability, const uint8_t *mask, size_t pixels) {
    for (size_t p = 0; p < pixels; p++) {
        if (mask[p] == GS_MASK_UNKNOWN) continue;
        bool predicted = probability[p] >= 0.5f, target = mask[p] == GS_MASK_TARGET;
        sum->both += predicted && target;
        sum->predicted += predicted;
        sum->target += target;
    }
}

gs_status gs_evaluate_dice(const gs_dataset *dataset, const uint32_t *rows, size_t count,
                           gs_segmenter *segment, void *context, double *dice_out, gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    size_t pixels = (size_t)info->height * (size_t)info->width;
    size_t image = pixels * (size_t)info->channels;
    float *images = gs_alloc(GS_EVALUATION_BATCH * image, sizeof *images);
    float *probabilities = gs_alloc(GS_EVALUATION_BATCH * pixels, sizeof *probabilities);
    overlap sum = {0};
    gs_status status = images && probabilities
                           ? GS_OK
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    for (size_t done = 0; status == GS_OK && done < count;) {
        size_t n = count - done < GS_EVALUATION_BATCH ? count - done : GS_EVALUATION_BATCH;
        for (size_t i = 0; status == GS_OK && i < n; i++)
            status = gs_dataset_read_normalized(dataset, rows[done + i], images + i * image, err);
        if (status == GS_OK) status = segment(context, n, images, probabilities, err);
        for (size_t i = 0; status == GS_OK && i < n; i++)
            add_overlap(&sum, probabilities + i * pixels, gs_dataset_mask(dataset, rows[done + i]),
                        pixels);
        done += n;
    }
    gs_free(images), gs_free(probabilities);
    if (status != GS_OK) return status;
    double total = sum.predicted + sum.target;
    *dice_out = total > 0 ? 2 * sum.both / total : 1;
    return GS_OK;
}
