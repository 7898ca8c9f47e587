/* CometBFT for the man in the middle: the table of its messages and what holds of them as a whole.
 *
 * A view is a round of one height, so views begin anew with every sequence number (height). Proposals and votes are
 * relayed by everybody: who made one is told by its signature (proposal) or by its address and signature (vote), not by
 * the link. */
#include "protocol.h"
#include "mconnection.h"
#include "peers.h"
#include "protocol_parts.h"

#include <string.h>

#define ROW(group, number, text, the_kind, the_phase, message, view, sequence, value, is_it_signed)                    \
    {                                                                                                                  \
        .wire_type = TC_COMETBFT_TYPE(TC_COMETBFT_##group, number), .name = (text), .kind = (the_kind),                \
        .phase = (the_phase), .descriptor = &cometbft__##message##__descriptor, .view_field = (view),                  \
        .sequence_field = (sequence), .value_field = (value), .is_signed = (is_it_signed)                              \
    }
#define CONSENSUS(number, text, message, view)                                                                         \
    ROW(CONSENSUS, number, text, TC_KIND_OTHER, TC_PHASE_NONE, message, view, "height", NULL, false)
#define SYNC(group, number, text, message, sequence)                                                                   \
    ROW(group, number, text, TC_KIND_SYNC, TC_PHASE_NONE, message, NULL, sequence, NULL, false)
#define OTHER(group, number, text, message)                                                                            \
    ROW(group, number, text, TC_KIND_OTHER, TC_PHASE_NONE, message, NULL, NULL, NULL, false)

const struct tc_message_row tc_cometbft_rows[] = {
    ROW(CONSENSUS, 3, "proposal", TC_KIND_PROPOSE, TC_PHASE_NONE, proposal, "round", "height", "block_id", true),
    ROW(CONSENSUS, 6, "prevote", TC_KIND_VOTE, TC_PHASE_PREVOTE, vote, "round", "height", "block_id", true),
    ROW(CONSENSUS, 6, "precommit", TC_KIND_VOTE, TC_PHASE_PRECOMMIT, vote, "round", "height", "block_id", true),
    CONSENSUS(1, "new-round-step", new_round_step, "round"),
    CONSENSUS(2, "new-valid-block", new_valid_block, "round"),
    CONSENSUS(4, "proposal-pol", proposal_pol, "proposal_pol_round"),
    ROW(CONSENSUS, 5, "block-part", TC_KIND_SYNC, TC_PHASE_NONE, block_part, "round", "height", NULL, false),
    CONSENSUS(7, "has-vote", has_vote, "round"),
    CONSENSUS(8, "vote-set-maj23", vote_set_maj23, "round"),
    CONSENSUS(9, "vote-set-bits", vote_set_bits, "round"),
    CONSENSUS(10, "has-proposal-block-part", has_proposal_block_part, "round"),
    ROW(EVIDENCE, 0, "evidence", TC_KIND_OTHER, TC_PHASE_NONE, evidence_list, NULL, NULL, NULL, false),
    ROW(MEMPOOL, 1, "transactions", TC_KIND_REQUEST, TC_PHASE_NONE, txs, NULL, NULL, NULL, false),
    SYNC(BLOCKSYNC, 1, "block-request", block_request, "height"),
    SYNC(BLOCKSYNC, 2, "no-block-response", no_block_response, "height"),
    SYNC(BLOCKSYNC, 3, "block-response", block_response, NULL),
    SYNC(BLOCKSYNC, 4, "status-request", status_request, NULL),
    SYNC(BLOCKSYNC, 5, "status-response", status_response, "height"),
    SYNC(STATESYNC, 1, "snapshots-request", snapshots_request, NULL),
    SYNC(STATESYNC, 2, "snapshots-response", snapshots_response, NULL),
    SYNC(STATESYNC, 3, "chunk-request", chunk_request, NULL),
    SYNC(STATESYNC, 4, "chunk-response", chunk_response, NULL),
    OTHER(PEX, 1, "pex-request", pex_request),
    OTHER(PEX, 2, "pex-addresses", pex_addrs),
    OTHER(NODE_INFO, 0, "node-info", node_info),
    ROW(BLOCK, 1, "commit", TC_KIND_CERTIFICATE, TC_PHASE_PRECOMMIT, commit, "round", "height", "block_id", false),
    ROW(BLOCK, 2, "extended-commit", TC_KIND_CERTIFICATE, TC_PHASE_PRECOMMIT, extended_commit, "round", "height",
        "block_id", false),
};
const size_t tc_cometbft_row_count = sizeof tc_cometbft_rows / sizeof *tc_cometbft_rows;

int tc_cometbft_row(uint32_t wire_type, uint32_t vote_type)
{
    for (size_t i = 0; i < tc_cometbft_row_count; i++) {
        const struct tc_message_row *row = &tc_cometbft_rows[i];
        if (row->wire_type != wire_type)
            continue;
        if (wire_type != TC_COMETBFT_TYPE_VOTE)
            return (int)i;
        if (vote_type == (row->phase == TC_PHASE_PREVOTE ? TC_COMETBFT_PREVOTE : TC_COMETBFT_PRECOMMIT))
            return (int)i;
    }
    return -1;
}

/* With equal powers the proposers take turns in the order of their addresses, which is how replicas are numbered; round
 * r of a height moves the turn by r. Only the turn of round 0 depends on the height, which a view does not know: what
 * is answered is the proposer of the first height. */
static uint16_t leader(const struct tc_cluster *cluster, uint64_t view)
{
    return cluster->n > 0 ? (uint16_t)(view % cluster->n) : TC_NODE_NONE;
}

static uint32_t quorum(const struct tc_cluster *cluster)
{
    return 2 * cluster->n / 3 + 1; /* more than two thirds */
}

/* Proposal to all, prevote and precommit of all to all; gossip comes on top, so this is a lower bound. */
static uint64_t cost(uint32_t n, uint64_t *by_row)
{
    const uint64_t peers = n > 0 ? n - 1 : 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < tc_cometbft_row_count; i++) {
        const enum tc_kind kind = tc_cometbft_rows[i].kind;
        const uint64_t count = kind == TC_KIND_PROPOSE ? peers : kind == TC_KIND_VOTE ? n * peers : 0;
        if (by_row)
            by_row[i] = count;
        sum += count;
    }
    return sum;
}

