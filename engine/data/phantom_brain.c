/* Owns the brain phantom: what a case draws, its voxels, its files. Must not know data sets. A case
 * is made by one thread. */
#include "engine/data/phantom_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/data/head.h"
#include "engine/data/tumour.h"
#include "engine/data/volume.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRAME_MM = 240, HEIGHT_MM = 155, MAX_TUMOURS = 2 };

/* Random streams of a case, of 4096 each. */
enum {
    STREAM_BODY = 0,
    STREAM_COARSE,
    STREAM_FINE,
    STREAM_BIAS,
    STREAM_TUMOURS,
    STREAM_SHAPE,
    STREAM_SPREAD,
    STREAM_GRAIN,
    STREAM_NOISE = 1024, /* one per level and sequence */
    STREAMS = 4096,
};

static const char *const sequence_names[GS_SEQUENCES] = {"flair", "t1", "t1ce", "t2"};
/* What a scanner makes of white matter's T1 level of 1; arbitrary, and different for each case. */
static const double typical_gain[GS_SEQUENCES] = {260, 380, 420, 310};

/* What is the same for all cases. */
typedef struct plan {
    const gs_phantom_options *options;
    const gs_anatomy *anatomy;
    const char *folder, *healthy; /* being filled; healthy: NULL when not wanted */
    int side[3];
    double size_mm[3];
} plan;

typedef struct patient {
    uint64_t seed, streams;
    gs_head head;
    gs_field *bias, *shape, *spread, *grain;
    float *row; /* [4, side[0]]: their values; owned */
    double gain[GS_SEQUENCES], gamma[GS_SEQUENCES], bias_share[GS_SEQUENCES], noise[GS_SEQUENCES];
    bool is_high_grade;
    int tumours;
    gs_tumour tumour[MAX_TUMOURS];
    gs_volume image[GS_SEQUENCES], healthy[GS_SEQUENCES], labels;
} patient;

static double voxel_mm(int index, int count, double step_mm) {
    return (index + 0.5 - 0.5 * count) * step_mm;
}

/* ---- drawing ---- */

static void draw_scanner(gs_rng *rng, patient *p) {
    for (int k = 0; k < GS_SEQUENCES; k++) {
        p->gain[k] = typical_gain[k] * exp(0.25 * gs_rng_normal(rng));
        p->gamma[k] = exp(0.10 * gs_rng_normal(rng));
        p->bias_share[k] = 0.6 + 0.8 * gs_rng_uniform(rng);
        p->noise[k] = 0.015 + 0.025 * gs_rng_uniform(rng);
    }
}

static gs_status draw_tumours(const plan *pl, patient *p, gs_error *err) {
    gs_rng rng = {.seed = p->seed, .stream = p->streams + STREAM_TUMOURS};
    p->is_high_grade = gs_rng_uniform(&rng) < 0.75; /* about as in BraTS 2017 */
    p->tumours = p->is_high_grade && gs_rng_uniform(&rng) < 0.2 ? 2 : 1;
    for (int i = 0; i < p->tumours; i++)
        GS_TRY(gs_tumour_draw(pl->anatomy, p->is_high_grade, &rng, &p->tumour[i], err));
    return GS_OK;
}

static gs_status make_field(const plan *pl, const patient *p, int stream, double spacing_mm,
                            double deviation, gs_field **out, gs_error *err) {
    gs_field_options options = gs_field_options_for_box(pl->size_mm, 1, spacing_mm, deviation,
                                                        p->seed, p->streams + (uint64_t)stream);
    return gs_field_new(&options, out, err);
}

static gs_status make_volumes(const plan *pl, patient *p, gs_error *err) {
    double step = pl->options->scale;
    const double spacing_mm[3] = {step, step, step};
    GS_TRY(gs_volume_init(pl->side, spacing_mm, &p->labels, err));
    for (int k = 0; k < GS_SEQUENCES; k++) {
        GS_TRY(gs_volume_init(pl->side, spacing_mm, &p->image[k], err));
        if (pl->healthy) GS_TRY(gs_volume_init(pl->side, spacing_mm, &p->healthy[k], err));
    }
    return GS_OK;
}

static gs_status patient_init(const plan *pl, int number, patient *p, gs_error *err) {
    p->seed = pl->options->seed;
    p->streams = (uint64_t)number * STREAMS;
    gs_rng rng = {.seed = p->seed, .stream = p->streams + STREAM_BODY};
    GS_TRY(gs_head_init(pl->size_mm, &rng, p->streams + STREAM_COARSE, p->streams + STREAM_FINE,
                        pl->side[0], &p->head, err));
    draw_scanner(&rng, p);
    GS_TRY(draw_tumours(pl, p, err));
    GS_TRY(make_field(pl, p, STREAM_BIAS, 70.0, 0.08, &p->bias, err));
    GS_TRY(make_field(pl, p, STREAM_SHAPE, 8.0, 1.0, &p->shape, err));
    GS_TRY(make_field(pl, p, STREAM_SPREAD, 15.0, 1.0, &p->spread, err));
    GS_TRY(make_field(pl, p, STREAM_GRAIN, 3.0, 1.0, &p->grain, err));
    p->row = gs_alloc(4 * (size_t)pl->side[0], sizeof *p->row);
    if (!p->row) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a row of voxels");
    return make_volumes(pl, p, err);
}

