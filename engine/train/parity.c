#include "engine/train/parity.h"

#include "base/memory.h"
#include "engine/graph/plan.h"
#include "engine/model/objective.h"
#include "engine/model/weights.h"

#include <math.h>
#include <string.h>

typedef enum group_id { GROUP_OUT, GROUP_LOSS, GROUP_GRAD_GEN, GROUP_GRAD_DISC, GROUPS } group_id;
static const char *const group_prefix[GROUPS] = {"out.", "loss.", "grad_gen.", "grad_disc."};

typedef struct parity {
    const gs_parity_options *options;
    FILE *report;
    gs_safetensors *dump, *weights;
    gs_network network;
    gs_device *device;
    gs_parameters *parameters;
    gs_plan *plan;
    gs_step step;
    int pairs;
    float *buffer; /* as large as the largest tensor read */
    double magnitude[GROUPS], worst[GROUPS];
    int compared[GROUPS], steps;
    double worst_step;
    /* Of the outputs, to the largest magnitude: largest and root mean square difference. */
    double worst_rounded, worst_mean_rounded;
    /* Of bfloat16 convolutions, as a part of what is allowed for it: 1; of TF32, with three bits
     * more, 1/8; 0 where all is computed in full and everything is judged. */
    double rounding;
    bool diverged;
} parity;

/* ---- Setting up -------------------------------------------------------------------------------
 */

static gs_status dump_tensor(const parity *p, const char *name, const gs_tensor_entry **out,
                             gs_error *err) {
    *out = gs_safetensors_find(p->dump, name);
    if (*out && (*out)->count > 0) return GS_OK;
    return gs_fail(err, GS_UNUSABLE, "%s has no values for %s", p->options->dump, name);
}

/* Writes one batch of the dump (prefix "in." or "step0.in.", …) into the plan's inputs. */
static gs_status write_batch(parity *p, const char *prefix, gs_error *err) {
    const gs_tensor_entry *entry[5];
    static const char *const leaves[] = {"x_p", "x_a", "u", "mask", "has_mask"};
    const gs_model_config *c = &p->network.config;
    size_t pixels = (size_t)c->height * (size_t)c->columns, n = (size_t)p->pairs;
    size_t image = n * (size_t)c->channels * pixels;
    gs_shape unique = gs_tensor_shape(p->step.unique);
    size_t sizes[] = {image, image, gs__shape_size(unique), n * pixels, n};
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, leaves[i]);
        GS_TRY(dump_tensor(p, name, &entry[i], err));
        if (entry[i]->count != sizes[i])
            return gs_fail(err, GS_SHAPE_MISMATCH, "%s has %zu values, expected %zu", name,
                           entry[i]->count, sizes[i]);
    }
    memcpy(p->buffer, entry[0]->data, image * sizeof *p->buffer);
    memcpy(p->buffer + image, entry[1]->data, image * sizeof *p->buffer);
    gs_plan_write(p->plan, p->step.images, p->buffer);
    gs_plan_write(p->plan, p->step.unique, entry[2]->data);
    gs_plan_write(p->plan, p->step.target, entry[3]->data);
    for (size_t i = 0; i < n * pixels; i++) p->buffer[i] = entry[4]->data[i / pixels];
    gs_plan_write(p->plan, p->step.annotated, p->buffer);
    return GS_OK;
}

static gs_status build_plan(parity *p, gs_step_kind kind, gs_error *err) {
    gs_plan_free(p->plan);
    p->plan = NULL;
    gs_graph *graph = gs_graph_new(&p->network.set);
    if (!graph) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a graph");
    gs_step_options options = {.kind = kind,
                               .pairs = p->pairs,
                               .annotated = p->pairs,
                               .objective = {.weights = gs_loss_weights_default()}};
    gs_step_build(graph, &p->network, &options, &p->step);
    return gs_plan_new(graph, p->device, GS_PLAN_TRAINING, &p->plan, err);
}

static gs_status load_weights(parity *p, gs_error *err) {
    return gs_weights_read(p->weights, p->options->weights, "", p->parameters,
                           p->parameters->values, err);
}

