#include "engine/train/sampler.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/train/histogram.h"

#include <stdbool.h>
#include <string.h>

/* Random streams; each is further divided by the number of the epoch. */
enum { STREAM_PRESENCE = 1, STREAM_ABSENCE = 2, STREAM_ANNOTATED = 3, STREAM_MATCHED = 4 };

/* An endless sequence: the members of a list in one random order after the other. */
typedef struct sequence {
    const uint32_t *members;
    size_t count;
    uint64_t seed, stream, epoch; /* the epoch that `order` holds */
    uint32_t *order;
    bool has_order;
} sequence;

struct gs_sampler {
    sequence presence, absence, annotated;
    bool has_absence, has_histogram;
    gs_position_histogram histogram; /* when has_histogram */
    int pairs, min_annotated;
    uint64_t pretraining_steps;
};

/* ---- Lists ------------------------------------------------------------------------------------
 */

gs_status gs_slice_lists_init(gs_slice_lists *l, const gs_dataset *dataset, gs_error *err) {
    size_t count = gs_dataset_count(dataset);
    *l = (gs_slice_lists){.presence = gs_alloc(count, sizeof(uint32_t)),
                          .absence = gs_alloc(count, sizeof(uint32_t)),
                          .annotated = gs_alloc(count, sizeof(uint32_t)),
                          .validation = gs_alloc(count, sizeof(uint32_t))};
    if (!l->presence || !l->absence || !l->annotated || !l->validation)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to list %zu slices", count);
    for (uint32_t i = 0; i < count; i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        bool has_mask = gs_dataset_mask(dataset, i) != NULL;
        if (slice->split == GS_SPLIT_VALIDATION && has_mask)
            l->validation[l->validation_count++] = i;
        if (slice->split != GS_SPLIT_TRAIN) continue;
        if (slice->label == GS_LABEL_PRESENCE) l->presence[l->presence_count++] = i;
        if (slice->label == GS_LABEL_ABSENCE) l->absence[l->absence_count++] = i;
        if (slice->label == GS_LABEL_PRESENCE && has_mask) l->annotated[l->annotated_count++] = i;
    }
    return GS_OK;
}

void gs_slice_lists_deinit(gs_slice_lists *l) {
    gs_free(l->presence), gs_free(l->absence), gs_free(l->annotated), gs_free(l->validation);
    *l = (gs_slice_lists){0};
}

gs_status gs_slice_lists_check(const gs_slice_lists *l, gs_training_method method, gs_error *err) {
    const gs_method_traits *traits = gs_method_get(method);
    bool lacks_presence = !traits->only_annotated && l->presence_count == 0;
    bool lacks_absence = traits->uses_absence && l->absence_count == 0;
    bool lacks_masks = l->annotated_count == 0;
    if (!lacks_presence && !lacks_absence && !lacks_masks) return GS_OK;
    return gs_fail(err, GS_UNUSABLE, "%s cannot train without%s%s%s in the training split",
                   traits->name, lacks_presence ? " presence slices," : "",
                   lacks_absence ? " absence slices," : "",
                   lacks_masks ? " annotated presence slices" : "");
}

/* ---- Sequences --------------------------------------------------------------------------------
 */

static gs_status sequence_init(sequence *s, const uint32_t *members, size_t count, uint64_t seed,
                               uint64_t stream, gs_error *err) {
    *s = (sequence){.members = members, .count = count, .seed = seed, .stream = stream};
    s->order = gs_alloc(count, sizeof *s->order);
    return s->order ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to order slices");
}

static uint32_t sequence_at(sequence *s, uint64_t position) {
    uint64_t epoch = position / s->count;
    if (!s->has_order || epoch != s->epoch) {
        gs_rng rng = {.seed = s->seed, .stream = s->stream << 48 | epoch};
        memcpy(s->order, s->members, s->count * sizeof *s->order);
        gs_rng_shuffle(&rng, s->order, s->count);
        s->epoch = epoch;
        s->has_order = true;
    }
    return s->order[position % s->count];
}

