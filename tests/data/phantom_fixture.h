/* What the tests of the phantoms share: small ones, and what is in their files. Brains are skipped
 * where Debian's package mricron-data is not installed. */
#ifndef TESTS_DATA_PHANTOM_FIXTURE_H
#define TESTS_DATA_PHANTOM_FIXTURE_H

#include "tests/data/import_fixture.h"

#include "engine/data/phantom.h"
#include "engine/data/volume.h"

static inline gs_phantom_options small_options(int cases) {
    notes[0] = '\0';
    stop_after = 0;
    return (gs_phantom_options){.cases = cases,
                                .scale = 4,
                                .seed = 1,
                                .threads = 2,
                                .report = {.progress = count_progress, .note = keep_note}};
}

static inline void need_source(void) {
    if (access(GS_PHANTOM_SOURCE, R_OK) == 0) return;
    print_message("%s is missing (package mricron-data)\n", GS_PHANTOM_SOURCE);
    skip();
}

static inline const char *case_folder(const char *root, int number) {
    static char path[512];
    for (int group = 0; group < 2; group++) {
        snprintf(path, sizeof path, "%s/%s/Phantom_%04d", root, group ? "LGG" : "HGG", number);
        if (access(path, F_OK) == 0) return path;
    }
    fail_msg("case %d is not in %s", number, root);
    return NULL;
}

static inline gs_volume load(const char *root, int number, const char *what) {
    char path[640];
    gs_volume volume;
    snprintf(path, sizeof path, "%s/Phantom_%04d_%s.nii.gz", case_folder(root, number), number,
             what);
    assert_ok(gs_volume_load(path, &volume, &error));
    assert_int_equal(volume.side[0], 60);
    assert_int_equal(volume.side[1], 60);
    assert_int_equal(volume.side[2], 38);
    assert_true(volume.spacing_mm[0] == 4 && volume.spacing_mm[2] == 4);
    return volume;
}

#endif
