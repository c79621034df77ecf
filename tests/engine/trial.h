/* A trial: one small graph around an operation, built alike for any backend, filled with the same
 * random numbers, run, and read back whole - outputs, the objective's gradient for every input and
 * parameter, and the optimiser's state. Failures of the engine fail the running test. */
#ifndef TESTS_ENGINE_TRIAL_H
#define TESTS_ENGINE_TRIAL_H

#include "engine/graph/graph_internal.h"
#include "engine/graph/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* What varies between the trials of one operation. */
typedef struct geometry {
    gs_shape x;
    int outputs;               /* O of weights */
    gs_prepare_params prepare; /* gamma and beta are filled in by the builders; its kernel and
                                  stride are the convolutions' */
} geometry;

typedef enum input_kind {
    INPUT_VALUES,      /* of both signs, at least 0.05 from zero */
    INPUT_PROBABILITY, /* in (0, 1) */
    INPUT_FIXED,       /* as INPUT_VALUES, but not differentiated */
    INPUT_BINARY,      /* 0 or 1, not differentiated */
} input_kind;

enum { TRIAL_INPUTS = 12, TRIAL_TERMS = 8, TRIAL_OUTPUTS = 12 };

typedef struct trial {
    geometry g;
    gs_parameter_set set;
    int weight, u, bias, gamma, beta; /* [O,C,K,K] [O] [O] [C] [C] */
    int mean, variance;               /* [C] [C], not trained; the variance is positive */
    gs_graph *graph;                  /* the plan's once that exists */
    gs_plan *plan;
    gs_device *device; /* of the plan */
    gs_parameters *parameters;
    gs_tensor *inputs[TRIAL_INPUTS], *gradients[TRIAL_INPUTS]; /* gradient: NULL where it is 0 */
    input_kind kinds[TRIAL_INPUTS];
    int input_count;
    gs_loss_term terms[TRIAL_TERMS];
    int term_count;
    gs_tensor *outputs[TRIAL_OUTPUTS];
    int output_count;
} trial;

typedef void trial_builder(trial *t);

typedef enum trial_update { TRIAL_GRADIENTS_ONLY, TRIAL_AMSGRAD } trial_update;

/* ---- For builders ---- */

gs_tensor *trial_input(trial *t, gs_shape shape, input_kind kind);
gs_tensor *trial_parameter(trial *t, int parameter);
/* The map is read back after a run, but is no part of the objective. */
void trial_output(trial *t, gs_tensor *tensor);
/* As trial_output, and adds the mean squared difference from random numbers to the objective, so
 * that every element of the map gets another gradient. */
void trial_project(trial *t, gs_tensor *tensor);
void trial_loss(trial *t, gs_tensor *loss, float coefficient);

/* ---- For tests ---- */

/* Builds the graph: the builder's part, then its derivatives, then the update. */
void trial_build(trial *t, const geometry *g, trial_builder *builder, trial_update update);
/* Plans it and fills inputs and parameters with the numbers of `seed`. */
void trial_plan(trial *t, gs_device *device, gs_plan_mode mode, uint64_t seed);
void trial_run(trial *t);
void trial_deinit(trial *t);

double trial_objective(const trial *t);

/* One tensor that was read back. */
typedef struct reading {
    char name[64];
    size_t count;
    double *values;
} reading;

enum { TRIAL_READINGS = 64 };

typedef struct readings {
    reading items[TRIAL_READINGS];
    int count;
} readings;

void trial_read(const trial *t, readings *out);
void readings_deinit(readings *r);
/* Fails the test when nothing is called that. */
const reading *find_reading(const readings *all, const char *name);

/* "[2,3,5,7] O 4 K 3 stride 2 norm 1 …", in static storage. */
const char *geometry_text(const geometry *g);

#endif
