#include "api/job_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_options.h"
#include "api/model_register.h"
#include "api/predict_request.h"
#include "base/memory.h"
#include "engine/model/config.h"
#include "engine/model/method.h"

/* ==== What the methods need ==== */

static const char *const kinds[] = {"train", "predict", NULL};
static const char *const activations[] = {"if_better", "always", "never", NULL};
static const char *const weight_names[] = {"adv", "rec", "lat", "cyc", "seg", "con"};
enum { WEIGHTS = 6, STEPS_MAX = 100000000, SECONDS_MAX = 30 * 24 * 3600, BATCH_MAX = 256 };

/* What was asked, with text borrowed from the body. */
typedef struct job_wish {
    const char *dataset, *init, *preset;
    gs_job_options options;
    double width;           /* 0 = not given */
    json_t *weights;        /* borrowed; NULL = not given */
    gs_model_config config; /* of the model that will come out */
} job_wish;

static gs_status check_data(const gs_api_context *context, const job_wish *asked,
                            gs_response *response, gs_error *err) {
    gs_dataset_counts counts;
    GS_TRY(gs_store_dataset_count(context->store, asked->dataset, &counts, err));
    const gs_method_traits *method = gs_method_get(asked->options.objective.method);
    char missing[256] = "";
    if (!method->only_annotated && counts.train_presence == 0)
        strcat(missing, "slices labelled presence, ");
    if (method->uses_absence && counts.train_absence == 0)
        strcat(missing, "slices labelled absence, ");
    if (counts.train_annotated == 0) strcat(missing, "annotated slices labelled presence, ");
    if (!missing[0]) return GS_OK;
    missing[strlen(missing) - 2] = '\0';
    (void)gs_response_add_error(response, err, "dataset", "lacks %s", missing);
    return gs_fail(err, GS_UNUSABLE, "data set '%s' cannot train %s, its training part lacks: %s",
                   asked->dataset, method->name, missing);
}

/* ==== The model that training begins from ==== */

static gs_status check_init(const gs_api_context *context, job_wish *asked,
                            const gs_dataset_record *dataset, gs_response *response,
                            gs_error *err) {
    gs_model_record model;
    gs_status status = gs_store_model_get(context->store, asked->init, &model, err);
    if (status == GS_NOT_FOUND)
        return gs_response_add_error(response, err, "init",
                                     "must be scratch or the id of a model; there is no model "
                                     "'%.40s'",
                                     asked->init);
    if (status != GS_OK) return status;
    status = gs_model_record_config(&model, &asked->config, err);
    gs_model_record_deinit(&model);
    if (status != GS_OK) return status;
    const gs_model_config *config = &asked->config;
    if (asked->preset && strcmp(asked->preset, config->preset) != 0)
        return gs_response_add_error(response, err, "preset", "is %s, that of model %s is %s",
                                     asked->preset, asked->init, config->preset);
    if (asked->width > 0 && asked->width != config->width)
        return gs_response_add_error(response, err, "width", "is %g, that of model %s is %g",
                                     asked->width, asked->init, config->width);
    if (config->channels != dataset->channels || config->height != dataset->height ||
        config->columns != dataset->width)
        return gs_response_add_error(response, err, "init",
                                     "model %s takes %d x %d x %d (channels, height, width), the "
                                     "data set has %d x %d x %d",
                                     asked->init, config->channels, config->height, config->columns,
                                     dataset->channels, dataset->height, dataset->width);
    return gs_job_options_check_init(&asked->options, asked->init, &config->architecture, response,
                                     err);
}

static gs_status check_model(const gs_api_context *context, job_wish *asked, gs_response *response,
                             gs_error *err) {
    gs_dataset_record dataset;
    gs_status status = gs_store_dataset_get(context->store, asked->dataset, &dataset, err);
    if (status == GS_NOT_FOUND)
        return gs_response_add_error(response, err, "dataset", "there is no data set '%.64s'",
                                     asked->dataset);
    if (status != GS_OK) return status;
    GS_TRY(check_data(context, asked, response, err));
    if (asked->init) return check_init(context, asked, &dataset, response, err);
    status = gs_model_config_make(asked->preset ? asked->preset : "brain",
                                  asked->width > 0 ? asked->width : 0.25, dataset.channels,
                                  dataset.height, dataset.width, &asked->config, err);
    if (status != GS_INVALID_ARGUMENT) return status;
    gs_error reason = *err;
    return gs_response_add_error(response, err, "preset", "%.300s", reason.text);
}

/* ==== Fields ==== */

static void read_weights(gs_fields *fields, job_wish *asked) {
    asked->weights = gs_fields_object(fields, "weights", GS_OPTIONAL);
    const char *name;
    json_t *value;
    json_object_foreach(asked->weights, name, value) {
        bool known = false;
        for (int i = 0; i < WEIGHTS; i++) known = known || strcmp(name, weight_names[i]) == 0;
        double weight = json_number_value(value);
        if (known && json_is_number(value) && weight >= 0 && weight <= 1e6) continue;
        (void)gs_response_add_error(
            fields->response, NULL, "weights",
            known ? "%.20s must be a number from 0 to 1000000"
                  : "unknown member %.20s; known: adv, rec, lat, cyc, seg, con",
            name);
        fields->error_count++;
    }
}

