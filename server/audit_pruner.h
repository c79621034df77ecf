/* Forgets old entries of the audit log: at once, and then every period, on a thread of its own. */
#ifndef GS_SERVER_AUDIT_PRUNER_H
#define GS_SERVER_AUDIT_PRUNER_H

#include "store/store.h"

typedef struct gs_audit_pruner gs_audit_pruner;

typedef struct gs_audit_pruner_options {
    int days; /* entries are kept for; at least 1 */
    int period_ms;
} gs_audit_pruner_options;

/* `store` must outlive it. Caller closes. */
GS_MUST_CHECK gs_status gs_audit_pruner_open(gs_store *store,
                                             const gs_audit_pruner_options *options,
                                             gs_audit_pruner **out, gs_error *err);
/* Waits for one short transaction at most. NULL is allowed. */
void gs_audit_pruner_close(gs_audit_pruner *pruner);

#endif
