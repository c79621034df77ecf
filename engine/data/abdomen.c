/* Owns the arrangement of organs and their Hounsfield units, as in a portal venous phase. Must not
 * know voxels, lesions or files. */
#include "engine/data/abdomen.h"

#include <math.h>
#include <stdbool.h>

enum {
    SKIN,   /* the body's outline; endless from top to bottom */
    WALL,   /* what lies inside the fat under the skin */
    CAVITY, /* inside the wall of muscle */
    RIGHT_LOBE = GS_ABDOMEN_RIGHT_LOBE,
    LEFT_LOBE,
    HOLLOW,  /* what the organs below take from the liver */
    FISSURE, /* between the lobes */
    BLADDER,
    SPINE,
    CANAL,
    AORTA,
    CAVA,
    RIGHT_KIDNEY,
    LEFT_KIDNEY,
    SPLEEN,
    STOMACH,
};

static const double endless = 1e6;

static const struct {
    double center_mm[3], radius_mm[3], turn;
} typical[GS_ABDOMEN_PARTS] = {
    [SKIN] = {{0, 0, 0}, {178, 128, endless}, 0},
    [WALL] = {{0, 0, 0}, {162, 113, endless}, 0},
    [CAVITY] = {{0, 4, 0}, {149, 101, endless}, 0},
    [RIGHT_LOBE] = {{68, 2, 0}, {72, 84, 84}, 0},
    [LEFT_LOBE] = {{2, 38, 28}, {88, 44, 40}, -0.25},
    [HOLLOW] = {{18, -18, -78}, {66, 74, 74}, 0},
    [FISSURE] = {{22, 66, -26}, {5, 40, 42}, 0.15},
    [BLADDER] = {{46, 40, -58}, {17, 26, 26}, 0},
    [SPINE] = {{0, -66, 0}, {21, 18, endless}, 0},
    [CANAL] = {{0, -90, 0}, {9, 9, endless}, 0},
    [AORTA] = {{-8, -38, 0}, {11, 11, endless}, 0},
    [CAVA] = {{20, -34, 0}, {12, 10, endless}, 0},
    [RIGHT_KIDNEY] = {{64, -58, -82}, {28, 26, 52}, 0},
    [LEFT_KIDNEY] = {{-64, -56, -64}, {28, 26, 52}, 0},
    [SPLEEN] = {{-104, -36, 22}, {30, 46, 52}, 0.2},
    [STOMACH] = {{-62, 42, 6}, {46, 40, 56}, 0.5},
};

static const double typical_hounsfield[GS_ORGANS] = {
    [GS_ORGAN_AIR] = -1000,      [GS_ORGAN_FAT] = -100,   [GS_ORGAN_MUSCLE] = 60,
    [GS_ORGAN_LUNG] = -830,      [GS_ORGAN_BONE] = 320,   [GS_ORGAN_MARROW] = 170,
    [GS_ORGAN_VESSEL] = 165,     [GS_ORGAN_KIDNEY] = 185, [GS_ORGAN_SPLEEN] = 125,
    [GS_ORGAN_STOMACH] = 25,     [GS_ORGAN_GAS] = -950,   [GS_ORGAN_BOWEL] = 35,
    [GS_ORGAN_GALLBLADDER] = 12, [GS_ORGAN_LIVER] = 108,
};

void gs_abdomen_draw(gs_rng *rng, gs_abdomen *out) {
    double size = exp(0.06 * gs_rng_normal(rng)), height_mm = 8 * gs_rng_normal(rng);
    for (int i = 0; i < GS_ABDOMEN_PARTS; i++) {
        gs_ellipsoid *e = &out->part[i];
        bool is_body = i <= CAVITY;
        for (int k = 0; k < 3; k++) {
            e->center_mm[k] = size * typical[i].center_mm[k];
            e->radius_mm[k] = size * typical[i].radius_mm[k];
            if (is_body) continue;
            e->center_mm[k] += (i >= SPINE && i <= CAVA ? 1.0 : 4.0) * gs_rng_normal(rng);
            e->radius_mm[k] *= exp(0.07 * gs_rng_normal(rng));
        }
        if (!is_body) e->center_mm[2] += height_mm;
        double turn = typical[i].turn + (is_body ? 0 : 0.08 * gs_rng_normal(rng));
        e->turn[0] = cos(turn);
        e->turn[1] = sin(turn);
    }
    for (int i = 0; i < GS_ORGANS; i++)
        out->hounsfield[i] = typical_hounsfield[i] * exp(0.04 * gs_rng_normal(rng));
    out->hounsfield[GS_ORGAN_LIVER] = 85 + 45 * gs_rng_uniform(rng);
}

