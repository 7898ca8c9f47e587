/* links: tc_lua tc_engine tc_protocol tc_base
 * What scripts have beside messages: timers, the cluster, state, what was heard, arguments, traitors; the same every
 * time. */
#include "script_fixture.h"

#include "../../proxy/random.h"

static void timers_call_back(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    assert_int_equal(world_text(w,
                                "return attack 't' { summary = 't', on_start = function(c)"
                                " c:after(0.5, function(c, a) c:note('function ' .. c.now) end) c:after(1, 'name') end,"
                                " on_timer = function(c, name) c:note('on_timer ' .. name) end }"),
                     0);
    w->now_ns = 2000000000;
    assert_int_equal(world_begin(w), 0);
    assert_int_equal(w->plan->timer_count, 2);
    assert_int_equal(w->plan->timers[0].due_ns, 2500000000);
    uint64_t first = w->plan->timers[0].token, second = w->plan->timers[1].token;
    w->now_ns = 2500000000;
    assert_int_equal(world_call(w, (struct tc_call){.kind = TC_CALL_TIMER, .token = first}), 0);
    assert_string_equal(w->plan->notes[0], "function 2.5");
    assert_int_equal(world_call(w, (struct tc_call){.kind = TC_CALL_TIMER, .token = second}), 0);
    assert_string_equal(w->plan->notes[0], "on_timer name");
    assert_int_equal(world_call(w, (struct tc_call){.kind = TC_CALL_TIMER, .token = second}), 0); /* once only */
    assert_int_equal(w->plan->note_count, 0);
    world_free(w);
}

static void the_context_knows_the_cluster(void **state)
{
    (void)state;
    struct world *w = world_new(7);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 0, 1, 1);
    w->view = 9;
    with_handler(
        w, "assert(c.n == 7 and c.f == 2 and c.quorum == 5 and c.view == 9 and c.protocol == 'pbft')"
           " assert(c:leader(c.view) == 2 and c:leader() == 2 and c:leader(0) == 0)"
           " assert(#c:backups(9) == 6 and c:backups(9)[3] == 3 and #c.replicas == 7)"
           " assert(c:is_traitor(0) and not c:is_traitor(1) and #c.traitors == 1)"
           " local x = c:random('k') assert(x >= 0 and x < 1 and x == c:random('k') and x ~= c:random('l'))"
           " local n = 0 for i = 1, 1000 do local r = c:random(i, 6) assert(r >= 1 and r <= 6) n = n + r end"
           " assert(n > 3200 and n < 3800) assert(c:random(m) == c:random(m))"
           " local side = c:split(c.replicas, 1/2, 1) local k = 0 for id in pairs(side) do k = k + 1 end assert(k == 4)"
           " k = 0 for id in pairs(c:split({ 1, 2 }, 0.01)) do k = k + 1 end assert(k == 1)"
           " assert(next(c:split({ 1, 2 }, 0)) == nil) assert(c.args.x == 1 and a.x == 1)");
    handles(w, m);
    with_handler(w, "return c.quorun");
    raises(w, m, "did you mean 'quorum'?");
    with_handler(w, "c.view = 1");
    raises(w, m, "c.view is not to be set");
    with_handler(w, "c:leader(-1)");
    raises(w, m, "expected a view from 0");
    world_free(w);
}

static void state_is_bounded(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 0, 1, 1);
    with_handler(w, "s.name = 'stays' for i = 1, 5000 do s[i] = i end assert(s.name == 'stays')"
                    " assert(s[5000] == 5000 and s[905] == 905 and s[904] == nil)"
                    " local n = 0 for k, v in pairs(s) do n = n + 1 end assert(n == 4097, n)"
                    " s[5000] = nil s[5000] = 1 s[1] = 1 assert(s[5000] == 1) s.name = nil assert(s.name == nil)");
    handles(w, m);
    assert_non_null(strstr(w->plan->notes[0], "the oldest leave"));
    with_handler(w, "for i = 1, 5000 do s['k' .. i] = i end");
    raises(w, m, "more than 4096 names");
    with_handler(w, "s[{}] = 1");
    raises(w, m, "as key of c.state");
    world_free(w);
}

static void heard_remembers(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    with_handler(w, "if m.kind ~= 'checkpoint' then return end"
                    " local all = c:heard{ kind = 'vote', sequence = 3 } assert(#all == 2, #all)"
                    " assert(all[1].signer == 1 and all[2].signer == 2 and all[1]:verify())"
                    " assert(#c:heard{ kind = 'vote', sequence = 3, each_link = true } == 12)"
                    " assert(#c:heard{ signer = 1, limit = 5 } == 5) assert(#c:heard{ value = NIL } == 0)"
                    " assert(#c:heard{ view = 3 } == 0) c:note('asked')");
    for (uint64_t sequence = 1; sequence <= 3000; sequence++) {
        handles(w, make_slot(w, "prepare", 1, 2, 0, sequence % 1000, 7));
        if (sequence % 1000 == 3)
            for (int i = 0; i < 3; i++)
                handles(w, make_slot(w, "prepare", i ? 2 : 1, i == 2 ? 1 : 3, 0, 3, 7));
    }
    /* Rounds one and two of sequence 3 have the same keys: each said once, on two links. */
    handles(w, make(w, "checkpoint", 1, 1, 0, NULL, NULL));
    (void)state;
    world_free(w);
}

