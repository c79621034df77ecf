/* Owns the way from a model's pixels back to a volume's. Sums over a level's slices: what lies
 * between two of them is made of both. */
#include "engine/data/volume_cut_internal.h"

#include "engine/image/normalize.h"

#include <math.h>
#include <string.h>

static void add_plane(const float *from, size_t count, float *to) {
    for (size_t i = 0; i < count; i++) to[i] += from[i];
}

/* ---- where a slice's pixels lie ---- */

/* Adds a part's pixels [H,W] to `sum`, resampled to the volume's plane; `scratch` holds a frame. */
static void spread_brain(const gs_volume_cutter *c, int part, const float *pixels, float *scratch,
                         float *sum) {
    const gs__brain_plane *p = &c->brain;
    size_t area = (size_t)p->frame * (size_t)p->frame;
    memset(scratch, 0, area * sizeof *scratch);
    gs__brain_unfold(p, part == 1, pixels, scratch);
    for (int y = 0; y < c->levels.side[1]; y++) { /* row by row: no room for a plane of its own */
        gs_axis_map row = {.count = 1,
                           .taps = p->back_rows.taps,
                           .first = p->back_rows.first + y,
                           .weights = p->back_rows.weights + (ptrdiff_t)y * p->back_rows.taps,
                           .only = p->back_rows.only ? p->back_rows.only + y : NULL};
        float line[GS_VOLUME_MAX_SIDE];
        gs_resample(scratch, p->frame, &row, &p->back_columns, line);
        add_plane(line, (size_t)c->levels.side[0], sum + (ptrdiff_t)y * c->levels.side[0]);
    }
}

/* Adds the part's pixels to `sum`. */
static void spread(const gs_volume_cutter *c, int part, const float *pixels, float *scratch,
                   float *sum) {
    size_t area = gs__level_area(&c->levels);
    switch (c->preset) {
    case GS_VOLUME_BRAIN:
        spread_brain(c, part, pixels, scratch, sum);
        return;
    case GS_VOLUME_LIVER:
        gs_resample(pixels, c->liver.side, &c->liver.back_rows, &c->liver.back_columns, sum);
        return;
    case GS_VOLUME_PLAIN:
    case GS_VOLUME_PRESETS:
        for (size_t i = 0; i < area; i++) sum[i] = pixels[area - 1 - i];
    }
}

static gs_status load(gs_volume_cutter *c, int level, gs_error *err) {
    if (c->preset == GS_VOLUME_BRAIN) return gs__cutter_fill_brain(c, level, err);
    if (c->preset == GS_VOLUME_LIVER) return gs__cutter_find_liver(c, level, NULL, NULL, err);
    return GS_OK;
}

gs_status gs_volume_cutter_restore_map(gs_volume_cutter *c, int level,
                                       const float *const maps[GS_VOLUME_SLICE_PARTS], float *plane,
                                       gs_error *err) {
    /* The frame of a head is the same at every level. */
    if (c->preset == GS_VOLUME_LIVER) GS_TRY(load(c, level, err));
    memset(plane, 0, gs__level_area(&c->levels) * sizeof *plane);
    for (int part = 0; part < gs_volume_cutter_parts(c); part++)
        if (maps[part]) spread(c, part, maps[part], c->frame, plane);
    return GS_OK;
}

/* ---- values ---- */

/* value in the volume's units = offset + factor * value in the model's range. */
typedef struct units {
    double offset, factor;
} units;

static units units_of(const gs_volume_cutter *c, int channel, const float *plane) {
    switch (c->preset) {
    case GS_VOLUME_BRAIN:
        return (units){c->brain.mean[channel], 5 * c->brain.deviation[channel]};
    case GS_VOLUME_LIVER:
        return (units){c->liver.mean[channel], 5 * c->liver.deviation[channel]};
    case GS_VOLUME_PLAIN:
    case GS_VOLUME_PRESETS:
        break;
    }
    double low = c->low[channel], half = 0.5 * (c->high[channel] - c->low[channel]);
    double mean = 0, deviation = 0;
    if (c->form.normalization == GS_NORMALIZE_UNIT) return (units){low + half, half};
    if (c->form.normalization == GS_NORMALIZE_NONE) return (units){0, 1};
    if (!gs_foreground_measure(plane, gs__level_area(&c->levels), &mean, &deviation))
        return (units){0, 0};
    return (units){mean, 5 * deviation};
}

