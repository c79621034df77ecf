/* Owns the simulation of one case: how each voxel looks. Must not know slices, labels or files. A
 * case is rendered by one thread. A voxel shows the anatomy where the head (engine/data/head.h)
 * puts it, moved back by each lesion's push. */
#include "engine/data/demo_internal.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/data/head.h"
#include "engine/data/lesion.h"

#include <math.h>
#include <string.h>

enum { MAX_LESIONS = 2 };

/* Lesions lie where the halves of axial slices are large enough to be kept. */
static const double lesion_height_mm = 26;

typedef struct body {
    gs_head head;
    double gamma;
    int lesions;
    gs_lesion lesion[MAX_LESIONS];
    gs_field *bias;                    /* of every case */
    gs_field *shape, *grain, *texture; /* of cases with lesions */
} body;

/* Room for one row of voxels. */
typedef struct row_values {
    int count;
    float *bias, *shape, *grain, *texture; /* [count] */
    float *memory;
} row_values;

static double voxel_mm(int index, int count, double step_mm) {
    return (index + 0.5 - 0.5 * count) * step_mm;
}

/* ---- drawing what makes this case differ ---- */

static gs_status make_field(const gs__demo_grid *grid, const gs__demo_case *made, int stream,
                            int components, double spacing_mm, double deviation, gs_field **out,
                            gs_error *err) {
    const double size_mm[3] = {2 * grid->half_width * grid->pixel_mm, grid->height * grid->pixel_mm,
                               grid->levels * grid->step_mm};
    gs_field_options options =
        gs_field_options_for_box(size_mm, components, spacing_mm, deviation, made->seed,
                                 made->number * GS__STREAMS + (uint64_t)stream);
    return gs_field_new(&options, out, err);
}

static gs_status make_body(const gs__demo_grid *grid, gs__demo_case *made, body *b, gs_error *err) {
    const double size_mm[3] = {2 * grid->half_width * grid->pixel_mm, grid->height * grid->pixel_mm,
                               grid->levels * grid->step_mm};
    uint64_t streams = made->number * GS__STREAMS;
    gs_rng rng = {.seed = made->seed, .stream = streams + GS__STREAM_BODY};
    GS_TRY(gs_head_init(size_mm, &rng, streams + GS__STREAM_COARSE, streams + GS__STREAM_FINE,
                        2 * grid->half_width, &b->head, err));
    b->gamma = exp(0.15 * gs_rng_normal(&rng));
    made->noise = 0.015 + 0.025 * gs_rng_uniform(&rng);
    return make_field(grid, made, GS__STREAM_BIAS, 1, 70.0, 0.08, &b->bias, err);
}

static gs_status make_lesions(const gs_anatomy *anatomy, const gs__demo_grid *grid, int attempt,
                              const gs__demo_case *made, body *b, gs_error *err) {
    int stream = GS__STREAM_LESIONS + 4 * attempt;
    const gs_lesion_range range = {
        .height_mm = lesion_height_mm, .smallest_mm = 9.0 + attempt, .largest_mm = 17.0};
    gs_rng rng = {.seed = made->seed, .stream = made->number * GS__STREAMS + (uint64_t)stream};
    b->lesions = gs_rng_uniform(&rng) < 0.25 ? 2 : 1;
    for (int i = 0; i < b->lesions; i++)
        GS_TRY(gs_lesion_draw(anatomy, &range, &rng, &b->lesion[i], err));
    GS_TRY(make_field(grid, made, stream + 1, 1, 7.0, 1.0, &b->shape, err));
    GS_TRY(make_field(grid, made, stream + 2, 1, 3.0, 1.0, &b->grain, err));
    return make_field(grid, made, stream + 3, 1, 8.0, 1.0, &b->texture, err);
}

static void body_deinit(body *b) {
    gs_head_deinit(&b->head);
    gs_field_free(b->bias);
    gs_field_free(b->shape);
    gs_field_free(b->grain);
    gs_field_free(b->texture);
}

/* ---- one voxel ---- */

/* Fills depth_mm of each lesion and moves *q to where the tissue was. */
static void unpush(const gs_anatomy *anatomy, const body *b, float shape, double q[3],
                   double depth_mm[MAX_LESIONS]) {
    if (b->lesions == 0) return;
    double yielding = (double)gs_anatomy_sample(anatomy, q).depth;
    for (int i = 0; i < b->lesions; i++) depth_mm[i] = gs_lesion_depth_mm(&b->lesion[i], q, shape);
    for (int i = 0; i < b->lesions; i++) gs_lesion_unpush(&b->lesion[i], yielding, q);
}

