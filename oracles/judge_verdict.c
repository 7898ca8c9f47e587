/* Blame and verdict: who may be blamed for a breach (F_s, F_l, f), and what the run comes to. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge_internal.h"
#include "oracles.h"

const char *tc_status_name(enum tc_status status)
{
    switch (status) {
    case TC_HOLDS:
        return "holds";
    case TC_CAUGHT:
        return "caught";
    case TC_NOT_JUDGED:
        return "not judged";
    case TC_INCONCLUSIVE:
        return "inconclusive";
    case TC_EXPECTED:
        return "expected";
    case TC_THRESHOLD:
        return "threshold";
    case TC_VIOLATED:
        return "violated";
    }
    return "?";
}

/* Replicas in the set; traitorous clients are no part of f. */
static uint32_t replicas_in(const struct tc_judge *judge, const struct tc_nodeset *set)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < judge->n; i++)
        count += tc_nodeset_has(set, i);
    return count;
}

/* The verdict on one breach. A detector's is read from F_s as it stands when asked: it grows only, and what proves a
 * signature forged may be observed a moment before the ledger's change is. */
static enum tc_status breach_status(const struct tc_judge *judge, enum tc_property property,
                                    const struct tc_faults *faults, const struct tc_nodeset *suspects)
{
    switch (property) {
    case TC_SAFETY:
        return replicas_in(judge, &faults->signed_for) <= judge->f ? TC_VIOLATED : TC_EXPECTED;
    case TC_LIVENESS:
        return replicas_in(judge, &faults->liveness) <= judge->f ? TC_VIOLATED : TC_EXPECTED;
    case TC_DETECTOR:
        return tc_nodeset_subset(suspects, &judge->faults.signed_for) ? TC_CAUGHT : TC_VIOLATED;
    case TC_MEASURE:
        break;
    }
    return TC_HOLDS;
}

static enum tc_status finding_status(const struct tc_judge *judge, const struct tc_finding *f)
{
    return breach_status(judge, f->property, &f->faults, &f->suspects);
}

/* A safety property binds H alone: what members of F_s do among themselves is no breach. */
static bool only_traitors(const struct tc_judge *judge, const struct tc_finding *f)
{
    return tc_nodeset_count(&f->suspects) > 0 && tc_nodeset_subset(&f->suspects, &judge->faults.signed_for);
}

static struct seat *seat_of(struct tc_judge *judge, const char *name)
{
    for (size_t i = 0; i < judge->seat_count; i++)
        if (strcmp(judge->seats[i].judgement.oracle->name, name) == 0)
            return &judge->seats[i];
    return NULL;
}

void tc_judge_finding_free(struct tc_finding *finding)
{
    for (uint32_t i = 0; i < finding->evidence_count; i++)
        free((void *)(uintptr_t)finding->evidence[i].frame.data);
}

/* Copies the evidence's bytes; where memory is short the words stay and the bytes go. */
static void evidence_own(struct tc_judge *judge, struct tc_finding *finding)
{
    for (uint32_t i = 0; i < finding->evidence_count; i++) {
        struct tc_slice *frame = &finding->evidence[i].frame;
        uint8_t *copy = frame->len > 0 ? malloc(frame->len) : NULL;
        if (copy)
            memcpy(copy, frame->data, frame->len);
        else if (frame->len > 0)
            judge->out_of_memory = true;
        *frame = (struct tc_slice){.data = copy, .len = copy ? frame->len : 0};
    }
}

/* Where to keep the next finding; NULL if enough are kept. A detector that names somebody new is always heard: its
 * finding takes the place of the last one. */
static struct tc_finding *finding_place(struct tc_judge *judge, struct seat *seat, bool names_new)
{
    size_t count = seat->judgement.finding_count;
    if (count == TC_FINDINGS_MAX) {
        if (!names_new)
            return NULL;
        tc_judge_finding_free(&seat->findings[count - 1]);
        return &seat->findings[count - 1];
    }
    if (count == seat->findings_size) {
        size_t size = count ? count * 2 : 4;
        struct tc_finding *grown = realloc(seat->findings, size * sizeof *grown);
        if (!grown) {
            judge->out_of_memory = true;
            return NULL;
        }
        seat->findings = grown;
        seat->findings_size = size;
        seat->judgement.findings = grown;
    }
    seat->judgement.finding_count++;
    return &seat->findings[count];
}

void tc_judge_count_finding(const struct tc_judge *judge, struct seat *seat, const struct tc_finding *finding)
{
    if (finding->property == TC_DETECTOR) /* weighed when asked */
        return;
    enum tc_status status = breach_status(judge, finding->property, &finding->faults, &finding->suspects);
    seat->violations += status == TC_VIOLATED;
    seat->expected += status == TC_EXPECTED;
}

