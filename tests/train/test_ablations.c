/* Every variant of networks and objective: it trains, goes on bit-exactly after an interruption,
 * and its model answers what it was trained for. */
#include "tests/train/training.h"

#include "engine/session.h"

typedef struct variant {
    const char *name;
    gs_objective objective; /* weights are set by the test */
    gs_architecture_wish architecture;
    unsigned terms;    /* bits of those that its losses have */
    const char *holds; /* a tensor of its model that others lack; NULL = none */
} variant;

#define BIT(term) (1u << GS_TERM_##term)
#define OF_GENSEG (BIT(SEG) | BIT(ADV) | BIT(REC) | BIT(LAT) | BIT(CYC) | BIT(DISC) | BIT(GEN))

static const variant variants[] = {
    {"layer norms",
     {.method = GS_TRAINING_GENSEG},
     {"layer", "layer", NULL},
     OF_GENSEG,
     "encoder.blocks.0.norm.gamma"},
    {"instance norms",
     {.method = GS_TRAINING_GENSEG},
     {"instance", "instance", NULL},
     OF_GENSEG,
     NULL},
    {"batch norms",
     {.method = GS_TRAINING_GENSEG},
     {"batch", "batch", NULL},
     OF_GENSEG,
     "decoder_residual.out.norm_s.running_var"},
    {"sums", {.method = GS_TRAINING_GENSEG}, {.skips = "sum"}, OF_GENSEG, NULL},
    {"concatenated", {.method = GS_TRAINING_GENSEG}, {.skips = "concatenated"}, OF_GENSEG, NULL},
    {"no skips", {.method = GS_TRAINING_GENSEG}, {.skips = "none"}, OF_GENSEG, NULL},
    {"one direction",
     {.translation = GS_TRANSLATE_REMOVAL},
     {0},
     OF_GENSEG & ~BIT(CYC),
     "disc_a.scales.0.conv0.weight"},
    {"no direction",
     {.translation = GS_TRANSLATE_NONE},
     {0},
     BIT(SEG) | BIT(REC) | BIT(LAT) | BIT(GEN),
     NULL},
    {"separate decoder, averaged",
     {.method = GS_TRAINING_SEPARATE_DECODER, .average_decay = 0.9},
     {0},
     OF_GENSEG,
     "decoder_segmentation.out.classifier.weight"},
    {"information", {.estimates_information = true}, {0}, OF_GENSEG | BIT(INFORMATION), NULL},
    {"averaged batch norms",
     {.method = GS_TRAINING_SEGMENTATION_ONLY, .average_decay = 0.5},
     {"batch", "batch", NULL},
     BIT(SEG) | BIT(GEN),
     "encoder.norm.running_mean"},
    {"averaged autoencoder",
     {.method = GS_TRAINING_AUTOENCODER, .average_decay = 0.5},
     {0},
     BIT(SEG) | BIT(REC) | BIT(GEN),
     "decoder_reconstruction.out.conv.weight"},
    {"teacher with dropout",
     {.method = GS_TRAINING_MEAN_TEACHER, .dropout = 0.5},
     {"none", "none", NULL},
     BIT(SEG) | BIT(CON) | BIT(GEN),
     "encoder.conv0.bias"},
    {"teacher with both",
     {.method = GS_TRAINING_MEAN_TEACHER, .dropout = 0.5},
     {"batch", "layer", NULL},
     BIT(SEG) | BIT(CON) | BIT(GEN),
     NULL},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static gs_trainer_options options_of(const variant *v, const char *data, const char *out) {
    gs_trainer_options o = options_for(data, out);
    o.objective = v->objective;
    o.objective.weights = gs_loss_weights_default();
    o.architecture = v->architecture;
    o.max_steps = 8;
    return o;
}

static char *out_of(int v, const char *kind) {
    return gs_format("%s/%s-%d", folder, kind, v);
}

static void every_variant_goes_on_bit_exactly(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data");
    make_small_dataset(data, 12, 12, 2);
    for (int v = 0; v < VARIANTS; v++) {
        char *whole = out_of(v, "whole"), *cut = out_of(v, "cut");
        gs_trainer_options a = options_of(&variants[v], data, whole);
        gs_trainer_options b = options_of(&variants[v], data, cut);
        b.loader_threads = 3; /* changes nothing either */
        record first = {0}, stopped = {.stop_at = 5}, second = {0};
        if (train(&a, &first, &err) != GS_OK) fail_msg("%s: %s", variants[v].name, err.text);
        assert_int_equal(train(&b, &stopped, &err), GS_CANCELLED);
        b.resume = true;
        assert_int_equal(train(&b, &second, &err), GS_OK);
        assert_int_equal(second.resumed_from, 5);
        assert_same_tensors(whole, cut);
        for (gs_term t = 0; t < GS_TERM_COUNT; t++) {
            bool has = (variants[v].terms & (1u << t)) != 0;
            if (gs_objective_has_term(&a.objective, t) != has || (first.losses[t] != 0) != has)
                fail_msg("%s: %s is %g", variants[v].name, gs_term_name(t), first.losses[t]);
        }
        gs_free(whole), gs_free(cut);
    }
    gs_free(data);
}

/* The model that the last test trained: what it holds, and what it can do. */
static void every_variant_answers_what_it_was_trained_for(void **state) {
    (void)state;
    static float image[SMALL_PIXELS], a[SMALL_PIXELS], b[SMALL_PIXELS], c[SMALL_PIXELS];
    uint8_t mask[SMALL_PIXELS];
    const uint64_t seed = 3;
    gs_error err;
    small_slice(0, 1, image, mask);
    for (int v = 0; v < VARIANTS; v++) {
        const gs_objective *o = &variants[v].objective;
        char *out = out_of(v, "whole"), *file = gs_format("%s/model.safetensors", out);
        gs_model *model;
        gs_session *session;
        if (variants[v].holds) {
            gs_safetensors *weights = open_weights(out, "model");
            tensor_of(weights, variants[v].holds);
            gs_safetensors_close(weights);
        }
        if (gs_model_load(file, &model, &err) != GS_OK)
            fail_msg("%s: %s", variants[v].name, err.text);
        assert_int_equal(gs_session_open(model, NULL, &session, &err), GS_OK);
        assert_int_equal(gs_session_segment(session, 1, image, a, &err), GS_OK);
        for (int i = 0; i < SMALL_PIXELS; i++) assert_true(a[i] >= 0 && a[i] <= 1);
        bool translates =
            gs_method_get(o->method)->translates && o->translation != GS_TRANSLATE_NONE;
        bool inserts = translates && o->translation == GS_TRANSLATE_BOTH;
        assert_int_equal(gs_session_remove(session, 1, image, a, b, c, &err),
                         translates ? GS_OK : GS_UNUSABLE);
        assert_int_equal(gs_session_insert(session, 1, image, &seed, a, b, c, &err),
                         inserts ? GS_OK : GS_UNUSABLE);
        gs_session_close(session);
        gs_model_release(model);
        gs_free(out), gs_free(file);
    }
}

/* A model trains on as it is: other norms or skips than its own are refused, and so is a method
 * that needs another decoder. Without a wish its own are taken. */
static void a_model_keeps_its_architecture(void **state) {
    (void)state;
    gs_error err;
    record r = {0};
    char *data = path("data"), *out = path("goes-on"),
         *init = gs_format("%s/whole-2/model.safetensors", folder);
    gs_trainer_options o = options_for(data, out);
    o.init = init;
    o.max_steps = 1;
    assert_int_equal(train(&o, &r, &err), GS_OK);
    o.architecture = (gs_architecture_wish){"batch", NULL, "compressed"};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    o.architecture.decoder_norm = "layer";
    assert_int_equal(train(&o, &r, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "batch norms"));
    o.architecture.decoder_norm = NULL;
    o.objective.method = GS_TRAINING_SEPARATE_DECODER;
    assert_int_equal(train(&o, &r, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "separate decoder"));
    gs_free(data), gs_free(out), gs_free(init);
}

static void options_that_do_not_go_together_are_refused(void **state) {
    (void)state;
    const struct {
        gs_objective objective;
        gs_architecture_wish architecture;
        int batch_size;
    } cases[] = {
        {{.dropout = 0.5}, {0}, 2},
        {{.method = GS_TRAINING_MEAN_TEACHER, .dropout = 1}, {0}, 2},
        {{.average_decay = 1}, {0}, 2},
        {{.average_decay = -0.5}, {0}, 2},
        {{.method = GS_TRAINING_AUTOENCODER, .estimates_information = true}, {0}, 2},
        {{.estimates_information = true}, {0}, 1},
        {{.method = GS_TRAINING_SEGMENTATION_ONLY, .translation = GS_TRANSLATE_NONE}, {0}, 2},
        {{0}, {"group", NULL, NULL}, 2},
        {{0}, {NULL, NULL, "some"}, 2},
    };
    char *data = path("data"), *out = path("refused");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gs_error err;
        record r = {0};
        gs_trainer_options o = options_for(data, out);
        o.objective = cases[i].objective;
        o.objective.weights = gs_loss_weights_default();
        o.architecture = cases[i].architecture;
        o.batch_size = cases[i].batch_size;
        if (train(&o, &r, &err) != GS_INVALID_ARGUMENT) fail_msg("case %zu is accepted", i);
    }
    gs_free(data), gs_free(out);
}

/* Resuming with another objective would be another training. */
static void a_checkpoint_keeps_its_objective(void **state) {
    (void)state;
    gs_error err;
    record r = {0};
    char *data = path("data"), *out = out_of(12, "cut");
    gs_trainer_options o = options_of(&variants[12], data, out);
    o.resume = true;
    o.objective.dropout = 0.25;
    assert_int_equal(train(&o, &r, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "another dropout"));
    gs_free(data), gs_free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_goes_on_bit_exactly),
        cmocka_unit_test(every_variant_answers_what_it_was_trained_for),
        cmocka_unit_test(a_model_keeps_its_architecture),
        cmocka_unit_test(options_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_checkpoint_keeps_its_objective),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
