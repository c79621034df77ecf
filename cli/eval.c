/* `genseg eval`: Dice of a model on one split of a dataset directory, where its translations change
 * images, what it puts into them, and, where the truth is known, how well it removes. */
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/session.h"
#include "engine/train/evaluate_translation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct evaluation {
    const char *model_path, *folder, *healthy, *split, *backend;
    int threads;
    gs_precision precision;
    gs_model *model;
    gs_session *session;
    gs_dataset *dataset, *truth; /* truth: NULL without --healthy */
    uint32_t *rows, *absence;
    size_t count, absence_count;
    float *maps; /* healthy, residual and reconstruction of a batch */
    double dice;
    gs_localization residual;
    gs_insertion inserted;
    gs_removal removed;
} evaluation;

static gs_status segment(void *context, size_t count, const float *images, float *probabilities,
                         gs_error *err) {
    const evaluation *e = context;
    return gs_session_segment(e->session, count, images, probabilities, err);
}

/* The size of the residual, averaged over the channels. */
static gs_status change(void *context, size_t count, const float *images, float *sizes,
                        gs_error *err) {
    const evaluation *e = context;
    const gs_model_config *c = gs_model_get_config(e->model);
    size_t pixels = (size_t)c->height * (size_t)c->columns, channels = (size_t)c->channels;
    float *healthy = e->maps, *residual = healthy + count * channels * pixels;
    float *sum = residual + count * channels * pixels;
    GS_TRY(gs_session_remove(e->session, count, images, healthy, residual, sum, err));
    for (size_t i = 0; i < count * pixels; i++) {
        const float *image = residual + i / pixels * channels * pixels;
        double total = 0;
        for (size_t k = 0; k < channels; k++) total += fabs((double)image[k * pixels + i % pixels]);
        sizes[i] = (float)(total / (double)channels);
    }
    return GS_OK;
}

static gs_status remove_target(void *context, size_t count, const float *images, float *healthy,
                               gs_error *err) {
    const evaluation *e = context;
    const gs_model_config *c = gs_model_get_config(e->model);
    size_t image = (size_t)c->channels * (size_t)c->height * (size_t)c->columns;
    return gs_session_remove(e->session, count, images, healthy, e->maps, e->maps + count * image,
                             err);
}

static gs_status insert_target(void *context, size_t count, const float *images,
                               const uint64_t *seeds, float *residual, float *translated,
                               gs_error *err) {
    const evaluation *e = context;
    return gs_session_insert(e->session, count, images, seeds, e->maps, residual, translated, err);
}

static gs_status check_sizes(const evaluation *e, gs_error *err) {
    const gs_model_config *c = gs_model_get_config(e->model);
    const gs_dataset_info *info = gs_dataset_get_info(e->dataset);
    if (c->channels == info->channels && c->height == info->height && c->columns == info->width)
        return GS_OK;
    return gs_fail(err, GS_SHAPE_MISMATCH,
                   "the model takes [%d,%d,%d], the data set has [%d,%d,%d]", c->channels,
                   c->height, c->columns, info->channels, info->height, info->width);
}

static gs_status list_rows(evaluation *e, gs_error *err) {
    size_t count = gs_dataset_count(e->dataset);
    e->rows = gs_alloc(count, sizeof *e->rows);
    e->absence = gs_alloc(count, sizeof *e->absence);
    if (!e->rows || !e->absence)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", count);
    for (uint32_t i = 0; i < count; i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(e->dataset, i);
        if (strcmp(gs_split_name(slice->split), e->split) != 0) continue;
        if (gs_dataset_mask(e->dataset, i)) e->rows[e->count++] = i;
        if (slice->label == GS_LABEL_ABSENCE) e->absence[e->absence_count++] = i;
    }
    if (e->count > 0) return GS_OK;
    return gs_fail(err, GS_UNUSABLE, "no annotated slice of %s is in the split \"%.40s\"",
                   e->folder, e->split);
}

