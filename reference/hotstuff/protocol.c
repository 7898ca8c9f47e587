/* HotStuff for the man in the middle: the tables of messages of both variants and what holds of each as a whole.
 *
 * Yin, Malkhi, Reiter, Golan Gueta, Abraham: HotStuff: BFT Consensus with Linearity and Responsiveness, PODC'19.
 *
 *    0                   4
 *   +-------------------+----------------------------------------------+
 *   | length, big-endian| Envelope {type, sender, body, signature, …}   |
 *   +-------------------+----------------------------------------------+
 *
 * A leader's messages of all four basic phases are proposals of their phase. New-view messages are what other protocols
 * call view changes: each replica's own word that it wants the view, with the highest certificate it knows. */
#include "protocol.h"
#include "../store.h"
#include "protocol_parts.h"

#define ROW(number, text, the_kind, the_phase, the_descriptor, view, sequence, value, is_it_signed)                    \
    {                                                                                                                  \
        .wire_type = (number), .name = (text), .kind = (the_kind), .phase = (the_phase),                               \
        .descriptor = &(the_descriptor), .view_field = (view), .sequence_field = (sequence), .value_field = (value),   \
        .is_signed = (is_it_signed)                                                                                    \
    }

#define PROPOSE(number, text, phase, message)                                                                          \
    ROW(HOTSTUFF__TYPE__##number, text, TC_KIND_PROPOSE, phase, hotstuff__##message##__descriptor, "view", "sequence", \
        "digest", true)
#define VOTE(number, text, phase)                                                                                      \
    ROW(HOTSTUFF__TYPE__##number, text, TC_KIND_VOTE, phase, hotstuff__vote__descriptor, "view", "sequence", "digest", \
        true)

#define COMMON_ROWS                                                                                                    \
    ROW(WIRE__TYPE__HELLO, "hello", TC_KIND_OTHER, TC_PHASE_NONE, wire__hello__descriptor, NULL, NULL, NULL, false),   \
        ROW(WIRE__TYPE__REQUEST, "request", TC_KIND_REQUEST, TC_PHASE_NONE, wire__request__descriptor, NULL, NULL,     \
            NULL, true),                                                                                               \
        ROW(WIRE__TYPE__REPLY, "reply", TC_KIND_REPLY, TC_PHASE_NONE, wire__reply__descriptor, "view", NULL, NULL,     \
            true),                                                                                                     \
        ROW(HOTSTUFF__TYPE__NEW_VIEW, "new-view", TC_KIND_VIEW_CHANGE, TC_PHASE_NONE, hotstuff__new_view__descriptor,  \
            "view", NULL, NULL, true),                                                                                 \
        ROW(HOTSTUFF__TYPE__TIMEOUT, "timeout", TC_KIND_VIEW_CHANGE, TC_PHASE_NONE, hotstuff__timeout__descriptor,     \
            "view", NULL, NULL, true),                                                                                 \
        ROW(HOTSTUFF__TYPE__BLOCK_REQUEST, "block-request", TC_KIND_SYNC, TC_PHASE_NONE,                               \
            hotstuff__block_request__descriptor, NULL, "sequence", "digest", true),                                    \
        ROW(HOTSTUFF__TYPE__BLOCK, "block", TC_KIND_SYNC, TC_PHASE_NONE, hotstuff__block__descriptor, NULL,            \
            "sequence", NULL, true),                                                                                   \
        ROW(HOTSTUFF__TYPE__STATE_REQUEST, "state-request", TC_KIND_SYNC, TC_PHASE_NONE,                               \
            hotstuff__state_request__descriptor, NULL, "sequence", NULL, true),                                        \
        ROW(HOTSTUFF__TYPE__STATE, "state", TC_KIND_SYNC, TC_PHASE_NONE, hotstuff__state__descriptor, NULL,            \
            "sequence", "digest", true),                                                                               \
        ROW(TC_HOTSTUFF_TYPE_CERTIFICATE, "certificate", TC_KIND_CERTIFICATE, TC_PHASE_NONE,                           \
            hotstuff__certificate__descriptor, "view", "sequence", "digest", false),                                   \
        ROW(TC_HOTSTUFF_TYPE_TIMEOUT_CERTIFICATE, "timeout-certificate", TC_KIND_NEW_VIEW, TC_PHASE_NONE,              \
            hotstuff__timeout_certificate__descriptor, "view", NULL, NULL, false)

static const struct tc_message_row basic_rows[] = {
    COMMON_ROWS,
    PROPOSE(PREPARE, "prepare", TC_PHASE_PREPARE, proposal),
    PROPOSE(PRE_COMMIT, "pre-commit", TC_PHASE_PRECOMMIT, announcement),
    PROPOSE(COMMIT, "commit", TC_PHASE_COMMIT, announcement),
    PROPOSE(DECIDE, "decide", TC_PHASE_DECIDE, announcement),
    VOTE(PREPARE_VOTE, "prepare-vote", TC_PHASE_PREPARE),
    VOTE(PRE_COMMIT_VOTE, "pre-commit-vote", TC_PHASE_PRECOMMIT),
    VOTE(COMMIT_VOTE, "commit-vote", TC_PHASE_COMMIT),
};

static const struct tc_message_row chained_rows[] = {
    COMMON_ROWS,
    PROPOSE(GENERIC, "generic", TC_PHASE_NONE, proposal),
    VOTE(GENERIC_VOTE, "generic-vote", TC_PHASE_NONE),
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

const struct tc_hotstuff_table tc_hotstuff_basic_table = {basic_rows, COUNT(basic_rows)};
const struct tc_hotstuff_table tc_hotstuff_chained_table = {chained_rows, COUNT(chained_rows)};

int tc_hotstuff_row(const struct tc_hotstuff_table *table, uint32_t wire_type)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].wire_type == wire_type)
            return (int)i;
    return -1;
}

