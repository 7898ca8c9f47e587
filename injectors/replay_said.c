#include "replay_said.h"

#include "../proxy/nodeset.h"
#include "../proxy/random.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 4096u

static uint64_t *entry_of(const struct tc_said_hashes *h, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash & (h->_size - 1));
    while (h->_table[at] != 0 && h->_table[at] != hash)
        at = (at + 1) & (h->_size - 1);
    return &h->_table[at];
}

static bool has(const struct tc_said_hashes *h, uint64_t hash)
{
    return h->_size > 0 && *entry_of(h, hash) == hash;
}

static bool grow(struct tc_said_hashes *h)
{
    struct tc_said_hashes larger = {._size = h->_size ? 2 * h->_size : SIZE_FIRST, ._used = h->_used};
    larger._table = calloc(larger._size, sizeof *larger._table);
    if (!larger._table)
        return false;
    for (uint32_t i = 0; i < h->_size; i++)
        if (h->_table[i] != 0)
            *entry_of(&larger, h->_table[i]) = h->_table[i];
    free(h->_table);
    *h = larger;
    return true;
}

static bool add(struct tc_said_hashes *h, uint64_t hash)
{
    if (2 * (h->_used + 1) > h->_size && !grow(h))
        return false;
    uint64_t *entry = entry_of(h, hash);
    h->_used += *entry == 0;
    *entry = hash;
    return true;
}

static void clear(struct tc_said_hashes *h)
{
    if (h->_used > 0)
        memset(h->_table, 0, h->_size * sizeof *h->_table);
    h->_used = 0;
}

void tc_said_begin(struct tc_said *s, const struct tc_nodeset *traitors, bool first)
{
    clear(&s->_said);
    if (first)
        clear(&s->_made);
    s->_traitors = *traitors;
    s->_learns = first;
    s->stale = s->full = false;
}

static uint64_t word(const struct tc_statement *s)
{
    const uint64_t who = tc_random_mix(s->type + UINT64_C(1), s->signer);
    return tc_random_fold_bytes(tc_random_fold_bytes(who, s->body), s->signature) | 1;
}

void tc_said_observe(struct tc_said *s, const struct tc_observation *o)
{
    if (o->kind != TC_OBS_MESSAGE)
        return;
    const struct tc_message *m = o->message.message;
    const bool made = o->message.heard && m->touched;
    for (uint32_t i = 0; i < m->statement_count; i++) {
        const struct tc_statement *statement = &m->statements[i];
        if (statement->signature.len == 0 || tc_nodeset_has(&s->_traitors, statement->signer))
            continue;
        const uint64_t hash = word(statement);
        if (made && !has(&s->_said, hash) && s->_learns)
            s->full |= !add(&s->_made, hash);
        else if (made && !has(&s->_said, hash))
            s->stale |= !has(&s->_made, hash);
        else if (o->message.said)
            s->full |= !add(&s->_said, hash);
    }
}

void tc_said_free(struct tc_said *s)
{
    free(s->_said._table);
    free(s->_made._table);
    memset(s, 0, sizeof *s);
}
