/* Models and inference sessions. Plans are made at first use for batch sizes that are powers of
 * two; a call with another count is cut into such pieces. Insertion always runs one image at a
 * time, so that a sample's bytes never depend on its neighbours in a batch. */
#include "engine/session.h"

#include "base/memory.h"
#include "engine/graph/plan.h"
#include "engine/model/inference.h"
#include "engine/model/weights.h"

#include <stdatomic.h>

enum { DEFAULT_MAX_BATCH = 8, MAX_BATCH_LOG2 = 8 };

struct gs_model {
    atomic_int references;
    gs_network network;        /* generator only: discriminators serve training */
    gs_parameters *parameters; /* float */
    gs_trained_for trained_for;
};

struct gs_session {
    gs_model *model;
    gs_device *device;
    gs_parameters *parameters; /* the model's, or wide ones */
    gs_parameters *wide;       /* a copy for a backend that computes in double, else NULL */
    int max_batch;
    gs_plan *plans[GS_INFER_OPS][MAX_BATCH_LOG2 + 1];
    gs_inference io[GS_INFER_OPS][MAX_BATCH_LOG2 + 1];
    float *unique; /* one unique code, and room for another to go toward */
};

/* ---- Model ------------------------------------------------------------------------------------
 */

/* Everything but the file, which is not needed afterwards. */
static gs_status model_build(gs_model *model, const gs_safetensors *file, const char *path,
                             gs_error *err) {
    gs_model_config config;
    GS_TRY(gs_weights_config(file, path, &config, err));
    GS_TRY(gs_network_init(&model->network, &config, GS_PARTS_GENERATOR, err));
    GS_TRY(gs_weights_check_names(file, path, &config, err));
    GS_TRY(gs_parameters_new(&model->network.set, sizeof(float), GS_FOR_INFERENCE,
                             &model->parameters, err));
    model->trained_for = gs_weights_trained_for(file);
    return gs_weights_read(file, path, "", model->parameters, model->parameters->values, err);
}

gs_status gs_model_load(const char *path, gs_model **out, gs_error *err) {
    gs_safetensors *file = NULL;
    gs_model *model = gs_alloc(1, sizeof *model);
    if (!model) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a model");
    atomic_init(&model->references, 1);
    gs_status status = gs_safetensors_open(path, 0, &file, err);
    if (status == GS_OK) status = model_build(model, file, path, err);
    gs_safetensors_close(file);
    if (status != GS_OK) {
        gs_model_release(model);
        return status;
    }
    *out = model;
    return GS_OK;
}

gs_model *gs_model_retain(gs_model *model) {
    atomic_fetch_add(&model->references, 1);
    return model;
}

void gs_model_release(gs_model *model) {
    if (!model || atomic_fetch_sub(&model->references, 1) != 1) return;
    gs_parameters_free(model->parameters);
    gs_network_deinit(&model->network);
    gs_free(model);
}

const gs_model_config *gs_model_get_config(const gs_model *model) {
    return &model->network.config;
}

bool gs_model_translates(const gs_model *model) {
    return gs_method_get(model->trained_for.method)->translates &&
           model->trained_for.translation != GS_TRANSLATE_NONE;
}

bool gs_model_inserts(const gs_model *model) {
    return gs_model_translates(model) && model->trained_for.translation == GS_TRANSLATE_BOTH;
}

/* ---- Session ----------------------------------------------------------------------------------
 */

/* A run only reads the parameters of an inference plan, so sessions in several threads may share
 * them. */
static gs_status use_parameters(gs_session *session, gs_error *err) {
    const gs_model *model = session->model;
    size_t element_size = gs_device_backend(session->device)->element_size;
    session->parameters = model->parameters;
    if (element_size == model->parameters->element_size) return GS_OK;
    GS_TRY(gs_parameters_new(&model->network.set, element_size, GS_FOR_INFERENCE, &session->wide,
                             err));
    const float *values = model->parameters->values;
    for (int p = 0; p < model->network.set.count; p++)
        gs_parameters_write(session->wide, session->wide->values, p,
                            values + model->network.set.items[p].offset);
    session->parameters = session->wide;
    return GS_OK;
}

static gs_status session_build(gs_session *session, const gs_session_options *options,
                               gs_error *err) {
    const gs_model *model = session->model;
    const gs_model_config *c = &model->network.config;
    int h, w;
    gs_network_code_size(c, &h, &w);
    size_t code = (size_t)c->unique_channels * (size_t)h * (size_t)w;
    session->unique = gs_alloc(2 * code, sizeof(float));
    if (!session->unique) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a session");
    gs_device_options device = {.engine = options->engine, .threads = options->threads};
    GS_TRY(gs_device_open_on(&device, &session->device, err));
    return use_parameters(session, err);
}

gs_status gs_session_open(gs_model *model, const gs_session_options *options, gs_session **out,
                          gs_error *err) {
    static const gs_session_options defaults = {0};
    if (!options) options = &defaults;
    gs_session *session = gs_alloc(1, sizeof *session);
    if (!session) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a session");
    session->model = gs_model_retain(model);
    session->max_batch = options->max_batch > 0 ? options->max_batch : DEFAULT_MAX_BATCH;
    gs_status status = session_build(session, options, err);
    if (status != GS_OK) {
        gs_session_close(session);
        return status;
    }
    *out = session;
    return GS_OK;
}

void gs_session_close(gs_session *session) {
    if (!session) return;
    for (int op = 0; op < GS_INFER_OPS; op++)
        for (int k = 0; k <= MAX_BATCH_LOG2; k++) gs_plan_free(session->plans[op][k]);
    gs_parameters_free(session->wide);
    gs_device_close(session->device);
    gs_model_release(session->model);
    gs_free(session->unique);
    gs_free(session);
}

