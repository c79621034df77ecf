/* Owns the maps derived from the source volume and their interpolation. Must not know populations.
 */
#include "engine/data/anatomy.h"

#include "base/memory.h"
#include "engine/data/volume.h"

#include <math.h>
#include <stdbool.h>

enum { HISTOGRAM_BINS = 4096 };

/* Levels of a T1 image relative to white matter: gray matter is about 0.75, fluid below 0.5. */
static const double fluid_from = 0.62, fluid_full = 0.47;
static const double white_matter_percentile = 0.85;

struct gs_anatomy {
    int side[3];
    double spacing_mm[3];
    double middle[3]; /* of the bounding box, in voxels */
    double extent_mm[3];
    gs_tissue *tissue; /* [side[2], side[1], side[0]] */
};

static gs_status find_box(gs_anatomy *anatomy, const gs_volume *volume, const char *path,
                          gs_error *err) {
    const int *side = volume->side;
    int low[3] = {side[0], side[1], side[2]}, high[3] = {-1, -1, -1};
    const float *voxel = volume->voxels;
    size_t inside = 0;
    for (int z = 0; z < side[2]; z++)
        for (int y = 0; y < side[1]; y++)
            for (int x = 0; x < side[0]; x++) {
                if (!(*voxel++ > 0)) continue;
                const int at[3] = {x, y, z};
                inside++;
                for (int k = 0; k < 3; k++) {
                    if (at[k] < low[k]) low[k] = at[k];
                    if (at[k] > high[k]) high[k] = at[k];
                }
            }
    bool is_brain = inside > 0;
    double volume_mm3 = (double)inside;
    for (int k = 0; k < 3; k++) {
        anatomy->middle[k] = 0.5 * (low[k] + high[k]);
        anatomy->extent_mm[k] = 0.5 * (high[k] - low[k] + 1) * volume->spacing_mm[k];
        volume_mm3 *= volume->spacing_mm[k];
        is_brain = is_brain && anatomy->extent_mm[k] >= 40 && anatomy->extent_mm[k] <= 115;
    }
    if (!is_brain || volume_mm3 < 5e5 || volume_mm3 > 3e6 ||
        inside > gs_volume_voxels(volume) / 10 * 9)
        return gs_fail(err, GS_UNUSABLE,
                       "%s: %.0f ml above zero, %.0f x %.0f x %.0f mm: not a skull-stripped human "
                       "brain with zero around it",
                       path, inside ? volume_mm3 / 1000 : 0.0, 2 * anatomy->extent_mm[0],
                       2 * anatomy->extent_mm[1], 2 * anatomy->extent_mm[2]);
    return GS_OK;
}

/* The intensity below which `white_matter_percentile` of the brain lies. */
static gs_status white_matter_level(const gs_volume *volume, float *level_out, gs_error *err) {
    size_t *bins = gs_alloc(HISTOGRAM_BINS, sizeof *bins);
    if (!bins) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a histogram");
    size_t count = gs_volume_voxels(volume), inside = 0, below = 0;
    float highest = 0;
    for (size_t i = 0; i < count; i++) highest = fmaxf(highest, volume->voxels[i]);
    for (size_t i = 0; i < count; i++) {
        if (!(volume->voxels[i] > 0)) continue;
        int bin = (int)((double)volume->voxels[i] / (double)highest * (HISTOGRAM_BINS - 1));
        bins[bin]++;
        inside++;
    }
    int bin = 0;
    while (bin < HISTOGRAM_BINS - 1 &&
           (double)(below += bins[bin]) < white_matter_percentile * (double)inside)
        bin++;
    gs_free(bins);
    *level_out = highest * ((float)bin + 0.5f) / HISTOGRAM_BINS;
    return GS_OK;
}

static float ramp(double value, double from, double to) {
    return (float)fmin(fmax((value - from) / (to - from), 0.0), 1.0);
}

/* Fills one map from the volume: what a voxel contributes, blurred, then scaled. */
typedef struct map_recipe {
    enum { INTENSITY, BRAIN, DEPTH, FLUID } map;
    double sigma_mm;
} map_recipe;

static float map_input(float intensity, int map) {
    if (!(intensity > 0)) return 0;
    if (map == INTENSITY) return intensity;
    return map == FLUID ? ramp((double)intensity, fluid_from, fluid_full) : 1.0f;
}

