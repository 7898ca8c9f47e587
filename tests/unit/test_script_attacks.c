/* links: tc_lua tc_engine tc_protocol tc_base
 * Each attack of the library, on messages as replicas would say them, does what its summary says. */
#include "script_fixture.h"

/* Loads an attack with arguments and begins it. */
static struct world *begun(uint32_t n, const char *attack, const char *argument, const char *second)
{
    struct world *w = world_new(n);
    w->args[0] = argument;
    w->args[1] = second;
    w->arg_count = argument ? (second ? 2 : 1) : 0;
    assert_int_equal(world_attack(w, attack), 0);
    int rc = world_begin(w);
    if (rc)
        print_error("%s\n", w->err.text);
    assert_int_equal(rc, 0);
    return w;
}

static enum tc_verb says(struct world *w, const struct tc_message *m)
{
    int rc = world_message(w, m);
    if (rc)
        print_error("%s\n", w->err.text);
    assert_int_equal(rc, 0);
    return w->plan->verdict.verb;
}

static enum tc_verb says_slot(struct world *w, const char *type, uint16_t signer, uint16_t to, uint64_t view,
                              uint64_t sequence, uint8_t mark)
{
    return says(w, make_slot(w, type, signer, to, view, sequence, mark));
}

static struct tc_message *replaced(struct world *w, uint32_t frame)
{
    assert_int_equal(w->plan->verdict.verb, TC_REPLACE);
    assert_true(w->plan->verdict.frame_count > frame);
    return decoded(w, w->plan->verdict.frames[frame]);
}

static bool valid(struct world *w, const struct tc_message *m)
{
    struct tc_protocol_env env = world_env(w);
    return tc_protocol_find("pbft")->verify(&env, &m->statements[0]) == 0;
}

static void sees_view(struct world *w, uint16_t node, uint64_t view)
{
    struct tc_observation o = {.kind = TC_OBS_VIEW, .node = node, .view = {.view = view, .active = true}};
    w->view = view;
    if (tc_script_handler(w->script)->calls >> TC_CALL_VIEW & 1u)
        assert_int_equal(world_call(w, (struct tc_call){.kind = TC_CALL_VIEW, .observation = &o}), 0);
}

static void fires(struct world *w, uint64_t token)
{
    int rc = world_call(w, (struct tc_call){.kind = TC_CALL_TIMER, .token = token});
    if (rc)
        print_error("%s\n", w->err.text);
    assert_int_equal(rc, 0);
}

static void silent_leader(void **state)
{
    (void)state;
    struct world *w = begun(4, "silent-leader", NULL, NULL);
    assert_int_equal(says_slot(w, "pre-prepare", 0, 1, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "commit", 0, 2, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "commit", 1, 0, 0, 1, 1), TC_FORWARD);
    assert_int_equal(says(w, make(w, "view-change", 0, 0, 2, NULL, NULL)), TC_DROP);
    assert_int_equal(says(w, make(w, "reply", 0, 0, 128, NULL, NULL)), TC_DROP);
    sees_view(w, 1, 1);
    assert_int_equal(says_slot(w, "prepare", 0, 1, 1, 2, 1), TC_DROP); /* for good */
    assert_int_equal(says_slot(w, "pre-prepare", 1, 2, 1, 2, 1), TC_FORWARD);
    world_free(w);
}

static void equivocate_half(void **state)
{
    (void)state;
    struct world *w = begun(4, "equivocate-half", "share=1/3", "omit_requests=true");
    int split = 0;
    for (uint16_t to = 1; to < 4; to++) {
        if (says_slot(w, "pre-prepare", 0, to, 0, 1, 1) == TC_FORWARD) {
            assert_int_equal(says_slot(w, "commit", 0, to, 0, 1, 1), TC_FORWARD);
            continue;
        }
        split++;
        struct tc_message *second = replaced(w, 0);
        assert_true(valid(w, second));
        assert_memory_not_equal(second->statements[0].value.bytes, "\1\1\1\1", 4);
        assert_int_equal(says_slot(w, "commit", 0, to, 0, 1, 1), TC_REPLACE);
        struct tc_message *vote = replaced(w, 0);
        assert_true(valid(w, vote));
        assert_memory_equal(vote->statements[0].value.bytes, second->statements[0].value.bytes, TC_VALUE_SIZE);
    }
    assert_int_equal(split, 1);
    assert_int_equal(says_slot(w, "prepare", 1, 2, 0, 1, 1), TC_FORWARD);
    assert_true(tc_nodeset_has(&w->ledger.signed_for, 0));
    assert_int_equal(tc_nodeset_count(&w->ledger.signed_for), 1);
    world_free(w);
}

