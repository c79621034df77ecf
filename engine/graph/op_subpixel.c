/* Upsampling and convolution at once: shapes and gradients.
 *
 * Nearest upsampling by 2 followed by a K×K convolution is, for each of the four positions (p,q) of
 * an output pixel within its low-resolution pixel ("phase"), a small convolution of the
 * low-resolution map: of the K taps several fall on the same pixel, and their weights add up. K = 5
 * leaves 3×3 taps of 25, K = 3 leaves 2×2 of 9. All four phases are one convolution with 4·O
 * outputs, then put in place by a pixel shuffle.
 *
 * At the edge the low-resolution map is padded by replication. For K = 3 that is what reflection of
 * the upsampled map gives. For K = 5 the outermost tap of the outermost row (column) should have
 * read the second pixel from the edge and got the first: the border terms add the difference, for
 * rows with columns read as they should be, then for columns with rows read as they were. */
#include "engine/graph/graph_internal.h"

/* What a node has made of this weight already, or NULL. A parameter itself may have changed since.
 */
static gs_tensor *find_made(const gs_graph *graph, gs_op op, const gs_tensor *weight) {
    if (weight->producer < 0) return NULL;
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->op == op && graph->nodes[i]->in[0] == weight)
            return graph->nodes[i]->out[0];
    return NULL;
}

static gs_tensor *made_of_weight(gs_graph *graph, gs_op op, gs_tensor *weight, gs_shape shape) {
    gs_tensor *found = find_made(graph, op, weight);
    if (found) return found;
    return gs__node_output(graph, gs__node_new(graph, op, 1, &weight), 0, shape);
}

/* [4·O, C, K', K']: phase (p,q) has the outputs from (2p+q)·O on. */
static gs_tensor *subpixel_weight(gs_graph *graph, gs_tensor *weight) {
    gs_shape w = weight->shape;
    int kernel = gs__subpixel_kernel(w.h);
    return made_of_weight(graph, GS_OP_SUBPIXEL_WEIGHT, weight,
                          (gs_shape){4 * w.n, w.c, kernel, kernel});
}

/* [4 sides, K, C, O]: the outermost rows and columns of the kernels, along the edge. */
static gs_tensor *border_weight(gs_graph *graph, gs_tensor *weight) {
    gs_shape w = weight->shape;
    return made_of_weight(graph, GS_OP_BORDER_WEIGHT, weight, (gs_shape){4, w.h, w.c, w.n});
}

/* padded [N,C,h+2,w+2] → [N,O,1,4·w+4·h]: what is missing in the output's first and last row, then
 * in its first and last column. */
static gs_tensor *border(gs_graph *graph, gs_tensor *padded, gs_tensor *weight) {
    if (!padded) return NULL;
    gs_shape s = padded->shape;
    gs_tensor *in[] = {padded, border_weight(graph, weight)};
    gs_node *node = gs__node_new(graph, GS_OP_BORDER, 2, in);
    return gs__node_output(graph, node, 0,
                           (gs_shape){s.n, weight->shape.n, 1, 4 * (s.w - 2) + 4 * (s.h - 2)});
}

/* The same from the parts: where a kernel or a map is none of those above. */
static gs_tensor *convolve_upsampled(gs_graph *graph, gs_tensor *x, gs_prepare_params p,
                                     const gs_upsampled_conv *layer) {
    p.upsample = true;
    gs_tensor *prepared = gs_graph_prepare(graph, x, p);
    gs_tensor *y = gs_graph_conv2d(graph, prepared, layer->weight, layer->bias, 1);
    if (layer->low) {
        gs_prepare_params enlarge = {.upsample = true, .crop_h = p.crop_h, .crop_w = p.crop_w};
        y = gs_graph_add(graph, y, gs_graph_prepare(graph, layer->low, enlarge));
    }
    return layer->beside ? gs_graph_concat_channels(graph, y, layer->beside) : y;
}

/* Reflection by (K-1)/2 pixels of the upsampled map must be possible. */
static bool has_subpixel_form(gs_shape x, gs_shape weight) {
    if (weight.h != weight.w) return false;
    return weight.h == 3 || (weight.h == 5 && x.h > 1 && x.w > 1);
}

