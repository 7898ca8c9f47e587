#include "../../proxy/nodeset.h"
#include "../../reference/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/tc-config-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(in_dir("config.json"));
    (void)unlink(in_dir("node.key"));
    return rmdir(dir);
}

static struct tc_node_config sample(void)
{
    struct tc_node_config c = {.protocol = "pbft", .listen = "127.0.0.1:7000"};
    (void)snprintf(c.cluster.id, sizeof c.cluster.id, "demo");
    c.cluster.n = 4;
    c.cluster.f = 1;
    c.cluster.quorum = 3;
    c.cluster.client_count = 2;
    c.cluster.view_timeout_ns = 1500000; /* not a whole number of milliseconds */
    c.cluster.request_authentication = TC_AUTH_MAC;
    tc_cluster_defaults(&c.cluster);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t id = i < 4 ? i : TC_CLIENT_FIRST + i - 4;
        memset(c.public_keys[id], (int)(i + 1), TC_PUBLIC_KEY_SIZE);
        tc_nodeset_add(&c.known, id);
        if (i < 4)
            (void)snprintf(c.addresses[i], sizeof c.addresses[i], "127.0.0.1:%u", 7000 + i);
    }
    return c;
}

static void test_round_trip(void **state)
{
    (void)state;
    static struct tc_node_config in, out;
    struct tc_error err = {0};
    in = sample();
    assert_int_equal(tc_node_config_write(in_dir("config.json"), &in, &err), 0);
    int rc = tc_node_config_read(in_dir("config.json"), &out, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_string_equal(out.protocol, "pbft");
    assert_string_equal(out.listen, in.listen);
    assert_string_equal(out.cluster.id, "demo");
    assert_int_equal(out.cluster.n, 4);
    assert_int_equal(out.cluster.f, 1);
    assert_int_equal(out.cluster.quorum, 3);
    assert_int_equal(out.cluster.client_count, 2);
    assert_int_equal(out.cluster.checkpoint_interval, 128);
    assert_int_equal(out.cluster.window, 256);
    assert_int_equal(out.cluster.batch_max, 64);
    assert_int_equal(out.cluster.pipeline_max, 16);
    assert_int_equal(out.cluster.view_timeout_ns, 1500000);
    assert_int_equal(out.cluster.view_timeout_max_ns, UINT64_C(8000000000));
    assert_int_equal(out.cluster.request_authentication, TC_AUTH_MAC);
    assert_true(tc_nodeset_equal(&in.known, &out.known));
    assert_memory_equal(in.public_keys, out.public_keys, sizeof in.public_keys);
    assert_memory_equal(in.addresses, out.addresses, sizeof in.addresses);
}

static void test_defaults(void **state)
{
    (void)state;
    struct tc_cluster c = {.n = 7};
    tc_cluster_defaults(&c);
    assert_int_equal(c.f, 2);
    assert_int_equal(c.quorum, 0);
    assert_int_equal(c.view_timeout_ns, 500000000);
    assert_string_equal(c.id, "turncoat");
    c = (struct tc_cluster){.n = 3, .f = 1, .quorum = 2, .view_timeout_ns = UINT64_C(20000000000)};
    tc_cluster_defaults(&c);
    assert_int_equal(c.n, 3);
    assert_int_equal(c.f, 1);
    assert_int_equal(c.quorum, 2);
    assert_true(c.view_timeout_max_ns >= c.view_timeout_ns);
    c = (struct tc_cluster){.checkpoint_interval = 1000};
    tc_cluster_defaults(&c);
    assert_true(c.window >= c.checkpoint_interval);
}

#define K "\"0101010101010101010101010101010101010101010101010101010101010101\""

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"{\n\"protocol\": \"pbft\",\n}", "line 3", "expected JSON"},
        {"[]", "line 1", "expected an object"},
        {"{}", "line 1", "\"protocol\""},
        {"{\n\"protocol\": 3}", "line 2", "expected a string"},
        {"{\n\"protocol\":\"pbft\",\n\"n\": 200}", "line 3", "\"n\": expected a whole number from 0 to 128, found 200"},
        {"{\n\"protocol\":\"pbft\",\n\"nn\": 4}", "line 3", "\"nn\": expected no such key"},
        {"{\"protocol\":\"pbft\",\n\"view_timeout_ms\": \"soon\"}", "line 2", "found \"soon\""},
        {"{\"protocol\":\"pbft\",\n\"view_timeout_ms\": -1}", "line 2", "milliseconds"},
        {"{\"protocol\":\"pbft\",\n\"authentication\": \"none\"}", "line 2", "\"signature\" or \"mac\""},
        {"{\"protocol\":\"pbft\",\"n\":1,\n\"f\":1}", "line 2", "fewer than n"},
        {"{\"protocol\":\"pbft\",\"n\":1,\n\"quorum\":2}", "line 2", "at most n"},
        {"{\"protocol\":\"pbft\",\n\"window\":5}", "line 2", "at least checkpoint_interval"},
        {"{\"protocol\":\"pbft\"}", "line 1", "\"nodes\": expected a list"},
        {"{\"protocol\":\"pbft\",\"n\":1,\n\"nodes\":[]}", "line 2", "an entry for replica 0"},
        {"{\"protocol\":\"pbft\",\"n\":1,\n\"nodes\":[7]}", "line 2", "a list of objects"},
        {"{\"protocol\":\"pbft\",\"n\":1,\"nodes\":[\n{\"id\":1,\"public_key\":" K "}]}", "line 2", "was not listed"},
        {"{\"protocol\":\"pbft\",\"n\":1,\"nodes\":[{\"id\":0,\"public_key\":" K "},\n{\"id\":0,\"public_key\":" K
         "}]}",
         "line 2", "was not listed before"},
        {"{\"protocol\":\"pbft\",\"n\":1,\"nodes\":[{\"id\":0,\n\"public_key\":\"01\"}]}", "line 2", "64 hexadecimal"},
        {"{\"protocol\":\"pbft\",\"n\":1,\"clients\":1,\"nodes\":[{\"id\":128,\"public_key\":" K
         ",\n\"address\":\"1.2.3.4:5\"}]}",
         "line 2", "no address"},
    };
    static struct tc_node_config out;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tc_error err = {0};
        int rc = tc_node_config_parse("x.json", cases[i].text, &out, &err);
        if (rc != TC_EUSAGE || !strstr(err.text, "x.json") || !strstr(err.text, cases[i].where) ||
            !strstr(err.text, cases[i].what))
            fail_msg("case %zu: %d \"%s\" does not say \"%s … %s\"", i, rc, err.text, cases[i].where, cases[i].what);
    }
    struct tc_error err = {0};
    assert_int_equal(tc_node_config_read(in_dir("missing.json"), &out, &err), TC_ENOT_FOUND);
}

