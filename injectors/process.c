#define _GNU_SOURCE
#include "process.h"

#include "../proxy/nodeset.h"
#include "process_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct waiting {
    struct tc_process_event event;
    struct waiting *next;
};

struct tc_keeper {
    pid_t pid;
    int fd;
    bool dead;
    struct tc_nodeset known;
    struct waiting *first, **end; /* events taken in while a command waited for room */
};

int tc_process_send(int fd, const void *packet, size_t size, int descriptor, int flags)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {.iov_base = (void *)packet, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int tc_process_receive(int fd, void *packet, size_t size, int *descriptor, int flags)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = packet, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    *descriptor = -1;
    ssize_t received;
    do
        received = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    return (int)received;
}

int tc_keeper_start(struct tc_keeper **out, struct tc_error *err)
{
    int pair[2];
    *out = NULL;
    struct tc_keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        return tc_error_set(err, TC_EMEMORY, "no memory for the process keeper");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        tc_error_set(err, TC_EIO, "cannot make a socket for the process keeper: %s", strerror(errno));
        goto out_free_keeper;
    }
    keeper->pid = fork();
    if (keeper->pid < 0) {
        tc_error_set(err, TC_EIO, "cannot fork the process keeper: %s", strerror(errno));
        goto out_close_pair;
    }
    if (keeper->pid == 0)
        tc_process_keep(pair[1]);
    close(pair[1]);
    keeper->fd = pair[0];
    keeper->end = &keeper->first;
    *out = keeper;
    return 0;

out_close_pair:
    close(pair[0]);
    close(pair[1]);
out_free_keeper:
    free(keeper);
    return err ? err->code : TC_EIO;
}

void tc_keeper_stop(struct tc_keeper *keeper)
{
    if (!keeper)
        return;
    close(keeper->fd); /* the keeper sees the end, kills everything below it, and exits */
    while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    while (keeper->first) {
        struct waiting *event = keeper->first;
        keeper->first = event->next;
        if (event->event.stdout_fd >= 0)
            close(event->event.stdout_fd);
        free(event);
    }
    free(keeper);
}

/* Receives one event: 1, 0 if none, TC_EIO if the keeper is gone. */
static int receive_event(struct tc_keeper *keeper, struct tc_process_event *event)
{
    struct tc_process_report report;
    int descriptor;
    const int received = tc_process_receive(keeper->fd, &report, sizeof report, &descriptor, MSG_DONTWAIT);
    if (received == -EAGAIN)
        return 0;
    if (received != (int)sizeof report) {
        if (descriptor >= 0)
            close(descriptor);
        keeper->dead = true;
        return TC_EIO;
    }
    *event = (struct tc_process_event){.node = report.node,
                                       .incarnation = report.incarnation,
                                       .up = report.up,
                                       .status = report.status,
                                       .stdout_fd = descriptor};
    return 1;
}

/* The keeper may itself be waiting for us to take its events: do so, or both would wait for ever. */
static int make_room(struct tc_keeper *keeper)
{
    struct pollfd ready = {.fd = keeper->fd, .events = POLLIN | POLLOUT};
    if (poll(&ready, 1, -1) < 0 && errno != EINTR)
        return TC_EIO;
    if (!(ready.revents & POLLIN))
        return ready.revents & (POLLHUP | POLLERR) ? TC_EIO : 0;
    struct waiting *event = calloc(1, sizeof *event);
    if (!event)
        return TC_EMEMORY;
    const int got = receive_event(keeper, &event->event);
    if (got <= 0) {
        free(event);
        return got;
    }
    *keeper->end = event;
    keeper->end = &event->next;
    return 0;
}

