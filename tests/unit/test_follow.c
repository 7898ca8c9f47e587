/* The follower against a server in the same loop: answers in pieces, connections that are cut, nobody there, garbage;
 * and its end. What the questions mean is not its affair: a class of two questions stands in. */
#include "../../proxy/follow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS_MAX 20000
#define PERIOD_NS UINT64_C(2000000)

/* ---- the class: in each round /a, then /b ---- */

struct tc_rpc {
    int next;
    struct tc_rpc_identity identity;
};

static int answers_of_a, answers_of_b, unanswered_count;

static struct tc_rpc *rpc_create(const struct tc_protocol_env *env, uint16_t node, bool from_start)
{
    (void)env, (void)node, (void)from_start;
    return calloc(1, sizeof(struct tc_rpc));
}

static bool rpc_ask(struct tc_rpc *rpc, char path[static TC_RPC_PATH_MAX])
{
    snprintf(path, TC_RPC_PATH_MAX, "%s", rpc->next == 0 ? "/a" : "/b");
    rpc->next = rpc->next == 2 ? 0 : rpc->next + 1;
    return rpc->next != 0;
}

#define ANSWER_MAX 8

static size_t rpc_answer_max(const struct tc_rpc *rpc)
{
    (void)rpc;
    return ANSWER_MAX;
}

static int empty_answers;

static int rpc_answer(struct tc_rpc *rpc, struct tc_slice body, tc_rpc_tell_fn *tell, void *self, struct tc_error *err)
{
    const struct tc_observation o = {.kind = TC_OBS_NOTE, .text = "an answer"};
    if (body.len != 1 || (body.data[0] != 'a' && body.data[0] != 'b')) {
        rpc->next = 0;
        empty_answers += body.len == 0;
        return tc_error_set(err, TC_EMALFORMED, "no answer");
    }
    answers_of_a += body.data[0] == 'a';
    answers_of_b += body.data[0] == 'b';
    snprintf(rpc->identity.network, sizeof rpc->identity.network, "a-chain");
    tell(self, &o);
    return 0;
}

static void rpc_unanswered(struct tc_rpc *rpc)
{
    rpc->next = 0;
    unanswered_count++;
}

static const struct tc_rpc_identity *rpc_identity(const struct tc_rpc *rpc)
{
    return &rpc->identity;
}

static void rpc_destroy(struct tc_rpc *rpc)
{
    free(rpc);
}

static const struct tc_rpc_left_out *rpc_left_out(const struct tc_rpc *rpc)
{
    static const struct tc_rpc_left_out none = {.states = 3};
    (void)rpc;
    return &none;
}

static const struct tc_rpc_class class = {.create = rpc_create,
                                          .ask = rpc_ask,
                                          .answer_max = rpc_answer_max,
                                          .answer = rpc_answer,
                                          .unanswered = rpc_unanswered,
                                          .identity = rpc_identity,
                                          .left_out = rpc_left_out,
                                          .destroy = rpc_destroy};

/* ---- the server ---- */

enum manner { WHOLE, IN_PIECES, CUT_SHORT, GARBAGE, TOO_LONG, SILENT };

static struct {
    struct tc_loop *loop;
    struct tc_loop_watch listening, talking;
    int listen_fd, fd;
    enum manner manner;
    char address[64];
    int connections;
    int questions;
    uint64_t asked_ns; /* the last of them */
} server;

static void hang_up(void)
{
    tc_loop_remove(server.loop, &server.talking);
    if (server.fd >= 0)
        close(server.fd);
    server.fd = -1;
}

static void say(const char *text, size_t len)
{
    assert_int_equal(send(server.fd, text, len, MSG_NOSIGNAL), len);
}

static void asked(void *self, uint32_t events)
{
    char request[4096], text[256];
    (void)self, (void)events;
    const ssize_t got = recv(server.fd, request, sizeof request - 1, 0);
    if (got <= 0) {
        hang_up();
        return;
    }
    request[got] = 0;
    server.questions++;
    server.asked_ns = tc_loop_clock_ns();
    const char what = strncmp(request, "GET /a ", 7) == 0 ? 'a' : 'b';
    const char body = server.manner == GARBAGE ? '?' : what;
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%c", body);
    if (server.manner == TOO_LONG)
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n0,0,0,0,0", ANSWER_MAX + 1);
    if (server.manner == SILENT)
        return;
    if (server.manner == CUT_SHORT) {
        say(text, strlen(text) - 1);
        hang_up();
    } else if (server.manner == IN_PIECES) {
        for (size_t i = 0; text[i]; i++)
            say(text + i, 1);
    } else {
        say(text, strlen(text));
    }
}

