#include "votes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy/nodeset.h"
#include "../proxy/random.h"
#include "votes_internal.h"

static uint8_t column_find(const struct tc_votes *votes, enum tc_kind kind, enum tc_phase phase)
{
    if ((unsigned)kind >= TC_KIND_COUNT || (unsigned)phase >= TC_PHASE_COUNT)
        return TC_NO_COLUMN;
    return votes->column_of[kind][phase];
}

static void columns_init(struct tc_votes *votes, const struct tc_protocol *protocol)
{
    memset(votes->column_of, TC_NO_COLUMN, sizeof votes->column_of);
    for (size_t i = 0; i < protocol->row_count; i++) {
        const struct tc_message_row *row = &protocol->rows[i];
        if (row->kind != TC_KIND_PROPOSE && row->kind != TC_KIND_VOTE && row->kind != TC_KIND_CHECKPOINT)
            continue;
        if (votes->column_count == TC_COLUMNS_MAX || votes->column_of[row->kind][row->phase] != TC_NO_COLUMN)
            continue;
        votes->column_of[row->kind][row->phase] = votes->column_count;
        votes->columns[votes->column_count] = (struct column){row->kind, row->phase, row->name};
        votes->column_count++;
    }
}

/* How many slots the store remembers: as many as fit in its share of memory. */
static uint32_t rows_for(size_t row_size)
{
    size_t rows = SLOT_BYTES_MAX / row_size;
    if (rows > SLOTS_MAX)
        rows = SLOTS_MAX;
    uint32_t power = 256;
    while ((size_t)power * 2 <= rows)
        power *= 2;
    return power;
}

struct tc_votes *tc_votes_new(const struct tc_protocol *protocol, const struct tc_protocol_env *env)
{
    struct tc_votes *votes = calloc(1, sizeof *votes);
    if (!votes)
        return NULL;
    votes->protocol = protocol;
    votes->env = env;
    votes->n = env->cluster->n;
    assert(votes->n > 0 && votes->n <= TC_REPLICAS_MAX);
    votes->quorum = tc_protocol_quorum(protocol, env->cluster);
    votes->words = (votes->n + 63) / 64;
    columns_init(votes, protocol);
    tc_votes_layout(votes);
    votes->table = tc_table_new(rows_for(votes->row_used), votes->row_size);
    votes->frames = tc_frames_new(FRAMES_SIZE);
    votes->current = malloc(TC_STATEMENTS_MAX * sizeof *votes->current);
    tc_arena_init(&votes->arena, 64u << 20);
    if (!votes->table || !votes->frames || !votes->current) {
        tc_votes_free(votes);
        return NULL;
    }
    return votes;
}

void tc_votes_free(struct tc_votes *votes)
{
    if (!votes)
        return;
    tc_table_free(votes->table);
    tc_frames_free(votes->frames);
    free(votes->current);
    tc_arena_free(&votes->arena);
    free(votes);
}

/* Rows are by view and sequence where a statement has both, so that a decision's proposal and votes stand together
 * whatever conflict key the protocol gives each of them; else by the protocol's key. */
static inline uint64_t key_of(const struct tc_statement *s)
{
    if (s->kind == TC_KIND_CHECKPOINT || !s->has_view || !s->has_sequence)
        return tc_random_mix(s->slot, s->kind);
    return tc_table_key(s->epoch, s->view, s->sequence);
}

/* The row used last, if the statement is of it: a broadcast comes in one after another. */
static bool is_last(const struct tc_votes *votes, const struct tc_statement *s)
{
    const struct tc_slot *last = votes->last_slot;
    return last && last->by_view && last->view == s->view && last->sequence == s->sequence && last->epoch == s->epoch &&
           s->has_view && s->has_sequence && s->kind != TC_KIND_CHECKPOINT;
}

static bool same_value(const struct tc_value *a, const struct tc_value *b)
{
    return a->state == b->state && (a->state != TC_VALUE_BYTES || memcmp(a->bytes, b->bytes, TC_VALUE_SIZE) == 0);
}

int tc_votes_value(const struct tc_slot *slot, const struct tc_value *value)
{
    for (uint8_t i = 0; i < slot->value_count; i++)
        if (same_value(&slot->values[i], value))
            return i;
    return -1;
}

/* Is nobody left who said this value? (All its votes turned out not to be signed by those they name.) */
static bool value_abandoned(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t value)
{
    for (uint8_t column = 0; column < votes->column_count; column++) {
        const uint64_t *set = votes_set(votes, slot, VOTE_SIGNERS, column, value);
        for (uint32_t i = 0; i < votes->words; i++)
            if (set[i])
                return false;
    }
    return true;
}

/* Verifies what was not heard from its signer itself, once in a slot's life: forged votes must not keep genuine ones
 * out. */
