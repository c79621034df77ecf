/* Opening a training run: data, networks, where it begins or goes on. */
#include "engine/train/trainer_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/model/weights.h"
#include "engine/train/evaluate.h"
#include "engine/train/training_data.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ---- What is trained --------------------------------------------------------------------------
 */

/* The configuration of the model that training goes on from, or a new one. */
static gs_status base_config(const gs_trainer *t, const gs_safetensors *file,
                             gs_model_config *config, gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(t->dataset);
    if (!file) {
        GS_TRY(gs_model_config_make(t->options->preset, t->options->width, info->channels,
                                    info->height, info->width, config, err));
        config->normalization = info->normalization;
        config->architecture.separate_decoder =
            gs_method_get(t->options->objective.method)->separate_decoder;
        return GS_OK;
    }
    GS_TRY(gs_weights_config(file, "the initial model", config, err));
    if (config->channels != info->channels || config->height != info->height ||
        config->columns != info->width || config->normalization != info->normalization)
        return gs_fail(err, GS_UNUSABLE,
                       "the initial model takes images [%d,%d,%d], the data set has [%d,%d,%d] (or "
                       "another normalization)",
                       config->channels, config->height, config->columns, info->channels,
                       info->height, info->width);
    return GS_OK;
}

static gs_status make_config(const gs_trainer *t, const gs_safetensors *file,
                             gs_model_config *config, gs_error *err) {
    GS_TRY(base_config(t, file, config, err));
    gs_architecture wished = config->architecture;
    GS_TRY(gs_architecture_wish_apply(&t->options->architecture, &wished, err));
    if (file && !gs_architecture_is_same(&wished, &config->architecture))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "the initial model has %s norms in the encoder, %s norms in the decoders, "
                       "and long skips %s",
                       gs_norm_name(config->architecture.encoder_norm),
                       gs_norm_name(config->architecture.decoder_norm),
                       gs_skips_name(config->architecture.skips));
    config->architecture = wished;
    return gs_objective_check(&t->options->objective, &config->architecture, err);
}

static void forget_optimizer(const gs_parameters *p) {
    size_t bytes = p->set->size * p->element_size;
    memset(p->moment1, 0, bytes);
    memset(p->moment2, 0, bytes);
    memset(p->moment2_max, 0, bytes);
    memset(p->steps, 0, (size_t)p->set->count * sizeof *p->steps);
}

static gs_status load_init(gs_trainer *t, gs_error *err) {
    const char *origin = t->options->init;
    gs_safetensors *file;
    GS_TRY(gs_safetensors_open(origin, 0, &file, err));
    gs_status status = gs_weights_check_names(file, origin, &t->network.config, err);
    if (status == GS_OK) status = gs_weights_read_initial(file, origin, t->parameters, err);
    gs_safetensors_close(file);
    return status;
}

gs_status gs__trainer_begin(gs_trainer *t, gs_error *err) {
    t->state = (gs_training_state){.best_dice = -1};
    forget_optimizer(t->parameters);
    GS_TRY(gs_network_initialize(&t->network, t->parameters, t->options->seed, err));
    if (t->options->init) GS_TRY(load_init(t, err));
    gs_network_copy_to_student(&t->network, t->parameters);
    return GS_OK;
}

/* Of the task that the preset is of. */
static gs_status follow_protocol(gs_trainer *t, const gs_model_config *config, gs_error *err) {
    if (strcmp(config->preset, "liver") != 0) return GS_OK;
    return gs_sampler_match_positions(t->sampler, t->dataset, err);
}

static gs_status open_model(gs_trainer *t, const gs_safetensors *file, const char *checkpoint,
                            gs_error *err) {
    const gs_objective *objective = &t->options->objective;
    gs_model_config config;
    GS_TRY(make_config(t, file, &config, err));
    GS_TRY(follow_protocol(t, &config, err));
    GS_TRY(gs_network_init(&t->network, &config, gs_objective_parts(objective), err));
    gs_device_options device = {.engine = t->options->engine,
                                .threads = t->options->threads,
                                .nondeterministic = t->options->nondeterministic};
    GS_TRY(gs_device_open_on(&device, &t->device, err));
    GS_TRY(gs_parameters_new(&t->network.set, gs_device_backend(t->device)->element_size,
                             GS_FOR_TRAINING, &t->parameters, err));
    if (t->has_checkpoint)
        GS_TRY(gs__trainer_load_checkpoint(t, file, checkpoint, &t->seconds_before, err));
    else
        GS_TRY(gs__trainer_begin(t, err));
    t->validated = t->has_checkpoint ? t->state.step : 0;
    gs__trainer_set_rate(t);
    return GS_OK;
}