static void accepting(void *self, uint32_t events)
{
    (void)self, (void)events;
    hang_up();
    server.fd = accept(server.listen_fd, NULL, NULL);
    assert_true(server.fd >= 0);
    server.connections++;
    assert_int_equal(tc_loop_add(server.loop, &server.talking, server.fd, EPOLLIN, asked, NULL), 0);
}

static void serve(enum manner manner, bool listens)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    server.manner = manner;
    server.connections = server.questions = 0;
    server.fd = -1;
    server.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.listen_fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(server.listen_fd, (struct sockaddr *)&at, &len), 0);
    snprintf(server.address, sizeof server.address, "tcp://127.0.0.1:%u/", ntohs(at.sin_port));
    if (listens) {
        assert_int_equal(listen(server.listen_fd, 4), 0);
        assert_int_equal(tc_loop_add(server.loop, &server.listening, server.listen_fd, EPOLLIN, accepting, NULL), 0);
    }
}

/* ---- the run ---- */

static int told, troubles, identified;

static void tell(void *self, const struct tc_observation *o)
{
    (void)self;
    assert_string_equal(o->text, "an answer");
    told++;
}

static void trouble(void *self, uint16_t node, const char *text)
{
    (void)self;
    assert_int_equal(node, 1);
    assert_non_null(strstr(text, "127.0.0.1"));
    troubles++;
}

static void identify(void *self, uint16_t node, const struct tc_rpc_identity *identity)
{
    (void)self;
    assert_int_equal(node, 1);
    assert_string_equal(identity->network, "a-chain");
    identified++;
}

static int silences, silent_ends;

static void fall_silent(void *self, uint16_t node, bool ended)
{
    (void)self;
    assert_int_equal(node, 1);
    silences += !ended;
    silent_ends += ended;
}

static const char *address(void *self, uint16_t node)
{
    (void)self;
    return node == 1 ? server.address : "";
}

static struct tc_follow *follow;

static void begin(enum manner manner, bool listens)
{
    static const struct tc_cluster cluster = {.n = 4};
    static const struct tc_protocol_env env = {.cluster = &cluster};
    const struct tc_follow_config config = {.class = &class, .env = &env, .address = address, .period_ns = PERIOD_NS};
    const struct tc_follow_sink sink = {NULL, tell, identify, trouble, fall_silent};
    struct tc_error err = {0};
    answers_of_a = answers_of_b = unanswered_count = told = troubles = identified = empty_answers = silences =
        silent_ends = 0;
    server.loop = tc_loop_new(&err);
    assert_non_null(server.loop);
    serve(manner, listens);
    assert_int_equal(tc_follow_open(&config, server.loop, &sink, &follow, &err), 0);
    assert_non_null(follow);
}

static void turn_until(const int *count, int wanted)
{
    for (int i = 0; i < TURNS_MAX && *count < wanted; i++)
        assert_int_equal(tc_loop_turn(server.loop, UINT64_C(20000000)), 0);
    assert_true(*count >= wanted);
}

static void end(void)
{
    tc_follow_free(follow);
    hang_up();
    tc_loop_remove(server.loop, &server.listening);
    close(server.listen_fd);
    tc_loop_free(server.loop);
}

static void test_rounds_over_one_connection(void **state)
{
    (void)state;
    begin(WHOLE, true);
    turn_until(&answers_of_b, 5);
    assert_int_equal(server.connections, 1);
    assert_int_equal(identified, 1);
    assert_int_equal(troubles, 0);
    assert_true(answers_of_a >= 5 && told >= 10);
    assert_int_equal(tc_follow_left_out(follow, 1)->states, 3); /* what the class counts */
    assert_null(tc_follow_left_out(follow, 0));
    end();
}

static void test_an_answer_in_pieces(void **state)
{
    (void)state;
    begin(IN_PIECES, true);
    turn_until(&answers_of_b, 3);
    end();
}

/* Half an answer is none; the next round asks anew, over a new connection. */
static void test_a_connection_that_is_cut(void **state)
{
    (void)state;
    begin(CUT_SHORT, true);
    turn_until(&unanswered_count, 3);
    assert_int_equal(told, 0);
    assert_true(server.connections >= 3);
    server.manner = WHOLE;
    turn_until(&answers_of_b, 1);
    end();
}

