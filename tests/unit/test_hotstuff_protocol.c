/* HotStuff for the man in the middle: every message there and back, certificates as statements, the lies, the cost; and
 * what the justifier must catch. `test_hotstuff_protocol --write DIR` writes the seed corpus of the fuzzer; the test
 * checks that the committed files are still what today's encoder makes.
 *
 * links: tc_testlib tc_oracles tc_engine tc_protocol */
#include "../../proxy/nodeset.h"
#include "../../reference/fields_alloc.h"
#include "../../reference/hotstuff/protocol.h"
#include "../../reference/hotstuff/wire.h"
#include "../lib/pbft_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct tc_protocol *const variants[] = {&tc_hotstuff, &tc_chained_hotstuff};

/* ---- making ---- */

static Wire__Envelope *envelope_of(struct tc_make *make, uint32_t type, uint32_t sender, const void *body)
{
    return tc_make_envelope(make, type, sender, body);
}

static struct tc_message *message_of(struct tc_make *make, const struct tc_protocol *protocol,
                                     const Wire__Envelope *envelope, uint16_t from, uint16_t to)
{
    struct tc_message *m = tc_arena_zalloc(&make->arena, sizeof *m);
    assert_non_null(m);
    m->from = from;
    m->to = to;
    assert_int_equal(protocol->decode(tc_make_frame(make, envelope), &make->arena, m), 0);
    return m;
}

static Wire__Envelope *vote_of(struct tc_make *make, uint32_t type, uint32_t sender, uint64_t view, uint64_t sequence,
                               const uint8_t *digest)
{
    Hotstuff__Vote vote = HOTSTUFF__VOTE__INIT;
    vote.view = view;
    vote.sequence = sequence;
    vote.digest = tc_wire_binary((struct tc_slice){digest, TC_VALUE_SIZE});
    return envelope_of(make, type, sender, &vote);
}

/* A certificate of replicas 0 … count-1. */
static Hotstuff__Certificate *certificate_of(struct tc_make *make, uint32_t type, uint64_t view, uint64_t sequence,
                                             const uint8_t *digest, uint32_t count)
{
    Hotstuff__Certificate *out = tc_arena_zalloc(&make->arena, sizeof *out);
    hotstuff__certificate__init(out);
    out->type = type;
    out->view = view;
    out->sequence = sequence;
    out->digest = tc_wire_binary(tc_arena_copy(&make->arena, (struct tc_slice){digest, TC_VALUE_SIZE}));
    out->signers = tc_arena_zalloc(&make->arena, count * sizeof *out->signers);
    out->signatures = tc_arena_zalloc(&make->arena, count * sizeof *out->signatures);
    out->n_signers = out->n_signatures = count;
    for (uint32_t i = 0; i < count; i++) {
        out->signers[i] = i;
        out->signatures[i] = vote_of(make, type, i, view, sequence, digest)->signature;
    }
    return out;
}

struct block {
    uint64_t view, sequence;
    uint8_t digest[TC_VALUE_SIZE];
};

static const struct block genesis;

/* The leader's proposal of a block on `parent`, certified by 3 votes of `type`; with two requests if `full`. */
/* `count` replicas ask for a view. */
static Hotstuff__TimeoutCertificate *timeout_of(struct tc_make *make, uint64_t view, uint32_t count)
{
    Hotstuff__Timeout share = HOTSTUFF__TIMEOUT__INIT;
    Hotstuff__TimeoutCertificate *out = tc_arena_zalloc(&make->arena, sizeof *out);
    hotstuff__timeout_certificate__init(out);
    out->view = share.view = view;
    out->signers = tc_arena_zalloc(&make->arena, count * sizeof *out->signers);
    out->signatures = tc_arena_zalloc(&make->arena, count * sizeof *out->signatures);
    out->n_signers = out->n_signatures = count;
    for (uint32_t i = 0; i < count; i++) {
        out->signers[i] = i;
        out->signatures[i] = envelope_of(make, HOTSTUFF__TYPE__TIMEOUT, i, &share)->signature;
    }
    return out;
}

