/* The live world around its connections: phases, processes, what nodes print, verification, capture, the watchdog. */
#include "live_harness.h"

#include "../../proxy/capture_read.h"

#define MS UINT64_C(1000000)

/* "x 41" is an execution of 41, "up" a note; anything else is not ours. */
static int parse_line(struct tc_slice line, struct tc_arena *arena, struct tc_observation *out, struct tc_error *err)
{
    char *text = tc_arena_alloc(arena, line.len + 1);
    if (!text)
        return tc_error_set(err, TC_ELIMIT, "too long");
    memcpy(text, line.data, line.len);
    text[line.len] = '\0';
    *out = (struct tc_observation){.kind = TC_OBS_NOTE, .node = 99, .text = text};
    if (text[0] == 'x') {
        out->kind = TC_OBS_EXECUTED;
        out->executed.sequence = strtoull(text + 1, NULL, 10);
        out->text = "";
        return 0;
    }
    return strcmp(text, "up") == 0 ? 0 : TC_EUNSUPPORTED;
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

static void await_observed(struct run *run, enum tc_observation_kind kind, int count)
{
    const uint64_t until_ns = tc_loop_clock_ns() + 10000 * MS;
    while (atomic_load(&run->observed[kind]) < count) {
        assert_true(tc_loop_clock_ns() < until_ns);
        usleep(1000);
    }
}

/* ---- phases ---- */

static void test_phases_by_time(void **state)
{
    (void)state;
    struct run *run = run_new(0);
    run->config.plan = (struct tc_world_plan){.phase_ns = {60 * MS, 300 * MS, 40 * MS, 0}};
    const uint64_t began_ns = tc_loop_clock_ns();
    run_start(run);
    run_join(run);
    const uint64_t took_ns = tc_loop_clock_ns() - began_ns;
    assert_int_equal(run->status, 0);
    assert_true(took_ns >= 400 * MS && took_ns < 5000 * MS);
    assert_int_equal(count_of(run, TC_EV_PHASE), 3);
    assert_int_equal(nth(run, TC_EV_PHASE, 0)->phase, TC_RUN_BEFORE);
    assert_int_equal(nth(run, TC_EV_PHASE, 1)->phase, TC_RUN_DURING);
    assert_int_equal(nth(run, TC_EV_PHASE, 2)->phase, TC_RUN_AFTER);
    assert_int_equal(count_of(run, TC_EV_STOP), 1);
    assert_true(atomic_load(&run->progressed) >= 1);
    run_free(run);
}

static void test_phase_of_no_length_is_skipped(void **state)
{
    (void)state;
    struct run *run = run_new(0);
    run->config.plan = (struct tc_world_plan){.phase_ns = {0, 20 * MS, 0, 0}};
    run_start(run);
    run_join(run);
    assert_int_equal(count_of(run, TC_EV_PHASE), 1);
    assert_int_equal(nth(run, TC_EV_PHASE, 0)->phase, TC_RUN_DURING);
    run_free(run);
}

static void test_start_by_first_message(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    const int listen_fd = serve(run, 0);
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 0, 0, 0}, .wait_first_decision = true, .start_timeout_ns = 20000 * MS};
    run_start(run);
    const int client = dial_blocking(run->listeners[0].address), server = accept_blocking(listen_fd);
    write_all(client, "m", 1);
    run_join(run); /* well before the timeout */
    assert_int_equal(run->status, 0);
    assert_int_equal(count_of(run, TC_EV_PHASE), 1);
    assert_int_equal(run->engine->bytes, 1);
    close(client);
    close(server);
    close(listen_fd);
    run_free(run);
}

