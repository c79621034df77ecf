/* What the data resources share: slices as clients see them, and their pixels. */
#ifndef GS_API_SLICE_JSON_H
#define GS_API_SLICE_JSON_H

#include "api/handler.h"
#include "store/slice.h"

/* The slice as clients see it; NULL when out of memory. */
json_t *gs_slice_to_json(const gs_slice_record *slice);

/* The type's name without parameters in static storage ("image/png"); NULL when it is no image
 * type. content_type may be NULL. */
const char *gs_image_type_find(const char *content_type);

#endif
