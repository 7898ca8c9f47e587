/* Runs of the simulation recorded on a tape and replayed: to the byte when whole, and after shrinking the same oracle,
 * with nothing left that could be left out.
 * links: tc_trial tc_decisions tc_reports tc_sim tc_lua tc_oracles tc_engine tc_protocol */
#include "../../injectors/replay.h"
#include "../../proxy/nodeset.h"
#include "../../proxy/trial.h"
#include "../../reference/bugs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct tc_scenario scenario;

static struct tc_trial *open_trial(const char *name, const char *strategy, const char *bug)
{
    struct tc_error err = {0};
    struct tc_trial *trial = NULL;
    if (tc_scenario_load(TC_SOURCE_LUA_DIR, name, &scenario, &err) < 0)
        fail_msg("%s", err.text);
    scenario.phase_ns[TC_RUN_BEFORE] = scenario.phase_ns[TC_RUN_BEFORE] ? 50 * MS : 0;
    scenario.phase_ns[TC_RUN_DURING] = 250 * MS;
    scenario.phase_ns[TC_RUN_AFTER] = 150 * MS;
    const struct tc_trial_setup setup = {.scenario = &scenario,
                                         .lua_dir = TC_SOURCE_LUA_DIR,
                                         .strategy = tc_adversary_find(strategy),
                                         .bugs = *bug ? TC_BUG_BIT(tc_bug_find(bug)) : 0,
                                         .decisions_max = strategy[0] ? 10 : 0};
    if (tc_trial_new(&setup, &trial, &err) < 0)
        fail_msg("%s", err.text);
    return trial;
}

static const struct tc_handler *onto_tape(void *self, const struct tc_handler *handler, struct tc_ledger *ledger)
{
    return tc_tape_record(self, handler, ledger);
}

static void run(struct tc_trial *trial, const struct tc_trial_request *request, struct tc_trial_result *out)
{
    struct tc_error err = {0};
    if (tc_trial_run(trial, request, out, &err) < 0)
        fail_msg("seed %llu: %s", (unsigned long long)request->seed, err.text);
}

static uint32_t traitors_max(void)
{
    return scenario.traitors_max >= 0 ? (uint32_t)scenario.traitors_max : scenario.cluster.cluster.f;
}

/* Records one run and replays it. */
static void repeats(const char *name, const char *strategy, const char *bug, uint64_t seed, bool acts)
{
    static struct tc_tape tape;
    static struct tc_trial_result recorded, replayed;
    struct tc_trial *trial = open_trial(name, strategy, bug);
    struct tc_replay *replay;
    tc_tape_init(&tape);
    run(trial, &(struct tc_trial_request){.seed = seed, .wrap = onto_tape, .wrap_self = &tape}, &recorded);
    const enum tc_status status = recorded.summary.status;
    if (acts)
        assert_true(tape.choice_count > 0);
    assert_false(tape.full);
    assert_int_equal(tc_replay_new(&tape, &replay), 0);
    struct tc_ledger ledger = {.traitors_max = traitors_max()};
    run(trial,
        &(struct tc_trial_request){.seed = seed, .handler = tc_replay_begin(replay, NULL, &ledger), .ledger = &ledger},
        &replayed);
    if (replayed.hash != recorded.hash)
        fail_msg("%s by %s, seed %llu: the replay is another run (%u of %u decisions matched)", name, strategy,
                 (unsigned long long)seed, tc_replay_matched(replay), tape.choice_count);
    assert_int_equal(replayed.summary.status, status);
    assert_int_equal(tc_replay_matched(replay), tape.choice_count);
    assert_true(tc_nodeset_equal(&replayed.faults.signed_for, &recorded.faults.signed_for));
    tc_replay_free(replay);
    tc_tape_free(&tape);
    tc_trial_free(trial);
}

static void scripts_repeat_to_the_byte(void **state)
{
    (void)state;
    static const char *const names[] = {
        "equivocate-half",
        "partition-and-heal",
        "crash-restart",
        "silent-leader",
        "reorder-and-duplicate",
        "hidden-commit",
        "slow-leader",
        "corrupt-bytes",
        "hotstuff-equivocate-half",
        "hotstuff-partition-and-heal",
        "hotstuff-crash-restart",
        "chained-hotstuff-equivocate-half",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        repeats(names[i], "", "", 7 + i, false);
}

static void strategies_repeat_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; tc_adversaries[i]; i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            repeats("hunt-pbft", tc_adversaries[i]->name, "", seed, false);
            repeats("hunt-hotstuff", tc_adversaries[i]->name, "", seed, false);
        }
}

/* ---- shrinking a run ---- */

struct failing {
    struct tc_trial *trial;
    struct tc_replay *replay;
    uint64_t seed;
    struct tc_trial_result result;
};

static int still_violated(void *self, bool *left_out, uint32_t count)
{
    struct failing *f = self;
    struct tc_ledger ledger = {.traitors_max = traitors_max()};
    (void)count;
    run(f->trial,
        &(struct tc_trial_request){
            .seed = f->seed, .handler = tc_replay_begin(f->replay, left_out, &ledger), .ledger = &ledger},
        &f->result);
    return f->result.summary.status == TC_VIOLATED && strcmp(f->result.summary.first->oracle, "justification") == 0;
}

/* Two backups' votes named otherwise than they are: a seeded bug that needs a traitor. */
static void a_violation_shrinks(void **state)
{
    (void)state;
    static struct tc_tape tape;
    static struct failing f;
    struct tc_shrink_result result;
    bool found = false;
    f.trial = open_trial("hunt-pbft", "byzzfuzz", "prepare-digest-ignored");
    tc_tape_init(&tape);
    for (f.seed = 0; f.seed < 2000 && !found; f.seed++) {
        run(f.trial, &(struct tc_trial_request){.seed = f.seed, .wrap = onto_tape, .wrap_self = &tape}, &f.result);
        found = f.result.summary.status == TC_VIOLATED && strcmp(f.result.summary.first->oracle, "justification") == 0;
    }
    assert_true(found);
    f.seed--;
    assert_int_equal(tc_replay_new(&tape, &f.replay), 0);
    bool *left_out = calloc(tape.choice_count, sizeof *left_out);
    assert_non_null(left_out);
    assert_int_equal(still_violated(&f, left_out, tape.choice_count), 1);
    assert_int_equal(tc_shrink(tape.choice_count, left_out, &(struct tc_shrink_search){.tried_max = 5000},
                               still_violated, &f, &result),
                     0);
    assert_true(result.minimal);
    assert_in_range(result.kept, 1, 20);
    assert_int_equal(still_violated(&f, left_out, tape.choice_count), 1);
    for (uint32_t i = 0; i < tape.choice_count; i++) {
        if (left_out[i])
            continue;
        left_out[i] = true;
        assert_int_equal(still_violated(&f, left_out, tape.choice_count), 0);
        left_out[i] = false;
    }
    free(left_out);
    tc_replay_free(f.replay);
    tc_tape_free(&tape);
    tc_trial_free(f.trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_repeat_to_the_byte),
        cmocka_unit_test(strategies_repeat_to_the_byte),
        cmocka_unit_test(a_violation_shrinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
