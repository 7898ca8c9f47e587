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

#include "linear.h"
#include "oracles.h"

#define KEYS_MAX    65536
#define KEYS_FIRST  64 /* room at first */
#define CLIENTS_MAX (TC_NODES_MAX - TC_CLIENT_FIRST)

/* Where a client's operation is. */
struct outstanding {
    struct tc_linear_key *key; /* NULL: none, or one that is not judged */
    uint64_t timestamp;
    uint32_t index;
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    struct tc_linear_key **keys; /* open addressing, a power of two */
    uint32_t key_count, key_size;
    struct outstanding outstanding[CLIENTS_MAX];
    uint64_t judged, open, unjudged, given_up, unread;
    bool short_of_memory;
};

static void release(struct tc_oracle *o)
{
    for (uint32_t i = 0; i < o->key_size; i++) {
        if (!o->keys[i])
            continue;
        tc_linear_close(o->keys[i]);
        free(o->keys[i]);
    }
    free(o->keys);
}

/* ---- keys ---- */

static struct tc_linear_key **key_place(struct tc_linear_key **keys, uint32_t size, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (size - 1);
    while (keys[at] && keys[at]->hash != hash)
        at = (at + 1) & (size - 1);
    return &keys[at];
}

static bool keys_grow(struct tc_oracle *o)
{
    const uint32_t size = o->key_size ? o->key_size * 2 : KEYS_FIRST;
    struct tc_linear_key **keys = calloc(size, sizeof *keys);
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
static void name_key(struct tc_linear_key *key, struct tc_slice bytes)
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
static struct tc_linear_key *key_put(struct tc_oracle *o, struct tc_slice bytes)
{
    const uint64_t hash = tc_linear_hash(bytes);
    if (2 * (o->key_count + 1) > o->key_size && o->key_count < KEYS_MAX && !keys_grow(o)) {
        o->short_of_memory = true;
        return NULL;
    }
    struct tc_linear_key **place = key_place(o->keys, o->key_size, hash);
    if (*place || o->key_count == KEYS_MAX)
        return *place;
    struct tc_linear_key *key = calloc(1, sizeof *key);
    if (!key || !tc_linear_open(key)) {
        free(key);
        o->short_of_memory = true;
        return NULL;
    }
    key->hash = hash;
    name_key(key, bytes);
    *place = key;
    o->key_count++;
    return key;
}

/* Too much to follow: nothing more is judged of this key. */
static void give_up(struct tc_oracle *o, struct tc_linear_key *key)
{
    if (key->given_up)
        return;
    key->given_up = true;
    o->given_up++;
}

static bool client_lies(const struct tc_oracle *o)
{
    for (uint32_t i = TC_CLIENT_FIRST; i < TC_NODES_MAX; i++)
        if (tc_nodeset_has(&o->env->faults->signed_for, i))
            return true;
    return false;
}

static void say_operation(struct tc_text *t, const struct tc_linear_operation *op)
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
    else if (op->result > TC_LINEAR_ABSENT)
        tc_text_add(t, " → %s#%04x", op->found ? "" : "no, there is ", (unsigned)(op->result & 0xffff));
    else
        tc_text_add(t, " → %s", op->found ? "yes" : "no");
}

static void breach(struct tc_oracle *o, const struct tc_linear_key *key, const struct tc_linear_operation *op,
                   uint64_t now_ns)
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
    const uint32_t first = key->recent_count > TC_LINEAR_RECENT ? key->recent_count - TC_LINEAR_RECENT : 0;
    for (uint32_t i = first; i < key->recent_count; i++) {
        t = tc_finding_fact(&f, now_ns, key->recent[i % TC_LINEAR_RECENT].client);
        say_operation(&t, &key->recent[i % TC_LINEAR_RECENT]);
    }
    for (uint32_t i = 0; i < key->operation_count; i++) {
        if (!key->operations[i].begun || &key->operations[i] == op)
            continue;
        t = tc_finding_fact(&f, now_ns, key->operations[i].client);
        say_operation(&t, &key->operations[i]);
    }
    o->env->report(o->env->judge, &f);
}

/* No operation on the key is in progress any more: is there an order? */
static void judge(struct tc_oracle *o, struct tc_linear_key *key, uint64_t now_ns)
{
    const struct tc_linear_operation *culprit = NULL;
    if (key->given_up || key->breached)
        return;
    const enum tc_linear outcome = tc_linear_judge(key, &o->judged, &culprit);
    if (outcome == TC_LINEAR_TOO_MUCH)
        give_up(o, key);
    key->breached = outcome == TC_LINEAR_IMPOSSIBLE;
    if (key->breached && !client_lies(o))
        breach(o, key, culprit, now_ns);
}

/* ---- the history ---- */

/* The client waits no more; whether the operation will be applied, nobody knows. */
static void leave(struct tc_oracle *o, struct outstanding *out, uint64_t now_ns)
{
    if (!out->key)
        return;
    struct tc_linear_key *key = out->key;
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
    struct tc_linear_key *key = key_put(o, operation.key);
    if (!key || key->given_up || key->breached) {
        o->unjudged++;
        return;
    }
    const bool swaps = operation.code == TC_KV_COMPARE_AND_SWAP;
    const int index =
        tc_linear_begin(key, &(struct tc_linear_operation){.code = (uint8_t)operation.code,
                                                           .client = observation->node,
                                                           .timestamp = observation->client.timestamp,
                                                           .value = tc_linear_hash(operation.value),
                                                           .expected = swaps ? tc_linear_hash(operation.expected) : 0});
    if (index < 0)
        give_up(o, key);
    else
        *out = (struct outstanding){.key = key, .timestamp = observation->client.timestamp, .index = (uint32_t)index};
}

static void replied(struct tc_oracle *o, const struct tc_observation *observation)
{
    struct outstanding *out = &o->outstanding[observation->node - TC_CLIENT_FIRST];
    struct tc_kv_result result;
    if (!out->key || out->timestamp != observation->client.timestamp)
        return;
    struct tc_linear_operation *op = &out->key->operations[out->index];
    if (observation->client.ok && o->env->protocol->result(observation->client.result, &result) != 0)
        o->unread++;
    else if (observation->client.ok && !tc_linear_end(out->key, out->index))
        give_up(o, out->key);
    else if (observation->client.ok) {
        const bool refused = op->code == TC_KV_COMPARE_AND_SWAP && !result.found && result.value.len > 0;
        op->done = true;
        op->found = result.found;
        op->result =
            refused || (op->code == TC_KV_GET && result.found) ? tc_linear_hash(result.value) : TC_LINEAR_ABSENT;
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
        result->foreign = !o->env->protocol->operation || !o->env->protocol->result;
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
    .size = sizeof(struct tc_oracle),
    .observe = observe,
    .finish = finish,
    .release = release,
};
