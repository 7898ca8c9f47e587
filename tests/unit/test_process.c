/* The keeper: starts, kills, restarts, wipes, pauses; lets nothing outlive it. */
#include "process_fixture.h"

static void spawn_shell(struct tc_keeper *keeper, uint16_t node, const char *script, const char *errors,
                        const char *dir)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    spawn(keeper, node, argv, -1, errors, dir);
}

static long read_number(int fd)
{
    char line[64];
    read_line(fd, line, sizeof line);
    return strtol(line, NULL, 10);
}

/* Zombies count as gone: their parent has only not looked yet. */
static bool running(long pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    const char *state = strrchr(text, ')');
    return got && state && state[2] != 'Z' && state[2] != 'X';
}

static char state_of(long pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    return strrchr(text, ')')[2];
}

/* Until a process is gone (or in a state): there is no descriptor to wait on for what is not our child. */
static void await_gone(long pid)
{
    const uint64_t until = tc_loop_clock_ns() + UINT64_C(10000000000);
    while (running(pid)) {
        assert_true(tc_loop_clock_ns() < until);
        usleep(1000);
    }
}

static void await_state(long pid, const char *states)
{
    const uint64_t until = tc_loop_clock_ns() + UINT64_C(10000000000);
    while (!strchr(states, state_of(pid))) {
        assert_true(tc_loop_clock_ns() < until);
        usleep(1000);
    }
}

static void test_exit_status(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    spawn_shell(keeper, 3, "echo hello; exit 42", "", "");
    struct tc_process_event up = next_event(keeper);
    assert_true(up.up);
    assert_int_equal(up.node, 3);
    assert_int_equal(up.incarnation, 1);
    char line[32];
    read_line(up.stdout_fd, line, sizeof line);
    assert_string_equal(line, "hello");
    const struct tc_process_event end = next_event(keeper);
    assert_false(end.up);
    assert_int_equal(end.status, 42);
    assert_int_equal(end.stdout_fd, -1);
    close(up.stdout_fd);
    tc_keeper_stop(keeper);
}

static void test_cannot_execute(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    const char *const argv[] = {"/nonexistent/program", NULL};
    spawn(keeper, 0, argv, -1, "", "");
    const struct tc_process_event up = next_event(keeper);
    assert_true(up.up);
    close(up.stdout_fd);
    const struct tc_process_event end = next_event(keeper);
    assert_false(end.up);
    assert_int_equal(end.status, 127);
    tc_keeper_stop(keeper);
}

static void test_unknown_node(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    assert_int_equal(tc_keeper_act(keeper, 7, TC_KILL, &err), TC_ENOT_FOUND);
    assert_non_null(strstr(err.text, "7"));
    assert_int_equal(tc_keeper_terminate(keeper, 7), TC_ENOT_FOUND);
    tc_keeper_stop(keeper);
}

static void test_kill_and_restart(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    spawn_shell(keeper, 1, "echo $$; exec sleep 1000", "", "");
    struct tc_process_event event = next_event(keeper);
    const long first = read_number(event.stdout_fd);
    close(event.stdout_fd);
    assert_int_equal(tc_keeper_act(keeper, 1, TC_KILL, &err), 0);
    event = next_event(keeper);
    assert_false(event.up);
    assert_int_equal(event.status, -SIGKILL);
    assert_false(running(first));
    assert_int_equal(tc_keeper_act(keeper, 1, TC_RESTART, &err), 0);
    event = next_event(keeper);
    assert_true(event.up);
    assert_int_equal(event.incarnation, 2);
    const long second = read_number(event.stdout_fd);
    close(event.stdout_fd);
    assert_true(second != first);
    /* A restart of what runs: its end first, then the next incarnation. */
    assert_int_equal(tc_keeper_act(keeper, 1, TC_RESTART, &err), 0);
    event = next_event(keeper);
    assert_false(event.up);
    assert_int_equal(event.incarnation, 2);
    event = next_event(keeper);
    assert_true(event.up);
    assert_int_equal(event.incarnation, 3);
    const long third = read_number(event.stdout_fd);
    close(event.stdout_fd);
    tc_keeper_stop(keeper);
    assert_false(running(third));
}

