/* O10, linearizability: what the clients were told by the key-value store could have come from one store that applied
 * their operations one at a time, each at some moment between its beginning and its answer (Herlihy & Wing, TOPLAS'90).
 *
 * The history is judged key by key, for a history is linearizable if each key's is, and (Wing & Gong,
 * JPDC'93; Lowe, CPE'17), as soon as no operation on it is in progress: for each key the oracle holds every state that
 * the store may be in, with the open operations that it already includes. An operation that ends must be included in
 * one of them; if none is left, no order explains the answers. States that are equal are kept once (memoisation). One
 * operation at a time on a key, which is nearly every one, costs one step.
 *
 * No false alarm: an operation that its client gave up stays open for ever, since it may still be applied; what a key
 * holds at first is unknown, so the first answer decides it; a PUT that was refused (the store is full) changes
 * nothing. Nothing is judged when a client is a traitor, whose operations nobody knows. A key with too many possible
 * states, or beyond the bound of keys, is not judged, and that is said. Values and keys are compared by 64-bit hashes.
 * Order between clients is that of their lines: they are to come from one process, or from the simulation. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy/random.h"
#include "oracles.h"

#define KEYS_MAX     65536
#define KEYS_FIRST   64 /* room at first */
#define OPEN_MAX     48 /* in progress or open on one key at a time */
#define BATCH_MAX    1024
#define STATES_MAX   1024
#define EXPLORED_MAX 100000 /* steps for one answer */
#define RECENT       6      /* operations of a key kept to be shown */
#define CLIENTS_MAX  (TC_NODES_MAX - TC_CLIENT_FIRST)

#define UNKNOWN 0 /* the store's value for a key: not known yet, */
#define ABSENT  1 /* the key is not there; else the value's hash */

struct operation {
    uint64_t value, expected; /* hashes */
    uint64_t timestamp, result;
    uint16_t client;
    uint8_t code;  /* enum tc_kv_code */
    uint8_t place; /* bit in struct state.included, from its beginning on */
    bool begun;    /* has a place */
    bool done, found;
};

/* A moment in the history: an operation begins or has its answer. */
struct moment {
    uint32_t operation;
    bool ends;
};

/* A state that the store may be in. */
struct state {
    uint64_t value;
    uint64_t included; /* of the operations in progress, by place */
};

/* A key, with what happened to it since no operation on it was in progress; then their answers are known and it is
 * judged. What was given up stays. */
struct key {
    uint64_t hash, places; /* places taken */
    uint32_t outstanding;  /* operations that may still be answered */
    uint32_t operation_count, operation_size, moment_count, moment_size, state_count, state_size, recent_count;
    bool given_up, breached;
    struct operation *operations;
    struct moment *moments;
    struct state *states;
    struct operation recent[RECENT];
    char name[20];
};

/* Where a client's operation is. */
struct outstanding {
    struct key *key; /* NULL: none, or one that is not judged */
    uint64_t timestamp;
    uint32_t index;
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct key **keys; /* open addressing, a power of two */
    uint32_t key_count, key_size;
    struct outstanding outstanding[CLIENTS_MAX];
    struct state *scratch; /* STATES_MAX, made when first needed */
    uint64_t judged, open, unjudged, given_up, unread;
    bool short_of_memory;
};

static void destroy(struct tc_oracle *o)
{
    for (uint32_t i = 0; i < o->key_size; i++) {
        if (!o->keys[i])
            continue;
        free(o->keys[i]->operations);
        free(o->keys[i]->moments);
        free(o->keys[i]->states);
        free(o->keys[i]);
    }
    free(o->keys);
    free(o->scratch);
    free(o);
}

static struct tc_oracle *create(const struct tc_oracle_env *env)
{
    struct tc_oracle *o = calloc(1, sizeof *o);
    if (o)
        o->env = env;
    return o;
}

/* ---- keys ---- */

