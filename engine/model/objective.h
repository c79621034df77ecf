/* The training step as one graph: passes, both discriminators' loss and update, then the
 * generator's.
 *
 * A batch is N presence and N absence images in one tensor, presence first; annotated presence
 * images come first among those, so that segmentation runs on a prefix of the batch. */
#ifndef GS_ENGINE_MODEL_OBJECTIVE_H
#define GS_ENGINE_MODEL_OBJECTIVE_H

#include "engine/model/method.h"

typedef enum gs_step_kind {
    GS_STEP_UPDATE,   /* power iterations and both AMSGrad updates: a training step */
    GS_STEP_EVALUATE, /* losses and gradients only (parity) */
} gs_step_kind;

typedef struct gs_step_options {
    gs_objective objective;
    gs_step_kind kind;
    int pairs;     /* N */
    int annotated; /* the first so many presence images are segmented; 0 … N */
} gs_step_options;

enum { GS_TERM_PARTS = 6 };

/* Tensors of one step's graph; NULL where the objective or `annotated` = 0 has none. Inputs: */
typedef struct gs_step {
    gs_step_options options;
    gs_tensor *images;    /* [2N,C,H,W] presence, then absence; [N,C,H,W] where it uses none */
    gs_tensor *unique;    /* [N,U,h,w] ũ ~ N(0, I) */
    gs_tensor *target;    /* [annotated,1,H,W] in {0,1} */
    gs_tensor *annotated; /* [annotated,1,H,W] 1 where a pixel is annotated */
    gs_dropout dropout;   /* its factors */
    /* Kept outputs, names as in the reference program. R is 2N, or N where nothing is translated to
     * presence: then there are no x_ap and d_ap. */
    gs_encoding source;          /* of images: s_p, s_a */
    gs_encoding generated;       /* of x_pp, x_ap, x_pa, x_aa, those that there are */
    gs_tensor *z;                /* [R,Z,h,w] s_p, then (c_a, ũ) */
    gs_tensor *healthy;          /* [2N,C,H,W] x_pa, x_aa */
    gs_tensor *residual;         /* [R,C,H,W] d_pp, d_ap */
    gs_tensor *diseased;         /* [R,C,H,W] x_pp, x_ap */
    gs_tensor *cycled;           /* [N,C,H,W] x_apa */
    gs_tensor *probability;      /* [annotated,1,H,W] y_p; of a mean teacher's student [N,1,H,W] */
    gs_loss_term adversarial[2]; /* that term's gradient with respect to the images judged */
    /* Each term is the sum of parts times their scales. */
    struct gs_term_part {
        gs_tensor *loss;
        double scale;
    } parts[GS_TERM_GEN][GS_TERM_PARTS];
    int part_count[GS_TERM_GEN];
} gs_step;

/* Appends the step to an empty graph of the network's parameters. Errors stick in the graph. */
void gs_step_build(gs_graph *graph, const gs_network *network, const gs_step_options *options,
                   gs_step *step);

/* The terms' values out of read(loss), a function of the plan the step runs in. */
typedef double gs_loss_reader(const void *plan, const gs_tensor *loss);
void gs_step_losses(const gs_step *step, gs_loss_reader *read, const void *plan,
                    double terms_out[GS_TERM_COUNT]);

#endif
