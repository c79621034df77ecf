/* What the layouts (brats*.c, lits*.c) and the pipeline (import*.c) share. */
#ifndef GS_ENGINE_DATA_IMPORT_INTERNAL_H
#define GS_ENGINE_DATA_IMPORT_INTERNAL_H

#include "engine/data/dataset.h"
#include "engine/data/import.h"

#include <stdbool.h>

enum { GS__IMPORT_FILES = 5 };

/* The files of one case, as found in the folder. */
typedef struct gs__candidate {
    char *name, *group;            /* owned */
    char *files[GS__IMPORT_FILES]; /* owned; NULL: missing */
    bool has_twin;                 /* two files or folders claim the name */
} gs__candidate;

typedef struct gs__candidates {
    int count, capacity;
    gs__candidate *items; /* [count], owned */
} gs__candidates;

/* The candidate of that name, made when there is none; NULL when out of memory or at
 * GS_IMPORT_MAX_CASES. Borrowed until the next call. */
gs__candidate *gs__candidates_get(gs__candidates *list, const char *name, const char *group);
void gs__candidates_sort(gs__candidates *list); /* by name; numbers in names by value */
void gs__candidates_deinit(gs__candidates *list);

/* Calls visit for every regular file below `folder`, at most `depth` folders down, in a fixed
 * order. `below`: the file's folder relative to `folder`, "" for itself. Stops at the first
 * failure. */
typedef gs_status gs__visit_file(void *context, const char *folder, const char *below,
                                 const char *name, gs_error *err);
GS_MUST_CHECK gs_status gs__walk_folder(const char *folder, int depth, gs__visit_file *visit,
                                        void *context, gs_error *err);

/* Whether `name` ends in .nii or .nii.gz; then *length_out is that of what comes before. */
bool gs__is_nifti(const char *name, size_t *length_out);

/* ---- one case, cut ---- */

typedef struct gs__cut_slice {
    int level;        /* in the volume */
    const char *part; /* "left", "right" or "": static */
    gs_label label;
} gs__cut_slice;

typedef struct gs__cut {
    int count, capacity;
    gs__cut_slice *slices; /* [count] */
    float *images;         /* [count, C,H,W] */
    uint8_t *masks;        /* [count, H,W] */
    int extent[2];         /* the organ's lowest and highest level; equal: not said */
} gs__cut;

/* Room for one more slice, uncounted until the caller has filled it and adds 1 to cut->count. */
GS_MUST_CHECK gs_status gs__cut_reserve(gs__cut *cut, const gs_dataset_info *info, gs_error *err);
void gs__cut_deinit(gs__cut *cut); /* a zeroed cut is allowed */

/* ---- a layout ---- */

typedef struct gs__layout {
    const char *name;            /* of the dataset */
    const char *expected;        /* what a folder should hold, for messages */
    int channels, height, width; /* at scale 1 */
    int work_volumes; /* of floats, which cutting a case needs beside those of its files */
    const char *file_names[GS__IMPORT_FILES]; /* of a candidate's files, for messages; NULL: none */
    gs_status (*list)(const char *folder, gs__candidates *out, gs_error *err);
    /* All of the candidate's files are there. Called by many threads at once. */
    gs_status (*cut)(const gs__candidate *candidate, const gs_import_options *options,
                     const gs_dataset_info *info, gs__cut *out, gs_error *err);
} gs__layout;

GS_MUST_CHECK gs_status gs__import(const char *folder, const gs__layout *layout,
                                   const gs_import_options *options, gs_error *err);

/* ---- who is who ---- */

typedef struct gs__imported_case {
    const gs__candidate *candidate;
    int slices, presence; /* numbers of slices */
    int extent[2];        /* gs__cut's */
    gs_split split;
    bool annotated;
} gs__imported_case;

/* Gives each of the cases with slices a split, and chooses the annotated ones: seeded; cases with
 * and without presence slices apart, groups in equal parts. */
GS_MUST_CHECK gs_status gs__assign_cases(gs__imported_case *cases, int count,
                                         const gs_import_options *options, gs_error *err);

#endif
