/* One simulated brain tumour in four MR sequences: a core (necrosis within an enhancing rim, or
 * solid without enhancement), and oedema that spreads through the white matter around it. Tumours
 * are made for demonstration and resemble none in particular.
 *
 * Positions are millimetres in the anatomy's frame. Intensities: healthy white matter of a T1 image
 * is 1. Threads: immutable once drawn. */
#ifndef GS_ENGINE_DATA_TUMOUR_H
#define GS_ENGINE_DATA_TUMOUR_H

#include "engine/data/lesion.h"

enum { GS_FLAIR, GS_T1, GS_T1CE, GS_T2, GS_SEQUENCES };

/* As in BraTS. */
enum {
    GS_TUMOUR_NONE = 0,
    GS_TUMOUR_CORE = 1, /* necrotic or not enhancing */
    GS_TUMOUR_OEDEMA = 2,
    GS_TUMOUR_ENHANCING = 4,
};

typedef struct gs_tumour {
    gs_lesion core; /* place, shape and push */
    bool is_enhancing;
    double rim_mm;       /* thickness of the enhancing rim */
    double oedema_mm;    /* how far oedema reaches in white matter */
    double oedema_share; /* of the oedema's own look in the tissue it fills */
    float necrosis[GS_SEQUENCES], rim[GS_SEQUENCES], solid[GS_SEQUENCES], oedema[GS_SEQUENCES];
    float texture;
} gs_tumour;

/* Smooth random fields at a place, of standard deviation 1. */
typedef struct gs_tumour_fields {
    float shape;  /* wavelengths of a centimetre: the core's surface */
    float spread; /* of several: the oedema's reach, the rim's thickness */
    float grain;  /* of some millimetres */
} gs_tumour_fields;

/* UNUSABLE as gs_lesion_draw. */
GS_MUST_CHECK gs_status gs_tumour_draw(const gs_anatomy *anatomy, bool is_enhancing, gs_rng *rng,
                                       gs_tumour *out, gs_error *err);

/* How healthy tissue of that T1 level looks in each sequence. */
void gs_contrasts(float t1, float value[GS_SEQUENCES]);

/* Changes *value from the tissue at a place to what the tumour makes of it, and returns its label.
 * `depth_mm`: below the core's surface (gs_lesion_depth_mm). */
int gs_tumour_paint(const gs_tumour *tumour, double depth_mm, const gs_tumour_fields *fields,
                    const gs_tissue *tissue, float value[GS_SEQUENCES]);

#endif
