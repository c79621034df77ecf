/* `genseg eval`: Dice of a model on one split of a dataset directory, where its translations change
 * images, what it puts into them, and, where the truth is known, how well it removes. */
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/train/model_evaluation.h"
#include "engine/train/model_translation.h"
#include "engine/train/training_data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct request {
    const char *model, *dataset, *healthy, *split;
    gs_session_options session;
} request;

static gs_status parse_split(const char *name, gs_split *out, gs_error *err) {
    for (gs_split split = GS_SPLIT_TRAIN; split <= GS_SPLIT_TEST; split++)
        if (strcmp(name, gs_split_name(split)) == 0) {
            *out = split;
            return GS_OK;
        }
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "--split \"%.40s\" is none of train, validation and test", name);
}

static gs_status evaluate(const request *r, gs_model_evaluation *out,
                          gs_model_translation *translation, gs_error *err) {
    gs_split split = GS_SPLIT_TEST;
    gs_model *model = NULL;
    gs_dataset *dataset = NULL, *truth = NULL;
    gs_cli_tell_engine(&r->session.engine);
    gs_status status = parse_split(r->split, &split, err);
    if (status == GS_OK) status = gs_model_load(r->model, &model, err);
    if (status == GS_OK) status = gs_training_data_open(r->dataset, &dataset, err);
    if (status == GS_OK && r->healthy) status = gs_training_data_open(r->healthy, &truth, err);
    if (status == GS_OK)
        status = gs_model_evaluate(model, &r->session, dataset, split, NULL, out, err);
    if (status == GS_OK)
        status = gs_model_evaluate_translation(model, &r->session, dataset, truth, split,
                                               translation, err);
    /* What the model file lacks was refused when it was loaded. */
    if (dataset) status = gs_training_data_refuse(r->dataset, status, err);
    gs_dataset_close(dataset), gs_dataset_close(truth);
    gs_model_release(model);
    return status;
}

static void print(const char *split, const gs_model_evaluation *e, const gs_model_translation *t) {
    printf("{\"split\": \"%s\", \"slices\": %zu, \"dice\": %.4f", split, e->slices, e->dice);
    printf(", \"cases\": %zu", e->case_count);
    if (isfinite(e->mean_case_dice)) printf(", \"mean_case_dice\": %.4f", e->mean_case_dice);
    if (e->translates && isfinite(e->residual.auc))
        printf(", \"residual\": {\"inside\": %.4f, \"outside\": %.4f, \"auc\": %.4f}",
               e->residual.inside, e->residual.outside, e->residual.auc);
    if (t->has_removal && isfinite(t->removal.approach))
        printf(", \"removal\": {\"approach\": %.4f, \"outside\": %.4f}", t->removal.approach,
               t->removal.outside);
    if (t->has_insertion)
        printf(", \"insertion\": {\"dice\": %.4f, \"diversity\": %.4f}", t->insertion.dice,
               t->insertion.diversity);
    printf("}\n");
}

int gs_cli_eval(int argc, char **argv) {
    request r = {.split = "test",
                 .session = {.engine = {.backend = "auto", .precision = GS_PRECISION_AUTO}}};
    gs_model_evaluation evaluation = {0};
    gs_model_translation translation;
    const gs_option options[] = {
        {"--model", GS_OPTION_TEXT, &r.model, "model.safetensors"},
        {"--dataset", GS_OPTION_TEXT, &r.dataset, "dataset directory"},
        {"--healthy", GS_OPTION_TEXT, &r.healthy,
         "the same slices without lesions (data brats --healthy)"},
        {"--split", GS_OPTION_TEXT, &r.split, "train, validation or test (test)"},
        {"--precision", GS_OPTION_PRECISION, &r.session.engine.precision,
         "auto, fp32, tf32 or bf16 (auto)"},
        {"--backend", GS_OPTION_TEXT, &r.session.engine.backend,
         "auto, cpu, cuda or reference (auto: cuda where it can be used)"},
        {"--device", GS_OPTION_INT, &r.session.engine.device,
         "which of the visible CUDA devices (0)"},
        {"--threads", GS_OPTION_INT, &r.session.threads, "threads (all processors)"},
    };
    gs_error err;
    gs_status status = gs_options_parse(argc, argv, "eval --model FILE --dataset DIR [options]",
                                        options, sizeof options / sizeof *options, &err);
    if (status == GS_OK && (!r.model || !r.dataset))
        status = gs_fail(&err, GS_INVALID_ARGUMENT, "--model and --dataset are needed");
    if (status == GS_OK) status = evaluate(&r, &evaluation, &translation, &err);
    if (status == GS_OK) print(r.split, &evaluation, &translation);
    gs_model_evaluation_deinit(&evaluation);
    return status == GS_OK ? 0 : gs_cli_refuse("eval", &err);
}
