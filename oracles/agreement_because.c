/* Why two replicas executed different values: read off the votes on the wire. */
#include <inttypes.h>

#include "agreement.h"

/* One side of a fork: a value in the slot in which it was voted for. */
struct side {
    const struct tc_execution_fact *fact;
    struct tc_slot *slot; /* NULL: no vote for it in the window */
    uint8_t value;
};

/* The slot of the execution's view, else the latest view in which the value has votes at that sequence number. */
static struct side side_find(const struct tc_oracle_env *env, const struct tc_execution_fact *fact)
{
    struct side side = {.fact = fact};
    struct tc_slot *slot;
    for (uint32_t i = 0; (slot = tc_votes_slot_at(env->votes, i)) != NULL; i++) {
        if (!slot->has_sequence || slot->sequence != fact->sequence)
            continue;
        int value = tc_votes_value(slot, &fact->value);
        if (value < 0 || (side.slot && side.slot->view == fact->view))
            continue;
        if (side.slot && slot->view != fact->view && slot->view < side.slot->view)
            continue;
        side.slot = slot;
        side.value = (uint8_t)value;
    }
    return side;
}

static bool is_vote(const struct tc_oracle_env *env, uint8_t column)
{
    return tc_votes_column_kind(env->votes, column) == TC_KIND_VOTE;
}

/* "replica 3 executed 77aa…12 of view 0: prepares from 0, 3; commits from 0, 2, 3" */
static void say_side(struct tc_text *t, const struct tc_oracle_env *env, const struct side *side)
{
    tc_text_who(t, side->fact->node);
    tc_text_add(t, " executed ");
    tc_text_value(t, &side->fact->value);
    tc_text_add(t, " of view %" PRIu64, side->slot->view);
    const char *between = ": ";
    for (uint8_t column = 0; column < tc_votes_column_count(env->votes); column++) {
        if (!is_vote(env, column))
            continue;
        struct tc_nodeset signers = tc_votes_signers(env->votes, side->slot, column, side->value, true);
        tc_text_add(t, "%s%ss from ", between, tc_votes_column_name(env->votes, column));
        tc_text_nodes(t, &signers);
        between = "; ";
    }
}

/* Says which phase of this side lacks a quorum, and whose vote in it names the other value. */
static bool say_missing(struct tc_text *t, const struct tc_oracle_env *env, const struct side *side,
                        const struct side *other, uint32_t quorum)
{
    for (uint8_t column = 0; column < tc_votes_column_count(env->votes); column++) {
        if (!is_vote(env, column))
            continue;
        struct tc_nodeset signers = tc_votes_signers(env->votes, side->slot, column, side->value, true);
        uint32_t count = tc_nodeset_count(&signers);
        if (count >= quorum)
            continue;
        tc_text_add(t, "; ");
        tc_text_value(t, &side->fact->value);
        tc_text_add(t, " has %" PRIu32 " %ss on the wire where %" PRIu32 " are needed", count,
                    tc_votes_column_name(env->votes, column), quorum);
        if (other->slot != side->slot)
            return true;
        struct tc_nodeset against = tc_votes_signers(env->votes, other->slot, column, other->value, false);
        for (uint32_t i = 0; i < TC_REPLICAS_MAX; i++) {
            if (!tc_nodeset_has(&against, i) || tc_nodeset_has(&signers, i))
                continue;
            tc_text_add(t, " — replica %" PRIu32 "'s %s names ", i, tc_votes_column_name(env->votes, column));
            tc_text_value(t, &other->fact->value);
        }
        return true;
    }
    return false;
}

/* Both sides have their quorums: the replicas in both are those who voted twice. */
static void say_both(struct tc_text *t, const struct tc_oracle_env *env, const struct side *a, const struct side *b)
{
    struct tc_nodeset twice = {0};
    if (a->slot != b->slot) {
        tc_text_add(t, "; both have their quorums, in different views");
        return;
    }
    for (uint8_t column = 0; column < tc_votes_column_count(env->votes); column++) {
        if (!is_vote(env, column))
            continue;
        struct tc_nodeset left = tc_votes_signers(env->votes, a->slot, column, a->value, true);
        struct tc_nodeset right = tc_votes_signers(env->votes, b->slot, column, b->value, true);
        for (size_t i = 0; i < TC_NODES_MAX / 64; i++)
            twice.words[i] |= left.words[i] & right.words[i];
    }
    tc_text_add(t, "; both have their quorums, for ");
    tc_text_whos(t, &twice);
    tc_text_add(t, " signed both");
}

/* The votes for one side, as the replica that executed it was offered them. */
static void attach(const struct tc_oracle_env *env, const struct side *side, uint32_t most, struct tc_finding *f)
{
    for (uint8_t column = 0; column < tc_votes_column_count(env->votes); column++) {
        struct tc_nodeset signers = tc_votes_signers(env->votes, side->slot, column, side->value, false);
        for (uint32_t i = 0; i < TC_REPLICAS_MAX && f->evidence_count < most; i++)
            if (tc_nodeset_has(&signers, i))
                tc_finding_vote_to(f, env, side->slot, column, side->value, (uint16_t)i, side->fact->node);
    }
}

void tc_agreement_explain(const struct tc_oracle_env *env, const struct tc_execution_fact *a,
                          const struct tc_execution_fact *b, struct tc_finding *f)
{
    struct side left = side_find(env, a);
    struct side right = side_find(env, b);
    if (!left.slot || !right.slot)
        return;
    /* First the messages: checking their signatures strikes out votes that nobody cast. Each side gets half the room.
     */
    attach(env, &left, f->evidence_count + (TC_EVIDENCE_MAX - f->evidence_count) / 2, f);
    attach(env, &right, TC_EVIDENCE_MAX, f);
    uint32_t quorum = tc_protocol_quorum(env->protocol, env->protocol_env.cluster);
    struct tc_text t = tc_text_begin(f->because, sizeof f->because);
    say_side(&t, env, &left);
    tc_text_add(&t, "; ");
    say_side(&t, env, &right);
    bool missing = say_missing(&t, env, &right, &left, quorum);
    if (!say_missing(&t, env, &left, &right, quorum) && !missing)
        say_both(&t, env, &left, &right);
}