static Wire__Envelope *proposal_of(struct tc_make *make, const struct tc_protocol *protocol, uint64_t view,
                                   const struct block *parent, bool full, struct block *out)
{
    const bool chained = protocol == &tc_chained_hotstuff;
    Hotstuff__Proposal body = HOTSTUFF__PROPOSAL__INIT;
    Wire__Envelope batch = WIRE__ENVELOPE__INIT;
    Wire__Envelope **requests = tc_arena_zalloc(&make->arena, 2 * sizeof *requests);
    requests[0] = tc_make_request(make, 128, view, "put");
    requests[1] = tc_make_request(make, 129, view, "get");
    batch.requests = requests;
    batch.n_requests = full ? 2 : 0;
    out->view = view;
    out->sequence = parent->sequence + 1;
    assert_int_equal(
        tc_hotstuff_envelope_digest(&batch, view, out->sequence, parent->digest, &make->arena, out->digest), 0);
    body.view = view;
    body.sequence = out->sequence;
    body.digest = tc_wire_binary((struct tc_slice){out->digest, TC_VALUE_SIZE});
    body.parent = tc_wire_binary((struct tc_slice){parent->digest, TC_VALUE_SIZE});
    if (parent->view > 0)
        body.justify = certificate_of(make, chained ? HOTSTUFF__TYPE__GENERIC_VOTE : HOTSTUFF__TYPE__PREPARE_VOTE,
                                      parent->view, parent->sequence, parent->digest, 3);
    if (parent->view + 1 != view)
        body.timeout = timeout_of(make, view, 3);
    Wire__Envelope *envelope = envelope_of(make, chained ? HOTSTUFF__TYPE__GENERIC : HOTSTUFF__TYPE__PREPARE,
                                           (uint32_t)(view % make->cluster.n), &body);
    envelope->requests = requests;
    envelope->n_requests = batch.n_requests;
    return envelope;
}

/* ---- messages ---- */

static void test_every_type(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        const struct tc_protocol *protocol = variants[v];
        struct tc_make make;
        tc_make_init(&make, 4);
        uint32_t built = 0;
        for (size_t i = 0; i < protocol->row_count; i++) {
            struct tc_message m, out;
            struct tc_slice frame;
            if (protocol->build(protocol->rows[i].name, &make.arena, &m) != 0)
                continue;
            built++;
            assert_string_equal(m.type, protocol->rows[i].name);
            assert_int_equal(m.statements[0].kind, protocol->rows[i].kind);
            assert_int_equal(protocol->encode(&m, &make.arena, &frame), 0);
            assert_int_equal(frame.len, m.frame.len);
            assert_memory_equal(frame.data, m.frame.data, frame.len);
            const uint16_t signer = m.statements[0].kind == TC_KIND_REQUEST ? 128 : 2;
            assert_int_equal(protocol->sign(&make.env, &m, signer, &make.arena, &out), 0);
            assert_int_equal(out.sender, signer);
            assert_int_equal(protocol->verify(&make.env, &out.statements[0]), 0);
        }
        assert_int_equal(built, protocol->row_count - 2); /* certificates are no messages */
        struct tc_message none;
        assert_int_equal(protocol->build("pre-prepare", &make.arena, &none), TC_ENOT_FOUND);
        tc_make_free(&make);
    }
}

