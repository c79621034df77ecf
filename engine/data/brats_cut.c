/* Owns the half-slices of the brain task: the frame, what is kept, and the pixels. Must not know
 * files. Frame: rows from front to back, columns from the patient's left to the right; halves show
 * the midline at their right edge. */
#include "engine/data/brats_internal.h"

#include "base/memory.h"
#include "engine/data/resample.h"
#include "engine/image/mask.h"

#include <math.h>
#include <string.h>

static const double smallest_brain = 0.25;  /* of the half's pixels */
static const double smallest_tumour = 0.01; /* of the brain's pixels */

/* One axial slice in the frame; all [frame, frame]. */
typedef struct plane {
    int frame;
    gs_axis_map rows, columns;
    float *brain;                         /* fraction of the pixel */
    float *tumour;                        /* as well */
    float *sequence[GS__BRATS_SEQUENCES]; /* normalised, in [-1,1]; background -1 */
    float *source;                        /* [side[1], side[0]]: of the volume */
    float *memory;
} plane;

/* The middle of the brain's bounding box, in voxels. */
static void find_middle(const gs__brats_case *c, double middle[2]) {
    const int *side = c->seg.side;
    int low[2] = {side[0], side[1]}, high[2] = {-1, -1};
    const float *at = c->brain;
    for (int z = 0; z < side[2]; z++)
        for (int y = 0; y < side[1]; y++)
            for (int x = 0; x < side[0]; x++) {
                if (*at++ == 0) continue;
                const int place[2] = {x, y};
                for (int k = 0; k < 2; k++) {
                    if (place[k] < low[k]) low[k] = place[k];
                    if (place[k] > high[k]) high[k] = place[k];
                }
            }
    for (int k = 0; k < 2; k++) middle[k] = 0.5 * (low[k] + high[k] + 1);
}

static void plane_deinit(plane *p) {
    gs_axis_map_deinit(&p->rows);
    gs_axis_map_deinit(&p->columns);
    gs_free(p->memory);
}

static gs_status plane_init(plane *p, const gs__brats_case *c, int pixel_mm, gs_error *err) {
    const double *spacing = c->seg.spacing_mm;
    double middle[2];
    find_middle(c, middle);
    int frame = p->frame = GS__BRATS_FRAME_MM / pixel_mm;
    double half = 0.5 * frame * pixel_mm;
    GS_TRY(gs_axis_map_init(c->seg.side[0], middle[0] - half / spacing[0], pixel_mm / spacing[0],
                            frame, &p->columns, err));
    GS_TRY(gs_axis_map_init(c->seg.side[1], middle[1] + half / spacing[1], -pixel_mm / spacing[1],
                            frame, &p->rows, err));
    size_t area = (size_t)frame * (size_t)frame;
    size_t source = (size_t)c->seg.side[0] * (size_t)c->seg.side[1];
    p->memory = gs_alloc((2 + GS__BRATS_SEQUENCES) * area + source, sizeof(float));
    if (!p->memory) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a slice");
    p->brain = p->memory;
    p->tumour = p->memory + area;
    for (size_t k = 0; k < GS__BRATS_SEQUENCES; k++) p->sequence[k] = p->memory + (2 + k) * area;
    p->source = p->memory + (2 + GS__BRATS_SEQUENCES) * area;
    return GS_OK;
}

/* The mean of the brain's part of each pixel: what surrounds the brain does not darken its edge. */
static void fill_sequence(plane *p, const gs__brats_case *c, int k, ptrdiff_t from) {
    ptrdiff_t source = (ptrdiff_t)c->seg.side[0] * c->seg.side[1];
    for (ptrdiff_t i = 0; i < source; i++)
        p->source[i] = c->brain[from + i] * c->sequence[k].voxels[from + i];
    gs_resample(p->source, c->seg.side[0], &p->rows, &p->columns, p->sequence[k]);
    for (ptrdiff_t i = 0; i < (ptrdiff_t)p->frame * p->frame; i++) {
        if (p->brain[i] < 0.5f) continue;
        double value = (double)(p->sequence[k][i] / p->brain[i]);
        p->sequence[k][i] = (float)((value - c->mean[k]) / (5 * c->deviation[k]));
    }
}

