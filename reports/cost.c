#include "cost.h"

#include "json.h"
#include "out.h"
#include "render.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define QUOTED_N         100
#define QUOTED_QUADRATIC 10000u /* the figures that are often quoted for n = 100 */
#define QUOTED_LINEAR    400u

bool tc_cost_exact(const struct tc_cost_row *row)
{
    return row->messages_min == row->formula && row->messages_max == row->formula;
}

double tc_cost_slope(const struct tc_cost_table *table, const char *protocol, bool bytes)
{
    double count = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
    for (size_t i = 0; i < table->row_count; i++) {
        const struct tc_cost_row *row = &table->rows[i];
        const double value = bytes ? row->bytes : row->messages;
        if (strcmp(row->protocol, protocol) != 0 || row->n < 2 || value <= 0)
            continue;
        const double x = log((double)row->n), y = log(value);
        count++;
        sum_x += x;
        sum_y += y;
        sum_xx += x * x;
        sum_xy += x * y;
    }
    const double spread = count * sum_xx - sum_x * sum_x;
    return count < 2 || spread <= 0 ? 0 : (count * sum_xy - sum_x * sum_y) / spread;
}

static const struct tc_cost_row *find(const struct tc_cost_table *table, const char *protocol, uint32_t n)
{
    for (size_t i = 0; i < table->row_count; i++)
        if (table->rows[i].n == n && strcmp(table->rows[i].protocol, protocol) == 0)
            return &table->rows[i];
    return NULL;
}

/* Is this row the first of its protocol? */
static bool begins(const struct tc_cost_table *table, size_t i)
{
    return i == 0 || strcmp(table->rows[i].protocol, table->rows[i - 1].protocol) != 0;
}

/* ---- terminal ---- */

static void add_right(struct tc_buf *out, uint64_t count, int width)
{
    struct tc_buf digits = {0};
    tc_buf_count(&digits, count);
    tc_buf_format(out, "%*s", width, tc_buf_get(&digits));
    tc_buf_free(&digits);
}

void tc_cost_head_text(struct tc_buf *out)
{
    tc_buf_format(out, "  %-18s %5s %12s %12s  %-11s %14s\n", "protocol", "n", "formula", "messages", "", "bytes");
}

void tc_cost_row_text(const struct tc_cost_row *row, struct tc_buf *out)
{
    tc_buf_format(out, "  %-18s %5u ", row->protocol, row->n);
    add_right(out, row->formula, 12);
    tc_buf_add(out, " ");
    add_right(out, (uint64_t)(row->messages + 0.5), 12);
    tc_buf_format(out, "  %-11s ", tc_cost_exact(row) ? "exact" : "NOT EXACT");
    add_right(out, (uint64_t)(row->bytes + 0.5), 14);
    if (!tc_cost_exact(row))
        tc_buf_format(out, "   %llu to %llu messages", (unsigned long long)row->messages_min,
                      (unsigned long long)row->messages_max);
    tc_buf_add(out, "\n");
}

static void add_times(struct tc_buf *out, const struct tc_cost_row *more, const struct tc_cost_row *less)
{
    tc_buf_count(out, (uint64_t)(less->messages + 0.5));
    tc_buf_format(out, " of %s (%.0f times fewer)", less->protocol, more->messages / less->messages);
}

/* The figure that is often quoted, answered from what was measured. */
static void add_quoted(const struct tc_cost_table *table, struct tc_buf *out)
{
    const struct tc_cost_row *pbft = find(table, "pbft", QUOTED_N), *basic = find(table, "hotstuff", QUOTED_N),
                             *chained = find(table, "chained-hotstuff", QUOTED_N);
    if (!pbft || !basic)
        return;
    tc_buf_format(out, "  at n = %d   ", QUOTED_N);
    tc_buf_count(out, (uint64_t)(pbft->messages + 0.5));
    tc_buf_add(out, " messages of pbft against ");
    add_times(out, pbft, basic);
    if (chained) {
        tc_buf_add(out, " or ");
        add_times(out, pbft, chained);
    }
    tc_buf_add(out, ".\n              The often quoted ");
    tc_buf_count(out, QUOTED_QUADRATIC);
    tc_buf_format(out,
                  " against %u are n² and 4n: one of PBFT's two all-to-all phases,\n"
                  "              and of basic HotStuff what the leader says, without votes and new-view messages.\n",
                  QUOTED_LINEAR);
}