static void test_proposal(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        const struct tc_protocol *protocol = variants[v];
        struct tc_make make;
        struct block first, second;
        tc_make_init(&make, 4);
        (void)proposal_of(&make, protocol, 1, &genesis, true, &first);
        const struct tc_message *m =
            message_of(&make, protocol, proposal_of(&make, protocol, 2, &first, true, &second), 2, 0);
        uint32_t requests = 0, certificates = 0, votes = 0;
        assert_int_equal(m->statements[0].kind, TC_KIND_PROPOSE);
        assert_int_equal(m->statements[0].view, 2);
        assert_memory_equal(m->statements[0].value.bytes, second.digest, TC_VALUE_SIZE);
        for (uint32_t i = 0; i < m->statement_count; i++) {
            const struct tc_statement *s = &m->statements[i];
            assert_int_equal(protocol->verify(&make.env, s), 0);
            requests += s->kind == TC_KIND_REQUEST;
            votes += s->kind == TC_KIND_VOTE;
            certificates += s->kind == TC_KIND_CERTIFICATE;
            if (s->kind == TC_KIND_CERTIFICATE)
                assert_int_equal(tc_nodeset_count(&s->signers), 3);
            if (s->kind == TC_KIND_VOTE)
                assert_memory_equal(s->value.bytes, first.digest, TC_VALUE_SIZE);
        }
        assert_int_equal(requests, 2);
        assert_int_equal(certificates, 1);
        assert_int_equal(votes, 3);
        /* a signature in the certificate that is not its signer's */
        for (uint32_t i = 0; i < m->statement_count; i++)
            if (m->statements[i].kind == TC_KIND_VOTE) {
                m->statements[i].signer = 3;
                assert_int_equal(protocol->verify(&make.env, &m->statements[i]), TC_ESIGNATURE);
            }
        tc_make_free(&make);
    }
}

static void test_lies(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        const struct tc_protocol *protocol = variants[v];
        struct tc_make make;
        struct block first, second;
        struct tc_message lie, empty, vote;
        struct tc_error err = {0};
        tc_make_init(&make, 4);
        (void)proposal_of(&make, protocol, 1, &genesis, true, &first);
        const struct tc_message *m =
            message_of(&make, protocol, proposal_of(&make, protocol, 2, &first, true, &second), 2, 0);
        assert_int_equal(protocol->perturb(&make.env, m, 7, false, &make.arena, &lie, &err), 0);
        assert_int_equal(protocol->perturb(&make.env, m, 7, true, &make.arena, &empty, &err), 0);
        assert_memory_not_equal(lie.statements[0].value.bytes, second.digest, TC_VALUE_SIZE);
        assert_memory_not_equal(lie.statements[0].value.bytes, empty.statements[0].value.bytes, TC_VALUE_SIZE);
        const Hotstuff__Proposal *body = lie.statements[0].fields.base;
        uint8_t digest[TC_VALUE_SIZE];
        assert_memory_equal(body->parent.data, first.digest, TC_VALUE_SIZE);
        assert_int_equal(body->justify->view, 1);
        assert_int_equal(
            tc_hotstuff_envelope_digest(lie.envelope.base, 2, body->sequence, body->parent.data, &make.arena, digest),
            0);
        assert_memory_equal(body->digest.data, digest, TC_VALUE_SIZE);
        assert_int_equal(((const Wire__Envelope *)empty.envelope.base)->n_requests, 0);
        const uint32_t type = v ? HOTSTUFF__TYPE__GENERIC_VOTE : HOTSTUFF__TYPE__PREPARE_VOTE;
        const struct tc_message *plain =
            message_of(&make, protocol, vote_of(&make, type, 0, 2, second.sequence, second.digest), 0, 2);
        assert_int_equal(protocol->vote_for(plain, &lie, &make.arena, &vote), 0);
        assert_memory_equal(vote.statements[0].value.bytes, digest, TC_VALUE_SIZE);
        assert_int_equal(protocol->perturb(&make.env, plain, 7, false, &make.arena, &empty, &err), TC_EUNSUPPORTED);
        tc_make_free(&make);
    }
}

