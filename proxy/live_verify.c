/* Verifying signatures beside the data path: a worker thread decodes a copied frame and checks every statement in it.
 * The queue is bounded. A frame that finds no room is answered at once so that nobody waits for it, but as what it is:
 * not verified, said in the event's text, counted, and said in an observation. */
#define _GNU_SOURCE
#include "live_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define JOBS_MAX      8192
#define JOB_BYTES_MAX ((size_t)64 << 20)
#define ARENA_MAX     ((size_t)64 << 20)

enum result { GOOD, BAD, UNKNOWN };

struct job {
    uint64_t token;
    struct tc_slice frame; /* owned */
    struct job *next;
};

struct answer {
    uint64_t token;
    enum result result;
};

struct tc_live_verify {
    const struct tc_protocol *protocol;
    const struct tc_protocol_env *env;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* under lock */
    bool ending, worker_waits;
    struct job *first, **last;
    size_t job_count, job_bytes;
    struct answer *answers;
    size_t answer_count, answer_size;
    /* of the loop's thread */
    struct tc_live *live;
    struct tc_loop_watch watch;
    int event_fd;
    size_t outstanding;
    bool said;
    struct answer *taken;
    size_t taken_size;
};

static enum result check(const struct tc_live_verify *verify, struct tc_arena *arena, struct tc_slice frame)
{
    struct tc_message message = {0};
    tc_arena_reset(arena);
    if (tc_protocol_decode(verify->protocol, verify->env, frame, arena, &message))
        return UNKNOWN;
    enum result result = GOOD;
    for (uint32_t i = 0; i < message.statement_count; i++) {
        const int status = verify->protocol->verify(verify->env, &message.statements[i]);
        if (status == TC_ESIGNATURE)
            return BAD;
        if (status)
            result = UNKNOWN; /* no key: nobody can say */
    }
    return result;
}

/* Under lock. */
static bool answer(struct tc_live_verify *verify, uint64_t token, enum result result)
{
    if (verify->answer_count == verify->answer_size) {
        const size_t size = verify->answer_size ? 2 * verify->answer_size : 64;
        struct answer *answers = realloc(verify->answers, size * sizeof *answers);
        if (!answers)
            return false;
        verify->answers = answers;
        verify->answer_size = size;
    }
    verify->answers[verify->answer_count++] = (struct answer){token, result};
    if (verify->answer_count > 1)
        return true; /* the loop was woken for the first */
    const uint64_t one = 1;
    return write(verify->event_fd, &one, sizeof one) == (ssize_t)sizeof one;
}

static void *work(void *self)
{
    struct tc_live_verify *verify = self;
    struct tc_arena arena;
    tc_arena_init(&arena, ARENA_MAX);
    pthread_mutex_lock(&verify->lock);
    while (!verify->ending) {
        struct job *job = verify->first;
        if (!job) {
            verify->worker_waits = true;
            pthread_cond_wait(&verify->wake, &verify->lock);
            verify->worker_waits = false;
            continue;
        }
        verify->first = job->next;
        if (!verify->first)
            verify->last = &verify->first;
        verify->job_count--;
        verify->job_bytes -= job->frame.len;
        pthread_mutex_unlock(&verify->lock);
        const enum result result = check(verify, &arena, job->frame);
        const uint64_t token = job->token;
        free(job);
        pthread_mutex_lock(&verify->lock);
        answer(verify, token, result);
    }
    pthread_mutex_unlock(&verify->lock);
    tc_arena_free(&arena);
    return NULL;
}

static void tell(struct tc_live_verify *verify, const struct answer *what)
{
    struct tc_live *live = verify->live;
    struct tc_event event = {.kind = TC_EV_VERIFIED, .token = what->token, .ok = what->result != BAD, .text = ""};
    verify->outstanding--;
    if (what->result == UNKNOWN) {
        live->stats.unverified++;
        event.text = "not verified";
        if (!verify->said)
            tc_live_note(live, TC_OBS_OVERFLOW, TC_NODE_NONE,
                         "signatures of some messages were not verified (no room, no key or undecodable)");
        verify->said = true;
    } else {
        live->stats.verified++;
    }
    tc_live_step(live, &event);
}

