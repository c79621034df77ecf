/* The model file: encoder, decoders, discriminators. */
#include "engine/model/network.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DISC_SLOPE 0.2f
#define STUDENT "student" /* prefix of its parameters' names */

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

static gs_norm_layer norm_layer(naming in, int channels) {
    return (gs_norm_layer){add(in, "gamma", true, 1, &channels),
                           add(in, "beta", true, 1, &channels)};
}

/* No biases: every path out of the encoder passes an instance norm, which cancels them. */
static void describe_encoder(gs_encoder *e, naming in, const gs_model_config *c) {
    const int *channels = c->encoder_channels;
    e->conv0 = conv_layer(within(in, "conv0"), c->channels, channels[0],
                          (conv_options){.kernel = 3, .has_no_bias = true});
    e->blocks = c->encoder_levels - 1;
    for (int i = 0; i < e->blocks; i++) {
        naming block = within(in, "blocks.%d", i);
        e->conv[i] = conv_layer(within(block, "conv"), channels[i], channels[i + 1],
                                (conv_options){.kernel = 3, .stride = 2, .has_no_bias = true});
        e->shortcut[i] = conv_layer(within(block, "short"), channels[i], channels[i + 1],
                                    (conv_options){.kernel = 1, .stride = 2, .has_no_bias = true});
    }
}

static void describe_decoder(gs_decoder *d, naming in, const gs_model_config *c, int code_channels,
                             int kernel) {
    int channels = code_channels;
    d->blocks = c->encoder_levels - 1;
    for (int i = 0; i < d->blocks; i++) {
        int out = c->encoder_channels[d->blocks - 1 - i];
        naming block = within(in, "blocks.%d", i);
        if (i > 0) {
            d->translation[i] = norm_layer(within(block, "norm_t"), channels);
            if (d->segments) d->segmentation[i] = norm_layer(within(block, "norm_s"), channels);
        }
        d->conv[i] =
            conv_layer(within(block, "conv"), channels, out, (conv_options){.kernel = kernel});
        if (i > 0 && d->has_shortcuts)
            d->shortcut[i] =
                conv_layer(within(block, "short"), channels, out, (conv_options){.kernel = 1});
        if (d->has_skips)
            d->skip[i] = conv_layer(within(block, "skip"), out, 1, (conv_options){.kernel = 1});
        channels = out + (d->has_skips ? 1 : 0);
    }
    naming out = within(in, "out");
    d->translation[d->blocks] = norm_layer(within(out, "norm_t"), channels);
    d->out =
        conv_layer(within(out, "conv"), channels, c->channels, (conv_options){.kernel = kernel});
    if (!d->segments) return;
    d->segmentation[d->blocks] = norm_layer(within(out, "norm_s"), channels);
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
            d->scales[s].norm[i] = norm_layer(within(block, "norm"), channels[i]);
            d->scales[s].conv[i] = conv_layer(within(block, "conv"), channels[i], channels[i + 1],
                                              (conv_options){.kernel = 4, .stride = 2});
        }
        d->scales[s].score =
            conv_layer(within(scale, "score"), channels[d->blocks], 1, (conv_options){.kernel = 1});
    }
}

gs_status gs_network_init(gs_network *network, const gs_model_config *config, gs_parts parts,
                          gs_error *err) {
    *network = (gs_network){.config = *config, .parts = parts};
    network->decoder_common = (gs_decoder){.has_shortcuts = true, .has_skips = true};
    network->decoder_residual = (gs_decoder){.segments = true, .has_skips = true};
    network->decoder_reconstruction = (gs_decoder){.has_shortcuts = true};
    network->student_decoder = network->decoder_residual;
    naming root = {.set = &network->set, .group = GS_GROUP_GENERATOR};
    int code = config->encoder_channels[config->encoder_levels - 1];
    describe_encoder(&network->encoder, within(root, "encoder"), config);
    describe_decoder(&network->decoder_common, within(root, "decoder_common"), config,
                     code - config->unique_channels, 3);
    describe_decoder(&network->decoder_residual, within(root, "decoder_residual"), config, code, 5);
    if (parts & GS_PART_RECONSTRUCTION)
        describe_decoder(&network->decoder_reconstruction, within(root, "decoder_reconstruction"),
                         config, code, 3);
    if (parts & GS_PART_DISCRIMINATORS) {
        root.group = GS_GROUP_DISCRIMINATOR;
        describe_discriminator(&network->disc_a, within(root, "disc_a"), config);
        describe_discriminator(&network->disc_p, within(root, "disc_p"), config);
    }
    if (parts & GS_PART_STUDENT) {
        naming student = within(root, STUDENT);
        student.group = GS_GROUP_STUDENT;
        describe_encoder(&network->student_encoder, within(student, "encoder"), config);
        describe_decoder(&network->student_decoder, within(student, "decoder_residual"), config,
                         code, 5);
    }
    if (network->set.failed)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to describe the networks");
    return GS_OK;
}

