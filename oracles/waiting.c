#include "waiting.h"
#include "../proxy/nodeset.h"

#include <stdlib.h>

#include "../proxy/random.h"
#include "../reference/fields.h"
#include "oracles.h"
#include "table.h"

#define REQUESTS_MAX 4096
#define CAMPS        2 /* results told apart for one request: the right one and one that somebody made up */
#define WORDS        (TC_REPLICAS_MAX / 64)

/* Replicas that say the same of a request. */
struct camp {
    uint64_t what;
    uint64_t nodes[WORDS];
};

struct row {
    uint16_t client; /* if begun */
    bool begun, answered, waits, excused;
    struct camp executed[CAMPS], replied[CAMPS];
};

struct tc_waiting {
    const struct tc_oracle_env *env;
    struct tc_table *requests;
    uint64_t count, excused;
    bool any;
    bool always; /* the protocol decides without being asked to, and has begun to */
};

struct tc_waiting *tc_waiting_new(const struct tc_oracle_env *env)
{
    struct tc_waiting *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->env = env;
    w->requests = tc_table_new(REQUESTS_MAX, sizeof(struct row));
    if (!w->requests) {
        free(w);
        return NULL;
    }
    return w;
}

void tc_waiting_free(struct tc_waiting *waiting)
{
    if (!waiting)
        return;
    tc_table_free(waiting->requests);
    free(waiting);
}

uint64_t tc_waiting_count(const struct tc_waiting *waiting)
{
    return waiting->count + waiting->always;
}

uint64_t tc_waiting_excused(const struct tc_waiting *waiting)
{
    return waiting->excused;
}

bool tc_waiting_any(const struct tc_waiting *waiting)
{
    return waiting->any || waiting->always;
}

static uint32_t camp_size(const struct camp *camp)
{
    uint32_t size = 0;
    for (size_t i = 0; i < WORDS; i++)
        size += tc_bits_count(camp->nodes[i]);
    return size;
}

/* Members that are sound as things stand. */
static uint32_t camp_sound(const struct camp *camp, const struct tc_faults *faults)
{
    uint32_t size = 0;
    for (size_t i = 0; i < WORDS; i++)
        size += tc_bits_count(camp->nodes[i] & ~faults->liveness.words[i] & ~faults->signed_for.words[i]);
    return size;
}

/* Whoever says something new takes the smaller camp's place: the right answer is said by more than f, and they find
 * together again. */
static void camp_join(struct camp camps[static CAMPS], uint64_t what, uint16_t node)
{
    struct camp *smallest = &camps[0];
    for (size_t i = 0; i < CAMPS; i++) {
        if (camp_size(&camps[i]) > 0 && camps[i].what == what) {
            camps[i].nodes[node / 64] |= UINT64_C(1) << (node % 64);
            return;
        }
        if (camp_size(&camps[i]) < camp_size(smallest))
            smallest = &camps[i];
    }
    *smallest = (struct camp){.what = what};
    smallest->nodes[node / 64] |= UINT64_C(1) << (node % 64);
}

static bool is_settled(const struct tc_waiting *w, const struct row *row)
{
    const uint32_t f = w->env->protocol_env.cluster->f;
    bool settled = row->answered || tc_nodeset_has(&w->env->faults->signed_for, row->client); /* nothing is due to it */
    for (size_t i = 0; i < CAMPS; i++) {
        settled |= camp_size(&row->replied[i]) > f;
        settled |= camp_sound(&row->executed[i], w->env->faults) > f;
    }
    return settled;
}

static void weigh(struct tc_waiting *w, struct row *row)
{
    const bool open = row->begun && !is_settled(w, row);
    const bool excused = open && tc_nodeset_has(&w->env->faults->liveness, row->client);
    const bool waits = open && !excused;
    w->count += waits;
    w->count -= row->waits;
    w->excused += excused;
    w->excused -= row->excused;
    row->waits = waits;
    row->excused = excused;
}

void tc_waiting_weigh(struct tc_waiting *waiting)
{
    struct row *row;
    for (uint32_t i = 0; (row = tc_table_row(waiting->requests, i)) != NULL; i++)
        weigh(waiting, row);
}

