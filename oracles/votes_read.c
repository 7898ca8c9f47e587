/* The vote store as it is asked: who signed what, with which message, and is the signature good. */
#include <string.h>

#include "../proxy/nodeset.h"
#include "votes_internal.h"

/* Where the next line of the cache begins in a row. */
static size_t next_line(size_t at)
{
    return ((at + TC_TABLE_HEAD_SIZE + 63) & ~(size_t)63) - TC_TABLE_HEAD_SIZE;
}

/* Every message looks at the sets of one value and at one signer's references: both begin with a line, since the sets
 * are whole lines. */
void tc_votes_layout(struct tc_votes *votes)
{
    const size_t set_size = votes->words * sizeof(uint64_t);
    votes->convicted_at = (sizeof(struct tc_slot) + 7) & ~(size_t)7;
    votes->sets_at = next_line(votes->convicted_at + set_size);
    votes->references_at = votes->sets_at + (size_t)TC_SLOT_VALUES_MAX * votes->column_count * VOTE_SETS * set_size;
    votes->row_size = votes->references_at + (size_t)2 * votes->column_count * votes->n * sizeof(struct vote_reference);
    votes->row_used = votes->row_size - (votes->sets_at - votes->convicted_at - set_size);
}

void tc_votes_drop_stale(struct tc_votes *votes)
{
    size_t kept = 0;
    for (size_t i = 0; i < votes->current_count; i++) {
        struct tc_vote vote = votes->current[i];
        /* the row in hand is the newest and never the one that was reused for an older vote */
        if (vote.slot != votes->last_slot || i + 1 == votes->current_count)
            votes->current[kept++] = vote;
    }
    votes->current_count = kept;
}

enum tc_kind tc_votes_column_kind(const struct tc_votes *votes, uint8_t column)
{
    return column < votes->column_count ? votes->columns[column].kind : TC_KIND_OTHER;
}

enum tc_phase tc_votes_column_phase(const struct tc_votes *votes, uint8_t column)
{
    return column < votes->column_count ? votes->columns[column].phase : TC_PHASE_NONE;
}

const char *tc_votes_column_name(const struct tc_votes *votes, uint8_t column)
{
    return column < votes->column_count ? votes->columns[column].name : "";
}

uint8_t tc_votes_column_count(const struct tc_votes *votes)
{
    return votes->column_count;
}

struct tc_slot *tc_votes_slot_at(const struct tc_votes *votes, uint32_t index)
{
    return tc_table_row(votes->table, index);
}

struct tc_nodeset tc_votes_signers(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column,
                                   uint8_t value, bool proposer)
{
    struct tc_nodeset out = {0};
    const uint64_t *set = votes_set(votes, slot, VOTE_SIGNERS, column, value);
    memcpy(out.words, set, votes->words * sizeof *set);
    if (!proposer || votes->columns[column].phase != TC_PHASE_PREPARE)
        return out;
    uint8_t propose = votes->column_of[TC_KIND_PROPOSE][TC_PHASE_NONE];
    if (propose == TC_NO_COLUMN)
        return out;
    set = votes_set(votes, slot, VOTE_SIGNERS, propose, value);
    for (uint32_t i = 0; i < votes->words; i++)
        out.words[i] |= set[i];
    return out;
}

bool tc_votes_knows(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                    uint16_t signer)
{
    return signer < votes->n && votes_bit(votes_set(votes, slot, VOTE_SIGNERS, column, value), signer);
}

bool tc_votes_spoken(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                     uint16_t signer)
{
    return signer < votes->n && votes_bit(votes_set(votes, slot, VOTE_SPOKEN, column, value), signer);
}

bool tc_votes_frame(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                    uint16_t signer, struct tc_kept_frame *out)
{
    if (!tc_votes_knows(votes, slot, column, value, signer))
        return false;
    for (uint32_t plane = 0; plane < 2; plane++) {
        const struct vote_reference *at = votes_reference(votes, slot, plane, column, signer);
        if (at->frame != 0 && at->value == value)
            return tc_frames_get(votes->frames, at->frame, out);
    }
    return false;
}