/* The view timer of the imagined cluster is 0.5 s: any delay of it or more brings a view change. */
static void slow_leader(void **state)
{
    (void)state;
    struct world *w = begun(4, "slow-leader", NULL, NULL);
    uint64_t delay_ns = 0, view = 0;
    char told[256] = "";
    for (int round = 0; round < 40; round++) {
        uint64_t token = w->plan->timers[0].token;
        assert_int_equal(w->plan->timer_count, 1);
        w->now_ns = w->plan->timers[0].due_ns;
        assert_int_equal(says_slot(w, "pre-prepare", (uint16_t)(view % 4), 1 + (view % 4 == 1), view, 1, 1), TC_DELAY);
        delay_ns = w->plan->verdict.delay_ns;
        assert_int_equal(says_slot(w, "pre-prepare", (uint16_t)((view + 1) % 4), 3, view, 1, 1), TC_FORWARD);
        if (delay_ns >= 500000000) {
            sees_view(w, 1, ++view);
        } else {
            struct tc_observation o = {.kind = TC_OBS_EXECUTED, .node = 1};
            assert_int_equal(world_call(w, (struct tc_call){.kind = TC_CALL_DECIDE, .observation = &o}), 0);
        }
        fires(w, token);
        if (w->plan->note_count)
            snprintf(told, sizeof told, "%s", w->plan->notes[0]);
    }
    assert_true(delay_ns < 500000000 && delay_ns >= 494000000);
    assert_non_null(strstr(told, "the longest delay without a view change: 0.49"));
    world_free(w);
}

static void starve_replica(void **state)
{
    (void)state;
    struct world *w = begun(4, "starve-replica", "victim=2", NULL);
    assert_int_equal(says_slot(w, "pre-prepare", 0, 2, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "commit", 0, 2, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "pre-prepare", 0, 1, 0, 1, 1), TC_FORWARD);
    assert_int_equal(says_slot(w, "prepare", 1, 2, 0, 1, 1), TC_FORWARD);
    world_free(w);
    w = begun(4, "starve-replica", NULL, NULL); /* chosen by the seed: one backup */
    int starved = 0;
    for (uint16_t to = 1; to < 4; to++)
        starved += says_slot(w, "pre-prepare", 0, to, 0, 1, 1) == TC_DROP;
    assert_int_equal(starved, 1);
    world_free(w);
}

static void conflicting_votes(void **state)
{
    (void)state;
    struct world *w = begun(4, "conflicting-votes", NULL, NULL);
    assert_int_equal(says_slot(w, "prepare", 1, 2, 0, 1, 1), TC_FORWARD); /* nothing else to vote for yet */
    assert_int_equal(says_slot(w, "pre-prepare", 0, 2, 0, 1, 1), TC_FORWARD);
    assert_int_equal(says_slot(w, "prepare", 1, 2, 0, 1, 1), TC_REPLACE);
    assert_int_equal(w->plan->verdict.frame_count, 2);
    struct tc_message *truth = replaced(w, 0), *lie = replaced(w, 1);
    assert_true(valid(w, truth) && valid(w, lie));
    assert_int_equal(lie->statements[0].signer, 1);
    assert_true(lie->statements[0].slot == truth->statements[0].slot);
    assert_memory_not_equal(truth->statements[0].value.bytes, lie->statements[0].value.bytes, TC_VALUE_SIZE);
    assert_int_equal(says_slot(w, "prepare", 2, 3, 0, 1, 1), TC_FORWARD);
    world_free(w);
}

static void reorder_and_duplicate(void **state)
{
    (void)state;
    struct world *w = begun(4, "reorder-and-duplicate", NULL, NULL);
    int count[TC_VERB_COUNT] = {0};
    for (uint64_t i = 0; i < 400; i++)
        count[says_slot(w, "commit", 1, 2, 0, i, 1)]++;
    assert_in_range(count[TC_FORWARD], 150, 250);
    assert_in_range(count[TC_REORDER], 60, 140);
    assert_in_range(count[TC_DUPLICATE], 60, 140);
    assert_int_equal(tc_nodeset_count(&w->plan->traitors), 0);
    world_free(w);
}

