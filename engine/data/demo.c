/* Owns the population: who is ill, who is in which split, whose masks are kept, and the finished
 * pixels. Threads: cases are made in parallel and written in order; only the ordered region touches
 * the writer. */
#include "engine/data/demo.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/data/demo_internal.h"
#include "engine/image/mask.h"

#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>

enum { FRAME_HEIGHT_MM = 240, HALF_WIDTH_MM = 120, SLICE_STEP_MM = 2 };
static const double validation_fraction = 0.15, test_fraction = 0.15;
static const float brightest = 1.6f; /* intensity that is stored as 1 for GS_NORMALIZE_FOREGROUND */

typedef struct subject {
    bool diseased, annotated;
    gs_split split;
} subject;

typedef struct population {
    const gs_demo_options *options;
    gs_anatomy *anatomy;
    gs__demo_grid grid;
    subject *subjects; /* [options->cases] */
    gs_dataset_writer *writer;
    float *image, *noise; /* [H,W] and [2,H,W] of the slice being written */
    uint8_t *mask;        /* [H,W] */
} population;

/* ---- who is who ---- */

static int share_of(int count, double fraction) {
    int share = (int)lround(fraction * count);
    return share == 0 && count >= 3 ? 1 : share;
}

/* order[0…count): the cases of one kind, shuffled. */
static void divide(population *p, const uint32_t *order, int count, bool diseased) {
    int validation = share_of(count, validation_fraction), test = share_of(count, test_fraction);
    int train = count - validation - test;
    int annotated = (int)lround(p->options->annotated * train);
    if (annotated == 0 && p->options->annotated > 0) annotated = 1;
    for (int i = 0; i < count; i++) {
        subject *s = &p->subjects[order[i]];
        s->diseased = diseased;
        s->split = i < train                ? GS_SPLIT_TRAIN
                   : i < train + validation ? GS_SPLIT_VALIDATION
                                            : GS_SPLIT_TEST;
        s->annotated = diseased && (i < annotated || s->split != GS_SPLIT_TRAIN);
    }
}

static gs_status make_subjects(population *p, gs_error *err) {
    int cases = p->options->cases, diseased = cases / 2;
    uint32_t *order = gs_alloc((size_t)cases, sizeof *order);
    p->subjects = gs_alloc((size_t)cases, sizeof *p->subjects);
    gs_status status = GS_OK;
    if (!order || !p->subjects) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %d cases", cases);
    } else {
        for (int i = 0; i < cases; i++) order[i] = (uint32_t)i;
        gs_rng rng = {.seed = p->options->seed}; /* cases use streams from GS__STREAMS on */
        gs_rng_shuffle(&rng, order, (size_t)cases);
        divide(p, order, diseased, true);
        divide(p, order + diseased, cases - diseased, false);
    }
    gs_free(order);
    return status;
}

/* ---- pixels ---- */

/* Magnitude of a complex signal with equal noise in both parts, as MR scanners reconstruct it. */
static float rician(float value, float real, float imaginary) {
    return sqrtf((value + real) * (value + real) + imaginary * imaginary);
}

static float stored_value(const population *p, const gs__demo_case *made, float value) {
    if (p->options->normalization == GS_NORMALIZE_FOREGROUND)
        return fminf(fmaxf(value / brightest, 1.0f / 65535.0f), 1.0f);
    double normal = ((double)value - made->mean) / (5 * made->deviation);
    double cut = fmin(fmax(normal, -1.0), 1.0);
    return (float)(p->options->normalization == GS_NORMALIZE_UNIT ? (cut + 1) / 2 : cut);
}

static void fill_slice(population *p, const gs__demo_case *made, const gs__demo_pick *pick) {
    const gs__demo_grid *grid = &p->grid;
    int width = grid->half_width, area = grid->height * width;
    uint64_t stream = made->number * GS__STREAMS + GS__STREAM_NOISE + 2 * (uint64_t)pick->level +
                      (uint64_t)pick->side;
    gs_random_normal(made->seed, stream, p->noise, 2 * (size_t)area);
    /* A larger pixel averages over its area. */
    float noise = (float)(made->noise / grid->pixel_mm);
    float background = p->options->normalization == GS_NORMALIZE_NONE ? -1.0f : 0.0f;
    for (int i = 0; i < area; i++) {
        int y = i / width, x = i % width;
        ptrdiff_t row = ((ptrdiff_t)pick->level * grid->height + y) * 2 * width;
        ptrdiff_t at = row + (pick->side == GS__RIGHT ? 2 * width - 1 - x : x);
        float value = rician(made->intensity[at], noise * p->noise[i], noise * p->noise[area + i]);
        uint8_t flags = made->flags[at];
        p->image[i] = flags & GS__BRAIN ? stored_value(p, made, value) : background;
        p->mask[i] = flags & GS__LESION ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
    }
}

