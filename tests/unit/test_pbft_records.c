/* The PBFT replica's records: what it says and remembers after a crash, and damage. */
#include "replica_fixture.h"

#include <stdlib.h>

struct records {
    struct tc_slice items[64];
    uint32_t count;
};

static void keep_records(struct bench *b, struct records *records)
{
    for (size_t i = 0; i < b->out.count; i++) {
        const struct tc_output *output = &b->out.items[i];
        if (output->kind != TC_OUT_PERSIST && output->kind != TC_OUT_SNAPSHOT)
            continue;
        if (output->kind == TC_OUT_SNAPSHOT)
            records->count = 0;
        assert_true(records->count < 64);
        records->items[records->count++] = tc_arena_copy(&b->make.arena, output->bytes);
    }
}

static int replay(struct bench *b, uint16_t id, const struct records *records, struct tc_replica **replica)
{
    struct tc_error err = {0};
    const struct tc_replica_config config = {.id = id, .env = b->make.env};
    int rc = 0;
    *replica = b->class->create(&config, &err);
    assert_non_null(*replica);
    for (uint32_t i = 0; i < records->count && rc == 0; i++) {
        uint8_t *exact = malloc(records->items[i].len + 1);
        memcpy(exact, records->items[i].data, records->items[i].len);
        const struct tc_replica_event event = {.kind = TC_REPLICA_RECORD, .bytes = {exact, records->items[i].len}};
        rc = b->class->step(*replica, &event, &b->out);
        free(exact);
    }
    const struct tc_replica_event event = {.kind = TC_REPLICA_START, .now_ns = b->now_ns};
    if (rc == 0)
        rc = b->class->step(*replica, &event, &b->out);
    return rc;
}

/* A replica with something of everything on its disk: a stable checkpoint, a new view, slots in every stage. */
static void make_records(struct bench *b, struct records *records)
{
    records->count = 0;
    bench_start(b, 1, 0);
    for (uint64_t i = 1; i <= 5; i++) {
        Wire__Envelope *first = proposal(b, 0, 0, i, "a");
        hear(b, first);
        keep_records(b, records);
        hear(b, tc_make_prepare(&b->make, 2, 0, i, digest_of(b, first)));
        keep_records(b, records);
        hear(b, tc_make_commit(&b->make, 0, 0, i, digest_of(b, first)));
        keep_records(b, records);
        hear(b, tc_make_commit(&b->make, 2, 0, i, digest_of(b, first)));
        keep_records(b, records);
        if (i != 4)
            continue;
        Wire__Envelope *own;
        void *body;
        assert_int_equal(sent(b, PBFT__TYPE__CHECKPOINT, &own), 3);
        assert_int_equal(tc_wire_get_body(own, &pbft__checkpoint__descriptor, &b->make.arena, &body), 0);
        ProtobufCBinaryData digest = ((Pbft__Checkpoint *)body)->digest;
        hear(b, tc_make_checkpoint(&b->make, 0, 4, digest));
        hear(b, tc_make_checkpoint(&b->make, 2, 4, digest));
        assert_non_null(observed(b, TC_OBS_STABLE));
        keep_records(b, records);
    }
    Wire__Envelope *sixth = proposal(b, 0, 0, 6, "b");
    hear(b, sixth);
    keep_records(b, records);
    hear(b, tc_make_prepare(&b->make, 2, 0, 6, digest_of(b, sixth)));
    keep_records(b, records);
    hear(b, proposal(b, 0, 0, 7, "c"));
    keep_records(b, records);
}

static void test_replay(void **state)
{
    (void)state;
    struct bench b;
    struct records records;
    struct tc_replica *again;
    make_records(&b, &records);
    assert_int_equal(records.items[0].data[0], 6); /* starts with the snapshot */
    assert_int_equal(replay(&b, 1, &records, &again), 0);
    const struct tc_observation *executed = observed(&b, TC_OBS_EXECUTED);
    assert_non_null(executed);
    assert_int_equal(executed->executed.sequence, 5);
    assert_int_equal(executed->executed.origin, TC_EXEC_REPLAYED);
    assert_int_equal(observed(&b, TC_OBS_STABLE)->stable.sequence, 4);
    /* it says to a peer exactly what it had said before; nothing new, nothing else */
    b.class->destroy(b.replica);
    b.replica = again;
    const struct tc_replica_event link = {.kind = TC_REPLICA_LINK, .now_ns = b.now_ns, .peer = 2};
    assert_int_equal(b.class->step(b.replica, &link, &b.out), 0);
    assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), 3);
    assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), 2);
    assert_int_equal(sent(&b, PBFT__TYPE__CHECKPOINT, NULL), 1);
    assert_int_equal(sent(&b, PBFT__TYPE__STATE_REQUEST, NULL), 1);
    /* another proposal for a slot that it accepted before the crash */
    hear(&b, proposal(&b, 0, 0, 7, "d"));
    assert_complaint(&b, "second pre-prepare for view 0 sequence 7", 0);
    /* and what was prepared before is in its view change */
    pass_time(&b, 500 * MS);
    const Pbft__ViewChange *change = view_change_said(&b);
    assert_int_equal(change->stable_sequence, 4);
    assert_int_equal(change->n_prepared, 2);
    bench_stop(&b);
}

/* A certificate is written by hand, as protobuf-c would write it. */
static void test_prepared_records(void **state)
{
    (void)state;
    struct bench b;
    struct records records;
    uint32_t found = 0;
    make_records(&b, &records);
    for (uint32_t i = 0; i < records.count; i++) {
        if (records.items[i].data[0] != 3)
            continue;
        const struct tc_slice packed = {records.items[i].data + 1, records.items[i].len - 1};
        Pbft__Prepared *prepared = pbft__prepared__unpack(NULL, packed.len, packed.data);
        assert_non_null(prepared);
        assert_int_equal(prepared->n_prepares, 2);
        assert_int_equal(prepared->pre_prepare->sender, 0);
        assert_int_equal(tc_wire_verify(&b.make.env, prepared->prepares[1]), 0);
        assert_int_equal(pbft__prepared__get_packed_size(prepared), packed.len);
        uint8_t *again = malloc(packed.len);
        assert_non_null(again);
        pbft__prepared__pack(prepared, again);
        assert_memory_equal(again, packed.data, packed.len);
        free(again);
        pbft__prepared__free_unpacked(prepared, NULL);
        found++;
    }
    assert_true(found >= 2);
    bench_stop(&b);
}

/* Damage is noticed or harmless, and never crashes: every cut and flipped bits of every record. */
static void test_damaged_records(void **state)
{
    (void)state;
    struct bench b;
    struct records records;
    uint32_t refused = 0;
    make_records(&b, &records);
    for (uint32_t which = 0; which < records.count; which++) {
        struct tc_slice whole = records.items[which];
        size_t stride = whole.len > 200 ? 7 : 1;
        for (size_t cut = 0; cut < whole.len; cut += stride) {
            struct tc_replica *again;
            records.items[which].len = cut;
            refused += replay(&b, 1, &records, &again) == TC_EMALFORMED;
            b.class->destroy(again);
            records.items[which].len = whole.len;
            ((uint8_t *)(uintptr_t)whole.data)[cut] ^= 0x55;
            (void)replay(&b, 1, &records, &again);
            b.class->destroy(again);
            ((uint8_t *)(uintptr_t)whole.data)[cut] ^= 0x55;
        }
    }
    assert_true(refused > 100);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_prepared_records),
        cmocka_unit_test(test_damaged_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
