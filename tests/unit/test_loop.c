/* The event loop: descriptors, the deadline, signals, and changes made from inside callbacks. */
#define _GNU_SOURCE
#include "../../proxy/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

struct fixture {
    struct tc_loop *loop;
    struct tc_loop_watch watches[4];
    int pipes[4][2];
    int calls[4], turns, dues;
    uint64_t due_at_ns[64];
    int signals[8], signal_count;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->loop = tc_loop_new(NULL);
    assert_non_null(f->loop);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pipe2(f->pipes[i], O_NONBLOCK | O_CLOEXEC), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tc_loop_free(f->loop);
    for (int i = 0; i < 4; i++) {
        close(f->pipes[i][0]);
        close(f->pipes[i][1]);
    }
    free(f);
    return 0;
}

struct reader {
    struct fixture *f;
    int index;
    bool removes_others;
};

static void readable(void *self, uint32_t events)
{
    struct reader *reader = self;
    char byte;
    assert_true(events & EPOLLIN);
    assert_int_equal(read(reader->f->pipes[reader->index][0], &byte, 1), 1);
    reader->f->calls[reader->index]++;
    for (int i = 0; reader->removes_others && i < 4; i++)
        if (i != reader->index)
            tc_loop_remove(reader->f->loop, &reader->f->watches[i]);
}

static void watch(struct fixture *f, struct reader *readers)
{
    for (int i = 0; i < 4; i++) {
        readers[i].f = f;
        readers[i].index = i;
        assert_false(tc_loop_watching(&f->watches[i]));
        assert_int_equal(tc_loop_add(f->loop, &f->watches[i], f->pipes[i][0], EPOLLIN, readable, &readers[i]), 0);
        assert_true(tc_loop_watching(&f->watches[i]));
    }
}

static void test_ready(void **state)
{
    struct fixture *f = *state;
    struct reader readers[4] = {0};
    watch(f, readers);
    assert_int_equal(tc_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->calls[2], 0);
    assert_int_equal(write(f->pipes[2][1], "ab", 2), 2);
    tc_loop_turn(f->loop, TC_NEVER_NS);
    tc_loop_turn(f->loop, TC_NEVER_NS); /* level-triggered: the second byte still counts */
    assert_int_equal(f->calls[2], 2);
    tc_loop_turn(f->loop, 0);
    assert_int_equal(f->calls[2], 2);
    assert_int_equal(tc_loop_mod(f->loop, &f->watches[2], 0), 0);
    assert_int_equal(write(f->pipes[2][1], "c", 1), 1);
    tc_loop_turn(f->loop, 0);
    assert_int_equal(f->calls[2], 2);
    assert_int_equal(tc_loop_mod(f->loop, &f->watches[2], EPOLLIN), 0);
    tc_loop_turn(f->loop, 0);
    assert_int_equal(f->calls[2], 3);
}

/* Whoever comes first removes the rest: their events, fetched already, must not be delivered. */
static void test_remove_inside_callback(void **state)
{
    struct fixture *f = *state;
    struct reader readers[4] = {
        {.removes_others = true}, {.removes_others = true}, {.removes_others = true}, {.removes_others = true}};
    watch(f, readers);
    for (int i = 0; i < 4; i++)
        assert_int_equal(write(f->pipes[i][1], "x", 1), 1);
    tc_loop_turn(f->loop, TC_NEVER_NS);
    assert_int_equal(f->calls[0] + f->calls[1] + f->calls[2] + f->calls[3], 1);
    for (int i = 0; i < 4; i++)
        tc_loop_remove(f->loop, &f->watches[i]); /* also those that are not added any more */
    tc_loop_turn(f->loop, 0);
    assert_int_equal(f->calls[0] + f->calls[1] + f->calls[2] + f->calls[3], 1);
}

static void test_add_refuses_files(void **state)
{
    struct fixture *f = *state;
    struct reader reader = {.f = f};
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tc_loop_add(f->loop, &f->watches[0], fd, EPOLLIN, readable, &reader), TC_EIO);
    assert_false(tc_loop_watching(&f->watches[0]));
    close(fd);
}

static void due(void *self)
{
    struct fixture *f = self;
    f->due_at_ns[f->dues++] = tc_loop_now_ns(f->loop);
}

static void stop_after_due(void *self)
{
    struct fixture *f = self;
    due(f);
    tc_loop_stop(f->loop);
}

static void test_deadline(void **state)
{
    struct fixture *f = *state;
    for (int early = 0; early < 2; early++)
        for (int i = 0; i < 10; i++) {
            f->dues = 0;
            tc_loop_on_deadline(f->loop, stop_after_due, f);
            const uint64_t at_ns = tc_loop_refresh_ns(f->loop) + 3 * MS;
            tc_loop_set_deadline(f->loop, at_ns, early ? TC_LOOP_EARLY_NS : 0);
            assert_int_equal(tc_loop_run(f->loop), 0);
            assert_int_equal(f->dues, 1);
            assert_true(f->due_at_ns[0] >= at_ns); /* late perhaps, early never */
            assert_true(f->due_at_ns[0] < at_ns + 2000 * MS);
            tc_loop_turn(f->loop, 5 * MS);
            assert_int_equal(f->dues, 1); /* once */
        }
}

