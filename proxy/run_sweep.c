/* A scenario with a sweep: the same simulation for every protocol and number of replicas, and what a decision cost. */
#include "../reports/cost.h"
#include "../reports/recorder.h"
#include "run_internal.h"
#include "trial_cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void say(struct tc_buf *text, bool quiet)
{
    if (!quiet)
        fputs(tc_buf_get(text), stdout);
    fflush(stdout);
    tc_buf_free(text);
}

static void keep(const struct tc_cost_point *point, struct tc_cost_row *row)
{
    *row = (struct tc_cost_row){
        .protocol = point->protocol->name,
        .n = point->n,
        .decisions = point->decisions,
        .formula = point->formula,
        .messages_min = point->messages_min,
        .messages_max = point->messages_max,
        .messages = (double)point->messages / point->decisions,
        .bytes = (double)point->bytes / point->decisions,
        .apart = point->apart,
        .verdict = point->verdict,
    };
}

/* 1 where a count is not the formula's, or an oracle found something. */
static int measure(const struct tc_run_request *request, struct tc_cost_table *table, struct tc_error *err)
{
    const struct tc_sweep_spec *sweep = &request->scenario->sweep;
    for (uint32_t p = 0; p < sweep->protocol_count; p++) {
        for (uint32_t i = 0; i < sweep->n_count; i++) {
            struct tc_cost_point point;
            struct tc_buf line = {0};
            const int status = tc_cost_measure(request->scenario, request->lua_dir, sweep->protocols[p], sweep->n[i],
                                               sweep->decisions, request->seed, &point, err);
            if (status)
                return status;
            struct tc_cost_row *row = &table->rows[table->row_count++];
            keep(&point, row);
            if (!tc_cost_exact(row) || row->verdict != TC_HOLDS)
                table->exit_code = 1;
            tc_cost_row_text(row, &line);
            say(&line, request->quiet);
        }
    }
    return 0;
}

static int write_down(const struct tc_run_request *request, const struct tc_cost_table *table, char dir[static 512])
{
    struct tc_error err = {0};
    int status = tc_recorder_directory(request->out_dir, request->scenario->name, request->seed, dir, &err);
    if (status == 0)
        status = tc_cost_write(table, dir, &err);
    if (status)
        fprintf(stderr, "turncoat: the run directory is not complete: %s\n", err.text);
    return status;
}

int tc_run_sweep(const struct tc_run_request *request, struct tc_run_result *result, struct tc_error *err)
{
    static char repeat[TC_SHELL_LINE_MAX];
    const struct tc_scenario *scenario = request->scenario;
    struct tc_buf text = {0};
    if (!request->simulated)
        return tc_error_set(err, TC_EUSAGE, "%s: a sweep is counted in the simulation: add --world sim",
                            request->named);
    struct tc_cost_table *table = calloc(1, sizeof *table);
    if (!table)
        return tc_error_set(err, TC_EMEMORY, "no memory for a sweep");
    tc_run_repeat(request, repeat, sizeof repeat);
    table->name = scenario->name;
    table->summary = scenario->summary;
    table->command = request->command;
    table->repeat = repeat;
    table->seed = request->seed;
    tc_buf_format(&text,
                  "sweep     %s\nseed      0x%08" PRIx64 "\n\n  messages and bytes between replicas that one "
                  "decision costs, %u decisions counted at each point\n\n",
                  scenario->summary, request->seed, scenario->sweep.decisions);
    tc_cost_head_text(&text);
    say(&text, request->quiet);
    int status = measure(request, table, err);
    if (status == 0) {
        tc_cost_end_text(table, &text);
        say(&text, false);
        result->exit_code = table->exit_code;
        const int wrote = write_down(request, table, result->dir);
        if (wrote == 0)
            printf("\n%s   plot %s/plots/cost.svg\n", table->exit_code ? "FAIL" : "PASS", result->dir);
        else
            printf("\n%s\n", table->exit_code ? "FAIL" : "PASS");
        if (wrote < 0 && result->exit_code == 0) /* nobody is to take a missing result for a pass */
            result->exit_code = tc_error_exit(wrote);
    }
    free(table);
    return status;
}
