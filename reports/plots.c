/* Plots by gnuplot: the script is generated, kept beside its table and its picture, and can be run again by hand.
 * Nothing that came from outside enters a script: titles and captions are the page's. */
#define _GNU_SOURCE
#include "out.h"
#include "render.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define GNUPLOT_TIMEOUT_MS 20000
#define RECOVERIES_MAX     5u
#define TABLE_MAX          ((size_t)32 << 20)

extern char **environ;

/* What all plots share: light card, quiet axes, colours that the colour-blind can tell apart (Okabe and Ito). */
static const char prelude[] = "set terminal svg size %d,%d font 'Helvetica,13' background '#ffffff' noenhanced\n"
                              "set encoding utf8\n"
                              "set border 3 lc rgb '#8a9199'\n"
                              "set tics nomirror out scale 0.6 textcolor rgb '#4a525a'\n"
                              "set grid ytics lc rgb '#e6e8eb' lw 1\n"
                              "set key outside top left horizontal Left reverse samplen 1.6 textcolor rgb '#30363d'\n"
                              "set lmargin 9\nset rmargin 3\nset tmargin 3\n"
                              "set datafile separator tab\n"
                              "set linetype 1 lc rgb '#0072b2' lw 2\nset linetype 2 lc rgb '#e69f00' lw 2\n"
                              "set linetype 3 lc rgb '#009e73' lw 2\nset linetype 4 lc rgb '#cc79a7' lw 2\n"
                              "set linetype 5 lc rgb '#56b4e9' lw 2\nset linetype 6 lc rgb '#d55e00' lw 2\n"
                              "set linetype 7 lc rgb '#7f6000' lw 2\nset linetype 8 lc rgb '#444444' lw 2\n";

struct plot {
    const char *name, *table, *title, *about;
    int width;
    bool timeline;
    const char *script;
};

static const struct plot plots[] = {
    {"latency", "latency.tsv", "Decision latency over time",
     "Percentiles of the time from proposal to decision, logarithmic scale. Each point stands for about 100 decisions "
     "or one second, whichever comes first, and is read off the percentiles of shorter spans.",
     1140, true,
     "set logscale y\nset format y '%g'\nset ylabel 'decision latency (ms)'\n"
     "set pointsize 0.4\n"
     "plot 'latency.tsv' using 1:5 with linespoints lt 8 lw 1 dt 3 pt 7 title 'max', \\\n"
     "     '' using 1:4 with linespoints lt 2 pt 7 title 'p99', '' using 1:3 with linespoints lt 3 pt 7 title 'p95', "
     "\\\n     '' using 1:2 with linespoints lt 1 pt 7 title 'p50'\n"},
    {"throughput", "series.tsv", "Throughput over time",
     "Sequence numbers decided for the first time; a dashed line marks the first decision after a pause.", 560, true,
     "set yrange [0:*]\nset ylabel 'decisions per second'\n"
     "stats 'series.tsv' every ::1 using (last_s = $1):(last = $2) nooutput\n"
     "if (end_s > last_s) set arrow 99 from last_s,last to end_s,last nohead lt 1\n"
     "plot 'series.tsv' using 1:2 with steps lt 1 notitle\n"},
    {"views", "views.tsv", "View of each replica",
     "Each line is one replica; lines are set apart by a hair so that all can be seen.", 560, true,
     "set ylabel 'view'\nstats 'views.tsv' using 2 name 'V' nooutput\n"
     "step = V_max - V_min > 6 ? (V_max - V_min) / 6 : 1\npower = 10 ** floor(log10(step))\n"
     "set ytics power * (step > 5 * power ? 10 : step > 2 * power ? 5 : step > power ? 2 : 1)\nset yrange [V_min - "
     "0.3:V_max + 0.4]\n"
     "plot for [i=0:blocks-1] 'views.tsv' index i using 1:($2 + (i - (blocks-1)/2.0) * 0.05) with steps lt i+1 "
     "title columnheader(1)\n"},
    {"quorum", "quorum.tsv", "Time to form a quorum",
     "Share of slots whose quorum was complete within the time, by protocol phase (first vote to quorum-th vote; at "
     "the "
     "left edge: at once).",
     560, false,
     "set logscale x\nset format x '%g'\nset xlabel 'time to quorum (ms)'\nset ylabel 'share of slots'\n"
     "set yrange [0:1.02]\n"
     "plot for [i=0:blocks-1] 'quorum.tsv' index i using ($1 > 0.001 ? $1 : 0.001):2 with steps lt i+1 title "
     "columnheader(1)\n"},
    {"latency_cdf", "latency_cdf.tsv", "Decision latency by phase of the run",
     "Share of decisions made within the time; in brackets how many there were.", 560, false,
     "set logscale x\nset format x '%g'\nset xlabel 'decision latency (ms)'\nset ylabel 'share of decisions'\n"
     "set yrange [0:1.02]\n"
     "plot for [i=0:blocks-1] 'latency_cdf.tsv' index i using ($1 > 0.001 ? $1 : 0.001):2 with steps lt i+1 title "
     "columnheader(1)\n"},
};

