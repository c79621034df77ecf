/* Owns the half-slices of the brain task: the frame, what is kept, and the pixels. Must not know
 * files. */
#include "engine/data/brain_cut.h"

#include "base/memory.h"
#include "engine/image/mask.h"

#include <math.h>

static const double smallest_brain = 0.25;  /* of the half's pixels */
static const double smallest_tumour = 0.01; /* of the brain's pixels */

/* ---- measuring ---- */

gs_status gs__brain_mark(const gs__levels *levels, int level, float *brain, gs_error *err) {
    size_t area = gs__level_area(levels);
    for (size_t i = 0; i < area; i++) brain[i] = 0;
    for (int k = 0; k < levels->channels; k++) {
        const float *plane;
        GS_TRY(levels->read(levels->context, k, level, &plane, err));
        for (size_t i = 0; i < area; i++)
            if (plane[i] != 0) brain[i] = 1;
    }
    return GS_OK;
}

static size_t extend_box(const gs__levels *levels, const float *brain, gs__measures *m) {
    size_t inside = 0;
    for (int y = 0; y < levels->side[1]; y++)
        for (int x = 0; x < levels->side[0]; x++) {
            if (*brain++ == 0) continue;
            const int place[2] = {x, y};
            inside++;
            for (int k = 0; k < 2; k++) {
                if (place[k] < m->low[k]) m->low[k] = place[k];
                if (place[k] > m->high[k]) m->high[k] = place[k];
            }
        }
    return inside;
}

/* Adds up the values in the brain, or the squares of what they differ from the mean. */
static gs_status sum_level(const gs__levels *levels, int level, const float *brain,
                           const double *mean, double sums[GS_MAX_CHANNELS], gs_error *err) {
    size_t area = gs__level_area(levels);
    for (int k = 0; k < levels->channels; k++) {
        const float *plane;
        GS_TRY(levels->read(levels->context, k, level, &plane, err));
        for (size_t i = 0; i < area; i++) {
            if (brain[i] == 0) continue;
            sums[k] += mean ? pow((double)plane[i] - mean[k], 2) : (double)plane[i];
        }
    }
    return GS_OK;
}

static gs_status check_inside(const gs__levels *levels, size_t inside, gs_error *err) {
    size_t count = gs__level_area(levels) * (size_t)levels->side[2];
    if (inside > 0 && inside <= count / 20 * 19) return GS_OK;
    return gs_fail(err, GS_UNUSABLE,
                   "%s and its like: %zu of %zu voxels are not 0; expected is a brain without "
                   "skull, and 0 around it",
                   levels->names[0], inside, count);
}

/* Two passes, as the sum of squares of large values would lose the deviation. */
static gs_status measure(const gs__levels *levels, float *brain, gs__measures *m, gs_error *err) {
    double sums[GS_MAX_CHANNELS] = {0}, squares[GS_MAX_CHANNELS] = {0};
    size_t inside = 0;
    for (int level = 0; level < levels->side[2]; level++) {
        GS_TRY(gs__brain_mark(levels, level, brain, err));
        inside += extend_box(levels, brain, m);
        GS_TRY(sum_level(levels, level, brain, NULL, sums, err));
    }
    GS_TRY(check_inside(levels, inside, err));
    for (int k = 0; k < levels->channels; k++) m->mean[k] = sums[k] / (double)inside;
    for (int level = 0; level < levels->side[2]; level++) {
        GS_TRY(gs__brain_mark(levels, level, brain, err));
        GS_TRY(sum_level(levels, level, brain, m->mean, squares, err));
    }
    for (int k = 0; k < levels->channels; k++) {
        m->deviation[k] = sqrt(squares[k] / (double)inside);
        if (!(m->deviation[k] > 1e-9 * fabs(m->mean[k])))
            return gs_fail(err, GS_UNUSABLE, "%s: the brain has one value, %g", levels->names[k],
                           m->mean[k]);
    }
    return GS_OK;
}

gs_status gs__brain_measure(const gs__levels *levels, gs__measures *out, gs_error *err) {
    gs__measures m = {.low = {levels->side[0], levels->side[1]}, .high = {-1, -1}};
    float *brain = gs_alloc(gs__level_area(levels), sizeof *brain);
    if (!brain) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plane");
    gs_status status = measure(levels, brain, &m, err);
    gs_free(brain);
    if (status == GS_OK) *out = m;
    return status;
}

/* ---- the frame ---- */

/* Voxel i covers what pixel n of the map covers, read the other way round. */
static gs_status map_axis(int old_count, double start, double step, int count, gs_axis_map *to,
                          gs_axis_map *back, gs_error *err) {
    GS_TRY(gs_axis_map_init(old_count, start, step, count, to, err));
    return gs_axis_map_init(count, -start / step, 1 / step, old_count, back, err);
}

