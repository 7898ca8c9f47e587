#include "window.h"
#include "window_parts.h"

#include <stdlib.h>
#include <string.h>

struct tc_window *tc_window_new(void)
{
    struct tc_window *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->head = malloc(TC_WINDOW_HEAD_MAX * sizeof *w->head);
    w->ring = malloc(TC_WINDOW_RING_MAX * sizeof *w->ring);
    w->after = malloc(TC_WINDOW_AFTER_MAX * sizeof *w->after);
    if (w->head && w->ring && w->after)
        return w;
    tc_window_free(w);
    return NULL;
}

void tc_window_free(struct tc_window *w)
{
    if (!w)
        return;
    free(w->head);
    free(w->ring);
    free(w->after);
    free(w);
}

static uint8_t type_find(struct tc_window *w, const char *type)
{
    for (uint32_t i = 0; i < w->type_count; i++)
        if (strncmp(w->types[i], type, sizeof w->types[i] - 1) == 0)
            return (uint8_t)(i + 1);
    if (w->type_count == TC_WINDOW_TYPES_MAX)
        return 0;
    strncpy(w->types[w->type_count], type, sizeof w->types[0] - 1);
    return (uint8_t)++w->type_count;
}

/* Types are the protocol's names: few, so that their number replaces the text in a record. 0 is "". The text of one is
 * nearly always where it was, but a place may come to hold another text, so one look at the text remains. */
static uint8_t type_number(struct tc_window *w, const char *type)
{
    if (!type || !*type)
        return 0;
    if (w->last_number > 0 && strncmp(w->types[w->last_number - 1], type, sizeof w->types[0] - 1) == 0)
        return w->last_number;
    w->last_number = type_find(w, type);
    return w->last_number;
}

static void put(struct tc_window *w, const struct tc_window_record *record)
{
    struct tc_window_record *kept = NULL;
    if (w->attacked && w->head_count < TC_WINDOW_HEAD_MAX) {
        kept = &w->head[w->head_count++];
        *kept = *record;
        kept->order = w->order;
    }
    kept = NULL;
    if (!w->marked)
        kept = &w->ring[w->ring_total++ % TC_WINDOW_RING_MAX];
    else if (w->after_count < TC_WINDOW_AFTER_MAX)
        kept = &w->after[w->after_count++];
    if (kept) {
        *kept = *record;
        kept->order = w->order;
    }
    w->order++;
}

static void put_message(struct tc_window *w, const struct tc_observation *o)
{
    const struct tc_message *m = o->message.message;
    struct tc_window_record r = {.time_ns = o->time_ns, .what = TC_WINDOW_MESSAGE};
    r.key = m->key;
    r.occurrence = m->occurrence;
    r.from = r.signer = m->from;
    r.to = m->to;
    r.said = o->message.said;
    r.heard = o->message.heard;
    r.touched = m->touched;
    r.type = type_number(w, m->type);
    if (m->statement_count > 0) {
        const struct tc_statement *s = &m->statements[0];
        if (s->signer != TC_NODE_NONE)
            r.signer = s->signer;
        r.kind = (uint8_t)s->kind;
        r.phase = (uint8_t)s->phase;
        r.has_view = s->has_view;
        r.has_sequence = s->has_sequence;
        r.view = s->view;
        r.sequence = s->sequence;
        r.value_state = s->value.state;
        memcpy(r.digest, s->value.bytes, sizeof r.digest);
    }
    put(w, &r);
}