void gs_network_deinit(gs_network *network) {
    gs_parameter_set_deinit(&network->set);
}

/* FNV-1a: gives every parameter a random stream of its own, whatever else the model has. */
static uint64_t stream_of(const char *name) {
    uint64_t hash = 14695981039346656037u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

static void initialize_values(const gs_parameter *item, uint64_t seed, float *values) {
    const char *leaf = strrchr(item->name, '.') + 1;
    double scale = 1;
    for (size_t i = 0; i < item->size; i++) values[i] = strcmp(leaf, "gamma") == 0 ? 1.0f : 0.0f;
    if (strcmp(leaf, "gamma") == 0 || strcmp(leaf, "beta") == 0 || strcmp(leaf, "bias") == 0)
        return;
    gs_random_normal(seed, stream_of(item->name), values, item->size);
    if (strcmp(leaf, "weight") == 0)
        scale = sqrt(2.0 / ((double)item->shape[1] * item->shape[2] * item->shape[3]));
    else {
        double norm = 0;
        for (size_t i = 0; i < item->size; i++) norm += (double)values[i] * (double)values[i];
        scale = 1 / sqrt(norm > 0 ? norm : 1);
    }
    for (size_t i = 0; i < item->size; i++) values[i] = (float)(scale * (double)values[i]);
}

gs_status gs_network_initialize(const gs_network *network, gs_parameters *parameters, uint64_t seed,
                                gs_error *err) {
    size_t largest = 0;
    for (int p = 0; p < network->set.count; p++)
        if (network->set.items[p].size > largest) largest = network->set.items[p].size;
    float *values = gs_alloc(largest, sizeof *values);
    if (!values) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to initialise the model");
    for (int p = 0; p < network->set.count; p++) {
        initialize_values(&network->set.items[p], seed, values);
        gs_parameters_write(parameters, parameters->values, p, values);
    }
    gs_free(values);
    return GS_OK;
}

/* The generator's parameter that p, one of the student's, is a copy of; -1 for other parts. */
static int original_of(const gs_parameter_set *set, int p) {
    if (set->items[p].group != GS_GROUP_STUDENT) return -1;
    return gs_parameter_set_find(set, set->items[p].name + strlen(STUDENT "."));
}

void gs_network_copy_to_student(const gs_network *network, gs_parameters *parameters) {
    const gs_parameter_set *set = &network->set;
    for (int p = 0; p < set->count; p++) {
        int original = original_of(set, p);
        if (original < 0) continue;
        size_t element = parameters->element_size;
        memcpy((char *)parameters->values + set->items[p].offset * element,
               (char *)parameters->values + set->items[original].offset * element,
               set->items[p].size * element);
    }
    gs_parameters_changed(parameters);
}

/* ---- Passes -----------------------------------------------------------------------------------
 */

static gs_tensor *convolve(gs_graph *g, gs_conv_layer layer, gs_tensor *x) {
    gs_tensor *bias = layer.bias >= 0 ? gs_graph_parameter(g, layer.bias) : NULL;
    return gs_graph_conv2d(g, x, gs_graph_effective_weight(g, layer.weight, layer.u), bias,
                           layer.stride);
}

/* Pads (after whatever else `p` asks for) and convolves. */
static gs_tensor *prepare_and_convolve(gs_graph *g, gs_conv_layer layer, gs_tensor *x,
                                       gs_prepare_params p) {
    p.kernel = layer.kernel;
    p.stride = layer.stride;
    return convolve(g, layer, gs_graph_prepare(g, x, p));
}

gs_encoding gs_network_encode(gs_graph *g, const gs_encoder *e, gs_tensor *images) {
    const gs_prepare_params norm_relu = {.norm = GS_NORM_INSTANCE, .activate = true};
    gs_encoding out = {.count = e->blocks};
    gs_tensor *x = prepare_and_convolve(g, e->conv0, images, (gs_prepare_params){0});
    for (int i = 0; i < e->blocks; i++) {
        out.maps[i] = x;
        gs_tensor *h = prepare_and_convolve(g, e->conv[i], x, norm_relu);
        x = gs_graph_add(g, h, convolve(g, e->shortcut[i], x));
    }
    out.code = gs_graph_prepare(g, x, norm_relu);
    return out;
}

gs_encoding gs_encoding_view(gs_graph *g, const gs_encoding *encoding, int from, int count) {
    gs_encoding view = {.count = encoding->count};
    view.code = gs_graph_batch_view(g, encoding->code, from, count);
    for (int i = 0; i < encoding->count; i++)
        view.maps[i] = gs_graph_batch_view(g, encoding->maps[i], from, count);
    return view;
}

gs_tensor *gs_network_common(gs_graph *g, const gs_network *network, gs_tensor *code) {
    if (!code) return NULL;
    return gs_graph_slice_channels(g, code, 0,
                                   gs_tensor_shape(code).c - network->config.unique_channels);
}

static gs_prepare_params layer_norm_relu(gs_norm_layer norm) {
    return (gs_prepare_params){
        .norm = GS_NORM_LAYER, .gamma = norm.gamma, .beta = norm.beta, .activate = true};
}

/* Block i: [norm, ReLU], upsampling, convolution [+ shortcut], cropped to the encoder map's size,
 * and that map's compressed copy as one more channel. A 1×1 convolution commutes with nearest
 * upsampling, so the shortcut is convolved at low resolution. */
static gs_tensor *decode_block(gs_graph *g, const gs_decoder *d, int i, const gs_norm_layer *norms,
                               gs_tensor *x, gs_tensor *map) {
    gs_shape size = gs_tensor_shape(map);
    gs_prepare_params p = {0};
    if (i > 0) p = layer_norm_relu(norms[i]);
    p.crop_h = size.h;
    p.crop_w = size.w;
    gs_upsampled_conv layer = {.weight =
                                   gs_graph_effective_weight(g, d->conv[i].weight, d->conv[i].u),
                               .bias = gs_graph_parameter(g, d->conv[i].bias)};
    if (i > 0 && d->has_shortcuts) layer.low = convolve(g, d->shortcut[i], x);
    if (d->has_skips) {
        gs_prepare_params normalized = {.norm = GS_NORM_INSTANCE};
        layer.beside = convolve(g, d->skip[i], gs_graph_prepare(g, map, normalized));
    }
    return gs_graph_upsampled_conv2d(g, x, p, &layer);
}

gs_tensor *gs_network_decode(gs_graph *g, const gs_decoder *d, gs_tensor *code,
                             const gs_encoding *maps, gs_decoder_mode mode) {
    bool is_segmentation = mode == GS_DECODE_SEGMENTATION;
    const gs_norm_layer *norms = is_segmentation ? d->segmentation : d->translation;
    gs_tensor *x = code;
    for (int i = 0; i < d->blocks && x; i++) {
        gs_tensor *map = maps->maps[maps->count - 1 - i];
        if (!map) return NULL;
        x = decode_block(g, d, i, norms, x, map);
    }
    gs_prepare_params last = layer_norm_relu(norms[d->blocks]);
    if (is_segmentation)
        return gs_graph_sigmoid(g, prepare_and_convolve(g, d->classifier, x, last));
    return gs_graph_tanh(g, prepare_and_convolve(g, d->out, x, last));
}

void gs_network_discriminate(gs_graph *g, const gs_discriminator *disc, gs_tensor *images,
                             gs_tensor *scores[GS_DISC_SCALES]) {
    gs_tensor *x = images;
    for (int s = 0; s < GS_DISC_SCALES; s++) {
        const struct gs_disc_scale *scale = &disc->scales[s];
        if (s > 0) x = gs_graph_average_pool(g, x);
        gs_tensor *h = prepare_and_convolve(g, scale->conv0, x, (gs_prepare_params){0});
        for (int i = 0; i < disc->blocks; i++) {
            gs_prepare_params leaky = layer_norm_relu(scale->norm[i]);
            leaky.slope = DISC_SLOPE;
            h = prepare_and_convolve(g, scale->conv[i], h, leaky);
        }
        scores[s] = convolve(g, scale->score, h);
    }
}

void gs_network_iterate_power(gs_graph *g, const gs_network *network, gs_group group) {
    const gs_parameter_set *set = &network->set;
    for (int u = 0; u < set->count; u++) {
        if (set->items[u].trained || set->items[u].group != group) continue;
        /* A layer registers weight, [bias,] u: the weight is the last 4-dimensional one before u.
         */
        int weight = u - 1;
        while (set->items[weight].rank != 4) weight--;
        gs_graph_power_iteration(g, weight, u);
    }
}

void gs_network_average_student(gs_graph *g, const gs_network *network, double decay) {
    for (int p = 0; p < network->set.count; p++) {
        int original = original_of(&network->set, p);
        if (original >= 0 && network->set.items[p].trained)
            gs_graph_moving_average(g, original, p, decay);
    }
}

void gs_network_code_size(const gs_model_config *config, int *h, int *w) {
    *h = config->height;
    *w = config->columns;
    for (int i = 1; i < config->encoder_levels; i++) {
        *h = (*h + 1) / 2;
        *w = (*w + 1) / 2;
    }
}