static void arguments_are_typed(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    static const char text[] =
        "return attack 't' { summary = 't', args = { share = { 1/2, 'a share' }, n = { 3, 'a number' },"
        " on = { false, 'a switch' }, who = { 'me', 'a name' } },"
        " on_start = function(c, a) c:note(a.share .. ' ' .. a.n .. ' ' .. tostring(a.on) .. ' ' .. a.who) end }";
    static const struct {
        const char *argument, *says;
    } bad[] = {{"share=x", "expected a number, found \"x\""},
               {"share=1/0", "expected a number"},
               {"n=1.5", "expected a whole number"},
               {"on=yes", "expected true or false"},
               {"shar=1", "did you mean 'share'?"},
               {"share", "expected name=value"},
               {"=1", "expected name=value"}};
    assert_int_equal(world_text(w, text), 0);
    assert_int_equal(world_begin(w), 0);
    assert_string_equal(w->plan->notes[0], "0.5 3 false me");
    const struct tc_script_info *info = tc_script_info(w->script);
    assert_int_equal(info->arg_count, 4);
    assert_string_equal(info->args[0].name, "n");
    assert_string_equal(info->args[2].value, "0.5");
    w->args[0] = "share=1/4";
    w->args[1] = "n=8";
    w->args[2] = "on=true";
    w->args[3] = "who=a = b";
    w->arg_count = 4;
    w->ledger.frozen = false;
    assert_int_equal(world_text(w, text), 0);
    assert_int_equal(world_begin(w), 0);
    assert_string_equal(w->plan->notes[0], "0.25 8 true a = b");
    w->arg_count = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w->args[0] = bad[i].argument;
        assert_int_equal(world_text(w, text), TC_EUSAGE);
        assert_non_null(strstr(w->err.text, bad[i].says));
    }
    world_free(w);
}

static void attack_files_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        int code;
    } bad[] = {
        {"return attack 't' {\n}", ":1: summary: expected a string, found nothing", TC_EUSAGE},
        {"return attack 't' {\n summary = 1 }", ":2: summary: expected a string, found the number 1", TC_EUSAGE},
        {"return attack 't' {\n summary = 's',\n on_mesage = 1 }",
         ":3: unknown key 'on_mesage' in an attack; did you mean 'on_message'?", TC_EUSAGE},
        {"return attack 't' {\n summary = 's', on_message = function() end }", "kinds: expected a list of kinds",
         TC_EUSAGE},
        {"return attack 't' {\n summary = 's',\n kinds = { 'vote', 'votes' } }", ":3: kinds: expected a list of kinds",
         TC_EUSAGE},
        {"return attack 't' {\n summary = 's',\n on_view = 1 }", ":3: on_view: expected a function", TC_EUSAGE},
        {"return attack 't' {\n summary = 's',\n args = { x = 1 } }", ":3: args.x: expected { default", TC_EUSAGE},
        {"return attack 't' {\n summary = 's',\n traitors = 1 }", ":3: traitors: expected a function", TC_EUSAGE},
        {"return {}", "expected 'return attack", TC_EUSAGE},
        {"return attack", "expected 'return attack", TC_EUSAGE},
        {"return scenario 't' { summary = 's' }", "expected 'return attack", TC_EUSAGE},
        {"x = 1", ":1: assignment to undeclared global 'x'", TC_ESCRIPT},
        {"while true do end", "budget", TC_ELIMIT},
        {"return attack 't' { summary = 's' ", "'}' expected", TC_ESCRIPT},
        {"\x1bLua", "bytecode is not loaded", TC_ESCRIPT},
        {"return drop().x", "attempt to index", TC_ESCRIPT},
    };
    struct world *w = world_new(4);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int rc = world_text(w, bad[i].text);
        if (rc != bad[i].code || !strstr(w->err.text, bad[i].says))
            print_error("%s\n→ %d %s\n", bad[i].text, rc, w->err.text);
        assert_int_equal(rc, bad[i].code);
        assert_non_null(strstr(w->err.text, bad[i].says));
        assert_null(w->script);
    }
    assert_int_equal(world_load(w, "/nowhere/x.lua"), TC_ENOT_FOUND);
    world_free(w);
}

