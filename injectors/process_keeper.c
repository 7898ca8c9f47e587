/* The keeper's side: a process of one thread that starts the cluster's processes, reports their ends, and takes
 * everything below it along when we go, however we go. */
#define _GNU_SOURCE
#include "process_wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_FD  3
#define PROCESS_MAX 32768 /* processes looked at when descendants are sought */

struct kept {
    pid_t pid; /* 0: not running */
    uint32_t incarnation;
    bool known, start_again, wipe;
    int listen_fd;
    struct sockaddr_storage address; /* of listen_fd */
    socklen_t address_length;
    char *strings; /* arguments, stderr_path and data_dir */
    char *arguments[TC_PROCESS_ARGS_MAX + 1];
    const char *stderr_path, *data_dir;
};

struct keeper {
    int control_fd, signal_fd;
    struct kept nodes[TC_NODES_MAX];
    char *scratch; /* removed at the end; NULL: none was named */
    char packet[TC_PROCESS_PACKET_MAX] __attribute__((aligned(16)));
};

/* ---- killing ---- */

struct relation {
    pid_t pid, parent;
};

/* Every process and its parent. The children files of /proc are not in every kernel; stat is. */
static size_t list_processes(struct relation *list, size_t max)
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    for (struct dirent *entry; count < max && (entry = readdir(proc));) {
        char path[64], text[512];
        const long pid = strtol(entry->d_name, NULL, 10);
        if (pid <= 0)
            continue;
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        const ssize_t got = read(fd, text, sizeof text - 1);
        close(fd);
        if (got <= 0)
            continue;
        text[got] = '\0';
        const char *name_end = strrchr(text, ')'); /* the name may hold anything, even brackets */
        int parent;
        if (name_end && sscanf(name_end + 1, " %*c %d", &parent) == 1)
            list[count++] = (struct relation){(pid_t)pid, (pid_t)parent};
    }
    closedir(proc);
    return count;
}

/* Kills the descendants of `root`, which are not all in its process group. Called before root itself dies, since its
 * orphans become our own children and can then no longer be told from those of other nodes. */
static void kill_descendants(pid_t root)
{
    struct relation *list = malloc(PROCESS_MAX * sizeof *list);
    pid_t *family = malloc(PROCESS_MAX * sizeof *family);
    if (list && family) {
        const size_t count = list_processes(list, PROCESS_MAX);
        size_t members = 0;
        family[members++] = root;
        for (size_t at = 0; at < members; at++)
            for (size_t i = 0; i < count && members < PROCESS_MAX; i++)
                if (list[i].parent == family[at] && list[i].pid != root)
                    family[members++] = list[i].pid;
        for (size_t at = 1; at < members; at++)
            kill(family[at], SIGKILL);
    }
    free(list);
    free(family);
}

/* Stopped first, so that it cannot fork while its family is counted. */
static void kill_family(pid_t pid)
{
    kill(-pid, SIGSTOP);
    kill_descendants(pid);
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
}

/* ---- removing ---- */

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    if (walk->level > 0)
        remove(path); /* what cannot be removed stays; the replica will find its old state and say so */
    return 0;
}

