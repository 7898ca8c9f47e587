/* The parts of report.html: html.c holds the order of the page, html_sections.c and html_figures.c its tables,
 * html_cells.c what these are made of, html_style.c its looks. */
#ifndef TC_HTML_H
#define TC_HTML_H

#include "render.h"

extern const char tc_html_style[];
/* The only script of the page: the copy buttons. Its SHA-256 stands in the page's policy, so nothing else runs. */
extern const char tc_html_script[];
extern const char tc_html_script_hash[]; /* base64; a unit test compares it with the script */

struct tc_html {
    const char *dir;
    const json_t *result;
    struct tc_buf *out;
};

/* Untrusted text, escaped. */
void tc_html_text(struct tc_html *h, const char *text);
/* Begins a section with this heading; `lead` (may be NULL) is a sentence under it. All three are ours and not escaped.
 * The caller closes it: </section>. */
void tc_html_section(struct tc_html *h, const char *id, const char *title, const char *lead);
/* A command to be copied: a box with a button. Its words are broken only where one is longer than a line. */
void tc_html_command(struct tc_buf *out, const char *line);
/* A link to the finding's evidence file; plain text if what stands there is not the name of one. */
void tc_html_evidence_link(struct tc_html *h, const json_t *finding, const char *text);
/* CSS class of a status: "good", "bad", "warn", "info" or "mute". */
const char *tc_html_class(const char *status);

/* The sections of the page, each from h->result into h->out; what was not measured is left out or said so. */
void tc_html_faults(struct tc_html *h);
void tc_html_oracles(struct tc_html *h);
void tc_html_phases(struct tc_html *h);
void tc_html_cost(struct tc_html *h);
void tc_html_metrics(struct tc_html *h);
void tc_html_thresholds(struct tc_html *h);
void tc_html_setup(struct tc_html *h);

#endif