static gs_status ensure_plan(gs_session *session, gs_inference_op op, int log2, gs_error *err) {
    if (session->plans[op][log2]) return GS_OK;
    gs_graph *graph = gs_graph_new(&session->model->network.set);
    if (!graph) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a graph");
    gs_inference_build(graph, &session->model->network, op, 1 << log2, &session->io[op][log2]);
    return gs_plan_new(graph, session->device, GS_PLAN_INFERENCE, &session->plans[op][log2], err);
}

/* The largest power of two that neither exceeds `left` nor the session's largest batch. */
static int piece_log2(const gs_session *session, size_t left) {
    int log2 = 0;
    while (log2 < MAX_BATCH_LOG2 && (size_t)2 << log2 <= left && 2 << log2 <= session->max_batch)
        log2++;
    return log2;
}

static size_t image_size(const gs_session *session) {
    const gs_model_config *c = &session->model->network.config;
    return (size_t)c->channels * (size_t)c->height * (size_t)c->columns;
}

gs_status gs_session_segment(gs_session *session, size_t count, const float *images,
                             float *probabilities, gs_error *err) {
    const gs_model_config *c = &session->model->network.config;
    size_t image = image_size(session), pixels = (size_t)c->height * (size_t)c->columns;
    for (size_t done = 0; done < count;) {
        int log2 = piece_log2(session, count - done);
        GS_TRY(ensure_plan(session, GS_INFER_SEGMENT, log2, err));
        gs_plan *plan = session->plans[GS_INFER_SEGMENT][log2];
        const gs_inference *io = &session->io[GS_INFER_SEGMENT][log2];
        gs_plan_write(plan, io->images, images + done * image);
        GS_TRY(gs_plan_run(plan, session->parameters, err));
        gs_plan_read(plan, io->probability, probabilities + done * pixels);
        done += (size_t)1 << log2;
    }
    return GS_OK;
}

static gs_status check_translates(const gs_session *session, gs_error *err) {
    if (gs_model_translates(session->model)) return GS_OK;
    gs_trained_for of = session->model->trained_for;
    return gs_fail(err, GS_UNUSABLE,
                   "the model only segments: %s training%s does not learn to translate",
                   gs_method_get(of.method)->name,
                   gs_method_get(of.method)->translates ? " without a translation" : "");
}

static void add(const float *a, const float *b, float *sum, size_t count) {
    for (size_t i = 0; i < count; i++) sum[i] = a[i] + b[i];
}

gs_status gs_session_remove(gs_session *session, size_t count, const float *images, float *healthy,
                            float *residual, float *reconstruction, gs_error *err) {
    GS_TRY(check_translates(session, err));
    size_t image = image_size(session);
    for (size_t done = 0; done < count;) {
        int log2 = piece_log2(session, count - done);
        GS_TRY(ensure_plan(session, GS_INFER_REMOVE, log2, err));
        gs_plan *plan = session->plans[GS_INFER_REMOVE][log2];
        const gs_inference *io = &session->io[GS_INFER_REMOVE][log2];
        gs_plan_write(plan, io->images, images + done * image);
        GS_TRY(gs_plan_run(plan, session->parameters, err));
        gs_plan_read(plan, io->healthy, healthy + done * image);
        gs_plan_read(plan, io->residual, residual + done * image);
        done += (size_t)1 << log2;
    }
    add(healthy, residual, reconstruction, count * image);
    return GS_OK;
}

static gs_status check_inserts(const gs_session *session, gs_error *err) {
    GS_TRY(check_translates(session, err));
    if (gs_model_inserts(session->model)) return GS_OK;
    return gs_fail(err, GS_UNUSABLE, "the model was trained to translate from presence only");
}

/* One image: [C,H,W] each. */
static gs_status insert_one(gs_session *session, const float *image, const gs_unique_code *code,
                            float *autoencoded, float *residual, gs_error *err) {
    GS_TRY(ensure_plan(session, GS_INFER_INSERT, 0, err));
    gs_plan *plan = session->plans[GS_INFER_INSERT][0];
    const gs_inference *io = &session->io[GS_INFER_INSERT][0];
    size_t values = gs__shape_size(gs_tensor_shape(io->unique));
    gs_unique_code_draw(code, session->unique, session->unique + values, values);
    gs_plan_write(plan, io->images, image);
    gs_plan_write(plan, io->unique, session->unique);
    GS_TRY(gs_plan_run(plan, session->parameters, err));
    gs_plan_read(plan, io->healthy, autoencoded);
    gs_plan_read(plan, io->residual, residual);
    return GS_OK;
}

gs_status gs_session_insert_codes(gs_session *session, size_t count, const float *images,
                                  const gs_unique_code *codes, float *autoencoded, float *residual,
                                  float *translated, gs_error *err) {
    GS_TRY(check_inserts(session, err));
    size_t image = image_size(session);
    for (size_t i = 0; i < count; i++)
        GS_TRY(insert_one(session, images + i * image, &codes[i], autoencoded + i * image,
                          residual + i * image, err));
    add(autoencoded, residual, translated, count * image);
    return GS_OK;
}

gs_status gs_session_insert(gs_session *session, size_t count, const float *images,
                            const uint64_t *seeds, float *autoencoded, float *residual,
                            float *translated, gs_error *err) {
    size_t image = image_size(session);
    for (size_t i = 0; i < count; i++)
        GS_TRY(gs_session_insert_codes(session, 1, images + i * image,
                                       &(gs_unique_code){.seed = seeds[i]}, autoencoded + i * image,
                                       residual + i * image, translated + i * image, err));
    return GS_OK;
}
