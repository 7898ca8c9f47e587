/* The benchmark's two ends.
 *   load echo LISTEN            answers every byte with itself
 *   load sink LISTEN            reads and forgets; after each connection prints the bytes
 *   load ping TARGET COUNT      256-byte messages there and back, one at a time: p50 and p99 of the round trip in ns
 *   load stream TARGET COUNT    COUNT messages in writes of 64 KiB, then half-closes and waits for the other end
 *   load timer COUNT NS         how late a bare timerfd is: p50 and p99 in ns */
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

static int serve(const char *address, bool echo)
{
    int listener = bench_listen(address);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return 1;
        if (fork() == 0) {
            ssize_t len;
            bench_nodelay(fd);
            while ((len = read(fd, buffer, sizeof buffer)) > 0)
                if (echo && !bench_write(fd, buffer, (size_t)len))
                    break;
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
        bench_message(message, i);
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

static int stream(const char *address, size_t count)
{
    int fd = bench_connect(address);
    uint64_t began_ns = bench_now_ns();
    for (size_t i = 0; i < count; i += sizeof buffer / MESSAGE_SIZE) {
        for (size_t k = 0; k < sizeof buffer / MESSAGE_SIZE; k++)
            bench_message(buffer + k * MESSAGE_SIZE, i + k);
        if (!bench_write(fd, buffer, sizeof buffer))
            bench_die("stream");
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
    printf("%llu\n", (unsigned long long)(bench_now_ns() - began_ns));
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
    if (strcmp(what, "echo") == 0 || strcmp(what, "sink") == 0)
        return serve(argv[2], what[0] == 'e');
    if (argc == 4 && strcmp(what, "ping") == 0)
        return ping(argv[2], strtoul(argv[3], NULL, 10));
    if (argc == 4 && strcmp(what, "stream") == 0)
        return stream(argv[2], strtoul(argv[3], NULL, 10));
    if (argc == 4 && strcmp(what, "timer") == 0)
        return timer(strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    fprintf(stderr, "usage: load echo|sink LISTEN, load ping|stream TARGET COUNT, load timer COUNT NS\n");
    return 64;
}
