/* How a maker of data tells what it does. It never prints; its caller may. */
#ifndef GS_ENGINE_DATA_REPORT_H
#define GS_ENGINE_DATA_REPORT_H

#include <stdbool.h>

/* Either function may be NULL. They are called by one thread at a time, not always the same. */
typedef struct gs_data_report {
    /* After each case or image, in order. false: stop; the maker ends with CANCELLED and leaves
     * nothing behind. */
    bool (*progress)(void *context, int done, int total);
    /* A sentence about something that was left out, or a figure of the summary. */
    void (*note)(void *context, const char *text);
    void *context;
} gs_data_report;

#endif
