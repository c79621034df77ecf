/* Passes and losses of the method (Vorontsov et al., arXiv 1904.01636) and of its ablations without
 * a translation; its baselines' are in baselines.c. */
#include "engine/model/objective_internal.h"

#include <math.h>

/* ---- Shared with the baselines ----------------------------------------------------------------
 */

void gs__step_add_part(gs_step *step, gs_term term, gs_tensor *loss, double scale) {
    int k = step->part_count[term]++;
    gs_assert(k < GS_TERM_PARTS);
    step->parts[term][k] = (struct gs_term_part){loss, scale};
}

gs_pass gs__step_pass(gs_step *step, gs_pass_kind kind) {
    bool follows = kind == GS_PASS_FOLLOWED && step->options.kind == GS_STEP_UPDATE;
    return (gs_pass){
        .kind = follows ? GS_PASS_FOLLOWED : GS_PASS_TRAINING,
        .dropout = step->options.objective.dropout > 0 ? &step->dropout : NULL,
    };
}

void gs__step_segmentation_loss(gs_graph *g, const gs_network *network, gs_step *step) {
    gs_shape mask = {step->options.annotated, 1, network->config.height, network->config.columns};
    step->target = gs_graph_input(g, "mask", mask);
    step->annotated = gs_graph_input(g, "annotated", mask);
    gs_tensor *segmented = gs_graph_batch_view(g, step->probability, 0, mask.n);
    gs__step_add_part(step, GS_TERM_SEG,
                      gs_graph_loss_dice(g, segmented, step->target, step->annotated), 1);
}

void gs__step_segment(gs_graph *g, const gs_network *network, gs_step *step) {
    int m = step->options.annotated;
    if (m == 0) return;
    gs_encoding annotated = gs_encoding_view(g, &step->source, 0, m);
    step->probability = gs_network_decode(g, gs_generator_segmenter(gs_network_trained(network)),
                                          annotated.code, &annotated, GS_DECODE_SEGMENTATION,
                                          gs__step_pass(step, GS_PASS_FOLLOWED));
    if (step->options.kind == GS_STEP_EVALUATE) gs_graph_keep(g, step->probability, "y_p");
    gs__step_segmentation_loss(g, network, step);
}

int gs__step_collect(const gs_step *step, gs_term term, int first, gs_loss_term *terms) {
    int count = 0;
    double weight = term < GS_TERM_DISC ? gs_objective_weight(&step->options.objective, term) : 1;
    if (term == GS_TERM_INFORMATION) weight = -1; /* its lower bound is maximised */
    for (int k = first; k < step->part_count[term]; k++)
        terms[count++] =
            (gs_loss_term){.loss = step->parts[term][k].loss,
                           .coefficient = (float)(weight * step->parts[term][k].scale)};
    return count;
}

/* The generator's objective. Of the adversarial term the gradient is known. */
static int collect_objective(const gs_step *step, gs_loss_term *terms) {
    int count = 0;
    for (gs_term t = GS_TERM_SEG; t <= GS_TERM_CON; t++)
        if (t != GS_TERM_ADV) count += gs__step_collect(step, t, 0, terms + count);
    for (int i = 0; i < 2; i++)
        if (step->adversarial[i].of) terms[count++] = step->adversarial[i];
    return count;
}

void gs__step_finish(gs_graph *g, const gs_network *network, gs_step *step) {
    gs_loss_term terms[GS_TERM_GEN * GS_TERM_PARTS];
    gs_group group = gs_network_trained_group(network);
    double decay = gs_objective_decay(&step->options.objective);
    gs_graph_backward(g, terms, collect_objective(step, terms), group);
    if (step->options.kind != GS_STEP_UPDATE) return;
    gs_graph_amsgrad(g, group);
    if (decay > 0) gs_network_average_student(g, network, decay);
}

/* ---- Passes -----------------------------------------------------------------------------------
 */

static bool samples_presence(const gs_step *step) {
    return step->options.objective.translation == GS_TRANSLATE_BOTH;
}

/* The codes that residuals are decoded from. */
static gs_tensor *residual_codes(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs;
    gs_tensor *code_p = gs_graph_batch_view(g, step->source.code, 0, n);
    if (!samples_presence(step)) return code_p;
    gs_tensor *code_a = gs_graph_batch_view(g, step->source.code, n, n);
    gs_tensor *sampled =
        gs_graph_concat_channels(g, gs_network_common(g, network, code_a), step->unique);
    return gs_graph_concat_batch(g, code_p, sampled);
}

/* The generated images whose codes are compared: x_pp[, x_ap][, x_pa], x_aa. */
static gs_tensor *generated_images(gs_graph *g, const gs_step *step) {
    int n = step->options.pairs;
    gs_tensor *healthy = step->healthy;
    if (step->options.objective.translation == GS_TRANSLATE_NONE)
        healthy = gs_graph_batch_view(g, healthy, n, n);
    return gs_graph_concat_batch(g, step->diseased, healthy);
}

