/* Proposals and votes on the wire: when a slot was proposed, how long its quorums took. */
#include <string.h>

#include "../proxy/nodeset.h"
#include "../proxy/random.h"
#include "metrics_internal.h"

static inline uint64_t vote_key(const struct tc_statement *s)
{
    if (!s->has_sequence || !s->has_view)
        return tc_random_mix(s->slot, 1);
    return tc_table_key(s->epoch, s->view, s->sequence);
}

static bool set_bit(uint64_t *set, uint32_t index)
{
    uint64_t bit = UINT64_C(1) << (index % 64);
    bool fresh = !(set[index / 64] & bit);
    set[index / 64] |= bit;
    return fresh;
}

/* Of this phase: the time of the first vote, followed by the set of signers. */
static uint64_t *phase_words(const struct tc_metrics *m, struct vote_row *row, enum tc_phase phase)
{
    return row->words + m->set_words + (size_t)phase * (1 + m->set_words);
}

/* Votes of a phase; the proposer's proposal stands for its vote where the protocol has it so (prepare). */
static uint32_t voters(const struct tc_metrics *m, struct vote_row *row, enum tc_phase phase)
{
    const uint64_t *signers = phase_words(m, row, phase) + 1;
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->set_words; i++) {
        uint64_t word = signers[i];
        if (phase == TC_PHASE_PREPARE)
            word |= row->words[i];
        count += tc_bits_count(word);
    }
    return count;
}

static void proposed(struct tc_metrics *m, const struct tc_statement *s, uint64_t now_ns)
{
    bool fresh;
    if (s->has_sequence) {
        struct sequence_row *sequence = tc_table_put(m->sequences, s->sequence, &fresh);
        if (!sequence->proposed_ns)
            sequence->proposed_ns = now_ns + 1;
    }
    if (s->signer < m->n && s->slot) {
        struct vote_row *row = tc_table_put(m->slots, vote_key(s), &fresh);
        set_bit(row->words, s->signer);
    }
}

static void quorum(struct tc_metrics *m, const struct tc_statement *s, uint64_t first_ns, uint64_t now_ns)
{
    tc_histogram_add(&m->quorum_time[s->phase], now_ns + 1 - first_ns);
    if (s->phase != m->last_phase || !s->has_sequence)
        return;
    bool fresh;
    struct sequence_row *sequence = tc_table_put(m->sequences, s->sequence, &fresh);
    if (m->lines.first_ns != TC_NEVER_NS || sequence->on_wire)
        return;
    sequence->on_wire = true;
    tc_metrics_decided(m, &m->wire, now_ns);
    if (sequence->proposed_ns)
        tc_metrics_add_latency(m, &m->wire, now_ns, now_ns + 1 - sequence->proposed_ns);
}

static void voted(struct tc_metrics *m, const struct tc_statement *s, uint64_t now_ns)
{
    if (s->signer >= m->n || !s->slot || s->value.state == TC_VALUE_ABSENT || (unsigned)s->phase >= TC_PHASE_COUNT)
        return;
    bool fresh;
    struct vote_row *row = tc_table_put(m->slots, vote_key(s), &fresh);
    uint64_t bit = UINT64_C(1) << s->phase, *phase = phase_words(m, row, s->phase);
    if ((row->quorums & bit) || !set_bit(phase + 1, s->signer))
        return;
    if (!phase[0])
        phase[0] = now_ns + 1;
    if (voters(m, row, s->phase) >= m->quorum) {
        row->quorums |= bit;
        quorum(m, s, phase[0], now_ns);
    }
}

/* Where the nodes do not say it themselves, the view is the one whose leader was heard to lead. */
static void led(struct tc_metrics *m, const struct tc_statement *s)
{
    if (!s->has_view || (m->wire_view_known && s->view <= m->wire_view) ||
        s->signer != tc_protocol_leader(m->protocol, &m->env, s->view))
        return;
    m->wire_view = s->view;
    m->wire_view_known = true;
}

void tc_metrics_statements(struct tc_metrics *m, const struct tc_observation *observation)
{
    const struct tc_message *message = observation->message.message;
    if (!observation->message.said || message->from >= m->n || message->statement_count == 0)
        return;
    const struct tc_statement *first = &message->statements[0];
    if (first->kind == TC_KIND_PROPOSE || first->kind == TC_KIND_NEW_VIEW)
        led(m, first);
    if (first->kind == TC_KIND_VOTE) {
        voted(m, first, observation->time_ns);
    } else if (first->kind == TC_KIND_PROPOSE) {
        proposed(m, first, observation->time_ns);
    } else if (first->kind == TC_KIND_NEW_VIEW) { /* a new view proposes what it carries right inside */
        for (uint32_t i = 1; i < message->statement_count; i++)
            if (message->statements[i].kind == TC_KIND_PROPOSE && message->statements[i].parent == 0)
                proposed(m, &message->statements[i], observation->time_ns);
    }
}
