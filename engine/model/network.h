/* The networks of the method: what parameters they have, and how a pass through them appends to a
 * graph. Names of parameters and layers are those of the reference program.
 *
 * Legend: N batch, C image channels, H, W image size, E encoder channels, Z code channels. */
#ifndef GS_ENGINE_MODEL_NETWORK_H
#define GS_ENGINE_MODEL_NETWORK_H

#include "engine/graph/graph.h"
#include "engine/model/config.h"

enum { GS_DISC_SCALES = 3 };

/* Indices into the parameter set; -1 = the layer has none. */
typedef struct gs_conv_layer {
    int weight, bias, u;
    int kernel, stride;
} gs_conv_layer;

typedef struct gs_norm_layer {
    gs_norm norm;
    int gamma, beta;
    int running_mean, running_var; /* of a batch norm: state, not trained */
} gs_norm_layer;

typedef struct gs_encoder {
    gs_conv_layer conv0;
    gs_conv_layer conv[GS_MAX_LEVELS], shortcut[GS_MAX_LEVELS]; /* per stride-2 block */
    gs_norm_layer norm[GS_MAX_LEVELS + 1];                      /* before each block; of the code */
    int blocks;
} gs_encoder;

/* Common decoder: K = 3, shortcuts. Residual decoder: K = 5, and unless segmentation has a decoder
 * of its own a second set of norms and a classifier for it. */
typedef struct gs_decoder {
    gs_conv_layer conv[GS_MAX_LEVELS], shortcut[GS_MAX_LEVELS], skip[GS_MAX_LEVELS];
    gs_norm_layer translation[GS_MAX_LEVELS + 1], segmentation[GS_MAX_LEVELS + 1];
    gs_conv_layer out, classifier;
    int blocks;
    bool has_shortcuts, translates, segments;
    gs_skips skips;
    gs_norm skip_norm; /* instance, or none where nothing is normalised */
} gs_decoder;

typedef struct gs_discriminator {
    struct gs_disc_scale {
        gs_conv_layer conv0, conv[GS_MAX_LEVELS], score;
        gs_norm_layer norm[GS_MAX_LEVELS];
    } scales[GS_DISC_SCALES];
    int blocks;
} gs_discriminator;

typedef struct gs_generator {
    gs_encoder encoder;
    gs_decoder decoder_common, decoder_residual;
    gs_decoder decoder_segmentation;   /* as the residual decoder; see gs_generator_segmenter */
    gs_decoder decoder_reconstruction; /* an autoencoder's: K = 3, shortcuts, no long skips */
} gs_generator;

/* The decoder that segments: one of its own, or the residual decoder. */
const gs_decoder *gs_generator_segmenter(const gs_generator *generator);

enum { GS_ESTIMATOR_LAYERS = 3 };

/* Scores pairs of a common and a unique code: 1×1 convolutions, so each pixel of a code is one
 * pair. */
typedef struct gs_estimator {
    gs_conv_layer layers[GS_ESTIMATOR_LAYERS];
} gs_estimator;

/* What a network has beside its generator (encoder and decoders of the architecture); training
 * only. */
typedef enum gs_parts {
    GS_PARTS_GENERATOR = 0,
    GS_PART_DISC_A = 1,
    GS_PART_DISC_P = 2,
    GS_PART_DISCRIMINATORS = GS_PART_DISC_A | GS_PART_DISC_P,
    GS_PART_RECONSTRUCTION = 4, /* the autoencoder's second decoder */
    /* What is trained in the place of the generator, which is its moving average: an encoder and
     * what segments (and reconstructs) … */
    GS_PART_STUDENT = 8,
    GS_PART_TRANSLATING_STUDENT = 16, /* … and what translates */
    GS_PART_ESTIMATOR = 32,
    GS_PARTS_ALL = 63,
} gs_parts;

typedef struct gs_network {
    gs_model_config config;
    gs_parts parts;
    gs_parameter_set set;
    gs_generator generator;
    gs_generator student;
    gs_discriminator disc_a, disc_p;
    gs_estimator estimator;
} gs_network;

