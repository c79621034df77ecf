/* Preparation of a convolution's input: normalise, activate, upsample, crop, pad. */
#include "engine/graph/graph_internal.h"

#include "base/memory.h"

/* Padding before and after, and the size a map has once padded, along one axis. */
typedef struct padding {
    int low, high;
} padding;

/* The reference program's padding: low (K-1)/2, high K/2 at stride 1 and (K-1)/2 at stride 2. */
static padding padding_for(int kernel, int stride) {
    if (kernel <= 1) return (padding){0, 0};
    return (padding){(kernel - 1) / 2, (kernel - (stride == 2 ? 1 : 0)) / 2};
}

static bool axis_map_alloc(gs_axis_map *map, int in, int out) {
    map->in = in;
    map->out = out;
    map->source = gs_alloc((size_t)out, sizeof *map->source);
    map->first = gs_alloc((size_t)in + 1, sizeof *map->first);
    map->uses = gs_alloc((size_t)out, sizeof *map->uses);
    if (map->source && map->first && map->uses) return true;
    gs__axis_map_free(map);
    *map = (gs_axis_map){0};
    return false;
}

/* Lists for every input row the output rows made from it. */
static void axis_map_invert(gs_axis_map *map) {
    for (int o = 0; o < map->out; o++)
        if (map->source[o] >= 0) map->first[map->source[o] + 1]++;
    for (int i = 0; i < map->in; i++) map->first[i + 1] += map->first[i];
    for (int o = map->out - 1; o >= 0; o--)
        if (map->source[o] >= 0) map->uses[--map->first[map->source[o] + 1]] = o;
    /* first[i+1] now holds the start of i's list: shift back to first[i]. */
    for (int i = 0; i < map->in; i++) map->first[i] = map->first[i + 1];
    int total = 0;
    for (int o = 0; o < map->out; o++) total += map->source[o] >= 0;
    map->first[map->in] = total;
}

/* One copy of the outermost rows around. */
static bool axis_map_replicate(gs_axis_map *map, int in) {
    if (!axis_map_alloc(map, in, in + 2)) return false;
    for (int o = 0; o < in + 2; o++) map->source[o] = o == 0 ? 0 : o > in ? in - 1 : o - 1;
    axis_map_invert(map);
    return true;
}

/* in: rows of x. factor: 1 or 2 (upsampling). reflect: else zeros outside. out: rows of the result.
 */
static bool axis_map_make(gs_axis_map *map, int in, int factor, padding pad, bool reflect,
                          int out) {
    if (!axis_map_alloc(map, in, out)) return false;
    int size = in * factor;
    for (int o = 0; o < out; o++) {
        int at = o - pad.low;
        if (reflect && at < 0) at = -at;
        if (reflect && at >= size && at < size + pad.high) at = 2 * size - 2 - at;
        map->source[o] = at >= 0 && at < size ? at / factor : -1;
    }
    axis_map_invert(map);
    return true;
}

/* Rows that the convolution's input has: everything, or just what `crop` rows of its output read.
 */
static int prepared_size(int size, padding pad, int kernel, int stride, int crop) {
    int all = size + pad.low + pad.high;
    if (kernel < 1) kernel = 1;
    if (all < kernel) all = kernel;
    int wanted = crop > 0 ? (crop - 1) * stride + kernel : all;
    return wanted < all ? wanted : all;
}

static gs_tensor *find_statistics(gs_graph *graph, const gs_tensor *x, gs_norm norm) {
    for (int i = 0; i < graph->node_count; i++) {
        const gs_node *node = graph->nodes[i];
        if (node->op == GS_OP_NORM_STATISTICS && node->in[0] == x && node->as.prepare.norm == norm)
            return node->out[0];
    }
    return NULL;
}

/* [N, 2·C (or 2), 1, 1]: all means, then all 1/sqrt(variance + epsilon), per sample. A view of a
 * normalised tensor takes the view of its statistics. */
static gs_tensor *statistics(gs_graph *graph, gs_tensor *x, gs_norm norm) {
    gs_tensor *owner = x->base ? x->base : x;
    gs_tensor *found = find_statistics(graph, owner, norm);
    if (found) return gs_graph_batch_view(graph, found, x->view_from, x->shape.n);
    found = find_statistics(graph, x, norm);
    if (found) return found;
    gs_node *node = gs__node_new(graph, GS_OP_NORM_STATISTICS, 1, &x);
    if (!node) return NULL;
    node->as.prepare.norm = norm;
    int groups = norm == GS_NORM_INSTANCE ? x->shape.c : 1;
    return gs__node_output(graph, node, 0, (gs_shape){x->shape.n, 2 * groups, 1, 1});
}

