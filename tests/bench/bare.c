/* The baseline: the least a TCP proxy can do. epoll, read, write; one thread; no framing.
 *   bare LISTEN TARGET */
#include "bench.h"

#include <sys/epoll.h>

static int peers[4096];
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

static void take(int epoll, int listener, const char *target)
{
    int near = accept(listener, NULL, NULL);
    if (near < 0)
        return;
    int far = bench_connect(target);
    bench_nodelay(near);
    add(epoll, near, far);
    add(epoll, far, near);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bare LISTEN TARGET\n");
        return 64;
    }
    int listener = bench_listen(argv[1]);
    int epoll = epoll_create1(0);
    add(epoll, listener, -1);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                take(epoll, listener, argv[2]);
            else
                pump(events[i].data.fd);
        }
    }
}
