/* The healthy brain that simulated patients are made from: one skull-stripped T1 volume with what
 * the simulation needs to know at every place. Immutable once opened; any number of threads may
 * sample it. */
#ifndef GS_ENGINE_DATA_ANATOMY_H
#define GS_ENGINE_DATA_ANATOMY_H

#include "base/status.h"

typedef struct gs_anatomy gs_anatomy;

/* What is known at one place. Interpolated; all 0 outside the volume. */
typedef struct gs_tissue {
    float intensity; /* of the image; white matter is about 1, 0 outside the brain */
    float brain;     /* fraction that is brain; >= 0.5 is inside */
    float depth;     /* 0 at the brain's surface to 1 about a centimetre below it */
    float fluid;     /* 0 tissue to 1 in a large space of fluid (a ventricle) */
} gs_tissue;

/* Reads `path` (engine/data/volume.h). The brain is what is above zero: UNUSABLE if that is not the
 * size of a human head's content with empty space around it. `detail_mm` is the pixel size that
 * will be sampled: finer detail is blurred away. Caller closes. */
GS_MUST_CHECK gs_status gs_anatomy_open(const char *path, double detail_mm, gs_anatomy **out,
                                        gs_error *err);
void gs_anatomy_close(gs_anatomy *anatomy); /* NULL is allowed */

/* Positions are millimetres from the middle of the brain's bounding box: to the right, to the
 * front, to the top. */
gs_tissue gs_anatomy_sample(const gs_anatomy *anatomy, const double position_mm[3]);

/* Half the sides of the brain's bounding box. Borrowed. */
const double *gs_anatomy_get_extent_mm(const gs_anatomy *anatomy);

#endif
