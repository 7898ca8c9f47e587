/* turncoat watch: packets as they pass an interface, until the time is up or somebody interrupts. */
#define _GNU_SOURCE
#include "capture_live.h"
#include "run_internal.h"

#include <stdio.h>
#include <time.h>

#define TURN_MS     100
#define PROGRESS_NS UINT64_C(250000000)

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int watch(struct tc_run *run, struct tc_capture_live *live, struct tc_capture_reader *reader,
                 const volatile sig_atomic_t *interrupted, struct tc_error *err)
{
    const struct tc_sink sink = tc_run_sink(run);
    uint64_t duration_ns = run->request->check->duration_ns, began_ns = clock_ns(), shown_ns = began_ns;
    int result = 0;
    while (result == 0 && !*interrupted) {
        uint64_t now_ns = clock_ns();
        if (now_ns - began_ns >= duration_ns)
            break;
        if (now_ns - shown_ns >= PROGRESS_NS) {
            shown_ns = now_ns;
            sink.progress(sink.self, tc_run_check_now_ns(run));
        }
        result = tc_capture_live_turn(live, reader, TURN_MS, err);
    }
    return result == 0 ? tc_capture_reader_finish(reader) : result;
}

int tc_run_watch(struct tc_run *run, tc_capture_segment_fn *take, void *world, struct tc_capture_counts *counts,
                 const volatile sig_atomic_t *interrupted, uint64_t *dropped, struct tc_error *err)
{
    struct tc_capture_live *live;
    int result = tc_capture_live_open(run->request->check->interface, &live, err);
    if (result < 0)
        return result;
    struct tc_capture_reader *reader = tc_capture_reader_new(take, world, counts);
    if (reader && !run->request->quiet) {
        const uint64_t duration_ns = run->request->check->duration_ns;
        if (duration_ns == TC_NEVER_NS)
            printf("watching  until interrupted\n");
        else
            printf("watching  for %.1f s, or until interrupted\n", (double)duration_ns / 1e9);
        fflush(stdout);
    }
    result = reader ? watch(run, live, reader, interrupted, err)
                    : tc_error_set(err, TC_EMEMORY, "no memory to follow streams");
    *dropped = tc_capture_live_dropped(live);
    tc_capture_reader_free(reader);
    tc_capture_live_close(live);
    return result;
}
