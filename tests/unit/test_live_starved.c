/* The live world when it has run out of something of its own: it says so, and never blames a node for it. */
#include "live_harness.h"

#include "../../proxy/live_private.h"

#include <sys/resource.h>

/* From now on the process can open `count` (one or two) more descriptors. The limit before. */
static struct rlimit leave_descriptors(const struct run *run, size_t count)
{
    struct rlimit before;
    int free_fds[3]; /* the lowest */
    for (size_t i = 0; i < 3; i++)
        free_fds[i] = dup(run->listen_fd);
    for (size_t i = 0; i < 3; i++)
        close(free_fds[i]);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = (rlim_t)free_fds[count], .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    return before;
}

/* There is a descriptor for the connection that comes, and none for the one that should go on: that is ours, and the
 * run says so; the node is not asked. */
static void test_no_descriptor_to_dial_with(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run_start(run);
    const struct rlimit before = leave_descriptors(run, 2);
    dial_reset(run->listeners[0].address);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    run_connect(run); /* and once there are some again, all is well */
    char text[4];
    write_all(run->client, "well", 4);
    read_all(run->server, text, 4);
    run_interrupt(run);
    assert_int_equal(run->stats.dial_failures, 1);
    assert_int_equal(run->stats.dialled, 1);
    const struct seen *failure = nth(run, TC_EV_DIAL_FAILED, 0);
    assert_non_null(failure);
    assert_true(failure->ours);
    assert_non_null(strstr(failure->text, strerror(EMFILE)));
    run_free(run);
}

static const struct seen *first_overflow(const struct run *run)
{
    static const struct seen none;
    for (size_t i = 0; nth(run, TC_EV_OBSERVED, i); i++)
        if (nth(run, TC_EV_OBSERVED, i)->observation == TC_OBS_OVERFLOW)
            return nth(run, TC_EV_OBSERVED, i);
    return &none;
}

/* There is one descriptor, and the dialler takes it: to him the connection stands, but nobody carries it. The run says
 * so, and takes it when it can. */
