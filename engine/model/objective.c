/* Passes and losses of the method (Vorontsov et al., arXiv 1904.01636, section 2). */
#include "engine/model/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Names and numbers ------------------------------------------------------------------------ */

static const char *const term_names[] = {"seg", "adv", "rec", "lat", "cyc", "disc", "gen"};

const char *gs_term_name(gs_term term) {
    return term_names[term];
}

gs_loss_weights gs_loss_weights_default(void) {
    return (gs_loss_weights){.seg = 0.01, .adv = 3, .rec = 50, .lat = 1, .cyc = 50};
}

static double *weight_of(gs_loss_weights *w, const char *name, size_t length) {
    double *const fields[] = {&w->seg, &w->adv, &w->rec, &w->lat, &w->cyc};
    for (int i = 0; i < 5; i++)
        if (strlen(term_names[i]) == length && strncmp(name, term_names[i], length) == 0)
            return fields[i];
    return NULL;
}

gs_status gs_loss_weights_parse(const char *text, gs_loss_weights *out, gs_error *err) {
    gs_loss_weights w = gs_loss_weights_default();
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "=,");
        double *field = weight_of(&w, at, length);
        if (!field || at[length] != '=')
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "loss weights \"%.100s\": expected seg|adv|rec|lat|cyc=NUMBER,…", text);
        char *end;
        *field = strtod(at + length + 1, &end);
        if (end == at + length + 1 || (*end && *end != ',') || !isfinite(*field) || *field < 0)
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "loss weights \"%.100s\": %.*s is not a number of at least 0", text,
                           (int)length, at);
        at = *end ? end + 1 : end;
    }
    if (!(w.seg + w.adv + w.rec + w.lat + w.cyc > 0))
        return gs_fail(err, GS_INVALID_ARGUMENT, "all loss weights are 0");
    *out = w;
    return GS_OK;
}

static const char *const method_names[] = {"genseg", "segmentation_only"};

gs_status gs_training_method_parse(const char *name, gs_training_method *out, gs_error *err) {
    for (int i = 0; i < 2; i++)
        if (strcmp(name, method_names[i]) == 0) {
            *out = (gs_training_method)i;
            return GS_OK;
        }
    return gs_fail(err, GS_NOT_FOUND, "no method \"%.40s\": there are genseg and segmentation_only",
                   name);
}

const char *gs_training_method_name(gs_training_method method) {
    return method_names[method];
}

/* ---- Passes ----------------------------------------------------------------------------------- */

static void add_part(gs_step *step, gs_term term, gs_tensor *loss, double scale) {
    int k = step->part_count[term]++;
    gs_assert(k < GS_TERM_PARTS);
    step->parts[term][k] = (struct gs_term_part){loss, scale};
}

static void build_segmentation(gs_graph *g, const gs_network *network, gs_step *step) {
    int m = step->options.annotated;
    if (m == 0) return;
    gs_shape mask = {m, 1, network->config.height, network->config.columns};
    step->target = gs_graph_input(g, "mask", mask);
    step->annotated = gs_graph_input(g, "annotated", mask);
    gs_encoding annotated = gs_encoding_view(g, &step->source, 0, m);
    step->probability = gs_network_decode(g, &network->decoder_residual, annotated.code, &annotated,
                                          GS_DECODE_SEGMENTATION);
    if (step->options.kind == GS_STEP_EVALUATE) gs_graph_keep(g, step->probability, "y_p");
    add_part(step, GS_TERM_SEG,
             gs_graph_loss_dice(g, step->probability, step->target, step->annotated), 1);
}

