/* Connections and standard output of a reference node, over socket pairs and pipes. */
#define _GNU_SOURCE
#include "../../reference/lines.h"
#include "../../reference/node_conn.h"
#include "../../reference/node_dial.h"
#include "../../reference/node_output.h"
#include "../../reference/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Frames of the test: one byte of length that counts itself; 0 is malformed. */
static int64_t frame(struct tc_slice in)
{
    if (in.len == 0)
        return TC_FRAME_PARTIAL;
    if (in.data[0] == 0)
        return TC_FRAME_MALFORMED;
    return in.len < in.data[0] ? TC_FRAME_PARTIAL : in.data[0];
}

struct seen {
    uint64_t frames, bytes, closed, connected;
    uint8_t last;
    bool close_at_first;
    const char *why;
};

static void received(void *self, struct tc_node_conn *conn, struct tc_slice f)
{
    struct seen *s = self;
    s->frames++;
    s->bytes += f.len;
    s->last = f.data[f.len - 1];
    if (s->close_at_first)
        tc_node_conn_close(conn);
}

static void closed(void *self, struct tc_node_conn *conn, const char *why)
{
    struct seen *s = self;
    assert_int_equal(conn->fd, -1);
    s->closed++;
    s->why = why;
}

static void connected(void *self, struct tc_node_conn *conn)
{
    struct seen *s = self;
    assert_true(tc_node_conn_is_up(conn));
    s->connected++;
}

static const struct tc_node_conn_ops ops = {
    .frame = frame, .connected = connected, .received = received, .closed = closed, .out_max = 1 << 20};

struct fixture {
    struct tc_loop *loop;
    struct tc_node_conn conn;
    struct seen seen;
    int other; /* the far end */
};

