/* The commits that a block sent for catching up carries: that of the block before it, which is part of the block, and
 * from v0.38 on, where votes are extended, that of the block itself.
 *
 * Each becomes an embedded certificate. On the wire a commit gives height, round and block once and of each validator
 * only its signature and time; what its signature covers is the precommit, so that is what we make of it: the votes are
 * embedded in the certificate as if they had come one by one, and everybody who reads votes reads them.
 *
 * Blocks that are gossiped in parts are left alone: who passes on a part vouches for nothing in it. */
#include "../../proxy/nodeset.h"
#include "protocol_parts.h"

#include <string.h>

#define COMMIT_VOTES_MAX 256 /* of one commit; a longer one is no statement */
#define FLAG_COMMIT      2u
#define FLAG_NIL         3u

/* A commit of either kind. */
struct commit {
    uint32_t wire_type;
    struct tc_fields fields;
    int64_t height;
    int32_t round;
    Cometbft__BlockID *block_id;
    size_t count;
    Cometbft__CommitSig **plain; /* one of the two */
    Cometbft__ExtendedCommitSig **extended;
};

static struct commit plain_of(Cometbft__Commit *c)
{
    return (struct commit){.wire_type = TC_COMETBFT_TYPE_COMMIT,
                           .fields = {&cometbft__commit__descriptor, c},
                           .height = c->height,
                           .round = c->round,
                           .block_id = c->block_id,
                           .count = c->n_signatures,
                           .plain = c->signatures};
}

static struct commit extended_of(Cometbft__ExtendedCommit *c)
{
    return (struct commit){.wire_type = TC_COMETBFT_TYPE_EXTENDED_COMMIT,
                           .fields = {&cometbft__extended_commit__descriptor, c},
                           .height = c->height,
                           .round = c->round,
                           .block_id = c->block_id,
                           .count = c->n_extended_signatures,
                           .extended = c->extended_signatures};
}

/* The first block has an empty commit of height 0, for there is none before it. */
static bool is_commit(const struct commit *c)
{
    return c->height > 0 && c->count <= COMMIT_VOTES_MAX;
}

/* Those of a message; how many. */
static uint32_t commits_of(const struct tc_statement *first, struct commit out[static 2])
{
    uint32_t count = 0;
    if (first->fields.descriptor != (const void *)&cometbft__block_response__descriptor)
        return 0;
    const Cometbft__BlockResponse *response = first->fields.base;
    if (response->block && response->block->last_commit) {
        out[count] = plain_of(response->block->last_commit);
        count += is_commit(&out[count]);
    }
    if (response->ext_commit) {
        out[count] = extended_of(response->ext_commit);
        count += is_commit(&out[count]);
    }
    return count;
}

uint32_t tc_cometbft_commit_room(const struct tc_statement *first)
{
    struct commit commits[2];
    uint32_t room = 0;
    for (uint32_t i = 0, count = commits_of(first, commits); i < count; i++)
        room += 1 + (uint32_t)commits[i].count;
    return room;
}

/* The precommit that a validator signed. false: the validator is absent from the commit. */
static bool read_signature(const struct commit *c, size_t i, Cometbft__Vote *vote)
{
    uint32_t flag;
    cometbft__vote__init(vote);
    if (c->plain) {
        const Cometbft__CommitSig *one = c->plain[i];
        flag = one->block_id_flag;
        vote->timestamp = one->timestamp;
        vote->validator_address = one->validator_address;
        vote->signature = one->signature;
    } else {
        const Cometbft__ExtendedCommitSig *one = c->extended[i];
        flag = one->block_id_flag;
        vote->timestamp = one->timestamp;
        vote->validator_address = one->validator_address;
        vote->signature = one->signature;
        vote->extension = one->extension;
        vote->extension_signature = one->extension_signature;
    }
    vote->type = TC_COMETBFT_PRECOMMIT;
    vote->height = c->height;
    vote->round = c->round;
    vote->validator_index = (int32_t)i;
    vote->block_id = flag == FLAG_COMMIT ? c->block_id : NULL;
    return flag == FLAG_COMMIT || flag == FLAG_NIL;
}

static void read_certificate(struct tc_statement *s, const struct commit *c)
{
    s->fields = c->fields;
    tc_cometbft_read_neutral(s);
    if (!c->block_id || c->block_id->hash.len != TC_VALUE_SIZE)
        return; /* it commits to nothing, and no vote agrees with that */
    s->value.state = TC_VALUE_BYTES;
    memcpy(s->value.bytes, c->block_id->hash.data, TC_VALUE_SIZE);
}

static int add_commit(struct tc_message *m, const struct commit *c, struct tc_arena *arena)
{
    const uint16_t index = (uint16_t)m->statement_count;
    const uint8_t precommit = (uint8_t)tc_cometbft_row(TC_COMETBFT_TYPE_VOTE, TC_COMETBFT_PRECOMMIT);
    Cometbft__Vote *votes = tc_arena_alloc(arena, (c->count + 1) * sizeof *votes);
    if (!votes)
        return TC_ELIMIT;
    struct tc_statement *certificate = &m->statements[m->statement_count++];
    *certificate =
        (struct tc_statement){.origin = TC_ORIGIN_EMBEDDED, .type = (uint8_t)tc_cometbft_row(c->wire_type, 0)};
    read_certificate(certificate, c);
    for (size_t i = 0; i < c->count; i++) {
        if (!read_signature(c, i, &votes[i]))
            continue;
        struct tc_statement *s = &m->statements[m->statement_count++];
        *s = (struct tc_statement){.parent = index, .origin = TC_ORIGIN_EMBEDDED, .type = precommit};
        s->fields = (struct tc_fields){&cometbft__vote__descriptor, &votes[i]};
        tc_cometbft_read_neutral(s);
    }
    return 0;
}

int tc_cometbft_add_commits(struct tc_message *m, struct tc_arena *arena)
{
    struct commit commits[2];
    const uint32_t count = commits_of(&m->statements[0], commits);
    for (uint32_t i = 0; i < count; i++) {
        const int rc = add_commit(m, &commits[i], arena);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void tc_cometbft_name_signers(struct tc_message *m)
{
    for (uint32_t i = 1; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        struct tc_statement *certificate = s->parent < i ? &m->statements[s->parent] : NULL;
        if (certificate && certificate->kind == TC_KIND_CERTIFICATE && s->signer != TC_NODE_NONE &&
            s->value.state == TC_VALUE_BYTES)
            tc_nodeset_add(&certificate->signers, s->signer);
    }
}