static bool is_map(const gs_tensor *tensor, int n, int c, int h, int w) {
    return !tensor || gs__same_shape(tensor->shape, (gs_shape){n, c, h, w});
}

gs_tensor *gs_graph_upsampled_conv2d(gs_graph *graph, gs_tensor *x, gs_prepare_params p,
                                     const gs_upsampled_conv *layer) {
    gs_tensor *weight = layer->weight;
    if (!x || !weight || graph->error.status != GS_OK) return NULL;
    gs_shape s = x->shape, w = weight->shape;
    p.kernel = w.h, p.stride = 1;
    if (!has_subpixel_form(s, w)) return convolve_upsampled(graph, x, p, layer);
    gs_shape out = {s.n, w.n, 2 * s.h, 2 * s.w};
    if (p.crop_h > 0 && p.crop_h < out.h) out.h = p.crop_h;
    if (p.crop_w > 0 && p.crop_w < out.w) out.w = p.crop_w;
    int beside = layer->beside ? layer->beside->shape.c : 0;
    if (!is_map(layer->low, s.n, w.n, s.h, s.w) || !is_map(layer->bias, 1, w.n, 1, 1) ||
        !is_map(layer->beside, s.n, beside, out.h, out.w) || out.h < 2 * s.h - 1 ||
        out.w < 2 * s.w - 1)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "upsampling [%d,%d,%d,%d] to [%d,%d,%d,%d]",
                              s.n, s.c, s.h, s.w, out.n, out.c, out.h, out.w);
    p.replicate = true;
    gs_tensor *padded = gs_graph_prepare(graph, x, p);
    gs_tensor *phases = gs_graph_conv2d(graph, padded, subpixel_weight(graph, weight), NULL, 1);
    gs_tensor *in[] = {phases, layer->bias, layer->low,
                       w.h == 5 ? border(graph, padded, weight) : NULL, layer->beside};
    if (!phases) return NULL;
    gs_node *node = gs__node_new(graph, GS_OP_PIXEL_SHUFFLE, 5, in);
    out.c += beside;
    return gs__node_output(graph, node, 0, out);
}

/* ---- Gradients ------------------------------------------------------------------------------- */

/* Both kinds of weights are linear in what they are made of. */
static void weight_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient, gs_op op) {
    gs_graph *graph = gs__backward_graph(backward);
    gs_node *added = gs__node_new(graph, op, 1, &gradient);
    gs__contribute(backward, node->in[0], gs__node_output(graph, added, 0, node->in[0]->shape), 0,
                   0);
}

void gs__subpixel_weight_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                              float coefficient) {
    (void)coefficient;
    weight_rule(backward, node, gradient, GS_OP_SUBPIXEL_WEIGHT_GRADIENT);
}

void gs__border_weight_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                            float coefficient) {
    (void)coefficient;
    weight_rule(backward, node, gradient, GS_OP_BORDER_WEIGHT_GRADIENT);
}

/* Makes the gradient node's output for one input of the forward node, if anybody needs it. */
static void contribute_output(gs_backward *backward, gs_tensor *input, gs_node *added, int slot) {
    if (!gs__needs_gradient(backward, input)) return;
    gs_tensor *gradient = gs__node_output(gs__backward_graph(backward), added, slot, input->shape);
    gs__contribute(backward, input, gradient, 0, 0);
}

void gs__border_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                     float coefficient) {
    (void)coefficient;
    gs_tensor *in[] = {gradient, node->in[0], node->in[1]};
    gs_node *added = gs__node_new(gs__backward_graph(backward), GS_OP_BORDER_GRADIENT, 3, in);
    for (int i = 0; i < 2; i++) contribute_output(backward, node->in[i], added, i);
}

void gs__pixel_shuffle_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                            float coefficient) {
    (void)coefficient;
    gs_tensor *in[] = {gradient, node->in[0]};
    gs_node *added =
        gs__node_new(gs__backward_graph(backward), GS_OP_PIXEL_SHUFFLE_GRADIENT, 2, in);
    for (int i = 0; i < 5; i++) contribute_output(backward, node->in[i], added, i);
}
