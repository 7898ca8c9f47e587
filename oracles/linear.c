#include "linear.h"

#include <stdlib.h>

#include "../proxy/random.h"

#define OPEN_MAX     48 /* in progress or open on one key at a time */
#define BATCH_MAX    1024
#define STATES_MAX   1024
#define EXPLORED_MAX 100000 /* steps for one answer */

#define UNKNOWN 0 /* the store's value for a key: not known yet; else TC_LINEAR_ABSENT or a hash */

uint64_t tc_linear_hash(struct tc_slice bytes)
{
    const uint64_t hash = tc_random_mix_bytes(0x6b76, bytes);
    return hash > TC_LINEAR_ABSENT ? hash : hash + 2;
}

/* ---- one operation on one state ---- */

/* The value after the operation, false if the answer contradicts the state. One that is open may have had any. */
static bool apply(const struct tc_linear_operation *op, uint64_t value, uint64_t *after)
{
    *after = value;
    switch (op->code) {
    case TC_KV_GET:
        if (!op->done)
            return true;
        *after = op->found ? op->result : TC_LINEAR_ABSENT;
        return value == UNKNOWN || value == *after;
    case TC_KV_PUT:
        if (!op->done || op->found)
            *after = op->value;
        return true;
    case TC_KV_DELETE:
        if (op->done && value != UNKNOWN && op->found != (value != TC_LINEAR_ABSENT))
            return false;
        *after = TC_LINEAR_ABSENT;
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
        *after = op->result == TC_LINEAR_ABSENT ? UNKNOWN : op->result;
    return value == UNKNOWN || value == op->result ||
           (op->result == TC_LINEAR_ABSENT && value != op->expected &&
            value == tc_linear_hash((struct tc_slice){NULL, 0}));
}

/* ---- answers ---- */

struct search {
    struct tc_linear_state *found;
    uint32_t count, steps;
    bool spent;
};

static void search_add(struct search *s, struct tc_linear_state state)
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
static void search_close(struct search *s, const struct tc_linear_key *key, uint64_t bit)
{
    for (uint32_t i = 0; i < s->count && !s->spent; i++) {
        const struct tc_linear_state state = s->found[i];
        for (uint32_t k = 0; k < key->operation_count && !(state.included & bit) && !s->spent; k++) {
            const struct tc_linear_operation *op = &key->operations[k];
            const uint64_t own = UINT64_C(1) << op->place;
            uint64_t after;
            if (!op->begun || (state.included & own))
                continue;
            s->spent |= ++s->steps > EXPLORED_MAX;
            if (apply(op, state.value, &after))
                search_add(s, (struct tc_linear_state){after, state.included | own});
        }
    }
}

/* Keeps the states that include the operation at `bit`. */
static bool states_keep(struct tc_linear_key *key, const struct search *s, uint64_t bit)
{
    uint32_t kept = 0;
    if (s->count > key->state_size) {
        struct tc_linear_state *states = realloc(key->states, s->count * sizeof *states);
        if (!states)
            return false;
        key->states = states;
        key->state_size = s->count;
    }
    for (uint32_t i = 0; i < s->count; i++)
        if (s->found[i].included & bit)
            key->states[kept++] = (struct tc_linear_state){s->found[i].value, s->found[i].included & ~bit};
    key->state_count = kept;
    return true;
}

/* The operation has its answer: which states include it? */
static enum tc_linear answered(struct tc_linear_key *key, const struct tc_linear_operation *op)
{
    const uint64_t bit = UINT64_C(1) << op->place;
    struct tc_linear_state *only = &key->states[0];
    if (key->places == bit && key->state_count == 1 && !only->included) /* nobody else is about */
        return apply(op, only->value, &only->value) ? TC_LINEAR_FINE : TC_LINEAR_IMPOSSIBLE;
    struct tc_linear_state found[STATES_MAX];
    struct search search = {.found = found};
    for (uint32_t i = 0; i < key->state_count; i++)
        search_add(&search, key->states[i]);
    search_close(&search, key, bit);
    if (search.spent || !states_keep(key, &search, bit))
        return TC_LINEAR_TOO_MUCH;
    return key->state_count > 0 ? TC_LINEAR_FINE : TC_LINEAR_IMPOSSIBLE;
}

static bool take_place(struct tc_linear_key *key, struct tc_linear_operation *op)
{
    const uint64_t room = ~key->places & ((UINT64_C(1) << OPEN_MAX) - 1);
    if (room == 0)
        return false;
    op->place = (uint8_t)__builtin_ctzll(room);
    op->begun = true;
    key->places |= UINT64_C(1) << op->place;
    return true;
}

static void leave_place(struct tc_linear_key *key, struct tc_linear_operation *op)
{
    op->begun = false;
    key->places &= ~(UINT64_C(1) << op->place);
    key->recent[key->recent_count++ % TC_LINEAR_RECENT] = *op;
}

/* What is over is forgotten; what is open stays. */
static void forget_batch(struct tc_linear_key *key)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < key->operation_count; i++)
        if (key->operations[i].begun)
            key->operations[kept++] = key->operations[i];
    key->operation_count = kept;
    key->moment_count = 0;
}

enum tc_linear tc_linear_judge(struct tc_linear_key *key, uint64_t *answers, const struct tc_linear_operation **culprit)
{
    for (uint32_t i = 0; i < key->moment_count; i++) {
        struct tc_linear_operation *op = &key->operations[key->moments[i].operation];
        if (!key->moments[i].ends) {
            if ((op->done || op->code != TC_KV_GET) &&
                !take_place(key, op)) /* a GET without an answer leaves no trace */
                return TC_LINEAR_TOO_MUCH;
            continue;
        }
        const enum tc_linear outcome = answered(key, op);
        *answers += outcome != TC_LINEAR_TOO_MUCH;
        *culprit = op;
        if (outcome != TC_LINEAR_FINE)
            return outcome;
        leave_place(key, op);
    }
    forget_batch(key);
    return TC_LINEAR_FINE;
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

static bool note_moment(struct tc_linear_key *key, uint32_t operation, bool ends)
{
    if (key->moment_count == BATCH_MAX)
        return false;
    struct tc_linear_moment *moments = room_for(key->moments, key->moment_count, &key->moment_size, sizeof *moments);
    if (!moments)
        return false;
    key->moments = moments;
    key->moments[key->moment_count++] = (struct tc_linear_moment){.operation = operation, .ends = ends};
    return true;
}

int tc_linear_begin(struct tc_linear_key *key, const struct tc_linear_operation *operation)
{
    struct tc_linear_operation *operations =
        room_for(key->operations, key->operation_count, &key->operation_size, sizeof *operations);
    if (operations)
        key->operations = operations;
    if (!operations || !note_moment(key, key->operation_count, false))
        return -1;
    key->operations[key->operation_count] = *operation;
    key->outstanding++;
    return (int)key->operation_count++;
}

bool tc_linear_end(struct tc_linear_key *key, uint32_t index)
{
    return note_moment(key, index, true);
}

bool tc_linear_open(struct tc_linear_key *key)
{
    key->states = malloc(2 * sizeof *key->states);
    if (!key->states)
        return false;
    key->state_size = 2;
    key->states[0] = (struct tc_linear_state){.value = UNKNOWN};
    key->state_count = 1;
    return true;
}

void tc_linear_close(struct tc_linear_key *key)
{
    free(key->operations);
    free(key->moments);
    free(key->states);
}
