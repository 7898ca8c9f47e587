/* The report of a sweep: messages and bytes that a decision costs, by protocol and number of replicas. */
#ifndef TC_REPORT_COST_H
#define TC_REPORT_COST_H

#include "../oracles/oracle.h"
#include "../proxy/error.h"
#include "buf.h"

#define TC_COST_ROWS_MAX 512

/* One point of it: a protocol with n replicas. Rows of one protocol stand together, by growing n. */
struct tc_cost_row {
    const char *protocol; /* static */
    uint32_t n, decisions;
    uint64_t formula;                    /* messages a decision, by the protocol's table */
    uint64_t messages_min, messages_max; /* counted, of one decision */
    double messages, bytes;              /* counted, the mean over the decisions */
    uint64_t apart;                      /* messages of the run that the formula leaves out */
    enum tc_status verdict;
};

struct tc_cost_table {
    const char *name, *summary, *repeat, *command; /* borrowed */
    uint64_t seed;
    struct tc_cost_row rows[TC_COST_ROWS_MAX];
    size_t row_count;
    int exit_code;
};

/* Did every decision that was counted cost exactly what the formula says? */
bool tc_cost_exact(const struct tc_cost_row *row);

/* Slope of log(value) over log(n) by least squares, over the protocol's rows with n > 1; 0 if there are fewer than two
 * such. `bytes`: of bytes, else of messages. */
double tc_cost_slope(const struct tc_cost_table *table, const char *protocol, bool bytes);

/* Lines for the terminal: the head, one row, and what came of all of them. */
void tc_cost_head_text(struct tc_buf *out);
void tc_cost_row_text(const struct tc_cost_row *row, struct tc_buf *out);
void tc_cost_end_text(const struct tc_cost_table *table, struct tc_buf *out);

/* Writes result.json, cost.tsv and plots/cost.{gp,tsv,svg} into the run directory. 0, or the first failure (TC_EIO,
 * TC_EMEMORY, TC_ENOT_FOUND: no gnuplot; tables are written all the same). */
int tc_cost_write(const struct tc_cost_table *table, const char *dir, struct tc_error *err);

#endif
