/* Whole HotStuff clusters in the lab, basic and chained: what a decision costs, and how a replica that was away comes
 * back. The random schedules are in tests/sim/test_hotstuff_random.c.
 *
 * links: tc_testlib tc_oracles tc_engine tc_protocol */
#include "../../proxy/nodeset.h"
#include "../../reference/hotstuff/protocol.h"
#include "../../reference/hotstuff/wire.h"
#include "../lib/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

/* One client; every message takes a millisecond. Even seeds run the basic protocol, odd ones the chained. */
static struct tc_lab_options lab_options(uint64_t seed, uint32_t n)
{
    struct tc_lab_options options = {
        .protocol = seed & 1 ? "chained-hotstuff" : "hotstuff", .scheme = TC_SCHEME_KEYED_HASH, .seed = seed};
    strcpy(options.cluster.id, "lab");
    options.cluster.n = n;
    options.cluster.f = (n - 1) / 3;
    options.cluster.client_count = 1;
    tc_cluster_defaults(&options.cluster);
    options.network.latency_min_ns = options.network.latency_max_ns = MS;
    return options;
}

static uint64_t between_replicas(const struct tc_lab *lab)
{
    uint64_t sum = 0;
    for (uint32_t type = HOTSTUFF__TYPE__PREPARE; type <= HOTSTUFF__TYPE__STATE; type++)
        sum += tc_lab_sent(lab, type);
    return sum;
}

/* No failures: exactly 8(n-1) messages a decision with new-view messages (basic), 2(n-1) a view (chained). The first
 * view needs no new-view messages; the chained run ends with the empty views that commit its last block. */
static void test_cost(void **state)
{
    static const uint32_t sizes[] = {4, 7, 10, 16, 31};
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        const uint32_t n = sizes[i / 2];
        struct tc_lab_options options = lab_options(i, n);
        options.retry_ns = 100000 * MS;
        options.cluster.view_timeout_ns = 50000 * MS;
        options.cluster.view_timeout_max_ns = 50000 * MS;
        options.network.fifo = true;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 50);
        tc_lab_run(lab, 20000 * MS);
        assert_null(tc_lab_failure(lab));
        assert_int_equal(tc_lab_answered(lab), 50);
        const uint64_t peers = n - 1;
        if (i & 1) {
            const uint64_t views = tc_lab_sent(lab, HOTSTUFF__TYPE__GENERIC) / peers;
            assert_true(views >= 50);
            assert_int_equal(tc_lab_sent(lab, HOTSTUFF__TYPE__GENERIC), views * peers);
            assert_int_equal(between_replicas(lab), views * 2 * peers);
        } else {
            assert_int_equal(between_replicas(lab), 50 * 8 * peers);
        }
        tc_lab_free(lab);
    }
}

/* A replica that was away for longer than blocks are kept comes back by a state that f+1 others have. */
static void test_lagging(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct tc_lab_options options = lab_options(i, 4);
        options.retry_ns = 150 * MS;
        options.cluster.client_count = 4;
        options.cluster.checkpoint_interval = 8;
        options.cluster.batch_max = 6;
        options.cluster.pipeline_max = 1;
        options.cluster.view_timeout_ns = 100 * MS;
        options.cluster.view_timeout_max_ns = 1600 * MS;
        options.cluster.window = i < 2 ? 16 : 512; /* blocks alone are enough for the long window */
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_crash(lab, 3);
        tc_lab_load(lab, 0, 100);
        tc_lab_run(lab, 60000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), 0);
        tc_lab_restart(lab, 3, false);
        tc_lab_load(lab, 0, 20);
        tc_lab_run(lab, 80000 * MS);
        assert_null(tc_lab_failure(lab));
        assert_int_equal(tc_lab_outstanding(lab), 0);
        assert_int_equal(tc_lab_transfers(lab) > 0, i < 2);
        assert_true(tc_lab_executed(lab, 3) + 1 >= tc_lab_executed(lab, 0));
        tc_lab_free(lab);
    }
}