/* The deadline may move either way, be taken back, or lie in the past. */
static void test_deadline_moves(void **state)
{
    struct fixture *f = *state;
    tc_loop_on_deadline(f->loop, stop_after_due, f);
    const uint64_t now_ns = tc_loop_refresh_ns(f->loop);
    tc_loop_set_deadline(f->loop, now_ns + 3600 * 1000 * MS, 0);
    tc_loop_turn(f->loop, 0);
    tc_loop_set_deadline(f->loop, now_ns + 5 * MS, 0); /* nearer than what is armed */
    tc_loop_run(f->loop);
    assert_int_equal(f->dues, 1);
    assert_true(f->due_at_ns[0] - now_ns < 2000 * MS);
    tc_loop_set_deadline(f->loop, tc_loop_now_ns(f->loop) + 2 * MS, 0);
    tc_loop_turn(f->loop, 0);
    const uint64_t later_ns = tc_loop_now_ns(f->loop) + 20 * MS; /* the armed timer fires for nothing */
    tc_loop_set_deadline(f->loop, later_ns, TC_LOOP_EARLY_NS);
    tc_loop_run(f->loop);
    assert_int_equal(f->dues, 2);
    assert_true(f->due_at_ns[1] >= later_ns);
    tc_loop_set_deadline(f->loop, 1, 0);
    tc_loop_turn(f->loop, TC_NEVER_NS);
    assert_int_equal(f->dues, 3);
    tc_loop_set_deadline(f->loop, tc_loop_now_ns(f->loop) + MS, 0);
    tc_loop_set_deadline(f->loop, TC_NEVER_NS, 0);
    tc_loop_turn(f->loop, 5 * MS);
    assert_int_equal(f->dues, 3);
}

/* A stop before the run counts, once. */
static void test_stop_before_run(void **state)
{
    struct fixture *f = *state;
    f->dues = 0;
    tc_loop_on_deadline(f->loop, stop_after_due, f);
    tc_loop_set_deadline(f->loop, tc_loop_refresh_ns(f->loop), 0);
    tc_loop_stop(f->loop);
    assert_int_equal(tc_loop_run(f->loop), 0);
    assert_int_equal(f->dues, 0);
    assert_int_equal(tc_loop_run(f->loop), 0);
    assert_int_equal(f->dues, 1);
    tc_loop_set_deadline(f->loop, tc_loop_refresh_ns(f->loop), 0);
    assert_int_equal(tc_loop_turn(f->loop, MS), 0); /* which a stop ends too, and no more than this turn */
    tc_loop_set_deadline(f->loop, tc_loop_refresh_ns(f->loop), 0);
    assert_int_equal(tc_loop_run(f->loop), 0);
    assert_int_equal(f->dues, 3);
}

static void due_again(void *self)
{
    struct fixture *f = self;
    due(f);
    if (f->dues == 50)
        tc_loop_stop(f->loop);
    else
        tc_loop_set_deadline(f->loop, f->due_at_ns[0] + (uint64_t)f->dues * MS, TC_LOOP_EARLY_NS);
}

static void test_deadline_sets_the_next(void **state)
{
    struct fixture *f = *state;
    tc_loop_on_deadline(f->loop, due_again, f);
    tc_loop_set_deadline(f->loop, tc_loop_refresh_ns(f->loop) + MS, TC_LOOP_EARLY_NS);
    tc_loop_run(f->loop);
    assert_int_equal(f->dues, 50);
    for (int i = 1; i < 50; i++)
        assert_true(f->due_at_ns[i] >= f->due_at_ns[0] + (uint64_t)i * MS);
}

static void turned(void *self)
{
    ((struct fixture *)self)->turns++;
}

static void test_turns(void **state)
{
    struct fixture *f = *state;
    struct reader readers[4] = {0};
    watch(f, readers);
    tc_loop_on_turn(f->loop, turned, f);
    for (int i = 0; i < 4; i++)
        assert_int_equal(write(f->pipes[i][1], "x", 1), 1);
    tc_loop_turn(f->loop, TC_NEVER_NS);
    assert_int_equal(f->turns, 1); /* one for all four */
    assert_int_equal(f->calls[0] + f->calls[1] + f->calls[2] + f->calls[3], 4);
}

static void arrived(void *self, int number)
{
    struct fixture *f = self;
    f->signals[f->signal_count++] = number;
    if (number == SIGTERM)
        tc_loop_stop(f->loop);
}

static void test_signals(void **state)
{
    struct fixture *f = *state;
    static const int taken[] = {SIGHUP, SIGTERM};
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(tc_loop_signals(f->loop, taken, 2, arrived, f), 0);
    raise(SIGHUP);
    raise(SIGTERM);
    tc_loop_run(f->loop);
    tc_loop_turn(f->loop, 0);
    assert_int_equal(f->signal_count, 2);
    raise(SIGTERM); /* never read: must not end the process when the loop goes */
    tc_loop_free(f->loop);
    f->loop = NULL;
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ready, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove_inside_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_refuses_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_before_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_sets_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
