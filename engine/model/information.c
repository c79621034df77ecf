/* The mutual information of the common and the unique code, estimated while a model trains. */
#include "engine/model/objective_internal.h"

/* MINE (Belghazi et al., arXiv 1801.04062): I(c, u) >= mean T(c, u) - log mean exp T(c, u'), T a
 * network that is trained to make this large, u' the unique code of another image. The codes are
 * constants to it. Pairs are the pixels of the codes of presence images; of those it needs two. */
void gs__step_information(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs;
    if (!step->options.objective.estimates_information) return;
    gs_tensor *code = gs_graph_batch_view(g, step->source.code, 0, n);
    gs_tensor *common = gs_network_common(g, network, code);
    if (!common) return;
    int from = gs_tensor_shape(common).c, count = network->config.unique_channels;
    gs_tensor *unique = gs_graph_slice_channels(g, code, from, count);
    gs_tensor *others = gs_graph_concat_batch(g, gs_graph_batch_view(g, unique, 1, n - 1),
                                              gs_graph_batch_view(g, unique, 0, 1));
    gs_tensor *joint = gs_network_estimate(g, &network->estimator, code);
    gs_tensor *apart =
        gs_network_estimate(g, &network->estimator, gs_graph_concat_channels(g, common, others));
    gs__step_add_part(step, GS_TERM_INFORMATION, gs_graph_loss_negative_mean(g, joint), -1);
    gs__step_add_part(step, GS_TERM_INFORMATION, gs_graph_loss_log_mean_exp(g, apart), -1);
    gs_loss_term terms[GS_TERM_PARTS];
    gs_graph_backward(g, terms, gs__step_collect(step, GS_TERM_INFORMATION, 0, terms),
                      GS_GROUP_ESTIMATOR);
    if (step->options.kind == GS_STEP_UPDATE) gs_graph_amsgrad(g, GS_GROUP_ESTIMATOR);
}
