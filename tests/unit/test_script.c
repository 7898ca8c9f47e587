/* links: tc_lua tc_engine tc_protocol tc_base
 * What scripts can do with messages: read, change, build, answer with verdicts and side actions. */
#include "script_fixture.h"

#include "../../reference/transport.h"

static void neutral_fields(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 5, 77, 0xab);
    with_handler(w, "assert(m.kind == 'vote' and m.phase == 'prepare' and m.type == 'prepare')"
                    " assert(m.from == 2 and m.to == 3 and m.view == 5 and m.sequence == 77)"
                    " assert(m.signer == 2 and m.sender == 2 and m.origin == 'direct' and m.decoded)"
                    " assert(m.value == ('ab'):rep(32)) assert(m.signers[1] == 2 and #m.signers == 1)"
                    " assert(m.size > 80 and m.occurrence == 0 and math.type(m.slot) == 'integer')"
                    " assert(m.fields.view == 5 and m.fields.digest == ('\\xab'):rep(32))"
                    " assert(m.envelope.sender == 2 and #m.envelope.requests == 0)"
                    " assert(#m.statements == 1 and m.statements[1].sequence == 77)"
                    " assert(m:has('sequence') and m:verify()) assert(tostring(m) == 'prepare 2→3 view 5 sequence 77')"
                    " assert(m:text():find('sequence'))");
    handles(w, m);
    assert_int_equal(w->plan->verdict.verb, TC_FORWARD);
    const struct tc_message *hello = make(w, "checkpoint", 1, 1, 0, NULL, NULL);
    with_handler(w, "assert(not m:has('view')) assert(m.kind == 'checkpoint') return m.view and nil");
    raises(w, hello, "this message has no view");
    with_handler(w, "return m.sequense");
    raises(w, m, "did you mean 'sequence'?");
    with_handler(w, "m.view = 3");
    raises(w, m, "m:with{view = …}");
    with_handler(w, "m.fields.view = 3");
    raises(w, m, "a borrowed message is not to be changed");
    with_handler(w, "return m.fields.nonsense");
    raises(w, m, "its fields: view, sequence, digest");
    with_handler(w, "assert(m.value == NIL) assert(tostring(m.value) == 'NIL')");
    handles(w, make_slot(w, "prepare", 2, 3, 5, 77, 0));
    world_free(w);
}

/* Proposals and votes of one decision share a slot in scripts: that is what c.state is keyed by. */
static void slots_are_those_of_decisions(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    with_handler(w,
                 "s.first = s.first or m.slot s.same = (s.same or 0) + (m.slot == s.first and 1 or 0) c:note(s.same)");
    handles(w, make_slot(w, "pre-prepare", 0, 1, 0, 9, 1));
    handles(w, make_slot(w, "prepare", 1, 2, 0, 9, 1));
    handles(w, make_slot(w, "commit", 1, 2, 0, 9, 2));
    assert_string_equal(w->plan->notes[0], "3");
    handles(w, make_slot(w, "commit", 1, 2, 1, 9, 2));
    assert_string_equal(w->plan->notes[0], "3");
    world_free(w);
}

static void undecodable_messages_have_no_fields(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    static const uint8_t bytes[] = {0, 0, 0, 2, 0xff, 0xff};
    struct tc_message m = {.from = 1, .to = 2, .sender = TC_NODE_NONE, .frame = {bytes, sizeof bytes}};
    with_handler(w, "assert(m.kind == 'other' and not m.decoded and m.size == 6 and #m.statements == 0)"
                    " assert(not m:has('signer') and not m:has('fields') and not m:has('sender'))"
                    " assert(not m:verify()) local copy = m:copy() assert(copy.size == 6 and not copy.decoded)"
                    " return replace(copy)");
    handles(w, &m);
    assert_int_equal(w->plan->verdict.frame_count, 1);
    assert_memory_equal(w->plan->verdict.frames[0].data, bytes, sizeof bytes);
    with_handler(w, "return m:sign(0)");
    raises(w, &m, "a whole message that decodes");
    with_handler(w, "return m.fields");
    raises(w, &m, "this message has no fields");
    world_free(w);
}

