#include "window.h"
#include "window_parts.h"

#include <stdlib.h>
#include <string.h>

struct tc_window *tc_window_new(void)
{
    struct tc_window *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->head = aligned_alloc(TC_WINDOW_RECORD_SIZE, TC_WINDOW_HEAD_MAX * sizeof *w->head);
    w->ring = aligned_alloc(TC_WINDOW_RECORD_SIZE, TC_WINDOW_RING_MAX * sizeof *w->ring);
    w->after = aligned_alloc(TC_WINDOW_RECORD_SIZE, TC_WINDOW_AFTER_MAX * sizeof *w->after);
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

/* The same of a message's type, which is a text that stays where it is: its place tells it. */
static uint8_t message_type_number(struct tc_window *w, const char *type)
{
    if (type != w->last_type) {
        w->last_type_number = type_number(w, type);
        w->last_type = type;
    }
    return w->last_type_number;
}

/* Where the next record goes; NULL: it is not kept. Of no meaning yet: to be zeroed. */
static struct tc_window_record *place(struct tc_window *w)
{
    if (w->attacked && w->head_count < TC_WINDOW_HEAD_MAX)
        return &w->head[w->head_count++];
    if (!w->marked)
        return &w->ring[w->ring_total++ % TC_WINDOW_RING_MAX];
    return w->after_count < TC_WINDOW_AFTER_MAX ? &w->after[w->after_count++] : NULL;
}

static void put(struct tc_window *w, const struct tc_window_record *record)
{
    struct tc_window_record *kept = place(w);
    if (kept)
        *kept = *record;
}

/* Said all at once: then the compiler puts the bits of a byte together before it writes them. */
static void put_message(struct tc_window *w, const struct tc_observation *o)
{
    static const struct tc_statement none = {.signer = TC_NODE_NONE};
    const struct tc_message *m = o->message.message;
    const struct tc_statement *s = m->statement_count > 0 ? &m->statements[0] : &none;
    struct tc_window_record *r = place(w);
    if (!r)
        return;
    *r = (struct tc_window_record){.time_ns = o->time_ns,
                                   .key = m->key,
                                   .view = s->view,
                                   .sequence = s->sequence,
                                   .occurrence = m->occurrence,
                                   .from = m->from,
                                   .to = m->to,
                                   .signer = s->signer != TC_NODE_NONE ? s->signer : m->from,
                                   .kind = (uint8_t)s->kind,
                                   .phase = (uint8_t)s->phase,
                                   .type = message_type_number(w, m->type),
                                   .what = TC_WINDOW_MESSAGE,
                                   .value_state = (unsigned)s->value.state & 15u,
                                   .said = o->message.said,
                                   .heard = o->message.heard,
                                   .touched = m->touched,
                                   .has_view = s->has_view,
                                   .has_sequence = s->has_sequence};
    memcpy(r->digest, s->value.bytes, sizeof r->digest);
}

/* All but messages. */
static void observe_fact(struct tc_window *w, const struct tc_observation *o)
{
    struct tc_window_record r = {.time_ns = o->time_ns, .from = o->node, .to = o->node};
    switch (o->kind) {
    case TC_OBS_PHASE:
        if (o->phase.phase == TC_RUN_DURING && !w->attacked) {
            w->attacked = true;
            w->ring_before = w->ring_total;
            w->after_before = w->after_count;
        }
        return;
    case TC_OBS_FAULTS:
        w->signed_for = o->faults.signed_for;
        return;
    case TC_OBS_EXECUTED:
        r.what = TC_WINDOW_EXECUTED;
        r.has_view = r.has_sequence = true;
        r.view = o->executed.view;
        r.sequence = o->executed.sequence;
        r.value_state = (unsigned)o->executed.value.state & 15u;
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

void tc_window_observe(struct tc_window *w, const struct tc_observation *o)
{
    if (o->kind == TC_OBS_MESSAGE)
        put_message(w, o);
    else
        observe_fact(w, o);
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
    r.value_state = (unsigned)d->value.state & 15u;
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

/* What came before the attack, its begin, what came later. */
const struct tc_window_record *tc_window_next(struct tc_window_walk *walk)
{
    const struct tc_window *w = walk->window;
    const bool early = walk->head_at < w->head_count;
    const uint64_t ring_end = early ? w->ring_before : w->ring_total;
    const uint64_t after_end = early ? w->after_before : w->after_count;
    if (walk->ring_at < ring_end)
        return &w->ring[walk->ring_at++ % TC_WINDOW_RING_MAX];
    if (walk->after_at < after_end)
        return &w->after[walk->after_at++];
    return early ? &w->head[walk->head_at++] : NULL;
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
