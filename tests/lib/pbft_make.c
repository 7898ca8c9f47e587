#include "pbft_make.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "pbft_make: %s\n", what);
    abort();
}

static void *take(struct tc_make *make, size_t size)
{
    void *made = tc_arena_alloc(&make->arena, size);
    must(made != NULL, "arena full");
    return made;
}

void tc_make_init(struct tc_make *make, uint32_t n)
{
    memset(make, 0, sizeof *make);
    make->cluster = (struct tc_cluster){
        .id = "test",
        .n = n,
        .f = tc_protocol_faults_max(n),
        .client_count = 4,
        .checkpoint_interval = 16,
        .window = 32,
        .batch_max = 16,
        .pipeline_max = 8,
        .view_timeout_ns = 500000000,
        .view_timeout_max_ns = 8000000000,
    };
    tc_arena_init(&make->arena, 64u << 20);
    make->env.cluster = &make->cluster;
    make->env.keys = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    must(make->env.keys != NULL, "no keyring");
    for (uint32_t i = 0; i < n + make->cluster.client_count; i++) {
        const uint32_t node = i < n ? i : TC_CLIENT_FIRST + i - n;
        uint8_t seed[TC_SECRET_SEED_SIZE];
        tc_keyring_derive_seed(7, node, seed);
        must(tc_keyring_add_secret(make->env.keys, node, seed) == 0, "no key");
    }
}

void tc_make_free(struct tc_make *make)
{
    tc_keyring_free(make->env.keys);
    tc_arena_free(&make->arena);
}

ProtobufCBinaryData tc_make_digest(struct tc_make *make, uint8_t fill)
{
    uint8_t *bytes = take(make, TC_VALUE_SIZE);
    memset(bytes, fill, TC_VALUE_SIZE);
    return (ProtobufCBinaryData){TC_VALUE_SIZE, bytes};
}

Wire__Envelope *tc_make_envelope(struct tc_make *make, uint32_t type, uint32_t sender, const void *body)
{
    Wire__Envelope *envelope = take(make, sizeof *envelope);
    wire__envelope__init(envelope);
    envelope->type = type;
    envelope->sender = sender;
    must(tc_wire_set_body(envelope, body, &make->arena) == 0, "body");
    must(tc_wire_seal(&make->env, envelope, TC_CLIENT_FIRST, &make->arena) == 0, "seal");
    return envelope;
}