static void keep_outputs(gs_graph *g, gs_step *step) {
    if (step->options.kind == GS_STEP_UPDATE)
        return; /* only losses are read after a training step */
    gs_graph_keep(g, step->source.code, "s");
    gs_graph_keep(g, step->z, "z");
    gs_graph_keep(g, step->healthy, "x_pa, x_aa");
    gs_graph_keep(g, step->residual, "d_pp, d_ap");
    gs_graph_keep(g, step->diseased, "x_pp, x_ap");
    gs_graph_keep(g, step->generated.code, "s of x_pp, x_ap, x_pa, x_aa");
    gs_graph_keep(g, step->cycled, "x_apa");
}

/* Encodes both domains together, decodes the healthy images together and the residuals together. */
static void build_translation(gs_graph *g, const gs_network *network, gs_step *step) {
    const gs_generator *trained = gs_network_trained(network);
    int n = step->options.pairs;
    gs_pass first = gs__step_pass(step, GS_PASS_FOLLOWED);
    gs_pass again = gs__step_pass(step, GS_PASS_TRAINING);
    gs_tensor *common = gs_network_common(g, network, step->source.code);
    step->z = residual_codes(g, network, step);
    if (!step->z) return; /* the graph holds the error */
    gs_encoding maps = gs_encoding_view(g, &step->source, 0, gs_tensor_shape(step->z).n);
    step->healthy = gs_network_decode(g, &trained->decoder_common, common, &step->source,
                                      GS_DECODE_TRANSLATION, first);
    step->residual = gs_network_decode(g, &trained->decoder_residual, step->z, &maps,
                                       GS_DECODE_TRANSLATION, first);
    step->diseased = gs_graph_add(
        g, gs_graph_batch_view(g, step->healthy, 0, gs_tensor_shape(step->z).n), step->residual);
    step->generated = gs_network_encode(g, &trained->encoder, generated_images(g, step), again);
    if (samples_presence(step)) {
        gs_encoding of_ap = gs_encoding_view(g, &step->generated, n, n);
        step->cycled = gs_network_decode(g, &trained->decoder_common,
                                         gs_network_common(g, network, of_ap.code), &of_ap,
                                         GS_DECODE_TRANSLATION, again);
    }
    keep_outputs(g, step);
}

/* ---- Losses -----------------------------------------------------------------------------------
 */

/* A discriminator's loss and, while its maps are there, gradient. It learns on detached images:
 * nothing of the generator is differentiated here. */
static void build_disc_loss(gs_graph *g, gs_step *step, const gs_discriminator *disc,
                            gs_tensor *real, gs_tensor *fake) {
    gs_tensor *scores[GS_DISC_SCALES];
    gs_loss_term terms[GS_TERM_PARTS];
    int first = step->part_count[GS_TERM_DISC];
    gs_network_discriminate(g, disc, gs_graph_concat_batch(g, real, fake), scores);
    for (int s = 0; s < GS_DISC_SCALES; s++)
        gs__step_add_part(step, GS_TERM_DISC,
                          gs_graph_loss_hinge(g, scores[s], step->options.pairs),
                          1.0 / GS_DISC_SCALES);
    gs_graph_backward(g, terms, gs__step_collect(step, GS_TERM_DISC, first, terms),
                      GS_GROUP_DISCRIMINATOR);
}

/* What a discriminator says of generated images, and at once how that depends on them: its maps are
 * not kept until the generator is differentiated. */
static gs_loss_term build_adversarial(gs_graph *g, gs_step *step, const gs_discriminator *disc,
                                      gs_tensor *fake) {
    gs_tensor *scores[GS_DISC_SCALES];
    gs_loss_term terms[GS_TERM_PARTS];
    int first = step->part_count[GS_TERM_ADV];
    gs_network_discriminate(g, disc, fake, scores);
    for (int s = 0; s < GS_DISC_SCALES; s++)
        gs__step_add_part(step, GS_TERM_ADV, gs_graph_loss_negative_mean(g, scores[s]),
                          1.0 / GS_DISC_SCALES);
    int count = gs__step_collect(step, GS_TERM_ADV, first, terms);
    return (gs_loss_term){.of = fake, .gradient = gs_graph_gradient_of(g, terms, count, fake)};
}