/* What a thread does that sees the script hold up the run: no call is left to end by itself. */
static void a_script_that_is_halted_fails(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    assert_int_equal(world_text(w,
                                "return attack 't' { summary = 't', on_start = function(c)\n"
                                " pcall(function() for i = 1, 1000000 do end end)\n for i = 1, 1000000 do end end }"),
                     0);
    assert_int_equal(world_begin(w), 0); /* within the budget */
    tc_script_halt(w->script);
    assert_int_equal(world_begin(w), TC_ELIMIT);
    assert_non_null(strstr(w->err.text, ":2: the script holds up the run"));
    world_free(w);
}

static void traitors_are_named_once(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    static const char text[] = "return attack 't' { summary = 't', kinds = 'all',"
                               " traitors = function(c) return { c:leader(c.view), 3 } end,"
                               " on_start = function(c) assert(c:is_traitor(3)) end }";
    w->view = 1;
    w->ledger.traitors_max = 2;
    assert_int_equal(world_text(w, text), 0);
    assert_int_equal(world_begin(w), 0);
    assert_true(tc_nodeset_has(&w->plan->traitors, 1) && tc_nodeset_has(&w->plan->traitors, 3));
    assert_true(w->ledger.frozen);
    w->view = 2; /* reloaded later: the traitors stay who they are */
    assert_int_equal(world_text(w, text), 0);
    assert_int_equal(world_begin(w), 0);
    assert_true(tc_nodeset_has(&w->plan->traitors, 1) && !tc_nodeset_has(&w->plan->traitors, 2));
    w->ledger = (struct tc_ledger){.traitors_max = 1};
    assert_int_equal(world_text(w, text), 0);
    assert_int_equal(world_begin(w), TC_ESCRIPT);
    assert_non_null(strstr(w->err.text, "traitors"));
    assert_non_null(strstr(w->err.text, ":1: traitors: the attack names 2 replicas"));
    world_free(w);
}

/* Where no function of the script runs, the table says where it is; in a list there is no argument to number. */
static void who_is_nobody_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *found;
    } cases[] = {
        {"return attack 't' { summary = 't',\n traitors = { 9 } }", ":2: traitors: expected a replica 0 to 3"},
        {"return attack 't' { summary = 't',\n traitors = function(c) return 'all' end }",
         ":2: traitors: expected a node or a list of nodes, found"},
        {"return attack 't' { summary = 't',\n on_start = function(c) c:partition { { 0 },\n { 9 } } end }",
         ": expected a replica 0 to 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world_new(4);
        w->ledger.traitors_max = 1;
        assert_int_equal(world_text(w, cases[i].text), 0);
        assert_int_equal(world_begin(w), TC_ESCRIPT);
        if (!strstr(w->err.text, cases[i].found) || strstr(w->err.text, "#-"))
            fail_msg("%s", w->err.text);
        world_free(w);
    }
}

/* One hash over everything a run of calls answered. */
static uint64_t run_hash(uint64_t seed)
{
    struct world *w = world_new(4);
    w->seed = seed;
    uint64_t h = 0;
    with_handler(
        w, "local t = {} for i = 1, 20 do t['k' .. c:random(i, 1000)] = i end local out = {}"
           " for k, v in pairs(t) do out[#out + 1] = k .. v end c:note(table.concat(out))"
           " if m.kind == 'propose' then return replace(m:perturb():sign(0)) end"
           " if c:random(m) < 0.3 then return corrupt() end if c:random(m) < 0.6 then return delay(c:random(m)) end");
    for (uint64_t i = 0; i < 100; i++) {
        handles(w, i % 3 ? make_slot(w, "commit", 0, 2, 0, i, (uint8_t)i) : make_proposal(w, 0, 1, 0, i, 3));
        h = tc_random_mix(h, (uint64_t)w->plan->verdict.verb);
        h = tc_random_mix(h, w->plan->verdict.delay_ns);
        h = tc_random_mix_text(h, w->plan->notes[0]);
        for (uint32_t f = 0; f < w->plan->verdict.frame_count; f++)
            h = tc_random_mix_bytes(h, w->plan->verdict.frames[f]);
    }
    world_free(w);
    return h;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    uint64_t first = run_hash(1);
    for (int i = 0; i < 3; i++)
        assert_true(run_hash(1) == first);
    assert_true(run_hash(2) != first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_call_back),
        cmocka_unit_test(the_context_knows_the_cluster),
        cmocka_unit_test(state_is_bounded),
        cmocka_unit_test(heard_remembers),
        cmocka_unit_test(arguments_are_typed),
        cmocka_unit_test(attack_files_are_checked),
        cmocka_unit_test(traitors_are_named_once),
        cmocka_unit_test(who_is_nobody_is_said_with_its_place),
        cmocka_unit_test(a_script_that_is_halted_fails),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