static uint64_t hash_of(struct tc_slice bytes)
{
    const uint64_t hash = tc_random_mix_bytes(0x6b76, bytes);
    return hash > ABSENT ? hash : hash + 2;
}

static struct key **key_place(struct key **keys, uint32_t size, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (size - 1);
    while (keys[at] && keys[at]->hash != hash)
        at = (at + 1) & (size - 1);
    return &keys[at];
}

static bool keys_grow(struct tc_oracle *o)
{
    const uint32_t size = o->key_size ? o->key_size * 2 : KEYS_FIRST;
    struct key **keys = calloc(size, sizeof *keys);
    if (!keys)
        return false;
    for (uint32_t i = 0; i < o->key_size; i++)
        if (o->keys[i])
            *key_place(keys, size, o->keys[i]->hash) = o->keys[i];
    free(o->keys);
    o->keys = keys;
    o->key_size = size;
    return true;
}

/* What the key is called in a finding: its bytes if they are printable. */
static void name_key(struct key *key, struct tc_slice bytes)
{
    bool printable = bytes.len > 0 && bytes.len < sizeof key->name;
    for (size_t i = 0; printable && i < bytes.len; i++)
        printable = bytes.data[i] > ' ' && bytes.data[i] < 0x7f;
    if (printable)
        memcpy(key->name, bytes.data, bytes.len);
    else
        snprintf(key->name, sizeof key->name, "#%016" PRIx64, key->hash);
}

/* NULL: no room, and said so at the end. */
static struct key *key_put(struct tc_oracle *o, struct tc_slice bytes)
{
    const uint64_t hash = hash_of(bytes);
    if (2 * (o->key_count + 1) > o->key_size && o->key_count < KEYS_MAX && !keys_grow(o)) {
        o->short_of_memory = true;
        return NULL;
    }
    struct key **place = key_place(o->keys, o->key_size, hash);
    if (*place || o->key_count == KEYS_MAX)
        return *place;
    struct key *key = calloc(1, sizeof *key);
    struct state *states = malloc(2 * sizeof *states);
    if (!key || !states) {
        free(key);
        free(states);
        o->short_of_memory = true;
        return NULL;
    }
    key->hash = hash;
    key->states = states;
    key->state_size = 2;
    key->states[key->state_count++] = (struct state){.value = UNKNOWN};
    name_key(key, bytes);
    *place = key;
    o->key_count++;
    return key;
}

/* Too much to follow: nothing more is judged of this key. */
static void give_up(struct tc_oracle *o, struct key *key)
{
    if (key->given_up)
        return;
    key->given_up = true;
    o->given_up++;
}

/* ---- one operation on one state ---- */

/* The value after the operation, false if the answer contradicts the state. One that is open may have had any. */
static bool apply(const struct operation *op, uint64_t value, uint64_t *after)
{
    *after = value;
    switch (op->code) {
    case TC_KV_GET:
        if (!op->done)
            return true;
        *after = op->found ? op->result : ABSENT;
        return value == UNKNOWN || value == *after;
    case TC_KV_PUT:
        if (!op->done || op->found)
            *after = op->value;
        return true;
    case TC_KV_DELETE:
        if (op->done && value != UNKNOWN && op->found != (value != ABSENT))
            return false;
        *after = ABSENT;
        return true;
    default: /* compare and swap */
        break;
    }
    if (!op->done) {
        if (value == op->expected)
            *after = op->value;
        return true;
    }
    if (op->found) {
        *after = op->value;
        return value == UNKNOWN || value == op->expected;
    }
    if (value == UNKNOWN) /* which value it was is told, unless an empty one stands for none */
        *after = op->result == ABSENT ? UNKNOWN : op->result;
    return value == UNKNOWN || value == op->result ||
           (op->result == ABSENT && value != op->expected && value == hash_of((struct tc_slice){NULL, 0}));
}

/* ---- answers ---- */

struct search {
    struct state *found;
    uint32_t count, steps;
    bool spent;
};