static void finding_take(struct tc_judge *judge, struct seat *seat, const struct tc_finding *finding)
{
    bool names_new = finding->property == TC_DETECTOR && !tc_nodeset_subset(&finding->suspects, &seat->named);
    tc_nodeset_union(&seat->named, &finding->suspects);
    seat->judgement.finding_total++;
    struct tc_finding *place = finding_place(judge, seat, names_new);
    struct tc_finding standing = *finding;
    standing.faults = judge->faults;
    tc_judge_count_finding(judge, seat, &standing);
    if (!place)
        return;
    *place = *finding;
    place->oracle = seat->judgement.oracle->name;
    place->faults = judge->faults;
    place->order = judge->order;
    evidence_own(judge, place);
}

void tc_judge_report(void *self, const struct tc_finding *finding)
{
    struct tc_judge *judge = self;
    struct seat *seat = seat_of(judge, finding->oracle);
    if (!seat || (seat->judgement.oracle->needs_links && judge->spliced))
        return;
    if (finding->property == TC_SAFETY && only_traitors(judge, finding))
        return;
    finding_take(judge, seat, finding);
    tc_judge_recount(judge);
}

static uint64_t seat_violations(const struct tc_judge *judge, const struct seat *seat)
{
    if (tc_judge_is_blameless(judge, seat) || tc_judge_unjudged(judge, seat))
        return 0;
    if (seat->judgement.oracle->property != TC_DETECTOR)
        return seat->violations;
    uint64_t count = seat->violations;
    for (size_t i = 0; i < seat->judgement.finding_count; i++)
        count += finding_status(judge, &seat->findings[i]) == TC_VIOLATED;
    return count;
}

void tc_judge_recount(struct tc_judge *judge)
{
    judge->violations = 0;
    for (size_t i = 0; i < judge->seat_count; i++)
        judge->violations += seat_violations(judge, &judge->seats[i]);
}

uint64_t tc_judge_violations(const struct tc_judge *judge)
{
    return judge->violations;
}

/* Nothing seen, nothing proven: no oracle may hold over nothing, whatever it says itself. */
static void settle_empty(struct tc_judgement *judgement)
{
    struct tc_oracle_result *result = &judgement->result;
    judgement->status = result->status = TC_NOT_JUDGED;
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_add(&t, "nothing to compare: no %s were seen", result->unit[0] ? result->unit : "facts");
}

void tc_judge_settle(struct tc_judge *judge)
{
    if (!judge->spliced && tc_judge_hides_replicas(judge))
        tc_judge_withdraw_since(judge, 0);
    for (size_t i = 0; i < judge->seat_count; i++) {
        struct seat *seat = &judge->seats[i];
        struct tc_judgement *judgement = &seat->judgement;
        const struct tc_unjudged *row = tc_judge_unjudged(judge, seat);
        judgement->status = judgement->result.status;
        if (row)
            tc_oracle_not_judged(&judgement->result, row->reason);
        if (row)
            judgement->status = TC_NOT_JUDGED;
        else if (tc_judge_is_blameless(judge, seat) && judgement->finding_count > 0)
            tc_judge_settle_blameless(judge, seat);
        else if (seat_violations(judge, seat) > 0)
            judgement->status = TC_VIOLATED;
        else if (seat->expected > 0)
            judgement->status = TC_EXPECTED;
        else if (judge->spliced && judgement->oracle->needs_links)
            tc_judge_settle_spliced(judge, judgement);
        else if (judgement->oracle->property == TC_DETECTOR && judgement->finding_count > 0)
            judgement->status = TC_CAUGHT;
        else if (judgement->status == TC_HOLDS && judgement->result.compared == 0)
            settle_empty(judgement);
    }
}

/* ---- the run's verdict ---- */

/* Does it come before, where violations are put in order? By time, then by the order of observation; of what one
 * observation brought to light, what broke a rule says more than what came of it. */
static bool is_earlier(const struct tc_finding *f, const struct tc_finding *first)
{
    if (f->time_ns != first->time_ns)
        return f->time_ns < first->time_ns;
    if (f->order != first->order)
        return f->order < first->order;
    return strcmp(f->oracle, tc_oracle_justification.name) == 0 && strcmp(first->oracle, f->oracle) != 0;
}

/* The finding that decides. A violation: the earliest, for there something first went wrong. An expected breach: that
 * of the first oracle in the table, for it says most plainly what was lost. */
