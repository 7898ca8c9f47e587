/* libcurl's multi interface on our loop: it says which sockets to watch and when to wake it, we tell it what happened.
 * One timerfd serves both its wake-ups and the beginnings of rounds. */
#define _GNU_SOURCE
#include "follow.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS  3000L
#define CONNECT_TIMEOUT_MS 1000L
#define MILLISECOND_NS     UINT64_C(1000000)
#define URL_MAX            512
#define SILENT_NS          UINT64_C(1000000000)
#define SLOW_NS            UINT64_C(5000000) /* an answer that took as long to read */
#define REST_FACTOR        10                /* is followed by a rest of so many times that */
#define BACKOFF_MAX        6                 /* doublings of the period after rounds that ended by a wrong answer */
#define LAST_ROUNDS        2                 /* what is not there yet in the last round is asked for once more */

struct node {
    struct tc_follow *follow;
    uint16_t number;
    char base[URL_MAX - TC_RPC_PATH_MAX];
    struct tc_rpc *rpc;
    CURL *easy;
    bool asking, identified, troubled, too_long;
    uint64_t next_ns;  /* of its next round or, after a rest, question */
    uint64_t right_ns; /* the last right answer; before the first one, when we began to ask */
    bool silent;
    unsigned wrong; /* rounds in a row that ended by a wrong answer */
    unsigned last_rounds;
    uint8_t *body;
    size_t body_len, body_size;
    char reason[CURL_ERROR_SIZE];
};

/* A socket of libcurl's. Freed when libcurl is done with it. */
struct watched {
    struct tc_loop_watch watch;
    struct tc_follow *follow;
    struct watched *next;
    curl_socket_t fd;
    bool dead;
};

struct tc_follow {
    struct tc_follow_config config;
    struct tc_follow_sink sink;
    struct tc_loop *loop;
    CURLM *multi;
    struct tc_loop_watch timer_watch;
    int timer_fd;
    uint64_t curl_ns; /* when libcurl wants to be woken; TC_NEVER_NS */
    struct watched *sockets;
    struct node *nodes;
    uint32_t count;
    bool ending;
};

/* ---- the timer ---- */

