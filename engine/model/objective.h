/* The training step as one graph: passes, both discriminators' loss and update, then the
 * generator's.
 *
 * A batch is N presence and N absence images in one tensor, presence first; annotated presence
 * images come first among those, so that segmentation runs on a prefix of the batch. */
#ifndef GS_ENGINE_MODEL_OBJECTIVE_H
#define GS_ENGINE_MODEL_OBJECTIVE_H

#include "engine/model/network.h"

/* λ of each term. The method's own are divided by the sum of those it has; `con` is that of a mean
 * teacher's consistency beside a segmentation loss of weight 1. */
typedef struct gs_loss_weights {
    double seg, adv, rec, lat, cyc, con;
} gs_loss_weights;

/* 0.01, 3, 50, 1, 50; 0.01. */
gs_loss_weights gs_loss_weights_default(void);

/* Parses "adv=3,rec=50" over the defaults. INVALID_ARGUMENT names an unknown term or a bad number.
 */
GS_MUST_CHECK gs_status gs_loss_weights_parse(const char *text, gs_loss_weights *out,
                                              gs_error *err);

/* The proposed method and the paper's baselines (section 4.2); all share encoder and decoders. */
typedef enum gs_training_method {
    GS_TRAINING_GENSEG,
    GS_TRAINING_SEGMENTATION_ONLY, /* the segmentation loss, on annotated images only */
    GS_TRAINING_AUTOENCODER,  /* and a decoder without long skips that reconstructs both domains */
    GS_TRAINING_MEAN_TEACHER, /* and unannotated images segmented as the moving average does */
    GS_TRAINING_METHOD_COUNT
} gs_training_method;

typedef struct gs_method_traits {
    const char *name;    /* in the API and in files */
    gs_parts parts;      /* that its network has beside the generator */
    bool uses_absence;   /* a batch also has absence images */
    bool only_annotated; /* presence images without a mask are not used */
    bool translates;     /* what it trains can translate and sample, not only segment */
} gs_method_traits;

const gs_method_traits *gs_method_get(gs_training_method method);

/* The method of an API name; NOT_FOUND lists what there is. */
GS_MUST_CHECK gs_status gs_training_method_parse(const char *name, gs_training_method *out,
                                                 gs_error *err);

typedef enum gs_step_kind {
    GS_STEP_UPDATE,   /* power iterations and both AMSGrad updates: a training step */
    GS_STEP_EVALUATE, /* losses and gradients only (parity) */
} gs_step_kind;

typedef struct gs_step_options {
    gs_training_method method;
    gs_step_kind kind;
    int pairs;     /* N */
    int annotated; /* the first so many presence images are segmented; 0 … N */
    gs_loss_weights weights;
} gs_step_options;

/* Terms of the losses, in the order of gs_step.terms. */
typedef enum gs_term {
    GS_TERM_SEG,
    GS_TERM_ADV,
    GS_TERM_REC,
    GS_TERM_LAT,
    GS_TERM_CYC,
    GS_TERM_CON,
    GS_TERM_DISC,
    GS_TERM_GEN, /* the weighted sum of those before DISC */
    GS_TERM_COUNT
} gs_term;

const char *gs_term_name(gs_term term);

/* Whether the method's objective has the term; all others are 0. */
bool gs_method_has_term(gs_training_method method, gs_term term);

enum { GS_TERM_PARTS = 6 };

/* Tensors of one step's graph; NULL where the method or `annotated` = 0 has none. Inputs: */
typedef struct gs_step {
    gs_step_options options;
    gs_tensor *images;    /* [2N,C,H,W] presence, then absence; [N,C,H,W] where it uses none */
    gs_tensor *unique;    /* [N,U,h,w] ũ ~ N(0, I) */
    gs_tensor *target;    /* [annotated,1,H,W] in {0,1} */
    gs_tensor *annotated; /* [annotated,1,H,W] 1 where a pixel is annotated */
    /* Kept outputs, names as in the reference program: */
    gs_encoding source;          /* of images: s_p, s_a */
    gs_encoding generated;       /* of x_pp, x_ap, x_pa, x_aa (4N) */
    gs_tensor *z;                /* [2N,Z,h,w] s_p, then (c_a, ũ) */
    gs_tensor *healthy;          /* [2N,C,H,W] x_pa, x_aa */
    gs_tensor *residual;         /* [2N,C,H,W] d_pp, d_ap */
    gs_tensor *diseased;         /* [2N,C,H,W] x_pp, x_ap */
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
