/* Strategies: each run is decided by seed and index alone, acts, and stays within its traitors; partitions are drawn
 * uniformly; rounds are ranks of slots. links: tc_trial */
#include "../../injectors/adversary_base.h"
#include "../../injectors/adversary_mail.h"
#include "../../proxy/trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const protocols[] = {"pbft", "hotstuff", "chained-hotstuff"};

static struct tc_trial *open_trial(struct tc_scenario *scenario, const char *protocol,
                                   const struct tc_adversary_class *strategy)
{
    struct tc_error err = {0};
    struct tc_trial *trial;
    char name[TC_NAME_MAX];
    snprintf(name, sizeof name, "hunt-%s", protocol);
    assert_int_equal(tc_scenario_load(TC_SOURCE_LUA_DIR, name, scenario, &err), 0);
    const struct tc_trial_setup setup = {
        .scenario = scenario, .lua_dir = TC_SOURCE_LUA_DIR, .strategy = strategy, .decisions_max = 6};
    assert_int_equal(tc_trial_new(&setup, &trial, &err), 0);
    return trial;
}

static struct tc_trial_result run(struct tc_trial *trial, uint64_t seed, uint64_t index)
{
    struct tc_error err = {0};
    struct tc_trial_result result;
    const struct tc_trial_request request = {.seed = seed, .index = index};
    if (tc_trial_run(trial, &request, &result, &err) != 0)
        fail_msg("%s", err.text);
    return result;
}

/* Another trial, another order of runs: the same hashes. */
static void runs_repeat(const struct tc_adversary_class *strategy, const char *protocol)
{
    static struct tc_scenario scenario;
    uint64_t hashes[6], different = 0, bitten = 0;
    struct tc_trial *trial = open_trial(&scenario, protocol, strategy);
    for (uint64_t i = 0; i < 6; i++) {
        const struct tc_trial_result result = run(trial, 100 + i, i + 1);
        hashes[i] = result.hash;
        bitten += result.bitten;
        different += i > 0 && hashes[i] != hashes[i - 1];
        assert_true(tc_nodeset_subset(&result.faults.signed_for, &result.traitors));
        assert_int_not_equal(result.summary.status, TC_VIOLATED);
    }
    tc_trial_free(trial);
    trial = open_trial(&scenario, protocol, strategy);
    for (uint64_t i = 6; i-- > 0;)
        assert_int_equal(run(trial, 100 + i, i + 1).hash, hashes[i]);
    tc_trial_free(trial);
    print_message("%s, %s: %llu faults bit in 6 runs\n", strategy->name, protocol, (unsigned long long)bitten);
    assert_true(bitten > 0 && different > 0);
}

static void strategies_are_decided_by_seed_and_index(void **state)
{
    (void)state;
    for (size_t s = 0; tc_adversaries[s]; s++)
        for (size_t p = 0; p < 3; p++)
            runs_repeat(tc_adversaries[s], protocols[p]);
}

static void names_are_found(void **state)
{
    (void)state;
    for (size_t s = 0; tc_adversaries[s]; s++) {
        assert_ptr_equal(tc_adversary_find(tc_adversaries[s]->name), tc_adversaries[s]);
        assert_true(strlen(tc_adversaries[s]->summary) > 10 && strlen(tc_adversaries[s]->source) > 3);
    }
    assert_null(tc_adversary_find("nonesuch"));
    assert_null(tc_adversary_find(NULL));
}

/* ---- clients ---- */

static void see_authenticator(void *self, const struct tc_decision *d)
{
    uint64_t *count = self;
    *count += d->bitten && d->why && strcmp(d->why, "authenticator") == 0 && d->from >= TC_CLIENT_FIRST;
}

static void see_nothing(void *self, const struct tc_observation *o)
{
    (void)self;
    (void)o;
}

/* Where requests bear vectors of MACs, clients make some that convince some replicas alone: a weakness, and no breach.
 */
