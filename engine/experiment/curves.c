#include "engine/experiment/curves.h"

#include "base/memory.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next free item, after those that it follows; NULL when out of memory. */
static void *push(void **items, size_t *count, size_t *room, size_t size) {
    if (*count == *room) {
        size_t more = *room ? 2 * *room : 64;
        void *grown = gs_resize(*items, more, size);
        if (!grown) return NULL;
        *items = grown, *room = more;
    }
    return (char *)*items + size * (*count)++;
}

static void forget_after(gs_curves *c, uint64_t step) {
    while (c->dice_count > 0 && c->dice[c->dice_count - 1].step > step) c->dice_count--;
    while (c->loss_count > 0 && c->losses[c->loss_count - 1].step > step) c->loss_count--;
}

static double number(const json_t *json) {
    return json_is_number(json) ? json_number_value(json) : (double)NAN;
}

static bool add_dice(gs_curves *c, uint64_t step, const json_t *line) {
    if (c->dice_count > 0 && c->dice[c->dice_count - 1].step == step) c->dice_count--;
    gs_dice_point *point = push((void **)&c->dice, &c->dice_count, &c->dice_room, sizeof *c->dice);
    if (point) *point = (gs_dice_point){step, number(json_object_get(line, "dice"))};
    return point != NULL;
}

static bool add_losses(gs_curves *c, uint64_t step, const json_t *line) {
    const json_t *losses = json_object_get(line, "losses");
    if (c->loss_count > 0 && c->losses[c->loss_count - 1].step == step) c->loss_count--;
    gs_loss_point *point =
        push((void **)&c->losses, &c->loss_count, &c->loss_room, sizeof *c->losses);
    if (!point) return false;
    point->step = step;
    for (gs_term k = 0; k < GS_TERM_COUNT; k++)
        point->losses[k] = number(json_object_get(losses, gs_term_name(k)));
    return true;
}

/* False when out of memory. */
static bool add_line(gs_curves *c, const json_t *line) {
    const char *event = json_string_value(json_object_get(line, "event"));
    uint64_t step = (uint64_t)json_integer_value(json_object_get(line, "step"));
    if (!event) return true;
    if (strcmp(event, "recovery") == 0)
        step = (uint64_t)json_integer_value(json_object_get(line, "back_to"));
    forget_after(c, step);
    if (strcmp(event, "validation") == 0) return add_dice(c, step, line);
    if (strcmp(event, "progress") == 0) return add_losses(c, step, line);
    return true;
}

gs_status gs_curves_read(const char *path, gs_curves *out, gs_error *err) {
    gs_curves c = {0};
    char *text = NULL;
    size_t room = 0;
    bool has_room = true;
    FILE *file = fopen(path, "re");
    if (!file) return gs_fail_errno(err, "cannot open %s", path);
    while (has_room && getline(&text, &room, file) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        has_room = add_line(&c, line);
        json_decref(line);
    }
    fclose(file);
    free(text);
    if (!has_room) {
        gs_curves_deinit(&c);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the curves of %s", path);
    }
    *out = c;
    return GS_OK;
}

void gs_curves_deinit(gs_curves *c) {
    gs_free(c->dice), gs_free(c->losses);
    *c = (gs_curves){0};
}
