#include "metrics.h"
#include "../proxy/nodeset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "metrics_internal.h"

static enum tc_phase last_phase(const struct tc_protocol *protocol)
{
    enum tc_phase phase = TC_PHASE_NONE;
    for (size_t i = 0; i < protocol->row_count; i++)
        if (protocol->rows[i].kind == TC_KIND_VOTE)
            phase = protocol->rows[i].phase;
    return phase;
}

struct tc_metrics *tc_metrics_new(const struct tc_protocol *protocol, const struct tc_protocol_env *env,
                                  uint64_t bucket_ns)
{
    assert(bucket_ns > 0 && env->cluster->n <= TC_REPLICAS_MAX);
    struct tc_metrics *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->protocol = protocol;
    m->env = *env;
    m->n = env->cluster->n;
    m->f = env->cluster->f;
    m->quorum = tc_protocol_quorum(protocol, env->cluster);
    m->last_phase = last_phase(protocol);
    m->bucket_ns = bucket_ns;
    m->recovered_ns = TC_NEVER_NS;
    m->lines.first_ns = m->wire.first_ns = TC_NEVER_NS;
    for (int i = 0; i < TC_RUN_PHASE_COUNT; i++)
        m->begin_ns[i] = TC_NEVER_NS;
    m->begin_ns[TC_RUN_BEFORE] = 0;
    m->timeout_ns = m->timeout_max_ns = env->cluster->view_timeout_ns;
    m->sequences = tc_table_new(SEQUENCES_MAX, sizeof(struct sequence_row));
    m->set_words = (m->n + 63) / 64;
    const size_t row_words = m->set_words + (size_t)VOTE_PHASES_MAX * (1 + m->set_words);
    m->slots = tc_table_new(VOTE_SLOTS_MAX, sizeof(struct vote_row) + row_words * sizeof(uint64_t));
    m->buckets = calloc(TC_METRICS_SECONDS_MAX, sizeof *m->buckets);
    m->views = calloc(VIEW_STEPS_MAX, sizeof *m->views);
    if (!m->sequences || !m->slots || !m->buckets || !m->views) {
        tc_metrics_free(m);
        return NULL;
    }
    return m;
}

void tc_metrics_free(struct tc_metrics *m)
{
    if (!m)
        return;
    tc_table_free(m->sequences);
    tc_table_free(m->slots);
    free(m->buckets);
    free(m->views);
    free(m);
}

/* Writes the percentiles of the last bucket into it. */
static void bucket_settle(struct tc_metrics *m)
{
    if (m->bucket_count == 0)
        return;
    struct tc_metrics_bucket *bucket = &m->buckets[m->bucket_count - 1];
    bucket->latency_p50_ns = tc_histogram_quantile(&m->bucket_latency, 0.50);
    bucket->latency_p95_ns = tc_histogram_quantile(&m->bucket_latency, 0.95);
    bucket->latency_p99_ns = tc_histogram_quantile(&m->bucket_latency, 0.99);
    bucket->latency_max_ns = m->bucket_latency.count ? m->bucket_latency.max_ns : 0;
}

/* Of a moment that is not in the last bucket. */
static struct tc_metrics_bucket *bucket_other(struct tc_metrics *m, uint64_t now_ns)
{
    uint64_t index = now_ns / m->bucket_ns;
    if (index >= TC_METRICS_SECONDS_MAX)
        index = TC_METRICS_SECONDS_MAX - 1;
    if (index + 1 > m->bucket_count) {
        bucket_settle(m);
        if (m->bucket_latency.count > 0)
            tc_histogram_reset(&m->bucket_latency);
        m->bucket_count = index + 1;
        m->bucket_begin_ns = index * m->bucket_ns;
    }
    return &m->buckets[index];
}

/* The bucket of a moment; the last one if the run is longer than there are buckets. */
static inline struct tc_metrics_bucket *bucket_at(struct tc_metrics *m, uint64_t now_ns)
{
    if (m->bucket_count > 0 && now_ns >= m->bucket_begin_ns && now_ns - m->bucket_begin_ns < m->bucket_ns)
        return &m->buckets[m->bucket_count - 1];
    return bucket_other(m, now_ns);
}

const struct decisions *tc_metrics_decisions(const struct tc_metrics *m)
{
    return m->lines.first_ns != TC_NEVER_NS ? &m->lines : &m->wire;
}

/* What a pause between decisions exceeds to be one: the view timer and, where decisions are rarer than that by
 * themselves (a chain that waits between its blocks), twice their mean distance before the attack. */
static uint64_t pause_min_ns(const struct tc_metrics *m, const struct decisions *decisions)
{
    const uint64_t timer_ns = m->env.cluster->view_timeout_ns, attack_ns = m->begin_ns[TC_RUN_DURING];
    const uint64_t before = decisions->count[TC_RUN_BEFORE];
    if (before == 0 || attack_ns == TC_NEVER_NS || attack_ns < decisions->first_ns)
        return timer_ns;
    const uint64_t usual_ns = 2 * ((attack_ns - decisions->first_ns) / (before > 1 ? before - 1 : 1));
    return usual_ns > timer_ns ? usual_ns : timer_ns;
}

