/* The reports as functions of result.json and the tables beside it: what tc_recorder_finish and tc_report_render share.
 */
#ifndef TC_RENDER_H
#define TC_RENDER_H

#include "../proxy/error.h"
#include "buf.h"
#include "json.h"

/* Writes result.json. TC_EIO, TC_EMEMORY. */
int tc_result_write(const char *dir, json_t *result, struct tc_error *err);

/* Plots, sequence picture, junit.xml and report.html of a run directory. Goes on after a failure; the first is returned
 * (TC_EIO, TC_EMEMORY). A plot that cannot be made is no failure: report.html says why. */
int tc_render(const char *dir, json_t *result, struct tc_error *err);

/* Runs gnuplot on each table that is there and not empty. Each plot's outcome is put into `plots`, an array of
 * {name, title, about, svg (file name, or absent), error}. */
void tc_plots_make(const char *dir, const json_t *result, json_t *plots);

/* Writes DIR/plots/NAME.gp (the prelude that all plots share, and `script`) and runs gnuplot on it. TC_EIO, TC_EMEMORY;
 * TC_ENOT_FOUND: there is no gnuplot; TC_ELIMIT: it did not end. */
int tc_plot_script(const char *dir, const char *name, int width, int height, const char *script, struct tc_error *err);

/* The message-sequence picture as an SVG element, "" if there is nothing to draw; `caption` says what is shown (plain
 * text, unescaped). `messages` is the content of messages.tsv. */
void tc_sequence_draw(const json_t *result, const char *messages, struct tc_buf *svg, struct tc_buf *caption);

/* junit.xml: a test case an oracle and a threshold, named alike in every run; what failed has the evidence's file and
 * the repeat line. */
void tc_junit_write(const json_t *result, const char *dir, struct tc_buf *out);

/* The page. `sequence` is the picture's SVG element or "". */
void tc_html_write(const char *dir, const json_t *result, const json_t *plots, const char *sequence,
                   const char *sequence_caption, struct tc_buf *out);

/* The terminal block, see tc_report_terminal. */
void tc_terminal_write(const json_t *result, const char *report_path, bool color, bool verbose, struct tc_buf *out);

#endif
