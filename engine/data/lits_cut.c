/* Owns the order of a case's slices, and that what is neither presence nor absence is left out.
 * Must not know files, nor what a slice is (liver_cut.c). */
#include "engine/data/lits_internal.h"

static gs_status cut_level(gs__liver_plane *p, const gs__levels *levels, int level, int min_width,
                           const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    const float *labels;
    GS_TRY(levels->read(levels->context, GS__LABELS, level, &labels, err));
    GS_TRY(gs__liver_find(p, levels, labels, labels, err));
    if (p->pixels > 0) {
        if (out->extent[1] < 0) out->extent[0] = level;
        out->extent[1] = level;
    }
    gs__verdict verdict = gs__liver_judge(p, levels, labels, min_width);
    if (!verdict.is_kept || verdict.label == GS_LABEL_UNKNOWN) return GS_OK;
    GS_TRY(gs__cut_reserve(out, info, err));
    size_t area = (size_t)p->side * (size_t)p->side, n = (size_t)out->count;
    GS_TRY(gs__liver_square(p, levels, level, labels, labels, info->normalization,
                            out->images + n * area, out->masks + n * area, err));
    out->slices[n] = (gs__cut_slice){.level = level, .part = "", .label = verdict.label};
    out->count++;
    return GS_OK;
}

gs_status gs__lits_cut(const gs__lits_case *c, const gs__levels *levels, int min_width,
                       const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    gs__liver_plane p = {0};
    out->extent[1] = -1;
    gs_status status = gs__liver_plane_init(&p, levels, &c->measures, info->height, err);
    for (int level = 0; status == GS_OK && level < levels->side[2]; level++)
        status = cut_level(&p, levels, level, min_width, info, out, err);
    gs__liver_plane_deinit(&p);
    return status;
}
