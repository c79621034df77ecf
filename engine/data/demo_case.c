/* Owns the choice of a case's half-slices and their labels. Must not know how voxels are made.
 * The numbers of slices are chosen so that about half of all are presence slices. */
#include "engine/data/demo_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <string.h>

enum {
    PRESENCE_PICKS = 11,      /* of a case with lesions, at most */
    ABSENCE_PICKS_BESIDE = 2, /* of a case with lesions */
    ABSENCE_PICKS = 8,        /* of a case without */
    FEWEST_PRESENCE = 3,      /* else the lesions are drawn again, larger */
    ATTEMPTS = 8,
};
static const double smallest_brain = 0.25;  /* of the half's pixels */
static const double smallest_lesion = 0.01; /* of the brain's pixels */

/* What a half-slice is good for; UNKNOWN: nothing. */
static gs_label judge_half(const gs__demo_grid *grid, const gs__demo_case *made, int level,
                           int side) {
    int brain = 0, trace = 0, lesion = 0;
    for (int y = 0; y < grid->height; y++) {
        const uint8_t *row = made->flags +
                             ((ptrdiff_t)level * grid->height + y) * 2 * grid->half_width +
                             (side == GS__RIGHT ? grid->half_width : 0);
        for (int x = 0; x < grid->half_width; x++) {
            brain += (row[x] & GS__BRAIN) != 0;
            trace += (row[x] & GS__TRACE) != 0;
            lesion += (row[x] & GS__LESION) != 0;
        }
    }
    if (brain < smallest_brain * grid->height * grid->half_width) return GS_LABEL_UNKNOWN;
    if (lesion >= smallest_lesion * brain && lesion > 0) return GS_LABEL_PRESENCE;
    return trace == 0 ? GS_LABEL_ABSENCE : GS_LABEL_UNKNOWN;
}

/* Takes up to `wanted` of the candidates, one at random from each equal stretch of their list. */
static void take_spread(const gs__demo_pick *candidates, int count, int wanted, gs_rng *rng,
                        gs__demo_case *made) {
    if (wanted > count) wanted = count;
    for (int i = 0; i < wanted; i++) {
        int from = i * count / wanted, to = (i + 1) * count / wanted;
        int chosen = from + (int)gs_rng_below(rng, (uint32_t)(to - from));
        gs_assert(made->picks < GS__DEMO_MAX_PICKS);
        made->pick[made->picks++] = candidates[chosen];
    }
}

static gs_status choose_picks(const gs__demo_grid *grid, bool diseased, gs__demo_case *made,
                              gs_error *err) {
    size_t most = 2 * (size_t)grid->levels;
    gs__demo_pick *present = gs_alloc(most, sizeof *present);
    gs__demo_pick *absent = gs_alloc(most, sizeof *absent);
    int presents = 0, absents = 0;
    made->picks = 0;
    for (int side = GS__LEFT; present && absent && side <= GS__RIGHT; side++)
        for (int level = 0; level < grid->levels; level++) {
            gs__demo_pick pick = {.level = level, .label = judge_half(grid, made, level, side)};
            pick.side = side == GS__LEFT ? GS__LEFT : GS__RIGHT;
            if (pick.label == GS_LABEL_PRESENCE) present[presents++] = pick;
            if (pick.label == GS_LABEL_ABSENCE) absent[absents++] = pick;
        }
    gs_rng rng = {.seed = made->seed, .stream = made->number * GS__STREAMS + GS__STREAM_PICKS};
    if (diseased && presents >= FEWEST_PRESENCE)
        take_spread(present, presents, PRESENCE_PICKS, &rng, made);
    if (!diseased || presents >= FEWEST_PRESENCE)
        take_spread(absent, absents, diseased ? ABSENCE_PICKS_BESIDE : ABSENCE_PICKS, &rng, made);
    gs_status status = GS_OK;
    if (!present || !absent) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to choose slices");
    gs_free(present);
    gs_free(absent);
    return status;
}

gs_status gs__demo_case_make(const gs_anatomy *anatomy, const gs__demo_grid *grid, uint64_t seed,
                             uint64_t number, bool diseased, gs__demo_case *out, gs_error *err) {
    gs__demo_case made = {.seed = seed, .number = number};
    size_t count = 2 * (size_t)grid->half_width * (size_t)grid->height * (size_t)grid->levels;
    made.intensity = gs_alloc(count, sizeof *made.intensity);
    made.flags = gs_alloc(count, sizeof *made.flags);
    gs_status status = GS_OK;
    if (!made.intensity || !made.flags)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a case of %zu voxels", count);
    for (int attempt = 0; status == GS_OK && made.picks == 0; attempt++) {
        if (attempt == ATTEMPTS) {
            status = gs_fail(err, GS_UNUSABLE, "case %llu has no slice with enough brain%s",
                             (unsigned long long)number, diseased ? " and lesion" : "");
            break;
        }
        status = gs__demo_case_render(anatomy, grid, diseased, attempt, &made, err);
        if (status == GS_OK) status = choose_picks(grid, diseased, &made, err);
    }
    if (status == GS_OK)
        *out = made;
    else
        gs__demo_case_deinit(&made);
    return status;
}

void gs__demo_case_deinit(gs__demo_case *made) {
    gs_free(made->intensity);
    gs_free(made->flags);
    made->intensity = NULL;
    made->flags = NULL;
}