/* Encodes both domains together, decodes the healthy images together and the residuals together. */
static void build_translation(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs;
    gs_tensor *code_p = gs_graph_batch_view(g, step->source.code, 0, n);
    gs_tensor *code_a = gs_graph_batch_view(g, step->source.code, n, n);
    gs_tensor *common = gs_network_common(g, network, step->source.code);
    gs_tensor *sampled =
        gs_graph_concat_channels(g, gs_network_common(g, network, code_a), step->unique);
    step->z = gs_graph_concat_batch(g, code_p, sampled);
    step->healthy = gs_network_decode(g, &network->decoder_common, common, &step->source,
                                      GS_DECODE_TRANSLATION);
    step->residual = gs_network_decode(g, &network->decoder_residual, step->z, &step->source,
                                       GS_DECODE_TRANSLATION);
    step->diseased = gs_graph_add(g, step->healthy, step->residual);
    gs_tensor *generated = gs_graph_concat_batch(g, step->diseased, step->healthy);
    step->generated = gs_network_encode(g, network, generated);
    gs_encoding again = gs_encoding_view(g, &step->generated, n, n);
    step->cycled = gs_network_decode(g, &network->decoder_common,
                                     gs_network_common(g, network, again.code), &again,
                                     GS_DECODE_TRANSLATION);
    if (step->options.kind == GS_STEP_UPDATE) return; /* only losses are read after a training step */
    gs_graph_keep(g, step->source.code, "s");
    gs_graph_keep(g, step->z, "z");
    gs_graph_keep(g, step->healthy, "x_pa, x_aa");
    gs_graph_keep(g, step->residual, "d_pp, d_ap");
    gs_graph_keep(g, step->diseased, "x_pp, x_ap");
    gs_graph_keep(g, step->generated.code, "s of x_pp, x_ap, x_pa, x_aa");
    gs_graph_keep(g, step->cycled, "x_apa");
}

/* ---- Losses ----------------------------------------------------------------------------------- */

static void build_disc_loss(gs_graph *g, gs_step *step, const gs_discriminator *disc,
                            gs_tensor *real, gs_tensor *fake) {
    gs_tensor *scores[GS_DISC_SCALES];
    gs_network_discriminate(g, disc, gs_graph_concat_batch(g, real, fake), scores);
    for (int s = 0; s < GS_DISC_SCALES; s++)
        add_part(step, GS_TERM_DISC, gs_graph_loss_hinge(g, scores[s], step->options.pairs),
                 1.0 / GS_DISC_SCALES);
}

static void build_adversarial(gs_graph *g, gs_step *step, const gs_discriminator *disc,
                              gs_tensor *fake) {
    gs_tensor *scores[GS_DISC_SCALES];
    gs_network_discriminate(g, disc, fake, scores);
    for (int s = 0; s < GS_DISC_SCALES; s++)
        add_part(step, GS_TERM_ADV, gs_graph_loss_negative_mean(g, scores[s]), 1.0 / GS_DISC_SCALES);
}

/* L1 over a batch of 2N is the mean of the two domains' L1: their sum is twice that. */
static void build_reconstruction(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs;
    gs_tensor *x_p = gs_graph_batch_view(g, step->images, 0, n);
    gs_tensor *x_a = gs_graph_batch_view(g, step->images, n, n);
    add_part(step, GS_TERM_REC,
             gs_graph_loss_l1(g, gs_graph_batch_view(g, step->diseased, 0, n), x_p), 1);
    add_part(step, GS_TERM_REC,
             gs_graph_loss_l1(g, gs_graph_batch_view(g, step->healthy, n, n), x_a), 1);
    add_part(step, GS_TERM_CYC, gs_graph_loss_l1(g, step->cycled, x_a), 1);
    gs_tensor *whole = gs_graph_batch_view(g, step->generated.code, 0, 2 * n);
    gs_tensor *common = gs_graph_batch_view(g, step->generated.code, 2 * n, 2 * n);
    add_part(step, GS_TERM_LAT, gs_graph_loss_l1(g, whole, step->z), 2);
    add_part(step, GS_TERM_LAT,
             gs_graph_loss_l1(g, gs_network_common(g, network, common),
                              gs_network_common(g, network, step->source.code)),
             2);
}

static double weight_value(const gs_loss_weights *w, gs_term term) {
    const double all[] = {w->seg, w->adv, w->rec, w->lat, w->cyc};
    return all[term] / (w->seg + w->adv + w->rec + w->lat + w->cyc);
}

