/* The PBFT replica, one promise a test: message counts, quorums, refusals, what survives a crash, what each seeded bug
 * does. The random schedules are in tests/sim/test_pbft_random.c. */
#include "../../proxy/nodeset.h"
#include "../../reference/bugs.h"
#include "../lib/cluster.h"
#include "../lib/pbft_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

/* ---- whole clusters ---- */

static struct tc_lab_options lab_options(uint32_t n)
{
    struct tc_lab_options options = {.scheme = TC_SCHEME_KEYED_HASH, .seed = 5, .retry_ns = 300 * MS};
    strcpy(options.cluster.id, "lab");
    options.cluster.n = n;
    options.cluster.f = (n - 1) / 3;
    options.cluster.client_count = 2;
    options.cluster.checkpoint_interval = 8;
    options.cluster.window = 16;
    options.cluster.batch_max = 4;
    options.cluster.pipeline_max = 4;
    options.cluster.view_timeout_ns = 200 * MS;
    options.cluster.view_timeout_max_ns = 3200 * MS;
    options.network = (struct tc_lab_network){.latency_min_ns = MS / 10, .latency_max_ns = MS};
    return options;
}

static void finish(struct tc_lab *lab)
{
    if (tc_lab_failure(lab)) {
        fprintf(stderr, "%s\n", tc_lab_failure(lab));
        tc_lab_dump(lab);
    }
    assert_null(tc_lab_failure(lab));
    tc_lab_free(lab);
}

static uint64_t agreement_messages(const struct tc_lab *lab)
{
    return tc_lab_sent(lab, PBFT__TYPE__PRE_PREPARE) + tc_lab_sent(lab, PBFT__TYPE__PREPARE) +
           tc_lab_sent(lab, PBFT__TYPE__COMMIT);
}

/* A decision without failures costs 2n(n-1) messages between replicas, and checkpoints n(n-1) each interval; nothing
 * else is said. */
static void test_message_count(void **state)
{
    (void)state;
    const uint32_t sizes[] = {4, 6, 7, 10};
    for (size_t i = 0; i < 4; i++) {
        uint64_t n = sizes[i], decisions = 20;
        struct tc_lab_options options = lab_options(sizes[i]);
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, (uint32_t)decisions); /* a closed loop of one: a decision each */
        tc_lab_run(lab, 5000 * MS);
        assert_int_equal(tc_lab_answered(lab), decisions);
        assert_int_equal(tc_lab_executed(lab, 0), decisions);
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__PRE_PREPARE), decisions * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__PREPARE), decisions * (n - 1) * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__COMMIT), decisions * n * (n - 1));
        assert_int_equal(agreement_messages(lab), decisions * 2 * n * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__CHECKPOINT), decisions / 8 * n * (n - 1));
        for (uint32_t type = PBFT__TYPE__VIEW_CHANGE; type <= PBFT__TYPE__BATCH; type++)
            assert_int_equal(tc_lab_sent(lab, type), 0);
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__REPLY), decisions * n);
        assert_int_equal(tc_lab_stable(lab, 2), 16);
        assert_int_equal(tc_lab_complaints(lab), 0);
        /* pre-prepare, prepared, committed for each decision; a snapshot (two entries in the lab) for each checkpoint
         */
        assert_int_equal(tc_lab_records(lab), decisions * 3 * n + decisions / 8 * 2 * n);
        finish(lab);
    }
}

/* A view change costs n(n-1) view changes and n-1 new views. */
static void test_primary_dies(void **state)
{
    (void)state;
    const uint32_t sizes[] = {4, 6, 7, 10};
    for (size_t i = 0; i < 4; i++) {
        uint64_t n = sizes[i];
        struct tc_lab_options options = lab_options(sizes[i]);
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 5);
        tc_lab_run(lab, 1000 * MS);
        assert_int_equal(tc_lab_answered(lab), 5);
        tc_lab_crash(lab, 0);
        tc_lab_load(lab, 0, 5);
        tc_lab_load(lab, 1, 5);
        tc_lab_run(lab, 4000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), 0);
        for (uint16_t node = 1; node < n; node++) {
            assert_int_equal(tc_lab_view(lab, node), 1);
            assert_true(tc_lab_view_active(lab, node));
        }
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__VIEW_CHANGE), (n - 1) * (n - 1));
        assert_int_equal(tc_lab_sent(lab, PBFT__TYPE__NEW_VIEW), n - 1);
        /* the old primary comes back and finds its way into the new view */
        tc_lab_restart(lab, 0, false);
        tc_lab_run(lab, 6000 * MS);
        assert_int_equal(tc_lab_view(lab, 0), 1);
        assert_true(tc_lab_executed(lab, 0) >= tc_lab_stable(lab, 1));
        finish(lab);
    }
}

