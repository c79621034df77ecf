/* Owns the pipeline that all layouts share: list, cut in parallel, write images in order; then,
 * when it is known which cases are usable, decide who is who and write descriptions and masks. Must
 * not know layouts or what images show. Threads: only the ordered region touches the writer, the
 * cases and the report. */
#include "engine/data/import_internal.h"
#include "engine/data/import_memory.h"

#include "base/memory.h"
#include "engine/image/mask.h"

#include <errno.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A slice whose image is written: what its description will need. */
typedef struct row {
    int level;
    const char *part;
    gs_label label;
    uint8_t *mask; /* of presence slices: one bit per pixel; owned */
} row;

typedef struct import {
    const gs__layout *layout;
    const gs_import_options *options;
    gs_dataset_info info;
    gs__candidates candidates;
    gs__imported_case *cases; /* [candidates.count] */
    row *rows;
    size_t count, capacity; /* of rows; a case's follow each other, cases in order */
    gs_dataset_writer *writer;
    gs__gate gate;
    int refused, empty;
} import;

static void note(const import *im, const char *text) {
    const gs_data_report *report = &im->options->report;
    if (text && report->note) report->note(report->context, text);
}

/* ---- slices of one case ---- */

gs_status gs__cut_reserve(gs__cut *cut, const gs_dataset_info *info, gs_error *err) {
    if (cut->count < cut->capacity) return GS_OK;
    size_t area = (size_t)info->height * (size_t)info->width;
    size_t capacity = cut->capacity ? 2 * (size_t)cut->capacity : 16;
    gs__cut_slice *slices = gs_resize(cut->slices, capacity, sizeof *slices);
    if (slices) cut->slices = slices;
    float *images =
        gs_resize(cut->images, capacity * area * (size_t)info->channels, sizeof *images);
    if (images) cut->images = images;
    uint8_t *masks = gs_resize(cut->masks, capacity * area, 1);
    if (masks) cut->masks = masks;
    if (!slices || !images || !masks)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", capacity);
    cut->capacity = (int)capacity;
    return GS_OK;
}

void gs__cut_deinit(gs__cut *cut) {
    gs_free(cut->slices);
    gs_free(cut->images);
    gs_free(cut->masks);
    *cut = (gs__cut){0};
}

static size_t packed_size(const import *im) {
    return ((size_t)im->info.height * (size_t)im->info.width + 7) / 8;
}

static gs_status keep_row(import *im, const gs__cut *cut, int i, gs_error *err) {
    if (im->count == im->capacity) {
        size_t capacity = im->capacity ? 2 * im->capacity : 1024;
        row *rows = gs_resize(im->rows, capacity, sizeof *rows);
        if (!rows) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", capacity);
        im->rows = rows;
        im->capacity = capacity;
    }
    const gs__cut_slice *slice = &cut->slices[i];
    row kept = {.level = slice->level, .part = slice->part, .label = slice->label};
    size_t area = (size_t)im->info.height * (size_t)im->info.width;
    if (slice->label == GS_LABEL_PRESENCE) {
        kept.mask = gs_alloc(packed_size(im), 1);
        if (!kept.mask) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a mask");
        for (size_t k = 0; k < area; k++)
            if (cut->masks[(size_t)i * area + k]) kept.mask[k / 8] |= (uint8_t)(1 << k % 8);
    }
    im->rows[im->count++] = kept;
    return GS_OK;
}

static gs_status take_case(import *im, gs__imported_case *c, const gs__cut *cut, gs_error *err) {
    size_t values = (size_t)im->info.channels * (size_t)im->info.height * (size_t)im->info.width;
    memcpy(c->extent, cut->extent, sizeof c->extent);
    for (int i = 0; i < cut->count; i++) {
        GS_TRY(keep_row(im, cut, i, err));
        GS_TRY(gs_dataset_writer_add_image(im->writer, cut->images + (size_t)i * values, err));
        c->slices++;
        c->presence += cut->slices[i].label == GS_LABEL_PRESENCE;
    }
    return GS_OK;
}

/* ---- cases ---- */

static gs_status check_files(const import *im, const gs__candidate *candidate, gs_error *err) {
    if (candidate->has_twin) return gs_fail(err, GS_UNUSABLE, "there are two of that name");
    for (int k = 0; k < GS__IMPORT_FILES; k++)
        if (im->layout->file_names[k] && !candidate->files[k])
            return gs_fail(err, GS_UNUSABLE, "%s is missing", im->layout->file_names[k]);
    return GS_OK;
}

/* Whether a case's failure is its own, and the others may go on. */
static bool is_refusal(gs_status status) {
    return status != GS_INTERNAL && status != GS_CANCELLED;
}

static void refuse(import *im, const gs__candidate *candidate, const char *why) {
    char *text = gs_format("left out: %s: %s", candidate->name, why);
    note(im, text);
    gs_free(text);
}

