/* The live world: opening, running, what is done four times a second, freeing. */
#define _GNU_SOURCE
#include "live.h"

#include "live_private.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define CAPTURE_BYTES_DEFAULT (UINT64_C(1) << 30)
#define HELD_UP_ONCE_NS       UINT64_C(500000000)  /* shorter pauses are every day's */
#define HELD_UP_NS            UINT64_C(2000000000) /* in all, that no bound of a protocol has room for */

uint64_t tc_live_time_ns(const struct tc_live *live)
{
    return tc_loop_now_ns(live->loop) - live->epoch_ns;
}

void tc_live_abort(struct tc_live *live, const struct tc_error *err)
{
    tc_live_fail(live, err->code, err);
}

uint64_t tc_live_now_ns(const struct tc_live *live)
{
    return tc_loop_clock_ns() - live->epoch_ns;
}

void tc_live_fail(struct tc_live *live, int status, const struct tc_error *err)
{
    if (live->status)
        return;
    live->status = status;
    if (err)
        live->error = *err;
    else
        tc_error_set(&live->error, status, "the live world failed: %s", tc_error_text(status));
    tc_loop_stop(live->loop);
}

/* ---- chores ---- */

static void check_capture(struct tc_live *live)
{
    const char *reason;
    uint64_t packets;
    /* A note and no bound that was reached: no oracle of a live run reads the capture. */
    if (live->capture && tc_capture_lost(live->capture, &reason, &packets))
        tc_live_note(live, TC_OBS_NOTE, TC_NODE_NONE, "trace.pcap lacks %llu packets: %.120s",
                     (unsigned long long)packets, reason);
}

/* Chores come late when a step took long, or the machine stood still: then it was we who carried nothing, and nodes
 * that said nothing meanwhile may not be silent. */
static void check_held_up(struct tc_live *live, uint64_t late_ns)
{
    if (live->tick_ns == 0 || late_ns < HELD_UP_ONCE_NS)
        return;
    const bool told = live->stats.held_up_ns >= HELD_UP_NS;
    live->stats.held_up_ns += late_ns;
    if (!told && live->stats.held_up_ns >= HELD_UP_NS)
        tc_live_not_carried(
            live, TC_NODE_NONE,
            "turncoat itself was held up for %.1f s: a script that is slow, or a machine that stood still",
            (double)live->stats.held_up_ns / 1e9);
}

static void chores(struct tc_live *live)
{
    const uint64_t now_ns = tc_live_time_ns(live);
    if (now_ns >= live->tick_ns) {
        check_held_up(live, now_ns - live->tick_ns);
        live->tick_ns = now_ns + TC_LIVE_CHORE_NS;
        tc_live_listen_again(live);
        tc_live_dial_check(live);
        tc_live_sources_poll(live);
        check_capture(live);
        if (live->config.sink.progress)
            live->config.sink.progress(live->config.sink.self, now_ns);
    }
    tc_live_phase_turn(live);
    const uint64_t phase_ns = tc_live_phase_deadline_ns(live);
    live->chore_ns = phase_ns < live->tick_ns ? phase_ns : live->tick_ns;
}

static void due(void *self)
{
    struct tc_live *live = self;
    const uint64_t deadline_ns = tc_engine_deadline_ns(live->config.engine);
    const uint64_t now_ns = tc_live_time_ns(live);
    if (deadline_ns <= now_ns) {
        if (now_ns - deadline_ns > live->stats.late_max_ns)
            live->stats.late_max_ns = now_ns - deadline_ns;
        tc_live_step(live, &(struct tc_event){.kind = TC_EV_TIMER});
    }
    if (live->chore_ns <= now_ns)
        chores(live);
    tc_live_schedule(live);
}

static void reload(struct tc_live *live)
{
    const struct tc_handler *handler = NULL;
    struct tc_error err = {0};
    if (!live->config.reload)
        return;
    if (live->config.reload(live->config.reload_self, &handler, &err) || !handler)
        tc_live_note(live, TC_OBS_NOTE, TC_NODE_NONE, "reload refused, the script stays as it is: %.140s", err.text);
    else
        tc_live_step(live, &(struct tc_event){.kind = TC_EV_RELOAD, .handler = handler});
}

static void arrived(void *self, int number)
{
    struct tc_live *live = self;
    if (number == SIGHUP) {
        reload(live);
        return;
    }
    live->interrupted = true;
    tc_loop_stop(live->loop);
}

/* ---- opening ---- */

static int open_loop(struct tc_live *live, struct tc_error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    live->loop = tc_loop_new(err);
    if (!live->loop)
        return err ? err->code : TC_EIO;
    live->epoch_ns = tc_loop_now_ns(live->loop);
    tc_loop_on_deadline(live->loop, due, live);
    if (tc_loop_signals(live->loop, signals, sizeof signals / sizeof *signals, arrived, live))
        return tc_error_set(err, TC_EIO, "cannot take signals");
    return 0;
}