/* f leaders in a row are dead: the timer doubles until a live one leads. */
static void test_timeouts_double(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(7);
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_crash(lab, 0);
    tc_lab_crash(lab, 1);
    tc_lab_load(lab, 0, 3);
    tc_lab_run(lab, 5000 * MS);
    assert_int_equal(tc_lab_outstanding(lab), 0);
    assert_int_equal(tc_lab_view(lab, 4), 2);
    finish(lab);
}

/* n = 3 tolerates nobody, but runs: with a quorum of 2 although one is silent, with 3 only while all speak. */
static void test_three_replicas(void **state)
{
    (void)state;
    for (uint32_t quorum = 2; quorum <= 3; quorum++) {
        struct tc_lab_options options = lab_options(3);
        options.cluster.f = 1;
        options.cluster.quorum = quorum;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 10);
        tc_lab_run(lab, 2000 * MS);
        assert_int_equal(tc_lab_answered(lab), 10);
        assert_int_equal(agreement_messages(lab), 10 * 2 * 3 * 2);
        tc_lab_crash(lab, 2);
        tc_lab_load(lab, 0, 5);
        tc_lab_run(lab, 20000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), quorum == 2 ? 0 : 5);
        finish(lab);
    }
}

static void test_batches_and_pipeline(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(4);
    options.cluster.client_count = 40;
    options.cluster.pipeline_max = 2;
    options.cluster.batch_max = 16;
    struct tc_lab *lab = tc_lab_new(&options);
    for (uint32_t i = 0; i < 40; i++)
        tc_lab_load(lab, i, 20);
    tc_lab_run(lab, 10000 * MS);
    assert_int_equal(tc_lab_answered(lab), 800);
    assert_in_range(tc_lab_executed(lab, 1), 800 / 16, 400);
    finish(lab);
}

static void test_mac_vectors(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(4);
    options.cluster.request_authentication = TC_AUTH_MAC;
    options.scheme = TC_SCHEME_ED25519;
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_load(lab, 0, 10);
    tc_lab_load(lab, 1, 10);
    tc_lab_run(lab, 2000 * MS);
    assert_int_equal(tc_lab_answered(lab), 20);
    assert_int_equal(tc_lab_complaints(lab), 0);
    tc_lab_crash(lab, 0);
    tc_lab_load(lab, 0, 5);
    tc_lab_run(lab, 6000 * MS);
    assert_int_equal(tc_lab_outstanding(lab), 0);
    finish(lab);
}

/* A replica without its disk gets the state from the others, checked against their checkpoints. */
static void test_wiped_replica(void **state)
{
    (void)state;
    struct tc_lab_options options = lab_options(4);
    tc_nodeset_add(&options.traitors, 3); /* it forgets what it promised: not judged */
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_load(lab, 0, 30);
    tc_lab_run(lab, 3000 * MS);
    tc_lab_crash(lab, 3);
    tc_lab_load(lab, 0, 30);
    tc_lab_run(lab, 6000 * MS);
    tc_lab_restart(lab, 3, true);
    tc_lab_load(lab, 0, 30);
    tc_lab_run(lab, 9000 * MS);
    assert_int_equal(tc_lab_outstanding(lab), 0);
    assert_int_equal(tc_lab_stable(lab, 3), tc_lab_stable(lab, 0));
    assert_true(tc_lab_stable(lab, 3) > 60);
    finish(lab);
}

/* All at once, at any moment: the whole cluster comes back and goes on. */
static void test_everybody_crashes(void **state)
{
    (void)state;
    for (uint64_t when = 1; when < 60; when += 3) {
        struct tc_lab_options options = lab_options(4);
        options.sync_ns_max = MS / 2;
        options.seed = when;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 40);
        tc_lab_load(lab, 1, 40);
        tc_lab_run(lab, when * MS);
        for (uint16_t i = 0; i < 4; i++)
            tc_lab_crash(lab, i);
        for (uint16_t i = 0; i < 4; i++)
            tc_lab_restart(lab, i, false);
        tc_lab_run(lab, 10000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), 0);
        finish(lab);
    }
}

