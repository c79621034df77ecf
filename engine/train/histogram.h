/* Draws absence slices so that their axial positions follow those of the presence slices, by a
 * histogram of 20 bins (Vorontsov et al., section 4.5): where both are cut from the same volumes,
 * the position would otherwise tell them apart.
 *
 * A slice's position is where its `index` lies in its `extent`, that of the organ, 0 to 1; where
 * the dataset does not say that, between the lowest and the highest index of its case's slices, in
 * the middle when these are equal. Threads: immutable once made. */
#ifndef GS_ENGINE_TRAIN_HISTOGRAM_H
#define GS_ENGINE_TRAIN_HISTOGRAM_H

#include "base/random.h"
#include "engine/data/dataset.h"

enum { GS_HISTOGRAM_BINS = 20 };

typedef struct gs_position_histogram {
    size_t presence_count;
    uint8_t *presence_bins;              /* [presence_count]: of each presence slice; owned */
    uint32_t *absence;                   /* rows of the dataset, by bin; owned */
    size_t first[GS_HISTOGRAM_BINS + 1]; /* of a bin in absence; the last is their number */
} gs_position_histogram;

/* Both lists hold rows of the dataset and are not empty. Caller deinits. */
GS_MUST_CHECK gs_status gs_position_histogram_init(const gs_dataset *dataset,
                                                   const uint32_t *presence, size_t presence_count,
                                                   const uint32_t *absence, size_t absence_count,
                                                   gs_position_histogram *out, gs_error *err);
void gs_position_histogram_deinit(gs_position_histogram *histogram); /* zeroed is allowed */

/* A row of the dataset: the bin of a random presence slice, or, where no absence slice lies there,
 * the nearest that has some; then one of its absence slices. */
uint32_t gs_position_histogram_draw(const gs_position_histogram *histogram, gs_rng *rng);

#endif