/* d objective/d part for the parts of one or more terms; returns how many. */
static int collect_terms(const gs_step *step, gs_term from, gs_term to, gs_loss_term *terms) {
    int count = 0;
    for (gs_term t = from; t <= to; t++)
        for (int k = 0; k < step->part_count[t]; k++) {
            double weight = t == GS_TERM_DISC ? 1 : weight_value(&step->options.weights, t);
            terms[count++] = (gs_loss_term){step->parts[t][k].loss,
                                            (float)(weight * step->parts[t][k].scale)};
        }
    return count;
}

/* Both discriminators learn on detached images: nothing of the generator is differentiated here. */
static void build_disc_phase(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs;
    gs_loss_term terms[GS_TERM_GEN * GS_TERM_PARTS];
    build_disc_loss(g, step, &network->disc_a, gs_graph_batch_view(g, step->images, n, n),
                    gs_graph_batch_view(g, step->healthy, 0, n));
    build_disc_loss(g, step, &network->disc_p, gs_graph_batch_view(g, step->images, 0, n),
                    gs_graph_batch_view(g, step->diseased, n, n));
    gs_graph_backward(g, terms, collect_terms(step, GS_TERM_DISC, GS_TERM_DISC, terms),
                      GS_GROUP_DISCRIMINATOR);
    if (step->options.kind == GS_STEP_UPDATE) gs_graph_amsgrad(g, GS_GROUP_DISCRIMINATOR);
}

void gs_step_build(gs_graph *g, const gs_network *network, const gs_step_options *options,
                   gs_step *step) {
    const gs_model_config *c = &network->config;
    bool translates = options->method == GS_TRAINING_GENSEG;
    int n = options->pairs, h, w;
    *step = (gs_step){.options = *options};
    gs_network_code_size(c, &h, &w);
    if (options->kind == GS_STEP_UPDATE) {
        gs_network_iterate_power(g, network, GS_GROUP_GENERATOR);
        if (translates) gs_network_iterate_power(g, network, GS_GROUP_DISCRIMINATOR);
    }
    step->images = gs_graph_input(
        g, "images", (gs_shape){translates ? 2 * n : n, c->channels, c->height, c->columns});
    if (translates)
        step->unique = gs_graph_input(g, "u", (gs_shape){n, c->unique_channels, h, w});
    step->source = gs_network_encode(g, network, step->images);
    if (translates) build_translation(g, network, step);
    build_segmentation(g, network, step);
    if (translates) {
        build_disc_phase(g, network, step);
        build_adversarial(g, step, &network->disc_a, gs_graph_batch_view(g, step->healthy, 0, n));
        build_adversarial(g, step, &network->disc_p, gs_graph_batch_view(g, step->diseased, n, n));
        build_reconstruction(g, network, step);
    }
    gs_loss_term terms[GS_TERM_GEN * GS_TERM_PARTS];
    int count = collect_terms(step, GS_TERM_SEG, GS_TERM_CYC, terms);
    if (!translates) /* the only term: its weight divided by itself */
        for (int i = 0; i < count; i++) terms[i].coefficient = 1;
    gs_graph_backward(g, terms, count, GS_GROUP_GENERATOR);
    if (options->kind == GS_STEP_UPDATE) gs_graph_amsgrad(g, GS_GROUP_GENERATOR);
}

void gs_step_losses(const gs_step *step, gs_loss_reader *read, const void *plan,
                    double terms_out[GS_TERM_COUNT]) {
    double total = 0;
    for (gs_term t = 0; t < GS_TERM_GEN; t++) {
        terms_out[t] = 0;
        for (int k = 0; k < step->part_count[t]; k++)
            terms_out[t] += step->parts[t][k].scale * read(plan, step->parts[t][k].loss);
        if (t != GS_TERM_DISC) total += weight_value(&step->options.weights, t) * terms_out[t];
    }
    terms_out[GS_TERM_GEN] = step->options.method == GS_TRAINING_GENSEG ? total : terms_out[GS_TERM_SEG];
}
