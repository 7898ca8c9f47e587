/* Certificates: one inside a message is exchanged for one made of the votes that were heard, too few of them repeated
 * up to a quorum; or it is made to certify something else. Certificates are lists of signatures (made by the protocol)
 * or lists of messages (put together field by field); the tables say which fields are certificates. */
#include "../proxy/nodeset.h"
#include "../reference/fields_alloc.h"
#include "forge.h"
#include "mutate_parts.h"

#include <stddef.h>
#include <string.h>

#define PLACES_MAX 64
#define VOTES_MAX  TC_REPLICAS_MAX

/* A field that holds certificates: an element of it, or its end. */
struct place {
    struct tc_fields parent;
    const char *name;
    size_t index;
    const struct tc_message_row *row;
    const void *descriptor;
    struct tc_fields now; /* base NULL: none there yet */
};

static const struct tc_message_row *certificate_row(const struct tc_protocol *protocol, const void *descriptor)
{
    for (size_t i = 0; descriptor && i < protocol->row_count; i++)
        if (protocol->rows[i].descriptor == descriptor && !protocol->rows[i].is_signed &&
            protocol->rows[i].kind == TC_KIND_CERTIFICATE)
            return &protocol->rows[i];
    return NULL;
}

static size_t places_of(const struct tc_mutation *mutation, struct tc_fields fields, struct place *places, size_t count)
{
    for (size_t f = 0; f < tc_fields_count(fields); f++) {
        const char *name = tc_fields_name(fields, f);
        if (tc_fields_type(fields, name) != TC_FIELD_MESSAGE)
            continue;
        const void *descriptor = tc_fields_find(fields, name)->descriptor;
        const struct tc_message_row *row = certificate_row(mutation->mutator->protocol, descriptor);
        const size_t length = tc_fields_length(fields, name);
        const size_t end = tc_fields_repeated(fields, name) || length == 0 ? length + 1 : length;
        for (size_t i = 0; row && i < end && count < PLACES_MAX; i++) {
            struct tc_field_value value = {.message = {descriptor, NULL}};
            if (i < length && tc_fields_get(fields, name, i, &value))
                continue;
            places[count++] = (struct place){fields, name, i, row, descriptor, value.message};
        }
    }
    return count;
}

static int put(const struct tc_mutation *mutation, const struct place *place, struct tc_fields certificate)
{
    const struct tc_field_value value = {.type = TC_FIELD_MESSAGE, .message = certificate};
    return tc_fields_set(place->parent, place->name, place->index, &value, mutation->arena);
}

/* ---- from votes ---- */

struct ballot {
    struct tc_message votes[VOTES_MAX];
    const struct tc_message *list[VOTES_MAX];
    size_t count;
};

static bool agrees(const struct tc_memory_item *a, const struct tc_memory_item *b)
{
    return a->type == b->type && a->view == b->view && a->sequence == b->sequence && a->value.state == b->value.state &&
           memcmp(a->value.bytes, b->value.bytes, TC_VALUE_SIZE) == 0;
}

/* All votes heard that agree with one that `hash` names, of distinct signers. */
static const struct tc_memory_item *collect(const struct tc_mutation *mutation, uint64_t hash, struct ballot *ballot)
{
    const struct tc_memory *heard = mutation->mutator->heard;
    const struct tc_memory_item *vote = heard ? tc_memory_pick_kind(heard, 1u << TC_KIND_VOTE, hash) : NULL;
    struct tc_nodeset signers = {0};
    ballot->count = 0;
    for (size_t i = 0; vote && i < tc_memory_count(heard) && ballot->count < VOTES_MAX; i++) {
        const struct tc_memory_item *item = tc_memory_get(heard, i);
        struct tc_message *message = &ballot->votes[ballot->count];
        if (item->kind != TC_KIND_VOTE || !agrees(item, vote) || tc_nodeset_has(&signers, item->signer) ||
            tc_mutate_recall(mutation->mutator, item, mutation->arena, message))
            continue;
        tc_nodeset_add(&signers, item->signer);
        ballot->list[ballot->count] = message;
        ballot->count++;
    }
    return vote;
}