static void clients_convince_some_replicas(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    static const char *const names[] = {"random", "strategic"};
    uint64_t count = 0;
    for (size_t s = 0; s < sizeof names / sizeof *names; s++) {
        struct tc_error err = {0};
        struct tc_trial_result result;
        struct tc_trial *trial = open_trial(&scenario, "pbft-mac", tc_adversary_find(names[s]));
        for (uint64_t i = 1; i <= 100; i++) {
            const struct tc_trial_request request = {
                .seed = i, .index = i, .sink = {&count, see_nothing, see_authenticator, NULL}};
            assert_int_equal(tc_trial_run(trial, &request, &result, &err), 0);
            assert_int_not_equal(result.summary.status, TC_VIOLATED);
        }
        tc_trial_free(trial);
        print_message("%s: %llu such requests so far\n", names[s], (unsigned long long)count);
    }
    assert_true(count > 2);
}

/* ---- after the attack ---- */

struct aftermath {
    bool begun;
    uint64_t of_traitors, of_others, during;
    struct tc_nodeset traitors;
};

static void see_phase(void *self, const struct tc_observation *o)
{
    struct aftermath *a = self;
    a->begun |= o->kind == TC_OBS_PHASE && o->phase.phase == TC_RUN_AFTER;
}

static void see_decision(void *self, const struct tc_decision *d)
{
    struct aftermath *a = self;
    const bool own = d->from != TC_NODE_NONE && tc_nodeset_has(&a->traitors, d->from);
    uint64_t *count = !a->begun ? &a->during : own ? &a->of_traitors : &a->of_others;
    *count += d->bitten;
}

/* The network heals and stays healed, and nobody crashes any more; who is a traitor lies on, and recovery is judged. */
static void only_traitors_go_on_after_the_attack(void **state)
{
    (void)state;
    static struct tc_scenario scenario;
    static const char *const names[] = {"random", "byzzfuzz", "strategic", "twins", "performance"};
    for (size_t s = 0; s < sizeof names / sizeof *names; s++) {
        struct aftermath sum = {.begun = false};
        struct tc_trial *trial;
        struct tc_error err = {0};
        assert_int_equal(tc_scenario_load(TC_SOURCE_LUA_DIR, "hunt-pbft", &scenario, &err), 0);
        scenario.phase_ns[TC_RUN_DURING] = UINT64_C(12000000);
        scenario.phase_ns[TC_RUN_AFTER] = UINT64_C(60000000);
        const struct tc_trial_setup setup = {
            .scenario = &scenario, .lua_dir = TC_SOURCE_LUA_DIR, .strategy = tc_adversary_find(names[s])};
        assert_int_equal(tc_trial_new(&setup, &trial, &err), 0);
        for (uint64_t i = 1; i <= 12; i++) {
            struct aftermath a = {.begun = false};
            struct tc_trial_result result = run(trial, 300 + i, i);
            a.traitors = result.traitors;
            const struct tc_trial_request request = {
                .seed = 300 + i, .index = i, .sink = {&a, see_phase, see_decision, NULL}};
            assert_int_equal(tc_trial_run(trial, &request, &result, &err), 0);
            assert_true(a.begun);
            assert_int_equal(a.of_others, 0);
            assert_int_not_equal(result.summary.status, TC_VIOLATED);
            sum.during += a.during;
            sum.of_traitors += a.of_traitors;
        }
        tc_trial_free(trial);
        print_message("%s: %llu faults bit during the attack, %llu of traitors after it\n", names[s],
                      (unsigned long long)sum.during, (unsigned long long)sum.of_traitors);
        assert_true(sum.during > 0 && sum.of_traitors > 0);
    }
}

/* ---- partitions ---- */

static bool well_formed(const uint8_t *block, uint32_t n, uint32_t count)
{
    uint8_t highest = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (block[i] > highest + (i > 0) || (i == 0 && block[i] != 0))
            return false;
        highest = block[i] > highest ? block[i] : highest;
    }
    return highest + 1u == count;
}