static gs_status write_case(population *p, const gs__demo_case *made, gs_error *err) {
    const subject *s = &p->subjects[made->number - 1];
    for (int i = 0; i < made->picks; i++) {
        const gs__demo_pick *pick = &made->pick[i];
        char case_name[32], name[64];
        snprintf(case_name, sizeof case_name, "case-%04llu", (unsigned long long)made->number);
        snprintf(name, sizeof name, "%s z%d %s", case_name, pick->level,
                 pick->side == GS__RIGHT ? "right" : "left");
        fill_slice(p, made, pick);
        bool masked = s->annotated && pick->label == GS_LABEL_PRESENCE;
        gs_dataset_slice slice = {.case_name = case_name,
                                  .name = name,
                                  .index = pick->level,
                                  .label = pick->label,
                                  .split = s->split};
        GS_TRY(gs_dataset_writer_add(p->writer, &slice, p->image, masked ? p->mask : NULL, err));
    }
    return GS_OK;
}

/* ---- the whole ---- */

static gs_status write_cases(population *p, gs_error *err) {
    int cases = p->options->cases;
    int threads = p->options->threads > 0 ? p->options->threads : omp_get_max_threads();
    gs_status status = GS_OK; /* of the ordered region only */
    atomic_bool failed = false;
#pragma omp parallel for ordered schedule(dynamic, 1) num_threads(threads)
    for (int i = 0; i < cases; i++) {
        gs__demo_case made = {0};
        gs_error inner = {0};
        gs_status own = GS_OK;
        if (!atomic_load(&failed))
            own = gs__demo_case_make(p->anatomy, &p->grid, p->options->seed, (uint64_t)i + 1,
                                     p->subjects[i].diseased, &made, &inner);
#pragma omp ordered
        if (status == GS_OK) {
            if (own == GS_OK && !atomic_load(&failed)) own = write_case(p, &made, &inner);
            if (own != GS_OK) {
                status = gs_fail(err, own, "%s", inner.text);
                atomic_store(&failed, true);
            } else if (p->options->progress) {
                p->options->progress(p->options->context, i + 1, cases);
            }
        }
        gs__demo_case_deinit(&made);
    }
    return status;
}

static gs_status check_options(const gs_demo_options *options, gs_error *err) {
    if (options->cases < GS_DEMO_MIN_CASES || options->cases > GS_DEMO_MAX_CASES)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%d cases, allowed are %d to %d", options->cases,
                       GS_DEMO_MIN_CASES, GS_DEMO_MAX_CASES);
    if (options->scale < 1 || options->scale > GS_DEMO_MAX_SCALE)
        return gs_fail(err, GS_INVALID_ARGUMENT, "a scale of %d, allowed are 1 to %d",
                       options->scale, GS_DEMO_MAX_SCALE);
    if (!(options->annotated >= 0 && options->annotated <= 1))
        return gs_fail(err, GS_INVALID_ARGUMENT, "%g of the cases annotated, allowed are 0 to 1",
                       options->annotated);
    return GS_OK;
}

static gs_status open_population(population *p, const char *folder, gs_error *err) {
    const gs_demo_options *options = p->options;
    const char *source = options->source ? options->source : GS_DEMO_SOURCE;
    GS_TRY(gs_anatomy_open(source, options->scale, &p->anatomy, err));
    double height_mm = 2 * gs_anatomy_get_extent_mm(p->anatomy)[2] + 20;
    p->grid = (gs__demo_grid){.half_width = HALF_WIDTH_MM / options->scale,
                              .height = FRAME_HEIGHT_MM / options->scale,
                              .levels = (int)(height_mm / SLICE_STEP_MM),
                              .pixel_mm = options->scale,
                              .step_mm = SLICE_STEP_MM};
    size_t area = (size_t)p->grid.height * (size_t)p->grid.half_width;
    p->image = gs_alloc(area, sizeof *p->image);
    p->noise = gs_alloc(2 * area, sizeof *p->noise);
    p->mask = gs_alloc(area, sizeof *p->mask);
    if (!p->image || !p->noise || !p->mask)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a slice of %zu pixels", area);
    GS_TRY(make_subjects(p, err));
    gs_dataset_info info = {.name = "demo",
                            .made_by = options->made_by ? options->made_by : "gs_demo_write",
                            .normalization = options->normalization,
                            .channels = 1,
                            .height = p->grid.height,
                            .width = p->grid.half_width};
    return gs_dataset_writer_open(folder, &info, &p->writer, err);
}

gs_status gs_demo_write(const char *folder, const gs_demo_options *options, gs_error *err) {
    GS_TRY(check_options(options, err));
    population p = {.options = options};
    gs_status status = open_population(&p, folder, err);
    if (status == GS_OK) status = write_cases(&p, err);
    if (status == GS_OK) status = gs_dataset_writer_finish(p.writer, err);
    gs_dataset_writer_close(p.writer);
    gs_free(p.image);
    gs_free(p.noise);
    gs_free(p.mask);
    gs_free(p.subjects);
    gs_anatomy_close(p.anatomy);
    return status;
}
