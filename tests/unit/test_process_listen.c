/* A node's listening socket over its deaths: who dials while it is down is refused, never left to hang. */
#include "process_fixture.h"

/* Inherits a bound socket as descriptor 3; answers every connection with a letter. */
static int listener_main(const char *letter)
{
    if (listen(3, 16) || fcntl(3, F_SETFL, 0))
        return 1;
    if (fcntl(4, F_GETFD) >= 0 || errno != EBADF)
        return 2; /* something else leaked into us */
    puts("listening");
    fflush(stdout);
    for (;;) {
        const int fd = accept(3, NULL, NULL);
        if (fd < 0 || write(fd, letter, 1) != 1)
            return 3;
        close(fd);
    }
}

/* The letter a connection brings, or 0 if it was refused. */
static int dial(const struct tc_endpoint *endpoint)
{
    char letter = '?';
    const int fd = socket(endpoint->address.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->length)) {
        assert_int_equal(errno, ECONNREFUSED);
        letter = 0;
    } else {
        assert_int_equal(read(fd, &letter, 1), 1);
    }
    close(fd);
    return letter;
}

static void listen_over_deaths(int fd, const struct tc_endpoint *endpoint)
{
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    const char *const argv[] = {"/proc/self/exe", "--listener", "L", NULL};
    char own[256] = "", line[32];
    assert_true(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    const char *const real_argv[] = {own, argv[1], argv[2], NULL};
    assert_int_equal(dial(endpoint), 0); /* bound but not yet listening */
    spawn(keeper, 0, real_argv, fd, "", "");
    for (int round = 0; round < 3; round++) {
        struct tc_process_event event = next_event(keeper);
        assert_true(event.up);
        read_line(event.stdout_fd, line, sizeof line);
        assert_string_equal(line, "listening");
        close(event.stdout_fd);
        assert_int_equal(dial(endpoint), 'L');
        assert_int_equal(tc_keeper_act(keeper, 0, TC_KILL, &err), 0);
        event = next_event(keeper);
        assert_false(event.up);
        assert_int_equal(event.status, -SIGKILL);
        assert_int_equal(dial(endpoint), 0);
        assert_int_equal(tc_keeper_act(keeper, 0, TC_RESTART, &err), 0);
    }
    tc_keeper_stop(keeper);
    close(fd);
}

static void test_refused_while_down(void **state)
{
    (void)state;
    struct tc_endpoint endpoint;
    assert_int_equal(tc_endpoint_parse("127.0.0.1:0", &endpoint, NULL), 0);
    const int fd = tc_listen_bind(&endpoint, NULL);
    assert_true(fd >= 0);
    listen_over_deaths(fd, &endpoint);
}

/* A socket whose port the kernel chose loses it when it stops listening; the keeper binds it again. */
static void test_refused_while_down_chosen_port(void **state)
{
    (void)state;
    struct tc_endpoint endpoint;
    assert_int_equal(tc_endpoint_parse("127.0.0.1:0", &endpoint, NULL), 0);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&endpoint.address, endpoint.length), 0);
    assert_int_equal(tc_socket_local(fd, &endpoint), 0);
    listen_over_deaths(fd, &endpoint);
}

/* Connections that wait in the backlog when the node dies are reset, not left to hang. */
static void test_backlog_is_reset(void **state)
{
    (void)state;
    struct tc_endpoint endpoint;
    assert_int_equal(tc_endpoint_parse("127.0.0.1:0", &endpoint, NULL), 0);
    const int fd = tc_listen_open(&endpoint, NULL);
    assert_true(fd >= 0);
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    const char *const argv[] = {"/bin/sleep", "1000", NULL}; /* never accepts */
    spawn(keeper, 0, argv, fd, "", "");
    const struct tc_process_event event = next_event(keeper);
    close(event.stdout_fd);
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&endpoint.address, endpoint.length), 0);
    assert_int_equal(tc_keeper_act(keeper, 0, TC_KILL, &err), 0);
    char byte;
    assert_int_equal(read(client, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
    tc_keeper_stop(keeper);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--listener") == 0)
        return listener_main(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_while_down),
        cmocka_unit_test(test_refused_while_down_chosen_port),
        cmocka_unit_test(test_backlog_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