static void test_garbage_is_said_once(void **state)
{
    (void)state;
    begin(GARBAGE, true);
    turn_until(&troubles, 1);
    server.manner = WHOLE;
    turn_until(&answers_of_b, 1);
    server.manner = GARBAGE;
    const int before = unanswered_count;
    for (int i = 0; i < 20; i++)
        assert_int_equal(tc_loop_turn(server.loop, UINT64_C(2000000)), 0);
    assert_int_equal(troubles, 1);
    assert_int_equal(unanswered_count, before);
    end();
}

/* What is longer than the question allows is cut off, and for the class no answer at all. */
static void test_an_answer_too_long(void **state)
{
    (void)state;
    begin(TOO_LONG, true);
    turn_until(&empty_answers, 2);
    assert_int_equal(troubles, 1);
    assert_int_equal(unanswered_count, 0);
    server.manner = WHOLE;
    turn_until(&answers_of_b, 1);
    end();
}

/* Each wrong round in a row is followed by twice the pause, a right one by the plain one. */
static void test_wrong_answers_are_asked_for_ever_more_seldom(void **state)
{
    (void)state;
    begin(GARBAGE, true);
    turn_until(&server.questions, 1);
    for (int wrong = 1; wrong < 6; wrong++) {
        const uint64_t before_ns = server.asked_ns;
        turn_until(&server.questions, wrong + 1);
        assert_true(server.asked_ns - before_ns >= PERIOD_NS << wrong);
    }
    server.manner = WHOLE;
    turn_until(&answers_of_b, 20);
    end();
}

/* A node that is down is no trouble of its RPC's; it is asked again when it is there. */
static void test_nobody_there_then_somebody(void **state)
{
    (void)state;
    begin(WHOLE, false);
    turn_until(&unanswered_count, 2);
    assert_int_equal(troubles, 0);
    assert_int_equal(listen(server.listen_fd, 4), 0);
    assert_int_equal(tc_loop_add(server.loop, &server.listening, server.listen_fd, EPOLLIN, accepting, NULL), 0);
    turn_until(&answers_of_b, 1);
    end();
}

static void end_rounds(void)
{
    tc_follow_last_round(follow);
    for (int i = 0; i < TURNS_MAX && tc_follow_busy(follow); i++)
        assert_int_equal(tc_loop_turn(server.loop, UINT64_C(20000000)), 0);
    assert_false(tc_follow_busy(follow));
}

/* A node that answered and does no longer, or answers nothing but garbage, is told of: once, and at the end. */
static void test_a_node_that_falls_silent(void **state)
{
    (void)state;
    begin(WHOLE, true);
    turn_until(&answers_of_b, 2);
    server.manner = CUT_SHORT;
    turn_until(&silences, 1);
    server.manner = WHOLE; /* it is back, which ends the matter … */
    turn_until(&answers_of_b, answers_of_b + 2);
    server.manner = GARBAGE; /* … until the next time */
    turn_until(&silences, 2);
    assert_int_equal(silent_ends, 0);
    end_rounds();
    assert_int_equal(silences, 2);
    assert_int_equal(silent_ends, 1);
    end();
}

static void test_a_node_that_is_back_at_the_end(void **state)
{
    (void)state;
    begin(CUT_SHORT, true);
    turn_until(&silences, 1);
    server.manner = WHOLE;
    end_rounds();
    assert_int_equal(silent_ends, 0);
    end();
}

static void test_the_last_round_ends(void **state)
{
    (void)state;
    begin(WHOLE, true);
    turn_until(&answers_of_b, 1);
    const int before = answers_of_b;
    end_rounds();
    assert_int_equal(silences + silent_ends, 0);
    assert_true(answers_of_b > before);
    const int after = answers_of_b;
    assert_int_equal(tc_loop_turn(server.loop, 3 * PERIOD_NS), 0);
    assert_int_equal(answers_of_b, after);
    end();
}

static void test_freed_in_the_middle_of_a_question(void **state)
{
    (void)state;
    begin(SILENT, true);
    turn_until(&server.connections, 1);
    assert_true(tc_follow_busy(follow));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds_over_one_connection),
        cmocka_unit_test(test_an_answer_in_pieces),
        cmocka_unit_test(test_a_connection_that_is_cut),
        cmocka_unit_test(test_garbage_is_said_once),
        cmocka_unit_test(test_an_answer_too_long),
        cmocka_unit_test(test_wrong_answers_are_asked_for_ever_more_seldom),
        cmocka_unit_test(test_nobody_there_then_somebody),
        cmocka_unit_test(test_the_last_round_ends),
        cmocka_unit_test(test_a_node_that_falls_silent),
        cmocka_unit_test(test_a_node_that_is_back_at_the_end),
        cmocka_unit_test(test_freed_in_the_middle_of_a_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
