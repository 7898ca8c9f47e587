/* A decision is emitted once, when it is known whether it bit. Until then it waits here. */
#include "engine_internal.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct tc_decision tc_engine_decide(struct tc_engine *e, enum tc_verb verb, const struct tc_message *m)
{
    struct tc_decision d = {.id = ++e->next_decision,
                            .time_ns = e->now_ns,
                            .rule = e->rule ? e->rule : "",
                            .verb = verb,
                            .from = TC_NODE_NONE,
                            .to = TC_NODE_NONE,
                            .node = TC_NODE_NONE,
                            .type = "",
                            .why = ""};
    e->stats.asked[verb]++;
    if (!m)
        return d;
    d.from = m->from;
    d.to = m->to;
    d.key = m->key;
    d.occurrence = m->occurrence;
    d.type = m->type ? m->type : "";
    if (m->statement_count > 0) {
        const struct tc_statement *s = &m->statements[0];
        d.kind = s->kind;
        d.phase = s->phase;
        d.has_view = s->has_view;
        d.view = s->view;
        d.has_sequence = s->has_sequence;
        d.sequence = s->sequence;
        d.value = s->value;
    }
    return d;
}

static int pending_grow(struct tc_engine *e)
{
    uint32_t size = e->pending_size ? e->pending_size * 2 : 64;
    struct tc_pending *pending = realloc(e->pending, size * sizeof *pending);
    if (!pending)
        return TC_EMEMORY;
    e->pending = pending;
    for (uint32_t i = size; i > e->pending_size; i--) {
        pending[i - 1] = (struct tc_pending){.next_free = e->pending_free};
        e->pending_free = i - 1;
    }
    e->pending_size = size;
    return 0;
}

uint32_t tc_engine_pend(struct tc_engine *e, const struct tc_decision *decision, enum tc_wait wait,
                        uint32_t outstanding)
{
    if (e->pending_live >= e->config.schedule_items_max ||
        (wait != TC_WAIT_DELIVERY && e->pending_waiting >= TC_WAITING_OPS_MAX))
        return 0;
    if (e->pending_free == NONE && pending_grow(e)) {
        e->out_of_memory = true;
        return 0;
    }
    /* Reasons and bytes lie in the step's arena: what outlives the step is copied. */
    char *why = decision->why[0] ? tc_engine_copy(decision->why, strlen(decision->why) + 1) : NULL;
    uint8_t *bytes = decision->bytes.len ? tc_engine_copy(decision->bytes.data, decision->bytes.len) : NULL;
    if ((decision->why[0] && !why) || (decision->bytes.len && !bytes)) {
        free(why);
        free(bytes);
        e->out_of_memory = true;
        return 0;
    }
    uint32_t index = e->pending_free;
    struct tc_pending *p = &e->pending[index];
    e->pending_free = p->next_free;
    *p = (struct tc_pending){
        .decision = *decision, .outstanding = outstanding, .wait = wait, .why = why, .bytes = bytes};
    p->decision.why = why ? why : "";
    p->decision.bytes.data = bytes;
    e->pending_live++;
    e->pending_waiting += wait != TC_WAIT_DELIVERY;
    return index + 1;
}

static void settle(struct tc_engine *e, struct tc_pending *p)
{
    tc_engine_resolve(e, &p->decision);
    tc_engine_retire(e, p->why);
    tc_engine_retire(e, p->bytes);
    e->pending_live--;
    e->pending_waiting -= p->wait != TC_WAIT_DELIVERY;
    *p = (struct tc_pending){.next_free = e->pending_free};
    e->pending_free = (uint32_t)(p - e->pending);
    if (e->pending_live == 0)
        e->faults_dirty = true; /* the last effect of an attack that is over */
}

void tc_engine_settle(struct tc_engine *e, uint32_t pending, bool bitten)
{
    if (pending == 0)
        return;
    e->pending[pending - 1].decision.bitten |= bitten;
    settle(e, &e->pending[pending - 1]);
}

void tc_engine_delivered(struct tc_engine *e, uint32_t pending, bool delivered)
{
    if (pending == 0)
        return;
    struct tc_pending *p = &e->pending[pending - 1];
    if (delivered) {
        p->decision.measured_ns = e->now_ns - p->decision.time_ns;
        /* A copy or a replacement bites whenever it comes; a message itself only if it came late. */
        p->decision.bitten |= p->decision.verb == TC_DUPLICATE || p->decision.verb == TC_REPLACE ||
                              p->decision.verb == TC_SEND || p->decision.measured_ns > 0;
    }
    if (--p->outstanding == 0)
        settle(e, p);
}

void tc_engine_node_happened(struct tc_engine *e, enum tc_wait wait, uint16_t node)
{
    for (uint32_t i = 0; e->pending_waiting > 0 && i < e->pending_size; i++) {
        struct tc_pending *p = &e->pending[i];
        if (p->outstanding == 0 || p->wait != wait || p->decision.node != node)
            continue;
        p->decision.measured_ns = e->now_ns - p->decision.time_ns;
        tc_engine_settle(e, i + 1, true);
    }
}

void tc_engine_cut_happened(struct tc_engine *e, bool bitten)
{
    for (uint32_t i = 0; e->pending_waiting > 0 && i < e->pending_size; i++)
        if (e->pending[i].outstanding > 0 && e->pending[i].wait == TC_WAIT_CUT)
            tc_engine_settle(e, i + 1, bitten);
}

/* At the end of the run: what was withheld until then did bite, what was to be added or to happen did not. */
void tc_engine_settle_all(struct tc_engine *e)
{
    for (uint32_t i = 0; i < e->pending_size; i++) {
        struct tc_pending *p = &e->pending[i];
        if (p->outstanding == 0)
            continue;
        bool withheld = p->decision.verb == TC_DELAY || p->decision.verb == TC_REORDER || p->decision.verb == TC_HOLD ||
                        p->decision.verb == TC_REPLACE;
        tc_engine_settle(e, i + 1, p->wait == TC_WAIT_DELIVERY && withheld && e->now_ns > p->decision.time_ns);
    }
}
