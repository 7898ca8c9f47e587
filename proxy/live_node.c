/* Processes: what the keeper tells, and what the engine wants done. */
#include "live_private.h"
#include "names.h"

#include <errno.h>
#include <string.h>

#define EVENTS_MAX 64 /* of the keeper in one turn */

static void handle(struct tc_live *live, const struct tc_process_event *what)
{
    struct tc_event event = {.node = what->node, .incarnation = what->incarnation, .status = what->status};
    if (what->up) {
        if (what->stdout_fd >= 0)
            tc_live_source_add(live, what->node, what->incarnation, what->stdout_fd);
        event.kind = TC_EV_NODE_UP;
    } else {
        tc_live_source_finish(live, what->node); /* its last words come before its end */
        event.kind = TC_EV_NODE_EXIT;
    }
    tc_live_step(live, &event);
}

static void keeper_ready(void *self, uint32_t events)
{
    (void)events;
    struct tc_live *live = self;
    struct tc_process_event event;
    for (int i = 0; i < EVENTS_MAX && !live->status; i++) {
        const int got = tc_keeper_next(live->config.keeper, &event);
        if (got == 0)
            return;
        if (got == 1) {
            handle(live, &event);
            continue;
        }
        struct tc_error err = {0};
        tc_error_set(&err, TC_EIO, "the process keeper ended, and with it every node");
        tc_live_fail(live, TC_EIO, &err);
    }
}

int tc_live_nodes_open(struct tc_live *live, struct tc_error *err)
{
    if (!live->config.keeper)
        return 0;
    if (tc_loop_add(live->loop, &live->keeper_watch, tc_keeper_fd(live->config.keeper), EPOLLIN, keeper_ready, live))
        return tc_error_set(err, TC_EIO, "cannot watch the process keeper: %s", strerror(errno));
    return 0;
}

void tc_live_node_act(struct tc_live *live, uint16_t node, enum tc_verb verb)
{
    struct tc_error err = {0};
    char name[8];
    if (!live->config.keeper)
        tc_live_note(live, TC_OBS_NOTE, node, "%s of node %s was asked for, but its process is not ours",
                     tc_verb_name(verb), tc_node_name(node, name));
    else if (tc_keeper_act(live->config.keeper, node, verb, &err))
        tc_live_note(live, TC_OBS_NOTE, node, "%s of node %s: %.150s", tc_verb_name(verb), tc_node_name(node, name),
                     err.text);
}
