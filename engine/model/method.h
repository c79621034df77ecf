/* What is trained for: the methods, their terms and weights, as configurations of one trainer.
 * Value types; knows no tensors. */
#ifndef GS_ENGINE_MODEL_METHOD_H
#define GS_ENGINE_MODEL_METHOD_H

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

/* The proposed method and the paper's baselines (section 4.1); all share encoder and decoders. */
typedef enum gs_training_method {
    GS_TRAINING_GENSEG,
    GS_TRAINING_SEPARATE_DECODER,  /* the same, but segmentation has a decoder of its own */
    GS_TRAINING_SEGMENTATION_ONLY, /* the segmentation loss, on annotated images only */
    GS_TRAINING_AUTOENCODER,  /* and a decoder without long skips that reconstructs both domains */
    GS_TRAINING_MEAN_TEACHER, /* and unannotated images segmented as the moving average does */
    GS_TRAINING_METHOD_COUNT
} gs_training_method;

typedef struct gs_method_traits {
    const char *name;      /* in the API and in files */
    bool uses_absence;     /* a batch also has absence images */
    bool only_annotated;   /* presence images without a mask are not used */
    bool translates;       /* what it trains can translate and sample, not only segment */
    bool separate_decoder; /* which its architecture must have */
} gs_method_traits;

const gs_method_traits *gs_method_get(gs_training_method method);

/* The method of an API name; NOT_FOUND lists what there is. */
GS_MUST_CHECK gs_status gs_training_method_parse(const char *name, gs_training_method *out,
                                                 gs_error *err);

/* The directions that a translating method translates in (the paper's ablation, table 3b). */
typedef enum gs_translation {
    GS_TRANSLATE_BOTH,
    GS_TRANSLATE_REMOVAL, /* presence to absence: no D_P, no cycle, no sampled codes */
    GS_TRANSLATE_NONE,    /* reconstruction of both domains only: no discriminators either */
    GS_TRANSLATION_COUNT
} gs_translation;

/* "both", "presence_to_absence" or "none"; static storage. */
const char *gs_translation_name(gs_translation translation);
GS_MUST_CHECK gs_status gs_translation_parse(const char *name, gs_translation *out, gs_error *err);

/* Terms of the losses. */
typedef enum gs_term {
    GS_TERM_SEG,
    GS_TERM_ADV,
    GS_TERM_REC,
    GS_TERM_LAT,
    GS_TERM_CYC,
    GS_TERM_CON,
    GS_TERM_DISC,
    GS_TERM_INFORMATION, /* "mi": the estimate of the mutual information of c and u, in nats */
    GS_TERM_GEN,         /* the weighted sum of those before DISC */
    GS_TERM_COUNT
} gs_term;

const char *gs_term_name(gs_term term);

typedef struct gs_objective {
    gs_training_method method;
    gs_translation translation; /* of methods that translate; others ignore it */
    gs_loss_weights weights;
    /* Mean teacher: probability in [0, 1) that a channel is dropped in student and teacher, each
     * anew. 0 = no dropout. */
    double dropout;
    /* Above 0 the model is the moving average of what is trained, as a mean teacher's always is:
     * average = decay · average + (1 - decay) · trained after each step; below 1. For the mean
     * teacher 0 means 0.99, the paper's. */
    double average_decay;
    /* Trains beside the model a network that estimates the mutual information of the common and the
     * unique code of presence images (MINE, arXiv 1801.04062). It does not change what the model
     * learns. Methods that translate, batches of at least 2. */
    bool estimates_information;
} gs_objective;

/* The mean teacher's variants (the paper's section 4.2): what disturbs student and teacher. */
typedef enum gs_teacher {
    GS_TEACHER_NORM,    /* norms, no dropout */
    GS_TEACHER_DROPOUT, /* dropout, no norms */
    GS_TEACHER_BOTH,
    GS_TEACHER_COUNT
} gs_teacher;

/* The paper does not say how much is dropped. */
#define GS_TEACHER_DROPOUT_RATE 0.5

/* "norm", "dropout" or "both"; static storage. */
const char *gs_teacher_name(gs_teacher teacher);
GS_MUST_CHECK gs_status gs_teacher_parse(const char *name, gs_teacher *out, gs_error *err);

/* Sets what the variant says of dropout and norms. INVALID_ARGUMENT where other norms than none are
 * wished for and the variant has none. */
GS_MUST_CHECK gs_status gs_teacher_apply(gs_teacher teacher, gs_objective *objective,
                                         gs_architecture_wish *wish, gs_error *err);

/* INVALID_ARGUMENT says which number is out of range or does not go with method or architecture. */
GS_MUST_CHECK gs_status gs_objective_check(const gs_objective *objective,
                                           const gs_architecture *architecture, gs_error *err);

/* What the network must have beside the generator. */
gs_parts gs_objective_parts(const gs_objective *objective);

/* Whether the objective has the term; all others are 0. */
bool gs_objective_has_term(const gs_objective *objective, gs_term term);

/* The coefficient of a generator's term in its objective: its λ as a part of those it has. */
double gs_objective_weight(const gs_objective *objective, gs_term term);

/* The decay of the moving average; 0 = there is none. */
double gs_objective_decay(const gs_objective *objective);

#endif