static void arm(struct tc_follow *f)
{
    uint64_t at_ns = f->curl_ns;
    for (uint32_t i = 0; i < f->count; i++)
        if (!f->nodes[i].asking && f->nodes[i].next_ns < at_ns)
            at_ns = f->nodes[i].next_ns;
    struct itimerspec when = {0};
    if (at_ns != TC_NEVER_NS) {
        at_ns = at_ns ? at_ns : 1; /* zero would disarm it */
        when.it_value.tv_sec = (time_t)(at_ns / 1000000000u);
        when.it_value.tv_nsec = (long)(at_ns % 1000000000u);
    }
    timerfd_settime(f->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* libcurl's own; called from inside it, so that what is due waits for the timer even where it is due now. */
static int on_timer(CURLM *multi, long timeout_ms, void *self)
{
    struct tc_follow *f = self;
    (void)multi;
    f->curl_ns = timeout_ms < 0 ? TC_NEVER_NS : tc_loop_clock_ns() + (uint64_t)timeout_ms * MILLISECOND_NS;
    return 0;
}

/* ---- asking ---- */

static size_t on_body(char *bytes, size_t one, size_t len, void *self)
{
    struct node *node = self;
    (void)one;
    const size_t most = node->follow->config.class->answer_max(node->rpc);
    if (node->body_len + len > most) {
        node->too_long = true;
        return 0; /* libcurl ends the transfer */
    }
    if (node->body_len + len > node->body_size) {
        size_t size = node->body_size ? node->body_size : 16384;
        while (size < node->body_len + len)
            size *= 2;
        uint8_t *body = realloc(node->body, size);
        if (!body)
            return 0;
        node->body = body;
        node->body_size = size;
    }
    memcpy(node->body + node->body_len, bytes, len);
    node->body_len += len;
    return len;
}

static void end_round(struct node *node)
{
    const struct tc_follow *f = node->follow;
    const uint64_t now_ns = tc_loop_clock_ns();
    if (f->ending && node->last_rounds > 0)
        node->last_rounds--;
    if (f->ending)
        node->next_ns = node->last_rounds ? now_ns : TC_NEVER_NS;
    else
        node->next_ns = now_ns + (f->config.period_ns << (node->wrong < BACKOFF_MAX ? node->wrong : BACKOFF_MAX));
}

/* The next question of this node, or the end of its round. */
static void ask(struct node *node)
{
    char path[TC_RPC_PATH_MAX], url[URL_MAX];
    if (!node->follow->config.class->ask(node->rpc, path)) {
        node->wrong = 0;
        end_round(node);
        return;
    }
    snprintf(url, sizeof url, "%s%s", node->base, path);
    node->body_len = 0;
    node->too_long = false;
    node->reason[0] = 0;
    if (curl_easy_setopt(node->easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_multi_add_handle(node->follow->multi, node->easy) != CURLM_OK) {
        node->follow->config.class->unanswered(node->rpc);
        end_round(node);
        return;
    }
    node->asking = true;
}

static void trouble(struct node *node, const char *text)
{
    if (!node->troubled)
        node->follow->sink.trouble(node->follow->sink.self, node->number, text);
    node->troubled = true;
}

/* A round that ended without a right answer. */
static void in_vain(struct node *node)
{
    const struct tc_follow_sink *sink = &node->follow->sink;
    end_round(node);
    if (!node->silent && tc_loop_clock_ns() - node->right_ns >= SILENT_NS) {
        node->silent = true;
        sink->silent(sink->self, node->number, false);
    }
    if (node->silent && node->follow->ending && node->last_rounds == 0)
        sink->silent(sink->self, node->number, true);
}

/* No answer. Nobody there is no trouble: the node may be down, which is its process's affair to tell. */
static void unanswered(struct node *node, CURLcode code)
{
    char text[256];
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_UNSUPPORTED_PROTOCOL) {
        snprintf(text, sizeof text, "%s: %s", node->base, curl_easy_strerror(code));
        trouble(node, text);
    }
    node->follow->config.class->unanswered(node->rpc);
    in_vain(node);
}

/* What the answer says is told. One that is none, or too long, is asked for again ever more seldom: a traitor may
 * answer whatever costs most to read. */
static int take(struct node *node)
{
    const struct tc_follow *f = node->follow;
    struct tc_error err = {0};
    char text[256];
    const struct tc_slice body = {node->too_long ? (const uint8_t *)"" : node->body,
                                  node->too_long ? 0 : node->body_len};
    const size_t most = f->config.class->answer_max(node->rpc);
    const int rc = f->config.class->answer(node->rpc, body, f->sink.tell, f->sink.self, &err);
    if (rc == 0) {
        node->right_ns = tc_loop_clock_ns();
        node->silent = false;
        return 0;
    }
    if (node->too_long)
        snprintf(text, sizeof text, "%s: an answer of more than %zu KiB", node->base, most >> 10);
    else
        snprintf(text, sizeof text, "%s: %.180s", node->base, err.text);
    trouble(node, text);
    node->wrong++;
    in_vain(node);
    return rc;
}

static void answered(struct node *node, CURLcode code)
{
    const struct tc_follow *f = node->follow;
    const uint64_t began_ns = tc_loop_clock_ns();
    node->asking = false;
    if (code != CURLE_OK && !node->too_long) {
        unanswered(node, code);
        return;
    }
    if (take(node) < 0)
        return;
    const struct tc_rpc_identity *identity = f->config.class->identity(node->rpc);
    if (!node->identified && identity->network[0]) {
        node->identified = true;
        f->sink.identified(f->sink.self, node->number, identity);
    }
    const uint64_t now_ns = tc_loop_clock_ns();
    if (now_ns - began_ns > SLOW_NS)
        node->next_ns = now_ns + REST_FACTOR * (now_ns - began_ns);
    else
        ask(node);
}

/* What ended, then what is due. Not called from inside libcurl. */
static void turn(struct tc_follow *f)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(f->multi, &left))) {
        struct node *node = NULL;
        const CURLcode code = message->data.result; /* the message goes with the handle */
        CURL *easy = message->easy_handle;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&node);
        curl_multi_remove_handle(f->multi, easy);
        if (node)
            answered(node, code);
    }
    const uint64_t now_ns = tc_loop_clock_ns();
    for (uint32_t i = 0; i < f->count; i++)
        if (!f->nodes[i].asking && f->nodes[i].next_ns <= now_ns)
            ask(&f->nodes[i]);
    arm(f);
}