static void corrupt_bytes(void **state)
{
    (void)state;
    struct world *w = begun(4, "corrupt-bytes", NULL, NULL);
    int corrupted = 0;
    for (uint64_t i = 0; i < 400; i++) {
        const struct tc_message *m = make_slot(w, "commit", 1, 2, 0, i, 1);
        if (says(w, m) != TC_REPLACE)
            continue;
        corrupted++;
        assert_int_equal(w->plan->verdict.frames[0].len, m->frame.len);
        assert_memory_not_equal(w->plan->verdict.frames[0].data, m->frame.data, m->frame.len);
    }
    assert_in_range(corrupted, 80, 160);
    assert_int_equal(says_slot(w, "commit", 2, 3, 0, 1, 1), TC_FORWARD);
    assert_int_equal(tc_nodeset_count(&w->ledger.signed_for), 0);
    world_free(w);
}

static void replay_old_view(void **state)
{
    (void)state;
    struct world *w = begun(4, "replay-old-view", NULL, NULL);
    assert_int_equal(w->plan->timer_count, 2);
    uint64_t stop = w->plan->timers[0].token, again = w->plan->timers[1].token;
    const struct tc_message *change = make(w, "view-change", 2, 2, 1, NULL, NULL);
    assert_int_equal(says(w, change), TC_FORWARD);
    fires(w, again);
    assert_int_equal(w->plan->op_count, 0); /* nothing is old yet */
    again = w->plan->timers[0].token;
    fires(w, stop);
    assert_int_equal(w->plan->ops[0].verb, TC_PAUSE);
    assert_int_equal(w->plan->ops[0].node, 0);
    sees_view(w, 1, 1);
    assert_int_equal(w->plan->ops[0].verb, TC_RESUME);
    assert_int_equal(w->plan->timer_count, 1); /* the second leader's turn comes */
    fires(w, again);
    assert_int_equal(w->plan->op_count, 1);
    assert_int_equal(w->plan->ops[0].verb, TC_SEND);
    assert_int_equal(w->plan->ops[0].from, 2);
    assert_int_equal(w->plan->ops[0].to, 1);
    assert_int_equal(w->plan->ops[0].frame.len, change->frame.len);
    assert_memory_equal(w->plan->ops[0].frame.data, change->frame.data, change->frame.len);
    assert_int_equal(w->plan->timer_count, 1); /* and again */
    world_free(w);
}

static void partition_and_heal(void **state)
{
    (void)state;
    struct world *w = begun(4, "partition-and-heal", NULL, NULL);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(w->plan->op_count, 1);
        assert_int_equal(w->plan->ops[0].verb, TC_PARTITION);
        assert_int_equal(w->plan->ops[0].block_count, 2);
        assert_int_equal(tc_nodeset_count(&w->plan->ops[0].blocks[0]), 2);
        assert_int_equal(tc_nodeset_count(&w->plan->ops[0].blocks[1]), 2);
        fires(w, w->plan->timers[0].token);
        assert_int_equal(w->plan->op_count, 1);
        assert_int_equal(w->plan->ops[0].verb, TC_HEAL);
        fires(w, w->plan->timers[0].token);
    }
    world_free(w);
}

static void crash_restart(void **state)
{
    (void)state;
    struct world *w = begun(4, "crash-restart", NULL, NULL);
    struct tc_nodeset victims = {0};
    for (int round = 0; round < 30; round++) {
        assert_int_equal(w->plan->ops[0].verb, TC_KILL);
        uint16_t victim = w->plan->ops[0].node;
        tc_nodeset_add(&victims, victim);
        uint64_t down_ns = w->plan->timers[0].due_ns - w->now_ns;
        assert_in_range(down_ns, 100000000, 300000000);
        w->now_ns = w->plan->timers[0].due_ns;
        fires(w, w->plan->timers[0].token);
        assert_int_equal(w->plan->ops[0].verb, TC_RESTART);
        assert_int_equal(w->plan->ops[0].node, victim);
        w->now_ns = w->plan->timers[0].due_ns;
        fires(w, w->plan->timers[0].token);
    }
    assert_int_equal(tc_nodeset_count(&victims), 4);
    world_free(w);
}