static void search_add(struct search *s, struct state state)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->found[i].value == state.value && s->found[i].included == state.included)
            return;
    if (s->count == STATES_MAX)
        s->spent = true;
    else
        s->found[s->count++] = state;
}

/* All states that come of the present ones by including operations in progress in some order, up to the one at `bit`.
 * `found` is its own work list: what is added is gone through in turn. */
static void search_close(struct search *s, const struct key *key, uint64_t bit)
{
    for (uint32_t i = 0; i < s->count && !s->spent; i++) {
        const struct state state = s->found[i];
        for (uint32_t k = 0; k < key->operation_count && !(state.included & bit) && !s->spent; k++) {
            const struct operation *op = &key->operations[k];
            const uint64_t own = UINT64_C(1) << op->place;
            uint64_t after;
            if (!op->begun || (state.included & own))
                continue;
            s->spent |= ++s->steps > EXPLORED_MAX;
            if (apply(op, state.value, &after))
                search_add(s, (struct state){after, state.included | own});
        }
    }
}

/* Keeps the states that include the operation at `bit`. */
static bool states_keep(struct tc_oracle *o, struct key *key, const struct search *s, uint64_t bit)
{
    uint32_t kept = 0;
    if (s->count > key->state_size) {
        struct state *states = realloc(key->states, s->count * sizeof *states);
        if (!states) {
            o->short_of_memory = true;
            return false;
        }
        key->states = states;
        key->state_size = s->count;
    }
    for (uint32_t i = 0; i < s->count; i++)
        if (s->found[i].included & bit)
            key->states[kept++] = (struct state){s->found[i].value, s->found[i].included & ~bit};
    key->state_count = kept;
    return true;
}

static bool client_lies(const struct tc_oracle *o)
{
    for (uint32_t i = TC_CLIENT_FIRST; i < TC_NODES_MAX; i++)
        if (tc_nodeset_has(&o->env->faults->signed_for, i))
            return true;
    return false;
}

static void say_operation(struct tc_text *t, const struct operation *op)
{
    static const char *const names[] = {"get", "put", "delete", "compare-and-swap"};
    tc_text_who(t, op->client);
    tc_text_add(t, ", request %" PRIu64 ": %s", op->timestamp, names[op->code]);
    if (op->code == TC_KV_COMPARE_AND_SWAP)
        tc_text_add(t, " #%04x by", (unsigned)(op->expected & 0xffff));
    if (op->code == TC_KV_PUT || op->code == TC_KV_COMPARE_AND_SWAP)
        tc_text_add(t, " #%04x", (unsigned)(op->value & 0xffff));
    if (!op->done)
        tc_text_add(t, " (no answer)");
    else if (op->result > ABSENT)
        tc_text_add(t, " → %s#%04x", op->found ? "" : "no, there is ", (unsigned)(op->result & 0xffff));
    else
        tc_text_add(t, " → %s", op->found ? "yes" : "no");
}

static void breach(struct tc_oracle *o, const struct key *key, const struct operation *op, uint64_t now_ns)
{
    struct tc_finding f;
    tc_finding_begin(&f, &tc_oracle_linearizability, now_ns);
    struct tc_text t = tc_text_begin(f.text, sizeof f.text);
    tc_text_add(&t, "key %s: no order of the clients' operations explains what ", key->name);
    tc_text_who(&t, op->client);
    tc_text_add(&t, " was told");
    t = tc_text_begin(f.because, sizeof f.because);
    say_operation(&t, op);
    tc_text_add(&t, " (values by the end of their hash)");
    const uint32_t first = key->recent_count > RECENT ? key->recent_count - RECENT : 0;
    for (uint32_t i = first; i < key->recent_count; i++) {
        t = tc_finding_fact(&f, now_ns, key->recent[i % RECENT].client);
        say_operation(&t, &key->recent[i % RECENT]);
    }
    for (uint32_t i = 0; i < key->operation_count; i++) {
        if (!key->operations[i].begun || &key->operations[i] == op)
            continue;
        t = tc_finding_fact(&f, now_ns, key->operations[i].client);
        say_operation(&t, &key->operations[i]);
    }
    o->env->report(o->env->judge, &f);
}

