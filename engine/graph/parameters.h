/* Named parameters of a model: what they are (gs_parameter_set) and their values, gradients and
 * optimiser state in flat arrays (gs_parameters). Names are PyTorch's state_dict keys.
 *
 * Threads: a set is immutable once its model is described; gs_parameters belongs to one thread at a
 * time. */
#ifndef GS_ENGINE_GRAPH_PARAMETERS_H
#define GS_ENGINE_GRAPH_PARAMETERS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum gs_group {
    GS_GROUP_GENERATOR,
    GS_GROUP_DISCRIMINATOR,
    GS_GROUP_STUDENT,   /* what is trained where the generator is its moving average */
    GS_GROUP_ESTIMATOR, /* of mutual information */
    GS_GROUP_COUNT
} gs_group;

enum { GS_PARAMETER_NAME_MAX = 96 };

typedef struct gs_parameter {
    char name[GS_PARAMETER_NAME_MAX];
    int rank, shape[4]; /* as in the file; unused dimensions are 1 */
    gs_group group;
    bool trained;  /* false: state (a spectral norm's u, a batch norm's running statistics), saved
                      but without gradient */
    size_t offset; /* elements from the start of the flat arrays */
    size_t size;   /* elements */
} gs_parameter;

typedef struct gs_parameter_set {
    gs_parameter *items;
    int count, capacity;
    size_t size; /* elements of all items, each padded to 16 */
    bool failed; /* an addition ran out of memory */
} gs_parameter_set;

void gs_parameter_set_deinit(gs_parameter_set *set);

/* Appends a parameter and returns its index; on exhaustion sets set->failed and returns 0. */
int gs_parameter_set_add(gs_parameter_set *set, const char *name, gs_group group, bool trained,
                         int rank, const int *shape);

/* Index of `name`, or -1. */
int gs_parameter_set_find(const gs_parameter_set *set, const char *name);

/* Values in the element type of a backend: float, or double for `reference`. */
typedef struct gs_parameters {
    const gs_parameter_set *set; /* borrowed */
    size_t element_size;         /* 4 or 8 */
    void *values;
    /* NULL unless made for training: */
    void *gradients, *moment1, *moment2, *moment2_max;
    int64_t *steps; /* updates each parameter has seen, [set->count] */
    /* Of AMSGrad; may be changed between runs. */
    double learning_rate, weight_decay, beta1, beta2, epsilon;
    double discriminator_rate; /* GS_GROUP_DISCRIMINATOR learns at this times learning_rate */
    /* Both new for every change from outside a plan, the first also after a plan's; no two
     * gs_parameters ever have the same. */
    uint64_t version, written;
} gs_parameters;

typedef enum gs_purpose { GS_FOR_INFERENCE, GS_FOR_TRAINING } gs_purpose;

/* All zero, the optimiser's numbers as in the method. Caller frees with gs_parameters_free. */
GS_MUST_CHECK gs_status gs_parameters_new(const gs_parameter_set *set, size_t element_size,
                                          gs_purpose purpose, gs_parameters **out, gs_error *err);
void gs_parameters_free(gs_parameters *parameters); /* NULL is allowed */
/* Of all arrays. */
size_t gs_parameters_bytes(const gs_parameters *parameters);

/* At which AMSGrad updates a parameter. */
double gs_parameters_rate(const gs_parameters *parameters, const gs_parameter *item);

/* Tells plans that the arrays were written to. gs_parameters_write does so itself; writing to
 * `values` directly needs it. */
void gs_parameters_changed(gs_parameters *parameters);
/* Tells inference plans that a training plan updated the values. */
void gs_parameters_trained(gs_parameters *parameters);

/* One parameter's elements out of or into one of the flat arrays, as float. */
void gs_parameters_read(const gs_parameters *parameters, const void *array, int index, float *out);
void gs_parameters_write(gs_parameters *parameters, void *array, int index, const float *values);

#endif