/* ---- sockets ---- */

static void bury(struct tc_follow *f)
{
    for (struct watched **at = &f->sockets; *at;) {
        struct watched *socket = *at;
        if (!socket->dead) {
            at = &socket->next;
            continue;
        }
        *at = socket->next;
        free(socket);
    }
}

static void act(struct tc_follow *f, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(f->multi, fd, what, &running);
    bury(f);
    turn(f);
}

static void socket_ready(void *self, uint32_t events)
{
    struct watched *socket = self;
    int what = 0;
    if (events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    act(socket->follow, socket->fd, what);
}

static void timer_ready(void *self, uint32_t events)
{
    struct tc_follow *f = self;
    uint64_t ignored;
    (void)events;
    if (read(f->timer_fd, &ignored, sizeof ignored) < 0)
        return;
    if (f->curl_ns <= tc_loop_clock_ns()) {
        f->curl_ns = TC_NEVER_NS;
        act(f, CURL_SOCKET_TIMEOUT, 0);
    } else {
        turn(f);
    }
}

static struct watched *socket_new(struct tc_follow *f, curl_socket_t fd)
{
    struct watched *socket = calloc(1, sizeof *socket);
    if (!socket)
        return NULL;
    socket->follow = f;
    socket->fd = fd;
    socket->next = f->sockets;
    f->sockets = socket;
    curl_multi_assign(f->multi, fd, socket);
    return socket;
}

/* libcurl wants a socket watched, or no longer. One that cannot be watched is left to its timeout. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *of_socket)
{
    struct tc_follow *f = self;
    struct watched *socket = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket) {
            tc_loop_remove(f->loop, &socket->watch);
            socket->dead = true; /* it may be its own callback that we are in */
            curl_multi_assign(f->multi, fd, NULL);
        }
        return 0;
    }
    const uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (!socket && !(socket = socket_new(f, fd)))
        return 0;
    if (tc_loop_watching(&socket->watch))
        tc_loop_mod(f->loop, &socket->watch, events);
    else
        tc_loop_add(f->loop, &socket->watch, fd, events, socket_ready, socket);
    return 0;
}

/* ---- opening ---- */

/* "host:port", or a URL; CometBFT's own files say tcp://. */
static int set_base(struct node *node, const char *address, struct tc_error *err)
{
    const bool is_tcp = strncmp(address, "tcp://", 6) == 0;
    const char *rest = is_tcp ? address + 6 : address;
    const bool is_url = strncmp(rest, "http://", 7) == 0 || strncmp(rest, "https://", 8) == 0;
    size_t len = strlen(rest);
    while (len > 0 && rest[len - 1] == '/')
        len--;
    if (len == 0 || len > sizeof node->base - 16)
        return tc_error_set(err, TC_EUSAGE, "rpc of replica %u: expected host:port or a URL, found \"%.100s\"",
                            node->number, address);
    snprintf(node->base, sizeof node->base, "%s%.*s", is_url ? "" : "http://", (int)len, rest);
    return 0;
}

