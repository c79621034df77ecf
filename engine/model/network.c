/* Which layers and parameters the networks have: encoder, decoders, discriminators. */
#include "engine/model/network.h"

#include "engine/model/network_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Parameters -------------------------------------------------------------------------------
 */

/* Registers parameters under a growing name: "encoder" + ".blocks.0" + ".conv". */
typedef struct naming {
    gs_parameter_set *set;
    gs_group group;
    char prefix[64];
} naming;

static naming within(naming parent, const char *format, ...) GS_PRINTF(2, 3);
static naming within(naming parent, const char *format, ...) {
    naming child = parent;
    size_t used = strlen(parent.prefix);
    if (used) child.prefix[used++] = '.';
    va_list args;
    va_start(args, format);
    vsnprintf(child.prefix + used, sizeof child.prefix - used, format, args);
    va_end(args);
    return child;
}

static int add(naming in, const char *leaf, bool trained, int rank, const int *shape) {
    char name[GS_PARAMETER_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s", in.prefix, leaf);
    return gs_parameter_set_add(in.set, name, in.group, trained, rank, shape);
}

typedef struct conv_options {
    int kernel, stride; /* 0 = 1 */
    bool has_no_bias, is_not_spectral;
} conv_options;

static gs_conv_layer conv_layer(naming in, int channels_in, int channels_out, conv_options o) {
    gs_conv_layer layer = {
        .bias = -1, .u = -1, .kernel = o.kernel, .stride = o.stride ? o.stride : 1};
    layer.weight =
        add(in, "weight", true, 4, (int[]){channels_out, channels_in, o.kernel, o.kernel});
    if (!o.has_no_bias) layer.bias = add(in, "bias", true, 1, &channels_out);
    if (!o.is_not_spectral) layer.u = add(in, "u", false, 1, &channels_out);
    return layer;
}

static gs_norm_layer norm_layer(naming in, gs_norm norm, int channels) {
    gs_norm_layer layer = {norm, -1, -1, -1, -1};
    if (norm == GS_NORM_NONE) return layer;
    layer.gamma = add(in, "gamma", true, 1, &channels);
    layer.beta = add(in, "beta", true, 1, &channels);
    if (norm != GS_NORM_BATCH) return layer;
    layer.running_mean = add(in, "running_mean", false, 1, &channels);
    layer.running_var = add(in, "running_var", false, 1, &channels);
    return layer;
}

/* Instance norms of the encoder have neither scale nor shift. */
static gs_norm_layer encoder_norm(naming in, gs_norm norm, int channels) {
    if (norm == GS_NORM_INSTANCE) return (gs_norm_layer){norm, -1, -1, -1, -1};
    return norm_layer(in, norm, channels);
}

/* Where every path out of the encoder passes a norm of single channels, it cancels biases. */
static void describe_encoder(gs_encoder *e, naming in, const gs_model_config *c) {
    const int *channels = c->encoder_channels;
    gs_norm norm = c->architecture.encoder_norm;
    bool cancels = norm == GS_NORM_INSTANCE || norm == GS_NORM_BATCH;
    e->conv0 = conv_layer(within(in, "conv0"), c->channels, channels[0],
                          (conv_options){.kernel = 3, .has_no_bias = cancels});
    e->blocks = c->encoder_levels - 1;
    for (int i = 0; i < e->blocks; i++) {
        naming block = within(in, "blocks.%d", i);
        e->norm[i] = encoder_norm(within(block, "norm"), norm, channels[i]);
        e->conv[i] = conv_layer(within(block, "conv"), channels[i], channels[i + 1],
                                (conv_options){.kernel = 3, .stride = 2, .has_no_bias = cancels});
        e->shortcut[i] = conv_layer(within(block, "short"), channels[i], channels[i + 1],
                                    (conv_options){.kernel = 1, .stride = 2, .has_no_bias = true});
    }
    e->norm[e->blocks] = encoder_norm(within(in, "norm"), norm, channels[e->blocks]);
}

static int skip_channels(gs_skips skips, int map) {
    if (skips == GS_SKIPS_COMPRESSED) return 1;
    return skips == GS_SKIPS_CONCATENATED ? map : 0;
}

static void describe_decoder(gs_decoder *d, naming in, const gs_model_config *c, int code_channels,
                             int kernel) {
    int channels = code_channels;
    gs_norm norm = c->architecture.decoder_norm;
    d->skip_norm = c->architecture.encoder_norm == GS_NORM_NONE ? GS_NORM_NONE : GS_NORM_INSTANCE;
    d->blocks = c->encoder_levels - 1;
    for (int i = 0; i < d->blocks; i++) {
        int out = c->encoder_channels[d->blocks - 1 - i];
        naming block = within(in, "blocks.%d", i);
        if (i > 0 && d->translates)
            d->translation[i] = norm_layer(within(block, "norm_t"), norm, channels);
        if (i > 0 && d->segments)
            d->segmentation[i] = norm_layer(within(block, "norm_s"), norm, channels);
        d->conv[i] =
            conv_layer(within(block, "conv"), channels, out, (conv_options){.kernel = kernel});
        if (i > 0 && d->has_shortcuts)
            d->shortcut[i] =
                conv_layer(within(block, "short"), channels, out, (conv_options){.kernel = 1});
        if (d->skips == GS_SKIPS_COMPRESSED)
            d->skip[i] = conv_layer(within(block, "skip"), out, 1, (conv_options){.kernel = 1});
        channels = out + skip_channels(d->skips, out);
    }
    naming out = within(in, "out");
    if (d->translates) {
        d->translation[d->blocks] = norm_layer(within(out, "norm_t"), norm, channels);
        d->out = conv_layer(within(out, "conv"), channels, c->channels,
                            (conv_options){.kernel = kernel});
    }
    if (!d->segments) return;
    d->segmentation[d->blocks] = norm_layer(within(out, "norm_s"), norm, channels);
    d->classifier = conv_layer(within(out, "classifier"), channels, 1,
                               (conv_options){.kernel = 1, .is_not_spectral = true});
}

static void describe_discriminator(gs_discriminator *d, naming in, const gs_model_config *c) {
    const int *channels = c->disc_channels;
    d->blocks = c->disc_levels - 1;
    for (int s = 0; s < GS_DISC_SCALES; s++) {
        naming scale = within(in, "scales.%d", s);
        d->scales[s].conv0 = conv_layer(within(scale, "conv0"), c->channels, channels[0],
                                        (conv_options){.kernel = 4});
        for (int i = 0; i < d->blocks; i++) {
            naming block = within(scale, "blocks.%d", i);
            d->scales[s].norm[i] = norm_layer(within(block, "norm"), GS_NORM_LAYER, channels[i]);
            d->scales[s].conv[i] = conv_layer(within(block, "conv"), channels[i], channels[i + 1],
                                              (conv_options){.kernel = 4, .stride = 2});
        }
        d->scales[s].score =
            conv_layer(within(scale, "score"), channels[d->blocks], 1, (conv_options){.kernel = 1});
    }
}

/* Not spectrally normalised: the bound on the mutual information is a supremum over all functions.
 */
static void describe_estimator(gs_estimator *e, naming in, const gs_model_config *c) {
    int code = c->encoder_channels[c->encoder_levels - 1], hidden = code > 1 ? code / 2 : 1;
    const int channels[GS_ESTIMATOR_LAYERS + 1] = {code, hidden, hidden, 1};
    for (int i = 0; i < GS_ESTIMATOR_LAYERS; i++)
        e->layers[i] = conv_layer(within(in, "layers.%d", i), channels[i], channels[i + 1],
                                  (conv_options){.kernel = 1, .is_not_spectral = true});
}

/* Which decoders a generator, or the student of one, is described with. */
typedef struct decoder_choice {
    bool translates, segments, reconstructs;
} decoder_choice;

static void describe_generator(gs_generator *generator, naming in, const gs_model_config *c,
                               decoder_choice has) {
    bool is_separate = c->architecture.separate_decoder;
    gs_skips skips = c->architecture.skips;
    int code = c->encoder_channels[c->encoder_levels - 1];
    *generator = (gs_generator){
        .decoder_common = {.has_shortcuts = true, .translates = true, .skips = skips},
        .decoder_residual = {.translates = true, .segments = !is_separate, .skips = skips},
        .decoder_segmentation = {.segments = true, .skips = skips},
        .decoder_reconstruction = {
            .has_shortcuts = true, .translates = true, .skips = GS_SKIPS_NONE}};
    describe_encoder(&generator->encoder, within(in, "encoder"), c);
    if (has.translates)
        describe_decoder(&generator->decoder_common, within(in, "decoder_common"), c,
                         code - c->unique_channels, 3);
    if (has.translates || (has.segments && !is_separate))
        describe_decoder(&generator->decoder_residual, within(in, "decoder_residual"), c, code, 5);
    if (has.segments && is_separate)
        describe_decoder(&generator->decoder_segmentation, within(in, "decoder_segmentation"), c,
                         code, 5);
    if (has.reconstructs)
        describe_decoder(&generator->decoder_reconstruction, within(in, "decoder_reconstruction"),
                         c, code, 3);
}

static void describe_training_parts(gs_network *network, naming root) {
    const gs_model_config *c = &network->config;
    root.group = GS_GROUP_DISCRIMINATOR;
    if (network->parts & GS_PART_DISC_A)
        describe_discriminator(&network->disc_a, within(root, "disc_a"), c);
    if (network->parts & GS_PART_DISC_P)
        describe_discriminator(&network->disc_p, within(root, "disc_p"), c);
    root.group = GS_GROUP_STUDENT;
    if (network->parts & GS_PART_STUDENT)
        describe_generator(&network->student, within(root, GS_STUDENT_NAME), c,
                           (decoder_choice){(network->parts & GS_PART_TRANSLATING_STUDENT) != 0,
                                            true, (network->parts & GS_PART_RECONSTRUCTION) != 0});
    root.group = GS_GROUP_ESTIMATOR;
    if (network->parts & GS_PART_ESTIMATOR)
        describe_estimator(&network->estimator, within(root, "estimator"), c);
}

gs_status gs_network_init(gs_network *network, const gs_model_config *config, gs_parts parts,
                          gs_error *err) {
    *network = (gs_network){.config = *config, .parts = parts};
    naming root = {.set = &network->set, .group = GS_GROUP_GENERATOR};
    describe_generator(&network->generator, root, config,
                       (decoder_choice){true, true, (parts & GS_PART_RECONSTRUCTION) != 0});
    describe_training_parts(network, root);
    if (network->set.failed)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to describe the networks");
    return GS_OK;
}

void gs_network_deinit(gs_network *network) {
    gs_parameter_set_deinit(&network->set);
}

const gs_decoder *gs_generator_segmenter(const gs_generator *generator) {
    return generator->decoder_residual.segments ? &generator->decoder_residual
                                                : &generator->decoder_segmentation;
}

const gs_generator *gs_network_trained(const gs_network *network) {
    return network->parts & GS_PART_STUDENT ? &network->student : &network->generator;
}

gs_group gs_network_trained_group(const gs_network *network) {
    return network->parts & GS_PART_STUDENT ? GS_GROUP_STUDENT : GS_GROUP_GENERATOR;
}

void gs_network_code_size(const gs_model_config *config, int *h, int *w) {
    *h = config->height;
    *w = config->columns;
    for (int i = 1; i < config->encoder_levels; i++) {
        *h = (*h + 1) / 2;
        *w = (*w + 1) / 2;
    }
}
