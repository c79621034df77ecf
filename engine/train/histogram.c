/* Owns the bins. Must not know batches. */
#include "engine/train/histogram.h"

#include "base/memory.h"

#include <stdbool.h>

typedef struct extent {
    int64_t low, high; /* of a case's indices */
} extent;

static gs_status measure_cases(const gs_dataset *dataset, extent **out, gs_error *err) {
    size_t cases = gs_dataset_cases(dataset);
    extent *extents = gs_alloc(cases, sizeof *extents);
    if (!extents) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu cases", cases);
    for (size_t i = 0; i < cases; i++) extents[i] = (extent){INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        extent *e = &extents[slice->case_number];
        if (slice->index < e->low) e->low = slice->index;
        if (slice->index > e->high) e->high = slice->index;
    }
    *out = extents;
    return GS_OK;
}

static uint8_t bin_of(const gs_dataset *dataset, const extent *extents, uint32_t row) {
    const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, row);
    extent said = {slice->extent[0], slice->extent[1]};
    const extent *e = said.low < said.high ? &said : &extents[slice->case_number];
    double length = (double)e->high - (double)e->low;
    double position = length > 0 ? ((double)slice->index - (double)e->low) / length : 0.5;
    int bin = (int)(position * GS_HISTOGRAM_BINS);
    return (uint8_t)(bin < GS_HISTOGRAM_BINS ? bin : GS_HISTOGRAM_BINS - 1);
}

/* Counting sort; keeps the order within a bin. */
static void sort_absence(gs_position_histogram *h, const uint32_t *absence, const uint8_t *bins,
                         size_t count) {
    for (size_t i = 0; i < count; i++) h->first[bins[i] + 1]++;
    for (int bin = 0; bin < GS_HISTOGRAM_BINS; bin++) h->first[bin + 1] += h->first[bin];
    size_t next[GS_HISTOGRAM_BINS];
    for (int bin = 0; bin < GS_HISTOGRAM_BINS; bin++) next[bin] = h->first[bin];
    for (size_t i = 0; i < count; i++) h->absence[next[bins[i]]++] = absence[i];
}

gs_status gs_position_histogram_init(const gs_dataset *dataset, const uint32_t *presence,
                                     size_t presence_count, const uint32_t *absence,
                                     size_t absence_count, gs_position_histogram *out,
                                     gs_error *err) {
    extent *extents = NULL;
    GS_TRY(measure_cases(dataset, &extents, err));
    gs_position_histogram h = {.presence_count = presence_count,
                               .presence_bins = gs_alloc(presence_count, 1),
                               .absence = gs_alloc(absence_count, sizeof *h.absence)};
    uint8_t *bins = gs_alloc(absence_count, 1);
    gs_status status = GS_OK;
    if (!h.presence_bins || !h.absence || !bins) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to sort slices by position");
        gs_position_histogram_deinit(&h);
    } else {
        for (size_t i = 0; i < presence_count; i++)
            h.presence_bins[i] = bin_of(dataset, extents, presence[i]);
        for (size_t i = 0; i < absence_count; i++) bins[i] = bin_of(dataset, extents, absence[i]);
        sort_absence(&h, absence, bins, absence_count);
        *out = h;
    }
    gs_free(bins);
    gs_free(extents);
    return status;
}

void gs_position_histogram_deinit(gs_position_histogram *h) {
    gs_free(h->presence_bins);
    gs_free(h->absence);
    *h = (gs_position_histogram){0};
}

static bool has_absence(const gs_position_histogram *h, int bin) {
    return bin >= 0 && bin < GS_HISTOGRAM_BINS && h->first[bin + 1] > h->first[bin];
}

uint32_t gs_position_histogram_draw(const gs_position_histogram *h, gs_rng *rng) {
    int bin = h->presence_bins[gs_rng_below(rng, (uint32_t)h->presence_count)];
    for (int away = 0; away < GS_HISTOGRAM_BINS; away++) {
        if (!has_absence(h, bin - away) && !has_absence(h, bin + away)) continue;
        bin = has_absence(h, bin - away) ? bin - away : bin + away;
        break;
    }
    size_t count = h->first[bin + 1] - h->first[bin];
    return h->absence[h->first[bin] + gs_rng_below(rng, (uint32_t)count)];
}
