/* The benchmark's two ends.
 *   load echo LISTEN            answers every byte with itself
 *   load ping TARGET COUNT      256-byte messages there and back, one at a time: p50 and p99 of the round trip in ns
 *   load agree TARGET COUNT     four replicas that agree, at least COUNT messages in writes of 64 KiB: ns, and
 * messages. They are at 127.0.0.1:9200 to 9203 and dial TARGET, which forwards to the first, or each its link's own
 * address if TARGET is "links" load timer COUNT NS         how late a bare timerfd is: p50 and p99 in ns */
#include "bench.h"

#include <poll.h>
#include <sys/timerfd.h>

static uint8_t buffer[65536];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_quantiles(uint64_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare);
    printf("%llu %llu\n", (unsigned long long)samples[count / 2], (unsigned long long)samples[count - 1 - count / 100]);
}

static int serve(const char *address)
{
    int listener = bench_listen(address);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return 1;
        if (fork() == 0) {
            ssize_t len;
            close(listener);
            bench_nodelay(fd);
            while ((len = read(fd, buffer, sizeof buffer)) > 0 && bench_write(fd, buffer, (size_t)len))
                ;
            _exit(0);
        }
        close(fd);
    }
}

static int ping(const char *address, size_t count)
{
    uint8_t message[MESSAGE_SIZE];
    uint64_t *samples = calloc(count, sizeof *samples);
    int fd = bench_connect(address);
    for (size_t i = 0; i < count; i++) {
        bench_message(message, BENCH_PREPARE, 1, i);
        uint64_t began_ns = bench_now_ns();
        if (!bench_write(fd, message, sizeof message) || !bench_read(fd, buffer, sizeof message))
            bench_die("ping");
        samples[i] = bench_now_ns() - began_ns;
    }
    /* The first tenth warms up. */
    print_quantiles(samples + count / 10, count - count / 10);
    free(samples);
    return 0;
}

/* ---- a cluster that agrees ---- */

#define NODES 4
#define BATCH (sizeof buffer / MESSAGE_SIZE) /* messages of one write, each of a slot of its own */

static int said[NODES][NODES], heard[NODES][NODES]; /* by sender and receiver */
static uint64_t messages;

/* One link after another: with a single target the accepted connection is told apart by its order. */
static void connect_links(const char *target)
{
    int listeners[NODES];
    char address[64];
    const bool links = strcmp(target, "links") == 0;
    for (int to = 0; to < NODES; to++) {
        snprintf(address, sizeof address, "127.0.0.1:%d", 9200 + to);
        listeners[to] = bench_listen(address);
    }
    for (int from = 0; from < NODES; from++)
        for (int to = 0; to < NODES; to++) {
            if (from == to)
                continue;
            snprintf(address, sizeof address, "127.%d.%d.1:%d", 64 + from, to, 19200 + to);
            said[from][to] = bench_connect(links ? address : target);
            heard[from][to] = accept(listeners[links ? to : 0], NULL, NULL);
            if (heard[from][to] < 0)
                bench_die("accept");
        }
}

/* One says `count` messages from `sequence` on to all others, and they come through. */
static void broadcast(int from, uint8_t type, uint64_t sequence, size_t count)
{
    static uint8_t back[sizeof buffer];
    for (size_t i = 0; i < count; i++)
        bench_message(buffer + i * MESSAGE_SIZE, type, (uint8_t)from, sequence + i);
    for (int to = 0; to < NODES; to++) {
        if (to == from)
            continue;
        if (!bench_write(said[from][to], buffer, count * MESSAGE_SIZE) ||
            !bench_read(heard[from][to], back, count * MESSAGE_SIZE))
            bench_die("agree");
        messages += count;
    }
}

static int agree(const char *target, uint64_t count)
{
    connect_links(target);
    const uint64_t began_ns = bench_now_ns();
    for (uint64_t first = 1; messages < count; first += BATCH) {
        broadcast(0, BENCH_PRE_PREPARE, first, BATCH);
        for (int from = 1; from < NODES; from++)
            broadcast(from, BENCH_PREPARE, first, BATCH);
        for (int from = 0; from < NODES; from++)
            broadcast(from, BENCH_COMMIT, first, BATCH);
        for (int from = 0; from < NODES; from++)
            broadcast(from, BENCH_CHECKPOINT, first + BATCH - 1, 1);
    }
    printf("%llu %llu\n", (unsigned long long)(bench_now_ns() - began_ns), (unsigned long long)messages);
    return 0;
}

static int timer(size_t count, uint64_t delay_ns)
{
    uint64_t *samples = calloc(count, sizeof *samples);
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t due_ns = bench_now_ns() + delay_ns, fired;
        struct itimerspec when = {.it_value = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)}};
        timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        poll(&wait, 1, -1);
        samples[i] = bench_now_ns() - due_ns;
        if (read(fd, &fired, sizeof fired) < 0)
            bench_die("timerfd");
    }
    print_quantiles(samples, count);
    free(samples);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    if (argc == 3 && strcmp(what, "echo") == 0)
        return serve(argv[2]);
    if (argc == 4 && strcmp(what, "ping") == 0)
        return ping(argv[2], strtoul(argv[3], NULL, 10));
    if (argc == 4 && strcmp(what, "agree") == 0)
        return agree(argv[2], strtoull(argv[3], NULL, 10));
    if (argc == 4 && strcmp(what, "timer") == 0)
        return timer(strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    fprintf(stderr, "usage: load echo LISTEN, load ping|agree TARGET COUNT, load timer COUNT NS\n");
    return 64;
}
