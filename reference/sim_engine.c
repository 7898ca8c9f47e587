/* Engine steps. What an action leads to comes as an event of its own, at the same virtual time but after the step in
 * hand: the actions of a step die with the next one. */
#include "sim_internal.h"

#include <stdarg.h>
#include <stdio.h>

/* As the live verifier judges: bad only if a signature is; a missing key says nothing. */
static bool verifies(struct tc_sim *sim, struct tc_slice frame)
{
    struct tc_message message = {0};
    tc_arena_reset(&sim->memory->verify_arena);
    if (!sim->protocol->verify || sim->protocol->decode(frame, &sim->memory->verify_arena, &message))
        return true;
    for (uint32_t i = 0; i < message.statement_count; i++)
        if (sim->protocol->verify(&sim->config.env, &message.statements[i]) == TC_ESIGNATURE)
            return false;
    return true;
}

static void perform(struct tc_sim *sim, const struct tc_action *action)
{
    const struct tc_sink *sink = &sim->config.sink;
    switch (action->kind) {
    case TC_ACT_WRITE:
        tc_sim_write(sim, action->conn, action->bytes);
        break;
    case TC_ACT_OBSERVE:
        tc_sim_phase_saw(sim, action->observation);
        sink->observe(sink->self, action->observation);
        break;
    case TC_ACT_DECISION:
        sink->decide(sink->self, action->decision);
        break;
    case TC_ACT_DIAL:
        tc_sim_dial(sim, action->conn, action->to);
        break;
    case TC_ACT_CLOSE:
        tc_sim_close(sim, action->conn, action->reset);
        break;
    case TC_ACT_STOP_READ:
    case TC_ACT_RESUME_READ:
        tc_sim_read_stop(sim, action->conn, action->kind == TC_ACT_STOP_READ);
        break;
    case TC_ACT_NODE:
        /* Later: it may be the very node whose words are being handled. */
        tc_sim_push(sim, (struct tc_sim_event){
                             .time_ns = sim->now_ns, .kind = TC_SIM_ACT, .node = action->node, .token = action->verb});
        break;
    case TC_ACT_VERIFY:
        tc_sim_push(sim, (struct tc_sim_event){.time_ns = sim->now_ns,
                                               .kind = TC_SIM_VERIFIED,
                                               .ok = verifies(sim, action->bytes),
                                               .token = action->token});
        break;
    case TC_ACT_PLAIN: /* nothing here is encrypted */
        break;
    case TC_ACT_FINISH:
        sim->finished = true;
        break;
    }
}

void tc_sim_step(struct tc_sim *sim, struct tc_event *event)
{
    struct tc_actions actions = {0};
    event->now_ns = sim->now_ns;
    if (!event->text)
        event->text = "";
    const int status = tc_engine_step(sim->config.engine, event, &actions);
    if (status) {
        tc_sim_fail(sim, status, "the engine cannot go on: %s", tc_error_text(status));
        return;
    }
    for (size_t i = 0; i < actions.count; i++)
        perform(sim, &actions.items[i]);
}

void tc_sim_observe(struct tc_sim *sim, const struct tc_observation *observation)
{
    tc_sim_step(sim, &(struct tc_event){.kind = TC_EV_OBSERVED, .observation = observation});
}

void tc_sim_complain(struct tc_sim *sim, uint16_t node, uint16_t peer, const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tc_sim_observe(sim, &(struct tc_observation){.kind = TC_OBS_COMPLAINT, .node = node, .peer = peer, .text = text});
}

void tc_sim_note(struct tc_sim *sim, const char *text)
{
    tc_sim_observe(
        sim, &(struct tc_observation){.kind = TC_OBS_NOTE, .node = TC_NODE_NONE, .peer = TC_NODE_NONE, .text = text});
}
