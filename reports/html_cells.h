/* What the tables of the page are made of. Every cell carries the name of its column, so that a narrow screen can stack
 * them; what was not measured is a dash. Private to html_*.c. */
#ifndef TC_HTML_CELLS_H
#define TC_HTML_CELLS_H

#include "html.h"

/* Begins a table: the headings, those from `first_number` on over numbers. The caller ends it: </tbody></table>. */
void tc_cell_header(struct tc_html *h, const char *const *names, size_t count, size_t first_number);

/* Begins a cell of the column `label`, of this CSS class (may be empty); both are ours and not escaped. The caller
 * ends it: </td>. */
void tc_cell_begin(struct tc_html *h, const char *label, const char *class);

/* A whole cell: a text, escaped; the member `name` of `o` as a duration or as a count. */
void tc_cell_text(struct tc_html *h, const char *label, const char *text);
void tc_cell_duration(struct tc_html *h, const char *label, const json_t *o, const char *name);
void tc_cell_count(struct tc_html *h, const char *label, const json_t *o, const char *name);
/* As a number a second: with a decimal below 10. */
void tc_cell_rate(struct tc_html *h, const char *label, const json_t *o, const char *name);

/* The last cell of a row and its end; takes and frees the value. */
void tc_cell_measured(struct tc_html *h, struct tc_buf *value);

#endif