static void test_certificate(void **state)
{
    struct tc_make make;
    struct block first;
    struct tc_slice bytes;
    ProtobufCMessage *base;
    const struct tc_message *votes[3];
    (void)state;
    tc_make_init(&make, 4);
    (void)proposal_of(&make, &tc_hotstuff, 1, &genesis, true, &first);
    for (uint32_t i = 0; i < 3; i++)
        votes[i] = message_of(&make, &tc_hotstuff, vote_of(&make, HOTSTUFF__TYPE__COMMIT_VOTE, i, 1, 1, first.digest),
                              (uint16_t)i, 1);
    assert_int_equal(tc_hotstuff.certificate(votes, 3, &make.arena, &bytes), 0);
    assert_int_equal(tc_fields_unpack(&hotstuff__certificate__descriptor, bytes, &make.arena, &base), 0);
    const Hotstuff__Certificate *made = (const Hotstuff__Certificate *)base;
    const Hotstuff__Certificate *wanted = certificate_of(&make, HOTSTUFF__TYPE__COMMIT_VOTE, 1, 1, first.digest, 3);
    assert_int_equal(made->type, wanted->type);
    assert_int_equal(made->n_signers, 3);
    assert_memory_equal(made->signatures[2].data, wanted->signatures[2].data, TC_SIGNATURE_SIZE);
    tc_make_free(&make);
}

static void test_cost(void **state)
{
    uint64_t by_row[64], sum = 0;
    (void)state;
    assert_int_equal(tc_hotstuff.cost(100, by_row), 792);
    for (size_t i = 0; i < tc_hotstuff.row_count; i++)
        sum += by_row[i];
    assert_int_equal(sum, 792);
    assert_int_equal(tc_chained_hotstuff.cost(100, NULL), 198);
}

/* ---- justification ---- */

struct court {
    struct tc_make make;
    const struct tc_protocol *protocol;
    struct tc_justifier *j;
    uint32_t breaches;
    char rule[64];
};

static void on_breach(void *self, const struct tc_breach *breach)
{
    struct court *c = self;
    c->breaches++;
    snprintf(c->rule, sizeof c->rule, "%s", breach->rule);
    assert_int_equal(breach->replica, 0);
}

static void open_court(struct court *c, const struct tc_protocol *protocol)
{
    *c = (struct court){.protocol = protocol};
    tc_make_init(&c->make, 4);
    c->j = protocol->justifier->create(&c->make.env, on_breach, c);
    assert_non_null(c->j);
}

static void close_court(struct court *c, uint32_t breaches, const char *rule)
{
    assert_int_equal(c->breaches, breaches);
    assert_string_equal(c->rule, rule);
    c->protocol->justifier->destroy(c->j);
    tc_make_free(&c->make);
}

static void offer(struct court *c, const Wire__Envelope *envelope)
{
    const uint16_t from = (uint16_t)envelope->sender;
    c->protocol->justifier->heard(c->j, 0, message_of(&c->make, c->protocol, envelope, from, 0), false);
}

static void votes(struct court *c, uint32_t type, const struct block *block)
{
    const Wire__Envelope *envelope = vote_of(&c->make, type, 0, block->view, block->sequence, block->digest);
    c->protocol->justifier->said(c->j, 0, message_of(&c->make, c->protocol, envelope, 0, 1));
}

static void announce(struct court *c, uint32_t type, uint32_t vote, const struct block *block, uint32_t signers)
{
    Hotstuff__Announcement body = HOTSTUFF__ANNOUNCEMENT__INIT;
    body.view = block->view;
    body.sequence = block->sequence;
    body.digest = tc_wire_binary((struct tc_slice){block->digest, TC_VALUE_SIZE});
    body.justify = certificate_of(&c->make, vote, block->view, block->sequence, block->digest, signers);
    offer(c, envelope_of(&c->make, type, 1, &body));
}

static void executes(struct court *c, const struct block *block)
{
    struct tc_observation o = {.kind = TC_OBS_EXECUTED, .node = 0};
    o.executed.view = block->view;
    o.executed.sequence = block->sequence;
    o.executed.value.state = TC_VALUE_BYTES;
    memcpy(o.executed.value.bytes, block->digest, TC_VALUE_SIZE);
    o.executed.origin = TC_EXEC_EXECUTED;
    c->protocol->justifier->observed(c->j, &o);
}

