/* The live world around its connections: phases, reloads, verification, capture, the watchdog. */
#include "live_harness.h"

#include "../../proxy/capture_read.h"

#define MS UINT64_C(1000000)

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
    struct run *run = run_serving();
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 0, 0, 0}, .wait_first_decision = true, .start_timeout_ns = 20000 * MS};
    run_start(run);
    run_connect(run);
    write_all(run->client, "m", 1);
    run_join(run); /* well before the timeout */
    assert_int_equal(run->status, 0);
    assert_int_equal(count_of(run, TC_EV_PHASE), 1);
    assert_int_equal(run->engine->bytes, 1);
    run_free(run);
}

/* A first message is not enough for the phases. They begin with the second, once `missing` is there (NULL: it is). */
static void begins_with_the_second(struct run *run, atomic_bool *missing)
{
    run_start(run);
    run_connect(run);
    write_all(run->client, "\1", 1);
    await_observed(run, TC_OBS_MESSAGE, 1);
    if (missing)
        atomic_store(missing, true);
    write_all(run->client, "\2", 1);
    run_join(run);
    assert_int_equal(run->status, 0);
    assert_int_equal(count_of(run, TC_EV_PHASE), 1);
    assert_int_equal(nth(run, TC_EV_PHASE, 0)->bytes, 2);
    run_free(run);
}

/* The first message counts as a decision where nothing tells of any; the phases wait for whoever has not voted yet, and
 * what others pass on of its votes is not its taking part. */
static void test_start_by_the_last_voter(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run->engine->observe_bytes = run->engine->observe_votes = true;
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 0, 0, 0}, .wait_first_decision = true, .wait_voters = 1, .start_timeout_ns = 20000 * MS};
    begins_with_the_second(run, NULL);
}

static bool is_set(void *flag)
{
    return atomic_load((atomic_bool *)flag);
}

/* They wait for links that are not up yet, too. */
static void test_start_by_the_last_link(void **state)
{
    (void)state;
    atomic_bool linked = false;
    struct run *run = run_serving();
    run->engine->observe_bytes = true;
    run->config.plan = (struct tc_world_plan){.phase_ns = {30 * MS, 0, 0, 0},
                                              .wait_first_decision = true,
                                              .linked = is_set,
                                              .linked_self = &linked,
                                              .start_timeout_ns = 20000 * MS};
    begins_with_the_second(run, &linked);
}

static void test_unreachable_node(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    close(serve(run, 0));
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 0, 0, 0}, .wait_first_decision = true, .start_timeout_ns = 200 * MS};
    run_start(run);
    dial_reset(run->listeners[0].address);
    run_join(run);
    assert_int_equal(run->status, TC_EUNREACHABLE);
    assert_non_null(strstr(run->error.text, run->addresses[0]));
    assert_non_null(strstr(run->error.text, "node 0"));
    assert_non_null(strstr(run->error.text, strerror(ECONNREFUSED)));
    assert_int_equal(count_of(run, TC_EV_PHASE), 0);
    assert_int_equal(count_of(run, TC_EV_STOP), 1);
    run_free(run);
}

/* The cluster may go on without it: the attack that was asked for is another one. */
static void test_unreachable_when_the_attack_begins(void **state)
{
    (void)state;
    for (int every = 0; every < 3; every++) {
        struct run *run = run_new(1);
        close(serve(run, 0));
        if (every == 2) /* refused; or where IPv6 is off there is no address to dial from, which is no excuse */
            snprintf(run->addresses[0], sizeof run->addresses[0], "[::1]:9");
        run->config.plan = (struct tc_world_plan){.phase_ns = {20 * MS, 20 * MS, 0, 0}, .every_node = every > 0};
        run_start(run);
        run_join(run);
        assert_int_equal(run->status, every ? TC_EUNREACHABLE : 0);
        assert_int_equal(count_of(run, TC_EV_PHASE), every ? 1 : 2);
        if (every)
            assert_non_null(strstr(run->error.text, run->addresses[0]));
        run_free(run);
    }
}

/* Nobody decides, but all are there: that is for the oracles to judge. */
static void test_no_decision_goes_on(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 30 * MS, 0, 0}, .wait_first_decision = true, .start_timeout_ns = 100 * MS};
    run_start(run);
    run->client = dial_blocking(run->listeners[0].address);
    run_join(run);
    close_now(&run->client);
    assert_int_equal(run->status, 0);
    assert_int_equal(count_of(run, TC_EV_PHASE), 2);
    assert_int_equal(atomic_load(&run->observed[TC_OBS_NOTE]), 1);
    run_free(run);
}

/* The nodes listen, but dial each other past us: the run cannot judge anything. */
static void test_nobody_dials(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run->config.plan = (struct tc_world_plan){
        .phase_ns = {30 * MS, 0, 0, 0}, .wait_first_decision = true, .start_timeout_ns = 50 * MS};
    run_start(run);
    run_join(run);
    assert_int_equal(run->status, TC_EUNREACHABLE);
    assert_non_null(strstr(run->error.text, "nobody dialled"));
    assert_int_equal(count_of(run, TC_EV_PHASE), 0);
    run_free(run);
}

