/* A commit inside a block that is sent for catching up: what is read of one that a stock node sent, and when its sender
 * is blamed for it. Four validators; the commit lacks the one that was down. */
#include "../../oracles/judge.h"
#include "../../proxy/nodeset.h"
#include "../../reference/cometbft/protocol.h"
#include "../../reference/cometbft/protocol_parts.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAME "certificate-validity"

/* v0.38.25: block 15 to a node that was killed and started again. */
static const char block[] =
    "00000320401a9c060a99060af7020a04080b100112087475726e636f6174180c220b08ebd390d80610a799a52a2a480a202fee0b"
    "0427a9b27478b1ab9f2e6cb4fd294a77c5066967d06c2b265b182ea77b122408011220cda287943fe6dbe1876fac3da3bd3525af"
    "f74cc9c579c761d451fba7d90c1d663220328dde4fb6d445c86c4ab06bc2a0b39f1fd251292f7f42c7860744508372389c3a20e3"
    "b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85542201b751c567e9cb305d1759c7b48eb9df1f7b1fe"
    "51e9bbf334d1bdf535546a5c354a201b751c567e9cb305d1759c7b48eb9df1f7b1fe51e9bbf334d1bdf535546a5c355220048091"
    "bc7ddc283f77bfbf91d73c44da58c3df8a9cbc867405d8b7f3daada22f5a0800000000000000006220e3b0c44298fc1c149afbf4"
    "c8996fb92427ae41e4649b934ca495991b7852b8556a20e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b78"
    "52b855721430a0a99c77b790ceebe2249235f7a0c8ee760ad812001a00229803080b1a480a202fee0b0427a9b27478b1ab9f2e6c"
    "b4fd294a77c5066967d06c2b265b182ea77b122408011220cda287943fe6dbe1876fac3da3bd3525aff74cc9c579c761d451fba7"
    "d90c1d6622670802121430a0a99c77b790ceebe2249235f7a0c8ee760ad81a0b08ebd390d80610e4e19c2e2240681cdd5342ebee"
    "64c6d67fa2e60c676dab5e68aa01194764eafb0b1e94a72a8d8aed03c4cb5cdb72c6a610d95694608f44fff0699a4d0af2e1d551"
    "15c7b8f20a226708021214b19f6314cc3f50dc701f0967e14991f56098bb971a0b08ebd390d80610a6d2f02922407e45e921d4f0"
    "bb8d450795af8b7c0ca94f2e70899c7f2c820d52cdbb693b858bbcc84dbd69c77af09f5f3f33e72a4baa0b36b8d74efbbb3069d2"
    "cc730b6fd80c226708021214bbcd7f243a744e1cf87603888b0a913bff7e1ed41a0b08ebd390d80610a799a52a2240e60b4ea554"
    "3f8ece04939f6d26a856c5b0c344325e3c634f21d2a791e696c5e58899e50f79f6f5ddd5232881182079812465bd70ae1ff1723c"
    "7fdf96cac9410c220f08011a0b088092b8c398feffffff01";

static const char *const keys[4] = {
    "41a5c156d43eb010136b2231cf3a0523722aa155c517fef1234f31d7cf7e9cc1",
    "2d82cb76b0adfb09bf0eb7c2224b76168cbb46fe7ecdb613d22c2b3219399537",
    "63282d16fa242dec90711f35571fe520d0835ad39f67ddf40f98c4a42a2a1237",
    "42b27277cb073c0eedc46551d9b6f08f069d5b2a6dab80294a9ce2a5711efa31",
};