static void test_keys(void **state)
{
    (void)state;
    uint8_t in[TC_SECRET_SEED_SIZE], out[TC_SECRET_SEED_SIZE];
    struct tc_error err = {0};
    struct stat st;
    const char *path = in_dir("node.key");
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 7);
    assert_int_equal(tc_key_read(path, out, &err), TC_EKEY);
    assert_int_equal(tc_key_write(path, in, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(tc_key_read(path, out, &err), 0);
    assert_memory_equal(in, out, sizeof in);

    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(tc_key_read(path, out, &err), TC_EKEY);
    assert_non_null(strstr(err.text, "0600"));
    assert_non_null(strstr(err.text, "0640"));
    assert_int_equal(tc_key_write(path, in, &err), 0); /* tightens the mode of a file that was there */
    assert_int_equal(tc_key_read(path, out, &err), 0);
}

static void test_broken_keys(void **state)
{
    (void)state;
    static const char good[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    char text[80];
    uint8_t out[TC_SECRET_SEED_SIZE];
    const char *path = in_dir("node.key");
    for (size_t len = 0; len <= 66; len++) {
        struct tc_error err = {0};
        (void)snprintf(text, sizeof text, "%.*s%s", (int)(len > 64 ? 64 : len), good,
                       len == 65   ? "\n"
                       : len == 66 ? "0"
                                   : "");
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(fputs(text, file) >= 0, 1);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(tc_key_read(path, out, &err), len == 64 || len == 65 ? 0 : TC_EUSAGE);
        assert_null(strstr(err.text, "00010203")); /* never the key itself */
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)snprintf(text, sizeof text, "%.63sg", good);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(tc_key_read(path, out, NULL), TC_EUSAGE);
    struct tc_error err = {0};
    assert_int_equal(tc_key_read(in_dir("."), out, &err), TC_EKEY); /* its mode is not what is wrong */
    assert_non_null(strstr(err.text, "expected a file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_defaults),    cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_broken_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
