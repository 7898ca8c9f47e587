/* Who may be blamed: F_s and F_l, as design.md defines them, and when the last fault ended. */
#include "engine_internal.h"

/* Peers relay what a traitor signed. Where something else stands in its place or beside it, and we did sign for that
 * traitor, the lie is its signer's. But what correct peers relay is not in a traitor's power: in its place, it is lost
 * on their link too. Bytes that were merely spoilt are the link's fault alone. */
static bool is_signers_lie(const struct tc_engine *e, const struct tc_message *m, enum tc_verb verb)
{
    return verb == TC_REPLACE && e->config.ledger && m->statement_count > 0 &&
           tc_nodeset_has(&e->config.ledger->signed_for, m->statements[0].signer);
}

enum tc_loss tc_engine_loss(const struct tc_engine *e)
{
    const struct tc_cluster *cluster = e->config.env.cluster;
    return cluster && cluster->loses_for_good ? TC_LOSS_FINAL : e->protocol->loss;
}

/* A verdict on a message of (or to) a traitor is the traitors' doing. On a message between correct nodes it is a fault
 * of their link, until the attack ends, or for good where the protocol never says a lost message again. */
void tc_engine_fault_on(struct tc_engine *e, const struct tc_message *m, enum tc_verb verb, bool delivered)
{
    const bool traitors = tc_nodeset_has(&e->traitors, m->from) || tc_nodeset_has(&e->traitors, m->to);
    const bool lie = is_signers_lie(e, m, verb);
    if (traitors || lie) {
        e->faults_dirty |= !e->traitors_acted;
        e->traitors_acted = true;
    }
    if (traitors)
        return;
    if (verb == TC_DUPLICATE || verb == TC_SEND || verb == TC_FORWARD || (lie && delivered))
        return;
    const bool loses = verb == TC_DROP || verb == TC_HOLD || verb == TC_REPLACE;
    /* A client asks again by a timer of its own, of which the protocol's bound knows nothing: when it does, we hear it.
     */
    const bool is_clients = m->from >= TC_CLIENT_FIRST || m->to >= TC_CLIENT_FIRST;
    if (loses && (is_clients || tc_engine_loss(e) != TC_LOSS_RETRANSMITTED))
        tc_links_add(&e->lost, m->from, m->to);
    if (tc_links_add(&e->lossy, m->from, m->to)) {
        e->lossy_any = true;
        e->faults_dirty = true;
    }
}

static bool deliveries_pend(const struct tc_engine *e)
{
    return e->pending_live > e->pending_waiting;
}

void tc_engine_asked_again(struct tc_engine *e, const struct tc_message *m)
{
    bool healed = false;
    if (tc_links_spares(&e->lossy, m->from)) /* which has whatever is lost */
        return;
    /* Behind what is still late nothing passes. */
    if (e->attacking || tc_engine_script_active(e) || deliveries_pend(e))
        return;
    for (uint32_t node = 0; node < TC_NODES_MAX; node++) {
        const bool was_lost = tc_links_remove(&e->lost, m->from, node);
        healed |= tc_links_remove(&e->lossy, m->from, node) || was_lost;
    }
    e->faults_dirty |= healed;
}

static void recompute(struct tc_engine *e)
{
    /* What the attack did to links ends with it, once its last delayed message is out; stopping the run heals nothing.
     */
    if (!e->attacking && !e->ended && !tc_engine_script_active(e) && e->lossy_any && !deliveries_pend(e)) {
        e->lossy = e->lost;
        e->lossy_any = !tc_links_empty(&e->lost);
    }
    struct tc_faults *f = &e->faults;
    f->signed_for = e->wiped;
    if (e->config.ledger)
        tc_nodeset_union(&f->signed_for, &e->config.ledger->signed_for);
    f->down = e->exited;
    tc_nodeset_union(&f->down, &e->paused);
    f->liveness = f->signed_for;
    tc_nodeset_union(&f->liveness, &f->down);
    if (e->traitors_acted)
        tc_nodeset_union(&f->liveness, &e->traitors);
    uint32_t n = e->config.env.cluster ? e->config.env.cluster->n : 0;
    if (e->cut_any || e->lossy_any) {
        tc_links_cover(&e->cut, &e->lossy, n, &f->liveness);
        const uint32_t borne = e->config.env.cluster ? tc_protocol_bearable(e->config.env.cluster) : 0;
        tc_links_clients_cut_off(&e->cut, &e->lossy, n, borne, &f->liveness);
    }
    for (uint32_t node = 0; e->asynchronous && node < n; node++)
        tc_nodeset_add(&f->liveness, node);
    if (e->cut_any || e->lossy_any || e->asynchronous || tc_nodeset_count(&f->down) > 0) {
        f->healed_ns = TC_NEVER_NS;
    } else if (f->healed_ns == TC_NEVER_NS) {
        f->healed_ns = e->now_ns;
    }
    f->active = tc_engine_script_active(e) || (!e->ended && deliveries_pend(e));
}

void tc_engine_faults_recompute(struct tc_engine *e)
{
    e->faults_dirty = false;
    recompute(e);
    const struct tc_faults *f = &e->faults, *told = &e->told;
    if (tc_nodeset_equal(&f->signed_for, &told->signed_for) && tc_nodeset_equal(&f->liveness, &told->liveness) &&
        tc_nodeset_equal(&f->down, &told->down) && f->healed_ns == told->healed_ns && f->active == told->active)
        return;
    e->told = *f;
    tc_engine_observe(e, TC_OBS_FAULTS, TC_NODE_NONE, TC_NODE_NONE)->faults = *f;
}
