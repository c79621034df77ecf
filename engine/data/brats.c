/* Owns the BraTS layout: which files make a case, and what must be true of them. Must not know
 * half-slices (brats_cut.c) or data sets. */
#include "engine/data/brats_internal.h"

#include "base/memory.h"

#include <string.h>
#include <strings.h>

enum { CASE_DEPTH = 4 }; /* folders below the one given, the case's own included */

static const char *const endings[GS__BRATS_FILES] = {"_flair", "_t1", "_t1ce", "_t2", "_seg"};

/* ---- listing ---- */

static int find_kind(const char *name) {
    size_t length;
    if (!gs__is_nifti(name, &length)) return -1;
    for (int kind = 0; kind < GS__BRATS_FILES; kind++) {
        size_t ending = strlen(endings[kind]);
        if (length > ending && strncasecmp(name + length - ending, endings[kind], ending) == 0)
            return kind;
    }
    return -1;
}

/* The case is the folder, its group the folders above. A file beside the cases is no case's. */
static gs_status visit_file(void *context, const char *folder, const char *below, const char *name,
                            gs_error *err) {
    gs__candidates *list = context;
    int kind = find_kind(name);
    if (kind < 0 || !below[0]) return GS_OK;
    const char *slash = strrchr(below, '/');
    char *group = gs_copy_bytes(below, slash ? (size_t)(slash - below) : 0);
    gs__candidate *c = group ? gs__candidates_get(list, slash ? slash + 1 : below, group) : NULL;
    gs_status status = GS_OK;
    if (!c) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for another case, or more than %d",
                         GS_IMPORT_MAX_CASES);
    } else if (strcmp(c->group, group) != 0 || c->files[kind]) {
        c->has_twin = true;
    } else {
        c->files[kind] = gs_format("%s/%s", folder, name);
        if (!c->files[kind]) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    }
    gs_free(group);
    return status;
}

static gs_status list_cases(const char *folder, gs__candidates *out, gs_error *err) {
    return gs__walk_folder(folder, CASE_DEPTH, visit_file, out, err);
}

/* ---- one case ---- */

static gs_status check_labels(const gs_volume *seg, const char *path, gs_error *err) {
    size_t count = gs_volume_voxels(seg);
    for (size_t i = 0; i < count; i++) {
        float label = seg->voxels[i];
        if (label != 0 && label != 1 && label != 2 && label != 4)
            return gs_fail(err, GS_UNUSABLE, "%s: label %g at voxel %zu; the layout has 0, 1, 2, 4",
                           path, (double)label, i);
    }
    return GS_OK;
}

static gs_status read_level(void *context, int volume, int level, const float **plane_out,
                            gs_error *err) {
    (void)err;
    const gs__brats_case *c = context;
    const gs_volume *from = &c->sequence[volume];
    *plane_out = from->voxels + (ptrdiff_t)level * from->side[0] * from->side[1];
    return GS_OK;
}

static gs__levels levels_of(gs__brats_case *c, const gs__candidate *files) {
    gs__levels levels = {.channels = GS__BRATS_SEQUENCES, .context = c, .read = read_level};
    for (int k = 0; k < 3; k++) {
        levels.side[k] = c->seg.side[k];
        levels.spacing_mm[k] = c->seg.spacing_mm[k];
    }
    for (int k = 0; k < GS__BRATS_SEQUENCES; k++) levels.names[k] = files->files[k];
    return levels;
}

/* Kept: the lesion-free sequences are not marked by their own voxels. */
static gs_status find_brain(gs__brats_case *c, const gs__levels *levels, gs_error *err) {
    size_t count = gs_volume_voxels(&c->seg);
    c->brain = gs_alloc(count, sizeof *c->brain);
    if (!c->brain) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu voxels", count);
    for (int level = 0; level < levels->side[2]; level++)
        GS_TRY(
            gs__brain_mark(levels, level, c->brain + (size_t)level * gs__level_area(levels), err));
    return gs__brain_measure(levels, &c->measures, err);
}

/* in/…/NAME_t1.nii.gz → healthy/…/NAME_healthy_t1.nii.gz. NULL: out of memory. */
static char *healthy_path(const gs_import_options *options, const char *file, int kind) {
    const char *below = file + strlen(options->in);
    size_t length;
    if (!gs__is_nifti(below, &length)) return NULL; /* it was listed as one */
    return gs_format("%s%.*s_healthy%s.nii.gz", options->healthy,
                     (int)(length - strlen(endings[kind])), below, endings[kind]);
}

/* The lesion-free pixels, as those of the case are normalised. */
static gs_status load_healthy(const gs__candidate *files, const gs_import_options *options,
                              gs__brats_case *c, gs_error *err) {
    for (int k = 0; k < GS__BRATS_SEQUENCES; k++) {
        char *path = healthy_path(options, files->files[k], k);
        if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
        gs_volume_deinit(&c->sequence[k]);
        gs_status status = gs_volume_load(path, &c->sequence[k], err);
        if (status == GS_OK)
            status = gs_volume_check_grid(&c->seg, files->files[GS__BRATS_SEQUENCES],
                                          &c->sequence[k], path, err);
        gs_free(path);
        GS_TRY(status);
    }
    return GS_OK;
}

static gs_status load_case(const gs__candidate *files, const gs_import_options *options,
                           gs__brats_case *c, gs_error *err) {
    GS_TRY(gs_volume_load(files->files[GS__BRATS_SEQUENCES], &c->seg, err));
    GS_TRY(check_labels(&c->seg, files->files[GS__BRATS_SEQUENCES], err));
    for (int k = 0; k < GS__BRATS_SEQUENCES; k++) {
        GS_TRY(gs_volume_load(files->files[k], &c->sequence[k], err));
        GS_TRY(gs_volume_check_grid(&c->seg, files->files[GS__BRATS_SEQUENCES], &c->sequence[k],
                                    files->files[k], err));
    }
    gs__levels levels = levels_of(c, files);
    GS_TRY(find_brain(c, &levels, err));
    return options->healthy ? load_healthy(files, options, c, err) : GS_OK;
}

static gs_status cut_case(const gs__candidate *candidate, const gs_import_options *options,
                          const gs_dataset_info *info, gs__cut *out, gs_error *err) {
    gs__brats_case c = {0};
    gs_status status = load_case(candidate, options, &c, err);
    gs__levels levels = levels_of(&c, candidate);
    if (status == GS_OK) status = gs__brats_cut(&c, &levels, options->scale, info, out, err);
    for (int k = 0; k < GS__BRATS_SEQUENCES; k++) gs_volume_deinit(&c.sequence[k]);
    gs_volume_deinit(&c.seg);
    gs_free(c.brain);
    return status;
}

gs_status gs_import_brats(const char *folder, const gs_import_options *options, gs_error *err) {
    static const gs__layout layout = {
        .name = "brats",
        .expected = "a folder per case with *_flair, *_t1, *_t1ce, *_t2 and *_seg, .nii or .nii.gz",
        .channels = GS__BRATS_SEQUENCES,
        .height = GS__BRAIN_FRAME_MM,
        .width = GS__BRAIN_FRAME_MM / 2,
        .work_volumes = 1, /* where the brain is */
        .file_names = {"*_flair.nii[.gz]", "*_t1.nii[.gz]", "*_t1ce.nii[.gz]", "*_t2.nii[.gz]",
                       "*_seg.nii[.gz]"},
        .list = list_cases,
        .cut = cut_case};
    return gs__import(folder, &layout, options, err);
}
