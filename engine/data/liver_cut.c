/* Owns the slices of the liver task: what is kept, the square around the liver, the pixels. Must
 * not know files. */
#include "engine/data/liver_cut.h"

#include "base/memory.h"
#include "engine/image/mask.h"

#include <math.h>
#include <string.h>

static const double smallest_liver = 0.06; /* of the slice's area */

/* ---- measuring ---- */

/* Adds up the values in the liver, or the squares of what they differ from the mean. */
static gs_status sum_level(const gs__levels *levels, int region, int level, const double *mean,
                           double sums[GS_MAX_CHANNELS], size_t *inside, gs_error *err) {
    const float *liver, *plane;
    size_t area = gs__level_area(levels);
    GS_TRY(levels->read(levels->context, region, level, &liver, err));
    for (size_t i = 0; i < area; i++) *inside += liver[i] != 0;
    for (int k = 0; k < levels->channels; k++) {
        GS_TRY(levels->read(levels->context, k, level, &plane, err));
        for (size_t i = 0; i < area; i++) {
            if (liver[i] == 0) continue;
            sums[k] += mean ? pow((double)plane[i] - mean[k], 2) : (double)plane[i];
        }
    }
    return GS_OK;
}

gs_status gs__liver_measure(const gs__levels *levels, int region, gs__measures *out,
                            gs_error *err) {
    double sums[GS_MAX_CHANNELS] = {0}, squares[GS_MAX_CHANNELS] = {0};
    gs__measures m = {0};
    size_t inside = 0, again = 0;
    for (int level = 0; level < levels->side[2]; level++)
        GS_TRY(sum_level(levels, region, level, NULL, sums, &inside, err));
    if (inside == 0) return gs_fail(err, GS_UNUSABLE, "%s has no liver", levels->region_name);
    for (int k = 0; k < levels->channels; k++) m.mean[k] = sums[k] / (double)inside;
    for (int level = 0; level < levels->side[2]; level++)
        GS_TRY(sum_level(levels, region, level, m.mean, squares, &again, err));
    for (int k = 0; k < levels->channels; k++) {
        m.deviation[k] = sqrt(squares[k] / (double)inside);
        if (!(m.deviation[k] > 1e-9 * fabs(m.mean[k])))
            return gs_fail(err, GS_UNUSABLE, "%s: the liver has one value, %g", levels->names[k],
                           m.mean[k]);
    }
    *out = m;
    return GS_OK;
}

/* ---- one plane ---- */

gs_status gs__liver_plane_init(gs__liver_plane *p, const gs__levels *levels, const gs__measures *m,
                               int side, gs_error *err) {
    size_t area = (size_t)side * (size_t)side, source = gs__level_area(levels);
    size_t planes = 2 + (size_t)levels->channels;
    p->side = side;
    p->channels = levels->channels;
    for (int k = 0; k < p->channels; k++) {
        p->mean[k] = m->mean[k];
        p->deviation[k] = m->deviation[k];
    }
    p->memory = gs_alloc(planes * area + source, sizeof *p->memory);
    p->seen = gs_alloc(source, 1);
    p->stack = gs_alloc(source, sizeof *p->stack);
    if (!p->memory || !p->seen || !p->stack)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a slice");
    p->liver = p->memory;
    p->lesion = p->memory + area;
    for (size_t k = 0; k < (size_t)p->channels; k++) p->channel[k] = p->memory + (2 + k) * area;
    p->source = p->memory + planes * area;
    return GS_OK;
}

static void forget_maps(gs__liver_plane *p) {
    gs_axis_map_deinit(&p->rows);
    gs_axis_map_deinit(&p->columns);
    gs_axis_map_deinit(&p->back_rows);
    gs_axis_map_deinit(&p->back_columns);
}

void gs__liver_plane_deinit(gs__liver_plane *p) {
    forget_maps(p);
    gs_free(p->memory);
    gs_free(p->seen);
    gs_free(p->stack);
}

/* The square, in millimetres, around the liver; rows begin at the front, columns at the right. */
static gs_status map_square(gs__liver_plane *p, const gs__levels *levels, gs_error *err) {
    const double *spacing = levels->spacing_mm;
    gs_axis_map *const to[2] = {&p->columns, &p->rows};
    gs_axis_map *const back[2] = {&p->back_columns, &p->back_rows};
    double edge_mm = 0;
    for (int k = 0; k < 2; k++) edge_mm = fmax(edge_mm, (p->high[k] - p->low[k] + 1) * spacing[k]);
    for (int k = 0; k < 2; k++) {
        double half = 0.5 * edge_mm / spacing[k], middle = 0.5 * (p->low[k] + p->high[k] + 1);
        double start = middle + half, step = -2 * half / p->side;
        GS_TRY(gs_axis_map_init(levels->side[k], start, step, p->side, to[k], err));
        GS_TRY(gs_axis_map_init(p->side, -start / step, 1 / step, levels->side[k], back[k], err));
    }
    return GS_OK;
}

