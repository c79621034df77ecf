#include "server/predict_measure.h"

#include <math.h>

#define RESIDUAL_MIN 0.2
#define SOFTENING 0.01 /* part of the pixels */

static double entropy_bits(double p) {
    return p <= 0 || p >= 1 ? 0 : -(p * log2(p) + (1 - p) * log2(1 - p));
}

static double size_at(const float *residual, int channels, size_t pixels, size_t i) {
    double size = 0;
    for (int c = 0; c < channels; c++)
        size = fmax(size, fabs((double)residual[(size_t)c * pixels + i]));
    return size;
}

static double disagreement_of(const float *probabilities, const float *residual, int channels,
                              size_t pixels) {
    double largest = RESIDUAL_MIN, both, either;
    for (size_t i = 0; i < pixels; i++)
        largest = fmax(largest, size_at(residual, channels, pixels, i));
    both = either = SOFTENING * (double)pixels;
    for (size_t i = 0; i < pixels; i++) {
        double p = (double)probabilities[i];
        double r = size_at(residual, channels, pixels, i) / largest;
        both += fmin(p, r);
        either += fmax(p, r);
    }
    return fmin(fmax(1 - both / either, 0), 1);
}

void gs_predict_measure(const float *probabilities, const float *residual, int channels,
                        size_t pixels, gs_new_prediction *out) {
    double entropy = 0;
    out->area = 0;
    for (size_t i = 0; i < pixels; i++) {
        double p = (double)probabilities[i];
        out->area += p > 0.5;
        entropy += entropy_bits(p);
    }
    out->uncertainty = entropy / (double)pixels;
    out->disagreement =
        residual ? disagreement_of(probabilities, residual, channels, pixels) : (double)NAN;
}