static void patient_deinit(patient *p) {
    gs_head_deinit(&p->head);
    gs_field_free(p->bias);
    gs_field_free(p->shape);
    gs_field_free(p->spread);
    gs_field_free(p->grain);
    gs_free(p->row);
    gs_volume_deinit(&p->labels);
    for (int k = 0; k < GS_SEQUENCES; k++) {
        gs_volume_deinit(&p->image[k]);
        gs_volume_deinit(&p->healthy[k]);
    }
}

/* ---- one voxel ---- */

/* Undoes the blur with the zeros outside the brain. */
static float tissue_level(const gs_tissue *tissue) {
    return tissue->intensity / fmaxf(tissue->brain, 0.5f);
}

/* What the tumours make of the place q of the anatomy. Returns the label. */
static int paint_tumours(const plan *pl, const patient *p, const gs_tissue *before, double q[3],
                         const gs_tumour_fields *fields, float value[GS_SEQUENCES]) {
    double depth_mm[MAX_TUMOURS];
    for (int i = 0; i < p->tumours; i++)
        depth_mm[i] = gs_lesion_depth_mm(&p->tumour[i].core, q, fields->shape);
    for (int i = 0; i < p->tumours; i++)
        gs_lesion_unpush(&p->tumour[i].core, (double)before->depth, q);
    gs_tissue tissue = gs_anatomy_sample(pl->anatomy, q);
    gs_contrasts(tissue_level(&tissue), value);
    int label = GS_TUMOUR_NONE;
    for (int i = 0; i < p->tumours; i++) {
        int own = gs_tumour_paint(&p->tumour[i], depth_mm[i], fields, &tissue, value);
        if (own == GS_TUMOUR_NONE || (own == GS_TUMOUR_OEDEMA && label != GS_TUMOUR_NONE)) continue;
        label = own;
    }
    return label;
}

static void store_values(const patient *p, const float value[GS_SEQUENCES], float bias,
                         ptrdiff_t at, const gs_volume volumes[GS_SEQUENCES]) {
    for (int k = 0; k < GS_SEQUENCES; k++)
        volumes[k].voxels[at] =
            powf(fmaxf(value[k], 0), (float)p->gamma[k]) * expf((float)p->bias_share[k] * bias);
}

static void render_row(const plan *pl, patient *p, const double start_mm[3], ptrdiff_t at) {
    int width = pl->side[0];
    double step = pl->options->scale;
    float *bias = p->row, *shape = bias + width, *spread = shape + width, *grain = spread + width;
    gs_head_set_row(&p->head, start_mm, step);
    gs_field_row(p->bias, start_mm, step, width, bias);
    gs_field_row(p->shape, start_mm, step, width, shape);
    gs_field_row(p->spread, start_mm, step, width, spread);
    gs_field_row(p->grain, start_mm, step, width, grain);
    for (int x = 0; x < width; x++) {
        double q[3];
        const double place[3] = {start_mm[0] + x * step, start_mm[1], start_mm[2]};
        float value[GS_SEQUENCES];
        gs_head_to_anatomy(&p->head, x, place, q);
        gs_tissue tissue = gs_anatomy_sample(pl->anatomy, q);
        if (tissue.brain < 0.5f) continue;
        if (pl->healthy) {
            gs_contrasts(tissue_level(&tissue), value);
            store_values(p, value, bias[x], at + x, p->healthy);
        }
        const gs_tumour_fields fields = {shape[x], spread[x], grain[x]};
        int label = paint_tumours(pl, p, &tissue, q, &fields, value);
        p->labels.voxels[at + x] = (float)label;
        store_values(p, value, bias[x], at + x, p->image);
    }
}

static void render(const plan *pl, patient *p) {
    const int *side = pl->side;
    double step = pl->options->scale;
    for (int z = 0; z < side[2]; z++)
        for (int y = 0; y < side[1]; y++) {
            const double start_mm[3] = {voxel_mm(0, side[0], step), voxel_mm(y, side[1], step),
                                        voxel_mm(z, side[2], step)};
            render_row(pl, p, start_mm, ((ptrdiff_t)z * side[1] + y) * side[0]);
        }
}

/* ---- noise ---- */

/* The same noise with and without tumour, so that their difference is the tumour. A brain voxel
 * stays above 0, which is the background. */
static void scan_level(const plan *pl, const patient *p, int k, ptrdiff_t from, size_t area,
                       const float *noise) {
    /* A larger pixel averages over its area. */
    float deviation = (float)(p->noise[k] / pl->options->scale), gain = (float)p->gain[k];
    const gs_volume *both[2] = {&p->image[k], pl->healthy ? &p->healthy[k] : NULL};
    for (int i = 0; i < 2 && both[i]; i++) {
        float *at = both[i]->voxels + from;
        for (size_t n = 0; n < area; n++)
            if (at[n] > 0)
                at[n] = fmaxf(
                    gain * gs__rician(at[n], deviation * noise[n], deviation * noise[area + n]), 1);
    }
}