struct fixture {
    struct tc_arena arena;
    struct tc_cluster cluster;
    struct tc_protocol_env env;
    struct tc_judge_config config;
    struct tc_judge *judge;
    uint8_t frame[sizeof block / 2];
    uint64_t now_ns;
    const char *disabled[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    size_t len, count = 0;
    assert_non_null(f);
    tc_arena_init(&f->arena, 1u << 20);
    f->cluster = (struct tc_cluster){.n = 4, .f = 1, .view_timeout_ns = 1000000000u};
    strcpy(f->cluster.id, "turncoat");
    f->env = (struct tc_protocol_env){.cluster = &f->cluster, .keys = tc_keyring_new(TC_SCHEME_ED25519)};
    for (uint32_t node = 0; node < 4; node++) {
        uint8_t key[32];
        assert_int_equal(sodium_hex2bin(key, sizeof key, keys[node], 64, NULL, &len, NULL), 0);
        assert_int_equal(tc_keyring_add_public(f->env.keys, node, key), 0);
    }
    assert_int_equal(sodium_hex2bin(f->frame, sizeof f->frame, block, strlen(block), NULL, &len, NULL), 0);
    for (size_t i = 0; tc_oracle_classes[i]; i++)
        if (strcmp(tc_oracle_classes[i]->name, NAME) != 0)
            f->disabled[count++] = tc_oracle_classes[i]->name;
    f->config = (struct tc_judge_config){.protocol = &tc_cometbft,
                                         .env = f->env,
                                         .disabled = f->disabled,
                                         .has_executions = true,
                                         .has_messages = true,
                                         .links_complete = true,
                                         .expect = TC_HOLDS};
    f->judge = tc_judge_new(&f->config);
    assert_non_null(f->judge);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tc_judge_free(f->judge);
    tc_keyring_free(f->env.keys);
    tc_arena_free(&f->arena);
    free(f);
    return 0;
}

static struct tc_message decode(struct fixture *f, struct tc_slice frame)
{
    struct tc_message m = {.from = 1, .to = 3};
    assert_int_equal(tc_protocol_decode(&tc_cometbft, &f->env, frame, &f->arena, &m), 0);
    return m;
}

static struct tc_message real(struct fixture *f)
{
    return decode(f, (struct tc_slice){f->frame, sizeof f->frame});
}

/* The commit of a decoded block, to be changed. */
static Cometbft__Commit *commit_of(const struct tc_message *m)
{
    return ((Cometbft__BlockResponse *)m->statements[0].fields.base)->block->last_commit;
}

/* As its sender sends it. */
static struct tc_message changed(struct fixture *f, const struct tc_message *m)
{
    struct tc_slice frame;
    assert_int_equal(tc_cometbft_encode(m, &f->arena, &frame), 0);
    return decode(f, frame);
}

static void observe(struct fixture *f, struct tc_observation o)
{
    o.time_ns = f->now_ns += 1000;
    o.id = f->now_ns / 1000;
    o.incarnation = 1;
    o.text = "";
    tc_judge_observe(f->judge, &o);
}

/* `node` tells the members, of which the first has this weight and the others ten. */
static void tell_members(struct fixture *f, uint16_t node, uint64_t height, uint64_t power, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        struct tc_observation o = {.kind = TC_OBS_MEMBER, .node = node, .peer = TC_NODE_NONE};
        o.member.sequence = height;
        o.member.index = i;
        o.member.count = count;
        o.member.node = i < 4 ? i : TC_NODE_NONE;
        o.member.power = i == 0 ? power : 10;
        observe(f, o);
    }
}

static void say(struct fixture *f, struct tc_message *m)
{
    struct tc_observation o = {.kind = TC_OBS_MESSAGE, .node = m->from, .peer = m->to};
    o.message.message = m;
    o.message.said = o.message.heard = true;
    observe(f, o);
}

static const struct tc_judgement *finish(struct fixture *f)
{
    tc_judge_finish(f->judge, f->now_ns);
    for (size_t i = 0; i < tc_judge_count(f->judge); i++)
        if (strcmp(tc_judge_get(f->judge, i)->oracle->name, NAME) == 0)
            return tc_judge_get(f->judge, i);
    fail();
    return NULL;
}

/* Two replicas, more than may lie, tell equal weights from the first height on; then this is said. */
static const struct tc_judgement *judged(struct fixture *f, struct tc_message *m)
{
    tell_members(f, 0, 1, 10, 4);
    tell_members(f, 2, 1, 10, 4);
    say(f, m);
    return finish(f);
}

/* ---- what is read ---- */