static void fill_plane(plane *p, const gs__brats_case *c, int level) {
    ptrdiff_t source = (ptrdiff_t)c->seg.side[0] * c->seg.side[1], from = level * source;
    gs_resample(c->brain + from, c->seg.side[0], &p->rows, &p->columns, p->brain);
    for (ptrdiff_t i = 0; i < source; i++) p->source[i] = c->seg.voxels[from + i] != 0;
    gs_resample(p->source, c->seg.side[0], &p->rows, &p->columns, p->tumour);
    for (int k = 0; k < GS__BRATS_SEQUENCES; k++) fill_sequence(p, c, k, from);
}

/* UNKNOWN: of no use. A trace of tumour that is no pixel's larger part is not absence. */
static gs_label judge_half(const plane *p, bool is_right) {
    int brain = 0, tumour = 0, trace = 0, width = p->frame / 2;
    for (int y = 0; y < p->frame; y++)
        for (int x = 0; x < width; x++) {
            ptrdiff_t at = (ptrdiff_t)y * p->frame + (is_right ? width : 0) + x;
            trace += p->tumour[at] > 0;
            if (p->brain[at] < 0.5f) continue;
            brain++;
            tumour += p->tumour[at] >= 0.5f;
        }
    if (brain < smallest_brain * p->frame * width) return GS_LABEL_UNKNOWN;
    if (tumour > 0 && tumour >= smallest_tumour * brain) return GS_LABEL_PRESENCE;
    return trace == 0 ? GS_LABEL_ABSENCE : GS_LABEL_UNKNOWN;
}

static void fill_half(const plane *p, bool is_right, const gs_dataset_info *info, float *image,
                      uint8_t *mask) {
    int width = p->frame / 2;
    ptrdiff_t area = (ptrdiff_t)p->frame * width;
    for (int y = 0; y < p->frame; y++)
        for (int x = 0; x < width; x++) {
            ptrdiff_t at = (ptrdiff_t)y * p->frame + (is_right ? p->frame - 1 - x : x);
            ptrdiff_t to = (ptrdiff_t)y * width + x;
            bool is_brain = p->brain[at] >= 0.5f;
            for (int k = 0; k < GS__BRATS_SEQUENCES; k++)
                image[k * area + to] =
                    gs__stored_value(info, is_brain ? (double)p->sequence[k][at] : -1);
            mask[to] = is_brain && p->tumour[at] >= 0.5f ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
        }
}

static gs_status cut_half(const plane *p, int level, bool is_right, const gs_dataset_info *info,
                          gs__cut *out, gs_error *err) {
    gs_label label = judge_half(p, is_right);
    if (label == GS_LABEL_UNKNOWN) return GS_OK;
    GS_TRY(gs__cut_reserve(out, info, err));
    size_t area = (size_t)info->height * (size_t)info->width, n = (size_t)out->count;
    fill_half(p, is_right, info, out->images + n * area * (size_t)info->channels,
              out->masks + n * area);
    out->slices[n] =
        (gs__cut_slice){.level = level, .part = is_right ? "right" : "left", .label = label};
    out->count++;
    return GS_OK;
}

gs_status gs__brats_cut(const gs__brats_case *c, int pixel_mm, const gs_dataset_info *info,
                        gs__cut *out, gs_error *err) {
    plane p = {0};
    gs_status status = plane_init(&p, c, pixel_mm, err);
    for (int level = 0; status == GS_OK && level < c->seg.side[2]; level++) {
        fill_plane(&p, c, level);
        for (int is_right = 0; is_right < 2 && status == GS_OK; is_right++)
            status = cut_half(&p, level, is_right, info, out, err);
    }
    plane_deinit(&p);
    return status;
}
