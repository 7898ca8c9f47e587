/* What a script does beside the message in hand: sends, cuts, and what is done to processes. */
#include "engine_internal.h"

static struct tc_decision op_decide(struct tc_engine *e, const struct tc_op *op)
{
    struct tc_decision d = tc_engine_decide(e, op->verb, NULL);
    d.from = op->from;
    d.to = op->to;
    return d;
}

static void note(struct tc_engine *e, uint16_t node, uint16_t peer, const char *text)
{
    tc_engine_observe(e, TC_OBS_NOTE, node, peer)->text = text;
}

/* Goes out at once, between whole frames: what a script makes is not bound to the order of the link. */
static void op_send(struct tc_engine *e, const struct tc_op *op)
{
    uint32_t conn = tc_engine_link_conn(e, op->from, op->to);
    const struct tc_lane *lane = tc_engine_lane(e, conn);
    if (!lane || lane->raw || op->frame.len == 0) {
        struct tc_decision d = op_decide(e, op);
        d.bytes = op->frame;
        tc_engine_resolve(e, &d);
        note(e, op->from, op->to, "send: the link has no live connection that could carry it");
        return;
    }
    struct tc_message *m = tc_engine_decode(e, lane, conn, op->frame);
    struct tc_decision d = tc_engine_decide(e, TC_SEND, m);
    d.from = op->from;
    d.to = op->to;
    d.bytes = op->frame;
    d.count = 1;
    d.bitten = true;
    if (m)
        tc_engine_fault_on(e, m, TC_SEND, true);
    tc_engine_faults_update(e);
    tc_engine_write(e, TC_CONN_PEER(conn), op->frame);
    if (m) {
        m->touched = true;
        tc_engine_observe_message(e, m, false, true);
    }
    tc_engine_resolve(e, &d);
}

/* ---- cuts ---- */

static uint32_t cut_pairs(struct tc_engine *e)
{
    uint32_t cut = 0;
    for (uint32_t i = 0; i < e->pair_count; i++) {
        const struct tc_pair *pair = e->pairs[i];
        if (pair && pair->open && tc_links_has(&e->cut, pair->from, pair->to)) {
            tc_engine_pair_down(e, TC_CONN_NEAR(i), true, true);
            cut++;
        }
    }
    return cut;
}

static void op_cut(struct tc_engine *e, const struct tc_op *op)
{
    struct tc_decision d = op_decide(e, op);
    uint32_t n = e->config.env.cluster ? e->config.env.cluster->n : 0;
    if (op->verb == TC_PARTITION) {
        d.from = TC_NODE_NONE;
        d.to = TC_NODE_NONE;
        uint32_t blocks = op->block_count < 8 ? op->block_count : 8;
        d.count = blocks ? tc_links_partition(&e->cut, op->blocks, blocks, n) : 0;
    } else {
        d.count = tc_links_add(&e->cut, op->from, op->to);
    }
    if (d.count == 0) {
        tc_engine_resolve(e, &d);
        return;
    }
    e->cut_any = true;
    e->faults_dirty = true;
    /* With nothing to cut yet it bites when the first connection is refused. */
    d.bitten = cut_pairs(e) > 0;
    if (d.bitten || !tc_engine_pend(e, &d, TC_WAIT_CUT, 1))
        tc_engine_resolve(e, &d);
}

static bool heal_links(struct tc_engine *e)
{
    bool healed = e->cut_any;
    if (healed)
        e->cut.ends = (struct tc_nodeset){0};
    e->cut_any = false;
    e->faults_dirty |= healed;
    tc_engine_cut_happened(e, false);
    return healed;
}

/* ---- processes ---- */

static void node_act(struct tc_engine *e, uint16_t node, enum tc_verb verb)
{
    struct tc_action *action = tc_engine_act(e, TC_ACT_NODE);
    action->node = node;
    action->verb = verb;
    e->faults_dirty = true;
}

static void wait_or_resolve(struct tc_engine *e, const struct tc_decision *d, enum tc_wait wait)
{
    if (!tc_engine_pend(e, d, wait, 1))
        tc_engine_resolve(e, d);
}

