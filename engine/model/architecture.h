/* What the method's ablations vary in the networks: norms, long skips, the segmentation's decoder.
 * Part of a model's configuration, for it decides which parameters there are. Value type. */
#ifndef GS_ENGINE_MODEL_ARCHITECTURE_H
#define GS_ENGINE_MODEL_ARCHITECTURE_H

#include "engine/graph/graph.h"

#include <jansson.h>

/* How an encoder map (always instance-normalised; the paper, section 3.3) reaches a decoder. */
typedef enum gs_skips {
    GS_SKIPS_COMPRESSED,   /* convolved 1×1 to one channel, concatenated: the method's */
    GS_SKIPS_SUM,          /* added to the decoder's map of that level */
    GS_SKIPS_CONCATENATED, /* all its channels are concatenated */
    GS_SKIPS_NONE,
    GS_SKIPS_COUNT
} gs_skips;

typedef struct gs_architecture {
    gs_norm encoder_norm; /* layer and batch norms have scales and shifts; instance norm has not */
    gs_norm decoder_norm; /* with scales and shifts, one set for each of a decoder's two modes */
    gs_skips skips;
    bool separate_decoder; /* segmentation has a decoder of its own, not the residual decoder's */
} gs_architecture;

/* Instance norm, layer norm, compressed skips, shared decoder. */
gs_architecture gs_architecture_default(void);
bool gs_architecture_is_same(const gs_architecture *a, const gs_architecture *b);

/* "none", "instance", "layer" or "batch"; static storage. */
const char *gs_norm_name(gs_norm norm);
/* INVALID_ARGUMENT names an unknown name and lists those there are. */
GS_MUST_CHECK gs_status gs_norm_parse(const char *name, gs_norm *out, gs_error *err);

/* "compressed", "sum", "concatenated" or "none"; static storage. */
const char *gs_skips_name(gs_skips skips);
GS_MUST_CHECK gs_status gs_skips_parse(const char *name, gs_skips *out, gs_error *err);

/* What somebody asks for, by name; NULL = not given. */
typedef struct gs_architecture_wish {
    const char *encoder_norm, *decoder_norm, *skips;
} gs_architecture_wish;

/* Sets what was asked for. INVALID_ARGUMENT names an unknown name; *out is then unchanged. */
GS_MUST_CHECK gs_status gs_architecture_wish_apply(const gs_architecture_wish *wish,
                                                   gs_architecture *out, gs_error *err);

/* {"encoder_norm", "decoder_norm", "skips", "separate_decoder"}. Caller decrefs; NULL when out of
 * memory. */
json_t *gs_architecture_to_json(const gs_architecture *architecture);
/* NULL is the default architecture, and so is each member that is missing. UNUSABLE for others. */
GS_MUST_CHECK gs_status gs_architecture_from_json(const json_t *json, gs_architecture *out,
                                                  gs_error *err);

#endif