/* Of four nodes there are 15 partitions, one of them into a single block: each of the 14 others as often as any. */
static void partitions_are_uniform(void **state)
{
    (void)state;
    uint32_t seen[256] = {0}, kinds = 0;
    for (uint64_t i = 0; i < 14000; i++) {
        uint8_t block[4];
        const uint32_t count = tc_partition_draw(tc_random_mix(5, i), 4, block);
        assert_true(count >= 2 && well_formed(block, 4, count));
        seen[block[1] << 4 | block[2] << 2 | block[3]]++;
    }
    for (size_t i = 0; i < 256; i++) {
        kinds += seen[i] > 0;
        if (seen[i])
            assert_in_range(seen[i], 850, 1150); /* 1000 expected, standard deviation 30.5: five of them */
    }
    assert_int_equal(kinds, 14);
}

static void partitions_of_any_size(void **state)
{
    (void)state;
    uint8_t block[TC_REPLICAS_MAX];
    assert_int_equal(tc_partition_draw(1, 1, block), 1);
    for (uint32_t n = 2; n <= TC_REPLICAS_MAX; n += n < 12 ? 1 : 29)
        for (uint64_t i = 0; i < 20; i++)
            assert_true(well_formed(block, n, tc_partition_draw(tc_random_mix(n, i), n, block)));
}

/* ---- rounds ---- */

static uint32_t round_of(struct tc_rounds *rounds, enum tc_kind kind, uint8_t type, uint64_t view, uint64_t sequence,
                         uint16_t from)
{
    struct tc_statement s = {.kind = kind,
                             .type = type,
                             .has_view = view != UINT64_MAX,
                             .view = view,
                             .has_sequence = sequence > 0,
                             .sequence = sequence};
    const struct tc_message m = {.from = from, .statements = &s, .statement_count = 1};
    return tc_rounds_of(rounds, &m);
}

/* Slots 1 and 2 are under way together: each message has the round of its own slot and phase. */
static void rounds_are_ranks_of_slots(void **state)
{
    (void)state;
    struct tc_rounds rounds;
    tc_rounds_init(&rounds, tc_protocol_find("pbft"));
    assert_int_equal(round_of(&rounds, TC_KIND_PROPOSE, 2, 0, 1, 0), 1);
    assert_int_equal(round_of(&rounds, TC_KIND_PROPOSE, 2, 0, 2, 0), 2);
    assert_int_equal(round_of(&rounds, TC_KIND_VOTE, 3, 0, 1, 1), 3);
    assert_int_equal(round_of(&rounds, TC_KIND_VOTE, 3, 0, 2, 1), 4);
    assert_int_equal(round_of(&rounds, TC_KIND_VOTE, 3, 0, 1, 2), 3);
    assert_int_equal(round_of(&rounds, TC_KIND_PROPOSE, 2, 0, 1, 0), 1);
    assert_int_equal(round_of(&rounds, TC_KIND_REPLY, 5, 0, 0, 1), 4); /* no slot: its sender's last */
    assert_int_equal(round_of(&rounds, TC_KIND_REPLY, 5, 0, 0, 3), 1);
    for (uint64_t i = 0; i < 2 * TC_ROUNDS_MAX; i++)
        assert_true(round_of(&rounds, TC_KIND_VOTE, 4, 0, 10 + i, 1) <= TC_ROUNDS_MAX + 1);
    assert_int_equal(round_of(&rounds, TC_KIND_VOTE, 4, 7, 7, 1), TC_ROUNDS_MAX + 1);
}

static void rounds_without_phases_are_views(void **state)
{
    (void)state;
    struct tc_rounds rounds;
    tc_rounds_init(&rounds, tc_protocol_find("chained-hotstuff"));
    assert_int_equal(round_of(&rounds, TC_KIND_PROPOSE, 2, 5, 1, 0), 1);
    assert_int_equal(round_of(&rounds, TC_KIND_VOTE, 3, 5, 1, 1), 2);
    assert_int_equal(round_of(&rounds, TC_KIND_VOTE, 3, 7, 2, 1), 6);
    assert_int_equal(round_of(&rounds, TC_KIND_PROPOSE, 2, 6, 2, 1), 3);
    assert_int_equal(round_of(&rounds, TC_KIND_PROPOSE, 2, 4, 2, 1), 1);
    assert_int_equal(round_of(&rounds, TC_KIND_VOTE, 3, 999, 2, 1), TC_ROUNDS_MAX + 1);
}