bool tc_votes_offered(const struct tc_votes *votes, const struct tc_slot *slot, uint8_t column, uint8_t value,
                      uint16_t signer, uint16_t to)
{
    if (to >= votes->n || !tc_votes_knows(votes, slot, column, value, signer))
        return false;
    for (uint32_t plane = 0; plane < 2; plane++) {
        const struct vote_reference *at = votes_reference(votes, slot, plane, column, signer);
        if (at->frame != 0 && at->value == value)
            return votes->n <= OFFERED_MAX && (at->offered >> to & 1);
    }
    return false;
}

bool tc_votes_keeps_offers(const struct tc_votes *votes)
{
    return votes->n <= OFFERED_MAX;
}

static void forget(struct tc_votes *votes, struct tc_slot *slot, uint8_t column, uint8_t value, uint16_t signer)
{
    uint64_t bit = UINT64_C(1) << (signer % 64);
    votes_set(votes, slot, VOTE_SIGNERS, column, value)[signer / 64] &= ~bit;
    votes_set(votes, slot, VOTE_SPOKEN, column, value)[signer / 64] &= ~bit;
    for (uint32_t plane = 0; plane < 2; plane++) {
        struct vote_reference *at = votes_reference(votes, slot, plane, column, signer);
        if (at->value == value)
            *at = (struct vote_reference){0};
    }
}

int tc_votes_check(struct tc_votes *votes, const struct tc_statement *s)
{
    if (s->signature.len == 0)
        return TC_ESIGNATURE;
    if (votes->verified >= VERIFY_MAX)
        return TC_ELIMIT;
    votes->verified++;
    return votes->protocol->verify(votes->env, s);
}

/* The statement in the kept message that is this vote, or NULL. */
static const struct tc_statement *statement_find(const struct tc_votes *votes, const struct tc_message *m,
                                                 const struct tc_slot *slot, uint8_t column, uint8_t value,
                                                 uint16_t signer)
{
    for (uint32_t i = 0; i < m->statement_count; i++) {
        const struct tc_statement *s = &m->statements[i];
        if (tc_votes_is_of(slot, s) && s->signer == signer && tc_votes_column(votes, s) == column &&
            tc_votes_value(slot, &s->value) == value)
            return s;
    }
    return NULL;
}

int tc_votes_verify(struct tc_votes *votes, struct tc_slot *slot, uint8_t column, uint8_t value, uint16_t signer)
{
    struct tc_kept_frame kept;
    if (!tc_votes_frame(votes, slot, column, value, signer, &kept))
        return TC_ENOT_FOUND;
    struct tc_message m = {0};
    tc_arena_reset(&votes->arena);
    if (tc_protocol_decode(votes->protocol, votes->env, kept.bytes, &votes->arena, &m) != 0)
        return TC_ENOT_FOUND;
    const struct tc_statement *s = statement_find(votes, &m, slot, column, value, signer);
    if (!s)
        return TC_ENOT_FOUND;
    int status = tc_votes_check(votes, s);
    if (status == TC_ESIGNATURE)
        forget(votes, slot, column, value, signer);
    return status;
}

void tc_votes_convict(struct tc_votes *votes, struct tc_slot *slot, uint16_t signer)
{
    uint64_t *set = (uint64_t *)(void *)((uint8_t *)slot + votes->convicted_at);
    set[signer / 64] |= UINT64_C(1) << (signer % 64);
}

bool tc_votes_convicted(const struct tc_votes *votes, const struct tc_slot *slot, uint16_t signer)
{
    const uint64_t *set = (const uint64_t *)(const void *)((const uint8_t *)slot + votes->convicted_at);
    return votes_bit(set, signer);
}

uint64_t tc_votes_crowded(const struct tc_votes *votes)
{
    return votes->crowded;
}

uint64_t tc_votes_slots(const struct tc_votes *votes)
{
    return votes->slots;
}
