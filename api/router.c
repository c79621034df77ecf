/* One row per route; the first match of method and pattern answers. */
#include "api/router.h"

#include <string.h>

#include "api/access.h"
#include "api/audit.h"
#include "api/resources.h"
#include "api/uri.h"
#include "api/web_file.h"
#include "base/memory.h"

#define GET GS_METHOD_GET
#define POST GS_METHOD_POST
#define PUT GS_METHOD_PUT
#define DELETE GS_METHOD_DELETE

/* Open is what says nothing of the data: alive, ready, described, and signing in. What cannot be
 * had back is the administrator's to delete. */
#define OPEN GS_ROUTE_OPEN
#define READ GS_SCOPE_READ
#define ANNOTATE GS_SCOPE_ANNOTATE
#define TRAIN GS_SCOPE_TRAIN
#define ADMIN GS_SCOPE_ADMIN

const gs_route gs_routes[] = {
    {GET, "/healthz", gs_api_healthz, OPEN},
    {GET, "/readyz", gs_api_readyz, OPEN},
    {GET, "/metrics", gs_api_metrics, READ},
    {GET, "/openapi.yaml", gs_api_openapi_yaml, OPEN},
    {GET, "/openapi.json", gs_api_openapi_json, OPEN},

    {GET, "/v1/session", gs_api_session_get, OPEN},
    {POST, "/v1/session", gs_api_session_create, OPEN},
    {DELETE, "/v1/session", gs_api_session_delete, OPEN},

    {GET, "/v1/audit", gs_api_audit_list, ADMIN},

    {GET, "/v1/datasets", gs_api_dataset_list, READ},
    {PUT, "/v1/datasets/{name}", gs_api_dataset_put, ANNOTATE},
    {GET, "/v1/datasets/{name}", gs_api_dataset_get, READ},

    {POST, "/v1/slices", gs_api_slice_create, ANNOTATE},
    {GET, "/v1/slices", gs_api_slice_list, READ},
    {GET, "/v1/slices/{id}", gs_api_slice_get, READ},
    {DELETE, "/v1/slices/{id}", gs_api_slice_delete, ADMIN},
    {GET, "/v1/slices/{id}/image", gs_api_slice_image, READ},
    {GET, "/v1/slices/{id}/content", gs_api_slice_content, READ},
    {GET, "/v1/slices/{id}/thumbnail", gs_api_slice_thumbnail, READ},
    {PUT, "/v1/slices/{id}/label", gs_api_label_put, ANNOTATE},
    {PUT, "/v1/slices/{id}/annotation", gs_api_annotation_put, ANNOTATE},
    {GET, "/v1/slices/{id}/annotation", gs_api_annotation_get, READ},
    {DELETE, "/v1/slices/{id}/annotation", gs_api_annotation_delete, ANNOTATE},
    {GET, "/v1/slices/{id}/annotation/history", gs_api_annotation_history, READ},
    {GET, "/v1/slices/{id}/annotation/history/{version}", gs_api_annotation_version, READ},
    {POST, "/v1/slices/{id}/annotation/history/{version}/restore", gs_api_annotation_restore,
     ANNOTATE},

    {GET, "/v1/suggestions", gs_api_suggestion_list, READ},

    {POST, "/v1/volumes", gs_api_volume_create, ANNOTATE},
    {GET, "/v1/volumes", gs_api_volume_list, READ},
    {GET, "/v1/volumes/{id}", gs_api_volume_get, READ},
    {DELETE, "/v1/volumes/{id}", gs_api_volume_delete, ADMIN},
    {GET, "/v1/volumes/{id}/annotations", gs_api_volume_annotations, READ},
    {POST, "/v1/volumes/{id}/segment", gs_api_volume_segment, ANNOTATE},
    {POST, "/v1/volumes/{id}/translate", gs_api_volume_translate, ANNOTATE},

    {POST, "/v1/segment", gs_api_segment, READ},
    {POST, "/v1/translate", gs_api_translate, READ},
    {POST, "/v1/sample", gs_api_sample, READ},

    {POST, "/v1/jobs", gs_api_job_create, TRAIN},
    {GET, "/v1/jobs", gs_api_job_list, READ},
    {GET, "/v1/jobs/{id}", gs_api_job_get, READ},
    {GET, "/v1/jobs/{id}/events", gs_api_job_events, READ},
    {GET, "/v1/jobs/{id}/outputs/{name}", gs_api_job_output, READ},
    {GET, "/v1/jobs/{id}/panel", gs_api_job_panel, READ},
    {GET, "/v1/jobs/{id}/panel/{step}", gs_api_job_panel_sheet, READ},
    {POST, "/v1/jobs/{id}/cancel", gs_api_job_cancel, ANNOTATE | TRAIN},
    {POST, "/v1/jobs/{id}/resume", gs_api_job_resume, TRAIN},

    {GET, "/v1/models", gs_api_model_list, READ},
    {POST, "/v1/models", gs_api_model_create, TRAIN},
    {GET, "/v1/models/active", gs_api_model_active_get, READ},
    {PUT, "/v1/models/active", gs_api_model_active_put, TRAIN},
    {GET, "/v1/models/{id}", gs_api_model_get, READ},
    {GET, "/v1/models/{id}/weights", gs_api_model_weights, READ},
    {DELETE, "/v1/models/{id}", gs_api_model_delete, ADMIN},
};

const size_t gs_route_count = sizeof gs_routes / sizeof gs_routes[0];

const char *gs_route_label(size_t index) {
    if (index < gs_route_count) return gs_routes[index].pattern;
    return index == gs_route_count ? "(viewer)" : "(none)";
}