static float voxel_intensity(const gs_anatomy *anatomy, const body *b, const double p[3],
                             const row_values *row, int i, uint8_t *flags) {
    double q[3], depth_mm[MAX_LESIONS];
    gs_head_to_anatomy(&b->head, i, p, q);
    unpush(anatomy, b, b->lesions ? row->shape[i] : 0, q, depth_mm);
    gs_tissue tissue = gs_anatomy_sample(anatomy, q);
    *flags = 0;
    if (tissue.brain < 0.5f) return 0;
    *flags = GS__BRAIN;
    float value = tissue.intensity / tissue.brain; /* undoes the blur with the zeros outside */
    for (int k = 0; k < b->lesions; k++) {
        float open = fminf(fmaxf((tissue.fluid - 0.45f) / 0.35f, 0), 1);
        float alpha = (1 - open) * gs_lesion_alpha(&b->lesion[k], depth_mm[k]);
        float grain = 0.75f * row->grain[i] + 0.65f * row->texture[i];
        value = gs_lesion_blend(&b->lesion[k], depth_mm[k], alpha, grain, value);
        if (alpha > 0.02f) *flags |= GS__TRACE;
        if (alpha > 0.5f) *flags |= GS__LESION;
    }
    return powf(fmaxf(value, 0), (float)b->gamma) * expf(row->bias[i]);
}

/* ---- all voxels ---- */

static gs_status row_init(int count, row_values *row, gs_error *err) {
    float *at = gs_alloc(4 * (size_t)count, sizeof *at);
    if (!at) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a row of %d voxels", count);
    *row = (row_values){.count = count,
                        .bias = at,
                        .shape = at + count,
                        .grain = at + 2 * count,
                        .texture = at + 3 * count,
                        .memory = at};
    return GS_OK;
}

static void fill_row(body *b, const double start_mm[3], double step_mm, row_values *row) {
    gs_head_set_row(&b->head, start_mm, step_mm);
    gs_field_row(b->bias, start_mm, step_mm, row->count, row->bias);
    if (b->lesions == 0) return;
    gs_field_row(b->shape, start_mm, step_mm, row->count, row->shape);
    gs_field_row(b->grain, start_mm, step_mm, row->count, row->grain);
    gs_field_row(b->texture, start_mm, step_mm, row->count, row->texture);
}

static void render_voxels(const gs_anatomy *anatomy, const gs__demo_grid *grid, body *b,
                          row_values *row, gs__demo_case *made) {
    const double *extent_mm = gs_anatomy_get_extent_mm(anatomy);
    const double margin_mm = 20; /* more than the deformations move the brain's surface */
    int width = row->count;
    for (int level = 0; level < grid->levels; level++)
        for (int y = 0; y < grid->height; y++) {
            double p[3] = {voxel_mm(0, width, grid->pixel_mm),
                           -voxel_mm(y, grid->height, grid->pixel_mm),
                           voxel_mm(level, grid->levels, grid->step_mm)};
            if (fabs(p[1]) > extent_mm[1] + margin_mm) continue;
            fill_row(b, p, grid->pixel_mm, row);
            ptrdiff_t at = ((ptrdiff_t)level * grid->height + y) * width;
            for (int x = 0; x < width; x++) {
                p[0] = voxel_mm(x, width, grid->pixel_mm);
                if (fabs(p[0]) > extent_mm[0] + margin_mm) continue;
                made->intensity[at + x] =
                    voxel_intensity(anatomy, b, p, row, x, &made->flags[at + x]);
            }
        }
}

static void measure(const gs__demo_grid *grid, gs__demo_case *made) {
    size_t count = 2 * (size_t)grid->half_width * (size_t)grid->height * (size_t)grid->levels;
    double sum = 0, squares = 0, inside = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(made->flags[i] & GS__BRAIN)) continue;
        double value = (double)made->intensity[i];
        inside++;
        sum += value;
        squares += value * value;
    }
    made->mean = inside > 0 ? sum / inside : 0;
    double variance = inside > 0 ? squares / inside - made->mean * made->mean : 0;
    made->deviation = sqrt(fmax(variance, 1e-12));
}

gs_status gs__demo_case_render(const gs_anatomy *anatomy, const gs__demo_grid *grid, bool diseased,
                               int attempt, gs__demo_case *made, gs_error *err) {
    body b = {0};
    row_values row = {0};
    gs_status status = make_body(grid, made, &b, err);
    if (status == GS_OK && diseased) status = make_lesions(anatomy, grid, attempt, made, &b, err);
    if (status == GS_OK) status = row_init(2 * grid->half_width, &row, err);
    if (status == GS_OK) {
        render_voxels(anatomy, grid, &b, &row, made);
        measure(grid, made);
    }
    gs_free(row.memory);
    body_deinit(&b);
    return status;
}
