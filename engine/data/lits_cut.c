/* Owns the slices of the liver task: what is kept, the square around the liver, the pixels. Must
 * not know files. Rows from front to back, columns from the patient's right to the left. */
#include "engine/data/lits_internal.h"

#include "base/memory.h"
#include "engine/data/resample.h"
#include "engine/image/mask.h"

#include <math.h>
#include <string.h>

static const double smallest_liver = 0.06; /* of the slice's area */

/* The liver of one slice, in voxels. */
typedef struct region {
    int low[2], high[2], pixels;
    bool has_lesion;
} region;

/* Room for one slice. */
typedef struct room {
    int side;                      /* of the result */
    float *source;                 /* [side[1], side[0]] of the volume */
    float *liver, *lesion, *image; /* [side, side] */
    uint8_t *seen;                 /* as source */
    int *stack;
} room;

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

static region find_liver(const gs__lits_case *c, const float *labels) {
    const int *side = c->seg.side;
    region r = {.low = {side[0], side[1]}, .high = {-1, -1}};
    for (int y = 0; y < side[1]; y++)
        for (int x = 0; x < side[0]; x++) {
            float label = labels[(ptrdiff_t)y * side[0] + x];
            if (label == 0) continue;
            const int place[2] = {x, y};
            r.pixels++;
            r.has_lesion = r.has_lesion || label == GS__LITS_LESION;
            for (int k = 0; k < 2; k++) {
                if (place[k] < r.low[k]) r.low[k] = place[k];
                if (place[k] > r.high[k]) r.high[k] = place[k];
            }
        }
    return r;
}

static gs_label judge(const gs__lits_case *c, const float *labels, const region *r, int min_width,
                      room *space) {
    const int *side = c->seg.side;
    if (r->pixels < smallest_liver * side[0] * side[1]) return GS_LABEL_UNKNOWN;
    if (!r->has_lesion) return GS_LABEL_ABSENCE;
    int widest =
        gs__widest_part(labels, side[1], side[0], GS__LITS_LESION, space->seen, space->stack);
    return widest >= min_width ? GS_LABEL_PRESENCE : GS_LABEL_UNKNOWN;
}

/* The square, in millimetres, around the liver; rows begin at the front, columns at the right. */
static gs_status map_square(const gs__lits_case *c, const region *r, int side, gs_axis_map *rows,
                            gs_axis_map *columns, gs_error *err) {
    const double *spacing = c->seg.spacing_mm;
    double edge_mm = 0, middle[2];
    for (int k = 0; k < 2; k++) {
        edge_mm = fmax(edge_mm, (r->high[k] - r->low[k] + 1) * spacing[k]);
        middle[k] = 0.5 * (r->low[k] + r->high[k] + 1);
    }
    const double half[2] = {0.5 * edge_mm / spacing[0], 0.5 * edge_mm / spacing[1]};
    GS_TRY(gs_axis_map_init(c->seg.side[0], middle[0] + half[0], -2 * half[0] / side, side, columns,
                            err));
    return gs_axis_map_init(c->seg.side[1], middle[1] + half[1], -2 * half[1] / side, side, rows,
                            err);
}

/* What is cut off at [-1,1] is so before resampling, or one bright voxel would outshine many. */
static void fill_square(const gs__lits_case *c, ptrdiff_t from, const gs_axis_map *rows,
                        const gs_axis_map *columns, room *space) {
    const float *labels = c->seg.voxels + from, *values = c->volume.voxels + from;
    ptrdiff_t stride = c->seg.side[0], area = stride * c->seg.side[1];
    float *source = space->source;
    for (ptrdiff_t i = 0; i < area; i++) source[i] = labels[i] != 0;
    gs_resample(source, stride, rows, columns, space->liver);
    for (ptrdiff_t i = 0; i < area; i++) source[i] = labels[i] == GS__LITS_LESION;
    gs_resample(source, stride, rows, columns, space->lesion);
    for (ptrdiff_t i = 0; i < area; i++) {
        double normal = ((double)values[i] - c->mean) / (5 * c->deviation);
        source[i] = labels[i] != 0 ? (float)fmin(fmax(normal, -1.0), 1.0) : 0;
    }
    gs_resample(source, stride, rows, columns, space->image);
}

static void store_square(const room *space, const gs_dataset_info *info, float *image,
                         uint8_t *mask) {
    for (int i = 0; i < space->side * space->side; i++) {
        bool is_liver = space->liver[i] >= 0.5f;
        double value = is_liver ? (double)(space->image[i] / space->liver[i]) : 0;
        image[i] = gs__stored_value(info, value);
        mask[i] = is_liver && space->lesion[i] >= 0.5f ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
    }
}

static gs_status cut_slice(const gs__lits_case *c, int level, int min_width,
                           const gs_dataset_info *info, room *space, gs__cut *out, gs_error *err) {
    ptrdiff_t from = (ptrdiff_t)level * c->seg.side[0] * c->seg.side[1];
    region r = find_liver(c, c->seg.voxels + from);
    gs_label label = judge(c, c->seg.voxels + from, &r, min_width, space);
    if (label == GS_LABEL_UNKNOWN) return GS_OK;
    gs_axis_map rows = {0}, columns = {0};
    size_t area = (size_t)space->side * (size_t)space->side;
    gs_status status = gs__cut_reserve(out, info, err);
    if (status == GS_OK) status = map_square(c, &r, space->side, &rows, &columns, err);
    if (status == GS_OK) {
        size_t n = (size_t)out->count;
        fill_square(c, from, &rows, &columns, space);
        store_square(space, info, out->images + n * area, out->masks + n * area);
        out->slices[n] = (gs__cut_slice){.level = level, .part = "", .label = label};
        out->count++;
    }
    gs_axis_map_deinit(&rows);
    gs_axis_map_deinit(&columns);
    return status;
}

gs_status gs__lits_cut(const gs__lits_case *c, int min_width, const gs_dataset_info *info,
                       gs__cut *out, gs_error *err) {
    size_t area = (size_t)info->height * (size_t)info->width;
    size_t source = (size_t)c->seg.side[0] * (size_t)c->seg.side[1];
    float *memory = gs_alloc(3 * area + source, sizeof *memory);
    room space = {
        .side = info->height, .seen = gs_alloc(source, 1), .stack = gs_alloc(source, sizeof(int))};
    gs_status status = GS_OK;
    if (!memory || !space.seen || !space.stack) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a slice");
    } else {
        space.liver = memory;
        space.lesion = memory + area;
        space.image = memory + 2 * area;
        space.source = memory + 3 * area;
    }
    for (int level = 0; status == GS_OK && level < c->seg.side[2]; level++)
        status = cut_slice(c, level, min_width, info, &space, out, err);
    gs_free(memory);
    gs_free(space.seen);
    gs_free(space.stack);
    return status;
}