static void a_commit_is_a_certificate(void **state)
{
    struct fixture *f = *state;
    const struct tc_message m = real(f);
    assert_string_equal(m.type, "block-response");
    assert_int_equal(m.statement_count, 5);
    const struct tc_statement *commit = &m.statements[1];
    assert_int_equal(commit->kind, TC_KIND_CERTIFICATE);
    assert_int_equal(commit->phase, TC_PHASE_PRECOMMIT);
    assert_int_equal(commit->parent, 0);
    assert_int_equal(commit->origin, TC_ORIGIN_EMBEDDED);
    assert_string_equal(tc_cometbft.rows[commit->type].name, "commit");
    assert_true(commit->has_view && commit->has_sequence);
    assert_int_equal(commit->sequence, commit_of(&m)->height);
    assert_int_equal(commit->view, commit_of(&m)->round);
    assert_memory_equal(commit->value.bytes, commit_of(&m)->block_id->hash.data, TC_VALUE_SIZE);
    assert_int_equal(tc_nodeset_count(&commit->signers), 3);
    for (uint32_t i = 2; i < 5; i++) {
        const struct tc_statement *vote = &m.statements[i];
        assert_int_equal(vote->kind, TC_KIND_VOTE);
        assert_int_equal(vote->phase, TC_PHASE_PRECOMMIT);
        assert_int_equal(vote->parent, 1);
        assert_true(tc_nodeset_has(&commit->signers, vote->signer));
        assert_int_equal(tc_cometbft.verify(&f->env, vote), 0);
    }
}

static void an_extended_commit_is_one_too(void **state)
{
    struct fixture *f = *state;
    const struct tc_message m = real(f);
    Cometbft__Commit *commit = commit_of(&m);
    Cometbft__ExtendedCommit extended = COMETBFT__EXTENDED_COMMIT__INIT;
    Cometbft__ExtendedCommitSig one = COMETBFT__EXTENDED_COMMIT_SIG__INIT, *list[1] = {&one};
    one.block_id_flag = 3; /* a precommit for nothing */
    one.validator_address = commit->signatures[0]->validator_address;
    one.timestamp = commit->signatures[0]->timestamp;
    one.signature = commit->signatures[0]->signature;
    extended.height = commit->height + 1;
    extended.block_id = commit->block_id;
    extended.n_extended_signatures = 1;
    extended.extended_signatures = list;
    ((Cometbft__BlockResponse *)m.statements[0].fields.base)->ext_commit = &extended;
    const struct tc_message both = changed(f, &m);
    assert_int_equal(both.statement_count, 7);
    assert_string_equal(tc_cometbft.rows[both.statements[5].type].name, "extended-commit");
    assert_int_equal(both.statements[5].sequence, commit->height + 1);
    assert_int_equal(tc_nodeset_count(&both.statements[5].signers), 0);
    assert_int_equal(both.statements[6].parent, 5);
    assert_int_equal(both.statements[6].value.state, TC_VALUE_NIL);
}

/* The first block's is empty; one longer than any cluster here is let be. */
static void what_is_no_commit_is_no_statement(void **state)
{
    struct fixture *f = *state;
    const struct tc_message m = real(f);
    Cometbft__CommitSig *many[300], **few = commit_of(&m)->signatures;
    for (size_t i = 0; i < 300; i++)
        many[i] = few[i % 3];
    commit_of(&m)->signatures = many;
    commit_of(&m)->n_signatures = 300;
    assert_int_equal(changed(f, &m).statement_count, 1);
    commit_of(&m)->n_signatures = 256;
    assert_int_equal(changed(f, &m).statement_count, 258);
    commit_of(&m)->n_signatures = 0;
    commit_of(&m)->height = 0;
    assert_int_equal(changed(f, &m).statement_count, 1);
    struct tc_message built;
    assert_int_equal(tc_cometbft.build("commit", &f->arena, &built), TC_ENOT_FOUND);
}

/* ---- what is judged ---- */

static void a_real_commit_holds(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = real(f);
    const struct tc_judgement *j = judged(f, &m);
    assert_int_equal(j->status, TC_HOLDS);
    assert_int_equal(j->result.compared, 1);
    assert_int_equal(j->finding_total, 0);
}

static void assert_blamed(const struct tc_judgement *j, const char *who)
{
    assert_int_equal(j->status, TC_VIOLATED);
    assert_int_equal(j->finding_total, 1);
    assert_non_null(
        strstr(j->findings[0].text, "replica 1 said a block-response on a bad certificate: the certificate"));
    assert_non_null(strstr(j->findings[0].text, who));
    assert_true(j->findings[0].evidence[0].frame.len > 0);
}