/* ---- twins, performance ---- */

static void twins_dictate_leaders(void **state)
{
    (void)state;
    const struct tc_adversary_class *twins = tc_adversary_find("twins");
    struct tc_ledger ledger = {.traitors_max = 1};
    struct tc_cluster cluster = {.n = 4, .f = 1};
    uint32_t others = 0;
    tc_cluster_defaults(&cluster);
    for (uint64_t i = 0; i < 40; i++) {
        const struct tc_adversary_config config = {
            .protocol = tc_protocol_find("hotstuff"), .env = {.cluster = &cluster}, .ledger = &ledger, .index = i};
        twins->settle(&config, &cluster);
        assert_true(cluster.leader_count > 0);
        for (uint32_t view = 0; view < cluster.leader_count; view++) {
            const uint16_t leader = tc_protocol_dictated_leader(&cluster, view);
            if (i % 2 == 0)
                assert_int_equal(leader, 0); /* only who is twinned leads */
            else
                assert_in_range(leader, 1, 3);
            others += leader > 1;
        }
        if (i % 2 == 1) /* the others are alike until one of them leads */
            assert_int_equal(tc_protocol_dictated_leader(&cluster, 0), 1);
        assert_int_equal(tc_protocol_dictated_leader(&cluster, 64), 0);
        assert_int_equal(tc_protocol_dictated_leader(&cluster, 66), 2);
    }
    assert_true(others > 0);
}

static void performance_knows_its_actions(void **state)
{
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        const struct tc_protocol *protocol = tc_protocol_find(protocols[p]);
        const uint32_t count = tc_performance_count(protocol);
        char text[128], next[128];
        assert_true(count > 30);
        assert_string_equal(tc_performance_text(protocol, 0, text, sizeof text), "nothing");
        assert_string_equal(tc_performance_text(protocol, count + 1, text, sizeof text), "nothing");
        for (uint32_t c = 1; c < count; c++)
            assert_string_not_equal(tc_performance_text(protocol, c, text, sizeof text),
                                    tc_performance_text(protocol, c + 1, next, sizeof next));
    }
}

static void mail_comes_in_order(void **state)
{
    (void)state;
    static struct tc_mail mail;
    struct tc_mail_item item;
    uint8_t byte = 0;
    for (uint32_t i = 0; i < TC_MAIL_MAX; i++, byte++)
        assert_true(tc_mail_put(&mail, i, 1, 2, (struct tc_slice){&byte, 1}) == i + TC_MAIL_LATENCY_NS);
    assert_true(tc_mail_put(&mail, 9, 1, 2, (struct tc_slice){&byte, 1}) == 0);
    assert_false(tc_mail_take(&mail, TC_MAIL_LATENCY_NS - 1, &item));
    for (uint32_t i = 0; i < TC_MAIL_MAX; i++) {
        assert_true(tc_mail_take(&mail, i + TC_MAIL_LATENCY_NS, &item));
        assert_int_equal(item.frame.data[0], (uint8_t)i);
    }
    assert_false(tc_mail_take(&mail, UINT64_MAX, &item));
    tc_mail_free(&mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(strategies_are_decided_by_seed_and_index),
                                       cmocka_unit_test(names_are_found),
                                       cmocka_unit_test(clients_convince_some_replicas),
                                       cmocka_unit_test(only_traitors_go_on_after_the_attack),
                                       cmocka_unit_test(partitions_are_uniform),
                                       cmocka_unit_test(partitions_of_any_size),
                                       cmocka_unit_test(rounds_are_ranks_of_slots),
                                       cmocka_unit_test(rounds_without_phases_are_views),
                                       cmocka_unit_test(twins_dictate_leaders),
                                       cmocka_unit_test(performance_knows_its_actions),
                                       cmocka_unit_test(mail_comes_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