static void three_generals(void **state)
{
    (void)state;
    struct world *w = world_new(3);
    w->cluster.f = 0;
    w->cluster.quorum = 2;
    assert_int_equal(world_attack(w, "three-generals"), 0);
    assert_int_equal(world_begin(w), 0);
    int lied = 0;
    for (uint16_t to = 1; to < 3; to++)
        lied += says_slot(w, "pre-prepare", 0, to, 0, 1, 1) == TC_REPLACE;
    assert_int_equal(lied, 1);
    assert_int_equal(says_slot(w, "prepare", 1, 2, 0, 1, 1), TC_FORWARD);
    w->ledger = (struct tc_ledger){.traitors_max = 1};
    w->cluster.quorum = 3;
    assert_int_equal(world_attack(w, "three-generals"), 0);
    assert_int_equal(world_begin(w), 0);
    assert_int_equal(says_slot(w, "pre-prepare", 0, 1, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "pre-prepare", 0, 2, 0, 1, 1), TC_DROP);
    assert_int_equal(tc_nodeset_count(&w->ledger.signed_for), 0);
    world_free(w);
}

/* Quorum 3 of 4: the victim's own commit and one other are one too few; its own prepare and the proposal likewise. */
static void few_votes(void **state)
{
    (void)state;
    struct world *w = begun(4, "few-votes", "what=commit", "victim=3");
    assert_int_equal(says_slot(w, "commit", 0, 3, 0, 1, 1), TC_FORWARD);
    assert_int_equal(says_slot(w, "commit", 1, 3, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "commit", 2, 3, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "commit", 0, 3, 0, 1, 1), TC_FORWARD); /* again, but no other's */
    assert_int_equal(says_slot(w, "commit", 1, 3, 0, 2, 1), TC_FORWARD); /* another slot */
    assert_int_equal(says_slot(w, "prepare", 1, 3, 0, 1, 1), TC_FORWARD);
    assert_int_equal(says_slot(w, "commit", 1, 2, 0, 1, 1), TC_FORWARD);
    world_free(w);
    w = begun(4, "few-votes", "what=prepare", NULL);
    assert_int_equal(says_slot(w, "prepare", 1, 3, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "prepare", 2, 3, 0, 1, 1), TC_DROP);
    assert_int_equal(says_slot(w, "commit", 1, 3, 0, 1, 1), TC_FORWARD);
    world_free(w);
}

static void fill_view(void *body, void *self)
{
    ((Pbft__ViewChange *)body)->view = *(uint64_t *)self;
}

static void few_view_changes(void **state)
{
    (void)state;
    uint64_t next = 1, after = 2;
    struct world *w = begun(4, "few-votes", "what=view_change", NULL);
    assert_int_equal(says_slot(w, "pre-prepare", 0, 1, 0, 1, 1), TC_DROP);
    assert_int_equal(says(w, make(w, "view-change", 2, 2, 1, fill_view, &next)), TC_FORWARD);
    assert_int_equal(says(w, make(w, "view-change", 3, 3, 1, fill_view, &next)), TC_DROP);
    assert_int_equal(says(w, make(w, "view-change", 0, 0, 1, fill_view, &next)), TC_DROP);
    assert_int_equal(says(w, make(w, "view-change", 3, 3, 2, fill_view, &next)), TC_FORWARD);
    assert_int_equal(says(w, make(w, "view-change", 3, 3, 2, fill_view, &after)), TC_FORWARD);
    world_free(w);
}

/* A new view of replica 1 with `count` re-proposals that name digest 7. */
static struct tc_message *make_new_view(struct world *w, uint16_t to, uint32_t count)
{
    const struct tc_protocol *protocol = tc_protocol_find("pbft");
    struct tc_protocol_env env = world_env(w);
    struct tc_message *built = tc_arena_zalloc(&w->messages, sizeof *built);
    struct tc_message *m = tc_arena_zalloc(&w->messages, sizeof *m);
    assert_int_equal(protocol->build("new-view", &w->messages, built), 0);
    Pbft__NewView *body = built->statements[0].fields.base;
    body->view = 1;
    body->n_pre_prepares = count;
    body->pre_prepares = tc_arena_alloc(&w->messages, count * sizeof *body->pre_prepares);
    for (uint32_t i = 0; i < count; i++)
        body->pre_prepares[i] = make_slot(w, "pre-prepare", 1, to, 1, i + 1, i == 0 ? 0 : 7)->envelope.base;
    assert_int_equal(protocol->sign(&env, built, 1, &w->messages, m), 0);
    m->from = 1;
    m->to = to;
    tc_message_set_key(m);
    return m;
}

