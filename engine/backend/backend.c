#include "engine/backend/backend.h"

#include <string.h>

gs_status gs_backend_find(const char *name, const gs_backend **out, gs_error *err) {
    static const gs_backend *const all[] = {&gs_backend_cpu, &gs_backend_reference};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!name || strcmp(name, all[i]->name) == 0) {
            *out = all[i];
            return GS_OK;
        }
    return gs_fail(err, GS_NOT_FOUND, "no backend \"%.40s\": there are cpu and reference", name);
}
