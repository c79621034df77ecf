/* Passes through the networks: how they append to a graph. */
#include "engine/model/network.h"

#include <stdio.h>

#define DISC_SLOPE 0.2f

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

/* Normalisation of x by a layer, as a part of the preparation of what follows. */
static gs_prepare_params normalize(gs_graph *g, const gs_norm_layer *layer, gs_tensor *x,
                                   gs_pass pass) {
    gs_prepare_params p = {.norm = layer->norm, .gamma = layer->gamma, .beta = layer->beta};
    p.affine = layer->gamma >= 0;
    if (layer->norm != GS_NORM_BATCH || !x) return p;
    if (pass.kind == GS_PASS_INFERENCE) {
        p.statistics = gs_graph_running_statistics(g, layer->running_mean, layer->running_var,
                                                   gs_tensor_shape(x).n);
        return p;
    }
    p.statistics = gs_graph_batch_statistics(g, x);
    if (pass.kind == GS_PASS_FOLLOWED)
        gs_graph_update_statistics(g, layer->running_mean, layer->running_var, x);
    return p;
}

static gs_prepare_params normalize_relu(gs_graph *g, const gs_norm_layer *layer, gs_tensor *x,
                                        gs_pass pass) {
    gs_prepare_params p = normalize(g, layer, x, pass);
    p.activate = true;
    return p;
}

/* Drops some of the first `channels` channels of each sample of x. */
static gs_tensor *drop(gs_graph *g, gs_pass pass, gs_tensor *x, int channels) {
    gs_dropout *dropout = pass.dropout;
    if (!dropout || !x) return x;
    gs_assert(dropout->count < GS_MAX_DROPOUTS);
    char name[32];
    snprintf(name, sizeof name, "dropout %d", dropout->count);
    gs_shape s = gs_tensor_shape(x);
    gs_tensor *factors = gs_graph_input(g, name, (gs_shape){s.n, s.c, 1, 1});
    dropout->channels[dropout->count] = channels;
    dropout->factors[dropout->count++] = factors;
    return gs_graph_scale_channels(g, x, factors);
}

gs_encoding gs_network_encode(gs_graph *g, const gs_encoder *e, gs_tensor *images, gs_pass pass) {
    gs_encoding out = {.count = e->blocks};
    gs_tensor *x = prepare_and_convolve(g, e->conv0, images, (gs_prepare_params){0});
    for (int i = 0; i < e->blocks && x; i++) {
        out.maps[i] = x;
        gs_prepare_params p = normalize_relu(g, &e->norm[i], x, pass);
        gs_tensor *h = prepare_and_convolve(g, e->conv[i], x, p);
        if (h) h = drop(g, pass, h, gs_tensor_shape(h).c);
        x = gs_graph_add(g, h, convolve(g, e->shortcut[i], x));
    }
    out.code = gs_graph_prepare(g, x, normalize_relu(g, &e->norm[e->blocks], x, pass));
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

/* Block i: [norm, ReLU], upsampling, convolution [+ shortcut], cropped to the encoder map's size,
 * joined with that map as the decoder's skips are. A 1×1 convolution commutes with nearest
 * upsampling, so the shortcut is convolved at low resolution. */
static gs_tensor *decode_block(gs_graph *g, const gs_decoder *d, int i, const gs_norm_layer *norms,
                               gs_tensor *x, gs_tensor *map, gs_pass pass) {
    gs_shape size = gs_tensor_shape(map);
    gs_prepare_params p = {0};
    if (i > 0) p = normalize_relu(g, &norms[i], x, pass);
    p.crop_h = size.h;
    p.crop_w = size.w;
    gs_upsampled_conv layer = {.weight =
                                   gs_graph_effective_weight(g, d->conv[i].weight, d->conv[i].u),
                               .bias = gs_graph_parameter(g, d->conv[i].bias)};
    if (i > 0 && d->has_shortcuts) layer.low = convolve(g, d->shortcut[i], x);
    gs_tensor *skipped = NULL;
    if (d->skips != GS_SKIPS_NONE)
        skipped = d->skip_norm == GS_NORM_NONE
                      ? map
                      : gs_graph_prepare(g, map, (gs_prepare_params){.norm = d->skip_norm});
    if (d->skips == GS_SKIPS_COMPRESSED) layer.beside = convolve(g, d->skip[i], skipped);
    if (d->skips == GS_SKIPS_CONCATENATED) layer.beside = skipped;
    gs_tensor *y = gs_graph_upsampled_conv2d(g, x, p, &layer);
    if (d->skips == GS_SKIPS_SUM) y = gs_graph_add(g, y, skipped);
    return drop(g, pass, y, size.c);
}

gs_tensor *gs_network_decode(gs_graph *g, const gs_decoder *d, gs_tensor *code,
                             const gs_encoding *maps, gs_decoder_mode mode, gs_pass pass) {
    bool is_segmentation = mode == GS_DECODE_SEGMENTATION;
    const gs_norm_layer *norms = is_segmentation ? d->segmentation : d->translation;
    gs_tensor *x = code;
    for (int i = 0; i < d->blocks && x; i++) {
        gs_tensor *map = maps->maps[maps->count - 1 - i];
        if (!map) return NULL;
        x = decode_block(g, d, i, norms, x, map, pass);
    }
    gs_prepare_params last = normalize_relu(g, &norms[d->blocks], x, pass);
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
            gs_prepare_params leaky = normalize(g, &scale->norm[i], h, (gs_pass){0});
            leaky.activate = true;
            leaky.slope = DISC_SLOPE;
            h = prepare_and_convolve(g, scale->conv[i], h, leaky);
        }
        scores[s] = convolve(g, scale->score, h);
    }
}

gs_tensor *gs_network_estimate(gs_graph *g, const gs_estimator *e, gs_tensor *pairs) {
    gs_tensor *x = convolve(g, e->layers[0], pairs);
    for (int i = 1; i < GS_ESTIMATOR_LAYERS; i++)
        x = prepare_and_convolve(g, e->layers[i], x, (gs_prepare_params){.activate = true});
    return x;
}
