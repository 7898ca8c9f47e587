/* The ring of slots with its ballots and texts: fixed memory, no allocation after creation. */
#include "justify_parts.h"
#include <stdlib.h>
#include <string.h>

/* Slots cover four log windows around where the cluster works: what correct replicas speak of lies within two, for they
 * are at most one window apart from their low watermark, and those that lag catch up by state transfer. */
static uint32_t slots_wanted(const struct tc_cluster *cluster)
{
    uint32_t wanted = 64;
    while (wanted / 4 < cluster->window && wanted < 8192)
        wanted *= 2;
    return wanted;
}

bool tc_justify_table_init(struct tc_justifier *j)
{
    j->slot_count = slots_wanted(j->env.cluster);
    j->ballot_size = sizeof(struct justify_ballot) + 2 * (size_t)j->n * sizeof(struct justify_set);
    const size_t most = BALLOT_BYTES_MAX / j->ballot_size;
    j->ballots_max = j->slot_count * 3 < most ? j->slot_count * 3 : (uint32_t)most;
    j->slots = calloc(j->slot_count, sizeof *j->slots);
    j->ballots = malloc(j->ballots_max * j->ballot_size);
    if (!j->slots || !j->ballots)
        return false;
    j->ballot_free = j->text_free = JUSTIFY_NONE;
    j->dropped_low = UINT64_MAX;
    return true;
}

void tc_justify_table_free(struct tc_justifier *j)
{
    free(j->slots);
    free(j->ballots);
    free(j->texts);
}

static uint32_t index_of(const struct tc_justifier *j, const struct justify_ballot *ballot)
{
    return (uint32_t)((size_t)((const uint8_t *)ballot - j->ballots) / j->ballot_size);
}

static void free_texts(struct tc_justifier *j, struct justify_ballot *ballot)
{
    for (uint32_t i = ballot->texts; i != JUSTIFY_NONE;) {
        const uint32_t next = j->texts[i].next;
        j->texts[i].next = j->text_free;
        j->text_free = i;
        i = next;
    }
    ballot->texts = JUSTIFY_NONE;
}

static void clear_slot(struct tc_justifier *j, struct justify_slot *slot)
{
    for (uint32_t i = slot->used ? slot->first : JUSTIFY_NONE; i != JUSTIFY_NONE;) {
        struct justify_ballot *ballot = tc_justify_at(j, i);
        const uint32_t next = ballot->next;
        free_texts(j, ballot);
        ballot->next = j->ballot_free;
        j->ballot_free = i;
        i = next;
    }
    *slot = (struct justify_slot){.first = JUSTIFY_NONE};
}

void tc_justify_slot_begin(struct tc_justifier *j, struct justify_slot *slot, uint64_t sequence)
{
    clear_slot(j, slot);
    slot->used = true;
    slot->sequence = sequence;
    slot->born = j->events;
}

/* One that was given back, else the next that was never used. NULL: all are in use. */
static struct justify_ballot *take_ballot(struct tc_justifier *j)
{
    if (j->ballot_free == JUSTIFY_NONE)
        return j->ballots_used < j->ballots_max ? tc_justify_at(j, j->ballots_used++) : NULL;
    struct justify_ballot *taken = tc_justify_at(j, j->ballot_free);
    j->ballot_free = taken->next;
    return taken;
}

/* As above; texts may move. */
static uint32_t take_text(struct tc_justifier *j)
{
    const uint32_t taken = j->text_free;
    if (taken == JUSTIFY_NONE) {
        if (j->texts_used == j->texts_size) {
            const uint32_t size = j->texts_size ? 2 * j->texts_size : TEXTS_FIRST;
            struct justify_text *grown = size <= TEXTS_MAX ? realloc(j->texts, size * sizeof *grown) : NULL;
            if (!grown)
                return JUSTIFY_NONE;
            j->texts = grown;
            j->texts_size = size;
        }
        return j->texts_used++;
    }
    j->text_free = j->texts[taken].next;
    return taken;
}

struct justify_ballot *tc_justify_ballot(struct tc_justifier *j, struct justify_slot *slot, uint64_t view,
                                         const uint8_t *digest, bool make)
{
    for (uint32_t i = slot->first; i != JUSTIFY_NONE;) {
        struct justify_ballot *ballot = tc_justify_at(j, i);
        if (tc_justify_is(ballot, view, digest))
            return ballot;
        i = ballot->next;
    }
    if (!make)
        return NULL;
    struct justify_ballot *made = slot->ballots < BALLOTS_SLOT_MAX ? take_ballot(j) : NULL;
    if (!made) {
        slot->overflow = true;
        return NULL;
    }
    memset(made, 0, j->ballot_size);
    made->view = view;
    memcpy(made->digest, digest, TC_VALUE_SIZE);
    made->texts = JUSTIFY_NONE;
    made->next = slot->first;
    slot->first = index_of(j, made);
    slot->ballots++;
    return made;
}

/* The cluster works where f+1 replicas have been: one of them at least is correct, so that a traitor's fantastic
 * numbers do not move the ring. */