static void pad(struct ballot *ballot, size_t quorum)
{
    const size_t distinct = ballot->count;
    while (distinct > 0 && ballot->count < quorum && ballot->count < VOTES_MAX) {
        ballot->list[ballot->count] = ballot->list[ballot->count % distinct];
        ballot->count++;
    }
}

/* A certificate whose parts are messages: the proposal that was voted for, and the votes. */
static int assemble(const struct tc_mutation *mutation, const struct place *place, const struct tc_memory_item *vote,
                    const struct ballot *ballot, struct tc_fields *out)
{
    const struct tc_memory *heard = mutation->mutator->heard;
    ProtobufCMessage *base;
    int rc = tc_fields_unpack(place->descriptor, (struct tc_slice){NULL, 0}, mutation->arena, &base);
    if (rc)
        return rc;
    *out = (struct tc_fields){place->descriptor, base};
    for (size_t f = 0; f < tc_fields_count(*out) && rc == 0; f++) {
        const char *name = tc_fields_name(*out, f);
        const ProtobufCFieldDescriptor *field = tc_fields_find(*out, name);
        if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->descriptor != mutation->edited->envelope.descriptor)
            return TC_EUNSUPPORTED;
        for (size_t i = 0; tc_fields_repeated(*out, name) && i < ballot->count && rc == 0; i++)
            rc = tc_fields_set(*out, name, i,
                               &(struct tc_field_value){.type = TC_FIELD_MESSAGE, .message = ballot->list[i]->envelope},
                               mutation->arena);
        for (size_t i = 0; !tc_fields_repeated(*out, name) && i < tc_memory_count(heard) && rc == 0; i++) {
            const struct tc_memory_item *item = tc_memory_get(heard, i);
            struct tc_message proposal;
            if (item->kind != TC_KIND_PROPOSE || item->view != vote->view || item->sequence != vote->sequence ||
                tc_mutate_recall(mutation->mutator, item, mutation->arena, &proposal))
                continue;
            /* Its batch does not travel along. */
            struct tc_field_value value = {.type = TC_FIELD_MESSAGE, .message = proposal.envelope};
            rc = tc_fields_set(*out, name, 0, &value, mutation->arena);
            break;
        }
    }
    return rc;
}

static int from_votes(const struct tc_mutation *mutation, const struct place *place)
{
    struct ballot *ballot = tc_arena_alloc(mutation->arena, sizeof *ballot);
    const struct tc_protocol *protocol = mutation->mutator->protocol;
    struct tc_fields certificate = {place->descriptor, NULL};
    ProtobufCMessage *base = NULL;
    struct tc_slice bytes;
    if (!ballot)
        return TC_ELIMIT;
    const struct tc_memory_item *vote = collect(mutation, tc_random_mix(mutation->hash, 30), ballot);
    if (!vote || ballot->count == 0)
        return TC_EUNSUPPORTED;
    if (tc_mutate_draw(mutation, 31, 4) > 0)
        pad(ballot, tc_protocol_quorum(protocol, mutation->mutator->env->cluster));
    int rc = protocol->certificate(ballot->list, ballot->count, mutation->arena, &bytes);
    if (rc == 0)
        rc = tc_fields_unpack(place->descriptor, bytes, mutation->arena, &base);
    certificate.base = base;
    if (rc == TC_EUNSUPPORTED)
        rc = assemble(mutation, place, vote, ballot, &certificate);
    return rc ? rc : put(mutation, place, certificate);
}

int tc_mutate_certify(const struct tc_mutator *mutator, uint64_t hash, uint16_t traitor, struct tc_arena *arena,
                      struct tc_slice *out)
{
    struct tc_mutation mutation = {.mutator = mutator, .arena = arena, .hash = hash};
    struct ballot *ballot = tc_arena_alloc(arena, sizeof *ballot);
    struct tc_error err = {0};
    if (!ballot)
        return TC_ELIMIT;
    const size_t quorum = tc_protocol_quorum(mutator->protocol, mutator->env->cluster);
    const struct tc_memory_item *vote = collect(&mutation, hash, ballot);
    bool own = false;
    for (size_t i = 0; i < ballot->count; i++)
        own |= ballot->votes[i].statements[0].signer == traitor;
    if (!vote || ballot->count + !own < quorum)
        return TC_EUNSUPPORTED;
    if (!own && ballot->count < VOTES_MAX && traitor != TC_NODE_NONE) { /* the vote that the traitor kept to itself */
        const int rc = tc_forge_sign(mutator->protocol, mutator->env, mutator->ledger, &ballot->votes[0], traitor,
                                     arena, &ballot->votes[ballot->count], &err);
        if (rc)
            return rc;
        ballot->list[ballot->count] = &ballot->votes[ballot->count];
        ballot->count++;
    }
    return mutator->protocol->certificate(ballot->list, quorum, arena, out);
}

