/* Engines, and convolutions by plain loops over channels-last memory. */
#include "double_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t double_engine_workspace(double_engine engine, const double_problem *p) {
    if (engine == DOUBLE_HUNGRY) return (int64_t)2 << 30;
    return engine == DOUBLE_PLAIN ? 100 + 16 * p->n : 0;
}

int double_engine_notes(double_engine engine,
                        cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT]) {
    int count = 0;
    if (engine == DOUBLE_TENSOR_CORES) notes[count++] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    if (engine == DOUBLE_NONDETERMINISTIC) notes[count++] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    if (engine == DOUBLE_HALF) {
        notes[count++] = CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        notes[count++] = CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
    }
    return count;
}

typedef struct job {
    double_problem p;
    double_engine engine;
    const void *data[DOUBLE_TENSORS];
    void *workspace;
    float *values[DOUBLE_TENSORS]; /* of the tensors, as float */
} job;

/* ---- Numbers --------------------------------------------------------------------------------- */

static size_t size_of(const double_problem *p, int which) {
    const int64_t sizes[] = {p->n * p->c * p->h * p->w, p->o * p->c * p->k * p->k,
                             p->n * p->o * p->oh * p->ow};
    return (size_t)sizes[which];
}

static size_t bytes_of(const double_problem *p, int which) {
    return size_of(p, which) * (p->type[which] == CUDNN_DATA_FLOAT ? 4 : 2);
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* To nearest, ties to even, dropping so many bits of the fraction. */
static float rounded(float value, int dropped) {
    uint32_t bits = to_bits(value), half = (uint32_t)1 << (dropped - 1);
    if (!isfinite(value)) return value;
    bits += half - 1 + (bits >> dropped & 1);
    return from_bits(bits >> dropped << dropped);
}

enum { BFLOAT16_DROPS = 16, TF32_DROPS = 13 };

static void load(job *j, int which) {
    const uint16_t *halves = j->data[which];
    const float *floats = j->data[which];
    bool is_float = j->p.type[which] == CUDNN_DATA_FLOAT;
    for (size_t i = 0; i < size_of(&j->p, which); i++) {
        j->values[which][i] = is_float ? floats[i] : from_bits((uint32_t)halves[i] << 16);
        if (is_float && j->engine == DOUBLE_TENSOR_CORES)
            j->values[which][i] = rounded(j->values[which][i], TF32_DROPS);
    }
}

static void store(const job *j, int which) {
    uint16_t *halves = (uint16_t *)(uintptr_t)j->data[which];
    float *floats = (float *)(uintptr_t)j->data[which];
    for (size_t i = 0; i < size_of(&j->p, which); i++) {
        float value = j->values[which][i];
        if (j->engine == DOUBLE_NONDETERMINISTIC) value *= 1 + 1e-6f * (float)(rand() % 3 - 1);
        if (j->p.type[which] == CUDNN_DATA_FLOAT)
            floats[i] = value;
        else
            halves[i] = (uint16_t)(to_bits(rounded(value, BFLOAT16_DROPS)) >> 16);
    }
}

/* ---- Loops ----------------------------------------------------------------------------------- */

/* Calls for every pixel of y, output and tap: x and w have c numbers in a row that y meets. */
typedef void visit(float *x, float *w, float *y, int64_t c);

static void meet_output(float *x, float *w, float *y, int64_t c) {
    float sum = 0;
    for (int64_t i = 0; i < c; i++) sum += x[i] * w[i];
    *y += sum;
}
static void meet_input(float *x, float *w, float *y, int64_t c) {
    for (int64_t i = 0; i < c; i++) x[i] += w[i] * *y;
}
static void meet_weight(float *x, float *w, float *y, int64_t c) {
    for (int64_t i = 0; i < c; i++) w[i] += x[i] * *y;
}

static void each(const job *j, visit *meet) {
    const double_problem *p = &j->p;
    for (int64_t pixel = 0; pixel < p->n * p->oh * p->ow; pixel++) {
        int64_t q = pixel % p->ow, r = pixel / p->ow % p->oh, n = pixel / p->ow / p->oh;
        for (int64_t tap = 0; tap < p->o * p->k * p->k; tap++) {
            int64_t column = tap % p->k, row = tap / p->k % p->k, o = tap / p->k / p->k;
            int64_t at = (n * p->h + r * p->stride + row) * p->w + q * p->stride + column;
            meet(j->values[DOUBLE_X] + at * p->c, j->values[DOUBLE_WEIGHT] + tap * p->c,
                 j->values[DOUBLE_Y] + pixel * p->o + o, p->c);
        }
    }
}

static cudaError_t run(void *data) {
    static const int outputs[] = {DOUBLE_Y, DOUBLE_X, DOUBLE_WEIGHT};
    static visit *const meets[] = {meet_output, meet_input, meet_weight};
    job *j = data;
    int output = outputs[j->p.direction];
    size_t workspace = (size_t)double_engine_workspace(j->engine, &j->p);
    if (workspace > 0) memset(j->workspace, 0xAB, workspace);
    for (int i = 0; i < DOUBLE_TENSORS; i++) {
        if (i == output)
            memset(j->values[i], 0, size_of(&j->p, i) * sizeof(float));
        else
            load(j, i);
    }
    each(j, meets[j->p.direction]);
    store(j, output);
    return cudaSuccess;
}

/* ---- Queueing -------------------------------------------------------------------------------- */

static void release(void *data) {
    job *j = data;
    for (int i = 0; i < DOUBLE_TENSORS; i++) free(j->values[i]);
    free(j);
}

static bool is_as_described(const double_problem *p, const void *const data[DOUBLE_TENSORS]) {
    for (int i = 0; i < DOUBLE_TENSORS; i++)
        if (!data[i] || (uintptr_t)data[i] % (uintptr_t)p->alignment[i] != 0 ||
            !double_is_device(data[i], bytes_of(p, i)))
            return false;
    return true;
}

cudnnStatus_t double_convolve(cudaStream_t stream, const double_descriptor *plan,
                              const void *const data[DOUBLE_TENSORS], void *workspace) {
    size_t bytes = (size_t)double_engine_workspace(plan->engine, &plan->problem);
    if (!is_as_described(&plan->problem, data)) return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    if (bytes > 0 && !double_is_device(workspace, bytes))
        return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
    job *j = calloc(1, sizeof *j);
    if (!j) return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    *j = (job){.p = plan->problem, .engine = plan->engine, .workspace = workspace};
    for (int i = 0; i < DOUBLE_TENSORS; i++) {
        j->data[i] = data[i];
        j->values[i] = malloc(size_of(&j->p, i) * sizeof(float));
        if (!j->values[i]) {
            release(j);
            return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
        }
    }
    return double_enqueue(stream, (double_work){run, release, j}) == cudaSuccess
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_EXECUTION_FAILED_CUDART;
}
