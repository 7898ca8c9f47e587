/* Processes and logs in the live world: what nodes print becomes observations, in order, whoever prints it. */
#include "live_harness.h"

/* "x 41" is an execution of 41, "up" a note, "n 2" one of node 2, by its own word; anything else is not ours. */
static int parse_line(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out, struct tc_error *err)
{
    char *text = tc_arena_alloc(arena, line.len + 1);
    if (!text)
        return tc_error_set(err, TC_ELIMIT, "too long");
    memcpy(text, line.data, line.len);
    text[line.len] = '\0';
    *out = (struct tc_observation){.kind = TC_OBS_NOTE, .node = TC_NODE_NONE, .text = text};
    if (text[0] == 'x') {
        out->kind = TC_OBS_EXECUTED;
        out->executed.sequence = strtoull(text + 1, NULL, 10);
        out->text = "";
        return 0;
    }
    if (text[0] == 'n')
        out->node = (uint16_t)strtoul(text + 1, NULL, 10);
    return strcmp(text, "up") == 0 || text[0] == 'n' ? 0 : TC_EUNSUPPORTED;
}

/* Sequences of the executions told so far, as "41 42 43". */
static const char *executions(const struct run *run, char *buffer, size_t size)
{
    size_t length = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < run->engine->seen_count; i++) {
        const struct seen *seen = &run->engine->seen[i];
        if (seen->kind == TC_EV_OBSERVED && seen->observation == TC_OBS_EXECUTED)
            length += (size_t)snprintf(buffer + length, size - length, "%s%llu", length ? " " : "",
                                       (unsigned long long)seen->sequence);
    }
    return buffer;
}