static gs_status set_up(parity *p, gs_error *err) {
    const gs_parity_options *o = p->options;
    gs_model_config config;
    const gs_tensor_entry *images;
    GS_TRY(gs_safetensors_open(o->dump, 0, &p->dump, err));
    GS_TRY(gs_safetensors_open(o->weights, 0, &p->weights, err));
    GS_TRY(gs_model_config_make(o->preset, o->width, 0, 0, 0, &config, err));
    GS_TRY(gs_network_init(&p->network, &config, GS_PART_DISCRIMINATORS, err));
    GS_TRY(dump_tensor(p, "in.x_a", &images, err));
    if (images->rank != 4 || images->shape[0] < 1 || images->shape[0] > 4096)
        return gs_fail(err, GS_UNUSABLE, "in.x_a of %s is not a batch of images", o->dump);
    p->pairs = (int)images->shape[0];
    size_t largest = p->network.set.size;
    for (size_t i = 0; i < gs_safetensors_count(p->dump); i++)
        if (gs_safetensors_get(p->dump, i)->count > largest)
            largest = gs_safetensors_get(p->dump, i)->count;
    p->buffer = gs_alloc(4 * largest, sizeof *p->buffer); /* batches are read two or four at once */
    if (!p->buffer) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a comparison");
    gs_device_options device = {.engine = o->engine, .threads = o->threads};
    GS_TRY(gs_device_open_on(&device, &p->device, err));
    gs_precision precision = gs_device_precision(p->device);
    p->rounding = precision == GS_PRECISION_BF16 ? 1 : precision == GS_PRECISION_TF32 ? 0.125 : 0;
    GS_TRY(gs_parameters_new(&p->network.set, gs_device_backend(p->device)->element_size,
                             GS_FOR_TRAINING, &p->parameters, err));
    return load_weights(p, err);
}

/* ---- Comparing --------------------------------------------------------------------------------
 */

static int group_of(const char *name) {
    for (int g = 0; g < GROUPS; g++)
        if (strncmp(name, group_prefix[g], strlen(group_prefix[g])) == 0) return g;
    return -1;
}

static void find_magnitudes(parity *p) {
    for (size_t i = 0; i < gs_safetensors_count(p->dump); i++) {
        const gs_tensor_entry *entry = gs_safetensors_get(p->dump, i);
        int g = group_of(entry->name);
        for (size_t k = 0; g >= 0 && k < entry->count; k++)
            p->magnitude[g] = fmax(p->magnitude[g], fabs((double)entry->data[k]));
    }
}

/* With rounded factors only outputs are judged, and everything must be finite. */
static void report_divergence(parity *p, const char *name, double ours, double reference,
                              const char *what) {
    if (p->rounding > 0 && group_of(name) != GROUP_OUT && isfinite(ours)) return;
    if (!p->diverged)
        fprintf(p->report, "first divergence: %s (%s: %.9g against %.9g)\n", name, what, ours,
                reference);
    p->diverged = true;
}

static void judge_rounded(parity *p, const gs_tensor_entry *reference, group_id g, double distance,
                       double difference, double largest) {
    if (g != GROUP_OUT) return;
    double mean = distance / sqrt((double)reference->count);
    if (!(difference / largest <= p->worst_rounded)) p->worst_rounded = difference / largest;
    if (!(mean / largest <= p->worst_mean_rounded)) p->worst_mean_rounded = mean / largest;
    if (!(mean <= p->rounding * 2e-2 * largest))
        report_divergence(p, reference->name, mean, largest, "root mean square difference");
    else if (!(difference <= p->rounding * 0.15 * largest))
        report_divergence(p, reference->name, difference, largest, "largest difference");
}

/* Written so that a NaN anywhere fails. */
static void compare_tensor(parity *p, const gs_tensor_entry *reference, group_id g,
                           const float *ours) {
    double m = p->magnitude[g], n = (double)reference->count;
    double distance = 0, norm = 0, largest_difference = 0, largest = 0;
    bool is_finite = true;
    for (size_t i = 0; i < reference->count; i++) {
        double r = (double)reference->data[i], d = (double)ours[i] - r;
        is_finite = is_finite && isfinite(d);
        distance += d * d;
        norm += r * r;
        largest_difference = fmax(largest_difference, fabs(d));
        largest = fmax(largest, fabs(r));
    }
    distance = sqrt(distance), norm = sqrt(norm);
    double relative = distance / (norm + 1e-6 * m * sqrt(n) + 1e-30);
    p->compared[g]++;
    if (!(relative <= p->worst[g])) p->worst[g] = relative;
    if (!is_finite)
        report_divergence(p, reference->name, (double)NAN, norm, "not finite");
    else if (p->rounding > 0)
        judge_rounded(p, reference, g, distance, largest_difference, largest);
    else if (!(distance <= 1e-3 * norm + 1e-6 * m * sqrt(n)))
        report_divergence(p, reference->name, distance, norm, "norm of the difference");
    else if (!(largest_difference <= 5e-3 * largest + 1e-5 * m))
        report_divergence(p, reference->name, largest_difference, largest, "largest difference");
}