/* The operation has its answer: which states include it? False: none, or too many. */
static bool answered(struct tc_oracle *o, struct key *key, const struct operation *op, uint64_t now_ns)
{
    const uint64_t bit = UINT64_C(1) << op->place;
    struct state *only = &key->states[0];
    if (key->places == bit && key->state_count == 1 && !only->included) { /* nobody else is about */
        key->breached = !apply(op, only->value, &only->value);
    } else {
        if (!o->scratch)
            o->scratch = malloc(STATES_MAX * sizeof *o->scratch);
        struct search search = {.found = o->scratch};
        for (uint32_t i = 0; o->scratch && i < key->state_count; i++)
            search_add(&search, key->states[i]);
        if (o->scratch)
            search_close(&search, key, bit);
        if (!o->scratch || search.spent || !states_keep(o, key, &search, bit)) {
            give_up(o, key);
            return false;
        }
        key->breached = key->state_count == 0;
    }
    o->judged++;
    if (key->breached && !client_lies(o))
        breach(o, key, op, now_ns);
    return !key->breached;
}

static bool begin(struct key *key, struct operation *op)
{
    const uint64_t room = ~key->places & ((UINT64_C(1) << OPEN_MAX) - 1);
    if (room == 0)
        return false;
    op->place = (uint8_t)__builtin_ctzll(room);
    op->begun = true;
    key->places |= UINT64_C(1) << op->place;
    return true;
}