static void test_runs_repeat(void **state)
{
    (void)state;
    uint64_t traces[3];
    for (uint64_t i = 0; i < 3; i++) {
        struct tc_lab_options options = lab_options(4);
        options.seed = i == 2 ? 6 : 5;
        options.network.drop = 4000;
        options.sync_ns_max = MS / 2;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 50);
        tc_lab_load(lab, 1, 50);
        tc_lab_run(lab, 5000 * MS);
        traces[i] = tc_lab_trace(lab);
        finish(lab);
    }
    assert_true(traces[0] == traces[1]);
    assert_true(traces[0] != traces[2]);
}

/* The same messages with real signatures; how many decisions a second of processor time four replicas make. */
static void test_speed_with_real_signatures(void **state)
{
    (void)state;
    struct timespec begin, end;
    struct tc_lab_options options = lab_options(4);
    options.scheme = TC_SCHEME_ED25519;
    options.cluster.batch_max = 1;
    options.cluster.checkpoint_interval = 128;
    options.cluster.window = 256;
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_load(lab, 0, 200);
    tc_lab_load(lab, 1, 200);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    tc_lab_run(lab, 20000 * MS);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_int_equal(tc_lab_answered(lab), 400);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    print_message("Ed25519, 4 replicas and clients in one process, no batching: %.0f decisions per CPU second\n",
                  (double)tc_lab_executed(lab, 0) / seconds);
    finish(lab);
}

/* ---- one replica, fed by hand ---- */

struct bench {
    struct tc_make make;
    const struct tc_replica_class *class;
    struct tc_replica *replica;
    struct tc_outputs out;
    uint64_t now_ns;
};

static void bench_start(struct bench *b, uint16_t id, uint64_t bugs)
{
    struct tc_error err = {0};
    memset(b, 0, sizeof *b);
    tc_make_init(&b->make, 4);
    b->make.cluster.checkpoint_interval = 4;
    b->make.cluster.window = 8;
    b->make.cluster.batch_max = 4;
    b->make.cluster.pipeline_max = 4;
    b->make.cluster.view_timeout_ns = 100 * MS;
    b->make.cluster.view_timeout_max_ns = 1600 * MS;
    b->class = tc_replica_find("pbft");
    assert_non_null(b->class);
    const struct tc_replica_config config = {.id = id, .env = b->make.env, .bugs = bugs};
    b->replica = b->class->create(&config, &err);
    assert_non_null(b->replica);
    const struct tc_replica_event event = {.kind = TC_REPLICA_START};
    assert_int_equal(b->class->step(b->replica, &event, &b->out), 0);
}

static void bench_stop(struct bench *b)
{
    b->class->destroy(b->replica);
    tc_make_free(&b->make);
}

static void hear_bytes(struct bench *b, uint16_t peer, struct tc_slice frame)
{
    const struct tc_replica_event event = {
        .kind = TC_REPLICA_FRAME, .now_ns = ++b->now_ns, .peer = peer, .bytes = frame};
    assert_int_equal(b->class->step(b->replica, &event, &b->out), 0);
}

static void hear(struct bench *b, const Pbft__Envelope *envelope)
{
    hear_bytes(b, (uint16_t)envelope->sender, tc_make_frame(&b->make, envelope));
}

static void pass_time(struct bench *b, uint64_t delay_ns)
{
    b->now_ns += delay_ns;
    const struct tc_replica_event event = {.kind = TC_REPLICA_TIMER, .now_ns = b->now_ns};
    assert_int_equal(b->class->step(b->replica, &event, &b->out), 0);
}

/* How many frames of this type the last step sent; the last of them in *envelope. */
static uint32_t sent(struct bench *b, Pbft__Type type, Pbft__Envelope **envelope)
{
    uint32_t count = 0;
    for (size_t i = 0; i < b->out.count; i++) {
        Pbft__Envelope *found;
        if (b->out.items[i].kind != TC_OUT_SEND)
            continue;
        assert_int_equal(tc_pbft_unpack(b->out.items[i].bytes, &b->make.arena, &found), 0);
        if (found->type != type)
            continue;
        count++;
        if (envelope)
            *envelope = found;
    }
    return count;
}