static void build_adversaries(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs;
    bool inserts = samples_presence(step);
    if (!gs_objective_has_term(&step->options.objective, GS_TERM_DISC)) return;
    gs_tensor *x_p = gs_graph_batch_view(g, step->images, 0, n);
    gs_tensor *x_a = gs_graph_batch_view(g, step->images, n, n);
    gs_tensor *x_pa = gs_graph_batch_view(g, step->healthy, 0, n);
    gs_tensor *x_ap = inserts ? gs_graph_batch_view(g, step->diseased, n, n) : NULL;
    build_disc_loss(g, step, &network->disc_a, x_a, x_pa);
    if (inserts) build_disc_loss(g, step, &network->disc_p, x_p, x_ap);
    if (step->options.kind == GS_STEP_UPDATE) gs_graph_amsgrad(g, GS_GROUP_DISCRIMINATOR);
    step->adversarial[0] = build_adversarial(g, step, &network->disc_a, x_pa);
    if (inserts) step->adversarial[1] = build_adversarial(g, step, &network->disc_p, x_ap);
}

/* L1 over a batch of two domains is the mean of the domains' L1: their sum is twice that. */
static void build_reconstruction(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs, from_presence = 0;
    gs_tensor *x_p = gs_graph_batch_view(g, step->images, 0, n);
    gs_tensor *x_a = gs_graph_batch_view(g, step->images, n, n);
    gs__step_add_part(step, GS_TERM_REC,
                      gs_graph_loss_l1(g, gs_graph_batch_view(g, step->diseased, 0, n), x_p), 1);
    gs__step_add_part(step, GS_TERM_REC,
                      gs_graph_loss_l1(g, gs_graph_batch_view(g, step->healthy, n, n), x_a), 1);
    if (samples_presence(step))
        gs__step_add_part(step, GS_TERM_CYC, gs_graph_loss_l1(g, step->cycled, x_a), 1);
    if (!step->z || !step->generated.code) return;
    int whole = gs_tensor_shape(step->z).n, all = gs_tensor_shape(step->generated.code).n;
    gs__step_add_part(
        step, GS_TERM_LAT,
        gs_graph_loss_l1(g, gs_graph_batch_view(g, step->generated.code, 0, whole), step->z),
        (double)whole / n);
    if (step->options.objective.translation == GS_TRANSLATE_NONE) from_presence = n;
    gs_tensor *again = gs_graph_batch_view(g, step->generated.code, whole, all - whole);
    gs_tensor *source =
        gs_graph_batch_view(g, step->source.code, from_presence, 2 * n - from_presence);
    gs__step_add_part(step, GS_TERM_LAT,
                      gs_graph_loss_l1(g, gs_network_common(g, network, again),
                                       gs_network_common(g, network, source)),
                      (double)(all - whole) / n);
}

/* ---- Steps of the methods ---------------------------------------------------------------------
 */

static void encode_source(gs_graph *g, const gs_network *network, gs_step *step) {
    step->source = gs_network_encode(g, &gs_network_trained(network)->encoder, step->images,
                                     gs__step_pass(step, GS_PASS_FOLLOWED));
}

static void build_genseg(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs, h, w;
    gs_network_code_size(&network->config, &h, &w);
    if (samples_presence(step))
        step->unique = gs_graph_input(g, "u", (gs_shape){n, network->config.unique_channels, h, w});
    encode_source(g, network, step);
    build_translation(g, network, step);
    gs__step_segment(g, network, step);
    build_adversaries(g, network, step);
    build_reconstruction(g, network, step);
    gs__step_information(g, network, step);
    gs__step_finish(g, network, step);
}

void gs_step_build(gs_graph *g, const gs_network *network, const gs_step_options *options,
                   gs_step *step) {
    const gs_model_config *c = &network->config;
    gs_training_method method = options->objective.method;
    int images = gs_method_get(method)->uses_absence ? 2 * options->pairs : options->pairs;
    *step = (gs_step){.options = *options};
    for (gs_group group = 0; options->kind == GS_STEP_UPDATE && group < GS_GROUP_COUNT; group++)
        gs_network_iterate_power(g, network, group);
    step->images =
        gs_graph_input(g, "images", (gs_shape){images, c->channels, c->height, c->columns});
    switch (method) {
    case GS_TRAINING_AUTOENCODER:
        gs__step_autoencoder(g, network, step);
        break;
    case GS_TRAINING_MEAN_TEACHER:
        gs__step_mean_teacher(g, network, step);
        break;
    case GS_TRAINING_SEGMENTATION_ONLY:
        encode_source(g, network, step);
        gs__step_segment(g, network, step);
        gs__step_finish(g, network, step);
        break;
    default:
        build_genseg(g, network, step);
    }
}

void gs_step_losses(const gs_step *step, gs_loss_reader *read, const void *plan,
                    double terms_out[GS_TERM_COUNT]) {
    double total = 0;
    for (gs_term t = 0; t < GS_TERM_GEN; t++) {
        terms_out[t] = 0;
        for (int k = 0; k < step->part_count[t]; k++)
            terms_out[t] += step->parts[t][k].scale * read(plan, step->parts[t][k].loss);
        if (t < GS_TERM_DISC && step->part_count[t] > 0)
            total += gs_objective_weight(&step->options.objective, t) * terms_out[t];
    }
    terms_out[GS_TERM_GEN] = total;
}