/* 1 where the part shows brain or liver, else 0; [H,W]. */
static void find_shown(const gs_volume_cutter *c, int part, float *shown) {
    size_t pixels = (size_t)c->form.height * (size_t)c->form.width;
    if (c->preset == GS_VOLUME_BRAIN) {
        const gs__brain_plane *p = &c->brain;
        int width = p->frame / 2;
        for (int y = 0; y < p->frame; y++)
            for (int x = 0; x < width; x++) {
                ptrdiff_t at = (ptrdiff_t)y * p->frame + (part == 1 ? p->frame - 1 - x : x);
                shown[(ptrdiff_t)y * width + x] = p->brain[at] >= 0.5f;
            }
    } else if (c->preset == GS_VOLUME_LIVER) {
        for (size_t i = 0; i < pixels; i++) shown[i] = c->liver.liver[i] >= 0.5f;
    } else {
        for (size_t i = 0; i < pixels; i++) shown[i] = 1;
    }
}

/* The liver's fractions of the square's pixels, which finding it does not make. */
static gs_status fill_liver(gs_volume_cutter *c, int level, gs_error *err) {
    const float *region;
    GS_TRY(gs__cutter_find_liver(c, level, &region, NULL, err));
    if (c->liver.pixels == 0) return GS_OK;
    for (size_t i = 0; i < gs__level_area(&c->levels); i++) c->liver.source[i] = region[i] != 0;
    gs_resample(c->liver.source, c->levels.side[0], &c->liver.rows, &c->liver.columns,
                c->liver.liver);
    return GS_OK;
}

/* Whether a voxel's own value is replaced: it is brain or liver, or, where zeros are background to
 * the model's normalization, not 0. */
static bool is_inside(const gs_volume_cutter *c, const float *region, const float *plane,
                      size_t i) {
    if (c->preset == GS_VOLUME_PLAIN)
        return c->form.normalization != GS_NORMALIZE_FOREGROUND || plane[i] != 0;
    return region[i] != 0;
}

/* c->sum: the weighted values, c->weight: their weights. What is not shown weighs nothing, so that
 * the background beside it does not bleed into its edge. */
static void gather(gs_volume_cutter *c, const float *const images[GS_VOLUME_SLICE_PARTS]) {
    size_t area = gs__level_area(&c->levels);
    size_t pixels = (size_t)c->form.height * (size_t)c->form.width;
    memset(c->sum, 0, area * sizeof *c->sum);
    memset(c->weight, 0, area * sizeof *c->weight);
    for (int part = 0; part < gs_volume_cutter_parts(c); part++) {
        if (!images[part]) continue;
        find_shown(c, part, c->shown);
        spread(c, part, c->shown, c->frame, c->weight);
        for (size_t i = 0; i < pixels; i++) c->shown[i] *= images[part][i];
        spread(c, part, c->shown, c->frame, c->sum);
    }
}

typedef enum restored { IMAGE, RESIDUAL } restored;

static gs_status restore(gs_volume_cutter *c, int level, int channel,
                         const float *const images[GS_VOLUME_SLICE_PARTS], restored what,
                         float *plane, gs_error *err) {
    const float *own, *region = NULL;
    GS_TRY(load(c, level, err));
    if (c->preset == GS_VOLUME_BRAIN) region = c->marked;
    if (c->preset == GS_VOLUME_LIVER) {
        GS_TRY(fill_liver(c, level, err));
        GS_TRY(gs__cutter_find_liver(c, level, &region, NULL, err));
    }
    GS_TRY(gs__cutter_plane(c, channel, level, &own, err));
    units to = units_of(c, channel, own);
    gather(c, images);
    for (size_t i = 0; i < gs__level_area(&c->levels); i++) {
        plane[i] = what == IMAGE ? own[i] : 0;
        if (!(c->weight[i] > 0.01f) || !is_inside(c, region, own, i)) continue;
        double value = (double)(c->sum[i] / c->weight[i]);
        plane[i] = (float)((what == IMAGE ? to.offset : 0) + to.factor * value);
    }
    return GS_OK;
}

gs_status gs_volume_cutter_restore_image(gs_volume_cutter *c, int level, int channel,
                                         const float *const images[GS_VOLUME_SLICE_PARTS],
                                         float *plane, gs_error *err) {
    return restore(c, level, channel, images, IMAGE, plane, err);
}

gs_status gs_volume_cutter_restore_residual(gs_volume_cutter *c, int level, int channel,
                                            const float *const residuals[GS_VOLUME_SLICE_PARTS],
                                            float *plane, gs_error *err) {
    return restore(c, level, channel, residuals, RESIDUAL, plane, err);
}