static void verdicts_fill_the_plan(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 0, 1, 1);
    struct tc_verdict *v = &w->plan->verdict;
    with_handler(w, "return drop('because')");
    handles(w, m);
    assert_int_equal(v->verb, TC_DROP);
    assert_string_equal(v->why, "because");
    with_handler(w, "return delay(0.0000000015)"); /* half a nanosecond rounds up */
    handles(w, m);
    assert_int_equal(v->verb, TC_DELAY);
    assert_int_equal(v->delay_ns, 2);
    with_handler(w, "return delay(1.25)");
    handles(w, m);
    assert_int_equal(v->delay_ns, 1250000000);
    with_handler(w, "return duplicate(7)");
    handles(w, m);
    assert_int_equal(v->verb, TC_DUPLICATE);
    assert_int_equal(v->duplicates, 7);
    with_handler(w, "return reorder(0.5)");
    handles(w, m);
    assert_int_equal(v->verb, TC_REORDER);
    assert_int_equal(v->reorder_window_ns, 500000000);
    with_handler(w, "return hold('later')");
    handles(w, m);
    assert_int_equal(v->verb, TC_HOLD);
    assert_string_equal(v->hold_name, "later");
    with_handler(w, "return replace(m, m:copy(), 'twice')");
    handles(w, m);
    assert_int_equal(v->verb, TC_REPLACE);
    assert_int_equal(v->frame_count, 2);
    assert_int_equal(v->frames[1].len, m->frame.len);
    assert_memory_equal(v->frames[1].data, m->frame.data, m->frame.len);
    with_handler(w, "return corrupt()");
    handles(w, m);
    assert_int_equal(v->verb, TC_REPLACE);
    assert_int_equal(v->frames[0].len, m->frame.len);
    assert_memory_not_equal(v->frames[0].data, m->frame.data, m->frame.len);
    assert_memory_equal(v->frames[0].data, m->frame.data, 8);
    with_handler(w, "return 'drop'");
    raises(w, m, "a handler returns a verdict");
    with_handler(w, "return drop");
    raises(w, m, "a handler returns a verdict");
    with_handler(w, "return delay(-1)");
    raises(w, m, "expected seconds from 0");
    with_handler(w, "return delay(0/0)");
    raises(w, m, "expected seconds from 0");
    with_handler(w, "return duplicate(1001)");
    raises(w, m, "1 to 1000");
    with_handler(w, "return replace()");
    raises(w, m, "expected 1 to 64 messages");
    with_handler(w, "return replace('x')");
    raises(w, m, "expected 1 to 64 messages");
    with_handler(w, "return replace({})");
    raises(w, m, "expected a message, found a table");
    world_free(w);
}

static void borrowed_messages_die(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 0, 1, 1);
    with_handler(w, "if s.kept then return s.kept[1].view and nil end s.kept = { m }");
    handles(w, m);
    raises(w, m, "message kept beyond its handler; keep m:copy()");
    with_handler(w, "if s.kept then return s.kept[1].view and nil end s.kept = { m.statements[1] }");
    handles(w, m);
    raises(w, m, "kept beyond its handler");
    with_handler(w, "if s.kept then return s.kept[1].view and nil end s.kept = { m.fields }");
    handles(w, m);
    raises(w, m, "fields kept beyond their handler");
    with_handler(w, "s.kept = m");
    raises(w, m, "keep m:copy()");
    with_handler(w, "if s.kept then assert(s.kept.view == 0 and s.kept.fields.sequence == 1 and s.kept.from == 2) end"
                    " s.kept = s.kept or m:copy()");
    for (int i = 0; i < 200; i++)
        handles(w, m);
    with_handler(w, "c:after(1, function() return m.view end)");
    handles(w, m);
    uint64_t token = w->plan->timers[0].token;
    assert_int_equal(world_call(w, (struct tc_call){.kind = TC_CALL_TIMER, .token = token}), TC_ESCRIPT);
    assert_non_null(strstr(w->err.text, "message kept beyond its handler"));
    world_free(w);
}