static void op_stop_process(struct tc_engine *e, const struct tc_op *op, struct tc_decision *d)
{
    bool runs = !tc_nodeset_has(&e->exited, op->node);
    if (op->verb == TC_WIPE)
        tc_nodeset_add(&e->wiped, op->node);
    if (op->verb != TC_RESTART)
        tc_nodeset_add(&e->killed, op->node);
    else
        tc_nodeset_remove(&e->killed, op->node);
    if (runs) {
        tc_nodeset_add(&e->exit_asked, op->node);
        wait_or_resolve(e, d, TC_WAIT_EXIT);
    } else if (op->verb == TC_RESTART) {
        wait_or_resolve(e, d, TC_WAIT_UP);
    } else {
        d->bitten = op->verb == TC_WIPE;
        tc_engine_resolve(e, d);
    }
}

static void op_node(struct tc_engine *e, const struct tc_op *op)
{
    struct tc_decision d = op_decide(e, op);
    d.from = TC_NODE_NONE;
    d.to = TC_NODE_NONE;
    d.node = op->node;
    if (op->node >= TC_NODES_MAX) {
        tc_engine_resolve(e, &d);
        note(e, TC_NODE_NONE, TC_NODE_NONE, "there is no such node to act on");
        return;
    }
    node_act(e, op->node, op->verb);
    if (tc_nodeset_has(&e->traitors, op->node))
        e->traitors_acted = true;
    if (op->verb != TC_PAUSE && op->verb != TC_RESUME) {
        op_stop_process(e, op, &d);
        return;
    }
    bool paused = tc_nodeset_has(&e->paused, op->node);
    bool pause = op->verb == TC_PAUSE;
    d.bitten = pause != paused && !tc_nodeset_has(&e->exited, op->node);
    if (pause && d.bitten)
        tc_nodeset_add(&e->paused, op->node);
    else if (!pause)
        tc_nodeset_remove(&e->paused, op->node);
    tc_engine_resolve(e, &d);
}

void tc_engine_ops(struct tc_engine *e)
{
    for (uint32_t i = 0; i < e->plan->op_count; i++) {
        const struct tc_op *op = &e->plan->ops[i];
        struct tc_decision d;
        switch (op->verb) {
        case TC_SEND:
            op_send(e, op);
            break;
        case TC_RELEASE:
            d = op_decide(e, op);
            d.from = TC_NODE_NONE;
            d.to = TC_NODE_NONE;
            d.count = tc_engine_release(e, op->name);
            d.bitten = d.count > 0;
            tc_engine_resolve(e, &d);
            break;
        case TC_PARTITION:
        case TC_SEVER:
            op_cut(e, op);
            break;
        case TC_HEAL:
            d = op_decide(e, op);
            d.from = TC_NODE_NONE;
            d.to = TC_NODE_NONE;
            d.bitten = heal_links(e);
            tc_engine_resolve(e, &d);
            break;
        case TC_PAUSE:
        case TC_RESUME:
        case TC_STOP:
        case TC_KILL:
        case TC_RESTART:
        case TC_WIPE:
            op_node(e, op);
            break;
        case TC_HANDSHAKE:
            d = op_decide(e, op);
            tc_engine_handshake_op(e, op, &d);
            break;
        default: /* a verdict is no side action */
            break;
        }
    }
}

/* The attack is over: the cluster gets its links and processes back, and must recover by itself from there. */
void tc_engine_heal_all(struct tc_engine *e)
{
    heal_links(e);
    tc_engine_handshakes_end(e);
    for (uint32_t node = 0; node < TC_NODES_MAX; node++) {
        if (tc_nodeset_has(&e->paused, node)) {
            tc_nodeset_remove(&e->paused, node);
            node_act(e, (uint16_t)node, TC_RESUME);
        }
        if (tc_nodeset_has(&e->killed, node)) {
            tc_nodeset_remove(&e->killed, node);
            node_act(e, (uint16_t)node, TC_RESTART);
        }
    }
}