static gs_status settle_case(import *im, int i, gs_status own, const gs__cut *cut,
                             const gs_error *why, gs_error *err) {
    const gs_data_report *report = &im->options->report;
    gs__imported_case *c = &im->cases[i];
    if (own != GS_OK && !is_refusal(own)) return gs_fail(err, own, "%s", why->text);
    if (own != GS_OK) {
        im->refused++;
        refuse(im, c->candidate, why->text);
    } else if (cut->count == 0) {
        im->empty++;
        refuse(im, c->candidate, "none of its slices fits the task");
    } else {
        GS_TRY(take_case(im, c, cut, err));
    }
    if (report->progress && !report->progress(report->context, i + 1, im->candidates.count))
        return gs_fail(err, GS_CANCELLED, "stopped at case %d of %d", i + 1, im->candidates.count);
    return GS_OK;
}

static size_t cut_bytes(const import *im, const gs__cut *cut) {
    size_t area = (size_t)im->info.height * (size_t)im->info.width;
    return (size_t)cut->capacity * area * ((size_t)im->info.channels * sizeof(float) + 1);
}

/* Reads and cuts a case when there is memory for it. Gives back the bytes of what was cut. */
static size_t cut_case(import *im, int i, gs__cut *cut, gs_status *own, gs_error *why) {
    const gs__candidate *candidate = im->cases[i].candidate;
    *own = check_files(im, candidate, why);
    if (*own != GS_OK) return 0;
    size_t bytes = gs__case_memory(candidate, im->layout->work_volumes);
    gs__gate_enter(&im->gate, i, bytes);
    *own = im->layout->cut(candidate, im->options, &im->info, cut, why);
    size_t kept = cut_bytes(im, cut);
    gs__gate_leave(&im->gate, bytes, kept);
    return kept;
}

/* What found no memory beside other cases is tried by itself. */
static gs_status cut_alone(import *im, int i, gs__cut *cut, gs_error *why) {
    gs__cut_deinit(cut);
    gs__gate_close(&im->gate);
    gs_status own = im->layout->cut(im->cases[i].candidate, im->options, &im->info, cut, why);
    gs__gate_open(&im->gate);
    return own;
}

static gs_status import_cases(import *im, gs_error *err) {
    int threads = im->options->threads > 0 ? im->options->threads : omp_get_max_threads();
    gs_status status = GS_OK; /* of the ordered region only */
    atomic_bool failed = false;
#pragma omp parallel for ordered schedule(dynamic, 1) num_threads(threads)
    for (int i = 0; i < im->candidates.count; i++) {
        gs__cut cut = {0};
        gs_error why = {0};
        gs_status own = GS_OK;
        size_t kept = 0;
        if (!atomic_load(&failed)) kept = cut_case(im, i, &cut, &own, &why);
#pragma omp ordered
        {
            if (status == GS_OK && !atomic_load(&failed)) {
                if (own == GS_OUT_OF_MEMORY) own = cut_alone(im, i, &cut, &why);
                status = settle_case(im, i, own, &cut, &why, err);
                if (status != GS_OK) atomic_store(&failed, true);
            }
            gs__cut_deinit(&cut);
            gs__gate_settle(&im->gate, i, kept);
        }
    }
    return status;
}

/* ---- descriptions ---- */

static gs_status describe_row(import *im, const gs__imported_case *c, const row *r, uint8_t *mask,
                              gs_error *err) {
    char name[GS_DATASET_MAX_TEXT];
    const char *case_name = c->candidate->name;
    int length = snprintf(name, sizeof name, "%s z%d%s%s", case_name, r->level,
                          r->part[0] ? " " : "", r->part);
    if (length < 0 || (size_t)length >= sizeof name)
        return gs_fail(err, GS_TOO_LARGE, "the case name %.80s… is too long", case_name);
    bool is_masked = c->annotated && r->label == GS_LABEL_PRESENCE;
    size_t area = (size_t)im->info.height * (size_t)im->info.width;
    for (size_t k = 0; is_masked && k < area; k++)
        mask[k] = r->mask[k / 8] >> k % 8 & 1 ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
    const gs_dataset_slice slice = {.case_name = case_name,
                                    .name = name,
                                    .index = r->level,
                                    .extent = {c->extent[0], c->extent[1]},
                                    .label = r->label,
                                    .split = c->split};
    return gs_dataset_writer_describe(im->writer, &slice, is_masked ? mask : NULL, err);
}

static gs_status describe_all(import *im, gs_error *err) {
    uint8_t *mask = gs_alloc((size_t)im->info.height, (size_t)im->info.width);
    if (!mask) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a mask");
    gs_status status = GS_OK;
    const row *at = im->rows;
    for (int i = 0; i < im->candidates.count; i++)
        for (int k = 0; k < im->cases[i].slices && status == GS_OK; k++)
            status = describe_row(im, &im->cases[i], at++, mask, err);
    gs_free(mask);
    return status;
}

/* ---- the summary ---- */

typedef struct tally {
    int cases, presence, absence, annotated; /* cases; slices */
} tally;

static gs_status check_tally(const import *im, gs_split split, const tally *t, gs_error *err) {
    double fraction = split == GS_SPLIT_VALIDATION ? im->options->validation
                      : split == GS_SPLIT_TEST     ? im->options->test
                                                   : 1;
    if (fraction == 0 || (t->presence && t->absence)) return GS_OK;
    return gs_fail(err, GS_UNUSABLE, "%s: the %s split has no %s slice (%d cases); %s",
                   im->options->in, gs_split_name(split), t->presence ? "absence" : "presence",
                   t->cases,
                   t->cases ? "another --seed may do" : "there are too few cases to divide");
}

