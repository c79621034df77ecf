#include "store/suggestion.h"

#include "base/memory.h"
#include "base/random.h"
#include "store/slice_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ?1 the data set, ?2 the label or ''. */
#define CANDIDATES                                                                                 \
    " WHERE s.dataset = ?1 AND s.annotation IS NULL AND s.split IN ('', 'train')"                  \
    " AND s.label IN ('presence', 'unknown') AND (?2 = '' OR s.label = ?2)"
#define DISAGREEMENT "coalesce(p.disagreement, p.uncertainty)"

typedef struct pick {
    int64_t slice; /* seq */
    uint64_t key;  /* of the random order */
    double score;
} pick;

static int compare_keys(const void *a, const void *b) {
    const pick *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->slice > y->slice) - (x->slice < y->slice);
}

/* The pick's place in a seed's order depends on nothing but the slice, so that the order stays when
 * others come and go. */
static uint64_t key_of(uint64_t seed, int64_t slice) {
    uint32_t block[4];
    gs_philox(seed, 0, (uint64_t)slice, block);
    return (uint64_t)block[0] << 32 | block[1];
}

static gs_status count_candidates(sqlite3 *db, int64_t dataset, const char *label, size_t *out,
                                  gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "SELECT count(*) FROM slices s" CANDIDATES, err);
    gs__sql_bind_int(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, label);
    if (gs__sql_row(&query)) *out = (size_t)gs__sql_int(&query, 0);
    return gs__sql_end(&query);
}

/* All candidates are looked at, `limit` picks are left. Caller frees *out. */
static gs_status pick_randomly(sqlite3 *db, int64_t dataset, const gs_suggestion_wish *wish,
                               pick **out, size_t *count, gs_error *err) {
    size_t all = 0;
    GS_TRY(count_candidates(db, dataset, wish->label, &all, err));
    pick *picks = gs_alloc(all ? all : 1, sizeof *picks);
    if (!picks) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", all);
    *out = picks;
    gs__sql query = gs__sql_prepare(db, "SELECT s.seq FROM slices s" CANDIDATES, err);
    gs__sql_bind_int(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, wish->label);
    size_t n = 0;
    while (n < all && gs__sql_row(&query)) {
        int64_t slice = gs__sql_int(&query, 0);
        picks[n++] = (pick){.slice = slice, .key = key_of(wish->seed, slice), .score = (double)NAN};
    }
    GS_TRY(gs__sql_end(&query));
    if (n > 0) qsort(picks, n, sizeof *picks, compare_keys);
    *count = n < wish->limit ? n : wish->limit;
    return GS_OK;
}

static gs_status pick_highest(sqlite3 *db, int64_t dataset, const gs_suggestion_wish *wish,
                              pick **out, size_t *count, gs_error *err) {
    const char *score = wish->by == GS_SUGGEST_DISAGREEMENT ? DISAGREEMENT : "p.uncertainty";
    char sql[2048];
    snprintf(sql, sizeof sql,
             "SELECT seq, score FROM (SELECT s.seq AS seq, %s AS score, row_number() OVER"
             " (PARTITION BY iif(s.case_name = '', s.seq, s.case_name) ORDER BY %s DESC) AS place"
             " FROM " GS__SLICE_TABLES CANDIDATES ")"
             " ORDER BY score IS NULL, place, score DESC, seq LIMIT ?3",
             score, score);
    *out = gs_alloc(wish->limit, sizeof **out);
    if (!*out) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", wish->limit);
    gs__sql query = gs__sql_prepare(db, sql, err);
    gs__sql_bind_int(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, wish->label);
    gs__sql_bind_int(&query, 3, (int64_t)wish->limit);
    while (*count < wish->limit && gs__sql_row(&query)) {
        pick *next = &(*out)[(*count)++];
        next->slice = gs__sql_int(&query, 0);
        next->score = gs__sql_real(&query, 1);
    }
    return gs__sql_end(&query);
}

static gs_status load_pick(sqlite3 *db, const pick *from, gs_suggestion_list *list, gs_error *err) {
    gs__sql query = gs__sql_prepare(
        db, "SELECT " GS__SLICE_COLUMNS " FROM " GS__SLICE_TABLES " WHERE s.seq = ?1", err);
    gs__sql_bind_int(&query, 1, from->slice);
    if (gs__sql_row(&query)) {
        gs__slice_read(&query, 0, &list->items[list->count]);
        list->scores[list->count++] = from->score;
    }
    return gs__sql_end(&query);
}

static gs_status suggest(sqlite3 *db, const gs_suggestion_wish *wish, pick **picks,
                         gs_suggestion_list *list, gs_error *err) {
    int64_t dataset;
    size_t count = 0;
    GS_TRY(gs__dataset_seq(db, wish->dataset, &dataset, err));
    if (wish->by == GS_SUGGEST_RANDOM)
        GS_TRY(pick_randomly(db, dataset, wish, picks, &count, err));
    else
        GS_TRY(pick_highest(db, dataset, wish, picks, &count, err));
    for (size_t i = 0; i < count; i++) GS_TRY(load_pick(db, &(*picks)[i], list, err));
    return GS_OK;
}

gs_status gs_store_suggest(gs_store *store, const gs_suggestion_wish *wish, gs_suggestion_list *out,
                           gs_error *err) {
    sqlite3 *db;
    pick *picks = NULL;
    gs_suggestion_list list = {0};
    if (wish->limit < 1 || wish->limit > GS_PAGE_MAX)
        return gs_fail(err, GS_INVALID_ARGUMENT, "limit is %zu, expected 1 to %d", wish->limit,
                       GS_PAGE_MAX);
    list.items = gs_alloc(wish->limit, sizeof *list.items);
    list.scores = gs_alloc(wish->limit, sizeof *list.scores);
    gs_status status = GS_OK;
    if (!list.items || !list.scores)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", wish->limit);
    if (!status) status = gs__read_begin(store, &db, err);
    if (!status) {
        status = suggest(db, wish, &picks, &list, err);
        gs__read_end(store, db);
    }
    gs_free(picks);
    if (!status) {
        *out = list;
        return GS_OK;
    }
    gs_free(list.items);
    gs_free(list.scores);
    return status;
}