static void test_no_descriptor_to_accept_with(void **state)
{
    (void)state;
    struct run *run = run_serving();
    run_start(run);
    const struct rlimit before = leave_descriptors(run, 1);
    run->client = dial_blocking(run->listeners[0].address);
    await_observed(run, TC_OBS_OVERFLOW, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    run->server = accept_blocking(run->listen_fd);
    char text[4];
    write_all(run->client, "well", 4);
    read_all(run->server, text, 4);
    run_interrupt(run);
    assert_non_null(strstr(first_overflow(run)->text, "out of descriptors"));
    assert_true(first_overflow(run)->not_carried);
    assert_int_equal(run->stats.accepted, 1);
    run_free(run);
}

/* Only what was not carried excuses who is silent; and it does even if there was no room to say it. */
static void test_which_overflows_are_of_connections(void **state)
{
    (void)state;
    for (size_t lost = 0; lost < 2; lost++) {
        struct run *run = run_new(0);
        run->config.plan = (struct tc_world_plan){.phase_ns = {1000000, 0, 0, 0}};
        run_open(run);
        run->live->stepping = true; /* all wait */
        for (size_t i = 0; i < TC_LIVE_NOTES_MAX; i++)
            tc_live_note(run->live, TC_OBS_OVERFLOW, 0, "a line was skipped");
        if (lost)
            tc_live_not_carried(run->live, 0, "no more connections");
        else
            tc_live_note(run->live, TC_OBS_OVERFLOW, 0, "a line was skipped");
        run->live->stepping = false;
        assert_int_equal(pthread_create(&run->thread, NULL, run_thread, run), 0);
        run_join(run);
        assert_int_equal(count_of(run, TC_EV_OBSERVED), TC_LIVE_NOTES_MAX + 1);
        for (size_t i = 0; i < TC_LIVE_NOTES_MAX; i++)
            assert_false(nth(run, TC_EV_OBSERVED, i)->not_carried);
        assert_non_null(strstr(nth(run, TC_EV_OBSERVED, TC_LIVE_NOTES_MAX)->text, "1 notes were lost"));
        assert_int_equal(nth(run, TC_EV_OBSERVED, TC_LIVE_NOTES_MAX)->not_carried, lost);
        run_free(run);
    }
}

/* Failures are told after the step in hand: each with its own reason. */
static void test_two_dials_fail_at_once(void **state)
{
    (void)state;
    struct run *run = run_new(2);
    close(serve(run, 0));
    close(serve(run, 1));
    run_open(run);
    for (uint32_t i = 0; i < 2; i++) {
        struct tc_live_pair *pair = run->live->pairs[i] = calloc(1, sizeof *pair);
        assert_non_null(pair);
        for (uint32_t side = 0; side < 2; side++)
            pair->side[side] =
                (struct tc_live_conn){.live = run->live, .number = 2 * i + side, .fd = -1, .node = (uint16_t)i};
        pair->used = true;
        run->live->pair_count++;
        tc_live_dial_failed(&pair->side[1], i ? TC_ELIMIT : TC_EUNREACHABLE, i ? EMFILE : ETIMEDOUT);
    }
    tc_live_tell_all(run->live);
    for (uint32_t i = 0; i < 2; i++) {
        const struct seen *failure = nth(run, TC_EV_DIAL_FAILED, i);
        assert_non_null(failure);
        assert_int_equal(failure->conn, 2 * i + 1);
        assert_int_equal(failure->ours, i);
        assert_non_null(strstr(failure->text, run->addresses[i]));
        assert_non_null(strstr(failure->text, strerror(i ? EMFILE : ETIMEDOUT)));
    }
    run_free(run);
}

/* The bound on pairs is one on connections that are carried: who dials beyond it waits, and the run says why. */
static void test_no_pair_to_accept_with(void **state)
{
    (void)state;
    struct run *run = run_serving();
    struct tc_live_pair unused = {0};
    run_open(run);
    for (uint32_t i = 0; i < TC_PAIRS_MAX; i++)
        run->live->pairs[i] = &unused;
    run->live->pair_count = TC_PAIRS_MAX;
    assert_int_equal(pthread_create(&run->thread, NULL, run_thread, run), 0);
    run->client = dial_blocking(run->listeners[0].address);
    await_observed(run, TC_OBS_OVERFLOW, 1);
    run_interrupt(run);
    assert_non_null(strstr(first_overflow(run)->text, "all pairs are in use"));
    assert_true(first_overflow(run)->not_carried);
    assert_int_equal(run->stats.accepted, 0);
    run->live->pair_count = 0;
    run_free(run);
}

/* A queue beyond its bound ends the connection: a gap in a stream must never look like a stream. */
static void test_a_queue_beyond_its_bound(void **state)
{
    (void)state;
    struct run *run = run_new(1);
    close(serve(run, 0));
    run_open(run);
    struct tc_live_pair *pair = run->live->pairs[0] = calloc(1, sizeof *pair);
    assert_non_null(pair);
    for (uint32_t side = 0; side < 2; side++)
        pair->side[side] = (struct tc_live_conn){.live = run->live, .number = side, .fd = -1, .node = 3};
    pair->used = true;
    run->live->pair_count = 1;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    pair->side[0].fd = ends[0];
    pair->side[0].state = TC_LIVE_DIALLING; /* all that is written must wait */
    const uint8_t byte = 1;
    run->live->stepping = true;
    tc_live_write(run->live, 0, (struct tc_slice){&byte, 1});
    assert_int_equal(tc_live_queued(&pair->side[0]), 1);
    tc_live_write(run->live, 0, (struct tc_slice){&byte, TC_LIVE_QUEUE_MAX}); /* refused before a byte is read */
    assert_int_equal(pair->side[0].state, TC_LIVE_CLOSED);
    run->live->stepping = false;
    tc_live_tell_all(run->live);
    assert_int_equal(count_of(run, TC_EV_CLOSED), 1);
    assert_true(first_overflow(run)->not_carried);
    assert_non_null(strstr(first_overflow(run)->text, "output queue passed 256 MiB"));
    close(ends[1]);
    run_free(run);
}

/* The run's clock goes on by three seconds, once: as if the thread had stood still for so long. */
static void stand_still(void *self, uint64_t now_ns)
{
    struct run *run = self;
    if (atomic_load(&run->progressed) == 0)
        run->live->epoch_ns -= UINT64_C(3000000000);
    sink_progress(self, now_ns);
}

/* A script that takes its time, or a machine that stood still: we carried nothing meanwhile, and say so, once. */
static void test_a_run_that_was_held_up(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) {
        struct run *run = run_new(0);
        if (held)
            run->config.sink.progress = stand_still;
        run_start(run);
        if (held)
            await_observed(run, TC_OBS_OVERFLOW, 1);
        await_count(run, &run->progressed, 2);
        run_interrupt(run);
        assert_int_equal(atomic_load(&run->observed[TC_OBS_OVERFLOW]), held);
        if (held) {
            assert_true(first_overflow(run)->not_carried);
            assert_non_null(strstr(first_overflow(run)->text, "turncoat itself was held up for"));
            assert_in_range(run->stats.held_up_ns, UINT64_C(2000000000), UINT64_C(4000000000));
        }
        run_free(run);
    }
}

int main(void)
{
    block_signals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_descriptor_to_dial_with),
        cmocka_unit_test(test_no_descriptor_to_accept_with),
        cmocka_unit_test(test_which_overflows_are_of_connections),
        cmocka_unit_test(test_two_dials_fail_at_once),
        cmocka_unit_test(test_no_pair_to_accept_with),
        cmocka_unit_test(test_a_queue_beyond_its_bound),
        cmocka_unit_test(test_a_run_that_was_held_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