gs_status gs__liver_find(gs__liver_plane *p, const gs__levels *levels, const float *region,
                         const float *labels, gs_error *err) {
    forget_maps(p);
    p->pixels = 0;
    p->has_lesion = false;
    for (int k = 0; k < 2; k++) {
        p->low[k] = levels->side[k];
        p->high[k] = -1;
    }
    for (int y = 0; y < levels->side[1]; y++)
        for (int x = 0; x < levels->side[0]; x++) {
            ptrdiff_t at = (ptrdiff_t)y * levels->side[0] + x;
            p->has_lesion = p->has_lesion || (labels && labels[at] == GS__LIVER_LESION);
            if (region[at] == 0) continue;
            const int place[2] = {x, y};
            p->pixels++;
            for (int k = 0; k < 2; k++) {
                if (place[k] < p->low[k]) p->low[k] = place[k];
                if (place[k] > p->high[k]) p->high[k] = place[k];
            }
        }
    return p->pixels > 0 ? map_square(p, levels, err) : GS_OK;
}

int gs__widest_part(const float *labels, int height, int width, float label, uint8_t *seen,
                    int *stack) {
    int widest = 0;
    memset(seen, 0, (size_t)height * (size_t)width);
    for (int start = 0; start < height * width; start++) {
        if (labels[start] != label || seen[start]) continue;
        int low[2] = {width, height}, high[2] = {-1, -1}, waiting = 0;
        seen[start] = 1;
        stack[waiting++] = start;
        while (waiting > 0) {
            int at = stack[--waiting];
            const int place[2] = {at % width, at / width};
            for (int k = 0; k < 2; k++) {
                if (place[k] < low[k]) low[k] = place[k];
                if (place[k] > high[k]) high[k] = place[k];
            }
            for (int n = 0; n < 9; n++) {
                int x = place[0] + n % 3 - 1, y = place[1] + n / 3 - 1, next = y * width + x;
                if (x < 0 || x >= width || y < 0 || y >= height) continue;
                if (labels[next] != label || seen[next]) continue;
                seen[next] = 1; /* each pixel waits once: the stack has room */
                stack[waiting++] = next;
            }
        }
        for (int k = 0; k < 2; k++)
            if (high[k] - low[k] + 1 > widest) widest = high[k] - low[k] + 1;
    }
    return widest;
}

gs__verdict gs__liver_judge(gs__liver_plane *p, const gs__levels *levels, const float *labels,
                            int min_width) {
    const int *side = levels->side;
    gs__verdict verdict = {.is_kept =
                               p->pixels > 0 && p->pixels >= smallest_liver * side[0] * side[1]};
    if (!verdict.is_kept || !labels) return verdict;
    if (!p->has_lesion) {
        verdict.label = GS_LABEL_ABSENCE;
    } else if (gs__widest_part(labels, side[1], side[0], GS__LIVER_LESION, p->seen, p->stack) >=
               min_width) {
        verdict.label = GS_LABEL_PRESENCE;
    }
    return verdict;
}

/* ---- pixels ---- */

/* What is cut off at [-1,1] is so before resampling, or one bright voxel would outshine many. */
static gs_status fill_channel(gs__liver_plane *p, const gs__levels *levels, int level, int k,
                              const float *region, gs_error *err) {
    const float *values;
    GS_TRY(levels->read(levels->context, k, level, &values, err));
    for (size_t i = 0; i < gs__level_area(levels); i++) {
        double normal = ((double)values[i] - p->mean[k]) / (5 * p->deviation[k]);
        p->source[i] = region[i] != 0 ? (float)fmin(fmax(normal, -1.0), 1.0) : 0;
    }
    gs_resample(p->source, levels->side[0], &p->rows, &p->columns, p->channel[k]);
    return GS_OK;
}

gs_status gs__liver_square(gs__liver_plane *p, const gs__levels *levels, int level,
                           const float *region, const float *labels, gs_normalization normalization,
                           float *image, uint8_t *mask, gs_error *err) {
    ptrdiff_t stride = levels->side[0];
    size_t source = gs__level_area(levels), area = (size_t)p->side * (size_t)p->side;
    for (size_t i = 0; i < source; i++) p->source[i] = region[i] != 0;
    gs_resample(p->source, stride, &p->rows, &p->columns, p->liver);
    for (size_t i = 0; i < source; i++) p->source[i] = labels && labels[i] == GS__LIVER_LESION;
    gs_resample(p->source, stride, &p->rows, &p->columns, p->lesion);
    for (int k = 0; k < p->channels; k++) GS_TRY(fill_channel(p, levels, level, k, region, err));
    for (size_t i = 0; i < area; i++) {
        bool is_liver = p->liver[i] >= 0.5f;
        for (int k = 0; k < p->channels; k++) {
            double value = is_liver ? (double)(p->channel[k][i] / p->liver[i]) : 0;
            image[(size_t)k * area + i] = gs__stored_value(normalization, value);
        }
        mask[i] = is_liver && p->lesion[i] >= 0.5f ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
    }
    return GS_OK;
}
