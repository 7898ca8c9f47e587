/* links: tc_engine tc_protocol tc_base
 * Encrypted connections inside the engine: fake CometBFT nodes shake hands with it over a pair, what they say passes
 * decoded and sealed anew, a traitor's proposal is gathered with its block, and handshakes break when a script asks. */
#include "cometbft_fixture.h"

#include "../../proxy/engine.h"
#include "../../proxy/nodeset.h"
#include "../../reference/cometbft/block.h"
#include "../../reference/cometbft/protocol.h"

#define EVENTS_MAX 512

struct world {
    struct tc_cluster cluster;
    struct tc_protocol_env env;
    struct tc_ledger ledger;
    struct tc_handler handler;
    struct tc_engine *e;
    struct tc_arena arena;
    struct node nodes[2]; /* 0 dials, 1 is dialled */
    uint64_t now_ns;
    bool closed[2];
    /* what came of it */
    char seen[4096];    /* types of the messages that were observed, with a space behind each */
    char offered[1024]; /* types that the script was asked about */
    char broken[256];
    uint32_t links_up, decisions_bitten;
    struct tc_op op;     /* done when the attack begins, if its verb is not 0 */
    bool swap;           /* the script replaces a gathered proposal by a second one */
    uint32_t statements; /* of the last proposal that the script was asked about */
};

static void append(char *list, size_t size, const char *word)
{
    assert_true(strlen(list) + strlen(word) + 2 < size);
    strcat(list, word);
    strcat(list, " ");
}

static int answer(void *self, const struct tc_call *call, struct tc_plan *plan, struct tc_error *err)
{
    struct world *w = self;
    if (call->kind == TC_CALL_BEGIN) {
        tc_nodeset_add(&plan->traitors, 0);
        if (w->op.verb)
            plan->ops[plan->op_count++] = w->op;
    }
    if (call->kind != TC_CALL_MESSAGE)
        return 0;
    append(w->offered, sizeof w->offered, call->message->type);
    if (call->message->statements[0].kind != TC_KIND_PROPOSE)
        return 0;
    w->statements = call->message->statement_count;
    if (!w->swap)
        return 0;
    struct tc_message second, own;
    const int status = tc_cometbft.perturb(&w->env, call->message, 5, false, plan->arena, &second, err);
    if (status)
        return status;
    assert_int_equal(tc_cometbft.sign(&w->env, &second, 0, plan->arena, &own), 0);
    plan->verdict.verb = TC_REPLACE;
    plan->verdict.frames[plan->verdict.frame_count++] = own.frame;
    return 0;
}

/* Towards each node we are the other. */
static int configure(void *self, struct tc_transport_config *config, struct tc_error *err)
{
    const struct world *w = self;
    (void)err;
    memset(config->secret, 5, sizeof config->secret);
    for (unsigned side = 0; side < 2; side++)
        memcpy(config->identity[side], w->nodes[config->nodes[!side]].identity, sizeof config->identity[side]);
    return 0;
}

static void take(struct world *w, const struct tc_action *a)
{
    if (a->kind == TC_ACT_WRITE) {
        struct node *node = &w->nodes[a->conn & 1];
        struct tc_error err = {0};
        int status = tc_secret_receive(&node->secret, a->bytes, &node->wire, &node->plain, &err);
        if (status == 0)
            status =
                tc_mconnection_receive(&node->packets, tc_bytes_slice(&node->plain), &node->out, &node->frames, &err);
        node->plain.len = 0;
        if (status)
            w->closed[a->conn & 1] = true; /* as a real node would: its next event is the end of the connection */
    } else if (a->kind == TC_ACT_OBSERVE && a->observation->kind == TC_OBS_MESSAGE) {
        append(w->seen, sizeof w->seen, a->observation->message.message->type);
    } else if (a->kind == TC_ACT_OBSERVE && a->observation->kind == TC_OBS_LINK_UP) {
        w->links_up++;
    } else if (a->kind == TC_ACT_OBSERVE && a->observation->kind == TC_OBS_BROKEN) {
        snprintf(w->broken, sizeof w->broken, "%s", a->observation->text);
    } else if (a->kind == TC_ACT_DECISION) {
        w->decisions_bitten += a->decision->bitten;
    }
}