static void map_store(gs_tissue *tissue, float value, int map) {
    switch (map) {
    case INTENSITY:
        tissue->intensity = value;
        break;
    case BRAIN:
        tissue->brain = value;
        break;
    case DEPTH:
        tissue->depth = ramp((double)value, 0.5, 0.95);
        break;
    default:
        tissue->fluid = value;
        break;
    }
}

static gs_status fill_map(gs_anatomy *anatomy, const gs_volume *source, map_recipe recipe,
                          gs_error *err) {
    gs_volume map;
    GS_TRY(gs_volume_init(source->side, source->spacing_mm, &map, err));
    ptrdiff_t count = (ptrdiff_t)gs_volume_voxels(source);
    for (ptrdiff_t i = 0; i < count; i++)
        map.voxels[i] = map_input(source->voxels[i], (int)recipe.map);
    gs_status status = gs_volume_blur(&map, recipe.sigma_mm, err);
    for (ptrdiff_t i = 0; status == GS_OK && i < count; i++)
        map_store(&anatomy->tissue[i], map.voxels[i], (int)recipe.map);
    gs_volume_deinit(&map);
    return status;
}

static gs_status fill_maps(gs_anatomy *anatomy, gs_volume *source, double detail_mm,
                           gs_error *err) {
    float white = 1;
    GS_TRY(white_matter_level(source, &white, err));
    size_t count = gs_volume_voxels(source);
    for (size_t i = 0; i < count; i++) source->voxels[i] /= white;
    const map_recipe recipes[] = {
        {INTENSITY, 0.4 * detail_mm}, {BRAIN, 0.4 * detail_mm}, {DEPTH, 5.0}, {FLUID, 2.0}};
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        GS_TRY(fill_map(anatomy, source, recipes[i], err));
    return GS_OK;
}

gs_status gs_anatomy_open(const char *path, double detail_mm, gs_anatomy **out, gs_error *err) {
    gs_volume source;
    GS_TRY(gs_volume_load(path, &source, err));
    gs_status status;
    gs_anatomy *anatomy = gs_alloc(1, sizeof *anatomy);
    if (anatomy) anatomy->tissue = gs_alloc(gs_volume_voxels(&source), sizeof *anatomy->tissue);
    if (!anatomy || !anatomy->tissue) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the maps of %s", path);
        goto done;
    }
    for (int k = 0; k < 3; k++) {
        anatomy->side[k] = source.side[k];
        anatomy->spacing_mm[k] = source.spacing_mm[k];
    }
    status = find_box(anatomy, &source, path, err);
    if (status == GS_OK) status = fill_maps(anatomy, &source, detail_mm, err);
done:
    gs_volume_deinit(&source);
    if (status == GS_OK)
        *out = anatomy;
    else
        gs_anatomy_close(anatomy);
    return status;
}

void gs_anatomy_close(gs_anatomy *anatomy) {
    if (!anatomy) return;
    gs_free(anatomy->tissue);
    gs_free(anatomy);
}

const double *gs_anatomy_get_extent_mm(const gs_anatomy *anatomy) {
    return anatomy->extent_mm;
}

gs_tissue gs_anatomy_sample(const gs_anatomy *anatomy, const double position_mm[3]) {
    gs_tissue sum = {0};
    int cell[3];
    float part[3];
    for (int k = 0; k < 3; k++) {
        double at = position_mm[k] / anatomy->spacing_mm[k] + anatomy->middle[k];
        if (!(at >= 0 && at < anatomy->side[k] - 1)) return sum;
        cell[k] = (int)at;
        part[k] = (float)(at - cell[k]);
    }
    ptrdiff_t row = anatomy->side[0], plane = row * anatomy->side[1];
    const gs_tissue *corner = anatomy->tissue + cell[2] * plane + cell[1] * row + cell[0];
    for (int i = 0; i < 8; i++) {
        const gs_tissue *t = corner + (i >> 2) * plane + (i >> 1 & 1) * row + (i & 1);
        float weight = (i >> 2 ? part[2] : 1 - part[2]) * (i >> 1 & 1 ? part[1] : 1 - part[1]) *
                       (i & 1 ? part[0] : 1 - part[0]);
        sum.intensity += weight * t->intensity;
        sum.brain += weight * t->brain;
        sum.depth += weight * t->depth;
        sum.fluid += weight * t->fluid;
    }
    return sum;
}
