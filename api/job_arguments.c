/* From a stored request to the trainer's command line. */
#include "api/job_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ARGUMENTS_MAX = 96 };

typedef struct argument_list {
    char **items; /* [ARGUMENTS_MAX + 1] */
    size_t count;
    bool failed;
} argument_list;

/* One argument (NULL = out of memory; taken). */
static void add_text(argument_list *list, char *text) {
    gs_assert(list->count + 1 <= ARGUMENTS_MAX);
    if (text)
        list->items[list->count++] = text;
    else
        list->failed = true;
}

/* "--name" and its value (NULL = out of memory; taken). */
static void add(argument_list *list, const char *name, char *value) {
    add_text(list, gs_copy_string(name));
    add_text(list, value);
}

/* "adv=3,rec=50" of the weights that were given. */
static char *weights_text(const json_t *weights) {
    char text[200] = "";
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)weights, name, value) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s=%.9g", used ? "," : "", name,
                 json_number_value(value));
    }
    return gs_copy_string(text);
}

static void add_all(argument_list *list, const json_t *request) {
    static const struct {
        const char *field, *option;
    } options[] = {
        {"method", "--method"},
        {"preset", "--preset"},
        {"width", "--width"},
        {"batch_size", "--batch-size"},
        {"epochs", "--epochs"},
        {"max_steps", "--max-steps"},
        {"max_seconds", "--max-seconds"},
        {"learning_rate", "--learning-rate"},
        {"discriminator_rate", "--discriminator-rate"},
        {"seed", "--seed"},
        {"translation", "--translation"},
        {"encoder_norm", "--encoder-norm"},
        {"decoder_norm", "--decoder-norm"},
        {"skips", "--skips"},
        {"teacher", "--teacher"},
        {"dropout", "--dropout"},
        {"average_decay", "--average-decay"},
        {"min_annotated", "--min-annotated"},
        {"pretraining_steps", "--pretraining-steps"},
        {"annotated_fraction", "--annotated"},
        {"patience", "--patience"},
        {"validate_every", "--validate-every"},
    };
    static const struct {
        const char *field, *option;
    } flags[] = {
        {"augment", "--augment"},
        {"mutual_information", "--mutual-information"},
        {"keep_last", "--keep-last"},
        {"unguarded", "--unguarded"},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const json_t *value = json_object_get(request, options[i].field);
        if (json_is_string(value))
            add(list, options[i].option, gs_copy_string(json_string_value(value)));
        if (json_is_integer(value))
            add(list, options[i].option, gs_format("%lld", (long long)json_integer_value(value)));
        if (json_is_real(value))
            add(list, options[i].option, gs_format("%.9g", json_real_value(value)));
    }
    const json_t *weights = json_object_get(request, "weights");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (json_is_true(json_object_get(request, flags[i].field)))
            add_text(list, gs_copy_string(flags[i].option));
    if (json_object_size(weights) > 0) add(list, "--weights", weights_text(weights));
}

void gs_arguments_free(char **arguments) {
    for (char **at = arguments; at && *at; at++) gs_free(*at);
    gs_free(arguments);
}

gs_status gs_job_request_arguments(const char *request_json, char ***arguments_out, gs_error *err) {
    json_t *request = json_loads(request_json, 0, NULL);
    if (!json_is_object(request)) {
        json_decref(request);
        return gs_fail(err, GS_UNUSABLE, "the stored request of the job does not parse");
    }
    argument_list list = {.items = gs_alloc(ARGUMENTS_MAX + 1, sizeof(char *))};
    if (list.items) add_all(&list, request);
    json_decref(request);
    if (!list.items || list.failed) {
        gs_arguments_free(list.items);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the trainer's arguments");
    }
    *arguments_out = list.items;
    return GS_OK;
}
