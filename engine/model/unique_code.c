#include "engine/model/unique_code.h"

#include "base/random.h"

#include <math.h>

/* The random stream of unique codes; weights and batches use others. */
#define STREAM 0x756e69717565u
/* sin ω below which the quotient of sines would lose its digits. */
#define LEAST_SINE 1e-3

void gs_slerp(float *a, const float *b, double t, size_t count) {
    double dot = 0, a_squared = 0, b_squared = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)a[i], y = (double)b[i];
        dot += x * y;
        a_squared += x * x;
        b_squared += y * y;
    }
    double weight_a = 1 - t, weight_b = t, lengths = sqrt(a_squared * b_squared);
    double angle = lengths > 0 ? acos(fmax(-1, fmin(1, dot / lengths))) : 0;
    if (sin(angle) >= LEAST_SINE) {
        weight_a = sin((1 - t) * angle) / sin(angle);
        weight_b = sin(t * angle) / sin(angle);
    }
    for (size_t i = 0; i < count; i++)
        a[i] = (float)(weight_a * (double)a[i] + weight_b * (double)b[i]);
}

void gs_unique_code_draw(const gs_unique_code *code, float *values, float *scratch, size_t count) {
    gs_random_normal(code->t < 1 ? code->seed : code->toward, STREAM, values, count);
    if (!(code->t > 0 && code->t < 1)) return;
    gs_random_normal(code->toward, STREAM, scratch, count);
    gs_slerp(values, scratch, code->t, count);
}