/* Where an out.* tensor of the reference program lies among ours: sample block `block` of N. */
typedef struct output {
    const char *name;
    const gs_tensor *tensor;
    int block;
} output;

static gs_status compare_output(parity *p, const gs_tensor_entry *entry, gs_error *err) {
    const gs_step *s = &p->step;
    const output outputs[] = {
        {"s_p", s->source.code, 0},
        {"s_a", s->source.code, 1},
        {"z_ap", s->z, 1},
        {"x_pa", s->healthy, 0},
        {"x_aa", s->healthy, 1},
        {"d_pp", s->residual, 0},
        {"d_ap", s->residual, 1},
        {"x_pp", s->diseased, 0},
        {"x_ap", s->diseased, 1},
        {"y_p", s->probability, 0},
        {"s_pp", s->generated.code, 0},
        {"s_ap", s->generated.code, 1},
        {"s_pa", s->generated.code, 2},
        {"s_aa", s->generated.code, 3},
        {"x_apa", s->cycled, 0},
    };
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        if (strcmp(entry->name + strlen("out."), outputs[i].name) != 0) continue;
        gs_shape shape = gs_tensor_shape(outputs[i].tensor);
        size_t block = gs__shape_size(shape) / (size_t)shape.n * (size_t)p->pairs;
        if (entry->count != block)
            return gs_fail(err, GS_SHAPE_MISMATCH, "%s has %zu values, ours %zu", entry->name,
                           entry->count, block);
        gs_plan_read(p->plan, outputs[i].tensor, p->buffer);
        compare_tensor(p, entry, GROUP_OUT, p->buffer + (size_t)outputs[i].block * block);
        return GS_OK;
    }
    return gs_fail(err, GS_UNUSABLE, "the dump has %s, which we do not compute", entry->name);
}

static double read_scalar(const void *plan, const gs_tensor *loss) {
    return gs_plan_scalar(plan, loss);
}

static gs_status loss_term(const char *name, gs_term *out, gs_error *err) {
    for (gs_term t = 0; t < GS_TERM_COUNT; t++)
        if (strcmp(name, gs_term_name(t)) == 0) {
            *out = t;
            return GS_OK;
        }
    return gs_fail(err, GS_UNUSABLE, "the dump has a loss %s, which we do not compute", name);
}

static gs_status compare_loss(parity *p, const gs_tensor_entry *entry, gs_error *err) {
    double terms[GS_TERM_COUNT];
    gs_term term = GS_TERM_SEG;
    GS_TRY(dump_tensor(p, entry->name, &entry, err)); /* a loss without a value */
    GS_TRY(loss_term(entry->name + strlen("loss."), &term, err));
    gs_step_losses(&p->step, read_scalar, p->plan, terms);
    double reference = (double)entry->data[0], difference = fabs(terms[term] - reference);
    double relative = difference / (fabs(reference) + 1e-30);
    p->compared[GROUP_LOSS]++;
    if (!(relative <= p->worst[GROUP_LOSS])) p->worst[GROUP_LOSS] = relative;
    if (!(difference <= 1e-4 * fabs(reference)))
        report_divergence(p, entry->name, terms[term], reference, "value");
    return GS_OK;
}

static gs_status compare_gradient(parity *p, const gs_tensor_entry *entry, group_id g,
                                  gs_error *err) {
    const char *name = entry->name + strlen(group_prefix[g]);
    int index = gs_parameter_set_find(&p->network.set, name);
    if (index < 0 || p->network.set.items[index].size != entry->count)
        return gs_fail(err, GS_UNUSABLE, "the dump has %s, which is no parameter of ours",
                       entry->name);
    gs_parameters_read(p->parameters, p->parameters->gradients, index, p->buffer);
    compare_tensor(p, entry, g, p->buffer);
    return GS_OK;
}