/* The file that says what the networks are: the checkpoint, else the initial model, else none. */
static gs_status open_file(gs_trainer *t, const char *checkpoint, gs_safetensors **file_out,
                           gs_error *err) {
    if (t->options->resume) {
        gs_status status = gs_safetensors_open(checkpoint, 0, file_out, err);
        t->has_checkpoint = status == GS_OK;
        /* Killed before its first checkpoint: the run starts over. */
        if (status != GS_NOT_FOUND) return status;
    }
    return t->options->init ? gs_safetensors_open(t->options->init, 0, file_out, err) : GS_OK;
}

/* What another training left must not be gone back to. */
static void find_good(gs_trainer *t) {
    char *good = gs__trainer_path(t, GS_GOOD_FILE);
    if (!good) return;
    if (!t->has_checkpoint) unlink(good);
    t->has_good = t->has_checkpoint && access(good, R_OK) == 0;
    gs_free(good);
}

/* ---- Data -------------------------------------------------------------------------------------
 */

static gs_status check_options(const gs_trainer_options *o, gs_error *err) {
    if (o->batch_size < 1 || o->batch_size > GS_MAX_BATCH_SIZE)
        return gs_fail(err, GS_INVALID_ARGUMENT, "batch size %d is not in 1 … %d", o->batch_size,
                       GS_MAX_BATCH_SIZE);
    if (o->objective.estimates_information && o->batch_size < 2)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "mutual information needs batches of at least 2 images of a domain");
    if (o->loader_threads < 0 || o->loader_threads > GS_MAX_LOADER_THREADS)
        return gs_fail(err, GS_INVALID_ARGUMENT, "loader threads %d are not in 0 … %d",
                       o->loader_threads, GS_MAX_LOADER_THREADS);
    if (o->patience < 0)
        return gs_fail(err, GS_INVALID_ARGUMENT, "patience %d is negative", o->patience);
    return GS_OK;
}

static gs_status list_slices(gs_trainer *t, gs_error *err) {
    const gs_trainer_options *o = t->options;
    gs_training_method method = o->objective.method;
    GS_TRY(gs_dataset_assign_splits(t->dataset, o->seed, GS_VALIDATION_FRACTION, 0, err));
    if (o->annotated_fraction != 0)
        GS_TRY(gs_dataset_keep_annotations(t->dataset, o->seed, o->annotated_fraction, err));
    GS_TRY(gs_slice_lists_init(&t->lists, t->dataset, err));
    GS_TRY(gs_slice_lists_check(&t->lists, method, err));
    if (o->patience > 0 && t->lists.validation_count == 0)
        return gs_fail(err, GS_UNUSABLE,
                       "stopping early needs annotated slices in the validation split");
    GS_TRY(gs_sampler_new(&t->lists, method, o->batch_size, o->min_annotated, o->seed, &t->sampler,
                          err));
    gs_sampler_pretrain(t->sampler, o->pretraining_steps);
    return GS_OK;
}

/* The folder is taken before anything in it is read: another run may be writing there. */
static gs_status take_folder(gs_trainer *t, gs_error *err) {
    const char *out = t->options->out;
    bool is_there = access(out, F_OK) == 0;
    GS_TRY(gs_folder_make(out, err));
    t->made_folder = !is_there;
    gs_status status = gs_folder_lock(out, &t->lock_fd, err);
    if (status != GS_OK) t->made_folder = false; /* it is the other's now */
    return status;
}

/* One makes batches several times as fast as two processors take them (docs/training-process.md);
 * many processors, or a GPU beside them, take them faster. More do not change a bit. */
static int loader_threads(const gs_trainer_options *o) {
    enum { PROCESSORS_EACH = 8, MOST = 4 };
    long each = sysconf(_SC_NPROCESSORS_ONLN) / PROCESSORS_EACH;
    if (o->loader_threads > 0) return o->loader_threads;
    return each < 1 ? 1 : each > MOST ? MOST : (int)each;
}

