/* The table of routes, and the one place where a request meets its handler. Thread-safe. */
#ifndef GS_API_ROUTER_H
#define GS_API_ROUTER_H

#include "api/handler.h"

typedef struct gs_route {
    gs_method method;
    const char *pattern; /* segments; {name} matches one whole segment */
    gs_handler handler;
} gs_route;

/* All routes, GS_ROUTE_COUNT rows. Their index names them in metrics. */
extern const gs_route gs_routes[];
extern const size_t gs_route_count;

/* Answers the request: fills `request->params`, calls the handler, turns failures into problems.
 * `raw_path` is the path as sent (still percent-encoded). The route's index, or -1 when none matched
 * (404, 405 with Allow, or the answer to OPTIONS). Never fails: the response is always complete. */
int gs_router_answer(const gs_api_context *context, gs_request *request, const char *raw_path,
                     const char *method_name, gs_response *response);

#endif
