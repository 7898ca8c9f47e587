/* The script: when it is called, and what happens to its answer. */
#include "engine_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A plan is some eighty kilobytes: entries are written when they are taken. */
static void plan_reset(struct tc_engine *e)
{
    struct tc_plan *p = e->plan;
    struct tc_verdict *v = &p->verdict;
    v->verb = TC_FORWARD;
    v->delay_ns = 0;
    v->duplicates = 0;
    v->reorder_window_ns = 0;
    v->hold_name = NULL;
    v->frame_count = 0;
    v->why = NULL;
    p->op_count = 0;
    p->timer_count = 0;
    p->note_count = 0;
    p->traitors = (struct tc_nodeset){0};
    p->arena = &e->arena;
}

bool tc_engine_script_active(const struct tc_engine *e)
{
    return e->handler && !e->ended && (e->attacking || e->handler->always);
}

/* The attack is over, but its traitors are what they are. */
static bool traitors_go_on(const struct tc_engine *e)
{
    return e->handler && !e->ended && e->begun && e->handler->goes_on;
}

bool tc_engine_wants(const struct tc_engine *e, enum tc_call_kind call)
{
    return (tc_engine_script_active(e) || traitors_go_on(e)) && (e->handler->calls >> call & 1u);
}

void tc_engine_script_failed(struct tc_engine *e)
{
    e->handler = NULL;
    tc_engine_act(e, TC_ACT_FINISH);
    e->faults_dirty = true;
}

bool tc_engine_set_rule(struct tc_engine *e, const char *name)
{
    if (!name)
        name = "";
    for (uint32_t i = 0; i < e->rule_count; i++)
        if (strcmp(e->rules[i], name) == 0) {
            e->rule = e->rules[i];
            return true;
        }
    /* Decisions outlive a reload, so the name is ours. Past the bound the last name serves. */
    if (e->rule_count == TC_RULES_MAX)
        return true;
    e->rules[e->rule_count] = tc_engine_copy(name, strlen(name) + 1);
    if (!e->rules[e->rule_count])
        return false;
    e->rule = e->rules[e->rule_count++];
    return true;
}

/* The traitors are named once; a script that is loaded later in the attack must live with them. */
static int plan_traitors(struct tc_engine *e)
{
    if (e->begun)
        return 0;
    if (e->config.ledger) {
        int rc = tc_ledger_freeze(e->config.ledger, &e->plan->traitors, &e->error);
        if (rc)
            return rc;
    }
    e->traitors = e->plan->traitors;
    e->begun = true;
    e->faults_dirty = true;
    return 0;
}

static void plan_timers(struct tc_engine *e)
{
    for (uint32_t i = 0; i < e->plan->timer_count; i++) {
        /* Never at once: a timer that sets itself anew must let time pass. */
        uint64_t due_ns = e->plan->timers[i].due_ns > e->now_ns ? e->plan->timers[i].due_ns : e->now_ns + 1;
        int rc = tc_schedule_put(e->schedule, TC_TIMER_LANE, e->now_ns, due_ns, true, (struct tc_slice){NULL, 0},
                                 e->plan->timers[i].token, 0);
        if (rc == TC_ELIMIT)
            tc_engine_overflow(e, TC_NODE_NONE, TC_NODE_NONE, "the schedule is full: a timer was lost");
        e->out_of_memory |= rc == TC_EMEMORY;
    }
}

/* All but the verdict; mostly nothing. */
static void plan_do(struct tc_engine *e)
{
    struct tc_plan *p = e->plan;
    assert(p->op_count <= TC_PLAN_OPS_MAX && p->verdict.frame_count <= TC_PLAN_FRAMES_MAX);
    if ((p->note_count | p->timer_count | p->op_count) == 0)
        return;
    for (uint32_t i = 0; i < p->note_count; i++)
        tc_engine_observe(e, TC_OBS_NOTE, TC_NODE_NONE, TC_NODE_NONE)->text = p->notes[i] ? p->notes[i] : "";
    plan_timers(e);
    tc_engine_ops(e);
}

bool tc_engine_call(struct tc_engine *e, enum tc_call_kind kind, const struct tc_message *m,
                    const struct tc_observation *observation, uint64_t token)
{
    const struct tc_call call = {.kind = kind,
                                 .now_ns = e->now_ns,
                                 .view = e->view,
                                 .traitors = &e->traitors,
                                 .message = m,
                                 .observation = observation,
                                 .token = token,
                                 .phase = e->phase};
    plan_reset(e);
    e->stats.script_calls++;
    int rc = e->handler->call(e->handler->self, &call, e->plan, &e->error);
    if (rc >= 0 && kind == TC_CALL_BEGIN)
        rc = plan_traitors(e);
    if (rc < 0) {
        if (e->error.code == 0)
            tc_error_set(&e->error, rc, "%s: %s", e->rule, tc_error_text(rc));
        tc_engine_script_failed(e);
        return false;
    }
    /* Whom we signed for must be known before what was signed is heard. */
    tc_engine_faults_update(e);
    plan_do(e);
    return true;
}

static void attack_ends(struct tc_engine *e)
{
    if (tc_engine_wants(e, TC_CALL_END))
        tc_engine_call(e, TC_CALL_END, NULL, NULL, 0);
    e->attacking = false;
    tc_engine_gather_flush_all(e);
    tc_engine_heal_all(e);
    tc_engine_hold_drop(e, UINT32_MAX);
    e->faults_dirty = true;
}

void tc_engine_phase(struct tc_engine *e, enum tc_run_phase phase)
{
    bool leaves = e->attacking && phase != TC_RUN_DURING;
    bool enters = !e->attacking && phase == TC_RUN_DURING;
    e->phase = phase;
    tc_engine_tell_unfinished(e);
    tc_engine_observe(e, TC_OBS_PHASE, TC_NODE_NONE, TC_NODE_NONE)->phase.phase = phase;
    if (leaves)
        attack_ends(e);
    if (enters && e->handler && !e->ended) {
        e->attacking = true;
        e->faults_dirty = true;
        tc_engine_call(e, TC_CALL_BEGIN, NULL, NULL, 0);
    }
    if (tc_engine_wants(e, TC_CALL_PHASE))
        tc_engine_call(e, TC_CALL_PHASE, NULL, NULL, 0);
}

void tc_engine_reload(struct tc_engine *e, const struct tc_handler *handler)
{
    if (e->ended || e->error.code)
        return;
    e->handler = handler;
    e->faults_dirty = true;
    if (!handler)
        return;
    if (!tc_engine_set_rule(e, handler->name)) {
        e->out_of_memory = true;
        return;
    }
    e->attacking = e->phase == TC_RUN_DURING;
    if (e->attacking)
        tc_engine_call(e, TC_CALL_BEGIN, NULL, NULL, 0);
}