static int open_node(struct tc_follow *f, uint16_t number, const char *address, struct tc_error *err)
{
    struct node *node = &f->nodes[f->count];
    node->follow = f;
    node->number = number;
    node->right_ns = tc_loop_clock_ns();
    const int rc = set_base(node, address, err);
    if (rc < 0)
        return rc;
    node->rpc = f->config.class->create(f->config.env, number, f->config.from_start);
    node->easy = curl_easy_init();
    f->count++;
    if (!node->rpc || !node->easy)
        return tc_error_set(err, TC_EMEMORY, "no memory to ask nodes");
    bool set = curl_easy_setopt(node->easy, CURLOPT_PRIVATE, node) == CURLE_OK;
    set &= curl_easy_setopt(node->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    set &= curl_easy_setopt(node->easy, CURLOPT_WRITEDATA, node) == CURLE_OK;
    set &= curl_easy_setopt(node->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    set &= curl_easy_setopt(node->easy, CURLOPT_PROXY, "") == CURLE_OK; /* whatever the environment says */
    set &= curl_easy_setopt(node->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    set &= curl_easy_setopt(node->easy, CURLOPT_TIMEOUT_MS, ANSWER_TIMEOUT_MS) == CURLE_OK;
    set &= curl_easy_setopt(node->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK;
    return set ? 0 : tc_error_set(err, TC_EIO, "libcurl lacks an option that is needed to ask nodes");
}

static int open_curl(struct tc_follow *f, struct tc_error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(f->multi = curl_multi_init()))
        return tc_error_set(err, TC_EMEMORY, "no memory to ask nodes");
    f->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (f->timer_fd < 0 || tc_loop_add(f->loop, &f->timer_watch, f->timer_fd, EPOLLIN, timer_ready, f))
        return tc_error_set(err, TC_EIO, "no timer to ask nodes by");
    bool set = curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK;
    set &= curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f) == CURLM_OK;
    set &= curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK;
    set &= curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f) == CURLM_OK;
    return set ? 0 : tc_error_set(err, TC_EIO, "libcurl lacks an option that is needed to ask nodes");
}

int tc_follow_open(const struct tc_follow_config *config, struct tc_loop *loop, const struct tc_follow_sink *sink,
                   struct tc_follow **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_follow *f = calloc(1, sizeof *f);
    if (!f)
        return tc_error_set(err, TC_EMEMORY, "no memory to ask nodes");
    *f = (struct tc_follow){.config = *config, .sink = *sink, .loop = loop, .timer_fd = -1, .curl_ns = TC_NEVER_NS};
    int rc = 0;
    f->nodes = calloc(config->env->cluster->n, sizeof *f->nodes);
    if (!f->nodes)
        rc = tc_error_set(err, TC_EMEMORY, "no memory to ask nodes");
    for (uint16_t i = 0; rc == 0 && i < config->env->cluster->n; i++) {
        const char *address = config->address(config->address_self, i);
        if (!address || !*address)
            continue;
        rc = f->multi ? 0 : open_curl(f, err);
        if (rc == 0)
            rc = open_node(f, i, address, err);
    }
    if (rc < 0 || f->count == 0) {
        tc_follow_free(f);
        return rc;
    }
    arm(f);
    *out = f;
    return 0;
}

void tc_follow_last_round(struct tc_follow *f)
{
    f->ending = true;
    for (uint32_t i = 0; i < f->count; i++) {
        f->nodes[i].last_rounds = LAST_ROUNDS;
        f->nodes[i].next_ns = 0;
    }
    turn(f);
}

bool tc_follow_busy(const struct tc_follow *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->nodes[i].asking || (f->ending && f->nodes[i].last_rounds > 0))
            return true;
    return false;
}

const struct tc_rpc_left_out *tc_follow_left_out(const struct tc_follow *f, uint16_t number)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->nodes[i].number == number && f->config.class->left_out)
            return f->config.class->left_out(f->nodes[i].rpc);
    return NULL;
}

void tc_follow_free(struct tc_follow *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->count; i++) {
        struct node *node = &f->nodes[i];
        if (node->asking)
            curl_multi_remove_handle(f->multi, node->easy);
        curl_easy_cleanup(node->easy);
        f->config.class->destroy(node->rpc);
        free(node->body);
    }
    if (f->multi) {
        curl_multi_cleanup(f->multi);
        curl_global_cleanup();
    }
    while (f->sockets) { /* those that libcurl kept open for reuse */
        struct watched *socket = f->sockets;
        f->sockets = socket->next;
        tc_loop_remove(f->loop, &socket->watch);
        free(socket);
    }
    tc_loop_remove(f->loop, &f->timer_watch);
    if (f->timer_fd >= 0)
        close(f->timer_fd);
    free(f->nodes);
    free(f);
}
