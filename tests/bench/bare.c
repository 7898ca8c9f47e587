/* The baseline: the least a TCP proxy can do. epoll, read, write; one thread; no framing.
 *   bare LISTEN TARGET [LISTEN TARGET …] */
#include "bench.h"

#include <sys/epoll.h>

static int peers[4096];
static const char *targets[4096]; /* of a listener; NULL for a connection */
static char buffer[65536];

static void add(int epoll, int fd, int peer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    peers[fd] = peer;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void pump(int fd)
{
    ssize_t len = read(fd, buffer, sizeof buffer);
    if (len > 0 && bench_write(peers[fd], buffer, (size_t)len))
        return;
    close(peers[fd]);
    close(fd);
}

static void take(int epoll, int listener)
{
    int near = accept(listener, NULL, NULL);
    if (near < 0)
        return;
    int far = bench_connect(targets[listener]);
    targets[near] = targets[far] = NULL;
    bench_nodelay(near);
    add(epoll, near, far);
    add(epoll, far, near);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc % 2 == 0) {
        fprintf(stderr, "usage: bare LISTEN TARGET [LISTEN TARGET …]\n");
        return 64;
    }
    int epoll = epoll_create1(0);
    for (int i = 1; i < argc; i += 2) {
        int listener = bench_listen(argv[i]);
        targets[listener] = argv[i + 1];
        add(epoll, listener, -1);
    }
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (targets[events[i].data.fd])
                take(epoll, events[i].data.fd);
            else
                pump(events[i].data.fd);
        }
    }
}