static void step(struct world *w, struct tc_event event)
{
    struct tc_actions acts;
    event.now_ns = w->now_ns += 1000;
    assert_int_equal(tc_engine_step(w->e, &event, &acts), 0);
    for (size_t i = 0; i < acts.count; i++)
        take(w, &acts.items[i]);
}

/* Carries what the nodes wrote until nobody writes any more. */
static void carry(struct world *w)
{
    for (int i = 0; i < EVENTS_MAX; i++) {
        const uint32_t side = w->nodes[0].wire.len > 0 ? 0 : 1;
        struct tc_bytes wire = w->nodes[side].wire;
        if (wire.len == 0)
            break;
        w->nodes[side].wire = (struct tc_bytes){0};
        step(w, (struct tc_event){.kind = TC_EV_BYTES, .conn = side, .bytes = tc_bytes_slice(&wire)});
        tc_bytes_free(&wire);
    }
    for (uint32_t side = 0; side < 2; side++)
        if (w->closed[side])
            step(w, (struct tc_event){.kind = TC_EV_CLOSED, .conn = side, .reset = true});
}

static void connect_nodes(struct world *w, uint32_t generation)
{
    for (uint32_t side = 0; side < 2; side++) {
        if (generation > 0)
            node_close(&w->nodes[side]);
        node_open(&w->nodes[side], (uint8_t)(side + 1));
        w->closed[side] = false;
    }
    step(w, (struct tc_event){.kind = TC_EV_ACCEPTED, .conn = 0, .from = 0, .to = 1, .generation = generation});
    step(w, (struct tc_event){.kind = TC_EV_DIALLED, .conn = 1});
    carry(w);
}

static struct world *open_world(void)
{
    struct world *w = calloc(1, sizeof *w);
    uint8_t seed[TC_SECRET_SEED_SIZE];
    assert_non_null(w);
    strcpy(w->cluster.id, "test-chain");
    w->cluster.n = 4;
    w->cluster.f = 1;
    w->env = (struct tc_protocol_env){.cluster = &w->cluster, .keys = tc_keyring_new(TC_SCHEME_ED25519)};
    for (uint32_t node = 0; node < 4; node++) {
        tc_keyring_derive_seed(77, node, seed);
        assert_int_equal(tc_keyring_add_secret(w->env.keys, node, seed), 0);
    }
    tc_arena_init(&w->arena, 16u << 20);
    w->ledger.traitors_max = 1;
    w->handler = (struct tc_handler){.self = w, .name = "test", .kinds = ~0u, .calls = ~0u, .call = answer};
    const struct tc_engine_config config = {.protocol = &tc_cometbft,
                                            .env = w->env,
                                            .transport = {&tc_cometbft_peers, w, configure},
                                            .handler = &w->handler,
                                            .ledger = &w->ledger,
                                            .seed = 1,
                                            .observe = true};
    w->e = tc_engine_new(&config);
    assert_non_null(w->e);
    return w;
}

static void close_world(struct world *w)
{
    for (int side = 0; side < 2; side++)
        node_close(&w->nodes[side]);
    tc_engine_free(w->e);
    tc_keyring_free(w->env.keys);
    tc_arena_free(&w->arena);
    free(w);
}

static void attack(struct world *w)
{
    step(w, (struct tc_event){.kind = TC_EV_PHASE, .phase = TC_RUN_DURING});
}

/* What `side` says, in one go. */
static void say(struct world *w, uint32_t side, struct tc_slice frames)
{
    struct tc_bytes packets = {0};
    while (frames.len > 0) {
        const int64_t len = tc_mconnection_frame(frames);
        assert_true(len > 0);
        assert_int_equal(tc_mconnection_send((struct tc_slice){frames.data, (size_t)len}, &packets), 0);
        frames = (struct tc_slice){frames.data + len, frames.len - (size_t)len};
    }
    assert_int_equal(tc_secret_seal(&w->nodes[side].secret, tc_bytes_slice(&packets), &w->nodes[side].wire), 0);
    tc_bytes_free(&packets);
    carry(w);
}

