#include "engine/train/evaluate_translation.h"

#include "base/memory.h"
#include "engine/image/mask.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef struct sizes {
    size_t channels, pixels, image;
} sizes;

static sizes sizes_of(const gs_dataset *dataset) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    sizes s = {.channels = (size_t)info->channels,
               .pixels = (size_t)info->height * (size_t)info->width};
    s.image = s.channels * s.pixels;
    return s;
}

/* ---- Removal ---------------------------------------------------------------------------------
 */

static gs_status check_same_slices(const gs_dataset *a, const gs_dataset *b, gs_error *err) {
    sizes p = sizes_of(a), q = sizes_of(b);
    if (gs_dataset_count(a) != gs_dataset_count(b) || p.channels != q.channels ||
        p.pixels != q.pixels)
        return gs_fail(
            err, GS_UNUSABLE,
            "the true images are %zu of %zu x %zu values, the data set's %zu of %zu x %zu",
            gs_dataset_count(b), q.channels, q.pixels, gs_dataset_count(a), p.channels, p.pixels);
    for (size_t i = 0; i < gs_dataset_count(a); i++)
        if (strcmp(gs_dataset_get_slice(a, i)->name, gs_dataset_get_slice(b, i)->name) != 0)
            return gs_fail(err, GS_UNUSABLE, "slice %zu is %.200s, among the true images %.200s", i,
                           gs_dataset_get_slice(a, i)->name, gs_dataset_get_slice(b, i)->name);
    return GS_OK;
}

typedef struct removal_sums {
    double left, wrong;     /* Σ|h - t|, Σ|x - t| inside */
    double changed;         /* Σ|h - x| outside */
    double inside, outside; /* values */
} removal_sums;

static bool is_background(const float *x, const float *least, sizes s, size_t p) {
    for (size_t c = 0; c < s.channels; c++)
        if (x[c * s.pixels + p] > least[c]) return false;
    return true;
}

static void find_least(const float *x, sizes s, float *least) {
    for (size_t c = 0; c < s.channels; c++) {
        least[c] = x[c * s.pixels];
        for (size_t p = 0; p < s.pixels; p++) least[c] = fminf(least[c], x[c * s.pixels + p]);
    }
}

static void add_removal(removal_sums *sum, sizes s, const float *x, const float *h, const float *t,
                        const uint8_t *mask) {
    float least[GS_MAX_CHANNELS];
    find_least(x, s, least);
    for (size_t p = 0; p < s.pixels; p++) {
        bool is_inside = mask[p] == GS_MASK_TARGET;
        if (!is_inside && (mask[p] != GS_MASK_BACKGROUND || is_background(x, least, s, p)))
            continue;
        *(is_inside ? &sum->inside : &sum->outside) += (double)s.channels;
        for (size_t c = 0; c < s.channels; c++) {
            size_t at = c * s.pixels + p;
            if (is_inside) {
                sum->left += fabs((double)h[at] - (double)t[at]);
                sum->wrong += fabs((double)x[at] - (double)t[at]);
            } else {
                sum->changed += fabs((double)h[at] - (double)x[at]);
            }
        }
    }
}

static gs_status remove_batch(const gs_annotated_rows *rows, const gs_dataset *truth, size_t first,
                              gs_remover *remove, void *context, float *room, removal_sums *sum,
                              gs_error *err) {
    sizes s = sizes_of(rows->dataset);
    size_t left = rows->count - first, n = left < GS_EVALUATION_BATCH ? left : GS_EVALUATION_BATCH;
    float *x = room, *h = x + GS_EVALUATION_BATCH * s.image, *t = h + GS_EVALUATION_BATCH * s.image;
    for (size_t i = 0; i < n; i++)
        GS_TRY(
            gs_dataset_read_normalized(rows->dataset, rows->rows[first + i], x + i * s.image, err));
    GS_TRY(remove(context, n, x, h, err));
    for (size_t i = 0; i < n; i++) {
        uint32_t row = rows->rows[first + i];
        GS_TRY(gs_dataset_read_normalized(truth, row, t, err));
        add_removal(sum, s, x + i * s.image, h + i * s.image, t,
                    gs_dataset_mask(rows->dataset, row));
    }
    return GS_OK;
}