/* Whether the path fits the pattern; params gets what its {…} matched. */
static bool pattern_matches(const char *pattern, const gs_path *path,
                            const char *params[GS_MAX_PATH_PARAMS]) {
    if (path->count > GS_MAX_SEGMENTS) return false;
    size_t segment = 0, param = 0;
    for (const char *at = pattern; *at == '/'; segment++) {
        at++;
        size_t length = strcspn(at, "/");
        if (segment == path->count) return false;
        const char *given = path->segments[segment];
        if (*at == '{') {
            if (*given == '\0') return false;
            gs_assert(param < GS_MAX_PATH_PARAMS);
            params[param++] = given;
        } else if (strlen(given) != length || strncmp(at, given, length) != 0) {
            return false;
        }
        at += length;
    }
    return segment == path->count;
}

static gs_method method_of(const char *name) {
    if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0) return GS_METHOD_GET;
    if (strcmp(name, "POST") == 0) return GS_METHOD_POST;
    if (strcmp(name, "PUT") == 0) return GS_METHOD_PUT;
    if (strcmp(name, "DELETE") == 0) return GS_METHOD_DELETE;
    return GS_METHOD_OTHER;
}

/* The methods that rows matching the path answer: an Allow header; "" when no row matches. */
static void allowed_methods(const gs_path *path, char out[64]) {
    static const char *const texts[] = {"GET, HEAD, ", "POST, ", "PUT, ", "DELETE, "};
    const char *ignored[GS_MAX_PATH_PARAMS];
    bool answers[GS_METHOD_OTHER] = {false};
    for (size_t i = 0; i < gs_route_count; i++) {
        if (pattern_matches(gs_routes[i].pattern, path, ignored))
            answers[gs_routes[i].method] = true;
    }
    out[0] = '\0';
    for (int method = 0; method < GS_METHOD_OTHER; method++) {
        if (answers[method]) strcat(out, texts[method]); /* all of them together fit */
    }
    if (out[0]) strcat(out, "OPTIONS");
}

/* No row has both this path and this method: the viewer's files, OPTIONS, 405 or 404. */
static gs_status answer_unrouted(const gs_api_context *context, const gs_request *request,
                                 const gs_path *path, const char *method_name,
                                 gs_response *response, size_t *index, gs_error *err) {
    char allowed[64];
    allowed_methods(path, allowed);
    if (!allowed[0] && gs_web_has_file(context, request)) {
        *index = gs_route_count;
        if (request->method == GS_METHOD_GET) return gs_web_answer(context, request, response, err);
        strcpy(allowed, "GET, HEAD, OPTIONS");
    }
    if (!allowed[0]) return gs_fail(err, GS_NOT_FOUND, "there is nothing at %.200s", request->path);
    GS_TRY(gs_response_set_header(response, err, "Allow", "%s", allowed));
    if (strcmp(method_name, "OPTIONS") == 0) {
        response->status = 204;
        return GS_OK;
    }
    return gs_response_problem(response, 405, err, "%.200s answers %s, not %.16s", request->path,
                               allowed, method_name);
}

/* The row that answers; gs_route_count for none. params gets what its {…} matched. */
static size_t find_route(gs_method method, const gs_path *path,
                         const char *params[GS_MAX_PATH_PARAMS]) {
    size_t i = 0;
    while (i < gs_route_count &&
           (gs_routes[i].method != method || !pattern_matches(gs_routes[i].pattern, path, params)))
        i++;
    return i;
}

bool gs_router_admits(const gs_request *request, const char *target, const char *method_name) {
    gs_path path;
    gs_error ignored;
    gs_request asked = *request;
    char *copy = gs_copy_string(target);
    asked.method = method_of(method_name);
    bool admits = true; /* what has no route is refused by the router */
    if (copy && gs_uri_parse(copy, &asked, &path, &ignored) == GS_OK) {
        size_t i = find_route(asked.method, &path, asked.params);
        admits = i == gs_route_count ||
                 gs_access_judge(&asked, gs_routes[i].scope) == GS_VERDICT_ADMITTED;
    }
    gs_free(copy);
    return admits;
}

/* What is known of a request on the way. */
typedef struct passage {
    size_t route;  /* see gs_route_label */
    int64_t audit; /* its entry; 0 = none */
} passage;

/* The one place where handlers are called: after the caller was judged, and a write was noted. */
static gs_status answer(const gs_api_context *context, gs_request *request, char *target,
                        const char *method_name, gs_response *response, passage *out,
                        gs_error *err) {
    gs_path path;
    GS_TRY(gs_uri_parse(target, request, &path, err));
    size_t i = find_route(request->method, &path, request->params);
    if (i == gs_route_count)
        return answer_unrouted(context, request, &path, method_name, response, &out->route, err);
    out->route = i;
    GS_TRY(gs_audit_begin(context, request, gs_routes[i].scope, &out->audit, err));
    GS_TRY(gs_access_check(context, request, gs_routes[i].scope, response, err));
    return gs_routes[i].handler(context, request, response, err);
}

size_t gs_router_answer(const gs_api_context *context, gs_request *request, char *target,
                        const char *method_name, gs_response *response) {
    passage way = {.route = gs_route_count + 1};
    gs_error err = {0};
    request->method = method_of(method_name);
    gs_status status = answer(context, request, target, method_name, response, &way, &err);
    if (status != GS_OK) {
        gs_response_set_problem(response, status, &err, request->id);
    } else if (response->status == 0) {
        response->status = 200;
    }
    gs_audit_finish(context, way.audit, response->status);
    return way.route;
}