/* ---- something else certified ---- */

static int set_value(const struct tc_mutation *mutation, struct tc_fields fields, const struct tc_message_row *row)
{
    struct tc_field_value value;
    uint8_t other[TC_VALUE_SIZE] = {0};
    const struct tc_memory_item *item =
        mutation->mutator->heard
            ? tc_memory_pick_kind(mutation->mutator->heard, 1u << TC_KIND_PROPOSE, tc_random_mix(mutation->hash, 40))
            : NULL;
    int rc = 0;
    if (row->value_field && tc_mutate_draw(mutation, 41, 4) > 0 && item && item->value.state == TC_VALUE_BYTES) {
        memcpy(other, item->value.bytes, TC_VALUE_SIZE);
        value = (struct tc_field_value){.type = TC_FIELD_BYTES, .bytes = {other, TC_VALUE_SIZE}};
        rc = tc_fields_set(fields, row->value_field, 0, &value, mutation->arena);
    }
    if (rc == 0 && row->view_field && tc_mutate_draw(mutation, 42, 2) &&
        tc_fields_get(fields, row->view_field, 0, &value) == 0) {
        value.uint_value += 1 + tc_mutate_draw(mutation, 43, 2);
        rc = tc_fields_set(fields, row->view_field, 0, &value, mutation->arena);
    }
    return rc;
}

/* Every message inside says the same other thing. */
static int alter_messages(const struct tc_mutation *mutation, struct tc_fields certificate)
{
    int rc = 0;
    for (size_t f = 0; f < tc_fields_count(certificate) && rc == 0; f++) {
        const char *name = tc_fields_name(certificate, f);
        const size_t length = tc_fields_length(certificate, name);
        for (size_t i = 0; tc_fields_type(certificate, name) == TC_FIELD_MESSAGE && i < length && rc == 0; i++) {
            struct tc_field_value value;
            struct tc_message inner, copy, sealed;
            if (tc_fields_get(certificate, name, i, &value) ||
                value.message.descriptor != mutation->edited->envelope.descriptor ||
                tc_mutate_open(mutation, value.message, &inner) || tc_mutate_copy(&inner, mutation->arena, &copy))
                return TC_EUNSUPPORTED;
            rc = set_value(mutation, copy.statements[0].fields, tc_mutate_row(mutation->mutator, &copy));
            if (rc == 0)
                rc = tc_mutate_seal(mutation->mutator, &copy, mutation->arena, &sealed);
            if (rc)
                return rc;
            value.message = sealed.envelope;
            rc = tc_fields_set(certificate, name, i, &value, mutation->arena);
        }
    }
    return rc;
}

int tc_mutate_forge(struct tc_mutation *mutation)
{
    struct place places[PLACES_MAX];
    size_t count = 0;
    for (size_t p = 0; p < mutation->part_count; p++)
        if (!mutation->parts[p].is_message)
            count = places_of(mutation, mutation->parts[p].fields, places, count);
    if (count == 0)
        return TC_EUNSUPPORTED;
    struct place *place = &places[tc_mutate_draw(mutation, 1, count)];
    const uint64_t way = tc_mutate_draw(mutation, 2, 3);
    if (way < 2 || !place->now.base) {
        const int rc = from_votes(mutation, place);
        struct tc_field_value value;
        if (rc || way == 0 || tc_fields_get(place->parent, place->name, place->index, &value))
            return rc;
        place->now = value.message; /* made, and then made to say something else */
    }
    return place->row->value_field ? set_value(mutation, place->now, place->row) : alter_messages(mutation, place->now);
}

/* ---- for those who lead on a certificate of their choice ---- */