static gs_status scan(const plan *pl, const patient *p, gs_error *err) {
    size_t area = (size_t)pl->side[0] * (size_t)pl->side[1];
    float *noise = gs_alloc(2 * area, sizeof *noise);
    if (!noise) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for noise");
    for (int z = 0; z < pl->side[2]; z++)
        for (int k = 0; k < GS_SEQUENCES; k++) {
            uint64_t stream = p->streams + STREAM_NOISE + (uint64_t)(z * GS_SEQUENCES + k);
            gs_random_normal(p->seed, stream, noise, 2 * area);
            scan_level(pl, p, k, z * (ptrdiff_t)area, area, noise);
        }
    gs_free(noise);
    return GS_OK;
}

/* ---- files ---- */

static gs_status save_one(const char *folder, const char *name, const char *what,
                          const gs_volume *volume, gs_voxel_type type, gs_error *err) {
    char *path = gs_format("%s/%s_%s.nii.gz", folder, name, what);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", folder);
    gs_status status = gs_volume_save(volume, type, path, err);
    gs_free(path);
    return status;
}

static gs_status save_sequences(const char *tree, const char *group, const char *name,
                                const char *before, const gs_volume volumes[GS_SEQUENCES],
                                const gs_volume *labels, gs_error *err) {
    char *folder = gs_format("%s/%s/%s", tree, group, name);
    if (!folder) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", name);
    gs_status status = gs_folder_make(folder, err);
    for (int k = 0; k < GS_SEQUENCES && status == GS_OK; k++) {
        char what[32];
        snprintf(what, sizeof what, "%s%s", before, sequence_names[k]);
        status = save_one(folder, name, what, &volumes[k], GS_VOXEL_INT16, err);
    }
    if (status == GS_OK && labels)
        status = save_one(folder, name, "seg", labels, GS_VOXEL_UINT8, err);
    gs_free(folder);
    return status;
}

static gs_status save(const plan *pl, const patient *p, int number, gs_error *err) {
    char name[32];
    const char *group = p->is_high_grade ? "HGG" : "LGG";
    snprintf(name, sizeof name, "Phantom_%04d", number);
    GS_TRY(save_sequences(pl->folder, group, name, "", p->image, &p->labels, err));
    if (!pl->healthy) return GS_OK;
    return save_sequences(pl->healthy, group, name, "healthy_", p->healthy, NULL, err);
}

static gs_status make_case(const void *context, int number, gs_error *err) {
    const plan *pl = context;
    patient p = {0};
    gs_status status = patient_init(pl, number, &p, err);
    if (status == GS_OK) {
        render(pl, &p);
        status = scan(pl, &p, err);
    }
    if (status == GS_OK) status = save(pl, &p, number, err);
    patient_deinit(&p);
    return status;
}

/* ---- the whole ---- */

static gs_status fill_trees(const gs_phantom_options *options, gs__tree *tree, gs__tree *healthy,
                            gs_error *err) {
    gs_anatomy *anatomy;
    const char *source = options->source ? options->source : GS_PHANTOM_SOURCE;
    GS_TRY(gs_anatomy_open(source, options->scale, &anatomy, err));
    plan pl = {
        .options = options,
        .anatomy = anatomy,
        .folder = tree->partial,
        .healthy = healthy->partial,
        .side = {FRAME_MM / options->scale, FRAME_MM / options->scale, HEIGHT_MM / options->scale}};
    for (int k = 0; k < 3; k++) pl.size_mm[k] = pl.side[k] * (double)options->scale;
    gs_status status = gs__phantom_run(options, make_case, &pl, err);
    gs_anatomy_close(anatomy);
    return status;
}

/* A folder inside the other could not get its name last. */
static gs_status check_apart(const char *folder, const char *healthy, gs_error *err) {
    if (!healthy) return GS_OK;
    size_t a = strlen(folder), b = strlen(healthy), shared = a < b ? a : b;
    if (strncmp(folder, healthy, shared) != 0) return GS_OK;
    const char *longer = a > b ? folder : healthy;
    if (longer[shared] != '\0' && longer[shared] != '/' && longer[shared - 1] != '/') return GS_OK;
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "%s and %s: the lesion-free images need a folder of their own", folder, healthy);
}

gs_status gs_phantom_brain(const char *folder, const gs_phantom_options *options, gs_error *err) {
    GS_TRY(gs__phantom_check(options, err));
    GS_TRY(check_apart(folder, options->healthy, err));
    gs__tree tree = {.lock = -1}, healthy = {.lock = -1};
    gs_status status = gs__tree_open(folder, &tree, err);
    if (status == GS_OK && options->healthy)
        status = gs__tree_open(options->healthy, &healthy, err);
    if (status == GS_OK) status = fill_trees(options, &tree, &healthy, err);
    if (status == GS_OK && options->healthy) status = gs__tree_finish(&healthy, err);
    if (status == GS_OK) status = gs__tree_finish(&tree, err);
    gs__tree_close(&tree);
    gs__tree_close(&healthy);
    return status;
}