/* Is what is written by hand what protobuf-c would write? */
static Hotstuff__Voting *canonical_voting(struct tc_slice packed)
{
    Hotstuff__Voting *voting = hotstuff__voting__unpack(NULL, packed.len, packed.data);
    assert_non_null(voting);
    assert_int_equal(hotstuff__voting__get_packed_size(voting), packed.len);
    uint8_t *again = malloc(packed.len);
    assert_non_null(again);
    hotstuff__voting__pack(voting, again);
    assert_memory_equal(again, packed.data, packed.len);
    free(again);
    return voting;
}

/* Leaders that are away give timeout certificates; the disks of those that stay hold every kind of certificate. */
static void test_voting_records(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        struct tc_lab_options options = lab_options(seed, 4);
        uint32_t plain = 0, timeouts = 0, decided = 0;
        options.retry_ns = 150 * MS;
        options.cluster.view_timeout_ns = 100 * MS;
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_crash(lab, 2);
        tc_lab_load(lab, 0, 20);
        tc_lab_run(lab, 60000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), 0);
        struct tc_slice record;
        for (uint32_t i = 0; (record = tc_lab_record(lab, 1, i)).len > 0; i++) {
            if (record.data[0] != 2)
                continue;
            Hotstuff__Voting *voting = canonical_voting((struct tc_slice){record.data + 1, record.len - 1});
            plain += voting->high && voting->high->n_signers == 3 && voting->high->n_signatures == 3;
            timeouts += voting->timeout && voting->timeout->n_signers == 3;
            decided += voting->decided != NULL;
            hotstuff__voting__free_unpacked(voting, NULL);
        }
        assert_true(plain > 20);
        assert_true(timeouts > 5);
        assert_int_equal(decided > 0, seed == 0);
        tc_lab_free(lab);
    }
}

struct timers {
    const struct tc_protocol *protocol;
    struct tc_arena arena;
    uint64_t last_ns[4]; /* that each replica said */
    uint32_t doubled, at_most;
    bool silent; /* no leader is heard */
};

static bool leaders_are_silent(void *self, struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct timers *t = self;
    struct tc_message m = {.from = from, .to = to};
    (void)lab;
    tc_arena_reset(&t->arena);
    return t->silent && t->protocol->decode(frame, &t->arena, &m) == 0 && m.statement_count > 0 &&
           (m.statements[0].kind == TC_KIND_PROPOSE || m.statements[0].kind == TC_KIND_NEW_VIEW);
}

static void on_view(void *self, uint16_t node, const struct tc_observation *o)
{
    struct timers *t = self;
    if (o->kind != TC_OBS_VIEW || node >= 4 || !t->silent)
        return;
    const uint64_t before_ns = t->last_ns[node], now_ns = o->view.timeout_ns;
    assert_in_range(now_ns, 100 * MS, 1600 * MS);
    assert_true(before_ns == 0 || now_ns <= 2 * before_ns);
    t->doubled += now_ns == 2 * before_ns;
    t->at_most += now_ns == 1600 * MS;
    t->last_ns[node] = now_ns;
}

/* Each view that fails doubles the timer, up to the bound and no further: so they decide soon once leaders are heard.
 */
