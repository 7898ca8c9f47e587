/* Writes the run directory while a run goes on, and the report at its end.
 *
 *   OUT/NAME/TIME-SEED/  result.json junit.xml report.html decisions.jsonl observations.jsonl trace.pcap metrics.tsv
 *                        evidence/0001.json… messages.tsv plots/… logs/ nodes/        OUT/NAME/latest → TIME-SEED
 *
 * A full disk never ends a run: the first failure is kept, said at the end, and the verdict still printed. */
#ifndef TC_RECORDER_H
#define TC_RECORDER_H

#include "../oracles/judge.h"
#include "../oracles/metrics.h"
#include "../proxy/engine.h"
#include "buf.h"

struct tc_run_info {
    const char *name;                                             /* scenario */
    const char *protocol, *world, *attack, *attack_summary, *bug; /* "" none */
    const char *scenario_path, *attack_path;
    const char *repeat[4]; /* command lines that repeat it */
    size_t repeat_count;
    const char *caveat; /* why the first of them may not repeat it; NULL or "" it does */
    uint64_t seed;
    const struct tc_cluster *cluster;
    struct tc_nodeset traitors;
    const char *command;     /* the command line as typed */
    const char *const *args; /* name=value of the attack */
    size_t arg_count;
    const char *notes[8]; /* e.g. why a breach was expected */
    size_t note_count;
    const char *error;   /* the run ended by this error; "" none */
    const char *partial; /* what of the capture, or of the wire, was not read, in words; NULL or "": all was */
    int exit_code;
    uint64_t duration_ns;
    uint64_t phase_ns[TC_RUN_PHASE_COUNT];
};

struct tc_recorder;

/* Makes OUT/NAME/TIME-SEED and `latest`, opens the logs. `path` receives the directory. TC_EIO with path and reason. */
int tc_recorder_open(const char *out_dir, const char *name, uint64_t seed, char path[static 512],
                     struct tc_recorder **out, struct tc_error *err);

/* Only the directory OUT/NAME/TIME-SEED and `latest`, without logs. TC_EIO, TC_EUSAGE (the path is too long). */
int tc_recorder_directory(const char *out_dir, const char *name, uint64_t seed, char path[static 512],
                          struct tc_error *err);

/* Says when a moment of the run was by the clock on the wall (nanoseconds since 1970), so that observations.jsonl can
 * be laid beside a capture taken by others. */
void tc_recorder_wall(struct tc_recorder *r, uint64_t time_ns, uint64_t wall_ns);

/* Removes the run directory again, with what the run put into it: of a run that never began. `latest` leads where it
 * led before. Leaves a directory alone that tc_recorder_open did not make. r may be NULL; free it after. */
void tc_recorder_discard(struct tc_recorder *r);

/* The same in exactly this directory, which may be there already. */
int tc_recorder_open_at(const char *dir, char path[static 512], struct tc_recorder **out, struct tc_error *err);

/* Log-line observations go to observations.jsonl; messages into a bounded window for the picture. */
void tc_recorder_observe(struct tc_recorder *r, const struct tc_observation *observation);
/* The same for a decision: a line of decisions.jsonl, and a mark in the picture. A file that cannot be written is said
 * by tc_recorder_finish. */
void tc_recorder_decide(struct tc_recorder *r, const struct tc_decision *decision);

/* What makes decisions.jsonl something that can be repeated is known to the run, not to its recorder: lines before, and
 * fields of, the decisions. Each may add nothing. */
struct tc_recorder_extra {
    void *self;
    void (*before)(void *self, struct tc_buf *lines); /* whole lines that go before what is written next */
    void (*more)(void *self, struct tc_buf *line, const struct tc_decision *decision); /* `,"name":value` … */
};

/* Before the run: decisions.jsonl begins with this line (newline included). `extra` (may be NULL, is copied) is asked
 * from then on, and all that is recorded, messages too, goes into a hash. */
void tc_recorder_extend(struct tc_recorder *r, const char *first_line, const struct tc_recorder_extra *extra);

/* After the run and before tc_recorder_finish: what was recorded, and the line that ends decisions.jsonl. The hash is
 * equal for equal runs. */
struct tc_recorder_seen {
    uint64_t hash, decisions, observations; /* observations: lines of observations.jsonl */
};
struct tc_recorder_seen tc_recorder_seen(const struct tc_recorder *r);
void tc_recorder_end_decisions(struct tc_recorder *r, const char *last_line);

/* A finding arrived at time_ns (call it when tc_judge_violations grows, or a detector caught somebody): the window of
 * messages around this moment is kept for the picture. Only the first call counts. */
void tc_recorder_mark(struct tc_recorder *r, uint64_t time_ns);

/* What a report is made of; all borrowed. */
struct tc_report_input {
    const struct tc_run_info *info;
    const struct tc_judge *judge; /* finished */
    const struct tc_verdict_summary *summary;
    const struct tc_metrics *metrics; /* finished */
    const struct tc_engine_stats *stats;
    const struct tc_recorder
        *recorder; /* for tc_report_terminal: finished, so that it need not read the disk; or NULL */
    struct {
        const char *metric, *condition;
        bool met;
        double value;
    } thresholds[32];
    size_t threshold_count;
};

/* Ends observations.jsonl with {"t":…,"e":"end"}, so that one that was cut off is known, and writes result.json,
 * evidence, metrics.tsv, plots, junit.xml, report.html. 0, or the first failure in writing anything of the run (TC_EIO
 * with file and reason): say that the run directory is not complete, and go on. 0 with a text in err: trace.pcap alone
 * gave way to the report; say it. */
int tc_recorder_finish(struct tc_recorder *r, const struct tc_report_input *input, struct tc_error *err);
void tc_recorder_free(struct tc_recorder *r);

/* Makes plots, report.html and junit.xml anew from a run directory's result.json and .tsv files. */
int tc_report_render(const char *dir, struct tc_error *err);

/* The verdict on the terminal: the block of lines under the progress (oracles, violations, repeat lines, path of the
 * report). It is made from memory, whatever could be written; the path of a report that is not there is not said.
 * `color`: ANSI colours. Returned text is malloc'ed; the caller frees. */
char *tc_report_terminal(const struct tc_report_input *input, const char *report_path, bool color, bool verbose);

/* One progress line, without newline, into `buffer`. A phase TC_RUN_ENDED in `now`: there are none, and nobody attacks;
 * then messages are told in place of faults. */
const char *tc_report_progress(const struct tc_metrics_now *now, const struct tc_engine_stats *stats,
                               uint64_t violations, uint64_t now_ns, char *buffer, size_t size);

#endif
