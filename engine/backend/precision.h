/* What convolutions multiply in. Sums, statistics, losses, weights and their updates are float. */
#ifndef GS_ENGINE_BACKEND_PRECISION_H
#define GS_ENGINE_BACKEND_PRECISION_H

#include "base/status.h"

typedef enum gs_precision {
    GS_PRECISION_FP32,
    GS_PRECISION_TF32, /* fp32 whose factors a device's tensor cores round; elsewhere fp32 */
    GS_PRECISION_BF16, /* where the processor or device has instructions for it, else fp32 */
    GS_PRECISION_AUTO, /* the fastest there is */
} gs_precision;

/* "fp32", "tf32", "bf16", "auto". */
const char *gs_precision_name(gs_precision precision);
/* INVALID_ARGUMENT names what there is. */
GS_MUST_CHECK gs_status gs_precision_parse(const char *name, gs_precision *out, gs_error *err);

#endif