/* Roughly the millimetres below the surface: exact along the axes, and of the right sign. */
static double depth_mm(const gs_ellipsoid *e, const double p[3]) {
    double at[3], square = 0, gradient = 0;
    for (int k = 0; k < 3; k++) at[k] = p[k] - e->center_mm[k];
    double x = e->turn[0] * at[0] + e->turn[1] * at[2];
    at[2] = e->turn[0] * at[2] - e->turn[1] * at[0];
    at[0] = x;
    for (int k = 0; k < 3; k++) {
        double part = at[k] / e->radius_mm[k];
        square += part * part;
        gradient += pow(part / e->radius_mm[k], 2);
    }
    double length = sqrt(square);
    if (length < 1e-6) return e->radius_mm[1];
    return (1 - length) * length / sqrt(gradient);
}

/* The larger of two depths, rounded where they meet. */
static double join(double a, double b, double roundness_mm) {
    double h = fmax(roundness_mm - fabs(a - b), 0.0) / roundness_mm;
    return fmax(a, b) + 0.25 * h * h * roundness_mm;
}

static double liver_depth(const gs_abdomen *a, const double p[3]) {
    double depth = join(depth_mm(&a->part[RIGHT_LOBE], p), depth_mm(&a->part[LEFT_LOBE], p), 22);
    static const int taken[] = {HOLLOW, FISSURE, BLADDER, CAVA};
    for (int i = 0; i < 4; i++) depth = -join(-depth, depth_mm(&a->part[taken[i]], p) + 1.5, 8);
    return fmin(depth, depth_mm(&a->part[CAVITY], p) - 3);
}

static bool is_in(const gs_abdomen *a, int part, const double p[3]) {
    return depth_mm(&a->part[part], p) > 0;
}

/* Ribs cross a slice as spots along the wall. */
static bool is_rib(const gs_abdomen *a, const double p[3]) {
    double below = depth_mm(&a->part[WALL], p);
    if (below < 3 || below > 10) return false;
    double around_mm = 130 * atan2(p[1], p[0]) + 0.55 * p[2];
    return fabs(remainder(around_mm, 46)) < 9 && p[1] < 70;
}

static gs_organ wall_at(const gs_abdomen *a, const double p[3]) {
    double spine = depth_mm(&a->part[SPINE], p);
    if (is_in(a, CANAL, p)) return GS_ORGAN_MUSCLE;
    if (spine > 0) return spine < 3 ? GS_ORGAN_BONE : GS_ORGAN_MARROW;
    if (is_rib(a, p)) return GS_ORGAN_BONE;
    /* The muscles beside the spine. */
    if (!is_in(a, CAVITY, p) || (p[1] < -58 && fabs(p[0]) < 48)) return GS_ORGAN_MUSCLE;
    return GS_ORGANS;
}

/* The diaphragm follows the dome of the liver and sinks towards the wall. */
static bool is_lung(const gs_abdomen *a, const double p[3]) {
    const gs_ellipsoid *dome = &a->part[RIGHT_LOBE];
    double across = (fabs(p[0]) - 60) / 95, along = (p[1] - 5) / 95;
    double top = dome->center_mm[2] + dome->radius_mm[2] - 4 - (p[0] < 0 ? 14 : 0);
    return p[2] > top - 70 * (across * across + along * along);
}

gs_organ gs_abdomen_at(const gs_abdomen *a, const double p[3], double *liver_depth_mm) {
    *liver_depth_mm = -endless;
    if (!is_in(a, SKIN, p)) return GS_ORGAN_AIR;
    if (!is_in(a, WALL, p)) return GS_ORGAN_FAT;
    gs_organ wall = wall_at(a, p);
    if (wall != GS_ORGANS) return wall;
    *liver_depth_mm = liver_depth(a, p);
    if (*liver_depth_mm > 0) return GS_ORGAN_LIVER;
    if (is_in(a, AORTA, p) || is_in(a, CAVA, p)) return GS_ORGAN_VESSEL;
    if (is_in(a, SPLEEN, p)) return GS_ORGAN_SPLEEN;
    if (is_in(a, STOMACH, p))
        return p[1] > a->part[STOMACH].center_mm[1] + 12 ? GS_ORGAN_GAS : GS_ORGAN_STOMACH;
    if (is_lung(a, p)) return GS_ORGAN_LUNG;
    if (is_in(a, RIGHT_KIDNEY, p) || is_in(a, LEFT_KIDNEY, p)) return GS_ORGAN_KIDNEY;
    if (depth_mm(&a->part[BLADDER], p) > 2) return GS_ORGAN_GALLBLADDER;
    /* Loops of bowel in the fat below the stomach. */
    double loops = sin(p[0] / 9) * sin(p[1] / 8) * cos(p[2] / 11);
    return p[2] < a->part[STOMACH].center_mm[2] - 30 && p[1] > 0 && loops > 0.12 ? GS_ORGAN_BOWEL
                                                                                 : GS_ORGAN_FAT;
}