static int open_parts(struct tc_live *live, struct tc_error *err)
{
    const struct tc_live_config *config = &live->config;
    int status = open_loop(live, err);
    if (status)
        return status;
    tc_descriptors_raise(2 * TC_NODES_MAX * 8 + config->listener_count * 5 + TC_LIVE_FD_RESERVE);
    live->read_buffer = malloc(live->read_size);
    if (!live->read_buffer)
        return tc_error_set(err, TC_EMEMORY, "no memory to read into");
    status = tc_live_listen(live, err);
    if (status == 0)
        status = tc_live_sources_open(live, err);
    if (status == 0)
        status = tc_live_told_open(live, err);
    if (status == 0)
        status = tc_live_nodes_open(live, err);
    /* Threads come after tc_loop_signals: they inherit the mask. */
    if (status == 0)
        status = tc_live_verify_open(live, err);
    if (status == 0)
        status = tc_live_watch_open(live, err);
    if (status == 0 && config->capture_path)
        status = tc_capture_open(config->capture_path,
                                 config->capture_max_bytes ? config->capture_max_bytes : CAPTURE_BYTES_DEFAULT,
                                 &live->capture, err);
    return status;
}

int tc_live_open(const struct tc_live_config *config, struct tc_live **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_live *live = calloc(1, sizeof *live);
    if (!live)
        return tc_error_set(err, TC_EMEMORY, "no memory for the live world");
    live->config = *config;
    live->inotify_fd = -1;
    for (size_t i = 0; i < TC_NODES_MAX; i++)
        live->log_fds[i] = -1;
    live->read_size = config->read_bytes_max ? config->read_bytes_max : TC_LIVE_READ_DEFAULT;
    const size_t budget = config->lane_budget_bytes ? config->lane_budget_bytes : TC_LIVE_BUDGET_DEFAULT;
    live->quarter = budget / 4 ? budget / 4 : 1;
    live->phase_end_ns = live->first_ns = TC_NEVER_NS;
    const int status = open_parts(live, err);
    if (status) {
        tc_live_free(live);
        return status;
    }
    *out = live;
    return 0;
}

/* ---- running ---- */

static int finish_capture(struct tc_live *live, struct tc_error *err)
{
    if (!live->capture)
        return 0;
    struct tc_capture *capture = live->capture;
    check_capture(live);
    tc_capture_stop(capture);
    live->stats.capture_missing = tc_capture_missing(capture, &live->stats.capture_reason);
    live->capture = NULL;
    return tc_capture_finish(capture, err);
}

int tc_live_run(struct tc_live *live, struct tc_error *err)
{
    tc_loop_refresh_ns(live->loop);
    live->tick_ns = tc_live_time_ns(live) + TC_LIVE_CHORE_NS;
    live->chore_ns = live->tick_ns;
    live->start_ns = tc_live_time_ns(live);
    tc_live_phase_begin(live);
    tc_live_schedule(live);
    if (tc_loop_run(live->loop))
        tc_live_fail(live, TC_EIO, NULL);
    const uint64_t ended_ns = tc_live_now_ns(live);
    check_held_up(live, ended_ns > live->tick_ns ? ended_ns - live->tick_ns : 0);
    tc_live_drain(live);
    const int capture_status = finish_capture(live, err);
    const struct tc_error *engine_error = tc_engine_error(live->config.engine);
    if (live->status) {
        if (err)
            *err = live->error;
        return live->status;
    }
    if (engine_error && engine_error->code) {
        if (err)
            *err = *engine_error;
        return engine_error->code;
    }
    if (live->interrupted)
        return tc_error_set(err, TC_EINTERRUPTED, "interrupted");
    live->stats.only_capture_failed = capture_status < 0;
    return capture_status;
}

void tc_live_stats(const struct tc_live *live, struct tc_live_stats *out)
{
    *out = live->stats;
    out->queued_now_bytes = 0;
    for (uint32_t i = 0; i < live->pair_count; i++)
        for (int side = 0; side < 2 && live->pairs[i]->used; side++)
            out->queued_now_bytes += tc_live_queued(&live->pairs[i]->side[side]);
}

void tc_live_free(struct tc_live *live)
{
    if (!live)
        return;
    if (live->capture)
        tc_capture_finish(live->capture, NULL);
    live->capture = NULL;
    tc_live_watch_free(live);
    tc_live_verify_free(live);
    if (live->loop) {
        tc_live_told_free(live);
        tc_live_pairs_free(live);
        tc_live_sources_free(live);
        tc_loop_remove(live->loop, &live->keeper_watch);
    }
    tc_loop_free(live->loop);
    free(live->read_buffer);
    free(live);
}