static void forge_new_view(void **state)
{
    (void)state;
    struct world *w = begun(4, "forge-new-view", "most=2", NULL);
    assert_true(tc_nodeset_has(&w->plan->traitors, 1));
    assert_int_equal(says_slot(w, "commit", 2, 3, 0, 8, 1), TC_FORWARD); /* a checkpoint may be near */
    assert_int_equal(w->plan->op_count, 0);
    assert_int_equal(says_slot(w, "commit", 2, 3, 0, 12, 1), TC_FORWARD);
    assert_int_equal(w->plan->ops[0].verb, TC_PAUSE);
    assert_int_equal(w->plan->ops[0].node, 0);
    assert_int_equal(says(w, make_new_view(w, 2, 4)), TC_REPLACE);
    assert_int_equal(w->plan->ops[0].verb, TC_RESUME);
    struct tc_message *forged = replaced(w, 0);
    struct tc_protocol_env env = world_env(w);
    assert_int_equal(forged->statement_count, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(tc_protocol_find("pbft")->verify(&env, &forged->statements[i]), 0);
    assert_int_equal(forged->statements[1].value.state, TC_VALUE_NIL); /* as it was */
    assert_int_equal(forged->statements[2].value.bytes[0], 7);
    assert_int_equal(forged->statements[3].value.state, TC_VALUE_NIL);
    assert_int_equal(forged->statements[4].value.state, TC_VALUE_NIL);
    assert_int_equal(forged->statements[4].sequence, 4);
    /* The same lie to everybody. */
    struct tc_slice first = tc_arena_copy(&w->messages, w->plan->verdict.frames[0]);
    assert_int_equal(says(w, make_new_view(w, 3, 4)), TC_REPLACE);
    assert_memory_equal(w->plan->verdict.frames[0].data, first.data, first.len);
    world_free(w);
}

static void hidden_commit(void **state)
{
    (void)state;
    struct world *w = begun(4, "hidden-commit", NULL, NULL);
    assert_int_equal(says_slot(w, "prepare", 1, 2, 0, 1, 1), TC_FORWARD);
    enum tc_verb to_two = says_slot(w, "commit", 0, 2, 0, 1, 1);
    uint64_t token = w->plan->timers[0].token;
    enum tc_verb to_three = says_slot(w, "commit", 0, 3, 0, 1, 1);
    assert_true((to_two == TC_HOLD) != (to_three == TC_HOLD));
    assert_int_equal(says_slot(w, "commit", 2, 1, 0, 1, 1), TC_HOLD);
    fires(w, token);
    assert_int_equal(w->plan->ops[0].verb, TC_PAUSE);
    assert_int_equal(w->plan->ops[0].node, 0);
    w->view = 1;
    assert_int_equal(says(w, make_new_view(w, 2, 2)), TC_FORWARD);
    assert_int_equal(w->plan->ops[0].verb, TC_RESUME);
    assert_int_equal(w->plan->ops[1].verb, TC_RELEASE);
    assert_int_equal(says_slot(w, "commit", 2, 1, 1, 1, 1), TC_FORWARD);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_leader),      cmocka_unit_test(equivocate_half),
        cmocka_unit_test(slow_leader),        cmocka_unit_test(starve_replica),
        cmocka_unit_test(conflicting_votes),  cmocka_unit_test(reorder_and_duplicate),
        cmocka_unit_test(corrupt_bytes),      cmocka_unit_test(replay_old_view),
        cmocka_unit_test(partition_and_heal), cmocka_unit_test(crash_restart),
        cmocka_unit_test(three_generals),     cmocka_unit_test(few_votes),
        cmocka_unit_test(few_view_changes),   cmocka_unit_test(forge_new_view),
        cmocka_unit_test(hidden_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