/* Rounds grow linearly: timeouts of propose, prevote and precommit for f + 1 rounds that fail, and one that does not.
 */
static uint64_t recovery_bound_ns(const struct tc_cluster *cluster, uint64_t timeout_now_ns)
{
    const uint64_t round_ns = timeout_now_ns ? timeout_now_ns : cluster->view_timeout_ns;
    const uint64_t rounds = cluster->f + 2;
    return round_ns > UINT64_MAX / (4 * rounds) ? UINT64_MAX - 1 : 4 * rounds * round_ns;
}

int tc_cometbft_build(const char *type, struct tc_arena *arena, struct tc_message *out)
{
    for (size_t i = 0; i < tc_cometbft_row_count; i++) {
        const struct tc_message_row *row = &tc_cometbft_rows[i];
        if (strcmp(row->name, type) != 0 || row->wire_type >> 8 == TC_COMETBFT_BLOCK)
            continue;
        const ProtobufCMessageDescriptor *descriptor = row->descriptor;
        ProtobufCMessage *base = tc_arena_alloc(arena, descriptor->sizeof_message);
        Cometbft__Wrapper *wrapper = tc_arena_alloc(arena, sizeof *wrapper);
        struct tc_slice frame;
        if (!base || !wrapper)
            return TC_ELIMIT;
        descriptor->message_init(base);
        cometbft__wrapper__init(wrapper);
        wrapper->channel = row->wire_type >> 8;
        wrapper->number = row->wire_type & 0xff;
        if (row->kind == TC_KIND_VOTE) {
            wrapper->channel = 0x22;
            ((Cometbft__Vote *)(void *)base)->type =
                row->phase == TC_PHASE_PREVOTE ? TC_COMETBFT_PREVOTE : TC_COMETBFT_PRECOMMIT;
        }
        if (row->wire_type == TC_COMETBFT_TYPE_PROPOSAL || strcmp(type, "block-part") == 0)
            wrapper->channel = 0x21;
        struct tc_statement first = {.parent = 0xffff, .type = (uint8_t)i, .fields = {descriptor, base}};
        const struct tc_message m = {.decoded = true,
                                     .envelope = {&cometbft__wrapper__descriptor, wrapper},
                                     .statements = &first,
                                     .statement_count = 1};
        const int rc = tc_cometbft_encode(&m, arena, &frame);
        *out = (struct tc_message){.from = TC_NODE_NONE, .to = TC_NODE_NONE, .touched = true};
        return rc ? rc : tc_cometbft_decode(frame, arena, out);
    }
    return TC_ENOT_FOUND;
}