static void sift(struct tc_votes *votes, struct tc_slot *slot)
{
    if (slot->sifted)
        return;
    slot->sifted = true;
    for (uint8_t column = 0; column < votes->column_count; column++)
        for (uint8_t value = 0; value < TC_SLOT_VALUES_MAX; value++)
            for (uint16_t signer = 0; signer < votes->n; signer++)
                if (tc_votes_knows(votes, slot, column, value, signer) &&
                    !tc_votes_spoken(votes, slot, column, value, signer))
                    tc_votes_verify(votes, slot, column, value, signer);
}

/* The value's index; a new one takes the place of an abandoned one when the slot is full. -1: no room. */
static int value_put(struct tc_votes *votes, struct tc_slot *slot, const struct tc_value *value)
{
    int index = tc_votes_value(slot, value);
    if (index >= 0)
        return index;
    if (slot->value_count < TC_SLOT_VALUES_MAX) {
        index = slot->value_count++;
    } else {
        sift(votes, slot);
        for (uint8_t i = 0; i < TC_SLOT_VALUES_MAX && index < 0; i++)
            if (value_abandoned(votes, slot, i))
                index = i;
        if (index < 0) {
            votes->crowded++;
            return -1;
        }
    }
    slot->values[index] = *value;
    return index;
}

static struct tc_slot *slot_put(struct tc_votes *votes, const struct tc_statement *s, uint64_t now_ns, uint32_t *flags)
{
    if (is_last(votes, s))
        return votes->last_slot;
    bool fresh;
    const uint64_t key = key_of(s);
    struct tc_slot *slot = tc_table_put(votes->table, key, &fresh);
    if (fresh) {
        slot->key = key;
        slot->epoch = s->epoch;
        slot->by_view = s->has_view && s->has_sequence && s->kind != TC_KIND_CHECKPOINT;
        slot->view = s->view;
        slot->sequence = s->sequence;
        slot->has_view = s->has_view;
        slot->has_sequence = s->has_sequence;
        slot->first_ns = now_ns;
        votes->slots++;
        *flags |= TC_VOTE_NEW_SLOT;
    }
    votes->last_slot = slot;
    return slot;
}

static bool signed_otherwise(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                             uint16_t signer)
{
    for (uint8_t other = 0; other < slot->value_count; other++)
        if (other != value && votes_bit(votes_set(votes, slot, VOTE_SIGNERS, column, other), signer))
            return true;
    return false;
}

/* As tc_votes_signers with the proposer, counted only: every vote asks this twice. */
static bool reached_quorum(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value)
{
    const uint8_t propose = votes->column_of[TC_KIND_PROPOSE][TC_PHASE_NONE];
    const bool proposer = votes->columns[column].phase == TC_PHASE_PREPARE && propose != TC_NO_COLUMN;
    const uint64_t *set = votes_set(votes, slot, VOTE_SIGNERS, column, value);
    const uint64_t *more = proposer ? votes_set(votes, slot, VOTE_SIGNERS, propose, value) : set;
    uint32_t count = 0;
    for (uint32_t i = 0; i < votes->words; i++)
        count += tc_bits_count(set[i] | more[i]);
    return count >= votes->quorum;
}

/* Notes where the copy of a vote is: plane 0 for the first value of this signer, 1 for the second. */
static void keep_reference(struct tc_votes *votes, struct tc_slot *slot, uint8_t column, uint8_t value, uint16_t signer,
                           uint64_t reference, bool heard)
{
    struct vote_reference *planes = votes_reference(votes, slot, 0, column, signer);
    for (uint32_t plane = 0; plane < 2; plane++) {
        struct vote_reference *at = &planes[plane];
        if (at->frame != 0 && at->value != value)
            continue;
        at->frame = reference & FRAME_MASK;
        at->value = value;
        at->heard = heard;
        return;
    }
}

/* Copies the message in hand, once however many of its statements want it. */
static uint64_t keep_frame(struct tc_votes *votes, const struct tc_observation *o)
{
    const struct tc_message *m = o->message.message;
    if (!votes->current_frame)
        votes->current_frame = tc_frames_put(votes->frames, o->time_ns, m->from, m->to, m->frame);
    return votes->current_frame;
}

/* Notes who was made to hear it. That is the better evidence too: it is kept instead of what was said and never
 * arrived.
 */
