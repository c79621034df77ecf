/* Owns the LiTS layout: which files make a case, and what must be true of them. Must not know
 * slices (lits_cut.c) or data sets. */
#include "engine/data/lits_internal.h"

#include "base/memory.h"

#include <string.h>

enum { FILE_DEPTH = 2, VOLUME = 0, SEGMENTATION = 1, FILES };

static const char *const beginnings[FILES] = {"volume-", "segmentation-"};

/* ---- listing ---- */

/* "volume-12.nii.gz": VOLUME, and *number_out is its "12". */
static int find_kind(const char *name, const char **number_out, size_t *length_out) {
    size_t length;
    if (!gs__is_nifti(name, &length)) return -1;
    for (int kind = 0; kind < FILES; kind++) {
        size_t before = strlen(beginnings[kind]);
        if (length <= before || strncmp(name, beginnings[kind], before) != 0) continue;
        if (strspn(name + before, "0123456789") < length - before) continue;
        *number_out = name + before;
        *length_out = length - before;
        return kind;
    }
    return -1;
}

static gs_status visit_file(void *context, const char *folder, const char *below, const char *name,
                            gs_error *err) {
    const char *number;
    size_t length;
    int kind = find_kind(name, &number, &length);
    if (kind < 0) return GS_OK;
    (void)below; /* volumes and segmentations may lie in folders of their own */
    char *case_name = gs_format("volume-%.*s", (int)length, number);
    gs__candidate *c = case_name ? gs__candidates_get(context, case_name, "") : NULL;
    gs_status status = GS_OK;
    if (!c) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for another case, or more than %d",
                         GS_IMPORT_MAX_CASES);
    } else if (c->files[kind]) {
        c->has_twin = true;
    } else {
        c->files[kind] = gs_format("%s/%s", folder, name);
        if (!c->files[kind]) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    }
    gs_free(case_name);
    return status;
}

static gs_status list_cases(const char *folder, gs__candidates *out, gs_error *err) {
    return gs__walk_folder(folder, FILE_DEPTH, visit_file, out, err);
}

/* ---- one case ---- */

static gs_status check_labels(const gs_volume *seg, const char *path, gs_error *err) {
    size_t count = gs_volume_voxels(seg);
    for (size_t i = 0; i < count; i++) {
        float label = seg->voxels[i];
        if (label != 0 && label != GS__LIVER && label != GS__LIVER_LESION)
            return gs_fail(err, GS_UNUSABLE, "%s: label %g at voxel %zu; the layout has 0, 1, 2",
                           path, (double)label, i);
    }
    return GS_OK;
}

static gs_status read_level(void *context, int volume, int level, const float **plane_out,
                            gs_error *err) {
    (void)err;
    const gs__lits_case *c = context;
    const gs_volume *from = volume == GS__LABELS ? &c->seg : &c->volume;
    *plane_out = from->voxels + (ptrdiff_t)level * from->side[0] * from->side[1];
    return GS_OK;
}

static gs__levels levels_of(gs__lits_case *c, const gs__candidate *files) {
    gs__levels levels = {.channels = 1,
                         .names = {files->files[VOLUME]},
                         .region_name = files->files[SEGMENTATION],
                         .context = c,
                         .read = read_level};
    for (int k = 0; k < 3; k++) {
        levels.side[k] = c->seg.side[k];
        levels.spacing_mm[k] = c->seg.spacing_mm[k];
    }
    return levels;
}

static gs_status load_case(const gs__candidate *files, gs__lits_case *c, gs_error *err) {
    GS_TRY(gs_volume_load(files->files[SEGMENTATION], &c->seg, err));
    GS_TRY(check_labels(&c->seg, files->files[SEGMENTATION], err));
    GS_TRY(gs_volume_load(files->files[VOLUME], &c->volume, err));
    GS_TRY(gs_volume_check_grid(&c->volume, files->files[VOLUME], &c->seg,
                                files->files[SEGMENTATION], err));
    gs__levels levels = levels_of(c, files);
    return gs__liver_measure(&levels, GS__LABELS, &c->measures, err);
}

static gs_status cut_case(const gs__candidate *candidate, const gs_import_options *options,
                          const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    gs__lits_case c = {0};
    gs_status status = load_case(candidate, &c, err);
    gs__levels levels = levels_of(&c, candidate);
    if (status == GS_OK) status = gs__lits_cut(&c, &levels, options->min_width, info, out, err);
    gs_volume_deinit(&c.volume);
    gs_volume_deinit(&c.seg);
    return status;
}

gs_status gs_import_lits(const char *folder, const gs_import_options *options, gs_error *err) {
    static const gs__layout layout = {
        .name = "lits",
        .expected = "volume-N and segmentation-N, .nii or .nii.gz",
        .channels = 1,
        .height = GS__LIVER_SIDE,
        .width = GS__LIVER_SIDE,
        .file_names = {"volume-N.nii[.gz]", "segmentation-N.nii[.gz]"},
        .list = list_cases,
        .cut = cut_case};
    return gs__import(folder, &layout, options, err);
}
