/* The trials: for every operation of GS_OP_MAP at least one graph that runs it. */
#ifndef TESTS_ENGINE_OPERATIONS_H
#define TESTS_ENGINE_OPERATIONS_H

#include "trial.h"

typedef enum geometry_needs {
    ANY_MAP,    /* every shape will do; kernel, stride and the rest of `prepare` are not read */
    ANY_KERNEL, /* reads O, kernel and stride; every map will do */
    ANY_PREPARE /* reads all of `prepare` */
} geometry_needs;

typedef struct operation_trial {
    const char *name;
    trial_builder *build;
    geometry_needs needs;
    trial_update update;
    bool has_state; /* a run changes what the next one computes: no finite differences */
} operation_trial;

extern const operation_trial operation_trials[];
extern const int operation_trial_count;

#endif