/* ---- messages ---- */

static void *make(struct world *w, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *m = tc_arena_alloc(&w->arena, descriptor->sizeof_message);
    assert_non_null(m);
    descriptor->message_init(m);
    return m;
}

static Cometbft__Block *block(struct world *w)
{
    Cometbft__Block *b = make(w, &cometbft__block__descriptor);
    b->header = make(w, &cometbft__header__descriptor);
    b->header->version = make(w, b->header->base.descriptor->fields[0].descriptor);
    b->header->chain_id = w->cluster.id;
    b->header->height = 5;
    b->header->time = make(w, &cometbft__timestamp__descriptor);
    b->header->time->seconds = 1700000000;
    b->header->last_block_id = make(w, &cometbft__block_id__descriptor);
    b->header->last_block_id->part_set_header = make(w, &cometbft__part_set_header__descriptor);
    b->data = make(w, &cometbft__data__descriptor);
    b->evidence = make(w, &cometbft__evidence_list__descriptor);
    return b;
}

static struct tc_slice part_frame(struct world *w, Cometbft__Part *part)
{
    struct tc_message built;
    struct tc_slice frame;
    assert_int_equal(tc_cometbft_build("block-part", &w->arena, &built), 0);
    Cometbft__BlockPart *body = built.statements[0].fields.base;
    body->height = 5;
    body->part = part;
    assert_int_equal(tc_cometbft_encode(&built, &w->arena, &frame), 0);
    return frame;
}

/* A proposal of node 0 for height 5 and the one part of its block. */
static void propose(struct world *w, struct tc_slice *proposal, struct tc_slice *part)
{
    struct tc_slice bytes;
    struct tc_message built, own;
    Cometbft__Part *parts;
    size_t count;
    Cometbft__Block *b = block(w);
    assert_int_equal(tc_cometbft_build("proposal", &w->arena, &built), 0);
    Cometbft__Proposal *body = built.statements[0].fields.base;
    body->type = TC_COMETBFT_PROPOSAL;
    body->height = 5;
    body->pol_round = -1;
    body->timestamp = b->header->time;
    body->block_id = make(w, &cometbft__block_id__descriptor);
    body->block_id->part_set_header = make(w, &cometbft__part_set_header__descriptor);
    body->block_id->hash = (ProtobufCBinaryData){32, tc_arena_alloc(&w->arena, 32)};
    assert_int_equal(tc_cometbft_header_hash(b->header, &w->arena, body->block_id->hash.data), 0);
    assert_int_equal(tc_fields_pack(&b->base, &w->arena, &bytes), 0);
    assert_int_equal(tc_cometbft_block_parts(bytes, &w->arena, &parts, &count, body->block_id->part_set_header), 0);
    assert_int_equal(count, 1);
    built.from = 0;
    assert_int_equal(tc_cometbft_sign(&w->env, &built, 0, &w->arena, &own), 0);
    *proposal = own.frame;
    *part = part_frame(w, &parts[0]);
}

static struct tc_slice step_frame(struct world *w, int64_t height)
{
    struct tc_message built;
    struct tc_slice frame;
    assert_int_equal(tc_cometbft_build("new-round-step", &w->arena, &built), 0);
    ((Cometbft__NewRoundStep *)built.statements[0].fields.base)->height = height;
    assert_int_equal(tc_cometbft_encode(&built, &w->arena, &frame), 0);
    return frame;
}