void tc_cost_end_text(const struct tc_cost_table *table, struct tc_buf *out)
{
    size_t exact = 0;
    for (size_t i = 0; i < table->row_count; i++)
        exact += tc_cost_exact(&table->rows[i]);
    tc_buf_format(out,
                  "\n  %zu of %zu points cost exactly what the formula says, in every decision that was counted.\n",
                  exact, table->row_count);
    tc_buf_add(out, "  fitted slopes (log-log)   ");
    for (size_t i = 0; i < table->row_count; i++)
        if (begins(table, i))
            tc_buf_format(out, "%s%s: messages %.2f, bytes %.2f", i ? "; " : "", table->rows[i].protocol,
                          tc_cost_slope(table, table->rows[i].protocol, false),
                          tc_cost_slope(table, table->rows[i].protocol, true));
    tc_buf_add(out, "\n");
    add_quoted(table, out);
}

/* ---- files ---- */

static void add_table(const struct tc_cost_table *table, bool plot, struct tc_buf *out)
{
    if (!plot)
        tc_buf_add(out, "protocol\tn\tformula\tmessages\tleast\tmost\tbytes\tdecisions\tapart\tverdict\n");
    for (size_t i = 0; i < table->row_count; i++) {
        const struct tc_cost_row *row = &table->rows[i];
        if (plot && begins(table, i))
            tc_buf_format(out, "%s\"%s\"\n", i ? "\n\n" : "", row->protocol);
        if (plot)
            tc_buf_format(out, "%u\t%llu\t%.3f\t%.3f\n", row->n, (unsigned long long)row->formula, row->messages,
                          row->bytes);
        else
            tc_buf_format(out, "%s\t%u\t%llu\t%.3f\t%llu\t%llu\t%.3f\t%u\t%llu\t%s\n", row->protocol, row->n,
                          (unsigned long long)row->formula, row->messages, (unsigned long long)row->messages_min,
                          (unsigned long long)row->messages_max, row->bytes, row->decisions,
                          (unsigned long long)row->apart, row->verdict == TC_HOLDS ? "holds" : "not");
    }
}

/* Left: counted messages as points on the formula's line. Right: bytes. The last point of each line is named. */
static void add_script(const struct tc_cost_table *table, struct tc_buf *out)
{
    unsigned protocols = 0, n_max = 0;
    for (size_t i = 0; i < table->row_count; i++) {
        protocols += begins(table, i);
        n_max = table->rows[i].n > n_max ? table->rows[i].n : n_max;
    }
    tc_buf_format(out, "last = %u\nlines = %u\nset output 'cost.svg'\nset multiplot layout 1,2\n", n_max,
                  protocols - 1);
    tc_buf_add(
        out, "set logscale xy\nset xlabel 'replicas'\nset grid xtics ytics lc rgb '#e6e8eb' lw 1\n"
             "set xrange [3.4:170]\nset xtics (4,7,10,16,31,61,100)\nset lmargin 11\nset rmargin 1\nset pointsize 0.9\n"
             "set key inside top left vertical Left reverse\nset tmargin 2.5\n"
             "end(n, value, text) = n == last ? text : ''\n"
             "set title 'Messages per decision: counted (points), by the formula (lines)' offset 0,-0.4 textcolor rgb "
             "'#30363d'\nset ylabel 'messages' offset 1,0\nset format y '%.0f'\n"
             "plot for [i=0:lines] 'cost.tsv' index i using 1:2 with lines lt i+1 lw 1.6 notitle, \\\n"
             "     for [i=0:lines] '' index i using 1:3 with points lt i+1 pt 7 title columnheader(1), \\\n"
             "     for [i=0:lines] '' index i using 1:3:(end($1, $3, sprintf('%.0f', $3))) with labels left offset "
             "0.7,0 textcolor lt i+1 notitle\n"
             "set title 'Bytes per decision: most of them signatures' offset 0,-0.4\n"
             "set ylabel 'bytes' offset 1,0\nset format y '%.0s %c'\n"
             "plot for [i=0:lines] 'cost.tsv' index i using 1:4 with linespoints lt i+1 pt 7 lw 1.6 title "
             "columnheader(1), \\\n"
             "     for [i=0:lines] '' index i using 1:4:(end($1, $4, gprintf('%.1s %c', $4))) with labels left offset "
             "0.7,(i == 1 ? 0.45 : i == 0 ? -0.45 : 0) textcolor lt i+1 notitle\nunset multiplot\n");
}

