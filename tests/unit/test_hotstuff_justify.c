/* HotStuff's justifier: what it must catch of both variants, one step at a time, and what it must let pass.
 *
 * links: tc_testlib tc_oracles tc_engine tc_protocol */
#include "hotstuff_make.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_basic_breaches), cmocka_unit_test(test_chained_breaches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