static void test_capped_doubling(void **state)
{
    (void)state;
    static const char *const protocols[] = {"hotstuff", "chained-hotstuff", "pbft"};
    for (size_t i = 0; i < 3; i++) {
        struct timers t = {.protocol = tc_protocol_find(protocols[i])};
        struct tc_lab_options options = lab_options(i, 4);
        options.protocol = protocols[i];
        options.retry_ns = 150 * MS;
        options.cluster.view_timeout_ns = 100 * MS;
        options.cluster.view_timeout_max_ns = 1600 * MS;
        options.hook = leaders_are_silent;
        options.hook_self = &t;
        options.watch = (struct tc_lab_watch){.observed = on_view, .self = &t};
        tc_arena_init(&t.arena, 1u << 20);
        struct tc_lab *lab = tc_lab_new(&options);
        tc_lab_load(lab, 0, 3);
        tc_lab_run(lab, 1000 * MS);
        assert_int_equal(tc_lab_outstanding(lab), 0);
        t.silent = true;
        tc_lab_load(lab, 0, 3);
        tc_lab_run(lab, 20000 * MS);
        t.silent = false;
        print_message("%s: doubled %u, at most %u\n", protocols[i], t.doubled, t.at_most);
        assert_int_equal(tc_lab_outstanding(lab), 3);
        assert_in_range(t.doubled, 4, 4 * 4); /* 100, 200, 400, 800, 1600; who joins others need not have waited */
        assert_true(t.at_most > 4 * 5);
        tc_lab_run(lab, 26000 * MS);
        assert_null(tc_lab_failure(lab));
        assert_int_equal(tc_lab_outstanding(lab), 0);
        tc_lab_free(lab);
        tc_arena_free(&t.arena);
    }
}

struct late_liar {
    struct tc_arena arena;
    uint8_t prepare[4096]; /* the newest proposal of the traitor's own view */
    size_t prepare_len;
    uint32_t told;
};

/* Beside its commit message the traitor sends a second proposal of the same view. */
static bool proposes_twice(void *self, struct tc_lab *lab, uint16_t from, uint16_t to, struct tc_slice frame)
{
    struct late_liar *liar = self;
    struct tc_message m = {.from = from, .to = to}, second, sealed;
    struct tc_error err = {0};
    tc_arena_reset(&liar->arena);
    if (from != 1 || tc_hotstuff.decode(frame, &liar->arena, &m) != 0 || m.statement_count == 0)
        return false;
    if (m.statements[0].kind == TC_KIND_PROPOSE && m.statements[0].phase == TC_PHASE_PREPARE) {
        assert_in_range(frame.len, 1, sizeof liar->prepare);
        memcpy(liar->prepare, frame.data, frame.len);
        liar->prepare_len = frame.len;
    }
    if (m.statements[0].kind != TC_KIND_PROPOSE || m.statements[0].phase != TC_PHASE_COMMIT || liar->prepare_len == 0)
        return false;
    const struct tc_slice first = {liar->prepare, liar->prepare_len};
    assert_int_equal(tc_hotstuff.decode(first, &liar->arena, &m), 0);
    if (tc_hotstuff.perturb(tc_lab_env(lab), &m, 7, true, &liar->arena, &second, &err) != 0)
        return false;
    assert_int_equal(tc_hotstuff.sign(tc_lab_env(lab), &second, 1, &liar->arena, &sealed), 0);
    tc_lab_deliver(lab, from, to, sealed.frame, 0);
    liar->told++;
    return false;
}

/* Votes of a view go up its phases and never back: a second proposal that comes between gets no vote. (The lab fails
 * whoever votes for two.) */
static void test_phases_go_up(void **state)
{
    (void)state;
    struct late_liar liar = {.told = 0};
    struct tc_lab_options options = lab_options(0, 4);
    tc_arena_init(&liar.arena, 1u << 20);
    options.retry_ns = 150 * MS;
    tc_nodeset_add(&options.traitors, 1);
    options.hook = proposes_twice;
    options.hook_self = &liar;
    options.network.fifo = true;
    struct tc_lab *lab = tc_lab_new(&options);
    tc_lab_load(lab, 0, 20);
    tc_lab_run(lab, 20000 * MS);
    assert_null(tc_lab_failure(lab));
    assert_int_equal(tc_lab_outstanding(lab), 0);
    assert_true(liar.told >= 12);
    tc_lab_free(lab);
    tc_arena_free(&liar.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost), cmocka_unit_test(test_lagging),
                                       cmocka_unit_test(test_voting_records), cmocka_unit_test(test_capped_doubling),
                                       cmocka_unit_test(test_phases_go_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