int tc_mutate_pack(const struct tc_statement *statement, struct tc_arena *arena, struct tc_slice *out)
{
    return statement->fields.base ? tc_fields_pack(statement->fields.base, arena, out) : TC_EUNSUPPORTED;
}

/* Bytes of the body that are the old value become the new one; the height keeps its distance. */
static int follow(struct tc_fields body, const char *own, struct tc_slice old, struct tc_slice new,
                  struct tc_arena *arena)
{
    int rc = 0;
    for (size_t f = 0; f < tc_fields_count(body) && rc == 0; f++) {
        const char *name = tc_fields_name(body, f);
        struct tc_field_value value;
        if (tc_fields_type(body, name) != TC_FIELD_BYTES || (own && strcmp(name, own) == 0) ||
            tc_fields_get(body, name, 0, &value) || value.bytes.len != old.len ||
            memcmp(value.bytes.data, old.data, old.len) != 0)
            continue;
        value.bytes = new;
        rc = tc_fields_set(body, name, 0, &value, arena);
    }
    return rc;
}

/* What a certificate certifies; an absent or empty one: the genesis block, nothing at height nought. */
static void certified(struct tc_fields certificate, const struct tc_message_row *row, struct tc_slice *value,
                      uint64_t *height)
{
    static const uint8_t genesis[TC_VALUE_SIZE];
    struct tc_field_value field;
    *value = (struct tc_slice){genesis, TC_VALUE_SIZE};
    *height = 0;
    if (!certificate.base)
        return;
    if (tc_fields_get(certificate, row->value_field, 0, &field) == 0 && field.bytes.len > 0)
        *value = field.bytes;
    if (row->sequence_field && tc_fields_get(certificate, row->sequence_field, 0, &field) == 0)
        *height = field.uint_value;
}

static int rebase(const struct tc_mutator *mutator, struct tc_message *edited, const struct place *place,
                  struct tc_fields certificate, struct tc_arena *arena)
{
    const struct tc_message_row *row = place->row, *own = tc_mutate_row(mutator, edited);
    const struct tc_fields body = edited->statements[0].fields;
    struct tc_slice old_value, new_value;
    uint64_t old_height, new_height;
    struct tc_field_value height;
    if (!row->value_field || !own)
        return TC_EUNSUPPORTED;
    certified(place->now, row, &old_value, &old_height);
    certified(certificate, row, &new_value, &new_height);
    int rc = follow(body, own->value_field, old_value, new_value, arena);
    if (rc == 0 && own->sequence_field && tc_fields_get(body, own->sequence_field, 0, &height) == 0) {
        height.uint_value += new_height - old_height;
        rc = tc_fields_set(body, own->sequence_field, 0, &height, arena);
    }
    const struct tc_field_value value = {.type = TC_FIELD_MESSAGE, .message = certificate};
    return rc ? rc : tc_fields_set(place->parent, place->name, place->index, &value, arena);
}

int tc_mutate_rebase(const struct tc_mutator *mutator, const struct tc_message *proposal, struct tc_slice bytes,
                     uint64_t hash, bool omit_requests, struct tc_arena *arena, struct tc_message *out)
{
    struct tc_message edited, rebased = {.from = proposal->from, .to = proposal->to, .conn = proposal->conn};
    struct place places[PLACES_MAX];
    struct tc_slice frame;
    struct tc_error err = {0};
    ProtobufCMessage *base;
    int rc = tc_mutate_copy(proposal, arena, &edited);
    if (rc)
        return rc;
    struct tc_mutation mutation = {.mutator = mutator, .edited = &edited, .original = proposal, .arena = arena};
    const size_t count = places_of(&mutation, edited.statements[0].fields, places, 0);
    if (count == 0)
        return TC_EUNSUPPORTED;
    rc = tc_fields_unpack(places[0].descriptor, bytes, arena, &base);
    if (rc == 0)
        rc = rebase(mutator, &edited, &places[0], (struct tc_fields){places[0].descriptor, base}, arena);
    if (rc == 0)
        rc = mutator->protocol->encode(&edited, arena, &frame);
    if (rc == 0)
        rc = mutator->protocol->decode(frame, arena, &rebased);
    return rc ? rc : mutator->protocol->perturb(mutator->env, &rebased, hash, omit_requests, arena, out, &err);
}
