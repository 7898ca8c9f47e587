/* A run's end: thresholds, the verdict, what the report says of the run as such, and writing it. */
#include "nodeset.h"
#include "run_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Thresholds of the scenario: how many were missed. A metric that does not exist is an error of the scenario. */
static int judge_thresholds(struct tc_run *run, struct tc_report_input *input, uint32_t *missed, struct tc_error *err)
{
    const struct tc_scenario *scenario = run->scenario;
    for (uint32_t i = 0; i < scenario->threshold_count; i++) {
        input->thresholds[i].metric = scenario->thresholds[i].metric;
        input->thresholds[i].condition = scenario->thresholds[i].condition;
        int result =
            tc_metrics_threshold(run->metrics, scenario->thresholds[i].metric, scenario->thresholds[i].condition,
                                 &input->thresholds[i].met, &input->thresholds[i].value, err);
        if (result < 0)
            return result;
        *missed += !input->thresholds[i].met;
    }
    input->threshold_count = scenario->threshold_count;
    return 0;
}

/* The exit code when the run ended by an error; the verdict's own otherwise. A violation found before stands. */
static int exit_code(int ended, const struct tc_verdict_summary *summary)
{
    if (ended == 0 || (summary->status == TC_VIOLATED && ended != TC_EINTERRUPTED && ended != TC_EUSAGE))
        return summary->exit_code;
    return tc_error_exit(ended);
}

static void print_text(char *text)
{
    if (text)
        fputs(text, stdout);
    free(text);
    fflush(stdout);
}

static bool copy_junit(const struct tc_run *run)
{
    char from[600], buffer[8192];
    snprintf(from, sizeof from, "%s/junit.xml", run->dir);
    FILE *in = fopen(from, "r");
    FILE *out = in ? fopen(run->request->junit_path, "w") : NULL;
    bool failed = !out;
    for (size_t n; out && (n = fread(buffer, 1, sizeof buffer, in)) > 0;)
        failed |= fwrite(buffer, 1, n, out) != n;
    if (out)
        failed |= fclose(out) != 0;
    if (in)
        fclose(in);
    if (failed)
        fprintf(stderr, "turncoat: cannot write %s\n", run->request->junit_path);
    return !failed;
}

/* What the report says of the run as such. The texts live in `info`'s owner, `run`, or are static. */
static void describe(const struct tc_run *run, int ended, const struct tc_error *why, uint64_t now_ns,
                     struct tc_run_info *info)
{
    static char repeat[TC_SHELL_LINE_MAX];
    static const char *args[TC_SCRIPT_ARGS_MAX];
    const struct tc_run_request *request = run->request;
    const struct tc_scenario *scenario = run->scenario;
    tc_run_repeat(request, repeat, sizeof repeat);
    for (uint32_t i = 0; i < scenario->arg_count; i++)
        args[i] = scenario->args[i];
    *info = (struct tc_run_info){
        .name = scenario->name,
        .protocol = run->protocol->name,
        .world = run->checking ? "capture"
                 : run->sim    ? "sim"
                               : "live",
        .attack = tc_run_attack_name(run),
        .attack_summary = tc_run_attack_summary(run),
        .bug = request->bug,
        .scenario_path = scenario->path,
        .attack_path = run->attack_path,
        .repeat = {repeat},
        .repeat_count = 1,
        .seed = request->seed,
        .cluster = &run->cluster,
        .traitors = run->ledger.traitors,
        .command = request->command,
        .args = args,
        .arg_count = scenario->arg_count,
        .error = ended < 0 ? why->text : "",
        .duration_ns = now_ns,
    };
    memcpy(info->phase_ns, scenario->phase_ns, sizeof info->phase_ns);
}

/* What holds of a part of the wire need not hold of the rest: the sentence says so. */
static void say_partial(const char *of, const char *partial, struct tc_verdict_summary *summary)
{
    static const char holds[] = "holds: ";
    char rest[sizeof summary->sentence];
    if (strncmp(summary->sentence, holds, strlen(holds)) != 0)
        return;
    snprintf(rest, sizeof rest, "%s", summary->sentence + strlen(holds));
    snprintf(summary->sentence, sizeof summary->sentence, "holds as far as the %s can be read (%s): %s", of, partial,
             rest);
}

/* Of a cluster that others started nobody tells that a process ended. One that takes no connection any more may have
 * crashed by what the attack did, or may have been stopped by its owner: the run cannot tell. */
static void doubt_the_missing(struct tc_run *run)
{
    const struct tc_nodeset *down = &tc_engine_faults(run->engine)->down;
    char why[96];
    for (uint32_t node = 0; run->live && !run->scenario->cluster.start && node < run->cluster.n; node++) {
        if (!tc_nodeset_has(down, node))
            continue;
        snprintf(why, sizeof why, "replica %u took no connections any more when the run ended", node);
        tc_judge_unsure(run->judge, why);
    }
}