static uint64_t cost_of(const struct tc_hotstuff_table *table, uint64_t peers, uint64_t *by_row)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct tc_message_row *row = &table->rows[i];
        const bool new_view = table == &tc_hotstuff_basic_table && row->wire_type == HOTSTUFF__TYPE__NEW_VIEW;
        const bool counts = row->kind == TC_KIND_PROPOSE || row->kind == TC_KIND_VOTE || new_view;
        if (by_row)
            by_row[i] = counts ? peers : 0;
        sum += counts ? peers : 0;
    }
    return sum;
}

/* 4(n-1) of the leader, 3(n-1) votes, n-1 new-view messages. */
static uint64_t basic_cost(uint32_t n, uint64_t *by_row)
{
    return cost_of(&tc_hotstuff_basic_table, n > 0 ? n - 1 : 0, by_row);
}

/* For each view: a proposal to all, and everybody's vote to the next leader. */
static uint64_t chained_cost(uint32_t n, uint64_t *by_row)
{
    return cost_of(&tc_hotstuff_chained_table, n > 0 ? n - 1 : 0, by_row);
}

/* f+1 leaders may fail before the replicas are in one view, and f more before enough correct ones follow one another.
 */
static uint64_t recovery_bound_ns(const struct tc_cluster *cluster, uint64_t timeout_now_ns)
{
    return tc_protocol_recovery_ns(cluster, timeout_now_ns, 2 * cluster->f + 2);
}

/* The vtable's functions know no table; these do. */
#define VARIANT(name)                                                                                                  \
    static int name##_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m)                      \
    {                                                                                                                  \
        return tc_hotstuff_message_decode(&tc_hotstuff_##name##_table, frame, arena, m);                               \
    }                                                                                                                  \
    static int name##_build(const char *type, struct tc_arena *arena, struct tc_message *out)                          \
    {                                                                                                                  \
        return tc_hotstuff_message_build(&tc_hotstuff_##name##_table, type, arena, out);                               \
    }                                                                                                                  \
    static int name##_sign(const struct tc_protocol_env *env, const struct tc_message *m, uint16_t node,               \
                           struct tc_arena *arena, struct tc_message *out)                                             \
    {                                                                                                                  \
        return tc_hotstuff_message_sign(&tc_hotstuff_##name##_table, env, m, node, arena, out);                        \
    }                                                                                                                  \
    static int name##_verify(const struct tc_protocol_env *env, const struct tc_statement *s)                          \
    {                                                                                                                  \
        return tc_hotstuff_message_verify(&tc_hotstuff_##name##_table, env, s);                                        \
    }                                                                                                                  \
    static int name##_perturb(const struct tc_protocol_env *env, const struct tc_message *proposal, uint64_t hash,     \
                              bool omit_requests, struct tc_arena *arena, struct tc_message *out,                      \
                              struct tc_error *err)                                                                    \
    {                                                                                                                  \
        (void)env;                                                                                                     \
        return tc_hotstuff_message_perturb(&tc_hotstuff_##name##_table, proposal, hash, omit_requests, arena, out,     \
                                           err);                                                                       \
    }                                                                                                                  \
    static int name##_vote_for(const struct tc_message *vote, const struct tc_message *proposal,                       \
                               struct tc_arena *arena, struct tc_message *out)                                         \
    {                                                                                                                  \
        return tc_hotstuff_message_vote_for(&tc_hotstuff_##name##_table, vote, proposal, arena, out);                  \
    }                                                                                                                  \
    static int name##_certificate(const struct tc_message *const *votes, size_t count, struct tc_arena *arena,         \
                                  struct tc_slice *out)                                                                \
    {                                                                                                                  \
        return tc_hotstuff_message_certificate(&tc_hotstuff_##name##_table, votes, count, arena, out);                 \
    }

VARIANT(basic)
VARIANT(chained)

#define PROTOCOL(variant)                                                                                              \
    .loss = TC_LOSS_RETRANSMITTED, .hello_names_dialler = true, .frame = tc_wire_frame, .decode = variant##_decode,    \
    .encode = tc_envelope_encode, .hello = tc_envelope_hello, .sign = variant##_sign, .verify = variant##_verify,      \
    .perturb = variant##_perturb, .vote_for = variant##_vote_for, .build = variant##_build,                            \
    .certificate = variant##_certificate, .leader = tc_protocol_in_turn, .quorum = tc_protocol_majority,               \
    .cost = variant##_cost, .recovery_bound_ns = recovery_bound_ns, .parent = tc_hotstuff_message_parent,              \
    .operation = tc_store_operation_read, .result = tc_store_result_read

const struct tc_protocol tc_hotstuff = {
    .name = "hotstuff",
    .summary = "HotStuff, basic (Yin et al., PODC'19): prepare, pre-commit, commit, decide; lists of signatures",
    .rows = basic_rows,
    .row_count = COUNT(basic_rows),
    PROTOCOL(basic),
    .justifier = &tc_hotstuff_justifier,
    .lock = TC_LOCK_COMMIT,
};

const struct tc_protocol tc_chained_hotstuff = {
    .name = "chained-hotstuff",
    .summary = "HotStuff, chained (Yin et al., PODC'19): a block a view, committed by three in a row",
    .rows = chained_rows,
    .row_count = COUNT(chained_rows),
    PROTOCOL(chained),
    .justifier = &tc_chained_hotstuff_justifier,
    .lock = TC_LOCK_TWO_CHAIN,
};
