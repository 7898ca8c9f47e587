/* links: tc_protocol tc_base
 * Who must be at an end of a pair: the right node passes, another one is refused by name. */
#include "cometbft_fixture.h"

/* Both handshakes through the pair; the status of the first that fails, and its error. */
static int shake(struct tc_transport *t, struct node nodes[static 2], struct tc_transport_io *io, struct tc_error *err)
{
    int status = tc_cometbft_peers.start(t, io, err);
    for (unsigned step = 0; step < 8 && status == 0; step++) {
        for (unsigned side = 0; side < 2 && status == 0; side++) {
            node_receive(&nodes[side], &io->wire[side]);
            status = tc_cometbft_peers.receive(t, side, tc_bytes_slice(&nodes[side].wire), io, err);
            nodes[side].wire.len = 0;
        }
    }
    return status;
}

static int meet(bool known_is_right, unsigned known_side, bool *open, struct tc_error *err)
{
    struct node nodes[2];
    struct tc_transport_io io = {0};
    struct tc_transport_config config = {.nodes = {0, 1}, .secret = {3}};
    for (unsigned side = 0; side < 2; side++)
        node_open(&nodes[side], (uint8_t)(side + 1));
    for (unsigned side = 0; side < 2; side++)
        memcpy(config.identity[side], nodes[!side].identity, sizeof config.identity[side]);
    config.is_known[known_side] = true;
    memcpy(config.known[known_side], nodes[known_is_right ? known_side : !known_side].identity + 32, 32);
    struct tc_transport *t = tc_cometbft_peers.create(&config);
    assert_non_null(t);
    const int status = shake(t, nodes, &io, err);
    *open = status == 0 && tc_cometbft_peers.open(t);
    tc_cometbft_peers.destroy(t);
    for (unsigned side = 0; side < 2; side++) {
        node_close(&nodes[side]);
        tc_bytes_free(&io.wire[side]);
        tc_bytes_free(&io.frames[side]);
    }
    return status;
}

static void test_right_node_passes(void **state)
{
    (void)state;
    for (unsigned side = 0; side < 2; side++) {
        struct tc_error err = {0};
        bool open;
        assert_int_equal(meet(true, side, &open, &err), 0);
        assert_true(open);
    }
}

static void test_other_node_is_refused(void **state)
{
    (void)state;
    for (unsigned side = 0; side < 2; side++) {
        struct node nodes[2];
        struct tc_error err = {0};
        char expected[41], found[41];
        bool open;
        for (unsigned i = 0; i < 2; i++) {
            node_open(&nodes[i], (uint8_t)(i + 1));
            node_close(&nodes[i]);
        }
        tc_secret_node_id(nodes[!side].identity + 32, expected);
        tc_secret_node_id(nodes[side].identity + 32, found);
        assert_int_equal(meet(false, side, &open, &err), TC_EKEY);
        assert_int_equal(err.code, TC_EKEY);
        assert_false(open);
        assert_non_null(strstr(err.text, expected));
        assert_non_null(strstr(strstr(err.text, "found"), found));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_right_node_passes),
                                       cmocka_unit_test(test_other_node_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