/* ---- Sampler ----------------------------------------------------------------------------------
 */

gs_status gs_sampler_new(const gs_slice_lists *l, gs_training_method method, int pairs,
                         int min_annotated, uint64_t seed, gs_sampler **out, gs_error *err) {
    gs_sampler *s = gs_alloc(1, sizeof *s);
    if (!s) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a sampler");
    bool only_annotated = gs_method_get(method)->only_annotated;
    s->pairs = pairs;
    s->min_annotated = min_annotated < pairs ? min_annotated : pairs;
    s->has_absence = gs_method_get(method)->uses_absence;
    gs_status status = sequence_init(&s->presence, only_annotated ? l->annotated : l->presence,
                                     only_annotated ? l->annotated_count : l->presence_count, seed,
                                     STREAM_PRESENCE, err);
    if (status == GS_OK)
        status =
            sequence_init(&s->absence, l->absence, l->absence_count, seed, STREAM_ABSENCE, err);
    if (status == GS_OK)
        status = sequence_init(&s->annotated, l->annotated, l->annotated_count, seed,
                               STREAM_ANNOTATED, err);
    if (status != GS_OK) {
        gs_sampler_free(s);
        return status;
    }
    *out = s;
    return GS_OK;
}

void gs_sampler_free(gs_sampler *s) {
    if (!s) return;
    gs_free(s->presence.order), gs_free(s->absence.order), gs_free(s->annotated.order);
    gs_position_histogram_deinit(&s->histogram);
    gs_free(s);
}

void gs_sampler_pretrain(gs_sampler *s, uint64_t steps) {
    s->pretraining_steps = steps;
}

/* Moves annotated slices to the front, keeping the order otherwise; returns how many there are. */
static int annotated_first(const gs_dataset *dataset, uint32_t *slices, int count) {
    int annotated = 0;
    for (int i = 0; i < count; i++) {
        if (!gs_dataset_mask(dataset, slices[i])) continue;
        uint32_t found = slices[i];
        memmove(slices + annotated + 1, slices + annotated,
                (size_t)(i - annotated) * sizeof *slices);
        slices[annotated++] = found;
    }
    return annotated;
}

gs_status gs_sampler_match_positions(gs_sampler *s, const gs_dataset *dataset, gs_error *err) {
    if (!s->has_absence || s->has_histogram) return GS_OK;
    GS_TRY(gs_position_histogram_init(dataset, s->presence.members, s->presence.count,
                                      s->absence.members, s->absence.count, &s->histogram, err));
    s->has_histogram = true;
    return GS_OK;
}

static uint32_t absence_at(gs_sampler *s, uint64_t position) {
    if (!s->has_histogram) return sequence_at(&s->absence, position);
    gs_rng rng = {.seed = s->absence.seed, .stream = (uint64_t)STREAM_MATCHED << 48 | position};
    return gs_position_histogram_draw(&s->histogram, &rng);
}

int gs_sampler_batch(gs_sampler *s, const gs_dataset *dataset, uint64_t step, uint32_t *presence,
                     uint32_t *absence) {
    uint64_t position = step * (uint64_t)s->pairs;
    for (int i = 0; i < s->pairs; i++) {
        presence[i] = sequence_at(&s->presence, position + (uint64_t)i);
        if (s->has_absence) absence[i] = absence_at(s, position + (uint64_t)i);
    }
    if (step < s->pretraining_steps) return 0;
    int annotated = annotated_first(dataset, presence, s->pairs);
    for (; annotated < s->min_annotated; annotated++)
        presence[annotated] =
            sequence_at(&s->annotated, step * (uint64_t)s->min_annotated + (uint64_t)annotated);
    return annotated;
}

double gs_sampler_epoch_steps(const gs_sampler *s) {
    return (double)s->presence.count / (double)s->pairs;
}