uint64_t tc_metrics_pause_min_ns(const struct tc_metrics *m)
{
    return pause_min_ns(m, tc_metrics_decisions(m));
}

/* A pause that this decision ends, at or after the attack began, is what the cluster recovered from. */
static void note_recovery(struct tc_metrics *m, const struct decisions *decisions, uint64_t now_ns)
{
    uint64_t attack_ns = m->begin_ns[TC_RUN_DURING];
    if (attack_ns == TC_NEVER_NS || now_ns < attack_ns)
        return;
    uint64_t since_ns = decisions->last_ns;
    uint64_t pause_ns = now_ns > since_ns ? now_ns - since_ns : 0;
    if (m->recovered_ns == TC_NEVER_NS && pause_ns > pause_min_ns(m, decisions)) {
        m->recovered_ns = now_ns;
        m->pause_ns = pause_ns;
    }
}

void tc_metrics_decided(struct tc_metrics *m, struct decisions *decisions, uint64_t now_ns)
{
    if (decisions->first_ns == TC_NEVER_NS)
        decisions->first_ns = now_ns;
    else
        note_recovery(m, decisions, now_ns);
    decisions->last_ns = now_ns;
    decisions->count[m->phase]++;
    bucket_at(m, now_ns)->decisions++;
}

void tc_metrics_add_latency(struct tc_metrics *m, struct decisions *decisions, uint64_t now_ns, uint64_t latency_ns)
{
    tc_histogram_add(&decisions->latency[m->phase], latency_ns);
    bucket_at(m, now_ns);
    tc_histogram_add(&m->bucket_latency, latency_ns);
}

static void observe_message(struct tc_metrics *m, const struct tc_observation *observation)
{
    const struct tc_message *message = observation->message.message;
    if (observation->message.said) {
        enum tc_kind kind = message->statement_count ? message->statements[0].kind : TC_KIND_OTHER;
        struct tc_metrics_bucket *bucket = bucket_at(m, observation->time_ns);
        bucket->messages++;
        bucket->bytes += message->frame.len;
        if (message->from < m->n && message->to < m->n) { /* between replicas: what the formulas speak of */
            m->messages[m->phase][kind]++;
            m->bytes[m->phase][kind] += message->frame.len;
        }
    }
    tc_metrics_statements(m, observation);
}

/* The first execution line: from now on lines count, and what the votes had told before is not counted twice. */
static void forget_wire(struct tc_metrics *m)
{
    for (size_t i = 0; i < m->bucket_count; i++)
        m->buckets[i].decisions = 0;
    tc_histogram_reset(&m->bucket_latency);
    m->recovered_ns = TC_NEVER_NS;
}

static void observe_executed(struct tc_metrics *m, const struct tc_observation *observation)
{
    if (observation->executed.origin != TC_EXEC_EXECUTED || observation->node >= m->n)
        return;
    bool fresh;
    struct sequence_row *row = tc_table_put(m->sequences, observation->executed.sequence, &fresh);
    uint64_t *word = &row->executed[observation->node / 64];
    uint64_t bit = UINT64_C(1) << (observation->node % 64);
    if (*word & bit)
        return;
    *word |= bit;
    if (!row->first_seen) {
        row->first_seen = true;
        if (m->lines.first_ns == TC_NEVER_NS)
            forget_wire(m);
        tc_metrics_decided(m, &m->lines, observation->time_ns);
        uint64_t operations = 0;
        for (uint32_t i = 0; i < observation->executed.operation_count; i++)
            operations += observation->executed.operations[i].fresh;
        m->operations[m->phase] += operations;
        bucket_at(m, observation->time_ns)->operations += operations;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIGNER_WORDS; i++)
        count += tc_bits_count(row->executed[i]);
    if (count <= m->f || row->latency_known)
        return;
    row->latency_known = true;
    if (row->proposed_ns)
        tc_metrics_add_latency(m, &m->lines, observation->time_ns, observation->time_ns + 1 - row->proposed_ns);
}

static void observe_view(struct tc_metrics *m, const struct tc_observation *observation)
{
    if (observation->view.active && observation->view.view > m->view) {
        m->view = observation->view.view;
        m->view_changes[m->phase]++;
        bucket_at(m, observation->time_ns)->view_changes++;
    }
    if (observation->view.timeout_ns > m->timeout_max_ns)
        m->timeout_max_ns = observation->view.timeout_ns;
    if (m->view_count == VIEW_STEPS_MAX)
        return; /* the plot ends here; counts go on */
    m->views[m->view_count++] = (struct tc_metrics_view_step){.time_ns = observation->time_ns,
                                                              .node = observation->node,
                                                              .view = observation->view.view,
                                                              .timeout_ns = observation->view.timeout_ns,
                                                              .active = observation->view.active};
}

