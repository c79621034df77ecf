/* Volumes and jobs as clients see them. */
#ifndef GS_API_VOLUME_JSON_H
#define GS_API_VOLUME_JSON_H

#include "engine/data/volume.h"
#include "store/job.h"
#include "store/volume.h"

#include <jansson.h>

/* NULL when out of memory. */
json_t *gs_volume_to_json(const gs_volume_record *volume);
json_t *gs_job_to_json(const gs_job_record *job);

/* {"size", "spacing_mm", "origin_mm"} as text; caller frees with free. NULL when out of memory. */
char *gs_volume_geometry_text(const gs_volume *grid);

#endif
