/* Monotonic time for deadlines and durations. */
#ifndef GS_SERVER_CLOCK_H
#define GS_SERVER_CLOCK_H

#include <pthread.h>
#include <time.h>

/* Seconds since some fixed moment. */
double gs_clock_seconds(void);

/* The moment timeout_ms from now, for pthread_cond_timedwait on a condition of gs_cond_init. */
struct timespec gs_clock_after_ms(int timeout_ms);

/* A condition whose deadlines are on the monotonic clock: setting the time does not disturb it. */
void gs_cond_init(pthread_cond_t *condition);

#endif
