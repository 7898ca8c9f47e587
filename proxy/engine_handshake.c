/* Handshakes of encrypted links that we break on purpose, in the place of one node and towards another. */
#include "engine_internal.h"

static void reset_link(struct tc_engine *e, uint16_t a, uint16_t b)
{
    for (uint32_t i = 0; i < e->pair_count; i++) {
        const struct tc_pair *pair = e->pairs[i];
        if (pair && pair->open && ((pair->from == a && pair->to == b) || (pair->from == b && pair->to == a)))
            tc_engine_pair_down(e, TC_CONN_NEAR(i), true, true);
    }
}

/* What the link lacks meanwhile is its liar's doing if he is a traitor, else a fault of the link. */
static void fault(struct tc_engine *e, uint16_t from, uint16_t to)
{
    e->faults_dirty = true;
    if (tc_nodeset_has(&e->traitors, from))
        e->traitors_acted = true;
    else
        e->lossy_any |= tc_links_add(&e->lossy, from, to);
}

static struct tc_misgreeting *free_entry(struct tc_engine *e)
{
    for (size_t i = 0; i < TC_MISGREETINGS_MAX; i++)
        if (e->misgreetings[i].left == 0)
            return &e->misgreetings[i];
    return NULL;
}

void tc_engine_handshake_op(struct tc_engine *e, const struct tc_op *op, struct tc_decision *d)
{
    const bool can = e->config.transport.class && op->from < TC_REPLICAS_MAX && op->to < TC_REPLICAS_MAX &&
                     op->handshake > TC_HANDSHAKE_HONEST && op->handshake < TC_HANDSHAKE_COUNT && op->times > 0;
    struct tc_misgreeting *entry = can ? free_entry(e) : NULL;
    d->node = op->to;
    d->count = op->times;
    if (!entry || !tc_engine_pend(e, d, TC_WAIT_HANDSHAKE, 1)) {
        tc_engine_resolve(e, d);
        if (can)
            tc_engine_overflow(e, op->from, op->to, "too many handshakes to be broken");
        else
            tc_engine_observe(e, TC_OBS_NOTE, op->from, op->to)->text = "there is no such handshake to be broken";
        return;
    }
    *entry = (struct tc_misgreeting){op->from, op->to, (enum tc_handshake_fault)op->handshake, op->times};
    fault(e, op->from, op->to);
    reset_link(e, op->from, op->to);
}

void tc_engine_handshake_fault(struct tc_engine *e, struct tc_transport_config *config)
{
    for (size_t i = 0; i < TC_MISGREETINGS_MAX; i++) {
        struct tc_misgreeting *entry = &e->misgreetings[i];
        for (unsigned side = 0; side < 2; side++) {
            if (entry->left == 0 || config->nodes[side] != entry->to || config->nodes[!side] != entry->from)
                continue;
            config->fault = entry->fault;
            config->fault_side = side;
            entry->left--;
            tc_engine_node_happened(e, TC_WAIT_HANDSHAKE, entry->to);
            return;
        }
    }
}

void tc_engine_handshakes_end(struct tc_engine *e)
{
    for (size_t i = 0; i < TC_MISGREETINGS_MAX; i++)
        e->misgreetings[i].left = 0;
}
