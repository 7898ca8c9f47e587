/* The state machine against a model, its digests, its snapshots. */
#include "../../proxy/random.h"
#include "../../reference/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIENT TC_CLIENT_FIRST

struct fixture {
    struct tc_store *store;
    struct tc_arena arena;
    uint64_t timestamp;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->store = tc_store_new();
    tc_arena_init(&fixture->arena, 8u << 20);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    tc_store_free(fixture->store);
    tc_arena_free(&fixture->arena);
    free(fixture);
    return 0;
}

static ProtobufCBinaryData text(const char *string)
{
    return tc_wire_binary((struct tc_slice){(const uint8_t *)string, strlen(string)});
}

static struct tc_slice pack(struct fixture *fixture, const Wire__Operation *operation)
{
    uint8_t *bytes = tc_arena_alloc(&fixture->arena, wire__operation__get_packed_size(operation));
    return (struct tc_slice){bytes, wire__operation__pack(operation, bytes)};
}

/* Executes with the next timestamp and gives the result; it lives in the arena. */
static const Wire__Result *run(struct fixture *fixture, const Wire__Operation *operation)
{
    bool fresh;
    assert_int_equal(tc_store_execute(fixture->store, CLIENT, ++fixture->timestamp, pack(fixture, operation),
                                      &fixture->arena, &fresh),
                     0);
    assert_true(fresh);
    struct tc_slice reply = tc_store_reply(fixture->store, CLIENT);
    Wire__Result *result = wire__result__unpack(NULL, reply.len, reply.data);
    assert_non_null(result);
    static Wire__Result copy;
    static uint8_t value[TC_WIRE_OPERAND_MAX];
    copy = *result;
    memcpy(value, result->value.data ? result->value.data : value, result->value.len);
    copy.value.data = value;
    wire__result__free_unpacked(result, NULL);
    return &copy;
}

static const Wire__Result *put(struct fixture *fixture, const char *key, const char *value)
{
    Wire__Operation operation = WIRE__OPERATION__INIT;
    operation.code = WIRE__OPERATION__CODE__PUT;
    operation.key = text(key);
    operation.value = text(value);
    return run(fixture, &operation);
}

static const Wire__Result *get(struct fixture *fixture, const char *key)
{
    Wire__Operation operation = WIRE__OPERATION__INIT;
    operation.key = text(key);
    return run(fixture, &operation);
}

static const Wire__Result *erase(struct fixture *fixture, const char *key)
{
    Wire__Operation operation = WIRE__OPERATION__INIT;
    operation.code = WIRE__OPERATION__CODE__DELETE;
    operation.key = text(key);
    return run(fixture, &operation);
}

static const Wire__Result *swap(struct fixture *fixture, const char *key, const char *expected, const char *value)
{
    Wire__Operation operation = WIRE__OPERATION__INIT;
    operation.code = WIRE__OPERATION__CODE__COMPARE_AND_SWAP;
    operation.key = text(key);
    operation.expected = text(expected);
    operation.value = text(value);
    return run(fixture, &operation);
}

static void assert_value(const Wire__Result *result, const char *expected)
{
    assert_true(result->found);
    assert_int_equal(result->value.len, strlen(expected));
    assert_memory_equal(result->value.data, expected, strlen(expected));
}

static void test_operations(void **state)
{
    struct fixture *f = *state;
    assert_false(get(f, "a")->found);
    assert_true(put(f, "a", "1")->found);
    assert_value(get(f, "a"), "1");
    assert_true(put(f, "a", "22")->found);
    assert_value(get(f, "a"), "22");
    const Wire__Result *refused = swap(f, "a", "1", "3");
    assert_false(refused->found);
    assert_int_equal(refused->value.len, 2);
    assert_memory_equal(refused->value.data, "22", 2);
    assert_true(swap(f, "a", "22", "3")->found);
    assert_value(get(f, "a"), "3");
    assert_false(swap(f, "missing", "", "x")->found);
    assert_true(erase(f, "a")->found);
    assert_false(erase(f, "a")->found);
    assert_false(get(f, "a")->found);
}