/* At most one of these three bounds a training; sets it in `out`. */
static void read_bounds(gs_fields *fields, json_t *out) {
    static const struct {
        const char *name;
        int64_t max;
    } bounds[] = {{"epochs", 1000000}, {"max_steps", STEPS_MAX}, {"max_seconds", SECONDS_MAX}};
    int given = 0;
    for (int i = 0; i < 3; i++) {
        int64_t value = gs_fields_integer(fields, bounds[i].name, GS_OPTIONAL, 1, bounds[i].max, 0);
        if (!gs_fields_has(fields, bounds[i].name)) continue;
        (void)json_object_set_new(out, bounds[i].name, json_integer(value));
        if (++given < 2) continue;
        (void)gs_response_add_error(fields->response, NULL, bounds[i].name,
                                    "only one of epochs, max_steps and max_seconds may be given");
        fields->error_count++;
    }
}

static void read_fields(gs_fields *fields, job_wish *asked, json_t *out) {
    (void)gs_fields_choice(fields, "kind", GS_REQUIRED, kinds);
    asked->dataset = gs_fields_string(fields, "dataset", GS_REQUIRED, GS_DATASET_NAME_SIZE - 1);
    asked->init = gs_fields_string(fields, "init", GS_OPTIONAL, GS_ID_SIZE - 1);
    if (asked->init && strcmp(asked->init, "scratch") == 0) asked->init = NULL;
    asked->preset = gs_fields_string(fields, "preset", GS_OPTIONAL, GS_PRESET_SIZE - 1);
    asked->width = gs_fields_number(fields, "width", GS_OPTIONAL, 1.0 / 64, 1, 0);
    read_bounds(fields, out);
    read_weights(fields, asked);
    int64_t batch = gs_fields_integer(fields, "batch_size", GS_OPTIONAL, 1, BATCH_MAX, 20);
    double rate = gs_fields_number(fields, "learning_rate", GS_OPTIONAL, 1e-8, 1, 1e-3);
    int64_t seed = gs_fields_integer(fields, "seed", GS_OPTIONAL, 0, ((int64_t)1 << 53) - 1, 1);
    int activate = gs_fields_choice(fields, "activate", GS_OPTIONAL, activations);
    (void)json_object_set_new(out, "activate",
                              json_string(activations[activate < 0 ? 0 : activate]));
    (void)json_object_set_new(out, "kind", json_string("train"));
    (void)json_object_set_new(out, "batch_size", json_integer(batch));
    (void)json_object_set_new(out, "learning_rate", json_real(rate));
    (void)json_object_set_new(out, "seed", json_integer(seed));
    gs_job_options_read(fields, (int)batch, &asked->options, out);
}

/* How long the paper trains: epochs. */
static int default_epochs(const char *preset) {
    if (strcmp(preset, "liver") == 0) return 200;
    return strncmp(preset, "synthetic", strlen("synthetic")) == 0 ? 300 : 500;
}

/* The part of the stored request that only the checks could settle. */
static gs_status complete(const job_wish *asked, json_t *out, gs_error *err) {
    int failed = json_object_set_new(out, "dataset", json_string(asked->dataset));
    if (!json_object_get(out, "epochs") && !json_object_get(out, "max_steps") &&
        !json_object_get(out, "max_seconds"))
        failed |=
            json_object_set_new(out, "epochs", json_integer(default_epochs(asked->config.preset)));
    failed |= json_object_set_new(out, "init", json_string(asked->init ? asked->init : "scratch"));
    failed |= json_object_set_new(out, "preset", json_string(asked->config.preset));
    failed |= json_object_set_new(out, "width", json_real(asked->config.width));
    if (asked->weights) failed |= json_object_set(out, "weights", asked->weights);
    if (failed || json_object_size(out) < 11)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the request");
    return GS_OK;
}

static bool asks_to_predict(const gs_fields *fields) {
    const char *kind = json_string_value(json_object_get(fields->object, "kind"));
    return kind && strcmp(kind, kinds[1]) == 0;
}

gs_status gs_job_request_read(const gs_api_context *context, const gs_request *request,
                              gs_response *response, json_t **json_out,
                              char dataset_out[GS_DATASET_NAME_SIZE], gs_error *err) {
    gs_fields fields;
    job_wish asked = {0};
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    if (asks_to_predict(&fields)) {
        gs_status status = gs_predict_request_read(context, &fields, json_out, dataset_out, err);
        gs_fields_deinit(&fields);
        return status;
    }
    json_t *json = json_object();
    read_fields(&fields, &asked, json);
    gs_status status = gs_fields_finish(&fields, err);
    if (status == GS_OK) status = check_model(context, &asked, response, err);
    if (status == GS_OK) status = complete(&asked, json, err);
    if (status == GS_OK) {
        snprintf(dataset_out, GS_DATASET_NAME_SIZE, "%s", asked.dataset);
        *json_out = json;
    } else {
        json_decref(json);
    }
    gs_fields_deinit(&fields);
    return status;
}