static const struct tc_observation *observed(const struct bench *b, enum tc_observation_kind kind)
{
    for (size_t i = 0; i < b->out.count; i++)
        if (b->out.items[i].kind == TC_OUT_OBSERVE && b->out.items[i].observation.kind == kind)
            return &b->out.items[i].observation;
    return NULL;
}

static void assert_complaint(struct bench *b, const char *text, uint16_t peer)
{
    const struct tc_observation *complaint = observed(b, TC_OBS_COMPLAINT);
    assert_non_null(complaint);
    assert_string_equal(complaint->text, text);
    assert_int_equal(complaint->peer, peer);
    assert_int_equal(sent(b, PBFT__TYPE__PREPARE, NULL) + sent(b, PBFT__TYPE__COMMIT, NULL), 0);
}

/* Records come before everything that depends on them: here simply first, as many as said. */
static uint32_t persisted(const struct bench *b)
{
    uint32_t count = 0;
    for (size_t i = 0; i < b->out.count; i++)
        count += b->out.items[i].kind == TC_OUT_PERSIST;
    return count;
}

static Pbft__Envelope *proposal(struct bench *b, uint32_t sender, uint64_t view, uint64_t sequence, const char *text)
{
    Pbft__Envelope **requests = tc_arena_alloc(&b->make.arena, sizeof(Pbft__Envelope *));
    requests[0] = text ? tc_make_request(&b->make, TC_CLIENT_FIRST, sequence, text) : NULL;
    return tc_make_proposal(&b->make, sender, view, sequence, requests, text ? 1 : 0);
}

static ProtobufCBinaryData digest_of(struct bench *b, const Pbft__Envelope *pre_prepare)
{
    void *body;
    assert_int_equal(tc_pbft_get_body(pre_prepare, &pbft__pre_prepare__descriptor, &b->make.arena, &body), 0);
    return ((Pbft__PrePrepare *)body)->digest;
}

static void test_normal_case_by_hand(void **state)
{
    (void)state;
    struct bench b;
    Pbft__Envelope *said;
    bench_start(&b, 1, 0);
    Pbft__Envelope *first = proposal(&b, 0, 0, 1, "a");
    ProtobufCBinaryData digest = digest_of(&b, first);
    hear(&b, first);
    assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, &said), 3);
    assert_int_equal(persisted(&b), 1);
    assert_int_equal(tc_pbft_verify(&b.make.env, said), 0);
    hear(&b, first); /* again: nothing to say, nothing to write */
    assert_int_equal(b.out.count, 0);
    hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest));
    assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), 3);
    assert_int_equal(persisted(&b), 1);
    hear(&b, tc_make_prepare(&b.make, 3, 0, 1, digest)); /* beyond the quorum */
    assert_int_equal(b.out.count, 0);
    hear(&b, tc_make_commit(&b.make, 0, 0, 1, digest));
    assert_null(observed(&b, TC_OBS_EXECUTED));
    hear(&b, tc_make_commit(&b.make, 3, 0, 1, digest));
    const struct tc_observation *executed = observed(&b, TC_OBS_EXECUTED);
    assert_non_null(executed);
    assert_int_equal(executed->executed.sequence, 1);
    assert_int_equal(executed->executed.operation_count, 1);
    assert_true(executed->executed.operations[0].fresh);
    assert_memory_equal(executed->executed.value.bytes, digest.data, TC_VALUE_SIZE);
    assert_int_equal(sent(&b, PBFT__TYPE__REPLY, NULL), 1);
    assert_int_equal(persisted(&b), 1);
    /* the request again: answered from the table */
    hear(&b, tc_make_request(&b.make, TC_CLIENT_FIRST, 1, "a"));
    assert_int_equal(sent(&b, PBFT__TYPE__REPLY, NULL), 1);
    assert_null(observed(&b, TC_OBS_EXECUTED));
    bench_stop(&b);
}

static void test_empty_batch(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 1, 0);
    Pbft__Envelope *empty = proposal(&b, 0, 0, 1, NULL);
    ProtobufCBinaryData digest = digest_of(&b, empty);
    assert_false(tc_pbft_is_null(digest.data));
    hear(&b, empty);
    assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), 3);
    hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest));
    hear(&b, tc_make_commit(&b.make, 0, 0, 1, digest));
    hear(&b, tc_make_commit(&b.make, 2, 0, 1, digest));
    const struct tc_observation *executed = observed(&b, TC_OBS_EXECUTED);
    assert_non_null(executed);
    assert_int_equal(executed->executed.operation_count, 0);
    assert_int_equal(executed->executed.value.state, TC_VALUE_BYTES);
    bench_stop(&b);
}