static void answers_ready(void *self, uint32_t events)
{
    (void)events;
    struct tc_live_verify *verify = self;
    uint64_t count;
    if (read(verify->event_fd, &count, sizeof count) < 0)
        return;
    /* Swap the two arrays, so that the worker goes on while we tell. */
    pthread_mutex_lock(&verify->lock);
    struct answer *ready = verify->answers;
    const size_t ready_count = verify->answer_count, ready_size = verify->answer_size;
    verify->answers = verify->taken;
    verify->answer_size = verify->taken_size;
    verify->answer_count = 0;
    pthread_mutex_unlock(&verify->lock);
    verify->taken = ready;
    verify->taken_size = ready_size;
    for (size_t i = 0; i < ready_count && !verify->live->status; i++)
        tell(verify, &ready[i]);
}

void tc_live_verify_ask(struct tc_live *live, uint64_t token, struct tc_slice frame)
{
    struct tc_live_verify *verify = live->verify;
    struct job *job = NULL;
    if (verify->has_thread && (job = malloc(sizeof *job + frame.len)) != NULL) {
        *job = (struct job){.token = token, .frame = {(const uint8_t *)(job + 1), frame.len}};
        if (frame.len > 0)
            memcpy(job + 1, frame.data, frame.len);
    }
    verify->outstanding++;
    pthread_mutex_lock(&verify->lock);
    bool told = true;
    if (!job || verify->job_count == JOBS_MAX || verify->job_bytes + frame.len > JOB_BYTES_MAX) {
        told = answer(verify, token, UNKNOWN);
    } else {
        *verify->last = job;
        verify->last = &job->next;
        verify->job_count++;
        verify->job_bytes += frame.len;
        if (verify->worker_waits)
            pthread_cond_signal(&verify->wake);
        job = NULL;
    }
    pthread_mutex_unlock(&verify->lock);
    free(job);
    if (!told)
        tc_live_fail(live, TC_EMEMORY, NULL);
}

bool tc_live_verify_busy(const struct tc_live *live)
{
    return live->verify && live->verify->outstanding > 0;
}

int tc_live_verify_open(struct tc_live *live, struct tc_error *err)
{
    struct tc_live_verify *verify = calloc(1, sizeof *verify);
    if (!verify)
        return tc_error_set(err, TC_EMEMORY, "no memory for the verifier");
    live->verify = verify;
    verify->live = live;
    verify->protocol = live->config.protocol;
    verify->env = live->config.protocol_env;
    verify->last = &verify->first;
    pthread_mutex_init(&verify->lock, NULL);
    pthread_cond_init(&verify->wake, NULL);
    verify->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (verify->event_fd < 0 ||
        tc_loop_add(live->loop, &verify->watch, verify->event_fd, EPOLLIN, answers_ready, verify))
        return tc_error_set(err, TC_EIO, "cannot make an event descriptor: %s", strerror(errno));
    if (!verify->protocol || !verify->protocol->verify || !verify->protocol->decode)
        return 0;
    const int reason = pthread_create(&verify->thread, NULL, work, verify);
    if (reason)
        return tc_error_set(err, TC_EIO, "cannot start the verifier: %s", strerror(reason));
    verify->has_thread = true;
    return 0;
}

void tc_live_verify_free(struct tc_live *live)
{
    struct tc_live_verify *verify = live->verify;
    if (!verify)
        return;
    if (verify->has_thread) {
        pthread_mutex_lock(&verify->lock);
        verify->ending = true;
        pthread_cond_signal(&verify->wake);
        pthread_mutex_unlock(&verify->lock);
        pthread_join(verify->thread, NULL);
    }
    while (verify->first) {
        struct job *job = verify->first;
        verify->first = job->next;
        free(job);
    }
    if (verify->event_fd >= 0) {
        tc_loop_remove(live->loop, &verify->watch);
        close(verify->event_fd);
    }
    pthread_mutex_destroy(&verify->lock);
    pthread_cond_destroy(&verify->wake);
    free(verify->answers);
    free(verify->taken);
    free(verify);
    live->verify = NULL;
}
