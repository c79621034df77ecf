/* Owns the division of cases into splits. Must not look at pixels. */
#include "engine/data/dataset_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>

/* What a case has to offer; each kind is divided by itself. */
enum { ANNOTATED, PRESENT, HEALTHY, KINDS };

typedef struct case_table {
    uint8_t *kinds;   /* [cases] */
    gs_split *splits; /* [cases] */
    uint32_t *order;  /* [cases]: room for one kind's cases */
} case_table;

static void fill_table(const gs_dataset *dataset, case_table *table) {
    for (size_t i = 0; i < dataset->cases; i++) table->kinds[i] = HEALTHY;
    for (size_t i = 0; i < dataset->count; i++) {
        const gs_dataset_slice *slice = &dataset->slices[i];
        table->splits[slice->case_number] = slice->split;
        if (slice->label != GS_LABEL_PRESENCE) continue;
        uint8_t kind = dataset->mask_rows[i] >= 0 ? ANNOTATED : PRESENT;
        if (kind < table->kinds[slice->case_number]) table->kinds[slice->case_number] = kind;
    }
}

static size_t share_of(size_t count, double fraction, size_t needed) {
    size_t share = (size_t)llround(fraction * (double)count);
    if (share == 0 && fraction > 0 && count >= needed) share = 1;
    return share;
}

static void divide_kind(case_table *table, size_t cases, uint8_t kind, uint64_t seed,
                        double validation, double test) {
    size_t count = 0;
    for (size_t i = 0; i < cases; i++)
        if (table->kinds[i] == kind && table->splits[i] == GS_SPLIT_NONE)
            table->order[count++] = (uint32_t)i;
    gs_rng rng = {.seed = seed, .stream = kind};
    gs_rng_shuffle(&rng, table->order, count);
    size_t for_validation = share_of(count, validation, 2), for_test = share_of(count, test, 3);
    while (count > 0 && for_validation + for_test >= count) /* rounding left nothing to train on */
        for_test > 0 ? for_test-- : for_validation--;
    for (size_t i = 0; i < count; i++)
        table->splits[table->order[i]] = i < for_validation              ? GS_SPLIT_VALIDATION
                                         : i < for_validation + for_test ? GS_SPLIT_TEST
                                                                         : GS_SPLIT_TRAIN;
}

gs_status gs_dataset_assign_splits(gs_dataset *dataset, uint64_t seed, double validation,
                                   double test, gs_error *err) {
    if (!(validation >= 0 && test >= 0 && validation + test < 1))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "fractions of %g for validation and %g for test leave nothing to train on",
                       validation, test);
    gs_status status = GS_OK;
    case_table table = {gs_alloc(dataset->cases, 1), gs_alloc(dataset->cases, sizeof *table.splits),
                        gs_alloc(dataset->cases, sizeof *table.order)};
    if (!table.kinds || !table.splits || !table.order) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu cases", dataset->cases);
        goto done;
    }
    fill_table(dataset, &table);
    for (uint8_t kind = 0; kind < KINDS; kind++)
        divide_kind(&table, dataset->cases, kind, seed, validation, test);
    for (size_t i = 0; i < dataset->count; i++)
        dataset->slices[i].split = table.splits[dataset->slices[i].case_number];
done:
    gs_free(table.kinds);
    gs_free(table.splits);
    gs_free(table.order);
    return status;
}
