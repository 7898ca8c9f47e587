#include "html_cells.h"

void tc_cell_begin(struct tc_html *h, const char *label, const char *class)
{
    tc_buf_format(h->out, "<td data-l=\"%s\"%s%s%s>", label, *class ? " class=\"" : "", class, *class ? "\"" : "");
}

void tc_cell_duration(struct tc_html *h, const char *label, const json_t *o, const char *name)
{
    uint64_t ns = tc_json_ns(o, name);
    tc_cell_begin(h, label, ns == TC_NEVER_NS ? "num none" : "num");
    if (ns == TC_NEVER_NS)
        tc_buf_add(h->out, "–");
    else
        tc_buf_duration(h->out, ns);
    tc_buf_add(h->out, "</td>");
}

void tc_cell_count(struct tc_html *h, const char *label, const json_t *o, const char *name)
{
    const double count = tc_json_has(o, name) ? tc_json_number(o, name) : -1;
    const bool is_count = count >= 0 && count < 1.8e19;
    tc_cell_begin(h, label, is_count ? "num" : "num none");
    if (is_count)
        tc_buf_count(h->out, (uint64_t)count);
    else
        tc_buf_add(h->out, "–");
    tc_buf_add(h->out, "</td>");
}

void tc_cell_rate(struct tc_html *h, const char *label, const json_t *o, const char *name)
{
    const double rate = tc_json_number(o, name);
    if (!tc_json_has(o, name) || !(rate > 0 && rate < 9.95)) {
        tc_cell_count(h, label, o, name);
        return;
    }
    tc_cell_begin(h, label, "num");
    tc_buf_format(h->out, "%.1f</td>", rate);
}

void tc_cell_text(struct tc_html *h, const char *label, const char *text)
{
    tc_cell_begin(h, label, "");
    tc_html_text(h, text);
    tc_buf_add(h->out, "</td>");
}

void tc_cell_measured(struct tc_html *h, struct tc_buf *value)
{
    tc_cell_begin(h, "measured", "num");
    tc_html_text(h, value->len > 0 ? tc_buf_get(value) : "–");
    tc_buf_free(value);
    tc_buf_add(h->out, "</td></tr>\n");
}

void tc_cell_header(struct tc_html *h, const char *const *names, size_t count, size_t first_number)
{
    tc_buf_add(h->out, "<table><thead><tr>");
    for (size_t i = 0; i < count; i++)
        tc_buf_format(h->out, "<th%s>%s</th>", i >= first_number ? " class=\"num\"" : "", names[i]);
    tc_buf_add(h->out, "</tr></thead><tbody>\n");
}
