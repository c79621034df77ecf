/* Owns the choice of the training cases that keep their masks. Must not look at pixels. */
#include "engine/data/dataset_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdbool.h>

/* Other than those of the splits. */
#define ANNOTATION_STREAM 0x616e6e6f7461u

static bool counts(const gs_dataset *dataset, size_t i) {
    const gs_dataset_slice *slice = &dataset->slices[i];
    return slice->split == GS_SPLIT_TRAIN && slice->label == GS_LABEL_PRESENCE &&
           dataset->mask_rows[i] >= 0;
}

/* Lists the cases that count, in order of appearance; returns how many there are. keeps[case] is
 * set for each. */
static size_t list_cases(const gs_dataset *dataset, uint8_t *keeps, uint32_t *cases) {
    size_t count = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        uint32_t number = dataset->slices[i].case_number;
        if (!counts(dataset, i) || keeps[number]) continue;
        keeps[number] = 1;
        cases[count++] = number;
    }
    return count;
}

static void forget_masks(gs_dataset *dataset, const uint8_t *keeps) {
    for (size_t i = 0; i < dataset->count; i++)
        if (counts(dataset, i) && !keeps[dataset->slices[i].case_number])
            dataset->mask_rows[i] = -1;
}

gs_status gs_dataset_keep_annotations(gs_dataset *dataset, uint64_t seed, double fraction,
                                      gs_error *err) {
    if (!(fraction > 0 && fraction <= 1))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "a fraction of %g of the annotated cases is not above 0 and at most 1",
                       fraction);
    if (!(fraction < 1)) return GS_OK;
    uint8_t *keeps = gs_alloc(dataset->cases, 1);
    uint32_t *cases = gs_alloc(dataset->cases, sizeof *cases);
    gs_status status = GS_OK;
    if (keeps && cases) {
        size_t count = list_cases(dataset, keeps, cases);
        size_t kept = (size_t)llround(fraction * (double)count);
        gs_rng rng = {.seed = seed, .stream = ANNOTATION_STREAM};
        gs_rng_shuffle(&rng, cases, count);
        for (size_t i = kept > 0 ? kept : 1; i < count; i++) keeps[cases[i]] = 0;
        forget_masks(dataset, keeps);
    } else {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu cases", dataset->cases);
    }
    gs_free(keeps), gs_free(cases);
    return status;
}