static int send_command(struct tc_keeper *keeper, const struct tc_process_command *command, int descriptor,
                        struct tc_error *err)
{
    const size_t size = sizeof *command + command->string_bytes;
    for (;;) {
        const int status = keeper->dead ? -EPIPE : tc_process_send(keeper->fd, command, size, descriptor, MSG_DONTWAIT);
        if (status == 0)
            return 0;
        if (status != -EAGAIN)
            return tc_error_set(err, TC_EIO, "cannot reach the process keeper: %s", strerror(-status));
        const int room = make_room(keeper);
        if (room)
            return tc_error_set(err, room, "cannot reach the process keeper: it ended");
    }
}

/* Appends with its NUL; false if it does not fit. */
static bool put_string(struct tc_process_command *command, const char *text)
{
    const size_t size = strlen(text) + 1;
    if (size > TC_PROCESS_PACKET_MAX - sizeof *command - command->string_bytes)
        return false;
    memcpy(command->strings + command->string_bytes, text, size);
    command->string_bytes += (uint32_t)size;
    return true;
}

int tc_keeper_spawn(struct tc_keeper *keeper, const struct tc_process_spec *spec, struct tc_error *err)
{
    struct tc_process_command *command = calloc(1, TC_PROCESS_PACKET_MAX);
    if (!command)
        return tc_error_set(err, TC_EMEMORY, "no memory to start a process");
    command->op = TC_PROCESS_SPAWN;
    command->node = spec->node;
    bool fits = spec->node < TC_NODES_MAX;
    for (; fits && spec->argv[command->argument_count]; command->argument_count++)
        fits =
            command->argument_count < TC_PROCESS_ARGS_MAX && put_string(command, spec->argv[command->argument_count]);
    fits = fits && put_string(command, spec->stderr_path ? spec->stderr_path : "") &&
           put_string(command, spec->data_dir ? spec->data_dir : "");
    int status;
    if (!fits || command->argument_count == 0)
        status = tc_error_set(err, TC_EIO, "node %u: a command of more than %u arguments or %u bytes, or none at all",
                              (unsigned)spec->node, TC_PROCESS_ARGS_MAX, TC_PROCESS_PACKET_MAX);
    else
        status = send_command(keeper, command, spec->listen_fd, err);
    if (status == 0)
        tc_nodeset_add(&keeper->known, spec->node);
    free(command);
    return status;
}

int tc_keeper_scratch(struct tc_keeper *keeper, const char *path, struct tc_error *err)
{
    struct tc_process_command *command = calloc(1, TC_PROCESS_PACKET_MAX);
    if (!command)
        return tc_error_set(err, TC_EMEMORY, "no memory to name %s", path);
    command->op = TC_PROCESS_SCRATCH;
    const int status = put_string(command, path) ? send_command(keeper, command, -1, err)
                                                 : tc_error_set(err, TC_EUSAGE, "%s: a path too long", path);
    free(command);
    return status;
}

int tc_keeper_act(struct tc_keeper *keeper, uint16_t node, enum tc_verb verb, struct tc_error *err)
{
    if (!tc_nodeset_has(&keeper->known, node))
        return tc_error_set(err, TC_ENOT_FOUND, "node %u is not a process that turncoat started", (unsigned)node);
    const struct tc_process_command command = {.op = TC_PROCESS_ACT, .node = node, .verb = verb};
    return send_command(keeper, &command, -1, err);
}

int tc_keeper_terminate(struct tc_keeper *keeper, uint16_t node)
{
    if (!tc_nodeset_has(&keeper->known, node))
        return TC_ENOT_FOUND;
    const struct tc_process_command command = {.op = TC_PROCESS_TERMINATE, .node = node};
    return send_command(keeper, &command, -1, NULL);
}

int tc_keeper_fd(const struct tc_keeper *keeper)
{
    return keeper->fd;
}

int tc_keeper_next(struct tc_keeper *keeper, struct tc_process_event *event)
{
    struct waiting *first = keeper->first;
    if (!first)
        return keeper->dead ? TC_EIO : receive_event(keeper, event);
    *event = first->event;
    keeper->first = first->next;
    if (!keeper->first)
        keeper->end = &keeper->first;
    free(first);
    return 1;
}
