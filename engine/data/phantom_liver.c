/* Owns the liver phantom: what a case draws, its voxels, its files. Must not know data sets. A case
 * is made by one thread. */
#include "engine/data/phantom_internal.h"

#include "base/memory.h"
#include "engine/data/abdomen.h"
#include "engine/data/head.h"
#include "engine/data/lesion.h"
#include "engine/data/vessels.h"
#include "engine/data/volume.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 512, LEVELS = 72, MAX_LESIONS = 6, PLACE_ATTEMPTS = 4000 };
static const double pixel_mm = 0.75, step_mm = 3, air = -1000;

/* Random streams of a case, of 4096 each. */
enum {
    STREAM_BODY = 0,
    STREAM_COARSE,
    STREAM_FINE,
    STREAM_LESIONS,
    STREAM_VESSELS,
    STREAM_SHAPE,
    STREAM_TEXTURE,
    STREAM_GRAIN,
    STREAM_NOISE = 1024, /* one per level */
    STREAMS = 4096,
};

typedef struct plan {
    const gs_phantom_options *options;
    const char *folder; /* being filled */
    int side[3];
    double spacing_mm[3], size_mm[3];
} plan;

/* A lesion's look on top of its geometry: all relative to the liver around it, in HU. */
typedef struct spot {
    gs_lesion shape;
    double core, rim, rim_mm;
} spot;

typedef struct patient {
    uint64_t seed, streams;
    gs_abdomen abdomen;
    gs_field *coarse, *fine; /* displacements */
    gs_field *shape, *texture, *grain;
    float *row;                    /* [9, side[0]]: their values; owned */
    double vessel_contrast, noise; /* HU */
    int lesions;
    spot lesion[MAX_LESIONS];
    gs_volume image, labels, vessels; /* image: HU above air until it is saved */
} patient;

static double between(gs_rng *rng, double low, double high) {
    return low + (high - low) * gs_rng_uniform(rng);
}

/* ---- drawing ---- */

static bool place_lesion(const patient *p, gs_rng *rng, spot *s) {
    const gs_ellipsoid *lobe = &p->abdomen.part[GS_ABDOMEN_RIGHT_LOBE];
    for (int attempt = 0; attempt < PLACE_ATTEMPTS; attempt++) {
        double depth_mm;
        s->shape.center_mm[0] = between(rng, -110, 150);
        s->shape.center_mm[1] = between(rng, -90, 100);
        s->shape.center_mm[2] = lobe->center_mm[2] + between(rng, -90, 90);
        gs_organ organ = gs_abdomen_at(&p->abdomen, s->shape.center_mm, &depth_mm);
        bool is_fit = organ == GS_ORGAN_LIVER && depth_mm > 0.45 * s->shape.radius_mm;
        for (int i = 0; i < p->lesions && is_fit; i++) {
            double square = 0;
            for (int k = 0; k < 3; k++)
                square += pow(s->shape.center_mm[k] - p->lesion[i].shape.center_mm[k], 2);
            is_fit = sqrt(square) > s->shape.radius_mm + p->lesion[i].shape.radius_mm + 4;
        }
        if (is_fit) return true;
    }
    return false;
}

/* A crowded liver may have no room for the last ones. */
static void draw_lesions(patient *p) {
    gs_rng rng = {.seed = p->seed, .stream = p->streams + STREAM_LESIONS};
    int wanted = (int)gs_rng_below(&rng, MAX_LESIONS + 1);
    for (int i = 0; i < wanted; i++) {
        spot s = {.shape = {.radius_mm = 4.5 * exp(gs_rng_uniform(&rng) * log(5.5))}};
        if (!place_lesion(p, &rng, &s)) return;
        gs_lesion_draw_shape(&rng, &s.shape);
        s.shape.softness_mm = between(&rng, 1.5, 4.0);
        s.core = -between(&rng, 25, 70);
        s.rim = s.core * between(&rng, 0.1, 1.0) + (gs_rng_uniform(&rng) < 0.3 ? 22 : 0);
        s.rim_mm = between(&rng, 1.5, 4.0);
        p->lesion[p->lesions++] = s;
    }
}

static gs_status make_field(const plan *pl, const patient *p, int stream, int components,
                            double spacing_mm, double deviation, gs_field **out, gs_error *err) {
    gs_field_options options = gs_field_options_for_box(
        pl->size_mm, components, spacing_mm, deviation, p->seed, p->streams + (uint64_t)stream);
    return gs_field_new(&options, out, err);
}

/* The portal vein enters between the lobes; three hepatic veins leave to the vena cava at the top.
 */