static gs_status start_loader(gs_trainer *t, gs_error *err) {
    const gs_trainer_options *o = t->options;
    const gs_method_traits *traits = gs_method_get(o->objective.method);
    const gs_model_config *c = &t->network.config;
    bool samples = traits->translates && o->objective.translation == GS_TRANSLATE_BOTH;
    int h, w;
    gs_network_code_size(c, &h, &w);
    size_t codes = (size_t)o->batch_size * (size_t)c->unique_channels * (size_t)h * (size_t)w;
    gs_loader_options options = {.dataset = t->dataset,
                                 .sampler = t->sampler,
                                 .pairs = o->batch_size,
                                 .uses_absence = traits->uses_absence,
                                 .augment = o->augment,
                                 .codes = samples ? codes : 0,
                                 .seed = o->seed,
                                 .threads = loader_threads(o)};
    return gs_loader_new(&options, &t->loader, err);
}

static gs_status allocate_buffers(gs_trainer *t, gs_error *err) {
    const gs_model_config *c = &t->network.config;
    t->pixels = (size_t)c->height * (size_t)c->columns;
    t->image = t->pixels * (size_t)c->channels;
    t->evaluation_images = gs_alloc(GS_EVALUATION_BATCH * t->image, sizeof(float));
    t->evaluation_output = gs_alloc(GS_EVALUATION_BATCH * t->image, sizeof(float));
    if (t->evaluation_images && t->evaluation_output) return GS_OK;
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
}

/* The bound in steps; 0 when only time bounds the run. */
static gs_status find_total_steps(gs_trainer *t, gs_error *err) {
    const gs_trainer_options *o = t->options;
    double by_epochs = o->epochs > 0 ? ceil(o->epochs * gs_sampler_epoch_steps(t->sampler)) : 0;
    t->total_steps = (uint64_t)by_epochs;
    if (o->max_steps && (!t->total_steps || o->max_steps < t->total_steps))
        t->total_steps = o->max_steps;
    if (!t->total_steps && !(o->max_seconds > 0))
        return gs_fail(err, GS_INVALID_ARGUMENT, "one of epochs, max_steps, max_seconds is needed");
    return GS_OK;
}

gs_status gs__trainer_open(gs_trainer *t, bool *resumed_out, gs_error *err) {
    gs_safetensors *file = NULL;
    char *checkpoint = gs__trainer_path(t, GS_CHECKPOINT_FILE);
    gs_status status = checkpoint ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to train");
    if (status == GS_OK) status = check_options(t->options, err);
    if (status == GS_OK) status = gs_training_data_open(t->options->dataset, &t->dataset, err);
    if (status == GS_OK)
        status = gs_training_data_refuse(t->options->dataset, list_slices(t, err), err);
    if (status == GS_OK) status = find_total_steps(t, err);
    if (status == GS_OK) status = take_folder(t, err);
    if (status == GS_OK) status = open_file(t, checkpoint, &file, err);
    if (status == GS_OK) status = open_model(t, file, checkpoint, err);
    if (status == GS_OK) status = allocate_buffers(t, err);
    if (status == GS_OK) status = start_loader(t, err);
    if (status == GS_OK) find_good(t), t->made_folder = false;
    *resumed_out = t->has_checkpoint;
    gs_safetensors_close(file);
    gs_free(checkpoint);
    return status;
}

void gs__trainer_close(gs_trainer *t) {
    gs_loader_free(t->loader);
    for (int i = 0; i < GS_PLAN_SLOTS; i++) gs_plan_free(t->plans[i]);
    gs_plan_free(t->segments.plan), gs_plan_free(t->removes.plan), gs_plan_free(t->inserts.plan);
    gs_parameters_free(t->parameters);
    gs_device_close(t->device);
    gs_network_deinit(&t->network);
    gs_sampler_free(t->sampler);
    gs_slice_lists_deinit(&t->lists);
    gs_dataset_close(t->dataset);
    gs_free(t->factors);
    gs_free(t->evaluation_images), gs_free(t->evaluation_output);
    if (t->made_folder) rmdir(t->options->out); /* its parents may have other uses */
    if (t->lock_fd >= 0) close(t->lock_fd);
}

gs_status gs_trainer_check(const gs_trainer_options *options, size_t *validation_out,
                           gs_error *err) {
    gs_trainer t = {.options = options, .lock_fd = -1};
    gs_model_config config;
    gs_status status = check_options(options, err);
    if (status == GS_OK) status = gs_dataset_open(options->dataset, &t.dataset, err);
    if (status == GS_OK) status = list_slices(&t, err);
    if (status == GS_OK) status = find_total_steps(&t, err);
    if (status == GS_OK) status = make_config(&t, NULL, &config, err);
    if (status == GS_OK) status = follow_protocol(&t, &config, err);
    if (status == GS_OK) *validation_out = t.lists.validation_count;
    gs__trainer_close(&t);
    return gs_training_data_refuse(options->dataset, status, err);
}