static const struct tc_finding *first_with(const struct tc_judge *judge, enum tc_status status)
{
    const struct tc_finding *first = NULL;
    for (size_t i = 0; i < judge->seat_count; i++) {
        const struct seat *seat = &judge->seats[i];
        bool counts = !tc_judge_is_blameless(judge, seat) && !tc_judge_unjudged(judge, seat);
        for (size_t k = 0; counts && k < seat->judgement.finding_count; k++) {
            const struct tc_finding *f = &seat->findings[k];
            bool before = !first || (status == TC_VIOLATED && is_earlier(f, first));
            if (before && finding_status(judge, f) == status)
                first = f;
        }
    }
    return first;
}

/* Counts over the oracles that hold a property, in the order of enum tc_status. */
struct tally {
    uint32_t of[TC_VIOLATED + 1];
    bool substance; /* some safety oracle compared something */
    const struct tc_judgement *inconclusive;
    bool core_judged; /* agreement or justification was, or neither sits here */
    struct tc_nodeset caught;
};

static bool is_core(const struct tc_oracle_class *oracle)
{
    return oracle == &tc_oracle_agreement || oracle == &tc_oracle_justification;
}

static struct tally tally_make(const struct tc_judge *judge)
{
    struct tally tally = {0};
    bool core_seated = false;
    for (size_t i = 0; i < judge->seat_count; i++) {
        const struct tc_judgement *judgement = &judge->seats[i].judgement;
        tally.of[judgement->status]++;
        core_seated |= is_core(judgement->oracle);
        tally.core_judged |= is_core(judgement->oracle) && judgement->status != TC_NOT_JUDGED;
        enum tc_property property = judgement->oracle->property;
        if (property == TC_SAFETY && judgement->status == TC_HOLDS && judgement->result.compared > 0)
            tally.substance = true;
        bool binds = property == TC_SAFETY || property == TC_LIVENESS;
        if (judgement->status == TC_INCONCLUSIVE && binds && !tally.inconclusive)
            tally.inconclusive = judgement;
        if (judgement->status == TC_CAUGHT)
            tc_nodeset_union(&tally.caught, &judge->seats[i].named);
    }
    tally.core_judged |= !core_seated;
    return tally;
}

static void add_blame(struct tc_text *t, const struct tc_judge *judge, const struct tc_finding *f)
{
    bool liveness = f->property == TC_LIVENESS;
    uint32_t count = replicas_in(judge, liveness ? &f->faults.liveness : &f->faults.signed_for);
    const char *what = liveness ? "faulty replica" : "traitor";
    if (!liveness && count == 0) { /* a traitor who only keeps silent is none to a safety property */
        tc_text_add(t, "signed for 0 of %" PRIu32 " allowed", judge->f);
        return;
    }
    tc_text_add(t, "with %" PRIu32 " %s%s of %" PRIu32 " allowed", count, what, count == 1 ? "" : "s", judge->f);
}

static void say_breach(struct tc_text *t, const struct tc_judge *judge, const struct tc_finding *f)
{
    if (!f) {
        tc_text_add(t, "VIOLATED");
        return;
    }
    tc_text_add(t, "VIOLATED %s, ", f->oracle);
    add_blame(t, judge, f);
    tc_text_add(t, ": %s", f->text);
}

static void say_expected(struct tc_text *t, const struct tc_judge *judge, const struct tc_finding *f)
{
    if (!f)
        return;
    const bool foreseen = judge->config.expect == TC_EXPECTED;
    tc_text_add(t, "%s breached %s, ", f->oracle, foreseen ? "as expected" : "beyond f");
    add_blame(t, judge, f);
    tc_text_add(t, "%s", foreseen ? "" : ", which theory allows and this scenario did not expect");
    tc_text_add(t, ": %" PRIu32 " replicas bear %" PRIu32 ", for n ≥ 3f+1 replicas are needed to bear f; %s", judge->n,
                judge->f, f->text);
    for (size_t i = 0; i < judge->seat_count; i++) {
        const struct seat *seat = &judge->seats[i];
        if (seat->judgement.oracle != &tc_oracle_accountability || tc_nodeset_count(&seat->named) == 0)
            continue;
        tc_text_add(t, "; accountability: blamed ");
        tc_text_nodes(t, &seat->named);
    }
}

/* Why a run without a breach proves nothing, or false if it does prove something. */
static bool say_inconclusive(struct tc_text *t, const struct tc_judge *judge, const struct tally *tally)
{
    if (judge->overflows > 0)
        tc_text_add(t, "inconclusive: a bound was reached (%s)", judge->overflow);
    else if (judge->out_of_memory)
        tc_text_add(t, "inconclusive: evidence was lost for want of memory");
    else if (judge->unsure[0])
        tc_text_add(t, "inconclusive: %s", judge->unsure);
    else if (judge->config.had_attack && judge->faults.bitten == 0)
        tc_text_add(t, "inconclusive: no fault of the attack ever bit");
    else if (tally->inconclusive)
        tc_text_add(t, "inconclusive: %s: %s", tally->inconclusive->oracle->name, tally->inconclusive->result.reason);
    else if (!tally->core_judged)
        tc_text_add(t,
                    "inconclusive: neither agreement nor justification was judged; %" PRIu32 " of %zu oracles not "
                    "judged",
                    tally->of[TC_NOT_JUDGED], judge->seat_count);
    else if (!tally->substance)
        tc_text_add(t, "inconclusive: nothing was seen that a safety property could be judged by");
    else
        return false;
    return true;
}

