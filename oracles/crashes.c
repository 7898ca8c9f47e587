/* O18, crashes: a replica process that ends without being asked to, and reports of sanitizers or failed assertions.
 * A node that says it has halted has crashed, whether its process runs or not. Kills and stops that we asked for are no
 * crash; neither is an end after the run's end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oracles.h"

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint64_t exits, asked, up;
    uint32_t lives[TC_REPLICAS_MAX]; /* the newest that was counted, plus one */
    bool ended;
};

static void report(struct tc_oracle *o, const struct tc_observation *observation, const char *what)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_crashes, observation->time_ns);
    tc_nodeset_add(&f.suspects, observation->node);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_who(&t, observation->node);
    tc_text_add(&t, " %s", what);
    t = tc_finding_fact(&f, observation->time_ns, observation->node);
    const char *text = observation->text ? observation->text : "";
    tc_text_add(&t, "incarnation %" PRIu32 "%s%s", observation->incarnation, *text ? ": " : "", text);
    o->env->report(o->env->judge, &f);
}

static bool is_sanitizer(const char *text)
{
    static const char *const signs[] = {"AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "MemorySanitizer",
                                        "runtime error:",   "Assertion `",   "stack smashing",  "double free"};
    for (size_t i = 0; text && i < sizeof signs / sizeof *signs; i++)
        if (strstr(text, signs[i]))
            return true;
    return false;
}

static void ended(struct tc_oracle *o, const struct tc_observation *observation)
{
    o->exits++;
    if (observation->exit.asked || o->ended) {
        o->asked++;
        return;
    }
    char what[96];
    if (is_sanitizer(observation->text))
        snprintf(what, sizeof what, "was ended by a sanitizer or a failed assertion");
    else if (observation->exit.status < 0)
        snprintf(what, sizeof what, "was ended by signal %d that nobody sent", -observation->exit.status);
    else
        snprintf(what, sizeof what, "ended unasked with exit code %d", observation->exit.status);
    report(o, observation, what);
}

/* Whoever started the process says so, and the process itself, too. */
static void started(struct tc_oracle *o, const struct tc_observation *observation)
{
    uint32_t *life = &o->lives[observation->node];
    if (observation->incarnation + 1 <= *life)
        return;
    *life = observation->incarnation + 1;
    o->up++;
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_PHASE) {
        o->ended |= observation->phase.phase == TC_RUN_ENDED;
        return;
    }
    if (observation->node >= o->env->protocol_env.cluster->n)
        return;
    if (observation->kind == TC_OBS_NODE_UP)
        started(o, observation);
    else if (observation->kind == TC_OBS_NODE_EXIT)
        ended(o, observation);
    else if (observation->kind == TC_OBS_HALTED)
        report(o, observation, "stopped by itself: it says that it cannot go on");
    else if (is_sanitizer(observation->text))
        report(o, observation, "reports a sanitizer's finding or a failed assertion");
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    (void)now_ns;
    result->status = TC_HOLDS;
    result->compared = o->up;
    snprintf(result->unit, sizeof result->unit, "processes");
    if (o->up == 0 && o->exits == 0) {
        tc_oracle_not_judged(result, "the replicas' processes are not ours to watch");
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_add(&t, "%" PRIu64 " process%s started, %" PRIu64 " ended as asked", o->up, o->up == 1 ? "" : "es",
                o->asked);
}

const struct tc_oracle_class tc_oracle_crashes = {
    .name = "crashes",
    .summary = "no replica ends unasked or reports a sanitizer's finding",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_NODE_UP) | TC_OBS_BIT(TC_OBS_NODE_EXIT) | TC_OBS_BIT(TC_OBS_COMPLAINT) |
                    TC_OBS_BIT(TC_OBS_HALTED) | TC_OBS_BIT(TC_OBS_PHASE),
    .size = sizeof(struct tc_oracle),
    .observe = observe,
    .finish = finish,
};