static uint64_t cluster_top(const struct tc_justifier *j)
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < j->n; i++) {
        uint32_t reached = 0;
        for (uint32_t k = 0; k < j->n; k++)
            reached += j->replicas[k].top >= j->replicas[i].top;
        if (reached > j->env.cluster->f && j->replicas[i].top > best)
            best = j->replicas[i].top;
    }
    return best;
}

void tc_justify_spoke_higher(struct tc_justifier *j, uint16_t replica, uint64_t sequence)
{
    j->replicas[replica].top = sequence;
    const uint64_t top = cluster_top(j);
    if (top > j->base + j->slot_count / 2)
        j->base = top - j->slot_count / 2;
}

static void count_in(struct tc_justifier *j, struct justify_ballot *ballot, enum justify_class class, uint32_t receiver,
                     uint16_t signer)
{
    if (class == JUSTIFY_PROPOSE)
        justify_add(&ballot->proposed, receiver);
    else
        justify_add(tc_justify_offered(j, ballot, class, receiver), signer);
}

static const uint8_t class_types[JUSTIFY_CLASSES] = {PBFT__TYPE__PRE_PREPARE, PBFT__TYPE__PREPARE, PBFT__TYPE__COMMIT};

static bool same_text(const struct justify_text *text, const struct tc_statement *s, enum justify_class class)
{
    return text->signer == s->signer && text->class == class && text->body_len == s->body.len &&
           memcmp(text->signature, s->signature.data, TC_SIGNATURE_SIZE) == 0 &&
           memcmp(text->body, s->body.data, s->body.len) == 0;
}

/* Keeps the statement for a later check. false if there is no room. */
static bool keep_text(struct tc_justifier *j, struct justify_ballot *ballot, uint16_t replica,
                      const struct tc_statement *s, enum justify_class class)
{
    for (uint32_t i = ballot->texts; i != JUSTIFY_NONE; i = j->texts[i].next) {
        if (same_text(&j->texts[i], s, class)) {
            justify_add(&j->texts[i].receivers, replica);
            return true;
        }
    }
    const uint32_t index = take_text(j);
    if (index == JUSTIFY_NONE)
        return false;
    struct justify_text *text = &j->texts[index];
    text->next = ballot->texts;
    text->signer = s->signer;
    text->class = (uint8_t) class;
    text->body_len = (uint8_t)s->body.len;
    text->receivers = (struct justify_set){0};
    justify_add(&text->receivers, replica);
    memcpy(text->body, s->body.data, s->body.len);
    memcpy(text->signature, s->signature.data, TC_SIGNATURE_SIZE);
    ballot->texts = index;
    return true;
}

void tc_justify_offer(struct tc_justifier *j, uint16_t replica, const struct tc_statement *s, enum justify_class class,
                      bool genuine)
{
    if (s->value.state == TC_VALUE_ABSENT || s->signer >= j->n)
        return;
    struct justify_slot *slot = tc_justify_slot(j, s->sequence);
    if (!slot) {
        if (s->sequence >= j->base) {
            j->dropped_low = s->sequence < j->dropped_low ? s->sequence : j->dropped_low;
            j->dropped_high = s->sequence > j->dropped_high ? s->sequence : j->dropped_high;
        }
        return;
    }
    struct justify_ballot *ballot = tc_justify_ballot_of(j, slot, s->view, s->value.bytes);
    if (!ballot)
        return;
    if (genuine && !justify_has(&ballot->vouched[class], s->signer)) {
        tc_justify_vouch(j, s->type, s->signer, s->body, s->signature, true);
        justify_add(&ballot->vouched[class], s->signer);
    }
    if (class == JUSTIFY_PROPOSE ? justify_has(&ballot->proposed, replica)
                                 : justify_has(tc_justify_offered(j, ballot, class, replica), s->signer))
        return;
    if (!genuine) {
        if (s->signature.len != TC_SIGNATURE_SIZE)
            return;
        const int known = tc_justify_known(j, s->type, s->signer, s->body, s->signature);
        if (known == 0)
            return;
        if (known < 0 && s->body.len <= TEXT_BODY_MAX) {
            slot->overflow |= !keep_text(j, ballot, replica, s, class);
            return;
        }
        Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
        envelope.type = s->type;
        envelope.sender = s->signer;
        envelope.body = tc_wire_binary(s->body);
        envelope.signature = tc_wire_binary(s->signature);
        if (known < 0 && !tc_justify_genuine(j, &envelope))
            return;
    }
    count_in(j, ballot, class, replica, s->signer);
}

void tc_justify_resolve(struct tc_justifier *j, struct justify_ballot *ballot)
{
    for (uint32_t i = ballot->texts; i != JUSTIFY_NONE; i = j->texts[i].next) {
        struct justify_text *text = &j->texts[i];
        Wire__Envelope envelope = WIRE__ENVELOPE__INIT;
        envelope.type = class_types[text->class];
        envelope.sender = text->signer;
        envelope.body = (ProtobufCBinaryData){text->body_len, text->body};
        envelope.signature = (ProtobufCBinaryData){TC_SIGNATURE_SIZE, text->signature};
        if (!tc_justify_genuine(j, &envelope))
            continue;
        for (uint32_t r = 0; r < j->n; r++)
            if (justify_has(&text->receivers, r))
                count_in(j, ballot, text->class, r, text->signer);
    }
    free_texts(j, ballot);
}
