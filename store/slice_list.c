/* Many slices: filtered pages, and the snapshot of a data set. */
#include "store/slice_internal.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* How SQL sorts, by order and direction; ties by age. */
static const char *const orders[][2] = {
    [GS_ORDER_CREATED] = {"s.seq", "s.seq DESC"},
    [GS_ORDER_NAME] = {"s.name, s.case_name, s.position, s.seq",
                       "s.name DESC, s.case_name DESC, s.position DESC, s.seq DESC"},
    [GS_ORDER_AREA] = {"p.area IS NULL, p.area, s.seq", "p.area IS NULL, p.area DESC, s.seq"},
    [GS_ORDER_SCORE] = {"p.area IS NULL, " GS__PREDICTION_SCORE ", s.seq",
                        "p.area IS NULL, " GS__PREDICTION_SCORE " DESC, s.seq"},
};
/* The kinds of cursors: of the oldest first it is a seq, else a number of items. */
static const char kinds[][2] = {[GS_ORDER_CREATED] = {'s', 'S'},
                                [GS_ORDER_NAME] = {'n', 'N'},
                                [GS_ORDER_AREA] = {'a', 'A'},
                                [GS_ORDER_SCORE] = {'p', 'P'}};

static bool is_oldest_first(gs_slice_sort sort) {
    return sort.order == GS_ORDER_CREATED && sort.direction == GS_ASCENDING;
}

/* The conditions are spelt out per filter, so that SQLite can choose an index for each. Parameters:
 * 1 the position, 2 the limit, then those of the filter in this order. */
static void write_query(const gs_slice_filter *filter, gs_slice_sort sort, char *sql, size_t size) {
    snprintf(sql, size,
             "SELECT s.seq, " GS__SLICE_COLUMNS " FROM " GS__SLICE_TABLES
             " WHERE s.seq > %s%s%s%s%s%s%s ORDER BY %s LIMIT ?2%s",
             is_oldest_first(sort) ? "?1" : "0",
             filter->dataset ? " AND s.dataset = (SELECT seq FROM datasets WHERE name = ?3)" : "",
             filter->case_name ? " AND s.case_name = ?4" : "",
             filter->label ? " AND s.label = ?5" : "", filter->split ? " AND s.split = ?6" : "",
             filter->volume ? " AND s.volume = (SELECT seq FROM volumes WHERE id = ?7)" : "",
             filter->annotated == GS_ANNOTATED_YES  ? " AND s.annotation IS NOT NULL"
             : filter->annotated == GS_ANNOTATED_NO ? " AND s.annotation IS NULL"
                                                    : "",
             orders[sort.order][sort.direction], is_oldest_first(sort) ? "" : " OFFSET ?1");
}

static gs_status read_page(sqlite3 *db, const gs_slice_filter *filter, gs_slice_sort sort,
                           size_t limit, int64_t after, gs_slice_list *list, gs_error *err) {
    char sql[2048];
    write_query(filter, sort, sql, sizeof sql);
    gs__sql query = gs__sql_prepare(db, sql, err);
    gs__sql_bind_int(&query, 1, after);
    gs__sql_bind_int(&query, 2, (int64_t)limit + 1);
    if (filter->dataset) gs__sql_bind_text(&query, 3, filter->dataset);
    if (filter->case_name) gs__sql_bind_text(&query, 4, filter->case_name);
    if (filter->label) gs__sql_bind_text(&query, 5, filter->label);
    if (filter->split) gs__sql_bind_text(&query, 6, filter->split);
    if (filter->volume) gs__sql_bind_text(&query, 7, filter->volume);
    while (gs__sql_row(&query)) {
        if (list->count == limit) { /* one more exists */
            gs__cursor_make(kinds[sort.order][sort.direction], after, list->next_cursor);
            break;
        }
        after = is_oldest_first(sort) ? gs__sql_int(&query, 0) : after + 1;
        gs__slice_read(&query, 1, &list->items[list->count++]);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_slice_list(gs_store *store, const gs_slice_filter *filter, gs_slice_sort sort,
                              const gs_page *page, gs_slice_list *out, gs_error *err) {
    sqlite3 *db;
    size_t limit;
    int64_t after;
    gs_slice_list list = {0};
    GS_TRY(gs__page_parse(page, kinds[sort.order][sort.direction], 0, &limit, &after, err));
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (!status) {
        status = read_page(db, filter, sort, limit, after, &list, err);
        gs__read_end(store, db);
    }
    if (status)
        gs_free(list.items);
    else
        *out = list;
    return status;
}

static gs_status visit_all(sqlite3 *db, const char *dataset, gs_slice_visit *visit, void *context,
                           gs_error *err) {
    int64_t seq;
    GS_TRY(gs__dataset_seq(db, dataset, &seq, err));
    gs__sql query =
        gs__sql_prepare(db,
                        "SELECT " GS__CONTENT_BYTES ", a.mask, coalesce(a.author, ''),"
                        " coalesce(a.began_with, ''), " GS__SLICE_COLUMNS " FROM " GS__SLICE_TABLES
                        " " GS__CONTENT_JOIN " LEFT JOIN annotations a ON a.seq = s.annotation"
                        " WHERE s.dataset = (SELECT seq FROM datasets WHERE name = ?1)"
                        " ORDER BY s.seq",
                        err);
    gs__sql_bind_text(&query, 1, dataset);
    while (gs__sql_row(&query)) {
        gs_slice_view view;
        size_t size;
        view.content = gs__sql_bytes(&query, 0, &size);
        view.mask = gs__sql_bytes(&query, 1, &view.mask_size);
        gs__sql_text(&query, 2, view.author, sizeof view.author);
        gs__sql_text(&query, 3, view.began_with, sizeof view.began_with);
        gs__slice_read(&query, 4, &view.record);
        if (!query.status && (int64_t)size != view.record.content_size)
            gs__sql_stop(&query, gs_fail(err, GS_IO, "genseg.db is damaged: slice %s has %zu bytes",
                                         view.record.id, size));
        if (!query.status) gs__sql_stop(&query, visit(context, &view, err));
    }
    return gs__sql_end(&query);
}

gs_status gs_store_slice_each(gs_store *store, const char *dataset, gs_slice_visit *visit,
                              void *context, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = visit_all(db, dataset, visit, context, err);
    gs__read_end(store, db);
    return status;
}
