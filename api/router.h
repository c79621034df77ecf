/* The table of routes, and the one place where a request meets its handler. Thread-safe. */
#ifndef GS_API_ROUTER_H
#define GS_API_ROUTER_H

#include "api/handler.h"

typedef struct gs_route {
    gs_method method;
    const char *pattern; /* segments; {name} matches one whole segment */
    gs_handler handler;
    unsigned scope; /* bits of gs_scope, any of which will do, or GS_ROUTE_OPEN; 0 would admit nobody */
} gs_route;

/* All routes. A row's index names it in metrics; beyond the rows come two more indexes. */
extern const gs_route gs_routes[];
extern const size_t gs_route_count;

/* "/v1/slices/{id}"; "(viewer)" for gs_route_count, a file of the viewer; "(none)" beyond: nothing
 * matched (404, 405, or the answer to OPTIONS). Static storage. */
const char *gs_route_label(size_t index);

/* Whether the caller may ask for this: if not, the answer is known before the body is there.
 * `target` is left as it is. Without memory true: gs_router_answer looks again. */
bool gs_router_admits(const gs_request *request, const char *target, const char *method_name);

/* Answers the request, whose query and params are filled in here. `target` is the request target as
 * sent ("/v1/slices?limit=3"); it is taken apart in place and must outlive the request. Returns the
 * route's index. Never fails: the response is complete, a failure is a problem. */
size_t gs_router_answer(const gs_api_context *context, gs_request *request, char *target,
                        const char *method_name, gs_response *response);

#endif