static void owned_messages_change(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 0, 3, 4, 10, 1);
    /* Changed, and signed anew by the traitor: a valid message of other content. */
    with_handler(w, "local o = m:with{ view = 9, value = ('cd'):rep(32) } assert(o.view == 9 and o.sequence == 10)"
                    " assert(m.view == 4) o.fields.sequence = 11 assert(o.sequence == 11 and o.fields.sequence == 11)"
                    " assert(not o:verify()) local signed = o:sign(0) assert(signed:verify()) return replace(signed)");
    handles(w, m);
    struct tc_message *out = decoded(w, w->plan->verdict.frames[0]);
    assert_int_equal(out->statements[0].view, 9);
    assert_int_equal(out->statements[0].sequence, 11);
    assert_int_equal(out->statements[0].value.bytes[31], 0xcd);
    struct tc_protocol_env env = world_env(w);
    assert_int_equal(tc_protocol_find("pbft")->verify(&env, &out->statements[0]), 0);
    assert_true(tc_nodeset_has(&w->ledger.signed_for, 0));
    assert_int_equal(tc_nodeset_count(&w->ledger.signed_for), 1);
    /* Not signed: forwarded as changed, with a signature that does not fit. */
    with_handler(w, "return replace(m:with{ value = NIL })");
    handles(w, m);
    out = decoded(w, w->plan->verdict.frames[0]);
    assert_int_equal(out->statements[0].value.state, TC_VALUE_NIL);
    assert_int_equal(tc_protocol_find("pbft")->verify(&env, &out->statements[0]), TC_ESIGNATURE);
    with_handler(w, "return replace(m:sign(2))");
    raises(w, m, "node 2 is no traitor");
    with_handler(w, "return replace(m:sign(99))");
    raises(w, m, "expected a replica 0 to 3");
    with_handler(w, "m:with{ nonsense = 1 }");
    raises(w, m, "no field 'nonsense'");
    with_handler(w, "m:with{ view = 'x' }");
    raises(w, m, "expected a whole number");
    with_handler(w, "m:with{ view = 1.5 }");
    raises(w, m, "expected an integer");
    with_handler(w, "m:with{ value = 'zz' }");
    raises(w, m, "expected a value");
    /* A change survives the handler. */
    with_handler(w, "if s.o then assert(s.o.view == 77 and s.o.fields.sequence == 78) c:note('kept') return end"
                    " s.o = m:copy() s.o.fields.view = 77 s.o.fields.sequence = 78");
    handles(w, m);
    handles(w, m);
    assert_string_equal(w->plan->notes[0], "kept");
    world_free(w);
}

static void second_proposals_and_their_votes(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_proposal(w, 0, 2, 0, 5, 3);
    with_handler(w, "local p = assert(m:perturb()) assert(p.value ~= m.value and p.slot == m.slot)"
                    " assert(#p.envelope.requests == 3) assert(m:perturb().value == p.value)"
                    " local q = assert(m:perturb{ omit_requests = true }) assert(#q.envelope.requests == 0)"
                    " s.p = p:sign(0) return replace(s.p)");
    handles(w, m);
    struct tc_message *second = decoded(w, w->plan->verdict.frames[0]);
    assert_int_equal(second->statements[0].kind, TC_KIND_PROPOSE);
    char text[2][80];
    for (int i = 0; i < 2; i++)
        snprintf(text[i], sizeof text[i], "%02x%02x", second->statements[0].value.bytes[0],
                 m->statements[0].value.bytes[0]);
    assert_memory_not_equal(second->statements[0].value.bytes, m->statements[0].value.bytes, TC_VALUE_SIZE);
    with_handler(w, "if m.kind == 'propose' then s.p = m:perturb():sign(0) return replace(s.p) end"
                    " return replace(m:vote_for(s.p):sign(0))");
    handles(w, m);
    second = decoded(w, w->plan->verdict.frames[0]);
    handles(w, make_slot(w, "commit", 0, 2, 0, 5, 0x11));
    struct tc_message *vote = decoded(w, w->plan->verdict.frames[0]);
    assert_memory_equal(vote->statements[0].value.bytes, second->statements[0].value.bytes, TC_VALUE_SIZE);
    struct tc_protocol_env env = world_env(w);
    assert_int_equal(tc_protocol_find("pbft")->verify(&env, &vote->statements[0]), 0);
    with_handler(w, "local p, why = m:perturb() assert(p == nil and #why > 5)");
    handles(w, make_slot(w, "commit", 0, 2, 0, 5, 0x11));
    with_handler(w, "m:vote_for(m)");
    raises(w, m, "expected a vote");
    world_free(w);
}

