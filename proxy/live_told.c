/* Two tellers of one fact: what a node prints, and what it answers when it is asked. Whoever comes first is believed
 * and the other only compared: an execution is told once. */
#include "live_private.h"

#include "names.h"

#include <stdlib.h>
#include <string.h>

#define TOLD_MAX 1024 /* executions of one node that are remembered */

struct fact {
    uint64_t sequence;
    struct tc_value value;
    uint8_t tellers; /* enum tc_live_teller, added up; 0: no fact */
};

struct tc_live_told {
    struct fact facts[TC_REPLICAS_MAX][TOLD_MAX]; /* by sequence modulo TOLD_MAX */
    uint64_t top[TC_REPLICAS_MAX];
};

int tc_live_told_open(struct tc_live *live, struct tc_error *err)
{
    const struct tc_live_feed *feed = &live->config.feed;
    if (!feed->open)
        return 0;
    live->told = calloc(1, sizeof *live->told); /* touched only for the nodes there are */
    if (!live->told)
        return tc_error_set(err, TC_EMEMORY, "no memory for what nodes tell");
    return feed->open(feed->self, live->loop, err);
}

void tc_live_told_free(struct tc_live *live)
{
    if (live->config.feed.close)
        live->config.feed.close(live->config.feed.self);
    free(live->told);
}

static void contradict(struct tc_live *live, const struct tc_observation *o, const struct fact *fact)
{
    char before[65], now[65];
    const bool asked = (fact->tellers & TC_LIVE_ASKED) != 0;
    tc_live_note(live, TC_OBS_NOTE, o->node, "replica %u contradicts itself at sequence %llu: it %s %s and %s %s",
                 (unsigned)o->node, (unsigned long long)o->executed.sequence, asked ? "answered" : "printed",
                 tc_value_text(&fact->value, 8, before), asked ? "printed" : "answered",
                 tc_value_text(&o->executed.value, 8, now));
}

bool tc_live_told_new(struct tc_live *live, struct tc_observation *o, enum tc_live_teller teller)
{
    if (!live->told || o->kind != TC_OBS_EXECUTED || o->node >= TC_REPLICAS_MAX)
        return true;
    const uint64_t sequence = o->executed.sequence;
    struct fact *fact = &live->told->facts[o->node][sequence % TOLD_MAX];
    uint64_t *top = &live->told->top[o->node];
    if (fact->tellers && fact->sequence == sequence) {
        const bool first_time = !(fact->tellers & teller);
        const bool same = fact->value.state == o->executed.value.state &&
                          memcmp(fact->value.bytes, o->executed.value.bytes, sizeof fact->value.bytes) == 0;
        if (first_time && !same) {
            contradict(live, o, fact);
            o->executed.origin = TC_EXEC_REPLAYED; /* no execution of its own, but no secret either */
        }
        fact->tellers |= (uint8_t)teller;
        return !first_time || !same;
    }
    const struct fact *last = &live->told->facts[o->node][*top % TOLD_MAX];
    /* A node prints what it decides by voting and not what it fetches to catch up, which is told by asking: where it
     * begins to print again, what lies between is not missing. */
    if (teller == TC_LIVE_PRINTED && *top > 0 && last->sequence == *top && !(last->tellers & TC_LIVE_PRINTED) &&
        sequence > *top + 1)
        o->executed.origin = TC_EXEC_TRANSFERRED;
    if (teller == TC_LIVE_ASKED && sequence < *top) {
        if (fact->tellers && fact->sequence > sequence)
            return false;                      /* too long ago to be kept apart */
        o->executed.origin = TC_EXEC_REPLAYED; /* it printed what came later: its log does not go back now */
    }
    *fact = (struct fact){.sequence = sequence, .value = o->executed.value, .tellers = (uint8_t)teller};
    *top = sequence > *top ? sequence : *top;
    return true;
}

void tc_live_tell_fact(struct tc_live *live, const struct tc_observation *observation)
{
    struct tc_observation o = *observation;
    o.time_ns = tc_live_time_ns(live);
    if (!o.text)
        o.text = "";
    if (!live->status && tc_live_told_new(live, &o, TC_LIVE_ASKED))
        tc_live_step(live, &(struct tc_event){.kind = TC_EV_OBSERVED, .node = o.node, .observation = &o});
}