/* What cannot be applied changes nothing but the client table. */
static void test_refusals(void **state)
{
    struct fixture *f = *state;
    char key[TC_WIRE_KEY_MAX + 2], value[TC_WIRE_OPERAND_MAX + 2];
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    key[TC_WIRE_KEY_MAX + 1] = 0;
    value[TC_WIRE_OPERAND_MAX + 1] = 0;
    assert_false(put(f, "", "x")->found);
    assert_false(put(f, key, "x")->found);
    assert_false(put(f, "x", value)->found);
    key[TC_WIRE_KEY_MAX] = 0;
    value[TC_WIRE_OPERAND_MAX] = 0;
    assert_true(put(f, key, value)->found);
    assert_value(get(f, key), value);
    bool fresh;
    assert_int_equal(tc_store_execute(f->store, CLIENT, ++f->timestamp, (struct tc_slice){(uint8_t *)"\xff\xff", 2},
                                      &f->arena, &fresh),
                     0);
    assert_true(fresh);
    assert_int_equal(tc_store_last(f->store, CLIENT), f->timestamp);
    assert_int_equal(tc_store_execute(f->store, TC_NODES_MAX, 1, (struct tc_slice){NULL, 0}, &f->arena, &fresh),
                     TC_EUSAGE);
}

static void test_exactly_once(void **state)
{
    struct fixture *f = *state;
    Wire__Operation operation = WIRE__OPERATION__INIT;
    uint8_t before[TC_VALUE_SIZE], after[TC_VALUE_SIZE];
    bool fresh;
    operation.code = WIRE__OPERATION__CODE__PUT;
    operation.key = text("k");
    operation.value = text("first");
    struct tc_slice bytes = pack(f, &operation);
    assert_int_equal(tc_store_execute(f->store, CLIENT, 10, bytes, &f->arena, &fresh), 0);
    assert_true(fresh);
    tc_store_digest(f->store, before);
    operation.value = text("second");
    bytes = pack(f, &operation);
    for (uint64_t timestamp = 0; timestamp <= 10; timestamp++) {
        assert_int_equal(tc_store_execute(f->store, CLIENT, timestamp, bytes, &f->arena, &fresh), 0);
        assert_false(fresh);
    }
    tc_store_digest(f->store, after);
    assert_memory_equal(before, after, TC_VALUE_SIZE);
    assert_int_equal(tc_store_execute(f->store, CLIENT + 1, 10, bytes, &f->arena, &fresh), 0);
    assert_true(fresh);
    assert_int_equal(tc_store_last(f->store, CLIENT), 10);
    assert_int_equal(tc_store_last(f->store, CLIENT + 2), 0);
}

/* Full: refused, and there is room again after a deletion. */
static void test_full(void **state)
{
    struct fixture *f = *state;
    static char value[TC_WIRE_OPERAND_MAX + 1];
    char key[16];
    uint32_t stored = 0;
    memset(value, 'v', TC_WIRE_OPERAND_MAX);
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%u", i);
        tc_arena_reset(&f->arena);
        stored += put(f, key, value)->found;
    }
    assert_in_range(stored, 500, TC_STORE_BYTES_MAX / TC_WIRE_OPERAND_MAX);
    assert_false(put(f, "one more", value)->found);
    assert_true(put(f, "0", value)->found); /* in place of its old value */
    assert_true(erase(f, "0")->found);
    assert_true(put(f, "one more", value)->found);
}

static uint8_t *save(const struct fixture *f, uint64_t sequence, size_t *len)
{
    uint8_t *bytes;
    assert_int_equal(tc_store_save(f->store, sequence, &bytes, len), 0);
    return bytes;
}