static gs_status compare_case(parity *p, gs_error *err) {
    find_magnitudes(p);
    GS_TRY(build_plan(p, GS_STEP_EVALUATE, err));
    GS_TRY(write_batch(p, "in.", err));
    GS_TRY(gs_plan_run(p->plan, p->parameters, err));
    GS_TRY(gs_device_fetch(p->device, p->parameters, err));
    for (size_t i = 0; i < gs_safetensors_count(p->dump); i++) {
        const gs_tensor_entry *entry = gs_safetensors_get(p->dump, i);
        int g = group_of(entry->name);
        if (g == GROUP_OUT) GS_TRY(compare_output(p, entry, err));
        if (g == GROUP_LOSS) GS_TRY(compare_loss(p, entry, err));
        if (g == GROUP_GRAD_GEN || g == GROUP_GRAD_DISC)
            GS_TRY(compare_gradient(p, entry, (group_id)g, err));
    }
    return GS_OK;
}

static gs_status compare_step_losses(parity *p, int step, gs_error *err) {
    double terms[GS_TERM_COUNT];
    gs_step_losses(&p->step, read_scalar, p->plan, terms);
    for (gs_term t = 0; t < GS_TERM_COUNT; t++) {
        char name[64];
        const gs_tensor_entry *entry;
        if (!gs_objective_has_term(&p->step.options.objective, t)) continue;
        snprintf(name, sizeof name, "step%d.loss.%s", step, gs_term_name(t));
        GS_TRY(dump_tensor(p, name, &entry, err));
        double reference = (double)entry->data[0], difference = fabs(terms[t] - reference);
        double allowed = fmax(1e-3 * fabs(reference), 1e-4);
        if (!(difference / allowed <= p->worst_step)) p->worst_step = difference / allowed;
        if (!(difference <= allowed)) report_divergence(p, name, terms[t], reference, "value");
    }
    return GS_OK;
}

static gs_status compare_steps(parity *p, gs_error *err) {
    if (!gs_safetensors_find(p->dump, "step0.in.x_a")) return GS_OK;
    GS_TRY(load_weights(p, err));
    GS_TRY(build_plan(p, GS_STEP_UPDATE, err));
    for (;; p->steps++) {
        char prefix[32], name[64];
        snprintf(prefix, sizeof prefix, "step%d.in.", p->steps);
        snprintf(name, sizeof name, "%sx_a", prefix);
        if (!gs_safetensors_find(p->dump, name)) return GS_OK;
        GS_TRY(write_batch(p, prefix, err));
        GS_TRY(gs_plan_run(p->plan, p->parameters, err));
        GS_TRY(compare_step_losses(p, p->steps, err));
    }
}

static bool report(parity *p) {
    int compared = 0;
    bool is_complete = true;
    for (int g = 0; g < GROUPS; g++) {
        fprintf(p->report, "%-10s %4d tensors, worst relative error %.3g\n", group_prefix[g],
                p->compared[g], p->worst[g]);
        compared += p->compared[g];
        is_complete = is_complete && p->compared[g] > 0;
    }
    if (p->rounding > 0)
        fprintf(p->report,
                "out.       worst difference %.3g of the largest magnitude, its root mean square "
                "%.3g\n",
                p->worst_rounded, p->worst_mean_rounded);
    if (p->steps > 0)
        fprintf(p->report, "steps      %4d, worst loss at %.3g of its tolerance\n", p->steps,
                p->worst_step);
    if (!is_complete)
        fprintf(p->report, "the dump has tensors of only some groups: %d compared\n", compared);
    bool passed = is_complete && !p->diverged;
    fprintf(p->report, "%s\n", passed ? "parity: passed" : "parity: FAILED");
    return passed;
}

gs_status gs_parity_run(const gs_parity_options *options, FILE *out, bool *passed_out,
                        gs_error *err) {
    parity p = {.options = options, .report = out};
    gs_status status = set_up(&p, err);
    if (status == GS_OK) status = compare_case(&p, err);
    if (status == GS_OK) status = compare_steps(&p, err);
    if (status == GS_OK) *passed_out = report(&p);
    gs_plan_free(p.plan);
    gs_parameters_free(p.parameters);
    gs_device_close(p.device);
    gs_network_deinit(&p.network);
    gs_safetensors_close(p.dump);
    gs_safetensors_close(p.weights);
    gs_free(p.buffer);
    return status;
}