static void test_refusals(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 1, 0);
    Pbft__Envelope *good = proposal(&b, 0, 0, 1, "a"), *other = proposal(&b, 0, 0, 1, "b");
    ProtobufCBinaryData digest = digest_of(&b, good);
    Pbft__Envelope *forged = proposal(&b, 0, 0, 2, "c");
    forged->signature.data[7] ^= 1;
    hear(&b, forged);
    assert_complaint(&b, "bad signature on pre-prepare", 0);
    hear(&b, proposal(&b, 2, 0, 1, "a"));
    assert_complaint(&b, "pre-prepare for view 0 that is not its primary's", 2);
    Pbft__Envelope *mixed = proposal(&b, 0, 0, 3, "d");
    mixed->requests[0] = tc_make_request(&b.make, TC_CLIENT_FIRST, 99, "e");
    hear(&b, mixed);
    assert_complaint(&b, "batch of pre-prepare view 0 sequence 3 does not match its digest", 0);
    Pbft__Envelope *unsigned_request = proposal(&b, 0, 0, 3, "d");
    unsigned_request->requests[0]->signature.data[0] ^= 1;
    hear(&b, unsigned_request);
    assert_complaint(&b, "bad signature on request of client 128 in pre-prepare", 0);
    hear(&b, proposal(&b, 0, 0, 9, "beyond the window of 8"));
    assert_int_equal(b.out.count, 0);
    hear(&b, proposal(&b, 0, 0, 0, "below it"));
    assert_int_equal(b.out.count, 0);
    hear(&b, proposal(&b, 1, 1, 1, "another view"));
    assert_int_equal(b.out.count, 0);
    hear(&b, good);
    assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), 3);
    hear(&b, other);
    assert_complaint(&b, "second pre-prepare for view 0 sequence 1", 0);
    Pbft__Envelope *vote = tc_make_prepare(&b.make, 2, 0, 1, digest);
    vote->signature.data[0] ^= 1;
    hear(&b, vote);
    assert_complaint(&b, "bad signature on prepare", 2);
    b.now_ns += 2000 * MS; /* the next second's ration of complaints */
    hear(&b, tc_make_prepare(&b.make, 0, 0, 1, digest));
    assert_complaint(&b, "prepare that its sender may not say", 0);
    hear_bytes(&b, 3, (struct tc_slice){(const uint8_t *)"\0\0\0\2\xff\xff", 6});
    assert_complaint(&b, "malformed frame of 6 bytes", 3);
    bench_stop(&b);
}

static void test_complaints_are_rationed(void **state)
{
    (void)state;
    struct bench b;
    uint32_t count = 0;
    bench_start(&b, 1, 0);
    Pbft__Envelope *vote = tc_make_prepare(&b.make, 2, 0, 1, tc_make_digest(&b.make, 1));
    vote->signature.data[0] ^= 1;
    for (uint32_t i = 0; i < 100; i++) {
        hear(&b, vote);
        count += observed(&b, TC_OBS_COMPLAINT) != NULL;
    }
    assert_int_equal(count, 8);
    bench_stop(&b);
}

/* Our own messages played back to us are no votes of others, and a vote said twice counts once. */
static void test_votes_count_once(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 1, 0);
    Pbft__Envelope *first = proposal(&b, 0, 0, 1, "a");
    ProtobufCBinaryData digest = digest_of(&b, first);
    hear(&b, first);
    hear(&b, tc_make_prepare(&b.make, 1, 0, 1, digest));
    assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), 0);
    hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest));
    for (int i = 0; i < 3; i++) {
        hear(&b, tc_make_commit(&b.make, 2, 0, 1, digest));
        hear(&b, tc_make_commit(&b.make, 1, 0, 1, digest));
        assert_null(observed(&b, TC_OBS_EXECUTED));
    }
    bench_stop(&b);
}

/* ---- seeded bugs: each does its one thing, and the correct replica does not ---- */