void tc_window_observe(struct tc_window *w, const struct tc_observation *o)
{
    struct tc_window_record r = {.time_ns = o->time_ns, .from = o->node, .to = o->node};
    switch (o->kind) {
    case TC_OBS_PHASE:
        if (o->phase.phase == TC_RUN_DURING)
            w->attacked = true;
        return;
    case TC_OBS_FAULTS:
        w->signed_for = o->faults.signed_for;
        return;
    case TC_OBS_MESSAGE:
        put_message(w, o);
        return;
    case TC_OBS_EXECUTED:
        r.what = TC_WINDOW_EXECUTED;
        r.has_view = r.has_sequence = true;
        r.view = o->executed.view;
        r.sequence = o->executed.sequence;
        r.value_state = o->executed.value.state;
        r.verb = (uint8_t)o->executed.origin;
        memcpy(r.digest, o->executed.value.bytes, sizeof r.digest);
        put(w, &r);
        return;
    case TC_OBS_VIEW:
        r.what = TC_WINDOW_VIEW;
        r.has_view = true;
        r.view = o->view.view;
        r.active = o->view.active;
        put(w, &r);
        return;
    default:
        return;
    }
}

void tc_window_decide(struct tc_window *w, const struct tc_decision *d)
{
    struct tc_window_record r = {.time_ns = d->time_ns, .what = TC_WINDOW_DECISION};
    r.id = d->id;
    r.key = d->key;
    r.occurrence = d->occurrence;
    r.from = d->from;
    r.to = d->to;
    r.verb = (uint8_t)d->verb;
    r.kind = (uint8_t)d->kind;
    r.phase = (uint8_t)d->phase;
    r.type = type_number(w, d->type);
    r.bitten = d->bitten;
    r.has_view = d->has_view;
    r.has_sequence = d->has_sequence;
    r.view = d->view;
    r.sequence = d->sequence;
    r.value_state = d->value.state;
    memcpy(r.digest, d->value.bytes, sizeof r.digest);
    put(w, &r);
}

void tc_window_mark(struct tc_window *w)
{
    w->marked = true;
}

struct tc_window_walk tc_window_begin(const struct tc_window *w)
{
    struct tc_window_walk walk = {.window = w};
    walk.ring_at = w->ring_total > TC_WINDOW_RING_MAX ? w->ring_total - TC_WINDOW_RING_MAX : 0;
    /* Without a finding the attack's begin tells more than the run's end, if there was an attack. */
    if (!w->marked && w->head_count > 0)
        walk.ring_at = w->ring_total;
    return walk;
}

const struct tc_window_record *tc_window_next(struct tc_window_walk *walk)
{
    const struct tc_window *w = walk->window;
    for (;;) {
        const struct tc_window_record *head = walk->head_at < w->head_count ? &w->head[walk->head_at] : NULL;
        const struct tc_window_record *late = NULL;
        bool in_ring = walk->ring_at < w->ring_total;
        if (in_ring)
            late = &w->ring[walk->ring_at % TC_WINDOW_RING_MAX];
        else if (walk->after_at < w->after_count)
            late = &w->after[walk->after_at];
        if (!head && !late)
            return NULL;
        const struct tc_window_record *first = !late || (head && head->order <= late->order) ? head : late;
        if (first == head)
            walk->head_at++;
        else if (in_ring)
            walk->ring_at++;
        else
            walk->after_at++;
        /* The two windows may overlap: each record once. */
        if (walk->seen && first->order <= walk->last_order)
            continue;
        walk->seen = true;
        walk->last_order = first->order;
        return first;
    }
}

const struct tc_window_record *tc_window_first_decision(const struct tc_window *w, const uint64_t *sequence,
                                                        const uint64_t *view, uint64_t before_ns)
{
    struct tc_window_walk walk = tc_window_begin(w);
    for (const struct tc_window_record *r = tc_window_next(&walk); r; r = tc_window_next(&walk)) {
        if (r->what != TC_WINDOW_DECISION || !r->bitten || r->time_ns > before_ns)
            continue;
        if (sequence ? r->has_sequence && r->sequence == *sequence : !view || (r->has_view && r->view == *view))
            return r;
    }
    return NULL;
}

const char *tc_window_type(const struct tc_window *w, const struct tc_window_record *record)
{
    return record->type > 0 && record->type <= w->type_count ? w->types[record->type - 1] : "";
}
