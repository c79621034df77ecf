/* Owns the list of candidates and the walk over folders. Must not know layouts. */
#include "engine/data/import_internal.h"

#include "base/memory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_ENTRIES = 1 << 20 }; /* of one folder */

/* ---- candidates ---- */

static bool grow(gs__candidates *list) {
    if (list->count < list->capacity) return true;
    if (list->count >= GS_IMPORT_MAX_CASES) return false;
    int capacity = list->capacity ? 2 * list->capacity : 64;
    gs__candidate *items = gs_resize(list->items, (size_t)capacity, sizeof *items);
    if (!items) return false;
    list->items = items;
    list->capacity = capacity;
    return true;
}

gs__candidate *gs__candidates_get(gs__candidates *list, const char *name, const char *group) {
    /* From the end: a walk gives the files of a case one after the other. */
    for (int i = list->count - 1; i >= 0; i--)
        if (strcmp(list->items[i].name, name) == 0) return &list->items[i];
    if (!grow(list)) return NULL;
    gs__candidate made = {.name = gs_copy_string(name), .group = gs_copy_string(group)};
    if (!made.name || !made.group) {
        gs_free(made.name);
        gs_free(made.group);
        return NULL;
    }
    list->items[list->count] = made;
    return &list->items[list->count++];
}

static int compare_candidates(const void *a, const void *b) {
    return strverscmp(((const gs__candidate *)a)->name, ((const gs__candidate *)b)->name);
}

void gs__candidates_sort(gs__candidates *list) {
    if (list->count)
        qsort(list->items, (size_t)list->count, sizeof *list->items, compare_candidates);
}

void gs__candidates_deinit(gs__candidates *list) {
    for (int i = 0; i < list->count; i++) {
        gs_free(list->items[i].name);
        gs_free(list->items[i].group);
        for (int k = 0; k < GS__IMPORT_FILES; k++) gs_free(list->items[i].files[k]);
    }
    gs_free(list->items);
    *list = (gs__candidates){0};
}

bool gs__is_nifti(const char *name, size_t *length_out) {
    static const char *const endings[] = {".nii", ".nii.gz"};
    size_t length = strlen(name);
    for (int i = 0; i < 2; i++) {
        size_t ending = strlen(endings[i]);
        if (length <= ending || strcasecmp(name + length - ending, endings[i]) != 0) continue;
        *length_out = length - ending;
        return true;
    }
    return false;
}

/* ---- the walk ---- */

typedef struct names {
    char **items;
    size_t count, capacity;
} names;

static void names_deinit(names *list) {
    for (size_t i = 0; i < list->count; i++) gs_free(list->items[i]);
    gs_free(list->items);
}

static gs_status names_add(names *list, const char *name, const char *folder, gs_error *err) {
    if (list->count == MAX_ENTRIES)
        return gs_fail(err, GS_TOO_LARGE, "%s has more than %d entries", folder, MAX_ENTRIES);
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        char **items = gs_resize(list->items, capacity, sizeof *items);
        if (!items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to list %s", folder);
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = gs_copy_string(name);
    if (!copy) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to list %s", folder);
    list->items[list->count++] = copy;
    return GS_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted: a folder's own order differs from one file system to the next. */
static gs_status list_folder(const char *folder, names *list, gs_error *err) {
    DIR *stream = opendir(folder);
    if (!stream) return gs_fail_errno(err, "cannot list %s", folder);
    gs_status status = GS_OK;
    for (struct dirent *entry; status == GS_OK && (entry = readdir(stream)) != NULL;)
        if (entry->d_name[0] != '.') status = names_add(list, entry->d_name, folder, err);
    closedir(stream);
    if (status == GS_OK && list->count)
        qsort(list->items, list->count, sizeof *list->items, compare_names);
    return status;
}

typedef struct walk {
    const char *root;
    gs__visit_file *visit;
    void *context;
} walk;

static gs_status walk_below(const walk *w, const char *below, int depth, gs_error *err);

static gs_status walk_entry(const walk *w, const char *folder, const char *below, const char *name,
                            int depth, gs_error *err) {
    struct stat info;
    char *path = gs_format("%s/%s", folder, name);
    char *further = gs_format("%s%s%s", below, below[0] ? "/" : "", name);
    gs_status status = GS_OK;
    if (!path || !further)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to list %s", folder);
    else if (stat(path, &info) != 0)
        info.st_mode = 0; /* a link to nothing: the case will lack the file */
    if (status == GS_OK && S_ISREG(info.st_mode))
        status = w->visit(w->context, folder, below, name, err);
    if (status == GS_OK && S_ISDIR(info.st_mode) && depth > 0)
        status = walk_below(w, further, depth - 1, err);
    gs_free(path);
    gs_free(further);
    return status;
}

static gs_status walk_below(const walk *w, const char *below, int depth, gs_error *err) {
    names list = {0};
    char *folder = gs_format("%s%s%s", w->root, below[0] ? "/" : "", below);
    if (!folder) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to list %s", w->root);
    gs_status status = list_folder(folder, &list, err);
    for (size_t i = 0; status == GS_OK && i < list.count; i++)
        status = walk_entry(w, folder, below, list.items[i], depth, err);
    names_deinit(&list);
    gs_free(folder);
    return status;
}

gs_status gs__walk_folder(const char *folder, int depth, gs__visit_file *visit, void *context,
                          gs_error *err) {
    const walk w = {folder, visit, context};
    return walk_below(&w, "", depth, err);
}
