/* What writing and reading an exchange folder share. */
#ifndef GS_API_EXCHANGE_INTERNAL_H
#define GS_API_EXCHANGE_INTERNAL_H

#include "engine/data/volume.h"
#include "engine/image/mask.h"
#include "store/slice.h"
#include "store/store.h"

#include <jansson.h>
#include <stdio.h>

#define GS__EXCHANGE_FILE "coco.json"
#define GS__EXCHANGE_FORMAT "genseg-coco-1"

enum { GS__CATEGORY_TARGET = 1, GS__CATEGORY_UNKNOWN = 2 };

/* More than any volume's file can have. */
#define GS__EXCHANGE_VOLUME_BYTES (GS_VOLUME_MAX_VOXELS * 8 + 65536)

/* ==== exchange_mask.c ==== */

/* Appends to the array what COCO says of a mask: an object for the target and one for what is not
 * annotated, each if there is any. *next_id counts. */
GS_MUST_CHECK gs_status gs__exchange_mask_write(const gs_mask *mask, size_t image, size_t *next_id,
                                                json_t *annotations, gs_error *err);

/* Marks in the mask what one such object speaks of. MALFORMED, UNSUPPORTED (a polygon), UNUSABLE
 * (another category, or a pixel in both). */
GS_MUST_CHECK gs_status gs__exchange_mask_read(const json_t *annotation, gs_mask *mask,
                                               gs_error *err);

/* ==== exchange_volume.c ==== */

/* Copies the files of a volume, and of the jobs that succeeded on it, to `folder`/`name`, which is
 * made. *json_out: what coco.json says of them; the caller owns it. */
GS_MUST_CHECK gs_status gs__exchange_volume_write(gs_store *store, const char *id,
                                                  const char *folder, const char *name,
                                                  json_t **json_out, size_t *generated,
                                                  gs_error *err);

/* ==== exchange_annotations.c ==== */

/* Which masks in the folder are those of which volume's slices. Zero = none. */
typedef struct gs__mask_places {
    struct gs__mask_place *items;
    size_t count, room;
} gs__mask_places;

void gs__mask_places_deinit(gs__mask_places *places);

/* The mask of image number `image` is that of `slice`, cut from volume number `volume`. */
GS_MUST_CHECK gs_status gs__mask_places_add(gs__mask_places *places, const gs_slice_view *slice,
                                            size_t volume, size_t image, gs_error *err);

/* Writes annotations.nii.gz for each volume that has masks, and tells of it in its object of
 * `volumes`. The masks, and the folders of volumes, are in `folder`. */
GS_MUST_CHECK gs_status gs__mask_places_write(gs__mask_places *places, gs_store *store,
                                              const char (*volume_ids)[GS_ID_SIZE],
                                              const char *folder, json_t *volumes, gs_error *err);

/* ==== exchange_file.c ==== */

/* A new file `folder`/`name`. It is not synced: whoever fills the folder does that once. */
GS_MUST_CHECK gs_status gs__exchange_put(const char *folder, const char *name, const void *bytes,
                                         size_t size, gs_error *err);

/* The bytes of `folder`/`name`, whose sum must be `sha256`. MALFORMED for a name that is not plain
 * (letters, digits, '_', '-', '.', at most three folders, none of them beginning with '.') or on
 * whose way a link lies. Caller frees. */
GS_MUST_CHECK gs_status gs__exchange_get(const char *folder, const char *name, const char *sha256,
                                         size_t limit, char **bytes_out, size_t *size_out,
                                         gs_error *err);

#endif