static void begin_talk(struct world *w)
{
    connect_nodes(w, 0);
    assert_int_equal(w->links_up, 1);
    for (uint32_t side = 0; side < 2; side++) {
        struct tc_bytes info = node_info(&w->nodes[side]);
        say(w, side, tc_bytes_slice(&info));
        tc_bytes_free(&info);
    }
    for (int side = 0; side < 2; side++) {
        assert_true(w->nodes[side].frames.len > 0); /* the other's NodeInfo */
        w->nodes[side].frames.len = 0;
    }
}

/* ---- tests ---- */

static void test_messages_pass(void **state)
{
    (void)state;
    struct world *w = open_world();
    begin_talk(w);
    const struct tc_slice first = step_frame(w, 5);
    say(w, 0, first);
    assert_int_equal(w->nodes[1].frames.len, first.len);
    assert_memory_equal(w->nodes[1].frames.data, first.data, first.len);
    assert_string_equal(w->seen, "node-info node-info new-round-step ");
    assert_string_equal(w->broken, "");
    close_world(w);
}

/* Between two correct nodes, or before the attack, nothing waits for anything. */
static void test_proposal_is_not_kept_before_the_attack(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct tc_slice proposal, part;
    begin_talk(w);
    propose(w, &proposal, &part);
    say(w, 0, proposal);
    assert_int_equal(w->nodes[1].frames.len, proposal.len);
    close_world(w);
}

static void test_proposal_is_gathered(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct tc_slice proposal, part;
    begin_talk(w);
    attack(w);
    w->offered[0] = 0;
    propose(w, &proposal, &part);
    say(w, 0, proposal);
    assert_int_equal(w->nodes[1].frames.len, 0); /* its block has not come */
    say(w, 0, part);
    assert_int_equal(w->nodes[1].frames.len, proposal.len + part.len);
    assert_memory_equal(w->nodes[1].frames.data, proposal.data, proposal.len);
    assert_memory_equal(w->nodes[1].frames.data + proposal.len, part.data, part.len);
    assert_string_equal(w->offered, "proposal "); /* one message to the script */
    assert_int_equal(w->statements, 2);
    close_world(w);
}

static void test_gathered_proposal_is_exchanged(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct tc_slice proposal, part;
    struct tc_message m = {.from = 0, .to = 1};
    begin_talk(w);
    attack(w);
    w->swap = true;
    propose(w, &proposal, &part);
    say(w, 0, proposal);
    say(w, 0, part);
    assert_int_equal(tc_engine_error(w->e)->code, 0);
    assert_int_equal(tc_cometbft_decode(tc_bytes_slice(&w->nodes[1].frames), &w->arena, &m), 0);
    tc_cometbft_attribute(&w->env, &m);
    assert_string_equal(m.type, "proposal");
    assert_int_equal(m.statement_count, 2);
    assert_int_equal(m.statements[0].signer, 0);
    assert_int_equal(tc_cometbft_verify(&w->env, &m.statements[0]), 0);
    struct tc_message before = {0};
    assert_int_equal(tc_cometbft_decode(proposal, &w->arena, &before), 0);
    assert_memory_not_equal(m.statements[0].value.bytes, before.statements[0].value.bytes, 32);
    assert_int_equal(w->decisions_bitten, 1);
    close_world(w);
}

/* The node goes on to the next height: its block will never be whole, and what was kept goes on as it came. */
static void test_what_does_not_become_whole_goes_on(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct tc_slice proposal, part;
    begin_talk(w);
    attack(w);
    propose(w, &proposal, &part);
    const struct tc_slice later = step_frame(w, 6);
    say(w, 0, proposal);
    assert_int_equal(w->nodes[1].frames.len, 0);
    say(w, 0, later);
    assert_int_equal(w->nodes[1].frames.len, proposal.len + later.len);
    assert_memory_equal(w->nodes[1].frames.data, proposal.data, proposal.len);
    close_world(w);
}

static void test_end_of_the_attack_lets_go(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct tc_slice proposal, part;
    begin_talk(w);
    attack(w);
    propose(w, &proposal, &part);
    say(w, 0, proposal);
    step(w, (struct tc_event){.kind = TC_EV_PHASE, .phase = TC_RUN_AFTER});
    assert_int_equal(w->nodes[1].frames.len, proposal.len);
    close_world(w);
}

