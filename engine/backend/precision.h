/* What convolutions multiply in. Sums, statistics, losses, weights and their updates are float. */
#ifndef GS_ENGINE_BACKEND_PRECISION_H
#define GS_ENGINE_BACKEND_PRECISION_H

#include "base/status.h"

typedef enum gs_precision {
    GS_PRECISION_FP32,
    GS_PRECISION_BF16, /* where the processor has instructions for it, else fp32 */
    GS_PRECISION_AUTO, /* the fastest there is */
} gs_precision;

/* "fp32", "bf16", "auto". */
const char *gs_precision_name(gs_precision precision);
/* INVALID_ARGUMENT names what there is. */
GS_MUST_CHECK gs_status gs_precision_parse(const char *name, gs_precision *out, gs_error *err);

/* What a wish becomes on this processor with a backend ("cpu", "reference" or NULL = "cpu"): FP32
 * or BF16. FP32 for a backend that does not exist. */
gs_precision gs_precision_resolve(const char *backend, gs_precision wanted);

#endif