static void test_bug_names(void **state)
{
    (void)state;
    assert_int_equal(tc_bug_find("commit-quorum-2f"), TC_BUG_COMMIT_QUORUM);
    assert_int_equal(tc_bug_find("no such bug"), -1);
    for (int i = 0; i < TC_BUG_COUNT; i++)
        assert_int_equal(tc_bug_find(tc_bugs[i].name), i);
}

static uint64_t bug_or_none(int with, enum tc_bug bug)
{
    return with ? TC_BUG_BIT(bug) : 0;
}

static void test_bug_prepare_quorum(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_PREPARE_QUORUM));
        hear(&b, proposal(&b, 0, 0, 1, "a"));
        assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), with ? 3 : 0);
        bench_stop(&b);
    }
}

static void test_bug_commit_quorum(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_COMMIT_QUORUM));
        Pbft__Envelope *first = proposal(&b, 0, 0, 1, "a");
        hear(&b, first);
        hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest_of(&b, first)));
        hear(&b, tc_make_commit(&b.make, 2, 0, 1, digest_of(&b, first)));
        assert_int_equal(observed(&b, TC_OBS_EXECUTED) != NULL, with);
        bench_stop(&b);
    }
}

static void test_bug_digest_ignored(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_PREPARE_DIGEST_IGNORED));
        hear(&b, proposal(&b, 0, 0, 1, "a"));
        hear(&b, tc_make_prepare(&b.make, 2, 0, 1, tc_make_digest(&b.make, 9)));
        assert_int_equal(sent(&b, PBFT__TYPE__COMMIT, NULL), with ? 3 : 0);
        bench_stop(&b);
    }
}

static const Pbft__ViewChange *view_change_said(struct bench *b)
{
    Pbft__Envelope *envelope;
    void *body;
    assert_int_equal(sent(b, PBFT__TYPE__VIEW_CHANGE, &envelope), 3);
    assert_int_equal(tc_pbft_verify(&b->make.env, envelope), 0);
    assert_int_equal(tc_pbft_get_body(envelope, &pbft__view_change__descriptor, &b->make.arena, &body), 0);
    return body;
}

static void test_bug_prepared_dropped(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_PREPARED_DROPPED));
        Pbft__Envelope *first = proposal(&b, 0, 0, 1, "a");
        hear(&b, first);
        hear(&b, tc_make_prepare(&b.make, 2, 0, 1, digest_of(&b, first)));
        pass_time(&b, 150 * MS);
        assert_int_equal(view_change_said(&b)->n_prepared, with ? 0 : 1);
        bench_stop(&b);
    }
}

static void test_bug_view_change_quorum(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 1, bug_or_none(with, TC_BUG_VIEW_CHANGE_QUORUM));
        hear(&b, tc_make_request(&b.make, TC_CLIENT_FIRST, 1, "a"));
        pass_time(&b, 150 * MS); /* its own */
        assert_int_equal(view_change_said(&b)->view, 1);
        hear(&b, tc_make_view_change(&b.make, 2, 1, 0, NULL, 0));
        assert_int_equal(sent(&b, PBFT__TYPE__NEW_VIEW, NULL), with ? 3 : 0);
        hear(&b, tc_make_view_change(&b.make, 3, 1, 0, NULL, 0));
        assert_int_equal(sent(&b, PBFT__TYPE__NEW_VIEW, NULL), with ? 0 : 3);
        bench_stop(&b);
    }
}

static void test_bug_new_view_unchecked(void **state)
{
    (void)state;
    const uint32_t signers[] = {1, 2};
    for (int with = 0; with < 2; with++) {
        struct bench b;
        bench_start(&b, 3, bug_or_none(with, TC_BUG_NEW_VIEW_UNCHECKED));
        Pbft__Prepared *prepared = tc_make_prepared(&b.make, 0, 1, tc_make_digest(&b.make, 1), signers, 2);
        Pbft__Envelope *changes[3], *lie = tc_make_pre_prepare(&b.make, 1, 1, 1, tc_make_digest(&b.make, 2));
        for (uint32_t i = 0; i < 3; i++)
            changes[i] = tc_make_view_change(&b.make, i, 1, 0, &prepared, i == 1 ? 1 : 0);
        hear(&b, tc_make_new_view(&b.make, 1, 1, changes, 3, &lie, 1));
        assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), with ? 3 : 0);
        if (!with) {
            assert_complaint(&b, "invalid new view 1", 1);
            Pbft__Envelope *truth = tc_make_pre_prepare(&b.make, 1, 1, 1, tc_make_digest(&b.make, 1));
            hear(&b, tc_make_new_view(&b.make, 1, 1, changes, 2, &truth, 1)); /* too few view changes */
            assert_complaint(&b, "invalid new view 1", 1);
            hear(&b, tc_make_new_view(&b.make, 1, 1, changes, 3, &truth, 1));
            assert_int_equal(sent(&b, PBFT__TYPE__PREPARE, NULL), 3);
            assert_int_equal(sent(&b, PBFT__TYPE__BATCH_REQUEST, NULL), 3);
            assert_true(observed(&b, TC_OBS_VIEW)->view.active);
        }
        bench_stop(&b);
    }
}

