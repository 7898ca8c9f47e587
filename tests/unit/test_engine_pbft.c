/* The engine on PBFT's own wire: a hello names the dialler, a traitor equivocates through the ledger, and what is heard
 * verifies.
 * links: tc_testlib tc_oracles tc_engine tc_protocol tc_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../injectors/forge.h"
#include "../../proxy/engine.h"
#include "../../proxy/nodeset.h"
#include "../lib/pbft_make.h"

struct world {
    struct tc_make make;
    struct tc_ledger ledger;
    struct tc_handler handler;
    struct tc_engine *e;
    struct tc_actions acts;
    int (*answer)(struct world *w, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err);
};

static int call_world(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct world *w = self;
    if (call->kind == TC_CALL_BEGIN)
        tc_nodeset_add(&plan->traitors, 0);
    return call->kind == TC_CALL_MESSAGE ? w->answer(w, call, plan, err) : 0;
}

static void step(struct world *w, struct tc_event event)
{
    assert_int_equal(tc_engine_step(w->e, &event, &w->acts), 0);
}

static void receive(struct world *w, uint32_t conn, struct tc_slice bytes)
{
    step(w, (struct tc_event){.kind = TC_EV_BYTES, .conn = conn, .bytes = bytes});
}

static struct tc_slice hello_of(struct world *w, uint16_t node)
{
    struct tc_slice frame;
    assert_int_equal(tc_wire_hello(&w->make.cluster, node, &w->make.arena, &frame), 0);
    return frame;
}

static const struct tc_observation *seen(const struct world *w, enum tc_observation_kind kind, size_t skip)
{
    for (size_t i = 0; i < w->acts.count; i++)
        if (w->acts.items[i].kind == TC_ACT_OBSERVE && w->acts.items[i].observation->kind == kind && skip-- == 0)
            return w->acts.items[i].observation;
    return NULL;
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    tc_make_init(&w->make, 4);
    w->ledger.traitors_max = 1;
    w->handler = (struct tc_handler){
        .self = w, .name = "test", .kinds = 1u << TC_KIND_PROPOSE, .calls = ~0u, .call = call_world};
    const struct tc_engine_config config = {.protocol = &tc_pbft,
                                            .env = w->make.env,
                                            .handler = &w->handler,
                                            .ledger = &w->ledger,
                                            .seed = 1,
                                            .observe = true};
    w->e = tc_engine_new(&config);
    assert_non_null(w->e);
    step(w, (struct tc_event){.kind = TC_EV_PHASE, .phase = TC_RUN_DURING});
    step(w, (struct tc_event){.kind = TC_EV_ACCEPTED, .conn = 0, .from = TC_NODE_NONE, .to = 2});
    step(w, (struct tc_event){.kind = TC_EV_DIALLED, .conn = 1});
}

static void end(struct world *w)
{
    tc_engine_free(w->e);
    tc_make_free(&w->make);
}

static int equivocate(struct world *w, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct tc_message second = {0};
    struct tc_message *forged = tc_arena_zalloc(plan->arena, sizeof *forged);
    assert_non_null(forged);
    int rc = tc_pbft.perturb(&w->make.env, call->message, 1, true, plan->arena, &second, err);
    if (rc == 0)
        rc = tc_forge_sign(&tc_pbft, &w->make.env, &w->ledger, &second, 0, plan->arena, forged, err);
    plan->verdict.verb = TC_REPLACE;
    plan->verdict.frames[0] = forged->frame;
    plan->verdict.frame_count = 1;
    return rc;
}

static void test_equivocation(void **state)
{
    (void)state;
    static struct world w;
    begin(&w);
    w.answer = equivocate;
    struct tc_slice hello = hello_of(&w, 0);
    receive(&w, 0, hello);
    const struct tc_observation *up = seen(&w, TC_OBS_LINK_UP, 0);
    assert_non_null(up);
    assert_int_equal(up->node, 0);
    assert_int_equal(up->peer, 2);
    assert_int_equal(w.acts.items[0].kind, TC_ACT_WRITE);
    assert_int_equal(w.acts.items[0].bytes.len, hello.len);
    assert_memory_equal(w.acts.items[0].bytes.data, hello.data, hello.len);

    Wire__Envelope *request = tc_make_request(&w.make, TC_CLIENT_FIRST, 1, "put a 1");
    struct tc_slice frame = tc_make_frame(&w.make, tc_make_proposal(&w.make, 0, 0, 1, &request, 1));
    receive(&w, 0, frame);
    assert_int_equal(tc_engine_error(w.e)->code, 0);
    const struct tc_observation *faults = seen(&w, TC_OBS_FAULTS, 0);
    const struct tc_observation *said = seen(&w, TC_OBS_MESSAGE, 0), *heard = seen(&w, TC_OBS_MESSAGE, 1);
    assert_non_null(faults);
    assert_non_null(said);
    assert_non_null(heard);
    assert_true(tc_nodeset_has(&faults->faults.signed_for, 0));
    assert_true(faults->id < heard->id); /* who signed is known before it is heard */
    assert_true(said->message.said && !said->message.heard && !said->message.message->touched);
    assert_true(heard->message.heard && !heard->message.said && heard->message.message->touched);
    const struct tc_statement *a = &said->message.message->statements[0], *b = &heard->message.message->statements[0];
    assert_int_equal(tc_pbft.verify(&w.make.env, a), 0);
    assert_int_equal(tc_pbft.verify(&w.make.env, b), 0);
    assert_true(a->slot == b->slot && a->signer == b->signer);
    assert_true(a->value.state != b->value.state || memcmp(a->value.bytes, b->value.bytes, TC_VALUE_SIZE) != 0);
    end(&w);
}