/* Blocks in a table are parted by two empty lines. */
static unsigned blocks_of(const char *table)
{
    unsigned blocks = 1;
    for (const char *at = strstr(table, "\n\n\n"); at; at = strstr(at + 3, "\n\n\n"))
        blocks++;
    return blocks;
}

static void shade_attack(struct tc_buf *gp, const json_t *result)
{
    const json_t *phase;
    size_t i;
    if (!*tc_json_string(result, "attack"))
        return; /* a run that only watched has a middle phase, too */
    json_array_foreach(json_object_get(result, "phases"), i, phase)
    {
        uint64_t begin = tc_json_ns(phase, "begin_ns"), end = tc_json_ns(phase, "end_ns");
        if (strcmp(tc_json_string(phase, "name"), "during") != 0 || begin == TC_NEVER_NS || end == TC_NEVER_NS)
            continue;
        tc_buf_format(gp,
                      "set object 1 rectangle from first %.6f, graph 0 to first %.6f, graph 1 fillcolor rgb '#d55e00' "
                      "fillstyle transparent solid 0.08 noborder behind\n"
                      "set label 1 'attack' at first %.6f, graph 1.04 offset 0.2,0 textcolor rgb '#b4530a'\n",
                      (double)begin / 1e9, (double)end / 1e9, (double)begin / 1e9);
    }
}

static void mark_one(struct tc_buf *gp, uint64_t recovered_ns, uint64_t end_ns, unsigned number)
{
    const double at = (double)recovered_ns / 1e9;
    const bool late = recovered_ns > end_ns / 4 * 3; /* no room to the right of it */
    tc_buf_format(gp,
                  "set arrow %u from first %.6f, graph 0 to first %.6f, graph 1 nohead lc rgb '#009e73' lw 2 dt 2\n",
                  number, at, at);
    if (number == 1)
        tc_buf_format(gp, "set label 2 'decides again' at first %.6f, graph 1.13 %s textcolor rgb '#00795a'\n", at,
                      late ? "right offset -0.2,0" : "offset 0.2,0");
}

static void mark_recoveries(struct tc_buf *gp, const json_t *result)
{
    const json_t *list = json_object_get(result, "recoveries_ns"), *one;
    uint64_t first = tc_json_ns(result, "recovered_ns"), end = tc_json_ns(result, "duration_ns");
    unsigned number = 0;
    size_t i;
    if (json_array_size(list) == 0 && first != TC_NEVER_NS)
        mark_one(gp, first, end, ++number);
    json_array_foreach(list, i, one)
    {
        if (json_is_integer(one) && json_integer_value(one) >= 0 && number < RECOVERIES_MAX)
            mark_one(gp, (uint64_t)json_integer_value(one), end, ++number);
    }
}

static int write_script(const char *dir, const struct plot *plot, const json_t *result, const char *table,
                        struct tc_error *err)
{
    struct tc_buf gp = {0};
    char name[64];
    tc_buf_format(&gp, prelude, plot->width, 300);
    tc_buf_format(&gp, "set output '%s.svg'\nblocks = %u\n", plot->name, blocks_of(table));
    if (plot->timeline) {
        uint64_t end = tc_json_ns(result, "duration_ns");
        bool known = end != TC_NEVER_NS && end > 0;
        tc_buf_format(&gp, "end_s = %.3f\n", known ? (double)end / 1e9 : 0);
        if (known)
            tc_buf_add(&gp, "set xrange [0:end_s]\n");
        tc_buf_add(&gp, "set xlabel 'time since the start of the run (s)'\n");
        shade_attack(&gp, result);
    }
    if (strcmp(plot->name, "throughput") == 0)
        mark_recoveries(&gp, result);
    tc_buf_add(&gp, plot->script);
    snprintf(name, sizeof name, "plots/%s.gp", plot->name);
    int rc = tc_out_file(dir, name, &gp, err);
    tc_buf_free(&gp);
    return rc;
}

