#include "engine/model/architecture.h"

#include <string.h>

static const char *const norm_names[] = {
    [GS_NORM_NONE] = "none",
    [GS_NORM_INSTANCE] = "instance",
    [GS_NORM_LAYER] = "layer",
    [GS_NORM_BATCH] = "batch",
};
static const char *const skips_names[] = {
    [GS_SKIPS_COMPRESSED] = "compressed",
    [GS_SKIPS_SUM] = "sum",
    [GS_SKIPS_CONCATENATED] = "concatenated",
    [GS_SKIPS_NONE] = "none",
};

gs_architecture gs_architecture_default(void) {
    return (gs_architecture){.encoder_norm = GS_NORM_INSTANCE, .decoder_norm = GS_NORM_LAYER};
}

bool gs_architecture_is_same(const gs_architecture *a, const gs_architecture *b) {
    return a->encoder_norm == b->encoder_norm && a->decoder_norm == b->decoder_norm &&
           a->skips == b->skips && a->separate_decoder == b->separate_decoder;
}

/* Index of `name`, or -1. */
static int find(const char *name, const char *const *names, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return -1;
}

const char *gs_norm_name(gs_norm norm) {
    return norm_names[norm];
}

gs_status gs_norm_parse(const char *name, gs_norm *out, gs_error *err) {
    int found = find(name, norm_names, GS_NORM_COUNT);
    if (found < 0)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "no norm \"%.40s\": there are instance, layer, batch and none", name);
    *out = (gs_norm)found;
    return GS_OK;
}

const char *gs_skips_name(gs_skips skips) {
    return skips_names[skips];
}

gs_status gs_skips_parse(const char *name, gs_skips *out, gs_error *err) {
    int found = find(name, skips_names, GS_SKIPS_COUNT);
    if (found < 0)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "no long skips \"%.40s\": there are compressed, sum, concatenated and none",
                       name);
    *out = (gs_skips)found;
    return GS_OK;
}

gs_status gs_architecture_wish_apply(const gs_architecture_wish *wish, gs_architecture *out,
                                     gs_error *err) {
    gs_architecture a = *out;
    if (wish->encoder_norm) GS_TRY(gs_norm_parse(wish->encoder_norm, &a.encoder_norm, err));
    if (wish->decoder_norm) GS_TRY(gs_norm_parse(wish->decoder_norm, &a.decoder_norm, err));
    if (wish->skips) GS_TRY(gs_skips_parse(wish->skips, &a.skips, err));
    *out = a;
    return GS_OK;
}

json_t *gs_architecture_to_json(const gs_architecture *a) {
    return json_pack("{s:s, s:s, s:s, s:b}", "encoder_norm", gs_norm_name(a->encoder_norm),
                     "decoder_norm", gs_norm_name(a->decoder_norm), "skips",
                     gs_skips_name(a->skips), "separate_decoder", a->separate_decoder);
}

gs_status gs_architecture_from_json(const json_t *json, gs_architecture *out, gs_error *err) {
    gs_architecture a = gs_architecture_default();
    const char *encoder = gs_norm_name(a.encoder_norm), *decoder = gs_norm_name(a.decoder_norm);
    const char *skips = gs_skips_name(a.skips);
    int separate = 0;
    if (json &&
        json_unpack((json_t *)json, "{s?s, s?s, s?s, s?b !}", "encoder_norm", &encoder,
                    "decoder_norm", &decoder, "skips", &skips, "separate_decoder", &separate) != 0)
        return gs_fail(err, GS_UNUSABLE, "the model's \"architecture\" is not one of ours");
    if (gs_norm_parse(encoder, &a.encoder_norm, err) != GS_OK ||
        gs_norm_parse(decoder, &a.decoder_norm, err) != GS_OK ||
        gs_skips_parse(skips, &a.skips, err) != GS_OK)
        return GS_UNUSABLE;
    a.separate_decoder = separate != 0;
    *out = a;
    return GS_OK;
}