static void remove_scratch(const struct keeper *keeper)
{
    if (!keeper->scratch || strcmp(keeper->scratch, "/") == 0)
        return;
    nftw(keeper->scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    rmdir(keeper->scratch); /* gone already if we end in good order */
}

/* Ends everything below us. The orphans of what dies become our children (subreaper), so this comes to an end. */
static _Noreturn void end_all(struct keeper *keeper)
{
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        if (keeper->nodes[i].pid > 0)
            kill(-keeper->nodes[i].pid, SIGKILL);
    for (;;) {
        kill_descendants(getpid());
        const pid_t dead = waitpid(-1, NULL, 0);
        if (dead < 0 && errno == ECHILD) {
            remove_scratch(keeper);
            _exit(0);
        }
    }
}

/* ---- reporting ---- */

static void report(struct keeper *keeper, const struct tc_process_report *what, int descriptor)
{
    if (tc_process_send(keeper->control_fd, what, sizeof *what, descriptor, 0))
        end_all(keeper); /* nobody listens any more */
}

/* ---- starting ---- */

static _Noreturn void become(const struct kept *node, int output_fd, pid_t keeper_pid)
{
    /* If the keeper is killed, its children go too. It may have died between fork and prctl. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper_pid)
        _exit(127);
    setpgid(0, 0);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const char *path = *node->stderr_path ? node->stderr_path : "/dev/null";
    const int input = open("/dev/null", O_RDONLY);
    const int errors = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (input < 0 || errors < 0)
        _exit(127);
    /* The numbers below 10 may be among the sources, so all move out of the way before they move in. */
    const int sources[4] = {fcntl(input, F_DUPFD, 10), fcntl(output_fd, F_DUPFD, 10), fcntl(errors, F_DUPFD, 10),
                            node->listen_fd >= 0 ? fcntl(node->listen_fd, F_DUPFD, 10) : -1};
    for (int target = 0; target < 4; target++)
        if (sources[target] >= 0 && dup2(sources[target], target) < 0)
            _exit(127);
    close_range(node->listen_fd >= 0 ? 4 : 3, ~0u, 0);
    execv(node->arguments[0], node->arguments);
    _exit(127);
}

static void start(struct keeper *keeper, uint16_t id)
{
    struct kept *node = &keeper->nodes[id];
    const pid_t own = getpid();
    int output[2] = {-1, -1};
    node->start_again = false;
    node->incarnation++;
    pid_t pid = -1;
    if (pipe2(output, O_CLOEXEC) == 0)
        pid = fork();
    if (pid == 0)
        become(node, output[1], own);
    if (pid > 0)
        setpgid(pid, pid); /* here too: a kill must find the group even before the child has run */
    node->pid = pid > 0 ? pid : 0;
    if (output[0] >= 0)
        fcntl(output[0], F_SETFL, O_NONBLOCK);
    report(keeper, &(struct tc_process_report){.node = id, .up = true, .incarnation = node->incarnation}, output[0]);
    if (pid < 0)
        report(keeper, &(struct tc_process_report){.node = id, .incarnation = node->incarnation, .status = 127}, -1);
    for (int i = 0; i < 2; i++)
        if (output[i] >= 0)
            close(output[i]);
}

/* ---- ends ---- */

/* While a node is down, who dials it must be refused; its socket lives on in us and would go on filling its backlog.
 * shutdown takes a socket out of listening and resets what waits in the backlog; the port stays bound if it was bound
 * by number, else it is bound again. The next incarnation calls listen() anew. */
static void stop_listening(struct kept *node)
{
    if (node->listen_fd < 0)
        return;
    shutdown(node->listen_fd, SHUT_RD);
    (void)bind(node->listen_fd, (const struct sockaddr *)&node->address, node->address_length);
}

static void wipe(struct kept *node)
{
    node->wipe = false;
    if (node->data_dir[0] == '\0' || strcmp(node->data_dir, "/") == 0)
        return;
    nftw(node->data_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    mkdir(node->data_dir, 0700);
}

static void ended(struct keeper *keeper, uint16_t id, int wait_status)
{
    struct kept *node = &keeper->nodes[id];
    const int status = WIFSIGNALED(wait_status) ? -WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    kill(-node->pid, SIGKILL); /* what it left behind in its group */
    node->pid = 0;
    stop_listening(node);
    report(keeper, &(struct tc_process_report){.node = id, .incarnation = node->incarnation, .status = status}, -1);
    if (node->wipe)
        wipe(node);
    if (node->start_again)
        start(keeper, id);
}

static void reap(struct keeper *keeper)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < TC_NODES_MAX; i++)
            if (keeper->nodes[i].pid == pid) {
                ended(keeper, (uint16_t)i, status);
                break;
            }
}

/* ---- commands ---- */

static void terminate(struct kept *node)
{
    node->start_again = false;
    if (node->pid > 0) {
        kill(-node->pid, SIGTERM);
        kill(-node->pid, SIGCONT); /* a paused process would never hear it */
    }
}

static void act(struct keeper *keeper, uint16_t id, enum tc_verb verb)
{
    struct kept *node = &keeper->nodes[id];
    switch (verb) {
    case TC_STOP:
        terminate(node);
        return;
    case TC_PAUSE:
    case TC_RESUME:
        if (node->pid > 0)
            kill(-node->pid, verb == TC_PAUSE ? SIGSTOP : SIGCONT);
        return;
    case TC_KILL:
    case TC_RESTART:
    case TC_WIPE:
        break;
    default:
        return;
    }
    /* Until it is reaped the process counts as running: what follows its end is noted and done then. */
    node->start_again = verb == TC_RESTART;
    node->wipe = node->wipe || verb == TC_WIPE;
    if (node->pid > 0)
        kill_family(node->pid);
    else if (node->wipe)
        wipe(node);
    if (node->pid == 0 && node->start_again)
        start(keeper, id);
}

