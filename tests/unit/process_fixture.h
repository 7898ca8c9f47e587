/* What the tests of the keeper share: starting it, its next event, what a process prints. */
#ifndef TC_TEST_PROCESS_FIXTURE_H
#define TC_TEST_PROCESS_FIXTURE_H

#define _GNU_SOURCE
#include "../../injectors/process.h"
#include "../../proxy/listen.h"
#include "../../proxy/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define WAIT_MS 10000

static inline struct tc_keeper *keeper_new(void)
{
    struct tc_keeper *keeper;
    struct tc_error err = {0};
    assert_int_equal(tc_keeper_start(&keeper, &err), 0);
    return keeper;
}

static inline struct tc_process_event next_event(struct tc_keeper *keeper)
{
    struct tc_process_event event;
    for (;;) {
        const int got = tc_keeper_next(keeper, &event);
        assert_true(got >= 0);
        if (got == 1)
            return event;
        struct pollfd ready = {.fd = tc_keeper_fd(keeper), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
    }
}

static inline void spawn(struct tc_keeper *keeper, uint16_t node, const char *const *argv, int listen_fd,
                         const char *errors, const char *dir)
{
    struct tc_error err = {0};
    const struct tc_process_spec spec = {
        .node = node, .argv = argv, .listen_fd = listen_fd, .stderr_path = errors, .data_dir = dir};
    assert_int_equal(tc_keeper_spawn(keeper, &spec, &err), 0);
}

/* Reads one line from a non-blocking descriptor. */
static inline void read_line(int fd, char *line, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
        assert_int_equal(read(fd, line + length, 1), 1);
        if (line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
}

#endif
