/* What is said of a capture beside its verdict: what it was read from, what of it is missing. */
#include "run_capture_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tc_run_check_show(const struct tc_run *run)
{
    const struct tc_check *check = run->request->check;
    if (run->request->quiet)
        return;
    printf("capture   %s%s\n", check->capture ? check->capture : "live, from ", check->capture ? "" : check->interface);
    printf("cluster   %s, %u replicas (f=%u), %s\n", run->protocol->name, run->cluster.n, run->cluster.f,
           run->scenario->cluster.path);
    if (check->observations)
        printf("beside it %s\n", check->observations);
    fflush(stdout);
}

static void note(struct tc_checking *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct tc_checking *c, const char *format, ...)
{
    va_list values;
    if (c->note_count == sizeof c->notes / sizeof *c->notes)
        return;
    va_start(values, format);
    vsnprintf(c->notes[c->note_count++], sizeof c->notes[0], format, values);
    va_end(values);
}

const char *tc_run_check_partial(const struct tc_run *run, char text[static 240])
{
    const struct tc_checking *c = run->checking;
    const struct tc_capture_counts *read = &c->counts;
    const uint64_t late = tc_capture_world_counts(c->world)->middle_streams;
    const struct {
        uint64_t count;
        const char *what;
    } lacks[] = {{read->gaps, "gap"},
                 {read->cut, "packet cut short"},
                 {read->damaged, "packet damaged"},
                 {read->over, "packet of streams too many"},
                 {c->dropped, "packet dropped by the kernel"},
                 {late, "stream begun before it"}};
    size_t used = 0;
    text[0] = 0;
    if (read->ended_early)
        used = (size_t)snprintf(text, 240, "it ends in the middle");
    for (size_t i = 0; i < sizeof lacks / sizeof *lacks && used < 200; i++) {
        const size_t noun = strcspn(lacks[i].what, " ");
        if (lacks[i].count > 0)
            used +=
                (size_t)snprintf(text + used, 240 - used, "%s%" PRIu64 " %.*s%s%s", used ? ", " : "", lacks[i].count,
                                 (int)noun, lacks[i].what, lacks[i].count == 1 ? "" : "s", lacks[i].what + noun);
    }
    if (*c->hidden && used < 200)
        snprintf(text + used, 240 - used, "%s%s", used ? ", " : "", c->hidden);
    return *text ? text : NULL;
}

void tc_run_check_notes(const struct tc_run *run, struct tc_run_info *info)
{
    struct tc_checking *c = run->checking;
    const struct tc_capture_counts *read = &c->counts;
    const struct tc_capture_world_counts *seen = tc_capture_world_counts(c->world);
    const struct tc_engine_stats *stats = tc_engine_stats(run->engine);
    note(c,
         "read %" PRIu64 " packets: %" PRIu64 " streams of the cluster (%s), %" PRIu64 " of others, %" PRIu64
         " packets without TCP",
         read->packets, seen->streams, seen->proxied ? "both legs of a proxy" : "no proxy in between",
         seen->foreign_streams, read->not_tcp);
    if (stats->undecodable || stats->spliced)
        note(c, "of %" PRIu64 " messages %" PRIu64 " could not be decoded, and %" PRIu64 " streams not be framed",
             stats->messages, stats->undecodable, stats->spliced);
    if (stats->spliced && run->protocol->transport)
        note(c,
             "the links of %s are encrypted, and nobody can read them without the keys of each connection: judge the "
             "trace.pcap that turncoat writes, which holds the frames in plaintext",
             run->protocol->name);
    if (read->ended_early)
        note(c, "the capture ends in the middle: %s", read->damage);
    if (read->cut || read->gaps || read->over || read->damaged)
        note(c,
             "missing in the capture: %" PRIu64 " gaps in streams; %" PRIu64
             " packets cut short (snap length), %" PRIu64 " damaged, %" PRIu64 " of more streams than can be followed",
             read->gaps, read->cut, read->damaged, read->over);
    if (read->late)
        note(c,
             "%" PRIu64
             " packets stand behind their own acknowledgement or behind later ones, as where captures of several "
             "machines are put together: nobody can say what a replica knew when it spoke",
             read->late);
    if (c->dropped)
        note(c, "the kernel dropped %" PRIu64 " packets: this machine is too slow to watch all of them", c->dropped);
    if (seen->middle_streams || seen->undecided_bytes)
        note(c, "%" PRIu64 " streams were there before the capture began: what was said until then is not known",
             seen->middle_streams);
    if (c->sources[0].stream && !tc_record_stream_ended(c->sources[0].stream))
        note(c, "%s ends before its run did: who was faulty, and what replicas executed after it, is not known",
             c->run->request->check->observations);
    if (c->left_out)
        note(c, "%" PRIu64 " lines of nodes after the capture's end were left out", c->left_out);
    if (seen->streams == 0)
        note(c, "no stream goes to an address of %s: is it the cluster that was captured?",
             run->scenario->cluster.path);
    for (size_t i = 0; i < c->note_count && info->note_count < sizeof info->notes / sizeof *info->notes; i++)
        info->notes[info->note_count++] = c->notes[i];
}