static gs_status summarize(const import *im, gs_error *err) {
    tally tallies[GS_SPLIT_TEST + 1] = {{0}};
    for (int i = 0; i < im->candidates.count; i++) {
        const gs__imported_case *c = &im->cases[i];
        tally *t = &tallies[c->split];
        t->cases += c->slices > 0;
        t->presence += c->presence;
        t->absence += c->slices - c->presence;
        t->annotated += c->annotated ? c->presence : 0;
    }
    for (int split = GS_SPLIT_TRAIN; split <= GS_SPLIT_TEST; split++) {
        const tally *t = &tallies[split];
        char *text = gs_format("%s: %d cases, %d presence and %d absence slices, %d masks",
                               gs_split_name((gs_split)split), t->cases, t->presence, t->absence,
                               t->annotated);
        note(im, text);
        gs_free(text);
        GS_TRY(check_tally(im, (gs_split)split, t, err));
    }
    if (im->options->annotated > 0 && tallies[GS_SPLIT_TRAIN].annotated == 0)
        return gs_fail(err, GS_UNUSABLE, "%s: no training slice is annotated", im->options->in);
    char *text = gs_format("%d cases imported, %d left out",
                           im->candidates.count - im->refused - im->empty, im->refused + im->empty);
    note(im, text);
    gs_free(text);
    return GS_OK;
}

/* ---- the whole ---- */

static gs_status check_options(const gs_import_options *o, gs_error *err) {
    if (!o->in || !o->in[0])
        return gs_fail(err, GS_INVALID_ARGUMENT, "the folder to import is missing");
    if (o->scale < 1 || o->scale > GS_IMPORT_MAX_SCALE)
        return gs_fail(err, GS_INVALID_ARGUMENT, "a scale of %d, allowed are 1 to %d", o->scale,
                       GS_IMPORT_MAX_SCALE);
    if (!(o->annotated >= 0 && o->annotated <= 1))
        return gs_fail(err, GS_INVALID_ARGUMENT, "%g of the cases annotated, allowed are 0 to 1",
                       o->annotated);
    if (!(o->validation >= 0 && o->test >= 0 && o->validation + o->test < 1))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "%g of the cases for validation and %g for test; training needs some too",
                       o->validation, o->test);
    if (o->min_width < 0 || o->min_width > GS_MAX_SIDE)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "a lesion's width of %d pixels, allowed are 0 to %d", o->min_width,
                       GS_MAX_SIDE);
    if (o->normalization == GS_NORMALIZE_FOREGROUND)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "volumes are normalised as a whole: choose unit or none");
    return GS_OK;
}

static gs_status list_cases(import *im, gs_error *err) {
    GS_TRY(im->layout->list(im->options->in, &im->candidates, err));
    if (im->candidates.count == 0)
        return gs_fail(err, GS_UNUSABLE, "%s holds no case; expected is %s", im->options->in,
                       im->layout->expected);
    gs__candidates_sort(&im->candidates);
    im->cases = gs_alloc((size_t)im->candidates.count, sizeof *im->cases);
    if (!im->cases)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %d cases", im->candidates.count);
    for (int i = 0; i < im->candidates.count; i++)
        im->cases[i].candidate = &im->candidates.items[i];
    return GS_OK;
}

static gs_status write_dataset(import *im, const char *folder, gs_error *err) {
    GS_TRY(gs_dataset_writer_open(folder, &im->info, &im->writer, err));
    GS_TRY(import_cases(im, err));
    if (im->count == 0)
        return gs_fail(err, GS_UNUSABLE, "%s: none of its %d cases can be used", im->options->in,
                       im->candidates.count);
    GS_TRY(gs__assign_cases(im->cases, im->candidates.count, im->options, err));
    GS_TRY(summarize(im, err));
    GS_TRY(describe_all(im, err));
    return gs_dataset_writer_finish(im->writer, err);
}

gs_status gs__import(const char *folder, const gs__layout *layout, const gs_import_options *options,
                     gs_error *err) {
    GS_TRY(check_options(options, err));
import im = {.layout = layout, .options = options };
    im.info = (gs_dataset_info){.name = options->name ? options->name : layout->name,
                                .made_by = options->made_by ? options->made_by : "gs_import",
                                .normalization = options->normalization,
                                .channels = layout->channels,
                                .height = layout->height / options->scale,
                                .width = layout->width / options->scale};
    gs__gate_init(&im.gate, options->memory_bytes);
    gs_status status = list_cases(&im, err);
    if (status == GS_OK) status = write_dataset(&im, folder, err);
    gs_dataset_writer_close(im.writer);
    for (size_t i = 0; i < im.count; i++) gs_free(im.rows[i].mask);
    gs_free(im.rows);
    gs_free(im.cases);
    gs__candidates_deinit(&im.candidates);
    gs__gate_deinit(&im.gate);
    return status;
}
