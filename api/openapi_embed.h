/* openapi.yaml and the same as JSON, embedded at build time (see CMakeLists.txt). Both end with a
 * zero that `size` does not count. */
#ifndef GS_API_OPENAPI_EMBED_H
#define GS_API_OPENAPI_EMBED_H

#include <stddef.h>

extern const unsigned char gs_openapi_yaml[];
extern const size_t gs_openapi_yaml_size;
extern const unsigned char gs_openapi_json[];
extern const size_t gs_openapi_json_size;

#endif