/* Replica 0 does everything right in view 1 (leader 1) up to `steps` steps. */
static void basic_view(struct court *c, struct block *block, int steps)
{
    offer(c, proposal_of(&c->make, c->protocol, 1, &genesis, true, block));
    votes(c, HOTSTUFF__TYPE__PREPARE_VOTE, block);
    if (steps > 1) {
        announce(c, HOTSTUFF__TYPE__PRE_COMMIT, HOTSTUFF__TYPE__PREPARE_VOTE, block, 3);
        votes(c, HOTSTUFF__TYPE__PRE_COMMIT_VOTE, block);
    }
    if (steps > 2) {
        announce(c, HOTSTUFF__TYPE__COMMIT, HOTSTUFF__TYPE__PRE_COMMIT_VOTE, block, 3);
        votes(c, HOTSTUFF__TYPE__COMMIT_VOTE, block);
    }
    if (steps > 3) {
        announce(c, HOTSTUFF__TYPE__DECIDE, HOTSTUFF__TYPE__COMMIT_VOTE, block, 3);
        executes(c, block);
    }
    assert_int_equal(c->breaches, 0);
}

static void test_basic_breaches(void **state)
{
    struct court c;
    struct block block, other;
    (void)state;
    open_court(&c, &tc_hotstuff);
    basic_view(&c, &block, 4);
    close_court(&c, 0, "");

    open_court(&c, &tc_hotstuff);
    basic_view(&c, &block, 1);
    offer(&c, proposal_of(&c.make, c.protocol, 1, &genesis, false, &other));
    votes(&c, HOTSTUFF__TYPE__PREPARE_VOTE, &other);
    close_court(&c, 1, "two-votes");

    open_court(&c, &tc_hotstuff);
    (void)proposal_of(&c.make, c.protocol, 1, &genesis, false, &other);
    votes(&c, HOTSTUFF__TYPE__PREPARE_VOTE, &other);
    close_court(&c, 1, "vote-without-proposal");

    open_court(&c, &tc_hotstuff); /* two signers are no quorum of four */
    basic_view(&c, &block, 1);
    announce(&c, HOTSTUFF__TYPE__PRE_COMMIT, HOTSTUFF__TYPE__PREPARE_VOTE, &block, 2);
    votes(&c, HOTSTUFF__TYPE__PRE_COMMIT_VOTE, &block);
    close_court(&c, 1, "vote-without-certificate");

    open_court(&c, &tc_hotstuff); /* locked on a block of view 1, it votes for a fork from the genesis block */
    basic_view(&c, &block, 3);
    offer(&c, proposal_of(&c.make, c.protocol, 2, &genesis, false, &other));
    votes(&c, HOTSTUFF__TYPE__PREPARE_VOTE, &other);
    close_court(&c, 1, "vote-against-lock");

    open_court(&c, &tc_hotstuff); /* a certificate of the wrong phase decides nothing */
    basic_view(&c, &block, 3);
    executes(&c, &block);
    close_court(&c, 1, "execution-without-commit");
}

/* Blocks of the given views, each on the one before, offered to replica 0, which votes. */
static void chain(struct court *c, const uint64_t *views, size_t count, struct block *blocks)
{
    for (size_t i = 0; i < count; i++) {
        offer(c, proposal_of(&c->make, c->protocol, views[i], i > 0 ? &blocks[i - 1] : &genesis, true, &blocks[i]));
        votes(c, HOTSTUFF__TYPE__GENERIC_VOTE, &blocks[i]);
    }
    assert_int_equal(c->breaches, 0);
}