static int setup(void **state)
{
    int ends[2];
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->loop = tc_loop_new(NULL);
    assert_non_null(f->loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    f->conn.fd = -1;
    f->conn.node = 3;
    assert_int_equal(tc_node_conn_open(&f->conn, f->loop, ends[0], false, &ops, &f->seen), 0);
    assert_int_equal(f->conn.node, 3);
    f->other = ends[1];
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tc_node_conn_close(&f->conn);
    tc_node_conn_close(&f->conn); /* twice is nothing */
    if (f->other >= 0)
        close(f->other);
    tc_loop_free(f->loop);
    free(f);
    return 0;
}

static void turn(struct fixture *f)
{
    assert_int_equal(tc_loop_turn(f->loop, 0), 0);
}

static void test_frames_whole_and_bytewise(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {3, 'a', 'b', 1, 5, 'c', 'd', 'e', 'f'};
    assert_int_equal(write(f->other, bytes, sizeof bytes), sizeof bytes);
    turn(f);
    assert_int_equal(f->seen.frames, 3);
    assert_int_equal(f->seen.bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(write(f->other, &bytes[i], 1), 1);
        turn(f);
        assert_int_equal(f->seen.frames, 3 + (i >= 2) + (i >= 3) + (i >= 8));
    }
    assert_int_equal(f->seen.last, 'f');
    assert_int_equal(f->seen.closed, 0);
}

static void test_malformed(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {2, 'a', 0, 2, 'b'};
    assert_int_equal(write(f->other, bytes, sizeof bytes), sizeof bytes);
    turn(f);
    assert_int_equal(f->seen.frames, 1);
    assert_int_equal(f->seen.closed, 1);
    assert_non_null(strstr(f->seen.why, "no frame"));
}

static void test_close_inside_callback(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {2, 'a', 2, 'b'};
    f->seen.close_at_first = true;
    assert_int_equal(write(f->other, bytes, sizeof bytes), sizeof bytes);
    turn(f);
    assert_int_equal(f->seen.frames, 1);
    assert_int_equal(f->seen.closed, 0); /* who closes need not be told */
    assert_int_equal(tc_node_conn_send(&f->conn, (struct tc_slice){bytes, 2}), TC_EREFUSED);
}

/* What came before the end is handed over first. */
static void test_end_of_stream(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bytes[] = {2, 'a', 9, 'b'};
    assert_int_equal(write(f->other, bytes, sizeof bytes), sizeof bytes);
    close(f->other);
    f->other = -1;
    turn(f);
    turn(f);
    assert_int_equal(f->seen.frames, 1);
    assert_int_equal(f->seen.closed, 1);
}

static void test_nothing_leaves_before_flush(void **state)
{
    struct fixture *f = *state;
    uint8_t got[16];
    struct tc_slice hello = {(const uint8_t *)"hello", 5};
    assert_int_equal(tc_node_conn_send(&f->conn, hello), 0);
    turn(f);
    assert_int_equal(read(f->other, got, sizeof got), -1);
    tc_node_conn_flush(&f->conn);
    assert_int_equal(read(f->other, got, sizeof got), 5);
    assert_memory_equal(got, "hello", 5);
}

/* A reader that is slow gets everything in order; one that stops is cut at the bound. */
static void test_back_pressure(void **state)
{
    struct fixture *f = *state;
    static uint8_t chunk[10000], got[65536];
    uint64_t sent = 0, read_bytes = 0, expected = 0;
    uint8_t next = 0;
    while (sent < 40 * sizeof chunk) {
        for (size_t i = 0; i < sizeof chunk; i++)
            chunk[i] = (uint8_t)((sent + i) * 7);
        assert_int_equal(tc_node_conn_send(&f->conn, (struct tc_slice){chunk, sizeof chunk}), 0);
        sent += sizeof chunk;
        tc_node_conn_flush(&f->conn);
    }
    assert_true(f->conn.blocked);
    while (read_bytes < sent) {
        ssize_t n = read(f->other, got, sizeof got);
        for (ssize_t i = 0; i < n; i++, expected++) {
            next = (uint8_t)(expected * 7);
            assert_int_equal(got[i], next);
        }
        read_bytes += n > 0 ? (uint64_t)n : 0;
        turn(f);
        tc_node_conn_flush(&f->conn);
    }
    int rc = 0;
    for (int i = 0; i < 200 && rc == 0; i++) {
        rc = tc_node_conn_send(&f->conn, (struct tc_slice){chunk, sizeof chunk});
        tc_node_conn_flush(&f->conn);
    }
    assert_int_equal(rc, TC_ELIMIT);
    assert_int_equal(f->seen.closed, 1);
    assert_int_equal(f->conn.fd, -1);
}

static void test_dial_backs_off(void **state)
{
    struct fixture *f = *state;
    struct tc_node_dial dial;
    struct tc_error err = {0};
    struct tc_node_conn_ops dial_ops = ops;
    assert_int_equal(tc_node_dial_init(&dial, 2, "nowhere", 9, &err), TC_EUSAGE);
    assert_int_equal(tc_node_dial_init(&dial, 2, "127.0.0.1:1", 9, &err), 0);
    assert_int_equal(dial.retry_at_ns, 0);
    uint64_t now_ns = 1000, shortest = 15000000, longest = 25000000;
    for (int i = 0; i < 10; i++) {
        tc_node_dial_lost(&dial, now_ns);
        assert_in_range(dial.retry_at_ns - now_ns, shortest, longest);
        shortest = shortest * 2 < 750000000 ? shortest * 2 : 750000000;
        longest = longest * 2 < 1250000000 ? longest * 2 : 1250000000;
    }
    tc_node_dial_up(&dial, now_ns); /* one that lasted begins anew; one that did not does not */
    tc_node_dial_lost(&dial, now_ns + 999999999);
    assert_true(dial.retry_at_ns - now_ns - 999999999 >= 750000000);
    tc_node_dial_up(&dial, now_ns);
    tc_node_dial_lost(&dial, now_ns + 1000000000);
    assert_true(dial.retry_at_ns - now_ns - 1000000000 <= 25000000);
    dial.retry_at_ns = 0;
    tc_node_dial_due(&dial, f->loop, &dial_ops, &f->seen); /* nobody listens on port 1 */
    for (int i = 0; i < 100 && f->seen.closed == 0 && dial.retry_at_ns == TC_NEVER_NS; i++)
        assert_int_equal(tc_loop_turn(f->loop, 10000000), 0);
    assert_int_equal(f->seen.connected, 0);
    assert_true(f->seen.closed == 1 || dial.retry_at_ns != TC_NEVER_NS);
    tc_node_conn_close(&dial.conn);
}

/* ---- standard output ---- */

static void note_gone(void *self)
{
    ++*(int *)self;
}

static void test_output_never_blocks(void **state)
{
    struct fixture *f = *state;
    struct tc_node_output out;
    int ends[2], gone = 0;
    static char got[1 << 16];
    uint64_t lines = 0, wanted = 20000;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    tc_node_output_open(&out, f->loop, ends[1], 1, note_gone, &gone);
    struct tc_observation view = {.kind = TC_OBS_VIEW, .node = 1, .text = ""};
    for (uint64_t i = 0; i < wanted; i++) {
        view.view.view = i;
        tc_node_output_observe(&out, &view);
        tc_node_output_flush(&out);
    }
    assert_true(out.blocked);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while (lines < wanted) {
        ssize_t n = read(ends[0], got, sizeof got);
        for (ssize_t i = 0; i < n; i++)
            lines += got[i] == '\n';
        turn(f);
        tc_node_output_flush(&out);
    }
    assert_int_equal(out.lost_total, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    turn(f);
    assert_int_equal(gone, 1);
    tc_node_output_observe(&out, &view);
    tc_node_output_flush(&out); /* to nobody: nothing happens */
    tc_node_output_close(&out, 0);
    assert_int_equal(gone, 1);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* as it was */
    close(ends[1]);
}

/* Lines past the bound are counted and complained of, never lost in silence. */
static void test_output_tells_of_loss(void **state)
{
    struct fixture *f = *state;
    struct tc_node_output out;
    int ends[2], gone = 0;
    static char got[1 << 20];
    char text[4097];
    bool told = false;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    tc_node_output_open(&out, f->loop, ends[1], 1, note_gone, &gone);
    memset(text, 'x', sizeof text);
    text[4095] = '\n';
    text[4096] = '\0';
    while (out.lost_total < 3)
        tc_node_output_text(&out, text);
    assert_true(tc_node_buffer_len(&out.queue) <= (size_t)64 << 20);
    struct tc_observation view = {.kind = TC_OBS_VIEW, .node = 1, .text = ""};
    for (int i = 0; i < 100000 && !told; i++) {
        tc_node_output_flush(&out);
        if (i % 100 == 99)
            tc_node_output_observe(&out, &view);
        ssize_t n = read(ends[0], got, sizeof got);
        told = n > 0 && memmem(got, (size_t)n, "3 lines are lost", 16);
        turn(f);
    }
    assert_true(told);
    tc_node_output_close(&out, -1);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frames_whole_and_bytewise, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_inside_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_leaves_before_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_pressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dial_backs_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_output_never_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_output_tells_of_loss, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