/* Goes through what happened since last time, now that the answers are known. */
static void judge(struct tc_oracle *o, struct key *key, uint64_t now_ns)
{
    for (uint32_t i = 0; i < key->moment_count && !key->given_up && !key->breached; i++) {
        struct operation *op = &key->operations[key->moments[i].operation];
        if (!key->moments[i].ends) {
            if ((op->done || op->code != TC_KV_GET) && !begin(key, op)) /* a GET without an answer leaves no trace */
                give_up(o, key);
        } else if (answered(o, key, op, now_ns)) {
            op->begun = false;
            key->places &= ~(UINT64_C(1) << op->place);
            key->recent[key->recent_count++ % RECENT] = *op;
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < key->operation_count; i++)
        if (key->operations[i].begun)
            key->operations[kept++] = key->operations[i];
    key->operation_count = kept;
    key->moment_count = 0;
}

/* ---- the history ---- */

/* Room for one more of `size` bytes each; what `list` is then. NULL: no memory, nothing changed. */
static void *room_for(void *list, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return list;
    const uint32_t more = *room ? *room * 2 : 2;
    void *grown = realloc(list, more * size);
    if (grown)
        *room = more;
    return grown;
}

static bool note_moment(struct tc_oracle *o, struct key *key, uint32_t operation, bool ends)
{
    struct moment *moments = room_for(key->moments, key->moment_count, &key->moment_size, sizeof *moments);
    if (!moments || key->moment_count == BATCH_MAX) {
        o->short_of_memory |= !moments;
        give_up(o, key);
        return false;
    }
    key->moments = moments;
    key->moments[key->moment_count++] = (struct moment){.operation = operation, .ends = ends};
    return true;
}

/* The client waits no more; whether the operation will be applied, nobody knows. */
static void leave(struct tc_oracle *o, struct outstanding *out, uint64_t now_ns)
{
    if (!out->key)
        return;
    struct key *key = out->key;
    out->key = NULL;
    o->open += !key->operations[out->index].done;
    if (--key->outstanding == 0)
        judge(o, key, now_ns);
}

static void requested(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct outstanding *out = &o->outstanding[observation->node - TC_CLIENT_FIRST];
    struct tc_kv_operation operation;
    leave(o, out, observation->time_ns);
    if (o->env->protocol->operation(observation->client.operation, &operation) != 0) {
        o->unread++;
        return;
    }
    struct key *key = key_put(o, operation.key);
    if (!key || key->given_up || key->breached) {
        o->unjudged++;
        return;
    }
    struct operation *operations =
        room_for(key->operations, key->operation_count, &key->operation_size, sizeof *operations);
    if (operations)
        key->operations = operations;
    else
        o->short_of_memory = true;
    if (!operations || !note_moment(o, key, key->operation_count, false))
        return;
    const bool swaps = operation.code == TC_KV_COMPARE_AND_SWAP;
    *out = (struct outstanding){.key = key, .timestamp = observation->client.timestamp, .index = key->operation_count};
    key->operations[key->operation_count++] = (struct operation){.code = (uint8_t)operation.code,
                                                                 .client = observation->node,
                                                                 .timestamp = observation->client.timestamp,
                                                                 .value = hash_of(operation.value),
                                                                 .expected = swaps ? hash_of(operation.expected) : 0};
    key->outstanding++;
}

static void replied(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct outstanding *out = &o->outstanding[observation->node - TC_CLIENT_FIRST];
    struct tc_kv_result result;
    if (!out->key || out->timestamp != observation->client.timestamp)
        return;
    struct operation *op = &out->key->operations[out->index];
    if (observation->client.ok && o->env->protocol->result(observation->client.result, &result) != 0)
        o->unread++;
    else if (observation->client.ok && note_moment(o, out->key, out->index, true)) {
        const bool refused = op->code == TC_KV_COMPARE_AND_SWAP && !result.found && result.value.len > 0;
        op->done = true;
        op->found = result.found;
        op->result = refused || (op->code == TC_KV_GET && result.found) ? hash_of(result.value) : ABSENT;
    }
    leave(o, out, observation->time_ns);
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->node < TC_CLIENT_FIRST || observation->node >= TC_NODES_MAX || !o->env->protocol->operation ||
        !o->env->protocol->result)
        return;
    if (observation->kind == TC_OBS_REQUESTED)
        requested(o, observation);
    else
        replied(o, observation);
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        leave(o, &o->outstanding[i], now_ns);
    const char *why = !o->env->has_client_history                                 ? "no client's history is known"
                      : !o->env->protocol->operation || !o->env->protocol->result ? "the protocol's operations are not "
                                                                                    "known"
                      : client_lies(o)     ? "a client is a traitor: what it asked for is not known"
                      : o->short_of_memory ? "memory was short"
                                           : NULL;
    result->status = TC_HOLDS;
    result->compared = o->judged;
    snprintf(result->unit, sizeof result->unit, "answers");
    if (why) {
        tc_oracle_not_judged(result, why);
        return;
    }
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_number(&t, o->judged);
    tc_text_add(&t, " answers about ");
    tc_text_number(&t, o->key_count);
    tc_text_add(&t, " keys");
    if (o->open)
        tc_text_add(&t, ", %" PRIu64 " operations left open", o->open);
    if (o->given_up)
        tc_text_add(&t, ", %" PRIu64 " keys given up (too many orders to try)", o->given_up);
    if (o->unjudged)
        tc_text_add(&t, ", %" PRIu64 " operations not judged", o->unjudged);
    if (o->unread)
        tc_text_add(&t, ", %" PRIu64 " not understood", o->unread);
}

const struct tc_oracle_class tc_oracle_linearizability = {
    .name = "linearizability",
    .summary = "one store that applies operations one at a time explains what all clients were told",
    .property = TC_SAFETY,
    .observations = TC_OBS_BIT(TC_OBS_REQUESTED) | TC_OBS_BIT(TC_OBS_REPLIED),
    .create = create,
    .observe = observe,
    .finish = finish,
    .destroy = destroy,
};