/* Waits for the child at most GNUPLOT_TIMEOUT_MS; a child that does not end is killed. 0, or an error in words. */
static int await(pid_t pid, struct tc_error *err)
{
    int status = 0, fd = pidfd_open(pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int ready = -1;
    do
        ready = fd >= 0 ? poll(&ended, 1, GNUPLOT_TIMEOUT_MS) : 1;
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (fd >= 0)
        close(fd);
    if (ready == 0)
        return tc_error_set(err, TC_ELIMIT, "gnuplot did not end within %d s", GNUPLOT_TIMEOUT_MS / 1000);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return tc_error_set(err, TC_ENOT_FOUND, "gnuplot is not installed");
    return tc_error_set(err, TC_EIO, "gnuplot failed; see plots/gnuplot.log");
}

static int run_gnuplot(const char *dir, const char *name, struct tc_error *err)
{
    char folder[600], script[64], program[] = "gnuplot", defaults[] = "-d";
    char *const arguments[] = {program, defaults, script, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    snprintf(folder, sizeof folder, "%s/plots", dir);
    snprintf(script, sizeof script, "%s.gp", name);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "gnuplot.log", O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    int failed = posix_spawnp(&pid, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == ENOENT)
        return tc_error_set(err, TC_ENOT_FOUND, "gnuplot is not installed");
    if (failed != 0)
        return tc_error_set(err, TC_EIO, "gnuplot cannot be started: %s", strerror(failed));
    return await(pid, err);
}

int tc_plot_script(const char *dir, const char *name, int width, int height, const char *script, struct tc_error *err)
{
    struct tc_buf gp = {0};
    char path[64];
    tc_buf_format(&gp, prelude, width, height);
    tc_buf_add(&gp, script);
    snprintf(path, sizeof path, "plots/%s.gp", name);
    int rc = tc_out_file(dir, path, &gp, err);
    tc_buf_free(&gp);
    return rc == 0 ? run_gnuplot(dir, name, err) : rc;
}

static json_t *make_plot(const char *dir, const struct plot *plot, const json_t *result, bool usable)
{
    struct tc_buf table = {0};
    struct tc_error err = {0};
    char path[64];
    snprintf(path, sizeof path, "plots/%s", plot->table);
    int rc = tc_out_read(dir, path, TABLE_MAX, &table, &err);
    if (rc == TC_ENOT_FOUND || (rc == 0 && table.len == 0)) {
        tc_buf_free(&table);
        return NULL; /* an empty series is left out */
    }
    json_t *made = json_object();
    json_object_set_new(made, "name", json_string(plot->name));
    json_object_set_new(made, "title", json_string(plot->title));
    json_object_set_new(made, "about", json_string(plot->about));
    if (rc == 0)
        rc = write_script(dir, plot, result, tc_buf_get(&table), &err);
    if (rc == 0 && !usable)
        rc = tc_error_set(&err, TC_ENOT_FOUND, "gnuplot is not usable");
    if (rc == 0)
        rc = run_gnuplot(dir, plot->name, &err);
    snprintf(path, sizeof path, "plots/%s.svg", plot->name);
    json_object_set_new(made, rc == 0 ? "svg" : "error", rc == 0 ? json_string(path) : tc_json_text(err.text));
    tc_buf_free(&table);
    return made;
}

void tc_plots_make(const char *dir, const json_t *result, json_t *made)
{
    bool usable = true;
    char log[600];
    snprintf(log, sizeof log, "%s/plots/gnuplot.log", dir);
    unlink(log);
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++) {
        json_t *one = make_plot(dir, &plots[i], result, usable);
        /* One that is missing or hangs would be so each time: 20 s are enough. */
        const char *error = tc_json_string(one, "error");
        if (strstr(error, "not installed") || strstr(error, "did not end"))
            usable = false;
        if (one)
            json_array_append_new(made, one);
    }
    if (access(log, F_OK) == 0 && usable) {
        struct tc_buf said = {0};
        if (tc_out_read(dir, "plots/gnuplot.log", TABLE_MAX, &said, NULL) == 0 && said.len == 0)
            unlink(log);
        tc_buf_free(&said);
    }
}