/* The example of the design, as it stands there. */
static void the_example_of_the_design_runs(void **state)
{
    (void)state;
    static const char text[] =
        "return attack \"equivocate-half\" {\n"
        "  summary  = \"The primary shows half of the backups a second, validly signed proposal.\",\n"
        "  tags     = { \"safety\", \"equivocation\" },\n"
        "  kinds    = { \"propose\", \"vote\" },\n"
        "  args     = { share = { 1/2, \"share of the backups that see the second proposal\" } },\n"
        "  traitors = function(c) return { c:leader(c.view) } end,     -- asked once, when the attack begins\n"
        "  expect   = { safety = true, evidence = true },\n"
        "  on_message = function(c, m, a)\n"
        "    if not c:is_traitor(m.signer) then return end             -- the signer, not the link: peers relay\n"
        "    local e = c.state[m.slot]\n"
        "    if m.kind == \"propose\" and not e then\n"
        "      local second, why = m:perturb()\n"
        "      if not second then return c:note(why) end\n"
        "      e = { second = second:sign(m.signer), side = c:split(c:backups(m.view), a.share, m.slot) }\n"
        "      c.state[m.slot] = e\n"
        "    end\n"
        "    if not (e and e.side[m.to]) then return end\n"
        "    if m.kind == \"propose\" then return replace(e.second) end\n"
        "    return replace(m:vote_for(e.second):sign(m.signer))\n"
        "  end,\n"
        "}\n";
    struct world *w = world_new(4);
    assert_int_equal(world_text(w, text), 0);
    assert_int_equal(world_begin(w), 0);
    const struct tc_script_info *info = tc_script_info(w->script);
    assert_string_equal(info->name, "equivocate-half");
    assert_int_equal(info->kinds, 1u << TC_KIND_PROPOSE | 1u << TC_KIND_VOTE);
    assert_int_equal(info->expect_evidence, TC_EXPECT_YES);
    assert_int_equal(info->expect_liveness, TC_EXPECT_UNSET);
    assert_true(info->needs_keys);
    int split = 0, voted = 0;
    for (uint16_t to = 1; to < 4; to++) {
        handles(w, make_proposal(w, 0, to, 0, 5, 2));
        bool second = w->plan->verdict.verb == TC_REPLACE;
        handles(w, make_slot(w, "commit", 0, to, 0, 5, 0x11));
        assert_int_equal(second, w->plan->verdict.verb == TC_REPLACE);
        split += second;
        voted++;
    }
    assert_int_equal(split, 2); /* half of three, rounded */
    assert_int_equal(voted, 3);
    world_free(w);
}

static void messages_are_built(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 0, 3, 4, 10, 1);
    with_handler(
        w, "local b = c:build('new-view', { view = 8 }) assert(b.kind == 'new_view' and b.view == 8)"
           " local list = b.fields.pre_prepares assert(#list == 0)"
           " for i = 1, 3 do list:insert(c:build('pre-prepare', { view = 8, sequence = i, value = NIL }):sign(0)) end"
           " list:insert(2, c:build('pre-prepare', { view = 8, sequence = 7 }):sign(0))"
           " list:remove(1) assert(#list == 3) assert(list[1].sender == 0) assert(list[4] == nil)"
           " list[3] = list[1] assert(#b.statements == 4, #b.statements)"
           " local found = '' for _, t in ipairs(b.statements) do found = found .. t.type .. ' ' end c:note(found)"
           " return replace(b:sign(0))");
    handles(w, m);
    assert_string_equal(w->plan->notes[0], "new-view pre-prepare pre-prepare pre-prepare ");
    struct tc_message *out = decoded(w, w->plan->verdict.frames[0]);
    assert_int_equal(out->statement_count, 4);
    assert_int_equal(out->statements[1].sequence, 7);
    assert_int_equal(out->statements[2].sequence, 2);
    assert_int_equal(out->statements[3].sequence, 7);
    with_handler(w, "c:build('nonsense')");
    raises(w, m, "no message of type \"nonsense\"");
    with_handler(w, "local ok, why = c:certificate({ m }) assert(ok == nil and why)");
    handles(w, m);
    world_free(w);
}

