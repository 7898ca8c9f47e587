/* One engine step and its actions. Events that actions give rise to (a full queue, a dial that failed at once) are told
 * after the step in hand, never inside it: the actions of a step die with the next one. */
#include "live_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tc_live_schedule(struct tc_live *live)
{
    if (live->draining)
        return;
    const uint64_t engine_ns = tc_engine_deadline_ns(live->config.engine);
    if (engine_ns <= live->chore_ns)
        tc_loop_set_deadline(live->loop, engine_ns + live->epoch_ns, TC_LOOP_EARLY_NS);
    else
        tc_loop_set_deadline(live->loop, live->chore_ns + live->epoch_ns, 0);
}

void tc_live_tell(struct tc_live_conn *conn, uint32_t what)
{
    struct tc_live *live = conn->live;
    const bool waiting = conn->tell != 0;
    conn->tell |= what;
    if (waiting)
        return;
    conn->tell_next = NULL;
    if (live->tell_last)
        live->tell_last->tell_next = conn;
    else
        live->tell_first = conn;
    live->tell_last = conn;
}

static void perform(struct tc_live *live, const struct tc_action *action)
{
    switch (action->kind) {
    case TC_ACT_WRITE:
        tc_live_write(live, action->conn, action->bytes);
        break;
    case TC_ACT_OBSERVE:
        if (!live->seen_start)
            tc_live_phase_saw(live, action->observation);
        live->config.sink.observe(live->config.sink.self, action->observation);
        break;
    case TC_ACT_DECISION:
        live->config.sink.decide(live->config.sink.self, action->decision);
        break;
    case TC_ACT_DIAL:
        tc_live_dial(live, action->conn, action->to);
        break;
    case TC_ACT_CLOSE:
        tc_live_close(live, action->conn, action->reset);
        break;
    case TC_ACT_STOP_READ:
    case TC_ACT_RESUME_READ:
        tc_live_read_stop(live, action->conn, action->kind == TC_ACT_STOP_READ);
        break;
    case TC_ACT_NODE:
        tc_live_node_act(live, action->node, action->verb);
        break;
    case TC_ACT_VERIFY:
        tc_live_verify_ask(live, action->token, action->bytes);
        break;
    case TC_ACT_PLAIN:
        if (live->capture)
            tc_capture_bytes(live->capture, tc_live_time_ns(live), action->conn,
                             action->received == ((action->conn & 1) == 0), action->bytes);
        break;
    case TC_ACT_FINISH:
        live->finished = true;
        tc_loop_stop(live->loop);
        break;
    }
}

static void step(struct tc_live *live, struct tc_event *event)
{
    struct tc_actions actions = {0};
    event->now_ns = tc_live_time_ns(live);
    if (!event->text)
        event->text = "";
    tc_live_watch_begin(live->watcher, tc_loop_now_ns(live->loop));
    const int status = tc_engine_step(live->config.engine, event, &actions);
    tc_live_watch_end(live->watcher);
    if (status) {
        tc_live_fail(live, status, NULL);
        return;
    }
    for (size_t i = 0; i < actions.count; i++)
        perform(live, &actions.items[i]);
}

static void tell_queue(struct tc_live *live, struct tc_live_conn *conn)
{
    const size_t queued = tc_live_queued(conn);
    conn->told = (uint32_t)((queued + live->quarter - 1) / live->quarter);
    step(live, &(struct tc_event){.kind = TC_EV_QUEUE, .conn = conn->number, .queued_bytes = queued});
}

static void tell_dial_failed(struct tc_live *live, const struct tc_live_conn *conn)
{
    char text[256];
    const char *address = live->config.node_address(live->config.node_self, conn->node);
    snprintf(text, sizeof text, "%s: %s", address && *address ? address : "no address", strerror(conn->undialled));
    live->stats.dial_failures++;
    step(live, &(struct tc_event){.kind = TC_EV_DIAL_FAILED, .conn = conn->number, .ours = conn->ours, .text = text});
}

static void tell(struct tc_live *live, struct tc_live_conn *conn, uint32_t what)
{
    if (what & TC_LIVE_TELL_QUEUE)
        tell_queue(live, conn);
    if (what & TC_LIVE_TELL_DIAL_FAILED)
        tell_dial_failed(live, conn);
    if (what & TC_LIVE_TELL_RESET)
        step(live, &(struct tc_event){.kind = TC_EV_CLOSED, .conn = conn->number, .reset = true});
}

static void tell_notes(struct tc_live *live)
{
    while (live->note_count > 0) {
        const struct tc_live_note note = live->notes[0];
        live->note_count--;
        for (size_t i = 0; i < live->note_count; i++)
            live->notes[i] = live->notes[i + 1];
        const struct tc_observation observation = {.kind = note.kind,
                                                   .node = note.node,
                                                   .peer = TC_NODE_NONE,
                                                   .not_carried = note.not_carried,
                                                   .text = note.text};
        step(live, &(struct tc_event){.kind = TC_EV_OBSERVED, .observation = &observation});
    }
}

/* Ends, since what is told repeatedly for one connection is a queue that passes quarters, and writing into it is what
 * the engine stops doing when it is full. */
static void tell_all(struct tc_live *live)
{
    while ((live->tell_first || live->note_count > 0) && !live->status) {
        tell_notes(live);
        struct tc_live_conn *conn = live->tell_first;
        if (!conn)
            continue;
        const uint32_t what = conn->tell;
        live->tell_first = conn->tell_next;
        if (!live->tell_first)
            live->tell_last = NULL;
        conn->tell = 0;
        tell(live, conn, what);
        tc_live_settle(conn);
    }
}

void tc_live_step(struct tc_live *live, struct tc_event *event)
{
    assert(!live->stepping);
    live->stepping = true;
    step(live, event);
    if (live->tell_first || live->note_count > 0)
        tell_all(live);
    live->stepping = false;
    tc_live_schedule(live);
}

void tc_live_tell_all(struct tc_live *live)
{
    if ((!live->tell_first && live->note_count == 0) || live->stepping)
        return;
    live->stepping = true;
    tell_all(live);
    live->stepping = false;
    tc_live_schedule(live);
}

static void note_add(struct tc_live *live, const struct tc_live_note *head, const char *format, va_list arguments)
{
    if (live->note_count == TC_LIVE_NOTES_MAX) {
        live->notes_lost++; /* said at the end of the run */
        live->lost_not_carried = live->lost_not_carried || head->not_carried;
        return;
    }
    struct tc_live_note *note = &live->notes[live->note_count++];
    *note = *head;
    vsnprintf(note->text, sizeof note->text, format, arguments);
    tc_live_tell_all(live);
}

void tc_live_note(struct tc_live *live, enum tc_observation_kind kind, uint16_t node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_add(live, &(struct tc_live_note){.kind = kind, .node = node}, format, arguments);
    va_end(arguments);
}

void tc_live_not_carried(struct tc_live *live, uint16_t node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_add(live, &(struct tc_live_note){.kind = TC_OBS_OVERFLOW, .node = node, .not_carried = true}, format,
             arguments);
    va_end(arguments);
}
