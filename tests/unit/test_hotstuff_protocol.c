/* HotStuff for the man in the middle: every message there and back, certificates as statements, the lies, the cost.
 * `test_hotstuff_protocol --write DIR` writes the seed corpus of the fuzzer; the test checks that the committed files
 * are still what today's encoder makes.
 *
 * links: tc_testlib tc_oracles tc_engine tc_protocol */
#include "../../proxy/nodeset.h"
#include "hotstuff_make.h"

static const struct tc_protocol *const variants[] = {&tc_hotstuff, &tc_chained_hotstuff};

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
        cmocka_unit_test(test_every_type),  cmocka_unit_test(test_proposal), cmocka_unit_test(test_lies),
        cmocka_unit_test(test_certificate), cmocka_unit_test(test_cost),     cmocka_unit_test(test_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
