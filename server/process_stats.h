/* What the kernel knows of this process. Thread-safe. */
#ifndef GS_SERVER_PROCESS_STATS_H
#define GS_SERVER_PROCESS_STATS_H

#include <stdint.h>

typedef struct gs_process_stats {
    uint64_t resident_bytes, open_descriptors;
    double cpu_seconds; /* user and system, of all threads */
    double started_at;  /* seconds since 1970 */
} gs_process_stats;

/* What cannot be read is 0. */
void gs_process_stats_read(gs_process_stats *out);

#endif
