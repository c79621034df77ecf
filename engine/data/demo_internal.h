/* What demo.c and demo_case.c share: one simulated case. */
#ifndef GS_ENGINE_DATA_DEMO_INTERNAL_H
#define GS_ENGINE_DATA_DEMO_INTERNAL_H

#include "engine/data/anatomy.h"
#include "engine/data/dataset.h"

#include <stdbool.h>
#include <stdint.h>

enum { GS__DEMO_MAX_PICKS = 16 };

/* The voxels of a case: both halves of the frame beside each other, slices of step_mm. */
typedef struct gs__demo_grid {
    int half_width, height, levels;
    double pixel_mm, step_mm;
} gs__demo_grid;

/* A half-slice chosen for the dataset. */
typedef struct gs__demo_pick {
    int level;
    enum { GS__LEFT, GS__RIGHT } side; /* of the patient */
    gs_label label;
} gs__demo_pick;

typedef struct gs__demo_case {
    float
        *intensity; /* [levels, height, 2 half_width], x from left to right; white matter about 1 */
    uint8_t *flags; /* the same shape: GS__BRAIN, GS__TRACE, GS__LESION */
    double mean, deviation; /* of the intensity in the brain */
    double noise;           /* standard deviation at pixels of 1 mm, to be added to the slices */
    uint64_t seed, number;
    int picks;
    gs__demo_pick pick[GS__DEMO_MAX_PICKS];
} gs__demo_case;

enum { GS__BRAIN = 1, GS__TRACE = 2, GS__LESION = 4 };

/* Random streams of a case, of 4096 each; stream numbers below are offsets. */
enum {
    GS__STREAM_BODY = 0,
    GS__STREAM_COARSE,
    GS__STREAM_FINE,
    GS__STREAM_BIAS,
    GS__STREAM_PICKS,
    GS__STREAM_LESIONS = 16, /* four per attempt */
    GS__STREAM_NOISE = 1024, /* one per half-slice */
    GS__STREAMS = 4096,
};

/* Simulates case `number` (from 1) and chooses its slices. Caller deinits with
 * gs__demo_case_deinit. */
GS_MUST_CHECK gs_status gs__demo_case_make(const gs_anatomy *anatomy, const gs__demo_grid *grid,
                                           uint64_t seed, uint64_t number, bool diseased,
                                           gs__demo_case *out, gs_error *err);
void gs__demo_case_deinit(gs__demo_case *made); /* a zeroed case is allowed */

/* The voxels of an anatomy as the case simulates them, before anything is chosen. */
GS_MUST_CHECK gs_status gs__demo_case_render(const gs_anatomy *anatomy, const gs__demo_grid *grid,
                                             bool diseased, int attempt, gs__demo_case *made,
                                             gs_error *err);

#endif
