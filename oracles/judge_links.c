/* What the judge makes of a world that does not show everything: links that are passed raw or hidden, gaps in a
 * capture, oracles without ground truth, and nobody who says who is faulty. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "judge_internal.h"
#include "oracles.h"

/* Why links are not judged, as one clause. */
static void say_spliced(struct tc_text *t, const struct tc_judge *judge)
{
    if (judge->hidden[0]) {
        tc_text_add(t, "%s", judge->hidden);
        return;
    }
    tc_text_add(t, "a connection between ");
    tc_text_who(t, judge->spliced_from);
    tc_text_add(t, " and ");
    tc_text_who(t, judge->spliced_to);
    tc_text_add(t, judge->gap ? " is not to be read from " : " is passed raw since ");
    tc_text_duration(t, judge->spliced_ns);
    tc_text_add(t, judge->gap ? " on: bytes of it are missing in the capture" : ": its bytes could not be framed");
}

const char *tc_judge_partial(const struct tc_judge *judge, char text[static 240])
{
    struct tc_text t = tc_text_begin(text, 240);
    if (!judge->spliced)
        return NULL;
    say_spliced(&t, judge);
    return text;
}

void tc_judge_settle_spliced(const struct tc_judge *judge, struct tc_judgement *judgement)
{
    struct tc_oracle_result *result = &judgement->result;
    judgement->status = TC_NOT_JUDGED;
    result->status = TC_NOT_JUDGED;
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    say_spliced(&t, judge);
}

/* Were the connections that named nobody some replica's after all? So it seems if one was never heard on a link that
 * bears its name. (Two junk connections to a cluster that is heard take nothing from it.) */
bool tc_judge_hides_replicas(const struct tc_judge *judge)
{
    if (judge->strangers == 0)
        return false;
    for (uint32_t i = 0; i < judge->n; i++)
        if (!tc_nodeset_has(&judge->spoken, i))
            return true;
    return false;
}

/* What an oracle found from then on, by a wire that was not all there, is withdrawn. */
static void withdraw(struct tc_judge *judge, struct seat *seat, uint64_t since_ns)
{
    struct tc_judgement *judgement = &seat->judgement;
    size_t kept = 0;
    seat->violations = seat->expected = 0;
    for (size_t i = 0; i < judgement->finding_count; i++) {
        if (seat->findings[i].time_ns >= since_ns) {
            tc_judge_finding_free(&seat->findings[i]);
            continue;
        }
        seat->findings[kept++] = seat->findings[i];
        tc_judge_count_finding(judge, seat, &seat->findings[kept - 1]);
    }
    judgement->finding_count = kept;
    judgement->finding_total = kept;
}

void tc_judge_withdraw_since(struct tc_judge *judge, uint64_t since_ns)
{
    judge->spliced = true;
    for (size_t i = 0; i < judge->seat_count; i++)
        if (judge->seats[i].judgement.oracle->needs_links)
            withdraw(judge, &judge->seats[i], since_ns);
    tc_judge_recount(judge);
}

void tc_judge_links_hidden(struct tc_judge *judge, const char *why)
{
    struct tc_text t = tc_text_begin(judge->hidden, sizeof judge->hidden);
    tc_text_add(&t, "%s", why);
    judge->env.links_complete = false;
    tc_judge_withdraw_since(judge, 0);
}

void tc_judge_executions_partial(struct tc_judge *judge)
{
    if (judge)
        judge->env.all_executions = false;
}

void tc_judge_unsure(struct tc_judge *judge, const char *why)
{
    if (!judge || judge->unsure[0])
        return;
    struct tc_text t = tc_text_begin(judge->unsure, sizeof judge->unsure);
    tc_text_add(&t, "%s", why);
}

/* Oracles whose findings mean a breach only by who made them, where nobody says who is faulty; and those that go by
 * what did not come, where we ourselves let a connection fail. */
bool tc_judge_is_blameless(const struct tc_judge *judge, const struct seat *seat)
{
    enum tc_property property = seat->judgement.oracle->property;
    if (judge->starved && (property == TC_LIVENESS || seat->judgement.oracle == &tc_oracle_participation))
        return true;
    return judge->config.faults_unknown && (property == TC_DETECTOR || property == TC_LIVENESS);
}

const struct tc_unjudged *tc_judge_unjudged(const struct tc_judge *judge, const struct seat *seat)
{
    const struct tc_unjudged *rows = judge->config.unjudged;
    for (; rows && rows->oracle; rows++)
        if (strcmp(rows->oracle, seat->judgement.oracle->name) == 0)
            return rows;
    return NULL;
}

/* What was found is told, but whether it breaches anything depends on who is faulty. */
void tc_judge_settle_blameless(const struct tc_judge *judge, struct seat *seat)
{
    struct tc_judgement *judgement = &seat->judgement;
    struct tc_oracle_result *result = &judgement->result;
    char found[sizeof result->reason];
    bool detector = judgement->oracle->property == TC_DETECTOR;
    memcpy(found, detector ? result->reason : seat->findings[0].text, sizeof found);
    found[sizeof found - 1] = 0;
    judgement->status = result->status = TC_NOT_JUDGED;
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    if (judge->config.faults_unknown)
        tc_text_add(&t, "who is faulty is not known (--traitors says it); found: %s", found);
    else
        tc_text_add(&t, "turncoat itself failed to carry a connection; found: %s", found);
}