static void test_unreachable_node(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    close(serve(run, 0));
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 0, 0, 0}, .wait_first_decision = true, .start_timeout_ns = 200 * MS};
    run_start(run);
    const int client = dial_blocking(run->listeners[0].address);
    assert_int_equal(read_end_of(client), ECONNRESET);
    run_join(run);
    close(client);
    assert_int_equal(run->status, TC_EUNREACHABLE);
    assert_non_null(strstr(run->error.text, run->addresses[0]));
    assert_non_null(strstr(run->error.text, "node 0"));
    assert_int_equal(count_of(run, TC_EV_PHASE), 0);
    assert_int_equal(count_of(run, TC_EV_STOP), 1);
    run_free(run);
}

/* Nobody decides, but all are there: that is for the oracles to judge. */
static void test_no_decision_goes_on(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 30 * MS, 0, 0}, .wait_first_decision = true, .start_timeout_ns = 50 * MS};
    run_start(run);
    run_join(run);
    assert_int_equal(run->status, 0);
    assert_int_equal(count_of(run, TC_EV_PHASE), 2);
    assert_int_equal(atomic_load(&run->observed[TC_OBS_NOTE]), 1);
    run_free(run);
}

static void test_engine_finishes(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    const int listen_fd = serve(run, 0);
    run->engine->finish_after = 3;
    run_start(run);
    const int client = dial_blocking(run->listeners[0].address), server = accept_blocking(listen_fd);
    char text[4];
    write_all(client, "en", 2);
    read_all(server, text, 2); /* the link stands */
    write_all(client, "d", 1);
    run_join(run);
    assert_int_equal(run->status, TC_ESCRIPT);
    assert_string_equal(run->error.text, "fake.lua:1: finished");
    read_all(server, text, 1); /* what was written before the end arrives */
    assert_int_equal(count_of(run, TC_EV_STOP), 1);
    close(client);
    close(server);
    close(listen_fd);
    run_free(run);
}

static void test_engine_out_of_memory(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    const int listen_fd = serve(run, 0);
    run->engine->fail_status = TC_EMEMORY;
    run_start(run);
    const int client = dial_blocking(run->listeners[0].address);
    write_all(client, "m", 1);
    run_join(run);
    assert_int_equal(run->status, TC_EMEMORY);
    close(client);
    close(listen_fd);
    run_free(run);
}