static void test_engine_finishes(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run->engine->finish_after = 3;
    run_start(run);
    run_connect(run);
    char text[4];
    write_all(run->client, "en", 2);
    read_all(run->server, text, 2); /* the link stands */
    write_all(run->client, "d", 1);
    run_join(run);
    assert_int_equal(run->status, TC_ESCRIPT);
    assert_string_equal(run->error.text, "fake.lua:1: finished");
    read_all(run->server, text, 1); /* what was written before the end arrives */
    assert_int_equal(count_of(run, TC_EV_STOP), 1);
    run_free(run);
}

static void test_engine_out_of_memory(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run->engine->fail_status = TC_EMEMORY;
    run_start(run);
    run->client = dial_blocking(run->listeners[0].address);
    write_all(run->client, "m", 1);
    run_join(run);
    assert_int_equal(run->status, TC_EMEMORY);
    run_free(run);
}

/* What waits in queues when a run ends is given its chance. */
static void test_end_drains_queues(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run_start(run);
    run_connect(run);
    const size_t written = fill(run->client);
    static char chunk[65536];
    kill(getpid(), SIGINT);
    size_t got = 0;
    struct pollfd ready = {.fd = run->server, .events = POLLIN};
    while (poll(&ready, 1, 1000) == 1) {
        const ssize_t now = read(run->server, chunk, sizeof chunk);
        if (now <= 0)
            break;
        got += (size_t)now;
    }
    run_join(run);
    assert_int_equal(run->status, TC_EINTERRUPTED);
    assert_int_equal(run->stats.queued_now_bytes, 0);
    assert_int_equal(got, run->engine->bytes); /* all that was read was delivered */
    assert_true(got <= written);
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
        struct run *run = run_serving();
        run->config.protocol = with_protocol ? &protocol : NULL;
        run->engine->verify_on_bytes = 20;
        run_start(run);
        run_connect(run);
        static const char frames[] = "gb?";
        for (int i = 0; i < 3; i++) {
            char text;
            write_all(run->client, &frames[i], 1);
            read_all(run->server, &text, 1); /* one read of the proxy for each */
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
        run_free(run);
    }
}

/* ---- the watchdog ---- */

/* A run whose step can be held up, and what its watchdog said. */
struct watched {
    struct run *run;
    sem_t gate, at_gate, told;
    _Atomic int count;
};

static void hung(void *self)
{
    struct watched *watched = self;
    atomic_fetch_add(&watched->count, 1);
    sem_post(&watched->told);
}

static void watched_start(struct watched *watched)
{
    memset(watched, 0, sizeof *watched);
    sem_init(&watched->gate, 0, 0);
    sem_init(&watched->at_gate, 0, 0);
    sem_init(&watched->told, 0, 0);
    watched->run = run_serving();
    watched->run->config.hung = hung;
    watched->run->config.hung_self = watched;
    watched->run->config.hung_after_ns = 100 * MS;
    watched->run->engine->gate = &watched->gate;
    watched->run->engine->at_gate = &watched->at_gate;
    run_start(watched->run);
}

/* Holds it up, until the watchdog has said so. */
static void watched_hang(struct watched *watched)
{
    watched->run->client = dial_blocking(watched->run->listeners[0].address);
    write_all(watched->run->client, "m", 1);
    await_post(&watched->told);
}

static void test_hung(void **state)
{
    (void)state;
    struct watched first, second;
    watched_start(&first);
    await_chores(first.run); /* farther apart than a step may last: idle is not hung */
    assert_int_equal(atomic_load(&first.count), 0);
    watched_hang(&first);
    /* By the time that another watchdog has found another run to hang, this one could have spoken again. */
    watched_start(&second);
    second.run->engine->finish_after = 1;
    watched_hang(&second);
    assert_int_equal(atomic_load(&first.count), 1); /* once */
    sem_post(&second.gate);
    run_join(second.run);
    assert_int_equal(second.run->status, TC_ESCRIPT);
    sem_post(&first.gate);
    run_interrupt(first.run);
    run_free(second.run);
    run_free(first.run);
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
    struct run *run = run_serving();
    run->config.capture_path = path;
    run_start(run);
    const uint16_t near_port = (uint16_t)atoi(strrchr(run->listeners[0].address, ':') + 1);
    const uint16_t far_port = (uint16_t)atoi(strrchr(run->addresses[0], ':') + 1);
    run_connect(run);
    char text[16];
    write_all(run->client, "ping", 4);
    read_all(run->server, text, 4);
    write_all(run->server, "pong", 4);
    read_all(run->client, text, 4);
    shutdown(run->client, SHUT_WR);
    assert_int_equal(read_end_of(run->server), 0);
    close_now(&run->server);
    assert_int_equal(read_end_of(run->client), 0);
    close_now(&run->client);
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
        cmocka_unit_test(test_start_by_the_last_voter),
        cmocka_unit_test(test_start_by_the_last_link),
        cmocka_unit_test(test_unreachable_node),
        cmocka_unit_test(test_unreachable_when_the_attack_begins),
        cmocka_unit_test(test_no_decision_goes_on),
        cmocka_unit_test(test_nobody_dials),
        cmocka_unit_test(test_engine_finishes),
        cmocka_unit_test(test_engine_out_of_memory),
        cmocka_unit_test(test_end_drains_queues),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_verification),
        cmocka_unit_test(test_hung),
        cmocka_unit_test(test_capture_of_both_legs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