static int corrupt(struct world *w, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    (void)w;
    (void)err;
    plan->verdict.verb = TC_REPLACE;
    plan->verdict.frame_count = 1;
    return tc_forge_corrupt(call->message->key, call->message->frame, plan->arena, &plan->verdict.frames[0]);
}

/* Corruption keeps the stream framed: the message after it is seen as it is. */
static void test_corruption_keeps_the_stream(void **state)
{
    (void)state;
    static struct world w;
    begin(&w);
    w.answer = corrupt;
    receive(&w, 0, hello_of(&w, 1));
    for (uint64_t i = 1; i <= 50; i++) {
        Wire__Envelope *request = tc_make_request(&w.make, TC_CLIENT_FIRST, i, "put a 1");
        struct tc_slice proposal = tc_make_frame(&w.make, tc_make_proposal(&w.make, 0, 0, i, &request, 1));
        struct tc_slice prepare = tc_make_frame(&w.make, tc_make_prepare(&w.make, 1, 0, i, tc_make_digest(&w.make, 1)));
        uint8_t both[4096];
        assert_true(proposal.len + prepare.len <= sizeof both);
        memcpy(both, proposal.data, proposal.len);
        memcpy(both + proposal.len, prepare.data, prepare.len);
        receive(&w, 0, (struct tc_slice){both, proposal.len + prepare.len});
        assert_int_equal(w.acts.items[0].kind, TC_ACT_WRITE);
        assert_int_equal(w.acts.items[0].bytes.len, proposal.len);
        assert_int_equal(tc_pbft.frame(w.acts.items[0].bytes), (int64_t)proposal.len);
        assert_memory_not_equal(w.acts.items[0].bytes.data, proposal.data, proposal.len);
        const struct tc_observation *last = seen(&w, TC_OBS_MESSAGE, 2);
        assert_non_null(last);
        assert_true(last->message.said && last->message.heard && last->message.message->decoded);
        assert_int_equal(last->message.message->statements[0].sequence, i);
    }
    assert_int_equal(tc_nodeset_count(&w.ledger.signed_for), 0); /* changing bytes signs nothing */
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equivocation),
        cmocka_unit_test(test_corruption_keeps_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
