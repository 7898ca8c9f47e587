/* PBFT for the man in the middle: the table of its messages and what holds of the protocol as a whole.
 *
 * Castro, Liskov: Practical Byzantine Fault Tolerance, OSDI'99; … and Proactive Recovery, TOCS 20(4), 2002.
 *
 *    0                   4
 *   +-------------------+----------------------------------------------+
 *   | length, big-endian| Envelope {type, sender, body, signature, …}   |
 *   +-------------------+----------------------------------------------+
 */
#include "protocol.h"
#include "../store.h"
#include "protocol_parts.h"

#define ROW(number, text, the_kind, the_phase, message, view, sequence, value, is_it_signed)                           \
    [number] = {.wire_type = (number),                                                                                 \
                .name = (text),                                                                                        \
                .kind = (the_kind),                                                                                    \
                .phase = (the_phase),                                                                                  \
                .descriptor = &message##__descriptor,                                                                  \
                .view_field = (view),                                                                                  \
                .sequence_field = (sequence),                                                                          \
                .value_field = (value),                                                                                \
                .is_signed = (is_it_signed)}

const struct tc_message_row tc_pbft_rows[TC_PBFT_ROW_COUNT] = {
    ROW(WIRE__TYPE__HELLO, "hello", TC_KIND_OTHER, TC_PHASE_NONE, wire__hello, NULL, NULL, NULL, false),
    ROW(WIRE__TYPE__REQUEST, "request", TC_KIND_REQUEST, TC_PHASE_NONE, wire__request, NULL, NULL, NULL, true),
    ROW(PBFT__TYPE__PRE_PREPARE, "pre-prepare", TC_KIND_PROPOSE, TC_PHASE_NONE, pbft__pre_prepare, "view", "sequence",
        "digest", true),
    ROW(PBFT__TYPE__PREPARE, "prepare", TC_KIND_VOTE, TC_PHASE_PREPARE, pbft__prepare, "view", "sequence", "digest",
        true),
    ROW(PBFT__TYPE__COMMIT, "commit", TC_KIND_VOTE, TC_PHASE_COMMIT, pbft__commit, "view", "sequence", "digest", true),
    ROW(WIRE__TYPE__REPLY, "reply", TC_KIND_REPLY, TC_PHASE_NONE, wire__reply, "view", NULL, NULL, true),
    ROW(PBFT__TYPE__CHECKPOINT, "checkpoint", TC_KIND_CHECKPOINT, TC_PHASE_NONE, pbft__checkpoint, NULL, "sequence",
        "digest", true),
    ROW(PBFT__TYPE__VIEW_CHANGE, "view-change", TC_KIND_VIEW_CHANGE, TC_PHASE_NONE, pbft__view_change, "view", NULL,
        NULL, true),
    ROW(PBFT__TYPE__NEW_VIEW, "new-view", TC_KIND_NEW_VIEW, TC_PHASE_NONE, pbft__new_view, "view", NULL, NULL, true),
    ROW(PBFT__TYPE__STATE_REQUEST, "state-request", TC_KIND_SYNC, TC_PHASE_NONE, pbft__state_request, NULL, "sequence",
        NULL, true),
    ROW(PBFT__TYPE__STATE, "state", TC_KIND_SYNC, TC_PHASE_NONE, pbft__state, NULL, "sequence", NULL, true),
    ROW(PBFT__TYPE__BATCH_REQUEST, "batch-request", TC_KIND_SYNC, TC_PHASE_NONE, pbft__batch_request, NULL, NULL,
        "digest", true),
    ROW(PBFT__TYPE__BATCH, "batch", TC_KIND_SYNC, TC_PHASE_NONE, pbft__batch, NULL, NULL, "digest", true),
    ROW(TC_PBFT_ROW_PREPARED, "prepared", TC_KIND_CERTIFICATE, TC_PHASE_PREPARE, pbft__prepared, NULL, NULL, NULL,
        false),
};

static int certificate(const struct tc_message *const *votes, size_t count, struct tc_arena *arena,
                       struct tc_slice *out)
{
    (void)votes;
    (void)count;
    (void)arena;
    (void)out;
    return TC_EUNSUPPORTED; /* a prepared certificate exists only inside a view change */
}

static uint64_t cost(uint32_t n, uint64_t *by_row)
{
    const uint64_t peers = n > 0 ? n - 1 : 0;
    if (by_row) {
        for (size_t i = 0; i < TC_PBFT_ROW_COUNT; i++)
            by_row[i] = 0;
        by_row[PBFT__TYPE__PRE_PREPARE] = peers;
        by_row[PBFT__TYPE__PREPARE] = peers * peers;
        by_row[PBFT__TYPE__COMMIT] = n * peers;
    }
    return 2 * (uint64_t)n * peers;
}

/* f+1 leaders may fail in turn. */
static uint64_t recovery_bound_ns(const struct tc_cluster *cluster, uint64_t timeout_now_ns)
{
    return tc_protocol_recovery_ns(cluster, timeout_now_ns, cluster->f + 1);
}

const struct tc_protocol tc_pbft = {
    .name = "pbft",
    .summary = "Practical Byzantine Fault Tolerance (Castro & Liskov, OSDI'99), with prepared certificates",
    .rows = tc_pbft_rows,
    .row_count = TC_PBFT_ROW_COUNT,
    .loss = TC_LOSS_RETRANSMITTED, /* replica_retransmit.c; a cluster file may say otherwise of other replicas */
    .hello_names_dialler = true,
    .frame = tc_wire_frame,
    .decode = tc_pbft_message_decode,
    .encode = tc_envelope_encode,
    .hello = tc_envelope_hello,
    .sign = tc_pbft_message_sign,
    .verify = tc_pbft_message_verify,
    .perturb = tc_pbft_message_perturb,
    .vote_for = tc_pbft_message_vote_for,
    .build = tc_pbft_message_build,
    .certificate = certificate,
    .leader = tc_protocol_in_turn,
    .quorum = tc_protocol_majority,
    .cost = cost,
    .recovery_bound_ns = recovery_bound_ns,
    .justifier = &tc_pbft_justifier,
    .lock = TC_LOCK_CARRIED,
    .operation = tc_store_operation_read,
    .result = tc_store_result_read,
};