/* A peer that breaks the rules is hung up on, with a word about it; the run goes on and the link may come again. */
static void test_broken_peer(void **state)
{
    (void)state;
    struct world *w = open_world();
    uint8_t junk[TC_SECRET_SEALED_SIZE] = {1};
    begin_talk(w);
    step(w, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {junk, sizeof junk}});
    assert_non_null(strstr(w->broken, "does not decrypt"));
    w->broken[0] = 0;
    connect_nodes(w, 1);
    assert_int_equal(w->links_up, 2);
    assert_string_equal(w->broken, "");
    close_world(w);
}

static void break_handshake(enum tc_handshake_fault fault, const char *broken, bool refused)
{
    struct world *w = open_world();
    begin_talk(w);
    w->op = (struct tc_op){.verb = TC_HANDSHAKE, .from = 0, .to = 1, .handshake = (uint8_t)fault, .times = 1};
    attack(w);
    assert_int_equal(w->decisions_bitten, 0);
    connect_nodes(w, 1);
    assert_int_equal(w->decisions_bitten, 1);
    assert_string_equal(w->broken, broken);
    assert_int_equal(w->closed[1], refused); /* the honest node would have none of it */
    assert_int_not_equal(w->nodes[1].secret.state, TC_SECRET_OPEN);
    const uint32_t before = w->links_up;
    w->broken[0] = 0;
    connect_nodes(w, 2); /* once was asked for */
    assert_int_equal(w->links_up, before + 1);
    assert_string_equal(w->broken, "");
    assert_int_equal(w->nodes[1].secret.state, TC_SECRET_OPEN);
    close_world(w);
}

static void test_handshakes_break_on_purpose(void **state)
{
    (void)state;
    break_handshake(TC_HANDSHAKE_EPHEMERAL_WITHHELD, "the ephemeral key is withheld on purpose", false);
    break_handshake(TC_HANDSHAKE_EPHEMERAL_BAD, "", true);
    break_handshake(TC_HANDSHAKE_AUTH_WITHHELD, "the proof of identity is withheld on purpose", false);
    break_handshake(TC_HANDSHAKE_AUTH_BAD, "", true);
    break_handshake(TC_HANDSHAKE_AUTH_GARBLED, "", true);
}

static void test_handshake_ops_that_make_no_sense(void **state)
{
    (void)state;
    static const struct tc_op ops[] = {
        {.verb = TC_HANDSHAKE, .from = 0, .to = 1, .handshake = TC_HANDSHAKE_HONEST, .times = 1},
        {.verb = TC_HANDSHAKE, .from = 0, .to = 1, .handshake = TC_HANDSHAKE_COUNT, .times = 1},
        {.verb = TC_HANDSHAKE, .from = 0, .to = 1, .handshake = TC_HANDSHAKE_AUTH_BAD, .times = 0},
        {.verb = TC_HANDSHAKE, .from = TC_NODE_NONE, .to = 1, .handshake = TC_HANDSHAKE_AUTH_BAD, .times = 1},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct world *w = open_world();
        begin_talk(w);
        w->op = ops[i];
        attack(w);
        const struct tc_slice first = step_frame(w, 5);
        say(w, 0, first); /* the link is as it was */
        assert_int_equal(w->nodes[1].frames.len, first.len);
        assert_int_equal(w->decisions_bitten, 0);
        close_world(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_pass),
        cmocka_unit_test(test_proposal_is_not_kept_before_the_attack),
        cmocka_unit_test(test_proposal_is_gathered),
        cmocka_unit_test(test_gathered_proposal_is_exchanged),
        cmocka_unit_test(test_what_does_not_become_whole_goes_on),
        cmocka_unit_test(test_end_of_the_attack_lets_go),
        cmocka_unit_test(test_broken_peer),
        cmocka_unit_test(test_handshakes_break_on_purpose),
        cmocka_unit_test(test_handshake_ops_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
