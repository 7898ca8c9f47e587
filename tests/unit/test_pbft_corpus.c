/* The seed corpus of the PBFT fuzzers: one frame of every type, and broken ones. The files are committed; this test
 * checks that they are still what today's encoder makes. `test_pbft_corpus --write DIR` writes them. */
#include "../lib/pbft_make.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS_MAX 24

struct seed {
    const char *name;
    struct tc_slice frame;
};

struct seeds {
    struct tc_make make;
    struct seed items[SEEDS_MAX];
    size_t count;
};

static void add(struct seeds *s, const char *name, const Wire__Envelope *envelope)
{
    assert_true(s->count < SEEDS_MAX);
    s->items[s->count++] = (struct seed){name, tc_make_frame(&s->make, envelope)};
}

static void add_ordinary(struct seeds *s)
{
    struct tc_make *make = &s->make;
    Wire__Envelope *requests[] = {tc_make_request(make, 128, 1, "put"), tc_make_request(make, 129, 2, "get")};
    Wire__Hello hello = WIRE__HELLO__INIT;
    Wire__Reply reply = WIRE__REPLY__INIT;
    hello.cluster = make->cluster.id;
    hello.version = 1;
    reply.timestamp = 1;
    reply.client = 128;
    add(s, "hello", tc_make_envelope(make, WIRE__TYPE__HELLO, 2, &hello));
    add(s, "request", requests[0]);
    add(s, "pre-prepare", tc_make_proposal(make, 0, 0, 1, requests, 2));
    add(s, "pre-prepare-null", tc_make_pre_prepare(make, 0, 0, 2, tc_make_digest(make, 0)));
    add(s, "prepare", tc_make_prepare(make, 1, 0, 1, tc_make_digest(make, 7)));
    add(s, "commit", tc_make_commit(make, 2, 0, 1, tc_make_digest(make, 7)));
    add(s, "reply", tc_make_envelope(make, WIRE__TYPE__REPLY, 3, &reply));
    add(s, "checkpoint", tc_make_checkpoint(make, 1, 16, tc_make_digest(make, 9)));
}

static void add_rare(struct seeds *s)
{
    struct tc_make *make = &s->make;
    Pbft__Prepared *prepared = tc_make_prepared(make, 0, 17, tc_make_digest(make, 5), (uint32_t[]){1, 2}, 2);
    Wire__Envelope *changes[] = {tc_make_view_change(make, 1, 1, 0, NULL, 0),
                                 tc_make_view_change(make, 2, 1, 16, &prepared, 1)};
    Wire__Envelope *proposals[] = {tc_make_pre_prepare(make, 1, 1, 17, tc_make_digest(make, 5))};
    Wire__Envelope *checkpoints[] = {tc_make_checkpoint(make, 0, 16, tc_make_digest(make, 3))};
    Pbft__StateRequest wanted = PBFT__STATE_REQUEST__INIT;
    Pbft__State state = PBFT__STATE__INIT;
    Pbft__BatchRequest missing = PBFT__BATCH_REQUEST__INIT;
    Pbft__Batch batch = PBFT__BATCH__INIT;
    wanted.sequence = 4;
    state.sequence = 16;
    state.snapshot = (ProtobufCBinaryData){4, (uint8_t *)"snap"};
    state.checkpoints = checkpoints;
    state.n_checkpoints = 1;
    missing.digest = batch.digest = tc_make_digest(make, 4);
    add(s, "view-change", changes[1]);
    add(s, "new-view", tc_make_new_view(make, 1, 1, changes, 2, proposals, 1));
    add(s, "state-request", tc_make_envelope(make, PBFT__TYPE__STATE_REQUEST, 3, &wanted));
    add(s, "state", tc_make_envelope(make, PBFT__TYPE__STATE, 0, &state));
    add(s, "batch-request", tc_make_envelope(make, PBFT__TYPE__BATCH_REQUEST, 3, &missing));
    Wire__Envelope *carried = tc_make_envelope(make, PBFT__TYPE__BATCH, 0, &batch);
    carried->requests = checkpoints; /* not requests: must be borne */
    carried->n_requests = 1;
    add(s, "batch-odd", carried);
}

static void add_broken(struct seeds *s)
{
    const struct tc_slice whole = s->items[2].frame;
    uint8_t *cut = tc_arena_alloc(&s->make.arena, whole.len);
    assert_non_null(cut);
    memcpy(cut, whole.data, whole.len);
    cut[whole.len / 2] ^= 0x80;
    s->items[s->count++] = (struct seed){"corrupt", {cut, whole.len}};
    s->items[s->count++] = (struct seed){"short", {whole.data, whole.len - 5}};
}

static void make_seeds(struct seeds *s)
{
    s->count = 0;
    tc_make_init(&s->make, 4);
    add_ordinary(s);
    add_rare(s);
    add_broken(s);
}

static void test_corpus_is_current(void **state)
{
    (void)state;
    static struct seeds seeds;
    make_seeds(&seeds);
    for (size_t i = 0; i < seeds.count; i++) {
        char path[512];
        static uint8_t bytes[65536];
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/pbft_decode/%s", TC_SOURCE_DIR, seeds.items[i].name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        const size_t len = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        assert_int_equal(len, seeds.items[i].frame.len);
        assert_memory_equal(bytes, seeds.items[i].frame.data, len);
        struct tc_message m = {0};
        const bool broken = strcmp(seeds.items[i].name, "short") == 0;
        const int rc = tc_pbft.decode(seeds.items[i].frame, &seeds.make.arena, &m);
        if (strcmp(seeds.items[i].name, "corrupt") != 0)
            assert_int_equal(rc, broken ? TC_EMALFORMED : 0);
    }
    tc_make_free(&seeds.make);
}

static int write_corpus(const char *folder)
{
    static struct seeds seeds;
    make_seeds(&seeds);
    for (size_t i = 0; i < seeds.count; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, seeds.items[i].name);
        FILE *file = fopen(path, "wb");
        if (!file)
            return 1;
        const size_t len = fwrite(seeds.items[i].frame.data, 1, seeds.items[i].frame.len, file);
        if (fclose(file) != 0 || len != seeds.items[i].frame.len)
            return 1;
    }
    tc_make_free(&seeds.make);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_corpus(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus_is_current)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