static void say_holds(struct tc_text *t, const struct tc_judge *judge, const struct tally *tally)
{
    uint32_t traitors = replicas_in(judge, &judge->faults.signed_for);
    tc_text_add(t, "holds: %" PRIu32 " oracles hold, ", tally->of[TC_HOLDS]);
    if (traitors == 0) /* the silent, the slow and the dead are signed for by nobody */
        tc_text_add(t, "signed for 0 of %" PRIu32 " allowed", judge->f);
    else
        tc_text_add(t, "with %" PRIu32 " traitor%s of %" PRIu32 " allowed", traitors, traitors == 1 ? "" : "s",
                    judge->f);
    if (tally->of[TC_NOT_JUDGED] > 0)
        tc_text_add(t, ", %" PRIu32 " of %zu oracles not judged", tally->of[TC_NOT_JUDGED], judge->seat_count);
    if (tc_nodeset_count(&tally->caught) > 0) {
        tc_text_add(t, "; ");
        tc_text_whos(t, &tally->caught);
        tc_text_add(t, " caught");
    }
}

static int exit_code_of(enum tc_status status, enum tc_status expect, bool as_expected)
{
    if (as_expected)
        return 0;
    if (status == expect && status != TC_VIOLATED) /* only the evidence is missing */
        return 3;
    switch (status) {
    case TC_VIOLATED:
    case TC_EXPECTED: /* a breach that nobody expected */
        return 1;
    case TC_THRESHOLD:
        return 2;
    default: /* nothing proven, or the breach or the evidence that was to come did not */
        return 3;
    }
}

/* A configuration that is known to be weak against what was done: what it costs is no bug of the code. A request's MACs
 * can be spoilt for some replicas alone, by its client or on the way, which no signature would stand. */
static bool is_known_weakness(const struct tc_judge *judge)
{
    return judge->faults.bitten > 0 && judge->env.protocol_env.cluster->request_authentication == TC_AUTH_MAC;
}

void tc_judge_summary(const struct tc_judge *judge, uint32_t thresholds_missed, struct tc_verdict_summary *out)
{
    *out = (struct tc_verdict_summary){0};
    struct tally tally = tally_make(judge);
    struct tc_text t = tc_text_begin(out->sentence, sizeof out->sentence);
    bool wants_evidence = judge->config.expect_evidence > 0;
    bool has_evidence = tc_nodeset_count(&tally.caught) > 0;
    enum tc_status expect = judge->config.expect;
    if (tally.of[TC_VIOLATED] > 0) {
        out->status = TC_VIOLATED;
        out->first = first_with(judge, TC_VIOLATED);
        say_breach(&t, judge, out->first);
    } else if (thresholds_missed > 0 && is_known_weakness(judge)) {
        out->status = TC_EXPECTED;
        tc_text_add(&t,
                    "%" PRIu32 " threshold%s missed, as is to be expected: requests bear MACs, which can be "
                    "good for some replicas alone (Aardvark, NSDI'09)",
                    thresholds_missed, thresholds_missed == 1 ? "" : "s");
        tc_text_add(&t, "%s", expect == TC_EXPECTED ? "" : "; this scenario did not expect it");
    } else if (thresholds_missed > 0) {
        out->status = TC_THRESHOLD;
        tc_text_add(&t, "%" PRIu32 " threshold%s missed", thresholds_missed, thresholds_missed == 1 ? "" : "s");
    } else if (tally.of[TC_EXPECTED] > 0) {
        out->status = TC_EXPECTED;
        out->first = first_with(judge, TC_EXPECTED);
        say_expected(&t, judge, out->first);
    } else if (say_inconclusive(&t, judge, &tally)) {
        out->status = TC_INCONCLUSIVE;
    } else {
        out->status = TC_HOLDS;
        say_holds(&t, judge, &tally);
    }
    out->as_expected = out->status == expect && (!wants_evidence || has_evidence);
    out->exit_code = exit_code_of(out->status, expect, out->as_expected);
    if (out->status == expect && wants_evidence && !has_evidence)
        tc_text_add(&t, "; but no detector caught the traitor, as was expected");
    else if (out->status == TC_HOLDS && expect != TC_HOLDS)
        tc_text_add(&t, "; but the breach that was expected did not come");
}