static json_t *json_of(const struct tc_cost_table *table)
{
    json_t *result = json_object(), *points = json_array(), *slopes = json_object();
    bool all = true;
    for (size_t i = 0; i < table->row_count; i++) {
        const struct tc_cost_row *row = &table->rows[i];
        all = all && tc_cost_exact(row);
        json_array_append_new(
            points, json_pack("{s:s, s:i, s:I, s:f, s:I, s:I, s:f, s:i, s:I, s:b, s:s}", "protocol", row->protocol, "n",
                              (int)row->n, "formula", (json_int_t)row->formula, "messages", row->messages, "least",
                              (json_int_t)row->messages_min, "most", (json_int_t)row->messages_max, "bytes", row->bytes,
                              "decisions", (int)row->decisions, "apart", (json_int_t)row->apart, "exact",
                              (int)tc_cost_exact(row), "verdict", row->verdict == TC_HOLDS ? "holds" : "not"));
        if (begins(table, i))
            json_object_set_new(slopes, row->protocol,
                                json_pack("{s:f, s:f}", "messages", tc_cost_slope(table, row->protocol, false), "bytes",
                                          tc_cost_slope(table, row->protocol, true)));
    }
    json_object_set_new(result, "version", json_string(TC_VERSION));
    json_object_set_new(result, "name", tc_json_text(table->name));
    json_object_set_new(result, "summary", tc_json_text(table->summary));
    json_object_set_new(result, "world", json_string("sim"));
    json_object_set_new(result, "seed", json_integer((json_int_t)table->seed));
    json_object_set_new(result, "verdict", json_string(all ? "holds" : "violated"));
    json_object_set_new(result, "exit", json_integer(table->exit_code));
    json_object_set_new(result, "exact", json_boolean(all));
    json_object_set_new(result, "slopes", slopes);
    json_object_set_new(result, "points", points);
    json_object_set_new(result, "command", tc_json_text(table->command));
    json_object_set_new(result, "repeat", json_pack("[o]", tc_json_text(table->repeat)));
    return result;
}

int tc_cost_write(const struct tc_cost_table *table, const char *dir, struct tc_error *err)
{
    struct tc_buf tsv = {0}, plot = {0}, script = {0};
    char plots[600];
    add_table(table, false, &tsv);
    add_table(table, true, &plot);
    add_script(table, &script);
    snprintf(plots, sizeof plots, "%s/plots", dir);
    int rc = tc_out_directory(plots, err);
    if (rc == 0)
        rc = tc_out_file(dir, "cost.tsv", &tsv, err);
    if (rc == 0)
        rc = tc_out_file(plots, "cost.tsv", &plot, err);
    if (rc == 0) {
        json_t *result = json_of(table);
        rc = tc_result_write(dir, result, err);
        json_decref(result);
    }
    if (rc == 0)
        rc = tc_plot_script(dir, "cost", 1140, 420, tc_buf_get(&script), err);
    tc_buf_free(&tsv);
    tc_buf_free(&plot);
    tc_buf_free(&script);
    return rc;
}