static void a_broken_signature_is_a_breach(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = real(f);
    commit_of(&m)->signatures[0]->signature.data[5] ^= 1;
    m = changed(f, &m);
    assert_blamed(judged(f, &m), "has 2 distinct members with a valid signature");
}

static void a_signer_fewer_is_a_breach(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = real(f);
    commit_of(&m)->signatures[1]->block_id_flag = 1;
    m = changed(f, &m);
    assert_blamed(judged(f, &m), "has 2 distinct members");
}

static void a_signer_twice_is_a_breach(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = real(f);
    commit_of(&m)->signatures[1] = commit_of(&m)->signatures[0];
    m = changed(f, &m);
    assert_blamed(judged(f, &m), "has 2 distinct members");
}

static void another_chain_is_a_breach(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = real(f);
    strcpy(f->cluster.id, "turnabout");
    assert_blamed(judged(f, &m), "has 0 distinct members");
}

static void another_block_is_a_breach(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = real(f);
    commit_of(&m)->block_id->hash.data[0] ^= 1;
    m = changed(f, &m);
    assert_blamed(judged(f, &m), "has 0 distinct members");
}

static void only_whoever_sends_it_unchanged_is_blamed(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = real(f);
    commit_of(&m)->signatures[0]->signature.data[5] ^= 1;
    m = changed(f, &m);
    m.touched = true; /* our own doing */
    assert_int_equal(judged(f, &m)->finding_total, 0);
}

/* ---- what is not ---- */

static struct tc_message bad(struct fixture *f)
{
    struct tc_message m = real(f);
    commit_of(&m)->signatures[1]->block_id_flag = 1;
    return changed(f, &m);
}

static void assert_not_judged(struct fixture *f, const char *why)
{
    const struct tc_judgement *j = finish(f);
    assert_int_equal(j->status, TC_NOT_JUDGED);
    assert_int_equal(j->finding_total, 0);
    assert_non_null(strstr(j->result.reason, why));
}

static void unequal_weights_are_not_judged(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = bad(f);
    tell_members(f, 0, 1, 10, 4);
    tell_members(f, 2, 1, 10, 4);
    say(f, &m);
    tell_members(f, 1, 9, 60, 4); /* told late, and by one: that is enough */
    assert_not_judged(f, "unequal");
}

static void nearly_equal_weights_are_judged(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = bad(f);
    tell_members(f, 0, 1, 9, 4); /* punished: still three are needed */
    tell_members(f, 2, 1, 9, 4);
    say(f, &m);
    assert_blamed(finish(f), "has 2 distinct members");
}

static void other_members_are_not_judged(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = bad(f);
    tell_members(f, 0, 1, 10, 4);
    tell_members(f, 2, 1, 10, 4);
    tell_members(f, 0, 40, 10, 5);
    say(f, &m);
    assert_not_judged(f, "the set that votes");
}

static void one_word_about_members_is_not_enough(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = bad(f);
    tell_members(f, 2, 1, 10, 4);
    tell_members(f, 2, 1, 10, 4);
    say(f, &m);
    assert_not_judged(f, "not told");
}

/* A chain that ran before we asked: who voted then is not known. */
static void older_heights_are_not_judged(void **state)
{
    struct fixture *f = *state;
    struct tc_message m = bad(f);
    tell_members(f, 0, 100, 10, 4);
    tell_members(f, 2, 100, 10, 4);
    say(f, &m);
    const struct tc_judgement *j = finish(f);
    assert_int_equal(j->finding_total, 0);
    assert_int_equal(j->status, TC_NOT_JUDGED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_commit_is_a_certificate),         TEST(an_extended_commit_is_one_too),
        TEST(what_is_no_commit_is_no_statement), TEST(a_real_commit_holds),
        TEST(a_broken_signature_is_a_breach),    TEST(a_signer_fewer_is_a_breach),
        TEST(a_signer_twice_is_a_breach),        TEST(another_chain_is_a_breach),
        TEST(another_block_is_a_breach),         TEST(only_whoever_sends_it_unchanged_is_blamed),
        TEST(unequal_weights_are_not_judged),    TEST(nearly_equal_weights_are_judged),
        TEST(other_members_are_not_judged),      TEST(one_word_about_members_is_not_enough),
        TEST(older_heights_are_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