static void test_chained_breaches(void **state)
{
    struct court c;
    struct block blocks[4], other;
    (void)state;
    open_court(&c, &tc_chained_hotstuff);
    chain(&c, (const uint64_t[]){1, 2, 3, 4}, 4, blocks);
    executes(&c, &blocks[0]);
    close_court(&c, 0, "");

    open_court(&c, &tc_chained_hotstuff); /* three certified blocks, but a gap between their views */
    chain(&c, (const uint64_t[]){1, 2, 4, 5}, 4, blocks);
    executes(&c, &blocks[0]);
    close_court(&c, 1, "execution-without-commit");

    open_court(&c, &tc_chained_hotstuff); /* one certificate early */
    chain(&c, (const uint64_t[]){1, 2, 3}, 3, blocks);
    executes(&c, &blocks[0]);
    close_court(&c, 1, "execution-without-commit");

    open_court(&c, &tc_chained_hotstuff); /* the vote for the third locked the first: no fork from the genesis block */
    chain(&c, (const uint64_t[]){1, 2, 3}, 3, blocks);
    offer(&c, proposal_of(&c.make, c.protocol, 5, &genesis, false, &other));
    votes(&c, HOTSTUFF__TYPE__GENERIC_VOTE, &other);
    close_court(&c, 1, "vote-against-lock");

    open_court(&c, &tc_chained_hotstuff); /* a later justification unlocks */
    chain(&c, (const uint64_t[]){1, 2, 3}, 3, blocks);
    offer(&c, proposal_of(&c.make, c.protocol, 5, &blocks[1], false, &other));
    votes(&c, HOTSTUFF__TYPE__GENERIC_VOTE, &other);
    close_court(&c, 0, "");
}

/* ---- corpus ---- */

struct seed {
    char name[64];
    struct tc_slice frame;
};

static size_t make_seeds(struct tc_make *make, struct seed *seeds)
{
    size_t count = 0;
    for (size_t v = 0; v < 2; v++) {
        struct block first, second;
        (void)proposal_of(make, variants[v], 1, &genesis, true, &first);
        const struct tc_message *m =
            message_of(make, variants[v], proposal_of(make, variants[v], 2, &first, true, &second), 2, 0);
        snprintf(seeds[count].name, sizeof seeds->name, "%s-proposal", variants[v]->name);
        seeds[count++].frame = m->frame;
        Hotstuff__NewView body = HOTSTUFF__NEW_VIEW__INIT;
        body.view = 3;
        body.justify = ((const Hotstuff__Proposal *)m->statements[0].fields.base)->justify;
        body.share = body.justify->signatures[0];
        body.decide = body.justify;
        snprintf(seeds[count].name, sizeof seeds->name, "%s-new-view", variants[v]->name);
        seeds[count++].frame = tc_make_frame(make, envelope_of(make, HOTSTUFF__TYPE__NEW_VIEW, 1, &body));
        for (size_t i = 0; i < variants[v]->row_count; i++) {
            struct tc_message built;
            if (variants[v]->build(variants[v]->rows[i].name, &make->arena, &built) != 0)
                continue;
            snprintf(seeds[count].name, sizeof seeds->name, "%s-bare-%s", variants[v]->name, variants[v]->rows[i].name);
            seeds[count++].frame = built.frame;
        }
    }
    return count;
}

static int write_seeds(const char *folder)
{
    struct tc_make make;
    struct seed seeds[64];
    char path[512];
    tc_make_init(&make, 4);
    const size_t count = make_seeds(&make, seeds);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, seeds[i].name);
        FILE *file = fopen(path, "wb");
        if (!file)
            return 1;
        (void)fwrite(seeds[i].frame.data, 1, seeds[i].frame.len, file);
        fclose(file);
    }
    tc_make_free(&make);
    return 0;
}

static void test_corpus(void **state)
{
    struct tc_make make;
    struct seed seeds[64];
    char path[512];
    static uint8_t bytes[65536];
    (void)state;
    tc_make_init(&make, 4);
    const size_t count = make_seeds(&make, seeds);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, TC_SOURCE_DIR "/tests/fuzz/corpus/hotstuff_decode/%s", seeds[i].name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        assert_int_equal(fread(bytes, 1, sizeof bytes, file), seeds[i].frame.len);
        assert_memory_equal(bytes, seeds[i].frame.data, seeds[i].frame.len);
        fclose(file);
    }
    tc_make_free(&make);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_seeds(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),       cmocka_unit_test(test_proposal), cmocka_unit_test(test_lies),
        cmocka_unit_test(test_certificate),      cmocka_unit_test(test_cost),     cmocka_unit_test(test_basic_breaches),
        cmocka_unit_test(test_chained_breaches), cmocka_unit_test(test_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
