/* Passes and losses of the method (Vorontsov et al., arXiv 1904.01636), and those of its baselines.
 */
#include "engine/model/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MEAN_TEACHER_DECAY 0.99

/* ---- Names and numbers ------------------------------------------------------------------------
 */

static const char *const term_names[] = {"seg", "adv", "rec", "lat", "cyc", "con", "disc", "gen"};

const char *gs_term_name(gs_term term) {
    return term_names[term];
}

gs_loss_weights gs_loss_weights_default(void) {
    return (gs_loss_weights){.seg = 0.01, .adv = 3, .rec = 50, .lat = 1, .cyc = 50, .con = 0.01};
}

static double *weight_of(gs_loss_weights *w, const char *name, size_t length) {
    double *const fields[] = {&w->seg, &w->adv, &w->rec, &w->lat, &w->cyc, &w->con};
    for (int i = 0; i < GS_TERM_DISC; i++)
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
                           "loss weights \"%.100s\": expected seg|adv|rec|lat|cyc|con=NUMBER,…",
                           text);
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

static const gs_method_traits methods[] = {
    [GS_TRAINING_GENSEG] = {"genseg", GS_PART_DISCRIMINATORS, .uses_absence = true,
                            .translates = true},
    [GS_TRAINING_SEGMENTATION_ONLY] = {"segmentation_only", GS_PARTS_GENERATOR,
                                       .only_annotated = true},
    [GS_TRAINING_AUTOENCODER] = {"autoencoder", GS_PART_RECONSTRUCTION, .uses_absence = true},
    [GS_TRAINING_MEAN_TEACHER] = {"mean_teacher", GS_PART_STUDENT},
};

const gs_method_traits *gs_method_get(gs_training_method method) {
    return &methods[method];
}

bool gs_method_has_term(gs_training_method method, gs_term term) {
    if (term == GS_TERM_SEG || term == GS_TERM_GEN) return true;
    switch (method) {
    case GS_TRAINING_GENSEG:
        return term != GS_TERM_CON;
    case GS_TRAINING_AUTOENCODER:
        return term == GS_TERM_REC;
    case GS_TRAINING_MEAN_TEACHER:
        return term == GS_TERM_CON;
    default:
        return false;
    }
}

gs_status gs_training_method_parse(const char *name, gs_training_method *out, gs_error *err) {
    for (int i = 0; i < GS_TRAINING_METHOD_COUNT; i++)
        if (strcmp(name, methods[i].name) == 0) {
            *out = (gs_training_method)i;
            return GS_OK;
        }
    return gs_fail(err, GS_NOT_FOUND,
                   "no method \"%.40s\": there are genseg, segmentation_only, autoencoder and "
                   "mean_teacher",
                   name);
}

/* ---- Passes -----------------------------------------------------------------------------------
 */

static void add_part(gs_step *step, gs_term term, gs_tensor *loss, double scale) {
    int k = step->part_count[term]++;
    gs_assert(k < GS_TERM_PARTS);
    step->parts[term][k] = (struct gs_term_part){loss, scale};
}

/* The loss of the first `annotated` samples of step->probability. */
static void build_segmentation_loss(gs_graph *g, const gs_network *network, gs_step *step) {
    gs_shape mask = {step->options.annotated, 1, network->config.height, network->config.columns};
    step->target = gs_graph_input(g, "mask", mask);
    step->annotated = gs_graph_input(g, "annotated", mask);
    gs_tensor *segmented = gs_graph_batch_view(g, step->probability, 0, mask.n);
    add_part(step, GS_TERM_SEG, gs_graph_loss_dice(g, segmented, step->target, step->annotated), 1);
}

