/* A simulated abdomen: which organ is at a place, and how deep inside the liver it lies. Organs are
 * ellipsoids and what they leave, deformed by a smooth random field, in rough likeness of a CT.
 *
 * Positions are millimetres from the middle of the box: to the patient's right, to the front, to
 * the top. Threads: immutable once drawn. */
#ifndef GS_ENGINE_DATA_ABDOMEN_H
#define GS_ENGINE_DATA_ABDOMEN_H

#include "base/random.h"

typedef enum gs_organ {
    GS_ORGAN_AIR,
    GS_ORGAN_FAT,
    GS_ORGAN_MUSCLE,
    GS_ORGAN_LUNG,
    GS_ORGAN_BONE,
    GS_ORGAN_MARROW,
    GS_ORGAN_VESSEL, /* aorta, vena cava */
    GS_ORGAN_KIDNEY,
    GS_ORGAN_SPLEEN,
    GS_ORGAN_STOMACH,
    GS_ORGAN_GAS, /* in the stomach */
    GS_ORGAN_BOWEL,
    GS_ORGAN_GALLBLADDER,
    GS_ORGAN_LIVER,
    GS_ORGANS,
} gs_organ;

enum { GS_ABDOMEN_PARTS = 16, GS_ABDOMEN_RIGHT_LOBE = 3 };

typedef struct gs_ellipsoid {
    double center_mm[3], radius_mm[3];
    double turn[2]; /* cosine and sine of a turn about the axis from front to back */
} gs_ellipsoid;

typedef struct gs_abdomen {
    gs_ellipsoid
        part[GS_ABDOMEN_PARTS]; /* as abdomen.c names them; of the liver GS_ABDOMEN_RIGHT_LOBE */
    double hounsfield[GS_ORGANS];
} gs_abdomen;

/* The range of variation is that of the figures in abdomen.c. */
void gs_abdomen_draw(gs_rng *rng, gs_abdomen *out);

/* The organ at a place after the deformation. *liver_depth_mm: roughly the distance below the
 * liver's surface, negative outside. */
gs_organ gs_abdomen_at(const gs_abdomen *abdomen, const double position_mm[3],
                       double *liver_depth_mm);

#endif