static void actions_fill_the_plan(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 0, 1, 1);
    with_handler(w, "c:send(m, { to = { 0, 1, 2 } }) c:send(m, { from = 1, to = 3 }) c:release('x') c:release()"
                    " c:partition{ { 0, 1 }, { 2 } } c:sever(0, 1) c:sever{ from = 2, to = 3 } c:heal()"
                    " c:pause(1) c:resume(1) c:stop(1) c:kill(2) c:restart(2) c:wipe(3)");
    handles(w, m);
    static const enum tc_verb verbs[] = {TC_SEND,  TC_SEND,  TC_SEND,    TC_RELEASE, TC_RELEASE, TC_PARTITION,
                                         TC_SEVER, TC_SEVER, TC_SEVER,   TC_HEAL,    TC_PAUSE,   TC_RESUME,
                                         TC_STOP,  TC_KILL,  TC_RESTART, TC_WIPE};
    assert_int_equal(w->plan->op_count, 16);
    for (int i = 0; i < 16; i++)
        assert_int_equal(w->plan->ops[i].verb, verbs[i]);
    assert_int_equal(w->plan->ops[0].from, 2); /* itself left out */
    assert_int_equal(w->plan->ops[1].to, 1);
    assert_int_equal(w->plan->ops[2].from, 1);
    assert_int_equal(w->plan->ops[0].frame.len, m->frame.len);
    assert_string_equal(w->plan->ops[3].name, "x");
    assert_null(w->plan->ops[4].name);
    assert_int_equal(w->plan->ops[5].block_count, 2);
    assert_true(tc_nodeset_has(&w->plan->ops[5].blocks[0], 1));
    assert_int_equal(w->plan->ops[7].from, 1);
    assert_int_equal(w->plan->ops[15].node, 3);
    with_handler(w, "c:partition{ { 0, 1 }, { 1 } }");
    raises(w, m, "two blocks");
    with_handler(w, "c:kill(128)");
    raises(w, m, "expected a replica");
    with_handler(w, "for i = 1, 257 do c:heal() end");
    raises(w, m, "more than 256 actions");
    with_handler(w, "c:send(m, {})");
    raises(w, m, "found no 'to'");
    with_handler(w, "for i = 1, 40 do c:note(i) end");
    handles(w, m);
    assert_int_equal(w->plan->note_count, 32);
    assert_string_equal(w->plan->notes[31], "more notes in one call than are kept");
    world_free(w);
}

static void handshakes_are_broken_as_named(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 0, 1, 1);
    with_handler(w, "c:break_handshake('ephemeral-bad', 2, 1) c:break_handshake('auth-bad', 1, 3, 7)");
    handles(w, m);
    assert_int_equal(w->plan->op_count, 2);
    assert_int_equal(w->plan->ops[0].verb, TC_HANDSHAKE);
    assert_int_equal(w->plan->ops[0].handshake, TC_HANDSHAKE_EPHEMERAL_BAD);
    assert_int_equal(w->plan->ops[0].from, 2);
    assert_int_equal(w->plan->ops[0].to, 1);
    assert_int_equal(w->plan->ops[0].times, 1);
    assert_int_equal(w->plan->ops[1].handshake, TC_HANDSHAKE_AUTH_BAD);
    assert_int_equal(w->plan->ops[1].times, 7);
    with_handler(w, "c:break_handshake('politely', 2, 1)");
    raises(w, m, "invalid option 'politely'");
    with_handler(w, "c:break_handshake('auth-bad', 2, 128)");
    raises(w, m, "expected a replica");
    with_handler(w, "c:break_handshake('auth-bad', 2, 1, 0)");
    raises(w, m, "expected 1 to 1000000");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neutral_fields),
        cmocka_unit_test(slots_are_those_of_decisions),
        cmocka_unit_test(undecodable_messages_have_no_fields),
        cmocka_unit_test(verdicts_fill_the_plan),
        cmocka_unit_test(borrowed_messages_die),
        cmocka_unit_test(owned_messages_change),
        cmocka_unit_test(second_proposals_and_their_votes),
        cmocka_unit_test(the_example_of_the_design_runs),
        cmocka_unit_test(messages_are_built),
        cmocka_unit_test(actions_fill_the_plan),
        cmocka_unit_test(handshakes_are_broken_as_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