static void grow_vessels(patient *p) {
    gs_rng rng = {.seed = p->seed, .stream = p->streams + STREAM_VESSELS};
    double base = p->abdomen.part[GS_ABDOMEN_RIGHT_LOBE].center_mm[2];
    const gs_vessel_root roots[] = {
        {{30, 6, base - 14}, {0.92, 0.15, 0.35}, 6.5, 46},
        {{26, 12, base - 8}, {-0.70, 0.60, 0.40}, 5.0, 38},
        {{22, -22, base + 56}, {0.85, 0.10, -0.52}, 5.5, 48},
        {{20, -20, base + 56}, {0.35, 0.78, -0.52}, 5.0, 46},
        {{16, -20, base + 54}, {-0.75, 0.62, -0.25}, 4.5, 42},
    };
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        gs_vessels_grow(&roots[i], &rng, &p->vessels);
}

static gs_status patient_init(const plan *pl, int number, patient *p, gs_error *err) {
    p->seed = pl->options->seed;
    p->streams = (uint64_t)number * STREAMS;
    gs_rng rng = {.seed = p->seed, .stream = p->streams + STREAM_BODY};
    gs_abdomen_draw(&rng, &p->abdomen);
    p->vessel_contrast = between(&rng, 20, 60);
    p->noise = between(&rng, 14, 34);
    draw_lesions(p);
    GS_TRY(make_field(pl, p, STREAM_COARSE, 3, 48, 5.5, &p->coarse, err));
    GS_TRY(make_field(pl, p, STREAM_FINE, 3, 20, 1.6, &p->fine, err));
    GS_TRY(make_field(pl, p, STREAM_SHAPE, 1, 8, 1.0, &p->shape, err));
    GS_TRY(make_field(pl, p, STREAM_TEXTURE, 1, 14, 5.0, &p->texture, err));
    GS_TRY(make_field(pl, p, STREAM_GRAIN, 1, 4, 4.0, &p->grain, err));
    p->row = gs_alloc(9 * (size_t)pl->side[0], sizeof *p->row);
    if (!p->row) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a row of voxels");
    GS_TRY(gs_volume_init(pl->side, pl->spacing_mm, &p->image, err));
    GS_TRY(gs_volume_init(pl->side, pl->spacing_mm, &p->labels, err));
    GS_TRY(gs_volume_init(pl->side, pl->spacing_mm, &p->vessels, err));
    grow_vessels(p);
    return GS_OK;
}

static void patient_deinit(patient *p) {
    gs_field_free(p->coarse);
    gs_field_free(p->fine);
    gs_field_free(p->shape);
    gs_field_free(p->texture);
    gs_field_free(p->grain);
    gs_free(p->row);
    gs_volume_deinit(&p->image);
    gs_volume_deinit(&p->labels);
    gs_volume_deinit(&p->vessels);
}

/* ---- one voxel ---- */

/* What the lesions make of the liver's value. Returns whether the place is lesion. */
static bool paint_lesions(const patient *p, const double q[3], float shape, double grain,
                          double *value) {
    bool is_lesion = false;
    for (int i = 0; i < p->lesions; i++) {
        const spot *s = &p->lesion[i];
        double depth_mm = gs_lesion_depth_mm(&s->shape, q, shape);
        double alpha = (double)gs_lesion_alpha(&s->shape, depth_mm);
        if (alpha <= 0) continue;
        double inner = fmin(fmax((depth_mm - s->rim_mm) / 2 + 0.5, 0), 1);
        double own = p->abdomen.hounsfield[GS_ORGAN_LIVER] + s->rim + inner * (s->core - s->rim);
        *value += alpha * (own + 0.6 * grain - *value);
        is_lesion = is_lesion || alpha > 0.5;
    }
    return is_lesion;
}

static void render_voxel(const patient *p, const double q[3], const float *fields, int width,
                         ptrdiff_t at) {
    double depth_mm, grain = (double)fields[8 * width];
    gs_organ organ = gs_abdomen_at(&p->abdomen, q, &depth_mm);
    double value = p->abdomen.hounsfield[organ];
    if (organ == GS_ORGAN_LIVER) {
        double vessel = (double)p->vessels.voxels[at];
        value += (double)fields[7 * width] + grain + vessel * p->vessel_contrast;
        bool is_lesion = paint_lesions(p, q, fields[6 * width], grain, &value);
        /* The outermost half pixel, which the scanner mixes with what is outside, is not drawn. */
        if (depth_mm > 0.5 * p->labels.spacing_mm[0]) p->labels.voxels[at] = is_lesion ? 2 : 1;
    } else if (organ != GS_ORGAN_AIR) {
        value += (double)fields[7 * width] + grain;
    }
    p->image.voxels[at] = (float)fmax(value - air, 0);
}