/* f+1 others ask for later views: the smallest of them is joined, without waiting. */
static void test_joins_smallest_view(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, 3, 0);
    hear(&b, tc_make_view_change(&b.make, 0, 7, 0, NULL, 0));
    assert_int_equal(sent(&b, PBFT__TYPE__VIEW_CHANGE, NULL), 0);
    hear(&b, tc_make_view_change(&b.make, 1, 5, 0, NULL, 0));
    assert_int_equal(view_change_said(&b)->view, 5);
    hear(&b, tc_make_view_change(&b.make, 1, 4, 0, NULL, 0)); /* an old one, replayed */
    assert_int_equal(b.out.count, 0);
    bench_stop(&b);
}

/* ---- records ---- */

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
        Pbft__Envelope *first = proposal(b, 0, 0, i, "a");
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
        Pbft__Envelope *own;
        void *body;
        assert_int_equal(sent(b, PBFT__TYPE__CHECKPOINT, &own), 3);
        assert_int_equal(tc_pbft_get_body(own, &pbft__checkpoint__descriptor, &b->make.arena, &body), 0);
        ProtobufCBinaryData digest = ((Pbft__Checkpoint *)body)->digest;
        hear(b, tc_make_checkpoint(&b->make, 0, 4, digest));
        hear(b, tc_make_checkpoint(&b->make, 2, 4, digest));
        assert_non_null(observed(b, TC_OBS_STABLE));
        keep_records(b, records);
    }
    Pbft__Envelope *sixth = proposal(b, 0, 0, 6, "b");
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

static void test_impossible_configurations(void **state)
{
    (void)state;
    struct bench b;
    struct tc_error err = {0};
    bench_start(&b, 0, 0);
    struct tc_replica_config config = {.id = 9, .env = b.make.env};
    assert_null(b.class->create(&config, &err));
    assert_int_equal(err.code, TC_EUSAGE);
    config.id = 0;
    b.make.cluster.window = 2;
    assert_null(b.class->create(&config, &err));
    b.make.cluster.window = 8;
    b.make.cluster.quorum = 5;
    assert_null(b.class->create(&config, &err));
    b.make.cluster.quorum = 0;
    struct tc_keyring *empty = tc_keyring_new(TC_SCHEME_KEYED_HASH);
    config.env.keys = empty;
    assert_null(b.class->create(&config, &err));
    assert_int_equal(err.code, TC_EKEY);
    tc_keyring_free(empty);
    assert_null(tc_replica_find("no such protocol"));
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_count),
        cmocka_unit_test(test_primary_dies),
        cmocka_unit_test(test_timeouts_double),
        cmocka_unit_test(test_three_replicas),
        cmocka_unit_test(test_batches_and_pipeline),
        cmocka_unit_test(test_mac_vectors),
        cmocka_unit_test(test_wiped_replica),
        cmocka_unit_test(test_everybody_crashes),
        cmocka_unit_test(test_runs_repeat),
        cmocka_unit_test(test_speed_with_real_signatures),
        cmocka_unit_test(test_normal_case_by_hand),
        cmocka_unit_test(test_empty_batch),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_complaints_are_rationed),
        cmocka_unit_test(test_votes_count_once),
        cmocka_unit_test(test_bug_names),
        cmocka_unit_test(test_bug_prepare_quorum),
        cmocka_unit_test(test_bug_commit_quorum),
        cmocka_unit_test(test_bug_digest_ignored),
        cmocka_unit_test(test_bug_prepared_dropped),
        cmocka_unit_test(test_bug_view_change_quorum),
        cmocka_unit_test(test_bug_new_view_unchecked),
        cmocka_unit_test(test_joins_smallest_view),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_impossible_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
