/* Values of the networks' parameters: initial ones, and those that are made of others. */
#include "engine/model/network_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

/* FNV-1a: gives every parameter a random stream of its own, whatever else the model has. */
static uint64_t stream_of(const char *name) {
    uint64_t hash = 14695981039346656037u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

static const char *leaf_of(const gs_parameter *item) {
    return strrchr(item->name, '.') + 1;
}

/* The number that all elements of such a parameter start with; NaN where they are random. */
static float initial_constant(const char *leaf) {
    if (strcmp(leaf, "gamma") == 0 || strcmp(leaf, "running_var") == 0) return 1;
    if (strcmp(leaf, "weight") == 0 || strcmp(leaf, "u") == 0) return NAN;
    return 0;
}

static void initialize_values(const gs_parameter *item, uint64_t seed, float *values) {
    const char *leaf = leaf_of(item);
    float constant = initial_constant(leaf);
    double scale = 1;
    for (size_t i = 0; i < item->size; i++) values[i] = constant;
    if (!isnan(constant)) return;
    gs_random_normal(seed, stream_of(item->name), values, item->size);
    if (strcmp(leaf, "weight") == 0)
        scale = sqrt(2.0 / ((double)item->shape[1] * item->shape[2] * item->shape[3]));
    else {
        double norm = 0;
        for (size_t i = 0; i < item->size; i++) norm += (double)values[i] * (double)values[i];
        scale = 1 / sqrt(norm > 0 ? norm : 1);
    }
    for (size_t i = 0; i < item->size; i++) values[i] = (float)(scale * (double)values[i]);
}

gs_status gs_network_initialize(const gs_network *network, gs_parameters *parameters, uint64_t seed,
                                gs_error *err) {
    size_t largest = 0;
    for (int p = 0; p < network->set.count; p++)
        if (network->set.items[p].size > largest) largest = network->set.items[p].size;
    float *values = gs_alloc(largest, sizeof *values);
    if (!values) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to initialise the model");
    for (int p = 0; p < network->set.count; p++) {
        initialize_values(&network->set.items[p], seed, values);
        gs_parameters_write(parameters, parameters->values, p, values);
    }
    gs_free(values);
    return GS_OK;
}

/* The generator's parameter that p, one of the student's, is a copy of; -1 for other parts. */
static int original_of(const gs_parameter_set *set, int p) {
    if (set->items[p].group != GS_GROUP_STUDENT) return -1;
    return gs_parameter_set_find(set, set->items[p].name + strlen(GS_STUDENT_NAME "."));
}

void gs_network_copy_to_student(const gs_network *network, gs_parameters *parameters) {
    const gs_parameter_set *set = &network->set;
    for (int p = 0; p < set->count; p++) {
        int original = original_of(set, p);
        if (original < 0) continue;
        size_t element = parameters->element_size;
        memcpy((char *)parameters->values + set->items[p].offset * element,
               (char *)parameters->values + set->items[original].offset * element,
               set->items[p].size * element);
    }
    gs_parameters_changed(parameters);
}

/* ---- Updates that a step appends ---------------------------------------------------------------
 */

static bool is_power_vector(const gs_parameter *item) {
    return strcmp(leaf_of(item), "u") == 0;
}

void gs_network_iterate_power(gs_graph *g, const gs_network *network, gs_group group) {
    const gs_parameter_set *set = &network->set;
    for (int u = 0; u < set->count; u++) {
        if (!is_power_vector(&set->items[u]) || set->items[u].group != group) continue;
        /* A layer registers weight, [bias,] u: the weight is the last 4-dimensional one before u.
         */
        int weight = u - 1;
        while (set->items[weight].rank != 4) weight--;
        gs_graph_power_iteration(g, weight, u);
    }
}

void gs_network_average_student(gs_graph *g, const gs_network *network, double decay) {
    for (int p = 0; p < network->set.count; p++) {
        int original = original_of(&network->set, p);
        if (original >= 0 && !is_power_vector(&network->set.items[p]))
            gs_graph_moving_average(g, original, p, decay);
    }
}