static void render_row(const plan *pl, const patient *p, const double start_mm[3], ptrdiff_t at) {
    int width = pl->side[0];
    double step = pl->spacing_mm[0];
    gs_field_row(p->coarse, start_mm, step, width, p->row);
    gs_field_row(p->fine, start_mm, step, width, p->row + 3 * width);
    gs_field_row(p->shape, start_mm, step, width, p->row + 6 * width);
    gs_field_row(p->texture, start_mm, step, width, p->row + 7 * width);
    gs_field_row(p->grain, start_mm, step, width, p->row + 8 * width);
    for (int x = 0; x < width; x++) {
        double q[3] = {start_mm[0] + x * step, start_mm[1], start_mm[2]};
        for (int k = 0; k < 3; k++)
            q[k] += (double)p->row[k * width + x] + (double)p->row[(3 + k) * width + x];
        render_voxel(p, q, p->row + x, width, at + x);
    }
}

static void render(const plan *pl, const patient *p) {
    for (int z = 0; z < pl->side[2]; z++)
        for (int y = 0; y < pl->side[1]; y++) {
            double start_mm[3];
            const int at[3] = {0, y, z};
            for (int k = 0; k < 3; k++)
                start_mm[k] = (at[k] + 0.5 - 0.5 * pl->side[k]) * pl->spacing_mm[k];
            render_row(pl, p, start_mm, ((ptrdiff_t)z * pl->side[1] + y) * pl->side[0]);
        }
}

/* ---- the scanner ---- */

/* Noise whose neighbours are alike, as a reconstruction leaves it: the mean of 2 x 2 white values,
 * whose deviation is half of theirs. */
static void add_noise(const plan *pl, patient *p, int level, float *white) {
    int width = pl->side[0], height = pl->side[1];
    size_t area = (size_t)width * (size_t)height;
    gs_random_normal(p->seed, p->streams + STREAM_NOISE + (uint64_t)level, white, area);
    /* A larger pixel averages over its area. */
    float part = 0.5f * (float)(p->noise / pl->options->scale);
    float *voxels = p->image.voxels + (ptrdiff_t)level * width * height;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int right = x + 1 < width ? x + 1 : 0, below = y + 1 < height ? y + 1 : 0;
            float sum = white[(ptrdiff_t)y * width + x] + white[(ptrdiff_t)y * width + right] +
                        white[(ptrdiff_t)below * width + x] +
                        white[(ptrdiff_t)below * width + right];
            voxels[(ptrdiff_t)y * width + x] += part * sum + (float)air;
        }
}

static gs_status scan(const plan *pl, patient *p, gs_error *err) {
    GS_TRY(gs_volume_blur(&p->image, 0.55 * pl->spacing_mm[0], err));
    float *white = gs_alloc((size_t)pl->side[0] * (size_t)pl->side[1], sizeof *white);
    if (!white) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for noise");
    for (int level = 0; level < pl->side[2]; level++) add_noise(pl, p, level, white);
    gs_free(white);
    return GS_OK;
}

/* ---- files ---- */

static gs_status save_one(const plan *pl, const char *what, int number, const gs_volume *volume,
                          gs_voxel_type type, gs_error *err) {
    char *path = gs_format("%s/%s-%d.nii.gz", pl->folder, what, number - 1);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", pl->folder);
    gs_status status = gs_volume_save(volume, type, path, err);
    gs_free(path);
    return status;
}

static gs_status make_case(const void *context, int number, gs_error *err) {
    const plan *pl = context;
    patient p = {0};
    gs_status status = patient_init(pl, number, &p, err);
    if (status == GS_OK) {
        render(pl, &p);
        status = scan(pl, &p, err);
    }
    if (status == GS_OK) status = save_one(pl, "volume", number, &p.image, GS_VOXEL_INT16, err);
    if (status == GS_OK)
        status = save_one(pl, "segmentation", number, &p.labels, GS_VOXEL_UINT8, err);
    patient_deinit(&p);
    return status;
}

gs_status gs_phantom_liver(const char *folder, const gs_phantom_options *options, gs_error *err) {
    GS_TRY(gs__phantom_check(options, err));
    plan pl = {.options = options,
               .side = {SIDE / options->scale, SIDE / options->scale, LEVELS},
               .spacing_mm = {pixel_mm * options->scale, pixel_mm * options->scale, step_mm}};
    for (int k = 0; k < 3; k++) pl.size_mm[k] = pl.side[k] * pl.spacing_mm[k];
    gs__tree tree = {.lock = -1};
    gs_status status = gs__tree_open(folder, &tree, err);
    pl.folder = tree.partial;
    if (status == GS_OK) status = gs__phantom_run(options, make_case, &pl, err);
    if (status == GS_OK) status = gs__tree_finish(&tree, err);
    gs__tree_close(&tree);
    return status;
}
