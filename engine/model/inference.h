/* The forward passes that answer questions about images, as graphs. */
#ifndef GS_ENGINE_MODEL_INFERENCE_H
#define GS_ENGINE_MODEL_INFERENCE_H

#include "engine/model/network.h"

typedef enum gs_inference_op {
    GS_INFER_SEGMENT, /* probabilities of the target */
    GS_INFER_REMOVE,  /* presence to absence */
    GS_INFER_INSERT,  /* absence to presence, unique code given */
    GS_INFER_OPS
} gs_inference_op;

/* Legend as in network.h. Outputs are kept; those an operation does not have are NULL. */
typedef struct gs_inference {
    gs_tensor *images;      /* input [N,C,H,W] */
    gs_tensor *unique;      /* input [N,U,h,w], GS_INFER_INSERT only */
    gs_tensor *probability; /* [N,1,H,W] */
    gs_tensor *healthy;     /* [N,C,H,W] */
    gs_tensor *residual;    /* [N,C,H,W] */
} gs_inference;

void gs_inference_build(gs_graph *graph, const gs_network *network, gs_inference_op op, int batch,
                        gs_inference *out);

#endif
