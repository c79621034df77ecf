/* Owns the contrasts of tissue and tumour. Must not know volumes, cases or files. */
#include "engine/data/tumour.h"

#include <math.h>

/* T1 levels relative to white matter, and what other sequences show there: fluid up to 0.45, gray
 * matter about 0.77, white matter 1. Between them are mixtures, which a line describes. */
enum { NODES = 6 };
static const float t1_levels[NODES] = {0.25f, 0.45f, 0.62f, 0.77f, 1.0f, 1.15f};
static const float t2_levels[NODES] = {1.70f, 1.45f, 1.05f, 0.80f, 0.52f, 0.45f};
static const float flair_levels[NODES] = {0.22f, 0.40f, 0.66f, 0.80f, 0.60f, 0.55f};

static const float necrosis_levels[GS_SEQUENCES] = {0.55f, 0.45f, 0.42f, 1.40f};
static const float rim_levels[GS_SEQUENCES] = {0.98f, 0.72f, 1.60f, 0.98f};
static const float solid_levels[GS_SEQUENCES] = {1.05f, 0.60f, 0.62f, 1.28f};
static const float oedema_levels[GS_SEQUENCES] = {1.20f, 0.74f, 0.74f, 1.18f};

static float between_nodes(float t1, const float levels[NODES]) {
    if (t1 <= t1_levels[0]) return levels[0];
    for (int i = 1; i < NODES; i++)
        if (t1 < t1_levels[i]) {
            float part = (t1 - t1_levels[i - 1]) / (t1_levels[i] - t1_levels[i - 1]);
            return levels[i - 1] + part * (levels[i] - levels[i - 1]);
        }
    return levels[NODES - 1];
}

void gs_contrasts(float t1, float value[GS_SEQUENCES]) {
    value[GS_FLAIR] = between_nodes(t1, flair_levels);
    value[GS_T1] = t1;
    value[GS_T1CE] = t1 * 1.04f; /* blood that takes up contrast agent is everywhere */
    value[GS_T2] = between_nodes(t1, t2_levels);
}

static double between(gs_rng *rng, double low, double high) {
    return low + (high - low) * gs_rng_uniform(rng);
}

static void draw_levels(gs_rng *rng, const float levels[GS_SEQUENCES], float out[GS_SEQUENCES]) {
    for (int k = 0; k < GS_SEQUENCES; k++)
        out[k] = levels[k] * (float)exp(0.09 * gs_rng_normal(rng));
}

gs_status gs_tumour_draw(const gs_anatomy *anatomy, bool is_enhancing, gs_rng *rng, gs_tumour *out,
                         gs_error *err) {
    const gs_lesion_range range = {.height_mm = 38, .smallest_mm = 7, .largest_mm = 21};
    gs_tumour tumour = {.is_enhancing = is_enhancing};
    GS_TRY(gs_lesion_draw(anatomy, &range, rng, &tumour.core, err));
    tumour.core.irregularity = between(rng, 0.14, 0.26);
    tumour.core.softness_mm = is_enhancing ? between(rng, 1.0, 2.0) : between(rng, 2.0, 4.0);
    tumour.rim_mm = between(rng, 2.0, 5.5);
    tumour.oedema_mm = is_enhancing ? between(rng, 4, 20) : between(rng, 0, 10);
    tumour.oedema_share = between(rng, 0.75, 0.95);
    draw_levels(rng, necrosis_levels, tumour.necrosis);
    draw_levels(rng, rim_levels, tumour.rim);
    draw_levels(rng, solid_levels, tumour.solid);
    draw_levels(rng, oedema_levels, tumour.oedema);
    tumour.texture = (float)between(rng, 0.05, 0.11);
    *out = tumour;
    return GS_OK;
}

static double smooth_step(double value, double from, double to) {
    double t = fmin(fmax((value - from) / (to - from), 0.0), 1.0);
    return t * t * (3 - 2 * t);
}

/* Part of oedema in [0,1]: it follows white matter, halts before the cortex and spares fluid. */
static double oedema_alpha(const gs_tumour *tumour, double depth_mm, double spread,
                           const gs_tissue *tissue) {
    double level = (double)(tissue->intensity / fmaxf(tissue->brain, 0.5f));
    double white = smooth_step(level, 0.70, 0.95) * (double)tissue->depth;
    double reach = tumour->oedema_mm * (0.25 + 0.75 * white) * fmax(1 + 0.45 * spread, 0.0);
    return smooth_step(reach + depth_mm, -1.5, 1.5) * (reach > 0.5);
}

/* Part of the rim in [0,1] inside the core; its thickness varies, and here and there it is open. */
static double rim_alpha(const gs_tumour *tumour, double depth_mm, double spread) {
    double thickness = tumour->rim_mm * fmax(1 + 0.55 * spread, 0.0);
    return 1 - smooth_step(depth_mm, thickness - 1.0, thickness + 1.0);
}

static void blend(float value[GS_SEQUENCES], const float own[GS_SEQUENCES], double alpha,
                  float grain) {
    for (int k = 0; k < GS_SEQUENCES; k++)
        value[k] += (float)alpha * (own[k] * (1 + grain) - value[k]);
}

int gs_tumour_paint(const gs_tumour *tumour, double depth_mm, const gs_tumour_fields *fields,
                    const gs_tissue *tissue, float value[GS_SEQUENCES]) {
    double open = 1 - smooth_step((double)tissue->fluid, 0.40, 0.80);
    double spread = (double)fields->spread;
    double oedema = open * oedema_alpha(tumour, depth_mm, spread, tissue);
    double core = open * (double)gs_lesion_alpha(&tumour->core, depth_mm);
    double rim = tumour->is_enhancing ? rim_alpha(tumour, depth_mm, spread) : 0;
    float grain = tumour->texture * fields->grain;
    blend(value, tumour->oedema, tumour->oedema_share * oedema, 0.5f * grain);
    float own[GS_SEQUENCES];
    for (int k = 0; k < GS_SEQUENCES; k++) {
        float inner = tumour->is_enhancing ? tumour->necrosis[k] : tumour->solid[k];
        own[k] = inner + (float)rim * (tumour->rim[k] - inner);
    }
    blend(value, own, core, grain);
    if (core > 0.5) return rim > 0.5 ? GS_TUMOUR_ENHANCING : GS_TUMOUR_CORE;
    return oedema > 0.5 ? GS_TUMOUR_OEDEMA : GS_TUMOUR_NONE;
}