/* Fills the node's maps; returns the size of the prepared map. */
static gs_shape make_maps(gs_graph *graph, gs_node *node, gs_shape s, const gs_prepare_params *p) {
    int factor = p->upsample ? 2 : 1, stride = p->stride ? p->stride : 1;
    padding pad = padding_for(p->kernel, stride);
    bool reflect = pad.low < s.h * factor && pad.high < s.h * factor && pad.low < s.w * factor &&
                   pad.high < s.w * factor;
    gs_shape out = {s.n, s.c, prepared_size(s.h * factor, pad, p->kernel, stride, p->crop_h),
                    prepared_size(s.w * factor, pad, p->kernel, stride, p->crop_w)};
    if (p->replicate) out.h = s.h + 2, out.w = s.w + 2;
    gs_axis_map *rows = &node->as.prepare.rows, *columns = &node->as.prepare.columns;
    bool made = p->replicate ? axis_map_replicate(rows, s.h) && axis_map_replicate(columns, s.w)
                             : axis_map_make(rows, s.h, factor, pad, reflect, out.h) &&
                                   axis_map_make(columns, s.w, factor, pad, reflect, out.w);
    if (!made) gs__graph_fail(graph, GS_OUT_OF_MEMORY, "no memory for a padding map");
    return out;
}

static bool is_affine(const gs_prepare_params *p) {
    return p->norm == GS_NORM_LAYER || p->norm == GS_NORM_BATCH ||
           (p->norm == GS_NORM_INSTANCE && p->affine);
}

gs_tensor *gs_graph_prepare(gs_graph *graph, gs_tensor *x, gs_prepare_params p) {
    if (!x || graph->error.status != GS_OK) return NULL;
    gs_shape s = x->shape;
    gs_tensor *in[4] = {x};
    if (p.norm == GS_NORM_BATCH && !p.statistics) return NULL; /* making them failed */
    if (p.norm == GS_NORM_BATCH) in[1] = p.statistics;
    if (p.norm == GS_NORM_INSTANCE || p.norm == GS_NORM_LAYER) in[1] = statistics(graph, x, p.norm);
    if (in[1] && p.norm == GS_NORM_BATCH && (in[1]->shape.n != s.n || in[1]->shape.c != 2 * s.c))
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "statistics [%d,%d] of a map [%d,%d,%d,%d]",
                              in[1]->shape.n, in[1]->shape.c, s.n, s.c, s.h, s.w);
    if (is_affine(&p)) {
        in[2] = gs_graph_parameter(graph, p.gamma);
        in[3] = gs_graph_parameter(graph, p.beta);
        if (in[2] && in[2]->shape.c != s.c)
            return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "%s scales %d channels, not %d",
                                  in[2]->name, in[2]->shape.c, s.c);
    }
    gs_node *node = gs__node_new(graph, GS_OP_PREPARE, 4, in);
    if (!node) return NULL;
    node->as.prepare.norm = p.norm;
    node->as.prepare.activate = p.activate;
    node->as.prepare.slope = p.slope;
    gs_shape out = make_maps(graph, node, s, &p);
    return gs__node_output(graph, node, 0, out);
}

/* The gradient node borrows the forward node's maps: both live as long as the graph. */
void gs__prepare_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                      float coefficient) {
    (void)coefficient;
    gs_graph *graph = gs__backward_graph(backward);
    gs_tensor *in[] = {gradient, node->in[0], node->in[1], node->in[2], node->in[3]};
    gs_node *added = gs__node_new(graph, GS_OP_PREPARE_GRADIENT, 5, in);
    if (!added) return;
    added->as.prepare = node->as.prepare;
    gs__contribute(backward, node->in[0], gs__node_output(graph, added, 0, node->in[0]->shape), 0,
                   0);
    bool is_batch = node->as.prepare.norm == GS_NORM_BATCH;
    gs_tensor *affine[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        if (!is_batch && !gs__needs_gradient(backward, node->in[2 + i])) continue;
        affine[i] = gs__node_output(graph, added, 1 + i, node->in[2 + i]->shape);
        gs__contribute(backward, node->in[2 + i], affine[i], 0, 0);
    }
    if (is_batch && affine[0] && affine[1])
        gs__batch_norm_contribute(backward, node->in[0], node->in[1], node->in[2], affine[0],
                                  affine[1]);
}
