/* Owns the order of a case's half-slices, and that what is neither presence nor absence is left
 * out. Must not know files, nor what a half-slice is (brain_cut.c). */
#include "engine/data/brats_internal.h"

static gs_status cut_half(const gs__brain_plane *p, int level, bool is_right,
                          const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    gs__verdict verdict = gs__brain_judge(p, is_right, true);
    if (!verdict.is_kept || verdict.label == GS_LABEL_UNKNOWN) return GS_OK;
    GS_TRY(gs__cut_reserve(out, info, err));
    size_t area = (size_t)info->height * (size_t)info->width, n = (size_t)out->count;
    gs__brain_half(p, is_right, info->normalization,
                   out->images + n * area * (size_t)info->channels, out->masks + n * area);
    out->slices[n] = (gs__cut_slice){
        .level = level, .part = is_right ? "right" : "left", .label = verdict.label};
    out->count++;
    return GS_OK;
}

static gs_status cut_level(gs__brain_plane *p, const gs__brats_case *c, const gs__levels *levels,
                           int level, const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    size_t from = (size_t)level * gs__level_area(levels);
    GS_TRY(gs__brain_plane_fill(p, levels, level, c->brain + from, c->seg.voxels + from, err));
    for (int is_right = 0; is_right < 2; is_right++)
        GS_TRY(cut_half(p, level, is_right, info, out, err));
    return GS_OK;
}

gs_status gs__brats_cut(const gs__brats_case *c, const gs__levels *levels, int pixel_mm,
                        const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    gs__brain_plane p = {0};
    gs_status status = gs__brain_plane_init(&p, levels, &c->measures, pixel_mm, err);
    for (int level = 0; status == GS_OK && level < levels->side[2]; level++)
        status = cut_level(&p, c, levels, level, info, out, err);
    gs__brain_plane_deinit(&p);
    return status;
}