int tc_cometbft_vote_for(const struct tc_message *vote, const struct tc_message *proposal, struct tc_arena *arena,
                         struct tc_message *out)
{
    struct tc_slice frame;
    if (!vote->decoded || vote->statements[0].kind != TC_KIND_VOTE || !proposal->decoded ||
        proposal->statements[0].kind != TC_KIND_PROPOSE)
        return TC_EUNSUPPORTED;
    struct tc_message copy = *vote;
    struct tc_statement first = vote->statements[0];
    first.fields = tc_fields_copy(first.fields, arena);
    copy.statements = &first;
    copy.statement_count = 1;
    if (!first.fields.base)
        return TC_ELIMIT;
    if (first.value.state == TC_VALUE_BYTES)
        ((Cometbft__Vote *)first.fields.base)->block_id =
            ((const Cometbft__Proposal *)proposal->statements[0].fields.base)->block_id;
    const int rc = tc_cometbft_encode(&copy, arena, &frame);
    *out = (struct tc_message){.from = vote->from, .to = vote->to, .conn = vote->conn, .touched = true};
    return rc ? rc : tc_cometbft_decode(frame, arena, out);
}

static int certificate(const struct tc_message *const *votes, size_t count, struct tc_arena *arena,
                       struct tc_slice *out)
{
    (void)votes, (void)count, (void)arena, (void)out;
    return TC_EUNSUPPORTED; /* votes travel one by one; a commit is a part of a block, which is not made of votes */
}

const struct tc_protocol tc_cometbft = {
    .name = "cometbft",
    .summary = "CometBFT v0.38 and v1.0 (Tendermint consensus): encrypted peer links, gossip",
    .rows = tc_cometbft_rows,
    .row_count = sizeof tc_cometbft_rows / sizeof *tc_cometbft_rows,
    .loss = TC_LOSS_RETRANSMITTED,
    .transport = &tc_cometbft_peers,
    .hello_names_dialler = false,
    .decides_always = true,
    .blocks_accuse = true,
    .votes_weigh = true,
    .views_restart = true,
    .frame = tc_mconnection_frame,
    .decode = tc_cometbft_decode,
    .attribute = tc_cometbft_attribute,
    .encode = tc_cometbft_encode,
    .sign = tc_cometbft_sign,
    .verify = tc_cometbft_verify,
    .gather = tc_cometbft_gather,
    .perturb = tc_cometbft_perturb,
    .vote_for = tc_cometbft_vote_for,
    .build = tc_cometbft_build,
    .certificate = certificate,
    .leader = leader,
    .quorum = quorum,
    .cost = cost,
    .recovery_bound_ns = recovery_bound_ns,
};