/* What is trained and its group: the student where there is one, else the generator. */
const gs_generator *gs_network_trained(const gs_network *network);
gs_group gs_network_trained_group(const gs_network *network);

/* Describes the networks and registers their parameters. Caller deinits, also after a failure. */
GS_MUST_CHECK gs_status gs_network_init(gs_network *network, const gs_model_config *config,
                                        gs_parts parts, gs_error *err);
void gs_network_deinit(gs_network *network);

/* Initial values: weights Kaiming-normal (fan-in), scales 1, biases 0, u a random unit vector,
 * running means 0 and variances 1.
 * Depends on the seed and the parameters' names only. */
GS_MUST_CHECK gs_status gs_network_initialize(const gs_network *network, gs_parameters *parameters,
                                              uint64_t seed, gs_error *err);

/* Makes the student's values those of the generator. */
void gs_network_copy_to_student(const gs_network *network, gs_parameters *parameters);

/* One power iteration on every spectrally normalised weight of a group. */
void gs_network_iterate_power(gs_graph *graph, const gs_network *network, gs_group group);

/* Moves each generator value that the student has too towards the student's, running statistics
 * included. */
void gs_network_average_student(gs_graph *graph, const gs_network *network, double decay);

/* [h,w] of the code for this configuration's images. */
void gs_network_code_size(const gs_model_config *config, int *h, int *w);

/* ---- Passes (network_pass.c) ------------------------------------------------------------------
 */

enum { GS_MAX_DROPOUTS = 4 * GS_MAX_LEVELS };

/* Inputs that the passes of a step drop channels by, to be filled before each run: factors
 * [N,C,1,1], 0 or 1/(1 - rate) for the first `channels` of each sample, 1 for the others. */
typedef struct gs_dropout {
    gs_tensor *factors[GS_MAX_DROPOUTS];
    int channels[GS_MAX_DROPOUTS];
    int count;
} gs_dropout;

typedef enum gs_pass_kind {
    GS_PASS_INFERENCE, /* batch norms use their running statistics */
    GS_PASS_TRAINING,  /* batch norms use the batch's … */
    GS_PASS_FOLLOWED,  /* … and the running statistics follow those */
} gs_pass_kind;

typedef struct gs_pass {
    gs_pass_kind kind;
    gs_dropout *dropout; /* NULL = none; each use adds to it */
} gs_pass;

/* A code and the encoder maps before each stride-2 block, [N,E_i,H_i,W_i]. */
typedef struct gs_encoding {
    gs_tensor *code; /* [N,Z,h,w] */
    gs_tensor *maps[GS_MAX_LEVELS];
    int count;
} gs_encoding;

gs_encoding gs_network_encode(gs_graph *graph, const gs_encoder *encoder, gs_tensor *images,
                              gs_pass pass);

/* The samples from, …, from+count-1 of an encoding. */
gs_encoding gs_encoding_view(gs_graph *graph, const gs_encoding *encoding, int from, int count);

/* The part of a code that both domains share: its first Z - U channels. */
gs_tensor *gs_network_common(gs_graph *graph, const gs_network *network, gs_tensor *code);

typedef enum gs_decoder_mode { GS_DECODE_TRANSLATION, GS_DECODE_SEGMENTATION } gs_decoder_mode;

/* An image [N,C,H,W] (tanh) or, in segmentation mode, probabilities [N,1,H,W]. The maps are those
 * of the image being decoded. */
gs_tensor *gs_network_decode(gs_graph *graph, const gs_decoder *decoder, gs_tensor *code,
                             const gs_encoding *maps, gs_decoder_mode mode, gs_pass pass);

/* scores[i]: the map of scale i, [N,1,h_i,w_i]. */
void gs_network_discriminate(gs_graph *graph, const gs_discriminator *disc, gs_tensor *images,
                             gs_tensor *scores[GS_DISC_SCALES]);

/* Scores of pairs, [N,Z,h,w] to [N,1,h,w]. */
gs_tensor *gs_network_estimate(gs_graph *graph, const gs_estimator *estimator, gs_tensor *pairs);

#endif