static void add_note(struct tc_run_info *info, const char *text)
{
    if (text && *text && info->note_count < sizeof info->notes / sizeof *info->notes)
        info->notes[info->note_count++] = text;
}

/* "trace.pcap lacks 12 packets: the disk is full", or "". */
static const char *lacking(const struct tc_run *run, char text[static 160])
{
    struct tc_live_stats stats = {0};
    text[0] = '\0';
    if (run->live)
        tc_live_stats(run->live, &stats);
    if (stats.capture_missing > 0)
        snprintf(text, 160, "trace.pcap lacks %" PRIu64 " packets: %.100s", stats.capture_missing,
                 stats.capture_reason);
    return text;
}

/* The texts live until the next run. */
static void add_notes(const struct tc_run *run, const struct tc_verdict_summary *summary, struct tc_run_info *info)
{
    static char unused[200], capture[160], left_out[TC_RUN_LEFT_OUT_MAX];
    const struct tc_run_request *request = run->request;
    for (size_t i = 0; i < sizeof request->notes / sizeof *request->notes; i++)
        add_note(info, request->notes[i]);
    for (size_t i = 0; i < sizeof request->repeats / sizeof *request->repeats && request->repeats[i]; i++)
        info->repeat[info->repeat_count++] = request->repeats[i];
    if (summary->status == TC_EXPECTED)
        add_note(info, run->scenario->summary);
    if (run->sim && request->capture)
        add_note(info, "the simulation writes no trace.pcap: its bytes were on no wire");
    add_note(info, lacking(run, capture));
    add_note(info, tc_run_left_out(run, left_out));
    add_note(info, tc_run_unused_models(run, unused));
    if (run->checking)
        tc_run_check_notes(run, info);
    if (!run->reloads[0])
        return;
    add_note(info, run->reloads);
    info->caveat = "the script was reloaded during the run: this line attacks with its last file from the beginning";
}

void tc_run_report(struct tc_run *run, int ended, const struct tc_error *why, struct tc_run_result *result)
{
    static char report_path[600], partial[240];
    static struct tc_report_input input;
    static struct tc_verdict_summary summary;
    static struct tc_run_info info;
    struct tc_error err = {0}, writing = {0};
    uint32_t missed = 0;
    memset(&input, 0, sizeof input);
    memset(&summary, 0, sizeof summary);
    uint64_t now_ns = tc_run_now_ns(run);
    doubt_the_missing(run);
    tc_run_links_end(run);
    tc_run_voice_end(run);
    tc_judge_finish(run->judge, now_ns);
    tc_metrics_finish(run->metrics, now_ns);
    int threshold_error = judge_thresholds(run, &input, &missed, &err);
    if (threshold_error < 0 && ended == 0) {
        ended = threshold_error;
        why = &err;
        fprintf(stderr, "turncoat: %s\n", err.text);
    }
    tc_judge_bitten(run->judge, tc_engine_faults(run->engine)->bitten);
    tc_judge_summary(run->judge, missed, &summary);
    describe(run, ended, why, now_ns, &info);
    info.partial = run->checking ? tc_run_check_partial(run, partial) : tc_judge_partial(run->judge, partial);
    if (info.partial)
        say_partial(run->checking ? "capture" : "wire", info.partial, &summary);
    info.exit_code = result->exit_code = exit_code(ended, &summary);
    add_notes(run, &summary, &info);
    input.info = &info;
    input.judge = run->judge;
    input.summary = &summary;
    input.metrics = run->metrics;
    input.stats = tc_engine_stats(run->engine);
    for (int verb = 0; verb < TC_VERB_COUNT; verb++)
        result->bitten += input.stats->bitten[verb];
    tc_run_decisions_end(run, &summary, info.exit_code);
    int wrote = tc_recorder_finish(run->recorder, &input, &writing);
    input.recorder = run->recorder;
    snprintf(report_path, sizeof report_path, "%s/report.html", run->dir);
    if (!run->request->silent)
        print_text(tc_report_terminal(&input, report_path, run->request->color, run->request->verbose));
    if (wrote < 0)
        fprintf(stderr, "turncoat: the run directory is not complete: %s\n", writing.text);
    else if (writing.text[0])
        fprintf(stderr, "turncoat: %s\n", writing.text);
    bool complete = wrote == 0;
    if (run->request->junit_path)
        complete &= copy_junit(run);
    /* Whoever reads the files that were asked for must not take an old or half one for a pass. */
    if (!complete && result->exit_code == 0) {
        fprintf(stderr, "turncoat: exit 70, though the verdict is a pass\n");
        result->exit_code = 70;
    }
}