/* What waits in queues when a run ends is given its chance. */
static void test_end_drains_queues(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    const int listen_fd = serve(run, 0);
    run_start(run);
    const int client = dial_blocking(run->listeners[0].address), server = accept_blocking(listen_fd);
    static char chunk[65536];
    size_t written = 0;
    for (;;) {
        struct pollfd ready = {.fd = client, .events = POLLOUT};
        if (poll(&ready, 1, 200) == 0)
            break;
        const ssize_t sent = send(client, chunk, sizeof chunk, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(sent > 0);
        written += (size_t)sent;
    }
    kill(getpid(), SIGINT);
    size_t got = 0;
    struct pollfd ready = {.fd = server, .events = POLLIN};
    while (poll(&ready, 1, 1000) == 1) {
        const ssize_t now = read(server, chunk, sizeof chunk);
        if (now <= 0)
            break;
        got += (size_t)now;
    }
    run_join(run);
    assert_int_equal(run->status, TC_EINTERRUPTED);
    assert_int_equal(run->stats.queued_now_bytes, 0);
    assert_int_equal(got, run->engine->bytes); /* all that was read was delivered */
    assert_true(got <= written);
    close(client);
    close(server);
    close(listen_fd);
    run_free(run);
}

static int reload_count;
static const struct tc_handler reloaded = {.name = "again"};

static int reload(void *self, const struct tc_handler **handler, struct tc_error *err)
{
    (void)self;
    if (reload_count++ == 0)
        return tc_error_set(err, TC_ESCRIPT, "attack.lua:7: broken");
    *handler = &reloaded;
    return 0;
}

static void test_reload(void **state)
{
    (void)state;
    struct run *run = run_new(0);
    run->config.reload = reload;
    reload_count = 0;
    run_start(run);
    kill(getpid(), SIGHUP);
    await_observed(run, TC_OBS_NOTE, 1); /* the first is refused */
    kill(getpid(), SIGHUP);
    await_observed(run, TC_OBS_PHASE, 1); /* the fake engine's word for it */
    run_interrupt(run);
    assert_int_equal(count_of(run, TC_EV_RELOAD), 1);
    assert_non_null(strstr(nth(run, TC_EV_OBSERVED, 0)->text, "attack.lua:7"));
    run_free(run);
}

/* ---- processes and what they print ---- */

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
    /* A torn line, lines of no concern, and an execution in two writes. */
    const char *const argv[] = {
        "/bin/sh", "-c", "echo up; echo '{\"e\":'; printf 'x 4'; sleep 0.05; echo 1; echo 'x 42'; exec sleep 1000",
        NULL};
    const struct tc_process_spec spec = {.node = 0, .argv = argv, .listen_fd = -1, .stderr_path = "", .data_dir = ""};
    assert_int_equal(tc_keeper_spawn(run->config.keeper, &spec, &err), 0);
    assert_int_equal(pthread_create(&run->thread, NULL, run_thread, run), 0);
    await_observed(run, TC_OBS_EXECUTED, 2);
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

static void append(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
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
    usleep(600000); /* the chores see that it was cut */
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

/* ---- verification ---- */

static int fake_decode(struct tc_slice frame, struct tc_arena *arena, struct tc_message *m)
{
    m->frame = frame;
    m->statements = tc_arena_zalloc(arena, sizeof *m->statements);
    m->statement_count = m->statements ? 1 : 0;
    if (m->statements)
        m->statements[0].body = frame;
    return 0;
}

static int fake_verify(const struct tc_protocol_env *env, const struct tc_statement *s)
{
    (void)env;
    return s->body.data[0] == 'g' ? 0 : s->body.data[0] == 'b' ? TC_ESIGNATURE : TC_EKEY;
}

static void test_verification(void **state)
{
    (void)state;
    static const struct tc_protocol protocol = {.decode = fake_decode, .verify = fake_verify};
    for (int with_protocol = 0; with_protocol < 2; with_protocol++) {
        struct run *run = run_new(1);
        const int listen_fd = serve(run, 0);
        run->config.protocol = with_protocol ? &protocol : NULL;
        run->engine->verify_on_bytes = 20;
        run_start(run);
        const int client = dial_blocking(run->listeners[0].address), server = accept_blocking(listen_fd);
        static const char frames[] = "gb?";
        for (int i = 0; i < 3; i++) {
            char text;
            write_all(client, &frames[i], 1);
            read_all(server, &text, 1); /* one read of the proxy for each */
        }
        run_interrupt(run);
        assert_int_equal(count_of(run, TC_EV_VERIFIED), 60); /* the end waits for them */
        size_t bad = 0, unknown = 0;
        for (size_t i = 0; i < 60; i++) {
            const struct seen *seen = nth(run, TC_EV_VERIFIED, i);
            assert_int_equal(seen->token, i + 1);
            bad += !seen->ok;
            unknown += seen->text[0] != '\0';
        }
        assert_int_equal(bad, with_protocol ? 20 : 0);
        assert_int_equal(unknown, with_protocol ? 20 : 60);
        assert_int_equal(run->stats.unverified, with_protocol ? 20 : 60);
        assert_int_equal(run->stats.verified, with_protocol ? 40 : 0);
        assert_int_equal(atomic_load(&run->observed[TC_OBS_OVERFLOW]), 1);
        close(client);
        close(server);
        close(listen_fd);
        run_free(run);
    }
}

/* ---- the watchdog ---- */

static _Atomic int hung_count;

static void hung(void *self)
{
    (void)self;
    atomic_fetch_add(&hung_count, 1);
}

static void test_hung(void **state)
{
    (void)state;
    sem_t gate, at_gate;
    sem_init(&gate, 0, 0);
    sem_init(&at_gate, 0, 0);
    struct run *run = run_new(1);
    const int listen_fd = serve(run, 0);
    run->config.hung = hung;
    run->config.hung_after_ns = 100 * MS;
    run->engine->gate = &gate;
    run->engine->at_gate = &at_gate;
    run_start(run);
    usleep(300000); /* idle is not hung */
    assert_int_equal(atomic_load(&hung_count), 0);
    const int client = dial_blocking(run->listeners[0].address);
    write_all(client, "m", 1);
    for (int i = 0; i < 10000 && atomic_load(&hung_count) == 0; i++)
        usleep(1000);
    usleep(300000);
    assert_int_equal(atomic_load(&hung_count), 1); /* once */
    sem_post(&gate);
    close(client);
    close(listen_fd);
    run_interrupt(run);
    run_free(run);
}

/* ---- capture ---- */

struct captured {
    char bytes[2][2][64]; /* stream, from client */
    bool closed[2][2];
    uint16_t server_port[2];
};

static int each_segment(void *self, const struct tc_capture_segment *segment)
{
    struct captured *captured = self;
    assert_true(segment->stream < 2);
    assert_false(segment->gap);
    captured->server_port[segment->stream] = segment->server_port;
    assert_int_equal(segment->server_ip, 0x7f000001);
    if (segment->closed)
        captured->closed[segment->stream][segment->from_client] = true;
    if (segment->bytes.len == 0)
        return 0;
    char *text = captured->bytes[segment->stream][segment->from_client];
    strncat(text, (const char *)segment->bytes.data, segment->bytes.len);
    return 0;
}

static void test_capture_of_both_legs(void **state)
{
    (void)state;
    char path[] = "/tmp/tc-test-live-XXXXXX";
    close(mkstemp(path));
    struct run *run = run_new(1);
    const int listen_fd = serve(run, 0);
    run->config.capture_path = path;
    run_start(run);
    const uint16_t near_port = (uint16_t)atoi(strrchr(run->listeners[0].address, ':') + 1);
    const uint16_t far_port = (uint16_t)atoi(strrchr(run->addresses[0], ':') + 1);
    const int client = dial_blocking(run->listeners[0].address), server = accept_blocking(listen_fd);
    char text[16];
    write_all(client, "ping", 4);
    read_all(server, text, 4);
    write_all(server, "pong", 4);
    read_all(client, text, 4);
    shutdown(client, SHUT_WR);
    assert_int_equal(read_end_of(server), 0);
    close(server);
    assert_int_equal(read_end_of(client), 0);
    close(client);
    close(listen_fd);
    run_interrupt(run);
    struct captured captured = {0};
    struct tc_capture_counts counts = {0};
    struct tc_error err = {0};
    assert_int_equal(tc_capture_read(path, each_segment, &captured, &counts, &err), 0);
    assert_int_equal(counts.streams, 2);
    assert_int_equal(counts.gaps, 0);
    for (int stream = 0; stream < 2; stream++) {
        assert_string_equal(captured.bytes[stream][1], "ping");
        assert_string_equal(captured.bytes[stream][0], "pong");
        assert_true(captured.closed[stream][0] && captured.closed[stream][1]);
    }
    assert_int_equal(captured.server_port[0], near_port);
    assert_int_equal(captured.server_port[1], far_port);
    unlink(path);
    run_free(run);
}

int main(void)
{
    block_signals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phases_by_time),
        cmocka_unit_test(test_phase_of_no_length_is_skipped),
        cmocka_unit_test(test_start_by_first_message),
        cmocka_unit_test(test_unreachable_node),
        cmocka_unit_test(test_no_decision_goes_on),
        cmocka_unit_test(test_engine_finishes),
        cmocka_unit_test(test_engine_out_of_memory),
        cmocka_unit_test(test_end_drains_queues),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_last_words),
        cmocka_unit_test(test_foreign_logs),
        cmocka_unit_test(test_line_too_long),
        cmocka_unit_test(test_verification),
        cmocka_unit_test(test_hung),
        cmocka_unit_test(test_capture_of_both_legs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