/* The row of a request. One that still waits and must make way for it is given up: fewer wait than we know of. */
static struct row *request_put(struct tc_waiting *w, uint16_t client, uint64_t timestamp)
{
    bool fresh;
    const struct row *oldest = tc_table_row(w->requests, 0);
    bool waits = oldest && oldest->waits, excused = oldest && oldest->excused;
    uint64_t forgotten = tc_table_forgotten(w->requests);
    struct row *row = tc_table_put(w->requests, tc_random_mix(client, timestamp), &fresh);
    w->count -= waits && tc_table_forgotten(w->requests) > forgotten;
    w->excused -= excused && tc_table_forgotten(w->requests) > forgotten;
    return row;
}

void tc_waiting_begun(struct tc_waiting *waiting, uint16_t client, uint64_t timestamp)
{
    if (tc_nodeset_has(&waiting->env->faults->signed_for, client))
        return;
    struct row *row = request_put(waiting, client, timestamp);
    waiting->any = true;
    row->client = client;
    row->begun = true; /* its execution may have been told before the client's own line */
    weigh(waiting, row);
}

void tc_waiting_answered(struct tc_waiting *waiting, uint16_t client, uint64_t timestamp)
{
    struct row *row = request_put(waiting, client, timestamp);
    row->answered = true;
    weigh(waiting, row);
}

static uint64_t value_mix(uint64_t h, const struct tc_value *value)
{
    return tc_random_mix_bytes(tc_random_mix(h, value->state),
                               (struct tc_slice){.data = value->bytes, .len = sizeof value->bytes});
}

/* Alike is what gives one result: the same batch at the same place, and the same state after it where it is told. (In a
 * forked cluster f+1 may execute one batch upon different states, and their client hears no two equal results.) */
void tc_waiting_executed(struct tc_waiting *waiting, const struct tc_observation *observation)
{
    waiting->always = waiting->env->protocol->decides_always;
    uint64_t what = value_mix(observation->executed.sequence, &observation->executed.value);
    if (observation->executed.state.state != TC_VALUE_ABSENT)
        what = value_mix(what, &observation->executed.state);
    for (uint32_t i = 0; i < observation->executed.operation_count; i++) {
        const struct tc_operation *op = &observation->executed.operations[i];
        struct row *row = request_put(waiting, op->client, op->timestamp);
        /* A duplicate stands at another sequence number than the request itself, and alters nothing. */
        if (op->fresh)
            camp_join(row->executed, what, observation->node);
        weigh(waiting, row);
    }
}

static bool timestamp_of(const struct tc_statement *s, uint64_t *timestamp)
{
    struct tc_field_value value;
    if (!s->fields.base || tc_fields_get(s->fields, "timestamp", 0, &value) != 0 || value.type != TC_FIELD_UINT)
        return false;
    *timestamp = value.uint_value;
    return true;
}

static void reply_heard(struct tc_waiting *w, const struct tc_message *m, uint64_t timestamp)
{
    const struct tc_statement *s = &m->statements[0];
    struct tc_field_value result;
    uint64_t what = 0;
    if (tc_fields_get(s->fields, "result", 0, &result) == 0 && result.type == TC_FIELD_BYTES)
        what = tc_random_mix_bytes(1, result.bytes);
    struct row *row = request_put(w, m->to, timestamp);
    camp_join(row->replied, what, s->signer);
    weigh(w, row);
}

void tc_waiting_message(struct tc_waiting *waiting, const struct tc_observation *observation)
{
    const struct tc_message *m = observation->message.message;
    const uint32_t n = waiting->env->protocol_env.cluster->n;
    uint64_t timestamp;
    if (m->statement_count == 0 || !timestamp_of(&m->statements[0], &timestamp))
        return;
    const struct tc_statement *s = &m->statements[0];
    if (s->kind == TC_KIND_REQUEST && observation->message.said && !m->touched && m->from >= TC_CLIENT_FIRST &&
        m->from < TC_NODES_MAX && s->signer == m->from)
        tc_waiting_begun(waiting, m->from, timestamp);
    if (s->kind == TC_KIND_REPLY && observation->message.heard && m->to >= TC_CLIENT_FIRST && m->to < TC_NODES_MAX &&
        s->signer < n && s->signer == m->from)
        reply_heard(waiting, m, timestamp);
}