Wire__Envelope *tc_make_request(struct tc_make *make, uint32_t client, uint64_t timestamp, const char *text)
{
    Wire__Request body = WIRE__REQUEST__INIT;
    body.timestamp = timestamp;
    body.operation = (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
    return tc_make_envelope(make, WIRE__TYPE__REQUEST, client, &body);
}

Wire__Envelope *tc_make_prepare(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                                ProtobufCBinaryData digest)
{
    Pbft__Prepare body = PBFT__PREPARE__INIT;
    body.view = view;
    body.sequence = sequence;
    body.digest = digest;
    return tc_make_envelope(make, PBFT__TYPE__PREPARE, sender, &body);
}

Wire__Envelope *tc_make_commit(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                               ProtobufCBinaryData digest)
{
    Pbft__Commit body = PBFT__COMMIT__INIT;
    body.view = view;
    body.sequence = sequence;
    body.digest = digest;
    return tc_make_envelope(make, PBFT__TYPE__COMMIT, sender, &body);
}

Wire__Envelope *tc_make_checkpoint(struct tc_make *make, uint32_t sender, uint64_t sequence, ProtobufCBinaryData digest)
{
    Pbft__Checkpoint body = PBFT__CHECKPOINT__INIT;
    body.sequence = sequence;
    body.digest = digest;
    return tc_make_envelope(make, PBFT__TYPE__CHECKPOINT, sender, &body);
}

Wire__Envelope *tc_make_pre_prepare(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                                    ProtobufCBinaryData digest)
{
    Pbft__PrePrepare body = PBFT__PRE_PREPARE__INIT;
    body.view = view;
    body.sequence = sequence;
    body.digest = digest;
    return tc_make_envelope(make, PBFT__TYPE__PRE_PREPARE, sender, &body);
}

Wire__Envelope *tc_make_proposal(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t sequence,
                                 Wire__Envelope **requests, size_t count)
{
    Wire__Envelope batch = WIRE__ENVELOPE__INIT;
    ProtobufCBinaryData digest = {TC_VALUE_SIZE, take(make, TC_VALUE_SIZE)};
    batch.requests = requests;
    batch.n_requests = count;
    must(tc_wire_requests_digest(&batch, &make->arena, digest.data) == 0, "batch digest");
    Wire__Envelope *envelope = tc_make_pre_prepare(make, sender, view, sequence, digest);
    envelope->requests = requests;
    envelope->n_requests = count;
    return envelope;
}

Pbft__Prepared *tc_make_prepared(struct tc_make *make, uint64_t view, uint64_t sequence, ProtobufCBinaryData digest,
                                 const uint32_t *signers, size_t count)
{
    Pbft__Prepared *prepared = take(make, sizeof *prepared);
    pbft__prepared__init(prepared);
    prepared->pre_prepare =
        tc_make_pre_prepare(make, tc_protocol_leader(&tc_pbft, &make->env, view), view, sequence, digest);
    prepared->prepares = take(make, (count + 1) * sizeof *prepared->prepares);
    prepared->n_prepares = count;
    for (size_t i = 0; i < count; i++)
        prepared->prepares[i] = tc_make_prepare(make, signers[i], view, sequence, digest);
    return prepared;
}

Wire__Envelope *tc_make_view_change(struct tc_make *make, uint32_t sender, uint64_t view, uint64_t stable,
                                    Pbft__Prepared **prepared, size_t count)
{
    Pbft__ViewChange body = PBFT__VIEW_CHANGE__INIT;
    body.view = view;
    body.stable_sequence = stable;
    if (stable > 0) {
        const uint32_t quorum = tc_protocol_quorum(&tc_pbft, &make->cluster);
        body.stable_digest = tc_make_digest(make, (uint8_t)stable);
        body.checkpoints = take(make, quorum * sizeof *body.checkpoints);
        body.n_checkpoints = quorum;
        for (uint32_t i = 0; i < quorum; i++)
            body.checkpoints[i] = tc_make_checkpoint(make, i, stable, body.stable_digest);
    }
    body.prepared = prepared;
    body.n_prepared = count;
    return tc_make_envelope(make, PBFT__TYPE__VIEW_CHANGE, sender, &body);
}

Wire__Envelope *tc_make_new_view(struct tc_make *make, uint32_t sender, uint64_t view, Wire__Envelope **changes,
                                 size_t change_count, Wire__Envelope **proposals, size_t proposal_count)
{
    Pbft__NewView body = PBFT__NEW_VIEW__INIT;
    body.view = view;
    body.view_changes = changes;
    body.n_view_changes = change_count;
    body.pre_prepares = proposals;
    body.n_pre_prepares = proposal_count;
    return tc_make_envelope(make, PBFT__TYPE__NEW_VIEW, sender, &body);
}

struct tc_slice tc_make_frame(struct tc_make *make, const Wire__Envelope *envelope)
{
    struct tc_slice frame;
    must(tc_wire_pack(envelope, &make->arena, &frame) == 0, "pack");
    return frame;
}

struct tc_message *tc_make_message(struct tc_make *make, const Wire__Envelope *envelope, uint16_t from, uint16_t to)
{
    struct tc_message *m = take(make, sizeof *m);
    *m = (struct tc_message){.from = from, .to = to};
    must(tc_pbft.decode(tc_make_frame(make, envelope), &make->arena, m) == 0, "decode");
    tc_message_set_key(m);
    return m;
}
