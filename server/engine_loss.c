/* A device that fails so that this process cannot use it any more. The engine is restarted by
 * starting the process anew (cli/restart.c), which is what CUDA asks for; until then nothing is
 * computed. */
#include "server/log.h"
#include "server/server_internal.h"

gs_status gs__engine_check(gs_server *server, gs_error *err) {
    gs_status status = GS_OK;
    pthread_mutex_lock(&server->losing);
    if (server->lost.status != GS_OK) {
        const char *what_now = server->options.on_engine_lost
                                   ? "it is being restarted"
                                   : "it was restarted too often and waits for somebody to look";
        status = gs_fail(err, GS_DEVICE_LOST, "the engine lost its device, %s: %.300s", what_now,
                         server->lost.text);
    }
    pthread_mutex_unlock(&server->losing);
    return status;
}

gs_status gs__engine_note(gs_server *server, gs_status status, gs_error *err) {
    if (status != GS_DEVICE_LOST) return status;
    pthread_mutex_lock(&server->losing);
    bool is_new = server->lost.status == GS_OK;
    if (is_new) server->lost = *err;
    pthread_mutex_unlock(&server->losing);
    if (!is_new) return status;
    gs_log_text(GS_LOG_ERROR, "engine_lost", "%s", err->text);
    if (server->options.on_engine_lost) server->options.on_engine_lost();
    return status;
}