static void append(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_processes(void **state)
{
    (void)state;
    char dir[] = "/tmp/tc-test-live-XXXXXX", path[128], text[512] = "";
    assert_non_null(mkdtemp(dir));
    struct run *run = run_new(1);
    struct tc_error err = {0};
    const int listen_fd = serve(run, 0);
    assert_int_equal(tc_keeper_start(&run->config.keeper, &err), 0);
    run->config.parse_line = parse_line;
    run->config.log_dir = dir;
    run->config.plan.wait_first_decision = true;
    run->config.plan.phase_ns[0] = TC_NEVER_NS;
    run->engine->kill_node_on_bytes = true;
    run_open(run);
    /* A torn line, lines of no concern, and an execution in two writes: it goes on when the first lines were read. */
    snprintf(path, sizeof path, "%s/go", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    const char *const argv[] = {
        "/bin/sh", "-c", "echo up; echo '{\"e\":'; printf 'x 4'; read go <\"$0\"; echo 1; echo 'x 42'; exec sleep 1000",
        path, NULL};
    const struct tc_process_spec spec = {.node = 0, .argv = argv, .listen_fd = -1, .stderr_path = "", .data_dir = ""};
    assert_int_equal(tc_keeper_spawn(run->config.keeper, &spec, &err), 0);
    assert_int_equal(pthread_create(&run->thread, NULL, run_thread, run), 0);
    await_observed(run, TC_OBS_NOTE, 1);
    append(path, "go\n"); /* opens once the shell reads, which it does behind its third word */
    await_observed(run, TC_OBS_EXECUTED, 2);
    unlink(path);
    const int client = dial_blocking(run->listeners[0].address);
    write_all(client, "kill", 4); /* the engine kills node 0 */
    await_observed(run, TC_OBS_NODE_EXIT, 1);
    run_interrupt(run);
    tc_keeper_stop(run->config.keeper);
    assert_string_equal(executions(run, text, sizeof text), "41 42");
    assert_int_equal(count_of(run, TC_EV_NODE_UP), 1);
    assert_int_equal(nth(run, TC_EV_NODE_UP, 0)->incarnation, 1);
    assert_int_equal(count_of(run, TC_EV_NODE_EXIT), 1);
    assert_int_equal(nth(run, TC_EV_NODE_EXIT, 0)->status, -SIGKILL);
    const struct seen *note = nth(run, TC_EV_OBSERVED, 0);
    assert_string_equal(note->text, "up");
    assert_int_equal(note->node, 0); /* whatever the line claims */
    assert_int_equal(note->incarnation, 1);
    assert_int_equal(count_of(run, TC_EV_PHASE), 1); /* begun by the first execution */
    assert_int_equal(run->stats.lines, 4);
    assert_int_equal(run->stats.lines_ignored, 1);
    snprintf(path, sizeof path, "%s/node-0.log", dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t kept = fread(text, 1, sizeof text - 1, file);
    text[kept] = '\0';
    fclose(file);
    assert_string_equal(text, "up\n{\"e\":\nx 41\nx 42\n");
    unlink(path);
    rmdir(dir);
    close(client);
    close(listen_fd);
    run_free(run);
}

/* The last lines of a process come before its end, and the lines of the next incarnation after it. */
static void test_last_words(void **state)
{
    (void)state;
    struct run *run = run_new(0);
    struct tc_error err = {0};
    assert_int_equal(tc_keeper_start(&run->config.keeper, &err), 0);
    run->config.parse_line = parse_line;
    run_start(run);
    const char *const argv[] = {"/bin/sh", "-c", "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo x $i; done; exit 7",
                                NULL};
    const struct tc_process_spec spec = {.node = 5, .argv = argv, .listen_fd = -1, .stderr_path = "", .data_dir = ""};
    assert_int_equal(tc_keeper_spawn(run->config.keeper, &spec, &err), 0);
    await_observed(run, TC_OBS_NODE_EXIT, 1);
    run_interrupt(run);
    tc_keeper_stop(run->config.keeper);
    uint64_t last = 0;
    size_t ends = 0;
    for (size_t i = 0; i < run->engine->seen_count; i++) {
        const struct seen *seen = &run->engine->seen[i];
        ends += seen->kind == TC_EV_NODE_EXIT;
        if (seen->kind != TC_EV_OBSERVED)
            continue;
        assert_int_equal(ends, 0);
        assert_int_equal(seen->sequence, ++last);
    }
    assert_int_equal(ends, 1);
    assert_int_equal(nth(run, TC_EV_NODE_EXIT, 0)->status, 7);
    run_free(run);
}

static void test_foreign_logs(void **state)
{
    (void)state;
    char dir[] = "/tmp/tc-test-live-XXXXXX", old[64], late[64], fifo[64], text[512];
    assert_non_null(mkdtemp(dir));
    snprintf(old, sizeof old, "%s/old", dir);
    snprintf(late, sizeof late, "%s/late", dir);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    append(old, "x 1\nx 2\n"); /* of an earlier run */
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct run *run = run_new(0);
    run->config.parse_line = parse_line;
    run->config.log_paths[0] = old;
    run->config.log_paths[1] = late;
    run->config.log_paths[2] = fifo;
    run_start(run);
    append(old, "x 10\nx 1");
    append(old, "1\n");
    await_observed(run, TC_OBS_EXECUTED, 2);
    append(fifo, "x 20\n");
    await_observed(run, TC_OBS_EXECUTED, 3);
    append(fifo, "x 21\n"); /* another writer, after the first has gone */
    await_observed(run, TC_OBS_EXECUTED, 4);
    append(late, "x 30\n");
    await_observed(run, TC_OBS_EXECUTED, 5);
    assert_int_equal(truncate(old, 0), 0);
    await_chores(run); /* which see that it was cut */
    append(old, "x 40\n");
    await_observed(run, TC_OBS_EXECUTED, 6);
    run_interrupt(run);
    assert_string_equal(executions(run, text, sizeof text), "10 11 20 21 30 40");
    for (size_t i = 0; i < run->engine->seen_count; i++)
        if (run->engine->seen[i].sequence == 20)
            assert_int_equal(run->engine->seen[i].node, 2);
    unlink(old);
    unlink(late);
    unlink(fifo);
    rmdir(dir);
    run_free(run);
}

/* The log of one replica given for another's: a mistake in the cluster's file, whose line is named, and no run. That a
 * replica's log speaks of clients, or of nobody, is none. */
static void test_swapped_logs(void **state)
{
    (void)state;
    char dir[] = "/tmp/tc-test-live-XXXXXX", logs[2][64], expected[256];
    assert_non_null(mkdtemp(dir));
    for (int swapped = 0; swapped < 2; swapped++) {
        struct run *run = run_new(0);
        run->config.parse_line = parse_line;
        for (int i = 0; i < 2; i++) {
            snprintf(logs[i], sizeof logs[i], "%s/node%d.log", dir, i);
            append(logs[i], "up\n");
            run->config.log_paths[i] = logs[i];
        }
        run->config.log_where[0] = "cluster.lua:4: ";
        run->config.log_where[1] = "cluster.lua:5: ";
        run_start(run);
        append(logs[0], "n 128\nn 0\nup\n");
        await_observed(run, TC_OBS_NOTE, 3);
        append(logs[1], swapped ? "n 0\n" : "n 1\n");
        if (swapped) {
            run_join(run);
            snprintf(expected, sizeof expected,
                     "cluster.lua:5: %s is given as the log of node 1, but its lines speak of node 0: are the logs "
                     "swapped?",
                     logs[1]);
            assert_int_equal(run->status, TC_EUSAGE);
            assert_string_equal(run->error.text, expected);
        } else {
            await_observed(run, TC_OBS_NOTE, 4);
            run_interrupt(run);
            assert_int_equal(run->status, TC_EINTERRUPTED);
        }
        run_free(run);
    }
    unlink(logs[0]);
    unlink(logs[1]);
    rmdir(dir);
}

static void test_line_too_long(void **state)
{
    (void)state;
    struct run *run = run_new(0);
    struct tc_error err = {0};
    char text[64];
    assert_int_equal(tc_keeper_start(&run->config.keeper, &err), 0);
    run->config.parse_line = parse_line;
    run_start(run);
    const char *const argv[] = {"/bin/sh", "-c", "echo x 1; head -c 1500000 /dev/zero | tr '\\0' x; echo; echo x 2",
                                NULL};
    const struct tc_process_spec spec = {.node = 0, .argv = argv, .listen_fd = -1, .stderr_path = "", .data_dir = ""};
    assert_int_equal(tc_keeper_spawn(run->config.keeper, &spec, &err), 0);
    await_observed(run, TC_OBS_EXECUTED, 2);
    run_interrupt(run);
    tc_keeper_stop(run->config.keeper);
    assert_string_equal(executions(run, text, sizeof text), "1 2");
    assert_int_equal(atomic_load(&run->observed[TC_OBS_OVERFLOW]), 1);
    run_free(run);
}

int main(void)
{
    block_signals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processes),    cmocka_unit_test(test_last_words),    cmocka_unit_test(test_foreign_logs),
        cmocka_unit_test(test_swapped_logs), cmocka_unit_test(test_line_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