/* Random operations; the model is an array. The digest that was kept up to date is the one that loading computes. */
static void test_model_and_snapshot(void **state)
{
    struct fixture *f = *state;
    int model[40], loaded_value = 0;
    memset(model, -1, sizeof model);
    for (uint64_t i = 0; i < 4000; i++) {
        uint64_t random = tc_random_mix(99, i);
        unsigned key = random % 40;
        char name[16], value[16], expected[16];
        snprintf(name, sizeof name, "key%u", key);
        snprintf(value, sizeof value, "%u", (unsigned)i);
        tc_arena_reset(&f->arena);
        if (random >> 32 & 1) {
            assert_true(put(f, name, value)->found);
            model[key] = (int)i;
        } else if (random >> 33 & 1) {
            assert_int_equal(erase(f, name)->found, model[key] >= 0);
            model[key] = -1;
        } else {
            snprintf(expected, sizeof expected, "%d", model[key]);
            assert_int_equal(swap(f, name, expected, value)->found, model[key] >= 0);
            model[key] = model[key] >= 0 ? (int)i : -1;
        }
        if (i % 500 != 0)
            continue;
        size_t len, again_len;
        uint64_t sequence;
        uint8_t kept[TC_VALUE_SIZE], computed[TC_VALUE_SIZE], *bytes = save(f, i, &len);
        struct tc_store *loaded;
        assert_int_equal(tc_store_load((struct tc_slice){bytes, len}, &sequence, &loaded), 0);
        assert_int_equal(sequence, i);
        tc_store_digest(f->store, kept);
        tc_store_digest(loaded, computed);
        assert_memory_equal(kept, computed, TC_VALUE_SIZE);
        tc_store_free(f->store);
        f->store = loaded; /* go on with the loaded one: nothing may have been lost */
        uint8_t *again = save(f, i, &again_len);
        assert_int_equal(len, again_len);
        assert_memory_equal(bytes, again, len);
        assert_int_equal(tc_store_last(f->store, CLIENT), f->timestamp);
        free(bytes);
        free(again);
        loaded_value++;
    }
    assert_int_equal(loaded_value, 8);
}

/* The way there leaves no trace: insertion order does not show. */
static void test_canonical(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.store = tc_store_new()};
    size_t len, other_len;
    tc_arena_init(&other.arena, 8u << 20);
    put(f, "a", "1");
    put(f, "b", "2");
    put(f, "ab", "3");
    put(&other, "ab", "3");
    put(&other, "b", "2");
    put(&other, "a", "1");
    uint8_t *bytes = save(f, 7, &len), *other_bytes = save(&other, 7, &other_len);
    assert_int_equal(len, other_len);
    assert_memory_equal(bytes, other_bytes, len);
    free(bytes);
    free(other_bytes);
    tc_store_free(other.store);
    tc_arena_free(&other.arena);
}

/* Every cut is refused; no single changed byte gives the same snapshot back by another spelling. */
static void test_damaged_snapshots(void **state)
{
    struct fixture *f = *state;
    size_t len;
    put(f, "alpha", "1");
    put(f, "beta", "2");
    uint8_t *bytes = save(f, 3, &len);
    for (size_t cut = 0; cut < len; cut++) {
        struct tc_store *loaded;
        uint64_t sequence;
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, bytes, cut);
        assert_int_equal(tc_store_load((struct tc_slice){exact, cut}, &sequence, &loaded), TC_EMALFORMED);
        free(exact);
    }
    for (size_t at = 0; at < len; at++) {
        struct tc_store *loaded;
        uint64_t sequence;
        bytes[at] ^= 0x41;
        if (tc_store_load((struct tc_slice){bytes, len}, &sequence, &loaded) == 0) {
            uint8_t *again;
            size_t again_len;
            assert_int_equal(tc_store_save(loaded, sequence, &again, &again_len), 0);
            assert_int_equal(again_len, len);
            assert_memory_equal(again, bytes, len);
            free(again);
            tc_store_free(loaded);
        }
        bytes[at] ^= 0x41;
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exactly_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_model_and_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_canonical, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_snapshots, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