static void build_segmentation(gs_graph *g, const gs_network *network, gs_step *step) {
    int m = step->options.annotated;
    if (m == 0) return;
    gs_encoding annotated = gs_encoding_view(g, &step->source, 0, m);
    step->probability = gs_network_decode(g, &network->decoder_residual, annotated.code, &annotated,
                                          GS_DECODE_SEGMENTATION);
    if (step->options.kind == GS_STEP_EVALUATE) gs_graph_keep(g, step->probability, "y_p");
    build_segmentation_loss(g, network, step);
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
    step->generated = gs_network_encode(g, &network->encoder, generated);
    gs_encoding again = gs_encoding_view(g, &step->generated, n, n);
    step->cycled =
        gs_network_decode(g, &network->decoder_common, gs_network_common(g, network, again.code),
                          &again, GS_DECODE_TRANSLATION);
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

/* ---- Losses -----------------------------------------------------------------------------------
 */

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

/* The coefficient of a term in the generator's objective: its λ as a part of the method's. */
static double weight_value(const gs_step_options *options, gs_term term) {
    const gs_loss_weights *w = &options->weights;
    const double all[] = {w->seg, w->adv, w->rec, w->lat, w->cyc};
    if (term == GS_TERM_CON) return w->con;
    if (options->method == GS_TRAINING_MEAN_TEACHER) return 1; /* con is beside this */
    double sum = 0;
    for (gs_term t = GS_TERM_SEG; t < GS_TERM_CON; t++)
        if (gs_method_has_term(options->method, t)) sum += all[t];
    return sum > 0 ? all[term] / sum : 0;
}

/* The parts of a term from `first` on, as parts of what is differentiated. */
static int collect_parts(const gs_step *step, gs_term term, int first, gs_loss_term *terms) {
    int count = 0;
    double weight = term == GS_TERM_DISC ? 1 : weight_value(&step->options, term);
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
        if (t != GS_TERM_ADV) count += collect_parts(step, t, 0, terms + count);
    for (int i = 0; i < 2; i++)
        if (step->adversarial[i].of) terms[count++] = step->adversarial[i];
    return count;
}

/* A discriminator's loss and, while its maps are there, gradient. It learns on detached images:
 * nothing of the generator is differentiated here. */
static void build_disc_loss(gs_graph *g, gs_step *step, const gs_discriminator *disc,
                            gs_tensor *real, gs_tensor *fake) {
    gs_tensor *scores[GS_DISC_SCALES];
    gs_loss_term terms[GS_TERM_PARTS];
    int first = step->part_count[GS_TERM_DISC];
    gs_network_discriminate(g, disc, gs_graph_concat_batch(g, real, fake), scores);
    for (int s = 0; s < GS_DISC_SCALES; s++)
        add_part(step, GS_TERM_DISC, gs_graph_loss_hinge(g, scores[s], step->options.pairs),
                 1.0 / GS_DISC_SCALES);
    gs_graph_backward(g, terms, collect_parts(step, GS_TERM_DISC, first, terms),
                      GS_GROUP_DISCRIMINATOR);
}

static void build_disc_phase(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs;
    build_disc_loss(g, step, &network->disc_a, gs_graph_batch_view(g, step->images, n, n),
                    gs_graph_batch_view(g, step->healthy, 0, n));
    build_disc_loss(g, step, &network->disc_p, gs_graph_batch_view(g, step->images, 0, n),
                    gs_graph_batch_view(g, step->diseased, n, n));
    if (step->options.kind == GS_STEP_UPDATE) gs_graph_amsgrad(g, GS_GROUP_DISCRIMINATOR);
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
        add_part(step, GS_TERM_ADV, gs_graph_loss_negative_mean(g, scores[s]),
                 1.0 / GS_DISC_SCALES);
    int count = collect_parts(step, GS_TERM_ADV, first, terms);
    return (gs_loss_term){.of = fake, .gradient = gs_graph_gradient_of(g, terms, count, fake)};
}

/* ---- Steps of the methods ---------------------------------------------------------------------
 */

/* The generator's (or student's) gradient and update. */
static void finish_step(gs_graph *g, gs_step *step, gs_group group) {
    gs_loss_term terms[GS_TERM_GEN * GS_TERM_PARTS];
    gs_graph_backward(g, terms, collect_objective(step, terms), group);
    if (step->options.kind == GS_STEP_UPDATE) gs_graph_amsgrad(g, group);
}

static void build_genseg(gs_graph *g, const gs_network *network, gs_step *step) {
    int n = step->options.pairs, h, w;
    gs_network_code_size(&network->config, &h, &w);
    step->unique = gs_graph_input(g, "u", (gs_shape){n, network->config.unique_channels, h, w});
    step->source = gs_network_encode(g, &network->encoder, step->images);
    build_translation(g, network, step);
    build_segmentation(g, network, step);
    build_disc_phase(g, network, step);
    step->adversarial[0] =
        build_adversarial(g, step, &network->disc_a, gs_graph_batch_view(g, step->healthy, 0, n));
    step->adversarial[1] =
        build_adversarial(g, step, &network->disc_p, gs_graph_batch_view(g, step->diseased, n, n));
    build_reconstruction(g, network, step);
    finish_step(g, step, GS_GROUP_GENERATOR);
}

static void build_autoencoder(gs_graph *g, const gs_network *network, gs_step *step) {
    step->source = gs_network_encode(g, &network->encoder, step->images);
    build_segmentation(g, network, step);
    gs_tensor *images = gs_network_decode(g, &network->decoder_reconstruction, step->source.code,
                                          &step->source, GS_DECODE_TRANSLATION);
    add_part(step, GS_TERM_REC, gs_graph_loss_l1(g, images, step->images), 2); /* of two domains */
    finish_step(g, step, GS_GROUP_GENERATOR);
}

/* The generator is the teacher: it is the moving average of the student, which learns from masks
 * and, where there are none, from the teacher. */
static void build_mean_teacher(gs_graph *g, const gs_network *network, gs_step *step) {
    int m = step->options.annotated, unannotated = step->options.pairs - m;
    gs_encoding student = gs_network_encode(g, &network->student_encoder, step->images);
    step->probability = gs_network_decode(g, &network->student_decoder, student.code, &student,
                                          GS_DECODE_SEGMENTATION);
    if (m > 0) build_segmentation_loss(g, network, step);
    if (unannotated > 0) {
        gs_encoding teacher = gs_network_encode(
            g, &network->encoder, gs_graph_batch_view(g, step->images, m, unannotated));
        gs_tensor *taught = gs_network_decode(g, &network->decoder_residual, teacher.code, &teacher,
                                              GS_DECODE_SEGMENTATION);
        gs_tensor *own = gs_graph_batch_view(g, step->probability, m, unannotated);
        add_part(step, GS_TERM_CON, gs_graph_loss_squared(g, own, taught), 1);
    }
    finish_step(g, step, GS_GROUP_STUDENT);
    if (step->options.kind == GS_STEP_UPDATE)
        gs_network_average_student(g, network, MEAN_TEACHER_DECAY);
}

void gs_step_build(gs_graph *g, const gs_network *network, const gs_step_options *options,
                   gs_step *step) {
    const gs_model_config *c = &network->config;
    int images = gs_method_get(options->method)->uses_absence ? 2 * options->pairs : options->pairs;
    *step = (gs_step){.options = *options};
    for (gs_group group = 0; options->kind == GS_STEP_UPDATE && group < GS_GROUP_COUNT; group++)
        gs_network_iterate_power(g, network, group);
    step->images =
        gs_graph_input(g, "images", (gs_shape){images, c->channels, c->height, c->columns});
    switch (options->method) {
    case GS_TRAINING_AUTOENCODER:
        build_autoencoder(g, network, step);
        break;
    case GS_TRAINING_MEAN_TEACHER:
        build_mean_teacher(g, network, step);
        break;
    case GS_TRAINING_SEGMENTATION_ONLY:
        step->source = gs_network_encode(g, &network->encoder, step->images);
        build_segmentation(g, network, step);
        finish_step(g, step, GS_GROUP_GENERATOR);
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
        if (t != GS_TERM_DISC && step->part_count[t] > 0)
            total += weight_value(&step->options, t) * terms_out[t];
    }
    terms_out[GS_TERM_GEN] = total;
}