static void test_terminate(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    spawn_shell(keeper, 0, "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done", "", "");
    struct tc_process_event event = next_event(keeper);
    char line[32];
    read_line(event.stdout_fd, line, sizeof line);
    close(event.stdout_fd);
    assert_int_equal(tc_keeper_terminate(keeper, 0), 0);
    event = next_event(keeper);
    assert_int_equal(event.status, 5);
    tc_keeper_stop(keeper);
}

static void test_pause_and_resume(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    spawn_shell(keeper, 0, "echo $$; exec sleep 1000", "", "");
    const struct tc_process_event event = next_event(keeper);
    const long pid = read_number(event.stdout_fd);
    assert_int_equal(tc_keeper_act(keeper, 0, TC_PAUSE, &err), 0);
    await_state(pid, "T");
    assert_int_equal(tc_keeper_act(keeper, 0, TC_RESUME, &err), 0);
    await_state(pid, "SR");
    assert_int_equal(tc_keeper_act(keeper, 0, TC_PAUSE, &err), 0);
    close(event.stdout_fd);
    tc_keeper_stop(keeper); /* ends paused processes too */
    assert_false(running(pid));
}

static void test_wipe(void **state)
{
    (void)state;
    char dir[] = "/tmp/tc-test-process-XXXXXX", path[128], errors[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/data", dir);
    snprintf(errors, sizeof errors, "%s/stderr", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    char script[1024];
    snprintf(script, sizeof script,
             "if [ -e %s/deep/state ]; then echo old; else echo new; fi; mkdir -p %s/deep; echo x > %s/deep/state; "
             "echo oops >&2; echo written; exec sleep 1000",
             path, path, path);
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    static const char *const said[] = {"new", "old", "new"};
    spawn_shell(keeper, 0, script, errors, path);
    for (int round = 0; round < 3; round++) {
        struct tc_process_event event = next_event(keeper);
        assert_true(event.up);
        char line[32];
        read_line(event.stdout_fd, line, sizeof line);
        assert_string_equal(line, said[round]);
        read_line(event.stdout_fd, line, sizeof line);
        assert_string_equal(line, "written");
        close(event.stdout_fd);
        if (round == 2)
            break;
        if (round == 1)
            assert_int_equal(tc_keeper_act(keeper, 0, TC_WIPE, &err), 0);
        assert_int_equal(tc_keeper_act(keeper, 0, TC_RESTART, &err), 0);
        event = next_event(keeper);
        assert_false(event.up);
    }
    tc_keeper_stop(keeper);
    struct stat info;
    assert_int_equal(stat(errors, &info), 0);
    assert_int_equal(info.st_size, 3 * 5); /* appended to, not cut */
    snprintf(script, sizeof script, "rm -rf %s", dir);
    assert_int_equal(system(script), 0);
}

static void test_no_grandchild_survives(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    /* One grandchild in the group, one in a session of its own, one orphaned in a session of its own. */
    static const char script[] = "sleep 1000 & echo $!; setsid sleep 1001 & echo $!; "
                                 "sh -c 'setsid sleep 1002 & echo $!'; exec sleep 1003";
    long pids[2][3];
    for (uint16_t node = 0; node < 2; node++) {
        spawn_shell(keeper, node, script, "", "");
        const struct tc_process_event event = next_event(keeper);
        for (int i = 0; i < 3; i++) {
            pids[node][i] = read_number(event.stdout_fd);
            assert_true(running(pids[node][i]));
        }
        close(event.stdout_fd);
    }
    assert_int_equal(tc_keeper_act(keeper, 0, TC_KILL, &err), 0);
    assert_false(next_event(keeper).up);
    await_gone(pids[0][0]);
    await_gone(pids[0][1]);
    for (int i = 0; i < 3; i++)
        assert_true(running(pids[1][i])); /* the other node's are untouched */
    tc_keeper_stop(keeper);
    for (int i = 0; i < 3; i++)
        for (int node = 0; node < 2; node++)
            assert_false(running(pids[node][i]));
}

/* Until a file or directory is gone. */
static void await_removed(const char *path)
{
    const uint64_t until = tc_loop_clock_ns() + UINT64_C(10000000000);
    while (access(path, F_OK) == 0) {
        assert_true(tc_loop_clock_ns() < until);
        usleep(1000);
    }
}

/* What turncoat's own death by kill -9 leaves behind: nothing. */
static void test_our_death(void **state)
{
    (void)state;
    int numbers[2];
    char scratch[] = "/tmp/tc-test-XXXXXX", inside[64];
    assert_non_null(mkdtemp(scratch));
    snprintf(inside, sizeof inside, "%s/node0", scratch);
    assert_int_equal(mkdir(inside, 0700), 0);
    snprintf(inside, sizeof inside, "%s/node0/log", scratch);
    close(open(inside, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(access(inside, F_OK), 0);
    assert_int_equal(pipe(numbers), 0);
    const pid_t us = fork();
    assert_true(us >= 0);
    if (us == 0) {
        struct tc_keeper *keeper;
        if (tc_keeper_start(&keeper, NULL) || tc_keeper_scratch(keeper, scratch, NULL))
            _exit(1);
        const char *const argv[] = {"/bin/sh", "-c", "echo $$; setsid sleep 1000 & echo $!; exec sleep 1001", NULL};
        const struct tc_process_spec spec = {
            .node = 0, .argv = argv, .listen_fd = -1, .stderr_path = "", .data_dir = ""};
        if (tc_keeper_spawn(keeper, &spec, NULL))
            _exit(1);
        const struct tc_process_event event = next_event(keeper);
        char lines[64];
        dprintf(numbers[1], "%ld\n", read_number(event.stdout_fd));
        read_line(event.stdout_fd, lines, sizeof lines);
        dprintf(numbers[1], "%s\n", lines);
        kill(getpid(), SIGKILL);
    }
    close(numbers[1]);
    const long child = read_number(numbers[0]), grandchild = read_number(numbers[0]);
    close(numbers[0]);
    assert_int_equal(waitpid(us, NULL, 0), us);
    await_gone(child);
    await_gone(grandchild);
    await_removed(scratch);
}

/* Neither side waits for the other when nobody takes the events of many starts. */
static void test_many_starts_unread(void **state)
{
    (void)state;
    struct tc_keeper *keeper = keeper_new();
    struct tc_error err = {0};
    const char *const argv[] = {"/bin/true", NULL};
    for (int round = 0; round < 4; round++)
        for (uint16_t node = 0; node < 128; node++) {
            const struct tc_process_spec spec = {
                .node = node, .argv = argv, .listen_fd = -1, .stderr_path = "", .data_dir = ""};
            assert_int_equal(tc_keeper_spawn(keeper, &spec, &err), 0);
        }
    uint32_t ups[128] = {0}, ends[128] = {0};
    for (int i = 0; i < 128 * 8; i++) {
        const struct tc_process_event event = next_event(keeper);
        if (event.up) {
            assert_int_equal(event.incarnation, ups[event.node] + 1);
            ups[event.node]++;
            close(event.stdout_fd);
        } else {
            ends[event.node]++;
            assert_int_equal(event.incarnation, ends[event.node]);
        }
        bool all = true;
        for (int node = 0; node < 128; node++)
            all = all && ups[node] == ends[node] && ups[node] >= 1;
        if (all)
            break;
    }
    tc_keeper_stop(keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status),  cmocka_unit_test(test_cannot_execute),
        cmocka_unit_test(test_unknown_node), cmocka_unit_test(test_kill_and_restart),
        cmocka_unit_test(test_terminate),    cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_wipe),         cmocka_unit_test(test_no_grandchild_survives),
        cmocka_unit_test(test_our_death),    cmocka_unit_test(test_many_starts_unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