static void observe_phase(struct tc_metrics *m, const struct tc_observation *observation)
{
    enum tc_run_phase phase = observation->phase.phase;
    if ((unsigned)phase >= TC_RUN_PHASE_COUNT)
        return;
    if (phase == TC_RUN_BEFORE || m->begin_ns[phase] == TC_NEVER_NS)
        m->begin_ns[phase] = observation->time_ns;
    m->phase = phase;
}

/* Chains only: elsewhere leaders change when they fail, and a share of views says nothing. */
static void observe_growth(struct tc_metrics *m, const struct tc_observation *observation)
{
    if (!m->protocol->parent)
        return;
    const struct tc_growth before = m->growth;
    struct tc_growth *phase = &m->growth_phase[m->phase];
    tc_growth_observe(&m->growth, m->protocol, &m->env, &m->liars, observation);
    phase->committed += m->growth.committed - before.committed;
    phase->honest += m->growth.honest - before.honest;
    phase->views += m->growth.views - before.views;
}

void tc_metrics_observe(struct tc_metrics *m, const struct tc_observation *observation)
{
    assert(!m->finished);
    if (observation->kind == TC_OBS_MESSAGE) {
        observe_message(m, observation);
        return;
    }
    if (observation->kind == TC_OBS_EXECUTED || observation->kind == TC_OBS_VIEW)
        observe_growth(m, observation);
    switch (observation->kind) {
    case TC_OBS_EXECUTED:
        observe_executed(m, observation);
        break;
    case TC_OBS_VIEW:
        observe_view(m, observation);
        break;
    case TC_OBS_REPLIED:
        if (observation->client.ok)
            tc_histogram_add(&m->client_latency[m->phase], observation->client.latency_ns);
        else
            m->client_failures[m->phase]++;
        break;
    case TC_OBS_PHASE:
        observe_phase(m, observation);
        break;
    case TC_OBS_FAULTS:
        m->liars = observation->faults.signed_for;
        break;
    default:
        break;
    }
}

uint64_t tc_metrics_phase_ns(const struct tc_metrics *m, enum tc_run_phase phase)
{
    uint64_t begin_ns = m->begin_ns[phase];
    if (begin_ns == TC_NEVER_NS)
        return 0;
    uint64_t end_ns = m->end_ns;
    for (int next = phase + 1; next < TC_RUN_PHASE_COUNT; next++)
        if (m->begin_ns[next] != TC_NEVER_NS && m->begin_ns[next] < end_ns)
            end_ns = m->begin_ns[next];
    return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

void tc_metrics_now(const struct tc_metrics *m, uint64_t now_ns, struct tc_metrics_now *out)
{
    const struct decisions *decisions = tc_metrics_decisions(m);
    *out = (struct tc_metrics_now){.phase = m->phase,
                                   .phase_begin_ns = m->begin_ns[m->phase],
                                   .view = m->view_count > 0 ? m->view : m->wire_view,
                                   .view_known = m->view_count > 0 || m->wire_view_known};
    for (int i = 0; i < TC_RUN_PHASE_COUNT; i++)
        out->decisions += decisions->count[i];
    out->decisions_phase = decisions->count[m->phase];
    uint64_t begin_ns = out->phase_begin_ns == TC_NEVER_NS ? 0 : out->phase_begin_ns;
    if (now_ns > begin_ns)
        out->decisions_per_s = (double)out->decisions_phase * 1e9 / (double)(now_ns - begin_ns);
    out->latency_p99_ns = tc_histogram_quantile(&decisions->latency[m->phase], 0.99);
}

void tc_metrics_finish(struct tc_metrics *m, uint64_t now_ns)
{
    assert(!m->finished);
    bucket_settle(m);
    m->end_ns = now_ns;
    m->finished = true;
    tc_metrics_make_list(m);
}

const struct tc_metrics_bucket *tc_metrics_series(const struct tc_metrics *m, size_t *count, uint64_t *bucket_ns)
{
    *count = m->bucket_count;
    *bucket_ns = m->bucket_ns;
    return m->buckets;
}

const struct tc_metrics_view_step *tc_metrics_views(const struct tc_metrics *m, size_t *count)
{
    *count = m->view_count;
    return m->views;
}

uint64_t tc_metrics_phase_begin_ns(const struct tc_metrics *m, enum tc_run_phase phase)
{
    return (unsigned)phase < TC_RUN_PHASE_COUNT ? m->begin_ns[phase] : TC_NEVER_NS;
}

uint64_t tc_metrics_recovered_ns(const struct tc_metrics *m)
{
    return m->recovered_ns;
}

const struct tc_histogram *tc_metrics_latency(const struct tc_metrics *m, enum tc_run_phase phase)
{
    assert((unsigned)phase < TC_RUN_PHASE_COUNT);
    return &tc_metrics_decisions(m)->latency[phase];
}

const struct tc_histogram *tc_metrics_quorum_time(const struct tc_metrics *m, enum tc_phase protocol_phase)
{
    assert((unsigned)protocol_phase < TC_PHASE_COUNT);
    return &m->quorum_time[protocol_phase];
}
