/* What the terminal shows, from a run's own structures: the block at its end and the line while it goes on. */
#include "../proxy/names.h"
#include "recorder_parts.h"
#include "render.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A report that could not be written was removed again: only one that is there is worth its path. */
static bool is_there(const char *path)
{
    return path && access(path, R_OK) == 0;
}

char *tc_report_terminal(const struct tc_report_input *input, const char *report_path, bool color, bool verbose)
{
    struct tc_buf out = {0};
    json_t *built = NULL;
    const json_t *result = input->recorder ? input->recorder->result : NULL;
    if (!result)
        result = built = tc_result_build(NULL, input);
    tc_terminal_write(result, is_there(report_path) ? report_path : "", color, verbose, &out);
    json_decref(built);
    if (!out.failed)
        return out.data;
    tc_buf_free(&out);
    return NULL;
}

static void add_faults(struct tc_buf *t, const struct tc_engine_stats *stats)
{
    uint64_t bitten = 0;
    for (int verb = TC_FORWARD + 1; stats && verb < TC_VERB_COUNT; verb++)
        bitten += tc_recorder_is_repair(verb) ? 0 : stats->bitten[verb];
    tc_buf_count(t, bitten);
    tc_buf_add(t, bitten == 1 ? " fault bitten  " : " faults bitten  ");
}

static void add_messages(struct tc_buf *t, const struct tc_engine_stats *stats, uint64_t in_ns)
{
    const uint64_t messages = stats ? stats->messages : 0;
    tc_buf_count(t, messages);
    tc_buf_add(t, messages == 1 ? " message, " : " messages, ");
    tc_buf_count(t, in_ns > 0 ? (uint64_t)((double)messages * 1e9 / (double)in_ns + 0.5) : 0);
    tc_buf_add(t, "/s  ");
}

const char *tc_report_progress(const struct tc_metrics_now *now, const struct tc_engine_stats *stats,
                               uint64_t violations, uint64_t now_ns, char *buffer, size_t size)
{
    struct tc_buf t = {0};
    const bool passive = now->phase == TC_RUN_ENDED;
    uint64_t in_phase = now_ns > now->phase_begin_ns ? now_ns - now->phase_begin_ns : 0;
    tc_buf_format(&t, "%-6s %5.1f s  ", passive ? "" : tc_run_phase_name(now->phase), (double)in_phase / 1e9);
    const double rate = now->decisions_per_s > 0 ? now->decisions_per_s : 0;
    if (rate > 0 && rate < 9.95)
        tc_buf_format(&t, "%.1f", rate);
    else
        tc_buf_count(&t, (uint64_t)(rate + 0.5));
    tc_buf_add(&t, " decisions/s  ");
    if (now->latency_p99_ns > 0) {
        tc_buf_add(&t, "p99 ");
        tc_buf_duration(&t, now->latency_p99_ns);
        tc_buf_add(&t, "  ");
    }
    if (now->view_known)
        tc_buf_format(&t, "view %llu  ", (unsigned long long)now->view);
    else
        tc_buf_add(&t, "view ?  ");
    if (passive)
        add_messages(&t, stats, in_phase);
    else
        add_faults(&t, stats);
    if (violations == 0)
        tc_buf_add(&t, "oracles hold");
    else
        tc_buf_format(&t, "%llu %s", (unsigned long long)violations, violations == 1 ? "violation" : "violations");
    snprintf(buffer, size, "%s", tc_buf_get(&t));
    tc_buf_free(&t);
    return buffer;
}
