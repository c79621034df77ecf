/* Whether translations still differ: where modes are dropped, many images become the same one (the
 * paper, section 3.2). Looked at in both directions, on slices of as many cases as there are. */
#include "engine/train/trainer_internal.h"

#include "base/memory.h"
#include "engine/train/evaluate.h"
#include "engine/train/evaluate_translation.h"

#include <math.h>
#include <string.h>

enum { SEEDS = 2, SAMPLED = GS_EVALUATION_BATCH / SEEDS };

/* ---- Measures ---------------------------------------------------------------------------------
 */

/* Σ over all elements of the variance over the images. */
static double sum_of_variances(const float *images, size_t count, size_t size) {
    double total = 0;
    for (size_t i = 0; i < size; i++) {
        double mean = 0, squares = 0;
        for (size_t n = 0; n < count; n++) mean += (double)images[n * size + i];
        mean /= (double)count;
        for (size_t n = 0; n < count; n++) {
            double d = (double)images[n * size + i] - mean;
            squares += d * d;
        }
        total += squares / (double)count;
    }
    return total;
}

double gs__diversity(const float *before, const float *after, size_t count, size_t size) {
    double variance = sum_of_variances(before, count, size);
    return variance > 0 ? sum_of_variances(after, count, size) / variance : (double)NAN;
}

double gs__sample_diversity(const float *residuals, size_t count, size_t size) {
    double apart = 0, together = 0, largest = 0;
    for (size_t n = 0; n + 1 < count; n += SEEDS)
        for (size_t i = n * size; i < (n + 1) * size; i++) {
            double a = (double)residuals[i], b = (double)residuals[i + size];
            apart += fabs(a - b);
            together += fabs(a) + fabs(b);
            largest = fmax(largest, fmax(fabs(a), fabs(b)));
        }
    return largest < GS_LEAST_RESIDUAL ? 0 : apart / together;
}

/* ---- Slices -----------------------------------------------------------------------------------
 */

size_t gs__spread_over_cases(const gs_dataset *dataset, const uint32_t *rows, size_t count,
                             size_t most, uint32_t *out) {
    size_t cases = 0, wanted = count < most ? count : most;
    uint32_t *places = gs_alloc(gs_dataset_cases(dataset), sizeof *places); /* + 1, of a case */
    uint32_t *sizes = gs_alloc(gs_dataset_cases(dataset), sizeof *sizes);   /* by place */
    for (size_t i = 0; places && sizes && i < count; i++) {
        uint32_t *place = &places[gs_dataset_get_slice(dataset, rows[i])->case_number];
        if (!*place) *place = (uint32_t)++cases;
        sizes[*place - 1]++;
    }
    for (size_t k = 0; cases > 0 && k < wanted; k++) {
        size_t of = k * cases / wanted; /* the case, and which of its picks this is */
        size_t first = (of * wanted + cases - 1) / cases;
        size_t end = ((of + 1) * wanted + cases - 1) / cases;
        size_t at = (2 * (k - first) + 1) * sizes[of] / (2 * (end - first));
        for (size_t i = 0, seen = 0; i < count; i++) {
            if (places[gs_dataset_get_slice(dataset, rows[i])->case_number] != of + 1) continue;
            if (seen++ == at) out[k] = rows[i];
        }
    }
    gs_free(places), gs_free(sizes);
    return cases > 0 ? wanted : 0;
}

static gs_status read_images(const gs_trainer *t, const uint32_t *rows, size_t count, size_t copies,
                             gs_error *err) {
    for (size_t i = 0; i < count; i++) {
        float *to = t->evaluation_images + i * copies * t->image;
        GS_TRY(gs_dataset_read_normalized(t->dataset, rows[i], to, err));
        for (size_t k = 1; k < copies; k++) memcpy(to + k * t->image, to, t->image * sizeof *to);
    }
    return GS_OK;
}

/* Absence slices of the validation split, else of the training split. */
static gs_status pick_absence(const gs_trainer *t, uint32_t picked[SAMPLED], size_t *count_out,
                              gs_error *err) {
    size_t total = gs_dataset_count(t->dataset), count = 0;
    uint32_t *rows = gs_alloc(total, sizeof *rows);
    if (!rows) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to list %zu slices", total);
    for (uint32_t i = 0; i < total; i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(t->dataset, i);
        if (slice->split == GS_SPLIT_VALIDATION && slice->label == GS_LABEL_ABSENCE)
            rows[count++] = i;
    }
    *count_out = count > 0 ? gs__spread_over_cases(t->dataset, rows, count, SAMPLED, picked)
                           : gs__spread_over_cases(t->dataset, t->lists.absence,
                                                   t->lists.absence_count, SAMPLED, picked);
    gs_free(rows);
    return GS_OK;
}

/* ---- Both directions --------------------------------------------------------------------------
 */

static gs_status find_removal(gs_trainer *t, gs_validation *out, gs_error *err) {
    uint32_t rows[GS_EVALUATION_BATCH];
    size_t count = gs__spread_over_cases(t->dataset, t->lists.validation, t->lists.validation_count,
                                         GS_EVALUATION_BATCH, rows);
    if (count < 2) return GS_OK;
    GS_TRY(read_images(t, rows, count, 1, err));
    GS_TRY(gs__trainer_remove(t, count, t->evaluation_images, err));
    out->diversity = gs__diversity(t->evaluation_images, t->evaluation_output, count, t->image);
    return GS_OK;
}

static gs_status find_insertion(gs_trainer *t, gs_validation *out, gs_error *err) {
    uint32_t rows[SAMPLED];
    size_t count = 0;
    GS_TRY(pick_absence(t, rows, &count, err));
    if (count == 0) return GS_OK;
    GS_TRY(read_images(t, rows, count, SEEDS, err));
    GS_TRY(gs__trainer_insert(t, err));
    out->sample_diversity = gs__sample_diversity(t->evaluation_output, count * SEEDS, t->image);
    return GS_OK;
}

gs_status gs__trainer_find_diversity(gs_trainer *t, gs_validation *out, gs_error *err) {
    const gs_objective *o = &t->options->objective;
    if (!gs_method_get(o->method)->translates || o->translation == GS_TRANSLATE_NONE) return GS_OK;
    GS_TRY(find_removal(t, out, err));
    return o->translation == GS_TRANSLATE_BOTH ? find_insertion(t, out, err) : GS_OK;
}