gs_status gs_evaluate_removal(const gs_annotated_rows *rows, const gs_dataset *truth,
                              gs_remover *remove, void *context, gs_removal *out, gs_error *err) {
    removal_sums sum = {0};
    GS_TRY(check_same_slices(rows->dataset, truth, err));
    float *room = gs_alloc((2 * GS_EVALUATION_BATCH + 1) * sizes_of(truth).image, sizeof *room);
    if (!room) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    gs_status status = GS_OK;
    for (size_t i = 0; i < rows->count && status == GS_OK; i += GS_EVALUATION_BATCH)
        status = remove_batch(rows, truth, i, remove, context, room, &sum, err);
    gs_free(room);
    double contrast = sum.inside > 0 ? sum.wrong / sum.inside : (double)NAN;
    *out = (gs_removal){.approach = sum.wrong > 0 ? 1 - sum.left / sum.wrong : (double)NAN,
                        .outside = sum.outside > 0 && sum.wrong > 0
                                       ? sum.changed / sum.outside / contrast
                                       : (double)NAN};
    return status;
}

/* ---- Insertion --------------------------------------------------------------------------------
 */

/* Memory for one image and its samples. */
typedef struct insertion_room {
    float *images, *residuals, *translated; /* [seeds,C,H,W] */
    float *probabilities;                   /* [seeds,H,W] */
    float *support;                         /* [H,W]: the residual's mean size */
} insertion_room;

/* Dice of a segmentation and the support of a residual. */
static double support_dice(const float *residual, const float *probability, sizes s, float *size) {
    double largest = 0, both = 0, total = 0;
    for (size_t p = 0; p < s.pixels; p++) {
        double sum = 0;
        for (size_t c = 0; c < s.channels; c++) sum += fabs((double)residual[c * s.pixels + p]);
        size[p] = (float)(sum / (double)s.channels);
        largest = fmax(largest, (double)size[p]);
    }
    if (largest < GS_LEAST_RESIDUAL) return 0;
    for (size_t p = 0; p < s.pixels; p++) {
        bool is_support = (double)size[p] >= largest / 2, is_found = probability[p] >= 0.5f;
        both += is_support && is_found;
        total += is_support + is_found;
    }
    return 2 * both / total;
}

static double difference(const float *a, const float *b, size_t count) {
    double apart = 0, together = 0;
    for (size_t i = 0; i < count; i++) {
        apart += fabs((double)a[i] - (double)b[i]);
        together += fabs((double)a[i]) + fabs((double)b[i]);
    }
    return together > 0 ? apart / together : 0;
}

static gs_status insert_into(const gs_dataset *dataset, uint32_t row, gs_inserter *insert,
                             gs_pixel_map *segment, void *context, const insertion_room *r,
                             gs_insertion *sum, gs_error *err) {
    sizes s = sizes_of(dataset);
    uint64_t seeds[GS_INSERTION_SEEDS];
    GS_TRY(gs_dataset_read_normalized(dataset, row, r->images, err));
    for (uint64_t k = 0; k < GS_INSERTION_SEEDS; k++) {
        seeds[k] = (uint64_t)row * GS_INSERTION_SEEDS + k + 1;
        memcpy(r->images + k * s.image, r->images, k ? s.image * sizeof(float) : 0);
    }
    GS_TRY(insert(context, GS_INSERTION_SEEDS, r->images, seeds, r->residuals, r->translated, err));
    GS_TRY(segment(context, GS_INSERTION_SEEDS, r->translated, r->probabilities, err));
    for (size_t k = 0; k < GS_INSERTION_SEEDS; k++)
        sum->dice += support_dice(r->residuals + k * s.image, r->probabilities + k * s.pixels, s,
                                  r->support);
    sum->diversity += difference(r->residuals, r->residuals + s.image, s.image);
    return GS_OK;
}

gs_status gs_evaluate_insertion(const gs_annotated_rows *rows, gs_inserter *insert,
                                gs_pixel_map *segment, void *context, gs_insertion *out,
                                gs_error *err) {
    sizes s = sizes_of(rows->dataset);
    size_t maps = GS_INSERTION_SEEDS * s.image;
    float *memory = gs_alloc(3 * maps + (GS_INSERTION_SEEDS + 1) * s.pixels, sizeof *memory);
    if (!memory) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    insertion_room room = {.images = memory,
                           .residuals = memory + maps,
                           .translated = memory + 2 * maps,
                           .probabilities = memory + 3 * maps,
                           .support = memory + 3 * maps + GS_INSERTION_SEEDS * s.pixels};
    gs_insertion sum = {0};
    gs_status status = GS_OK;
    for (size_t i = 0; i < rows->count && status == GS_OK; i++)
        status =
            insert_into(rows->dataset, rows->rows[i], insert, segment, context, &room, &sum, err);
    gs_free(memory);
    double images = (double)rows->count;
    *out = (gs_insertion){.dice = sum.dice / (images * GS_INSERTION_SEEDS),
                          .diversity = sum.diversity / images};
    return status;
}