static void note_heard(struct tc_votes *votes, const struct tc_observation *o, struct tc_slot *slot, uint8_t column,
                       uint8_t value, uint16_t signer)
{
    struct vote_reference *planes = votes_reference(votes, slot, 0, column, signer);
    for (uint32_t plane = 0; plane < 2; plane++) {
        struct vote_reference *at = &planes[plane];
        if (at->frame == 0 || at->value != value)
            continue;
        if (votes->n <= OFFERED_MAX && o->message.message->to < votes->n)
            at->offered |= UINT64_C(1) << o->message.message->to;
        if (at->heard)
            continue;
        uint64_t reference = keep_frame(votes, o);
        if (reference == 0) /* too large to keep */
            return;
        at->frame = reference & FRAME_MASK;
        at->heard = true;
    }
}

/* A vote not seen before: remember it with a copy of its message. */
static uint32_t take_new(struct tc_votes *votes, const struct tc_observation *o, const struct tc_statement *s,
                         struct tc_slot *slot, uint8_t column, uint8_t value)
{
    uint64_t *set = votes_set(votes, slot, VOTE_SIGNERS, column, value);
    bool had_quorum = reached_quorum(votes, slot, column, value);
    set[s->signer / 64] |= UINT64_C(1) << (s->signer % 64);
    keep_reference(votes, slot, column, value, s->signer, keep_frame(votes, o), o->message.heard);
    uint32_t flags = TC_VOTE_NEW;
    if (slot->value_count > 1 && !tc_votes_convicted(votes, slot, s->signer) &&
        signed_otherwise(votes, slot, column, value, s->signer))
        flags |= TC_VOTE_CONFLICT;
    if (!had_quorum && reached_quorum(votes, slot, column, value))
        flags |= TC_VOTE_QUORUM;
    return flags;
}

static uint32_t take(struct tc_votes *votes, const struct tc_observation *o, uint32_t index)
{
    const struct tc_message *m = o->message.message;
    const struct tc_statement *s = &m->statements[index];
    uint8_t column = column_find(votes, s->kind, s->phase);
    if (column == TC_NO_COLUMN || s->slot == 0 || s->signer >= votes->n || s->value.state == TC_VALUE_ABSENT)
        return 0;
    uint32_t flags = 0;
    struct tc_slot *slot = slot_put(votes, s, o->time_ns, &flags);
    int value = value_put(votes, slot, &s->value);
    if (value < 0)
        return flags;
    const uint64_t *signers = votes_set(votes, slot, VOTE_SIGNERS, column, (uint8_t)value);
    if (!votes_bit(signers, s->signer))
        flags |= take_new(votes, o, s, slot, column, (uint8_t)value);
    if (index == 0 && o->message.said && m->from == s->signer && !m->touched) {
        uint64_t *spoken = votes_set(votes, slot, VOTE_SPOKEN, column, (uint8_t)value);
        if (!votes_bit(spoken, s->signer)) {
            spoken[s->signer / 64] |= UINT64_C(1) << (s->signer % 64);
            if (!(flags &
                  TC_VOTE_NEW)) /* first met in somebody else's message: what its signer said is the better copy */
                keep_reference(votes, slot, column, (uint8_t)value, s->signer, keep_frame(votes, o), o->message.heard);
            flags |= TC_VOTE_SPOKEN;
        }
    }
    if (index == 0 && o->message.heard)
        note_heard(votes, o, slot, column, (uint8_t)value, s->signer);
    if (flags && votes->current_count < TC_STATEMENTS_MAX)
        votes->current[votes->current_count++] = (struct tc_vote){.flags = flags,
                                                                  .statement = (uint16_t)index,
                                                                  .signer = s->signer,
                                                                  .column = column,
                                                                  .value = (uint8_t)value,
                                                                  .slot = slot};
    return flags;
}

uint32_t tc_votes_observe(struct tc_votes *votes, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    uint32_t flags = 0;
    uint64_t forgotten = tc_table_forgotten(votes->table);
    votes->current_count = 0;
    votes->current_frame = 0;
    for (uint32_t i = 0; i < m->statement_count; i++) {
        flags |= take(votes, observation, i);
        /* A full table reuses rows: what an earlier statement of this message points at must not be one of them. */
        if (tc_table_forgotten(votes->table) != forgotten) {
            forgotten = tc_table_forgotten(votes->table);
            tc_votes_drop_stale(votes);
        }
    }
    return flags;
}

const struct tc_vote *tc_votes_current(const struct tc_votes *votes, size_t *count)
{
    *count = votes->current_count;
    return votes->current;
}

uint8_t tc_votes_column(const struct tc_votes *votes, const struct tc_statement *s)
{
    return column_find(votes, s->kind, s->phase);
}

struct tc_slot *tc_votes_slot(const struct tc_votes *votes, const struct tc_statement *s)
{
    return s->slot ? tc_table_find(votes->table, key_of(s)) : NULL;
}

bool tc_votes_is_of(const struct tc_slot *slot, const struct tc_statement *s)
{
    return s->slot != 0 && key_of(s) == slot->key;
}
