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
    int gamma, beta;
} gs_norm_layer;

typedef struct gs_encoder {
    gs_conv_layer conv0;
    gs_conv_layer conv[GS_MAX_LEVELS], shortcut[GS_MAX_LEVELS]; /* per stride-2 block */
    int blocks;
} gs_encoder;

/* Common decoder: K = 3, shortcuts. Residual decoder: K = 5, a second set of norms and a classifier
 * for segmentation. */
typedef struct gs_decoder {
    gs_conv_layer conv[GS_MAX_LEVELS], shortcut[GS_MAX_LEVELS], skip[GS_MAX_LEVELS];
    gs_norm_layer translation[GS_MAX_LEVELS + 1], segmentation[GS_MAX_LEVELS + 1];
    gs_conv_layer out, classifier;
    int blocks;
    bool has_shortcuts, segments, has_skips;
} gs_decoder;

typedef struct gs_discriminator {
    struct gs_disc_scale {
        gs_conv_layer conv0, conv[GS_MAX_LEVELS], score;
        gs_norm_layer norm[GS_MAX_LEVELS];
    } scales[GS_DISC_SCALES];
    int blocks;
} gs_discriminator;

/* What a network has beside its generator (encoder, common and residual decoder); training only. */
typedef enum gs_parts {
    GS_PARTS_GENERATOR = 0,
    GS_PART_DISCRIMINATORS = 1,
    GS_PART_RECONSTRUCTION = 2, /* the autoencoder's second decoder */
    GS_PART_STUDENT = 4, /* an encoder and a segmenter, whose moving average the generator is */
    GS_PARTS_ALL = 7,
} gs_parts;

typedef struct gs_network {
    gs_model_config config;
    gs_parameter_set set;
    gs_encoder encoder;
    gs_decoder decoder_common, decoder_residual;
    gs_discriminator disc_a, disc_p;
    gs_decoder decoder_reconstruction; /* K = 3, shortcuts, no long skips */
    gs_encoder student_encoder;
    gs_decoder student_decoder; /* as the residual decoder */
    gs_parts parts;
} gs_network;

/* Describes the networks and registers their parameters. Caller deinits, also after a failure. */
GS_MUST_CHECK gs_status gs_network_init(gs_network *network, const gs_model_config *config,
                                        gs_parts parts, gs_error *err);
void gs_network_deinit(gs_network *network);

/* Initial values: weights Kaiming-normal (fan-in), scales 1, biases 0, u a random unit vector.
 * Depends on the seed and the parameters' names only. */
GS_MUST_CHECK gs_status gs_network_initialize(const gs_network *network, gs_parameters *parameters,
                                              uint64_t seed, gs_error *err);

/* Makes the student's values those of the generator. */
void gs_network_copy_to_student(const gs_network *network, gs_parameters *parameters);

/* ---- Passes -----------------------------------------------------------------------------------
 */

/* A code and the encoder maps before each stride-2 block, [N,E_i,H_i,W_i]. */
typedef struct gs_encoding {
    gs_tensor *code; /* [N,Z,h,w] */
    gs_tensor *maps[GS_MAX_LEVELS];
    int count;
} gs_encoding;

gs_encoding gs_network_encode(gs_graph *graph, const gs_encoder *encoder, gs_tensor *images);

/* The samples from, …, from+count-1 of an encoding. */
gs_encoding gs_encoding_view(gs_graph *graph, const gs_encoding *encoding, int from, int count);

/* The part of a code that both domains share: its first Z - U channels. */
gs_tensor *gs_network_common(gs_graph *graph, const gs_network *network, gs_tensor *code);

typedef enum gs_decoder_mode { GS_DECODE_TRANSLATION, GS_DECODE_SEGMENTATION } gs_decoder_mode;

/* An image [N,C,H,W] (tanh) or, in segmentation mode, probabilities [N,1,H,W]. The maps are those
 * of the image being decoded. */
gs_tensor *gs_network_decode(gs_graph *graph, const gs_decoder *decoder, gs_tensor *code,
                             const gs_encoding *maps, gs_decoder_mode mode);

/* scores[i]: the map of scale i, [N,1,h_i,w_i]. */
void gs_network_discriminate(gs_graph *graph, const gs_discriminator *disc, gs_tensor *images,
                             gs_tensor *scores[GS_DISC_SCALES]);

/* One power iteration on every spectrally normalised weight of a group. */
void gs_network_iterate_power(gs_graph *graph, const gs_network *network, gs_group group);

/* Moves each generator value that the student has too towards the student's. */
void gs_network_average_student(gs_graph *graph, const gs_network *network, double decay);

/* [h,w] of the code for this configuration's images. */
void gs_network_code_size(const gs_model_config *config, int *h, int *w);

#endif
