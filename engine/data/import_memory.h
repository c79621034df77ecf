/* How many cases of an import may be in memory at once. */
#ifndef GS_ENGINE_DATA_IMPORT_MEMORY_H
#define GS_ENGINE_DATA_IMPORT_MEMORY_H

#include "engine/data/import_internal.h"

#include <pthread.h>

/* Cases are numbered from 0 and settled in order, each after it was cut. */
typedef struct gs__gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t budget;  /* bytes; constant */
    size_t used;    /* guarded by mutex: by cases that are cut, and by what was cut of them */
    int turn;       /* guarded by mutex: the number to be settled next */
    int inside;     /* guarded by mutex: cases that are being cut */
    bool is_closed; /* guarded by mutex: one case is to be alone */
} gs__gate;

/* budget_bytes 0: half of the memory that is free now, by the system's and the control group's
 * count. Caller deinits. */
void gs__gate_init(gs__gate *gate, size_t budget_bytes);
void gs__gate_deinit(gs__gate *gate);

/* Before a case is cut: waits until `bytes` are left of the budget, or it is the case's turn. */
void gs__gate_enter(gs__gate *gate, int number, size_t bytes);
/* After it: of the bytes these are kept until it is settled. */
void gs__gate_leave(gs__gate *gate, size_t bytes, size_t kept);
void gs__gate_settle(gs__gate *gate, int number, size_t kept);

/* For the case whose turn it is, which is not inside: waits until no other is being cut, and keeps
 * them out. */
void gs__gate_close(gs__gate *gate);
void gs__gate_open(gs__gate *gate);

/* Bytes that the candidate's volumes take while it is cut, by their headers: each as float, the
 * largest as stored while it is converted, and `work_volumes` more as float. What cannot be read
 * counts nothing, since it will be refused. */
size_t gs__case_memory(const gs__candidate *candidate, int work_volumes);

#endif