static gs_status evaluate_translation(evaluation *e, const gs_annotated_rows *rows, gs_error *err) {
    gs_annotated_rows absence = {e->dataset, e->absence, e->absence_count};
    const gs_model_config *c = gs_model_get_config(e->model);
    size_t image = (size_t)c->channels * (size_t)c->height * (size_t)c->columns;
    e->maps = gs_alloc(3 * GS_EVALUATION_BATCH * image, sizeof *e->maps);
    if (!e->maps) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to translate");
    GS_TRY(gs_evaluate_localization(rows, change, e, &e->residual, err));
    if (e->truth) GS_TRY(gs_evaluate_removal(rows, e->truth, remove_target, e, &e->removed, err));
    return gs_model_inserts(e->model)
               ? gs_evaluate_insertion(&absence, insert_target, segment, e, &e->inserted, err)
               : GS_OK;
}

static gs_status evaluate(evaluation *e, gs_error *err) {
    gs_session_options options = {.backend = e->backend,
                                  .threads = e->threads,
                                  .precision = e->precision,
                                  .max_batch = GS_EVALUATION_BATCH};
    gs_cli_tell_precision(e->backend, e->precision);
    GS_TRY(gs_model_load(e->model_path, &e->model, err));
    GS_TRY(gs_dataset_open(e->folder, &e->dataset, err));
    if (e->healthy) GS_TRY(gs_dataset_open(e->healthy, &e->truth, err));
    GS_TRY(check_sizes(e, err));
    GS_TRY(list_rows(e, err));
    GS_TRY(gs_session_open(e->model, &options, &e->session, err));
    gs_annotated_rows rows = {e->dataset, e->rows, e->count};
    GS_TRY(gs_evaluate_dice(&rows, segment, e, &e->dice, err));
    return gs_model_translates(e->model) ? evaluate_translation(e, &rows, err) : GS_OK;
}

static void print(const evaluation *e) {
    printf("{\"split\": \"%s\", \"slices\": %zu, \"dice\": %.4f", e->split, e->count, e->dice);
    if (gs_model_translates(e->model) && isfinite(e->residual.auc))
        printf(", \"residual\": {\"inside\": %.4f, \"outside\": %.4f, \"auc\": %.4f}",
               e->residual.inside, e->residual.outside, e->residual.auc);
    if (e->truth && isfinite(e->removed.approach))
        printf(", \"removal\": {\"approach\": %.4f, \"outside\": %.4f}", e->removed.approach,
               e->removed.outside);
    if (gs_model_inserts(e->model) && e->absence_count > 0)
        printf(", \"insertion\": {\"dice\": %.4f, \"diversity\": %.4f}", e->inserted.dice,
               e->inserted.diversity);
    printf("}\n");
}

int gs_cli_eval(int argc, char **argv) {
    evaluation e = {.split = "test", .backend = "cpu", .precision = GS_PRECISION_AUTO};
    const gs_option options[] = {
        {"--model", GS_OPTION_TEXT, &e.model_path, "model.safetensors"},
        {"--dataset", GS_OPTION_TEXT, &e.folder, "dataset directory"},
        {"--healthy", GS_OPTION_TEXT, &e.healthy,
         "the same slices without lesions (data brats --healthy)"},
        {"--split", GS_OPTION_TEXT, &e.split, "train, validation or test (test)"},
        {"--precision", GS_OPTION_PRECISION, &e.precision, "auto, fp32 or bf16 (auto)"},
        {"--backend", GS_OPTION_TEXT, &e.backend, "cpu or reference (cpu)"},
        {"--threads", GS_OPTION_INT, &e.threads, "threads (all processors)"},
    };
    gs_error err;
    gs_status status = gs_options_parse(argc, argv, "eval --model FILE --dataset DIR [options]",
                                        options, sizeof options / sizeof *options, &err);
    if (status == GS_OK && (!e.model_path || !e.folder))
        status = gs_fail(&err, GS_INVALID_ARGUMENT, "--model and --dataset are needed");
    if (status == GS_OK) status = evaluate(&e, &err);
    if (status == GS_OK) print(&e);
    gs_session_close(e.session);
    gs_dataset_close(e.dataset), gs_dataset_close(e.truth);
    gs_model_release(e.model);
    gs_free(e.rows), gs_free(e.absence), gs_free(e.maps);
    return status == GS_OK ? 0 : gs_cli_fail("eval", &err);
}
