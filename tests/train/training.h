/* Training runs of the tests: a folder, small options, what happened, what came out. */
#ifndef GS_TESTS_TRAIN_TRAINING_H
#define GS_TESTS_TRAIN_TRAINING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/model/safetensors.h"
#include "engine/train/trainer.h"
#include "tests/train/small_dataset.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

static char folder[] = "/tmp/genseg-train-XXXXXX";

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

typedef struct record {
    atomic_bool stop;
    uint64_t stop_at, kill_at, step; /* 0 = never */
    int progress, validations, checkpoints;
    double dice;
    int64_t resumed_from;
    size_t annotated; /* of the training slices */
    bool is_done, stopped_early;
    bool stop_at_recovery;
    int recoveries;
    uint64_t back_to; /* at the last recovery, … */
    double learning_rate;
    double diversity, sample_diversity; /* of the last validation */
    char reason[200];
    double losses[GS_TERM_COUNT]; /* of the last progress */
} record;

static inline void note(void *context, const gs_training_event *e) {
    record *r = context;
    r->step = e->step;
    if (e->kind == GS_EVENT_START) r->resumed_from = e->resumed_from, r->annotated = e->annotated;
    if (e->kind == GS_EVENT_PROGRESS) r->progress++, memcpy(r->losses, e->losses, sizeof r->losses);
    if (e->kind == GS_EVENT_VALIDATION) {
        r->validations++;
        r->diversity = e->diversity, r->sample_diversity = e->sample_diversity;
    }
    if (e->kind == GS_EVENT_CHECKPOINT) r->checkpoints++;
    if (e->kind == GS_EVENT_DONE)
        r->is_done = true, r->dice = e->dice, r->stopped_early = e->stopped_early;
    if (e->kind == GS_EVENT_RECOVERY) {
        r->recoveries = e->recoveries, r->back_to = e->back_to, r->learning_rate = e->learning_rate;
        snprintf(r->reason, sizeof r->reason, "%s", e->reason);
        if (r->stop_at_recovery) atomic_store(&r->stop, true);
    }
    if (r->stop_at && e->step >= r->stop_at) atomic_store(&r->stop, true);
    if (r->kill_at && e->step >= r->kill_at) raise(SIGKILL);
}

static inline gs_trainer_options options_for(const char *dataset, const char *out) {
    return (gs_trainer_options){.dataset = dataset,
                                .out = out,
                                .preset = "tiny",
                                .width = 1,
                                .batch_size = 3,
                                .max_steps = 12,
                                .learning_rate = 1e-3,
                                .discriminator_rate = 1,
                                .objective = {.weights = gs_loss_weights_default()},
                                .seed = 7,
                                .threads = 2,
                                .validate_every = 5,
                                .checkpoint_every = 4};
}

static inline gs_status train(const gs_trainer_options *o, record *r, gs_error *err) {
    gs_training_observer observer = {note, r, &r->stop};
    return gs_trainer_run(o, &observer, err);
}

static inline char *path(const char *name) {
    char *text = gs_format("%s/%s", folder, name);
    assert_non_null(text);
    return text;
}

/* The tensors of a checkpoint (its metadata holds the seconds spent, which differ). */
static inline void assert_same_tensors(const char *a, const char *b) {
    char *bytes[2];
    size_t size[2];
    const char *out[] = {a, b};
    uint64_t header[2];
    for (int i = 0; i < 2; i++) {
        char *file = gs_format("%s/checkpoint.safetensors", out[i]);
        assert_int_equal(gs_file_read(file, 1 << 30, &bytes[i], &size[i], NULL), GS_OK);
        memcpy(&header[i], bytes[i], sizeof header[i]);
        gs_free(file);
    }
    size_t data[] = {size[0] - 8 - header[0], size[1] - 8 - header[1]};
    assert_int_equal(data[0], data[1]);
    assert_true(data[0] > 100000);
    assert_memory_equal(bytes[0] + 8 + header[0], bytes[1] + 8 + header[1], data[0]);
    gs_free(bytes[0]), gs_free(bytes[1]);
}

static inline gs_safetensors *open_weights(const char *out, const char *name) {
    gs_safetensors *file;
    gs_error err;
    char *file_path = gs_format("%s/%s.safetensors", out, name);
    assert_int_equal(gs_safetensors_open(file_path, 0, &file, &err), GS_OK);
    gs_free(file_path);
    return file;
}

static inline const gs_tensor_entry *tensor_of(const gs_safetensors *file, const char *name) {
    const gs_tensor_entry *entry = gs_safetensors_find(file, name);
    if (!entry) fail_msg("no tensor %s", name);
    return entry;
}

#endif
