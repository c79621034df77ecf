#include "engine/model/inference.h"

void gs_inference_build(gs_graph *g, const gs_network *network, gs_inference_op op, int batch,
                        gs_inference *out) {
    const gs_model_config *c = &network->config;
    *out = (gs_inference){0};
    out->images =
        gs_graph_input(g, "images", (gs_shape){batch, c->channels, c->height, c->columns});
    const gs_generator *generator = &network->generator;
    const gs_pass pass = {.kind = GS_PASS_INFERENCE};
    gs_encoding e = gs_network_encode(g, &generator->encoder, out->images, pass);
    if (op == GS_INFER_SEGMENT) {
        out->probability = gs_network_decode(g, gs_generator_segmenter(generator), e.code, &e,
                                             GS_DECODE_SEGMENTATION, pass);
        gs_graph_keep(g, out->probability, "probability");
        return;
    }
    gs_tensor *common = gs_network_common(g, network, e.code), *code = e.code;
    if (op == GS_INFER_INSERT) {
        int h, w;
        gs_network_code_size(c, &h, &w);
        out->unique = gs_graph_input(g, "u", (gs_shape){batch, c->unique_channels, h, w});
        code = gs_graph_concat_channels(g, common, out->unique);
    }
    out->healthy =
        gs_network_decode(g, &generator->decoder_common, common, &e, GS_DECODE_TRANSLATION, pass);
    out->residual =
        gs_network_decode(g, &generator->decoder_residual, code, &e, GS_DECODE_TRANSLATION, pass);
    gs_graph_keep(g, out->healthy, "healthy");
    gs_graph_keep(g, out->residual, "residual");
}
