/* How B's panels are cut (implicit_gemm.h). */
#ifndef GS_ENGINE_BACKEND_CPU_IMPLICIT_GEMM_PANELS_H
#define GS_ENGINE_BACKEND_CPU_IMPLICIT_GEMM_PANELS_H

#include "engine/backend/cpu/implicit_gemm.h"

static inline int full_width(const gs_gemm_kernel *kernel) {
    return 2 * kernel->lanes;
}

static inline int panel_count(const gs_gemm_kernel *kernel, int outputs) {
    return (outputs + full_width(kernel) - 1) / full_width(kernel);
}

static inline int panel_width(const gs_gemm_kernel *kernel, int outputs, int panel) {
    int left = outputs - panel * full_width(kernel);
    return left <= kernel->lanes ? kernel->lanes : full_width(kernel);
}

static inline size_t run_words(const gs_gemm_kernel *kernel, size_t length) {
    size_t values = (size_t)kernel->word_values;
    return (length + values - 1) / values;
}

#endif
