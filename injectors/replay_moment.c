/* The names of calls: by these a replay knows its moments again. */
#include "replay.h"

#include "../proxy/random.h"

#include <stdlib.h>
#include <string.h>

/* Of the fields that make a key (tc_message_set_key) those that do not depend on what clients asked for. */
static uint64_t role_of(const struct tc_message *m)
{
    if (m->statement_count == 0)
        return 1;
    const struct tc_statement *s = &m->statements[0];
    uint64_t h = (uint64_t)s->kind << 32 | (uint64_t)s->phase << 24 | (uint64_t)s->type << 16 | s->signer;
    h = tc_random_mix(h, s->has_view ? s->view + 1 : 0);
    h = tc_random_mix(h, s->has_sequence ? s->sequence + 1 : 0);
    return s->kind == TC_KIND_REQUEST ? tc_random_mix(h, s->slot) : h;
}

static struct tc_moment name_of(const struct tc_call *call)
{
    struct tc_moment m = {.call = call->kind, .time_ns = call->now_ns, .from = TC_NODE_NONE, .to = TC_NODE_NONE};
    switch (call->kind) {
    case TC_CALL_MESSAGE:
    case TC_CALL_HEAR:
        m.from = call->message->from;
        m.to = call->message->to;
        m.key = call->message->key;
        m.role = role_of(call->message);
        m.occurrence = call->message->occurrence;
        break;
    case TC_CALL_DECIDE:
        m.key = call->observation->executed.sequence;
        break;
    case TC_CALL_VIEW:
        m.from = call->observation->node;
        m.key = call->observation->view.view;
        break;
    case TC_CALL_TIMER:
        m.key = call->token;
        break;
    case TC_CALL_PHASE:
        m.key = (uint64_t)call->phase;
        break;
    case TC_CALL_BEGIN:
    case TC_CALL_END:
        break;
    }
    return m;
}

/* ---- how often a name came ---- */

void tc_call_counts_clear(struct tc_call_counts *c)
{
    if (c->_used > 0)
        memset(c->_names, 0, c->_size * sizeof *c->_names);
    c->_used = 0;
}

void tc_call_counts_free(struct tc_call_counts *c)
{
    free(c->_names);
    *c = (struct tc_call_counts){._names = NULL};
}

static struct tc_moment *entry_of(const struct tc_call_counts *c, const struct tc_moment *m)
{
    const uint64_t h = tc_random_mix(m->key, (uint64_t)m->call << 32 | (uint64_t)m->from << 16 | m->to);
    uint32_t at = (uint32_t)(h & (c->_size - 1));
    while (c->_names[at].occurrence != 0 &&
           !(c->_names[at].call == m->call && c->_names[at].from == m->from && c->_names[at].key == m->key))
        at = (at + 1) & (c->_size - 1);
    return &c->_names[at];
}

static int grow(struct tc_call_counts *c)
{
    if (c->_size >= 2 * TC_TAPE_ITEMS_MAX)
        return TC_ELIMIT;
    struct tc_call_counts larger = {._size = c->_size ? c->_size * 2 : 64, ._used = c->_used};
    larger._names = calloc(larger._size, sizeof *larger._names);
    if (!larger._names)
        return TC_EMEMORY;
    for (uint32_t i = 0; i < c->_size; i++)
        if (c->_names[i].occurrence != 0)
            *entry_of(&larger, &c->_names[i]) = c->_names[i];
    free(c->_names);
    *c = larger;
    return 0;
}

int tc_moment_of(const struct tc_call *call, struct tc_call_counts *counts, struct tc_moment *out)
{
    *out = name_of(call);
    if (call->kind == TC_CALL_MESSAGE || call->kind == TC_CALL_HEAR) /* the engine counts those */
        return 0;
    if (2 * (counts->_used + 1) > counts->_size) {
        const int status = grow(counts);
        if (status < 0)
            return status;
    }
    struct tc_moment *seen = entry_of(counts, out);
    const uint32_t before = seen->occurrence;
    counts->_used += before == 0;
    *seen = *out;
    seen->occurrence = before + 1;
    out->occurrence = before;
    return 0;
}
