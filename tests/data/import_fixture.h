/* What the tests of importers share: options, notes that are remembered, comparing directories. */
#ifndef TESTS_DATA_IMPORT_FIXTURE_H
#define TESTS_DATA_IMPORT_FIXTURE_H

#include "tests/data/nifti_fixture.h"

#include "engine/data/import.h"

#include <sys/stat.h>

static char notes[8192]; /* every note, a line each */
static int stop_after;   /* progress calls; 0: never */

static inline bool count_progress(void *context, int done, int total) {
    (void)context;
    (void)total;
    return stop_after == 0 || done < stop_after;
}

static inline void keep_note(void *context, const char *text) {
    (void)context;
    size_t used = strlen(notes);
    snprintf(notes + used, sizeof notes - used, "%s\n", text);
}

static inline gs_import_options import_options(const char *in, int scale) {
    notes[0] = '\0';
    stop_after = 0;
    return (gs_import_options){.in = in,
                               .annotated = 0.3,
                               .validation = 0.2,
                               .test = 0.2,
                               .scale = scale,
                               .min_width = 3,
                               .normalization = GS_NORMALIZE_NONE,
                               .seed = 1,
                               .threads = 1,
                               .report = {.progress = count_progress, .note = keep_note}};
}

static inline void make_folders(const char *folder, const char *name) {
    char path[512];
    put_path(path, sizeof path, folder, name);
    assert_ok(gs_folder_make(path, &error));
}

static inline bool same_file(const char *left, const char *right, const char *file) {
    char paths[2][512], *bytes[2] = {NULL};
    size_t sizes[2];
    put_path(paths[0], sizeof paths[0], left, file);
    put_path(paths[1], sizeof paths[1], right, file);
    for (int i = 0; i < 2; i++)
        assert_ok(gs_file_read(paths[i], 1 << 28, &bytes[i], &sizes[i], &error));
    bool same = sizes[0] == sizes[1] && memcmp(bytes[0], bytes[1], sizes[0]) == 0;
    gs_free(bytes[0]);
    gs_free(bytes[1]);
    return same;
}

static inline void assert_same_datasets(const char *folder, const char *left, const char *right) {
    char a[256], b[256];
    put_path(a, sizeof a, folder, left);
    put_path(b, sizeof b, folder, right);
    const char *files[] = {"images.npy", "masks.npy", "dataset.json"};
    for (int i = 0; i < 3; i++)
        if (!same_file(a, b, files[i])) fail_msg("%s and %s differ in %s", left, right, files[i]);
}

static inline bool is_there(const char *folder, const char *name) {
    return access(path_in(folder, name), F_OK) == 0;
}

typedef struct label_counts {
    int presence, absence, masks;
} label_counts;

/* Of one case, or of all (NULL). */
static inline label_counts count_labels(const gs_dataset *dataset, const char *case_name) {
    label_counts counts = {0};
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        if (case_name && strcmp(slice->case_name, case_name) != 0) continue;
        counts.presence += slice->label == GS_LABEL_PRESENCE;
        counts.absence += slice->label == GS_LABEL_ABSENCE;
        counts.masks += gs_dataset_mask(dataset, i) != NULL;
        if (slice->label == GS_LABEL_ABSENCE) assert_null(gs_dataset_mask(dataset, i));
    }
    return counts;
}

/* That the slices of all cases, which follow each other, are those of the first. */
static inline void assert_cases_are_alike(const gs_dataset *dataset, size_t cases) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    size_t area = (size_t)info->height * (size_t)info->width, each;
    assert_int_equal(gs_dataset_cases(dataset), cases);
    each = gs_dataset_count(dataset) / cases;
    assert_int_equal(gs_dataset_count(dataset), each * cases);
    for (size_t i = each; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i),
                               *first = gs_dataset_get_slice(dataset, i % each);
        const uint8_t *mask = gs_dataset_mask(dataset, i),
                      *first_mask = gs_dataset_mask(dataset, i % each);
        bool same = slice->index == first->index && slice->label == first->label &&
                    memcmp(gs_dataset_image(dataset, i), gs_dataset_image(dataset, i % each),
                           (size_t)info->channels * area * sizeof(float)) == 0 &&
                    !mask == !first_mask && (!mask || memcmp(mask, first_mask, area) == 0);
        if (!same) fail_msg("%s is not %s", slice->name, first->name);
    }
}

static inline size_t find_slice(const gs_dataset *dataset, const char *name) {
    for (size_t i = 0; i < gs_dataset_count(dataset); i++)
        if (strcmp(gs_dataset_get_slice(dataset, i)->name, name) == 0) return i;
    fail_msg("no slice is called \"%s\"", name);
    return 0;
}

#endif
