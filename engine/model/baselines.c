/* Steps of the paper's baselines (section 4.1) that are more than the segmentation loss. */
#include "engine/model/objective_internal.h"

void gs__step_autoencoder(gs_graph *g, const gs_network *network, gs_step *step) {
    const gs_generator *trained = gs_network_trained(network);
    gs_pass pass = gs__step_pass(step, GS_PASS_FOLLOWED);
    step->source = gs_network_encode(g, &trained->encoder, step->images, pass);
    gs__step_segment(g, network, step);
    gs_tensor *images = gs_network_decode(g, &trained->decoder_reconstruction, step->source.code,
                                          &step->source, GS_DECODE_TRANSLATION, pass);
    /* of two domains */
    gs__step_add_part(step, GS_TERM_REC, gs_graph_loss_l1(g, images, step->images), 2);
    gs__step_finish(g, network, step);
}

/* Probabilities of `images` by the teacher, which drops channels of its own. */
static gs_tensor *teach(gs_graph *g, const gs_network *network, gs_step *step, gs_tensor *images) {
    const gs_generator *teacher = &network->generator;
    gs_pass pass = gs__step_pass(step, GS_PASS_TRAINING);
    gs_encoding e = gs_network_encode(g, &teacher->encoder, images, pass);
    return gs_network_decode(g, gs_generator_segmenter(teacher), e.code, &e, GS_DECODE_SEGMENTATION,
                             pass);
}

/* The generator is the teacher: it is the moving average of the student, which learns from masks
 * and, where there are none, from the teacher. */
void gs__step_mean_teacher(gs_graph *g, const gs_network *network, gs_step *step) {
    int m = step->options.annotated, unannotated = step->options.pairs - m;
    gs_pass pass = gs__step_pass(step, GS_PASS_FOLLOWED);
    gs_encoding student = gs_network_encode(g, &network->student.encoder, step->images, pass);
    step->probability = gs_network_decode(g, gs_generator_segmenter(&network->student),
                                          student.code, &student, GS_DECODE_SEGMENTATION, pass);
    if (m > 0) gs__step_segmentation_loss(g, network, step);
    if (unannotated > 0) {
        gs_tensor *taught =
            teach(g, network, step, gs_graph_batch_view(g, step->images, m, unannotated));
        gs_tensor *own = gs_graph_batch_view(g, step->probability, m, unannotated);
        gs__step_add_part(step, GS_TERM_CON, gs_graph_loss_squared(g, own, taught), 1);
    }
    gs__step_finish(g, network, step);
}
