#include "adversary_base.h"

#define WITH_SLOT                                                                                                      \
    (1u << TC_KIND_PROPOSE | 1u << TC_KIND_VOTE | 1u << TC_KIND_VIEW_CHANGE | 1u << TC_KIND_NEW_VIEW |                 \
     1u << TC_KIND_CERTIFICATE | 1u << TC_KIND_CHECKPOINT)

void tc_rounds_init(struct tc_rounds *rounds, const struct tc_protocol *protocol)
{
    uint32_t votes = 0, phases = 0;
    *rounds = (struct tc_rounds){.count = 0};
    for (size_t i = 0; i < protocol->row_count; i++) {
        votes += protocol->rows[i].kind == TC_KIND_VOTE;
        phases += protocol->rows[i].kind == TC_KIND_VOTE && protocol->rows[i].phase != TC_PHASE_NONE;
    }
    rounds->without_phases = votes == 1 && phases == 0;
}

/* The round of the key; one that is met for the first time gets the next number, as long as there is one. */
static uint32_t number_of(struct tc_rounds *rounds, uint64_t key)
{
    for (uint32_t i = rounds->count; i > 0; i--) /* it is mostly one of the last */
        if (rounds->keys[i - 1] == key)
            return i;
    if (rounds->count == TC_ROUNDS_MAX)
        return TC_ROUNDS_MAX + 1;
    rounds->keys[rounds->count] = key;
    return ++rounds->count;
}

static uint32_t rank(struct tc_rounds *rounds, const struct tc_statement *s)
{
    uint64_t key =
        tc_random_mix(tc_random_mix(s->type, s->has_view ? s->view + 1 : 0), s->has_sequence ? s->sequence : 0);
    if (rounds->seen == 0 || rounds->seen_key != key) { /* else it is a broadcast's next copy */
        rounds->seen = number_of(rounds, key);
        rounds->seen_key = key;
    }
    return rounds->seen;
}

static uint32_t by_view(struct tc_rounds *rounds, const struct tc_statement *s)
{
    if (!rounds->has_first) {
        rounds->has_first = true;
        rounds->first_view = s->view;
    }
    if (s->view < rounds->first_view)
        return 1;
    const uint64_t views = s->view - rounds->first_view;
    return views >= TC_ROUNDS_MAX / 2 ? TC_ROUNDS_MAX + 1 : (uint32_t)(2 * views + (s->kind == TC_KIND_VOTE ? 2 : 1));
}

uint32_t tc_rounds_of(struct tc_rounds *rounds, const struct tc_message *m)
{
    const uint16_t from = m->from < TC_NODES_MAX ? m->from : 0;
    const struct tc_statement *s = m->statement_count > 0 ? &m->statements[0] : NULL;
    if (!s || !(WITH_SLOT >> s->kind & 1u) || (!s->has_view && !s->has_sequence))
        return rounds->last[from] ? rounds->last[from] : 1;
    const uint32_t round = rounds->without_phases && s->has_view ? by_view(rounds, s) : rank(rounds, s);
    if (round > rounds->last[from])
        rounds->last[from] = round;
    return round;
}
