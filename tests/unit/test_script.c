/* links: tc_lua tc_engine tc_protocol tc_base
 * What scripts can do: messages, verdicts, the context, arguments; the same every time. */
#include "script_fixture.h"

#include "../../proxy/random.h"
#include "../../reference/transport.h"

/* An attack whose on_message is `body`; traitor is replica 0. */
static void with_handler(struct world *w, const char *body)
{
    char text[8192];
    snprintf(
        text, sizeof text,
        "return attack \"t\" { summary = \"t\", kinds = \"all\", traitors = { 0 }, args = { x = { 1, \"an x\" } },\n"
        "on_message = function(c, m, a) local s = c.state\n%s\nend }\n",
        body);
    int rc = world_text(w, text);
    if (rc)
        print_error("%s\n", w->err.text);
    assert_int_equal(rc, 0);
    w->ledger.frozen = false;
    assert_int_equal(world_begin(w), 0);
}

static void handles(struct world *w, const struct tc_message *m)
{
    int rc = world_message(w, m);
    if (rc)
        print_error("%s\n", w->err.text);
    assert_int_equal(rc, 0);
}

static void raises(struct world *w, const struct tc_message *m, const char *says)
{
    int rc = world_message(w, m);
    if (rc != TC_ESCRIPT || !strstr(w->err.text, says))
        print_error("%d %s\n", rc, w->err.text);
    assert_int_equal(rc, TC_ESCRIPT);
    assert_non_null(strstr(w->err.text, says));
}

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

static void fill_requests(struct world *w, struct tc_message *proposal, uint32_t count)
{
    Pbft__Envelope *envelope = proposal->envelope.base;
    Pbft__Envelope **requests = tc_arena_alloc(&w->messages, count * sizeof *requests);
    for (uint32_t i = 0; i < count; i++) {
        struct tc_message *request = make(w, "request", (uint16_t)(TC_CLIENT_FIRST + i), 0, 0, NULL, NULL);
        requests[i] = request->envelope.base;
    }
    envelope->requests = requests;
    envelope->n_requests = count;
}

/* A pre-prepare with requests, signed by its leader. */
static struct tc_message *make_proposal(struct world *w, uint16_t leader, uint16_t to, uint64_t view, uint64_t sequence,
                                        uint32_t requests)
{
    const struct tc_protocol *protocol = tc_protocol_find("pbft");
    struct tc_protocol_env env = world_env(w);
    struct tc_message *plain = make_slot(w, "pre-prepare", leader, to, view, sequence, 0x11);
    struct tc_message *m = tc_arena_zalloc(&w->messages, sizeof *m);
    fill_requests(w, plain, requests);
    assert_int_equal(protocol->sign(&env, plain, leader, &w->messages, m), 0);
    m->from = leader;
    m->to = to;
    tc_message_set_key(m);
    return m;
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
                    " c:pause(1) c:resume(1) c:kill(2) c:restart(2) c:wipe(3)");
    handles(w, m);
    static const enum tc_verb verbs[] = {TC_SEND,      TC_SEND,   TC_SEND,  TC_RELEASE, TC_RELEASE,
                                         TC_PARTITION, TC_SEVER,  TC_SEVER, TC_SEVER,   TC_HEAL,
                                         TC_PAUSE,     TC_RESUME, TC_KILL,  TC_RESTART, TC_WIPE};
    assert_int_equal(w->plan->op_count, 15);
    for (int i = 0; i < 15; i++)
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
    assert_int_equal(w->plan->ops[14].node, 3);
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
    world_free(w);
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
        cmocka_unit_test(timers_call_back),
        cmocka_unit_test(the_context_knows_the_cluster),
        cmocka_unit_test(state_is_bounded),
        cmocka_unit_test(heard_remembers),
        cmocka_unit_test(arguments_are_typed),
        cmocka_unit_test(attack_files_are_checked),
        cmocka_unit_test(traitors_are_named_once),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
