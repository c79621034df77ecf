/* Owns who is in which split and who keeps the masks. Must not know images.
 *
 * Within each kind (with presence slices, without) the cases of a group follow each other in random
 * order, and the splits take turns along that row as their shares fall due: so each split gets
 * its share of every group, and exactly its share of the whole. */
#include "engine/data/import_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_ORDER = 1, STREAM_ANNOTATED = 3 };

/* At least one of three or more, so that no split is empty. */
static int share_of(int count, double fraction) {
    int share = (int)lround(fraction * count);
    return share == 0 && fraction > 0 && count >= 3 ? 1 : share;
}

/* row[0…count): indices of cases. Stable: keeps the random order within a group. */
static void sort_by_group(const gs__imported_case *cases, uint32_t *row, int count) {
    for (int i = 1; i < count; i++)
        for (int k = i; k > 0 && strcmp(cases[row[k]].candidate->group,
                                        cases[row[k - 1]].candidate->group) < 0;
             k--) {
            uint32_t kept = row[k];
            row[k] = row[k - 1];
            row[k - 1] = kept;
        }
}

static void divide(gs__imported_case *cases, const uint32_t *row, int count,
                   const gs_import_options *options) {
    int validation = share_of(count, options->validation), test = share_of(count, options->test);
    const double share[3] = {count - validation - test, validation, test};
    double due[3] = {0};
    for (int i = 0; i < count; i++) {
        int most = 0;
        for (int s = 0; s < 3; s++) due[s] += share[s] / count;
        for (int s = 1; s < 3; s++)
            if (due[s] > due[most] + 1e-9) most = s;
        due[most] -= 1;
        cases[row[i]].split = (gs_split)(GS_SPLIT_TRAIN + most);
    }
}

/* Training cases with presence slices, as many as asked for; elsewhere all. */
static void annotate(gs__imported_case *cases, uint32_t *row, int count,
                     const gs_import_options *options) {
    gs_rng rng = {.seed = options->seed, .stream = STREAM_ANNOTATED};
    gs_rng_shuffle(&rng, row, (size_t)count);
    int train = 0;
    for (int i = 0; i < count; i++) train += cases[row[i]].split == GS_SPLIT_TRAIN;
    int left = (int)lround(options->annotated * train);
    if (left == 0 && options->annotated > 0) left = 1;
    for (int i = 0; i < count; i++) {
        gs__imported_case *c = &cases[row[i]];
        c->annotated = c->split != GS_SPLIT_TRAIN || left-- > 0;
    }
}

gs_status gs__assign_cases(gs__imported_case *cases, int count, const gs_import_options *options,
                           gs_error *err) {
    uint32_t *row = gs_alloc((size_t)count, sizeof *row);
    if (!row) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %d cases", count);
    for (int with_presence = 1; with_presence >= 0; with_presence--) {
        int members = 0;
        for (int i = 0; i < count; i++)
            if (cases[i].slices > 0 && (cases[i].presence > 0) == with_presence)
                row[members++] = (uint32_t)i;
        if (members == 0) continue;
        gs_rng rng = {.seed = options->seed, .stream = STREAM_ORDER + (uint64_t)with_presence};
        gs_rng_shuffle(&rng, row, (size_t)members);
        sort_by_group(cases, row, members);
        divide(cases, row, members, options);
        if (with_presence) annotate(cases, row, members, options);
    }
    gs_free(row);
    return GS_OK;
}