gs_status gs__brain_plane_init(gs__brain_plane *p, const gs__levels *levels, const gs__measures *m,
                               int pixel_mm, gs_error *err) {
    const double *spacing = levels->spacing_mm;
    int frame = p->frame = GS__BRAIN_FRAME_MM / pixel_mm;
    double half = 0.5 * frame * pixel_mm, middle[2];
    for (int k = 0; k < 2; k++) middle[k] = 0.5 * (m->low[k] + m->high[k] + 1);
    p->channels = levels->channels;
    for (int k = 0; k < p->channels; k++) {
        p->mean[k] = m->mean[k];
        p->deviation[k] = m->deviation[k];
    }
    GS_TRY(map_axis(levels->side[0], middle[0] - half / spacing[0], pixel_mm / spacing[0], frame,
                    &p->columns, &p->back_columns, err));
    GS_TRY(map_axis(levels->side[1], middle[1] + half / spacing[1], -pixel_mm / spacing[1], frame,
                    &p->rows, &p->back_rows, err));
    size_t area = (size_t)frame * (size_t)frame, planes = 2 + (size_t)p->channels;
    p->memory = gs_alloc(planes * area + gs__level_area(levels), sizeof(float));
    if (!p->memory) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a slice");
    p->brain = p->memory;
    p->tumour = p->memory + area;
    for (size_t k = 0; k < (size_t)p->channels; k++) p->channel[k] = p->memory + (2 + k) * area;
    p->source = p->memory + planes * area;
    return GS_OK;
}

void gs__brain_plane_deinit(gs__brain_plane *p) {
    gs_axis_map_deinit(&p->rows);
    gs_axis_map_deinit(&p->columns);
    gs_axis_map_deinit(&p->back_rows);
    gs_axis_map_deinit(&p->back_columns);
    gs_free(p->memory);
}

/* The mean of the brain's part of each pixel: what surrounds the brain does not darken its edge. */
static gs_status fill_channel(gs__brain_plane *p, const gs__levels *levels, int level, int k,
                              const float *brain, gs_error *err) {
    const float *plane;
    GS_TRY(levels->read(levels->context, k, level, &plane, err));
    for (size_t i = 0; i < gs__level_area(levels); i++) p->source[i] = brain[i] * plane[i];
    gs_resample(p->source, levels->side[0], &p->rows, &p->columns, p->channel[k]);
    for (ptrdiff_t i = 0; i < (ptrdiff_t)p->frame * p->frame; i++) {
        if (p->brain[i] < 0.5f) continue;
        double value = (double)(p->channel[k][i] / p->brain[i]);
        p->channel[k][i] = (float)((value - p->mean[k]) / (5 * p->deviation[k]));
    }
    return GS_OK;
}

gs_status gs__brain_plane_fill(gs__brain_plane *p, const gs__levels *levels, int level,
                               const float *brain, const float *labels, gs_error *err) {
    gs_resample(brain, levels->side[0], &p->rows, &p->columns, p->brain);
    for (size_t i = 0; labels && i < gs__level_area(levels); i++) p->source[i] = labels[i] != 0;
    if (labels) gs_resample(p->source, levels->side[0], &p->rows, &p->columns, p->tumour);
    for (int k = 0; k < p->channels; k++) GS_TRY(fill_channel(p, levels, level, k, brain, err));
    return GS_OK;
}

/* ---- halves ---- */

/* A trace of tumour that is no pixel's larger part is not absence. */
gs__verdict gs__brain_judge(const gs__brain_plane *p, bool is_right, bool has_truth) {
    int brain = 0, tumour = 0, trace = 0, width = p->frame / 2;
    for (int y = 0; y < p->frame; y++)
        for (int x = 0; x < width; x++) {
            ptrdiff_t at = (ptrdiff_t)y * p->frame + (is_right ? width : 0) + x;
            trace += p->tumour[at] > 0;
            if (p->brain[at] < 0.5f) continue;
            brain++;
            tumour += p->tumour[at] >= 0.5f;
        }
    gs__verdict verdict = {.is_kept = brain >= smallest_brain * p->frame * width};
    if (has_truth && tumour > 0 && tumour >= smallest_tumour * brain)
        verdict.label = GS_LABEL_PRESENCE;
    if (has_truth && trace == 0) verdict.label = GS_LABEL_ABSENCE;
    return verdict;
}

/* Where the pixel of a half lies in the frame. */
static ptrdiff_t place_in_frame(const gs__brain_plane *p, bool is_right, int y, int x) {
    return (ptrdiff_t)y * p->frame + (is_right ? p->frame - 1 - x : x);
}

void gs__brain_half(const gs__brain_plane *p, bool is_right, gs_normalization normalization,
                    float *image, uint8_t *mask) {
    int width = p->frame / 2;
    ptrdiff_t area = (ptrdiff_t)p->frame * width;
    for (int y = 0; y < p->frame; y++)
        for (int x = 0; x < width; x++) {
            ptrdiff_t at = place_in_frame(p, is_right, y, x), to = (ptrdiff_t)y * width + x;
            bool is_brain = p->brain[at] >= 0.5f;
            for (int k = 0; k < p->channels; k++)
                image[k * area + to] =
                    gs__stored_value(normalization, is_brain ? (double)p->channel[k][at] : -1);
            if (!mask) continue;
            mask[to] = is_brain && p->tumour[at] >= 0.5f ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
        }
}

void gs__brain_unfold(const gs__brain_plane *p, bool is_right, const float *half, float *frame) {
    int width = p->frame / 2;
    for (int y = 0; y < p->frame; y++)
        for (int x = 0; x < width; x++)
            frame[place_in_frame(p, is_right, y, x)] = half[(ptrdiff_t)y * width + x];
}