/* Does the packet hold as many strings as it says? */
static bool well_formed(const struct tc_process_command *command)
{
    size_t strings = 0;
    if (command->argument_count == 0 || command->argument_count > TC_PROCESS_ARGS_MAX || command->string_bytes == 0)
        return false;
    for (size_t i = 0; i < command->string_bytes; i++)
        strings += command->strings[i] == '\0';
    return strings == command->argument_count + 2u && command->strings[command->string_bytes - 1] == '\0';
}

/* Takes over what a SPAWN says; false if it cannot. */
static bool learn(struct kept *node, const struct tc_process_command *command, int listen_fd)
{
    char *strings = well_formed(command) ? malloc(command->string_bytes) : NULL;
    if (!strings)
        return false;
    memcpy(strings, command->strings, command->string_bytes);
    free(node->strings);
    node->strings = strings;
    for (size_t i = 0; i < command->argument_count; i++) {
        node->arguments[i] = strings;
        strings += strlen(strings) + 1;
    }
    node->arguments[command->argument_count] = NULL;
    node->stderr_path = strings;
    node->data_dir = strings + strlen(strings) + 1;
    if (node->listen_fd >= 0)
        close(node->listen_fd);
    node->listen_fd = listen_fd;
    node->address_length = sizeof node->address;
    if (listen_fd >= 0 && getsockname(listen_fd, (struct sockaddr *)&node->address, &node->address_length))
        node->address_length = 0;
    /* Before anybody is accepted: connections inherit it, and those in TIME_WAIT without it would bar a new bind. */
    const int one = 1;
    if (listen_fd >= 0)
        setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    node->known = true;
    return true;
}

static void obey(struct keeper *keeper, const struct tc_process_command *command, int descriptor)
{
    struct kept *node = &keeper->nodes[command->node];
    switch (command->op) {
    case TC_PROCESS_SPAWN:
        if (!learn(node, command, descriptor))
            break;
        descriptor = -1;
        act(keeper, command->node, TC_RESTART);
        break;
    case TC_PROCESS_ACT:
        if (node->known)
            act(keeper, command->node, command->verb);
        break;
    case TC_PROCESS_TERMINATE:
        terminate(node);
        break;
    case TC_PROCESS_SCRATCH:
        if (command->string_bytes == 0 || command->strings[command->string_bytes - 1] != '\0')
            end_all(keeper); /* as below */
        free(keeper->scratch);
        keeper->scratch = strdup(command->strings);
        break;
    }
    if (descriptor >= 0)
        close(descriptor);
}

static void take_command(struct keeper *keeper)
{
    int descriptor;
    const int got =
        tc_process_receive(keeper->control_fd, keeper->packet, sizeof keeper->packet, &descriptor, MSG_DONTWAIT);
    if (got == -EAGAIN)
        return;
    if (got <= 0)
        end_all(keeper);
    const struct tc_process_command *command = (const void *)keeper->packet;
    if ((size_t)got < sizeof *command || (size_t)got != sizeof *command + command->string_bytes ||
        command->node >= TC_NODES_MAX)
        end_all(keeper); /* only a programmer error sends such a packet */
    obey(keeper, command, descriptor);
}

/* Leaves nothing of our parent's open but standard error, where a sanitizer may speak. */
static bool settle(struct keeper *keeper, int control_fd)
{
    sigset_t child, all;
    setsid(); /* an interrupt typed at the terminal is for turncoat, not for its cluster */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return false;
    if (control_fd != CONTROL_FD && dup2(control_fd, CONTROL_FD) < 0)
        return false;
    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    close_range(CONTROL_FD + 1, ~0u, 0);
    keeper->control_fd = CONTROL_FD;
    for (int number = 1; number < NSIG; number++)
        if (number != SIGCHLD && number != SIGSEGV && number != SIGABRT && number != SIGBUS && number != SIGFPE)
            signal(number, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_BLOCK, &child, NULL);
    keeper->signal_fd = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
    return keeper->signal_fd >= 0;
}

_Noreturn void tc_process_keep(int control_fd)
{
    static struct keeper keeper; /* one a process */
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        keeper.nodes[i].listen_fd = -1;
    if (!settle(&keeper, control_fd))
        _exit(1);
    for (;;) {
        struct pollfd ready[2] = {{.fd = keeper.control_fd, .events = POLLIN},
                                  {.fd = keeper.signal_fd, .events = POLLIN}};
        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            end_all(&keeper);
        if (ready[1].revents & POLLIN) {
            struct signalfd_siginfo info;
            while (read(keeper.signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
                ;
            reap(&keeper);
        }
        if (ready[0].revents)
            take_command(&keeper);
    }
}
