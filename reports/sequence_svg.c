/* Draws the chosen messages: a lane a node, time downwards. Colours come from the page's variables, with values of
 * their own for the picture alone. */
#include "../proxy/names.h"
#include "sequence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEFT    96
#define SLANT   20 /* how much lower an arrow ends that took no time */
#define DIGESTS 5

struct draw {
    const struct tc_sequence *s;
    struct tc_buf *svg;
    int width;
    const char *digests[DIGESTS];
    uint32_t digest_count;
    bool fates[TC_SEQ_FATES];
    bool passed_on; /* somebody's word by another's mouth was drawn */
};

static const char style[] =
    "<style>"
    ".sq{font:12px ui-sans-serif,system-ui,'Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif}"
    ".sq text{fill:var(--ink,#1d2329)}.sq .t{fill:var(--muted,#69727c);font-size:11px;text-anchor:end;"
    "font-variant-numeric:tabular-nums}"
    ".sq .lane{stroke:var(--rule,#d9dde2);stroke-width:1.5}.sq .head{fill:var(--card,#fff);stroke:var(--rule,#c5cbd2)}"
    ".sq .bad{stroke:var(--forged,#c2410c)}.sq .n{text-anchor:middle;font-weight:600}"
    ".sq .tr{text-anchor:middle;fill:var(--forged,#c2410c);font-size:11px}"
    ".sq line.m,.sq path.m{stroke:var(--wire,#44607c);stroke-width:1.4;fill:none}"
    ".sq polygon.m{fill:var(--wire,#44607c)}"
    ".sq line.f,.sq path.f{stroke:var(--forged,#c2410c);stroke-width:1.8;stroke-dasharray:6 4;fill:none}"
    ".sq polygon.f{fill:var(--forged,#c2410c)}"
    ".sq line.x,.sq path.x{stroke:var(--muted,#69727c);stroke-width:1.3;fill:none}"
    ".sq path.c{stroke:var(--cross,#b3261e);stroke-width:2.2;fill:none}"
    ".sq line.d{stroke:var(--late,#8a5a00);stroke-width:1.5;stroke-dasharray:2 3}.sq "
    "polygon.d{fill:var(--late,#8a5a00)}"
    ".sq .l{font-size:11.5px;paint-order:stroke;stroke:var(--card,#fff);stroke-width:4px;stroke-linejoin:round}"
    ".sq .l.f{fill:var(--forged,#c2410c)}.sq .l.x{fill:var(--muted,#69727c)}.sq .l.d{fill:var(--late,#8a5a00)}"
    ".sq .cut{stroke:var(--rule,#d9dde2);stroke-dasharray:1 5;stroke-width:2;stroke-linecap:round}"
    ".sq .ct{fill:var(--muted,#69727c);font-size:11px;text-anchor:middle;paint-order:stroke;stroke:var(--card,#fff);"
    "stroke-width:8px}"
    ".sq .mark{fill:var(--card,#fff);stroke:var(--muted,#69727c)}.sq .mt{font-size:11px;text-anchor:middle}"
    ".sq .find{stroke:var(--cross,#b3261e);stroke-width:1.5}.sq .ft{fill:var(--cross,#b3261e);font-weight:600;"
    "font-size:12px;paint-order:stroke;stroke:var(--card,#fff);stroke-width:5px}"
    ".sq .g0{stroke:#0072b2;fill:#0072b2}.sq .g1{stroke:#d98200;fill:#d98200}.sq .g2{stroke:#009e73;fill:#009e73}"
    ".sq .g3{stroke:#b5598f;fill:#b5598f}.sq .g4{stroke:#69727c;fill:#69727c}"
    "</style>";

static int lane_x(const struct draw *d, int lane)
{
    int room = d->width - LEFT - 130;
    return d->s->lane_count < 2 ? LEFT + 70 : LEFT + 70 + lane * room / ((int)d->s->lane_count - 1);
}

/* Colour class of a digest, in order of appearance; the last class is shared by all that come later. */
static uint32_t digest_class(struct draw *d, const char *digest)
{
    for (uint32_t i = 0; i < d->digest_count; i++)
        if (strcmp(d->digests[i], digest) == 0)
            return i;
    if (d->digest_count == DIGESTS)
        return DIGESTS - 1;
    d->digests[d->digest_count] = digest;
    return d->digest_count++;
}

static const char *line_class(enum tc_sequence_fate fate)
{
    switch (fate) {
    case TC_SEQ_CHANGED:
    case TC_SEQ_CORRUPTED:
        return "f";
    case TC_SEQ_DROPPED:
    case TC_SEQ_HELD:
    case TC_SEQ_UNDELIVERED:
        return "x";
    case TC_SEQ_DELAYED:
        return "d";
    default:
        return "m";
    }
}

static void heads(struct draw *d)
{
    const struct tc_sequence *s = d->s;
    for (uint32_t i = 0; i < s->lane_count; i++) {
        int x = lane_x(d, (int)i);
        bool traitor = false;
        const json_t *node;
        size_t k;
        json_array_foreach(json_object_get(s->result, "traitors"), k, node) traitor |=
            json_integer_value(node) == s->lanes[i];
        tc_buf_format(d->svg, "<line class=\"lane\" x1=\"%d\" y1=\"40\" x2=\"%d\" y2=\"%d\"/>", x, x, s->height - 10);
        tc_buf_format(d->svg, "<rect class=\"head%s\" x=\"%d\" y=\"12\" width=\"90\" height=\"28\" rx=\"6\"/>",
                      traitor ? " bad" : "", x - 45);
        if (s->lanes[i] == TC_CLIENT_FIRST)
            tc_buf_format(d->svg, "<text class=\"n\" x=\"%d\" y=\"31\">clients</text>", x);
        else
            tc_buf_format(d->svg, "<text class=\"n\" x=\"%d\" y=\"31\">replica %u</text>", x, s->lanes[i]);
        if (traitor)
            tc_buf_format(d->svg, "<text class=\"tr\" x=\"%d\" y=\"56\">traitor</text>", x);
    }
}

static void arrow_head(struct draw *d, const char *class, double x1, double y1, double x2, double y2)
{
    double length = hypot(x2 - x1, y2 - y1);
    if (length < 1)
        return;
    double ux = (x2 - x1) / length, uy = (y2 - y1) / length;
    tc_buf_format(d->svg, "<polygon class=\"%s\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>", class, x2, y2,
                  x2 - 9 * ux + 3.6 * uy, y2 - 9 * uy - 3.6 * ux, x2 - 9 * ux - 3.6 * uy, y2 - 9 * uy + 3.6 * ux);
}

/* What the pointer sees over an arrow. */
static void tooltip(struct draw *d, const struct tc_sequence_row *row)
{
    static const char *const fates[] = {"", ", delayed", ", a duplicate", ", changed",      ", corrupted",
                                        "", ", dropped", ", held back",   ", not delivered"};
    char from[8], to[8];
    tc_buf_add(d->svg, "<title>");
    tc_buf_escape(d->svg, TC_ESCAPE_MARKUP, *row->type ? row->type : row->kind);
    if (row->signer != row->from)
        tc_buf_format(d->svg, " of %s,", tc_node_name(row->signer, from));
    tc_buf_format(d->svg, " %s → %s", tc_node_name(row->from, from), tc_node_name(row->to, to));
    if (row->view != TC_NEVER_NS)
        tc_buf_format(d->svg, ", view %llu", (unsigned long long)row->view);
    if (row->sequence != TC_NEVER_NS)
        tc_buf_format(d->svg, ", sequence %llu", (unsigned long long)row->sequence);
    if (*row->digest) {
        tc_buf_add(d->svg, ", digest ");
        tc_buf_escape(d->svg, TC_ESCAPE_MARKUP, row->digest);
    }
    tc_buf_add(d->svg, row->fate < TC_SEQ_EXECUTED ? fates[row->fate] : "");
    if (row->same_value)
        tc_buf_add(d->svg, " into one of the same value");
    if (row->decision)
        tc_buf_format(d->svg, " (decision #%llu)", (unsigned long long)row->decision);
    tc_buf_add(d->svg, "</title>");
}

/* Where a message that took long arrives; else a little below its start. */
static int arrival_y(const struct tc_sequence *s, uint32_t row, int start_y)
{
    for (uint32_t i = 0; i < s->item_count; i++)
        if (s->items[i].kind == TC_SEQ_ARRIVAL && s->items[i].row == row)
            return s->items[i].y;
    return start_y + SLANT;
}

static void arrow(struct draw *d, uint32_t index, int y)
{
    const struct tc_sequence_row *row = &d->s->rows[index];
    const char *class = line_class(row->fate);
    double x1 = lane_x(d, tc_sequence_lane(d->s, row->from)), x2 = lane_x(d, tc_sequence_lane(d->s, row->to));
    double y1 = y, y2 = arrival_y(d->s, index, y);
    bool lost = strcmp(class, "x") == 0;
    d->fates[row->fate] = true;
    if (lost) { /* it ends on the way, in a cross */
        double adjacent = fabs(x2 - x1) > 260 ? 0.8 : 0.62;
        x2 = x1 + (x2 - x1) * adjacent;
        y2 = y1 + (y2 - y1) * adjacent;
    } else {
        x2 += x2 > x1 ? -2 : 2;
    }
    tc_buf_add(d->svg, "<g>");
    tooltip(d, row);
    tc_buf_format(d->svg, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", class, x1, y1, x2,
                  y2);
    if (lost)
        tc_buf_format(d->svg, "<path class=\"c\" d=\"M%.1f %.1fl10 10m0 -10l-10 10\"/>", x2 - 5, y2 - 5);
    else
        arrow_head(d, class, x1, y1, x2, y2);
    tc_buf_add(d->svg, "</g>");
}

/* "pre-prepare v0 9c41", "2's prepare v0 9c41" of who passes it on. */
static void words_of(struct draw *d, const struct tc_sequence_row *row, bool value)
{
    static const char *const fates[] = {"", "late ",    "again ", "changed ",    "corrupted ",
                                        "", "dropped ", "held ",  "undelivered "};
    char name[8];
    tc_buf_add(d->svg, row->same_value ? "made anew: " : fates[row->fate]);
    if (row->signer != row->from) {
        tc_buf_format(d->svg, "%s's ", tc_node_name(row->signer, name));
        d->passed_on = true;
    }
    tc_buf_escape(d->svg, TC_ESCAPE_MARKUP, *row->type ? row->type : row->kind);
    if (row->view != TC_NEVER_NS)
        tc_buf_format(d->svg, " v%llu", (unsigned long long)row->view);
    if (value) {
        tc_buf_add(d->svg, " ");
        tc_buf_escape_bytes(d->svg, TC_ESCAPE_MARKUP, row->digest, strnlen(row->digest, 4));
    }
    if (row->fate == TC_SEQ_DELAYED && row->heard_ns != TC_NEVER_NS && row->said_ns != TC_NEVER_NS) {
        tc_buf_add(d->svg, ", ");
        tc_buf_duration(d->svg, row->heard_ns - row->said_ns);
    }
}

/* Its words beside where the fan starts, with a dot in the digest's colour. */
static void fan_label(struct draw *d, const struct tc_sequence_item *item)
{
    const struct tc_sequence_row *row = &d->s->rows[item->row];
    int lane = tc_sequence_lane(d->s, row->from), x = lane_x(d, lane);
    bool last = lane + 1 == (int)d->s->lane_count;
    /* The label goes to the side the arrows leave from when all leave to one side. */
    bool all_left = true;
    for (uint32_t i = 0; i < item->count; i++)
        all_left &= tc_sequence_lane(d->s, d->s->rows[item->next[i]].to) < lane;
    bool left = last || (all_left && lane > 0);
    /* Only what the cluster agrees on gets a colour; a view change's digest would use them up. */
    bool value = *row->digest && (strcmp(row->kind, "propose") == 0 || strcmp(row->kind, "vote") == 0 ||
                                  strcmp(row->kind, "certificate") == 0);
    if (value)
        tc_buf_format(d->svg, "<circle class=\"g%u\" cx=\"%d\" cy=\"%d\" r=\"3.4\"/>", digest_class(d, row->digest), x,
                      item->y);
    tc_buf_format(d->svg, "<text class=\"l %s\" x=\"%d\" y=\"%d\" text-anchor=\"%s\">", line_class(row->fate),
                  left ? x - 9 : x + 9, item->y - 4, left ? "end" : "start");
    words_of(d, row, value);
    tc_buf_add(d->svg, "</text>");
}

static void mark(struct draw *d, const struct tc_sequence_item *item)
{
    const struct tc_sequence_row *row = &d->s->rows[item->row];
    int x = lane_x(d, tc_sequence_lane(d->s, row->from));
    char words[64];
    if (row->fate == TC_SEQ_EXECUTED)
        snprintf(words, sizeof words, "executes %.4s", *row->digest ? row->digest : "it");
    else
        snprintf(words, sizeof words, "%s view %llu", row->fate == TC_SEQ_ENTERS ? "enters" : "asks for",
                 (unsigned long long)row->view);
    tc_buf_format(d->svg, "<g>");
    tooltip(d, row);
    tc_buf_format(d->svg, "<rect class=\"mark\" x=\"%d\" y=\"%d\" width=\"106\" height=\"20\" rx=\"10\"/>", x - 53,
                  item->y - 10);
    if (row->fate == TC_SEQ_EXECUTED && *row->digest) {
        uint32_t digest = digest_class(d, row->digest);
        tc_buf_format(d->svg,
                      "<rect class=\"g%u\" x=\"%d\" y=\"%d\" width=\"106\" height=\"20\" rx=\"10\" "
                      "fill-opacity=\".14\"/>",
                      digest, x - 53, item->y - 10);
    }
    tc_buf_format(d->svg, "<text class=\"mt\" x=\"%d\" y=\"%d\">", x, item->y + 4);
    tc_buf_escape(d->svg, TC_ESCAPE_MARKUP, words);
    tc_buf_add(d->svg, "</text></g>");
}

static void finding(struct draw *d, const struct tc_sequence_item *item)
{
    tc_buf_format(d->svg, "<line class=\"find\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT, item->y, d->width - 8,
                  item->y);
    tc_buf_format(d->svg, "<text class=\"ft\" x=\"%d\" y=\"%d\">", LEFT + 8, item->y - 5);
    tc_buf_escape(d->svg, TC_ESCAPE_MARKUP, tc_json_string(json_object_get(d->s->result, "first"), "oracle"));
    tc_buf_add(d->svg, ": found here</text>");
}

static void cut(struct draw *d, const struct tc_sequence_item *item)
{
    int y = item->y - 26;
    tc_buf_format(d->svg, "<line class=\"cut\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT, y, d->width - 8, y);
    tc_buf_format(d->svg, "<text class=\"ct\" x=\"%d\" y=\"%d\">", (LEFT + d->width) / 2, y + 4);
    tc_buf_duration(d->svg, item->cut_ns);
    tc_buf_add(d->svg, " without a word on it</text>");
}

static void time_label(struct draw *d, const struct tc_sequence_item *item, char last[static 32])
{
    struct tc_buf words = {0};
    uint64_t since = item->time_ns - d->s->items[0].time_ns;
    tc_buf_add(&words, since == 0 ? "" : "+");
    if (since == 0) {
        tc_buf_format(&words, "%.4f s", (double)item->time_ns / 1e9);
    } else {
        tc_buf_duration(&words, since);
    }
    if (strcmp(last, tc_buf_get(&words)) != 0) {
        tc_buf_format(d->svg, "<text class=\"t\" x=\"%d\" y=\"%d\">%s</text>", LEFT - 14, item->y + 4,
                      tc_buf_get(&words));
        snprintf(last, 32, "%s", tc_buf_get(&words));
    }
    tc_buf_free(&words);
}

/* One entry of the legend; moves *x on. */
static void legend_line(struct draw *d, int *x, int y, const char *class, bool cross, const char *words)
{
    tc_buf_format(d->svg, "<line class=\"%s\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", class, *x, y, *x + 34, y);
    if (cross)
        tc_buf_format(d->svg, "<path class=\"c\" d=\"M%d %dl8 8m0 -8l-8 8\"/>", *x + 32, y - 4);
    else
        arrow_head(d, class, *x, y, *x + 38, y);
    tc_buf_format(d->svg, "<text x=\"%d\" y=\"%d\">%s</text>", *x + 46, y + 4, words);
    *x += 62 + 7 * (int)strlen(words);
}

static int legend(struct draw *d)
{
    int x = LEFT, y = d->s->height + 14;
    legend_line(d, &x, y, "m", false, "as it was said");
    if (d->fates[TC_SEQ_CHANGED])
        legend_line(d, &x, y, "f", false, "changed");
    if (d->fates[TC_SEQ_CORRUPTED])
        legend_line(d, &x, y, "f", false, "corrupted");
    if (d->fates[TC_SEQ_DELAYED])
        legend_line(d, &x, y, "d", false, "delayed");
    if (d->fates[TC_SEQ_DROPPED])
        legend_line(d, &x, y, "x", true, "dropped");
    else if (d->fates[TC_SEQ_HELD] || d->fates[TC_SEQ_UNDELIVERED])
        legend_line(d, &x, y, "x", true, "not delivered");
    x = LEFT;
    y += 26;
    for (uint32_t i = 0; i < d->digest_count; i++) {
        bool shared = i == DIGESTS - 1;
        tc_buf_format(d->svg, "<circle class=\"g%u\" cx=\"%d\" cy=\"%d\" r=\"4.5\"/><text x=\"%d\" y=\"%d\">", i, x + 6,
                      y, x + 18, y + 4);
        tc_buf_escape_bytes(d->svg, TC_ESCAPE_MARKUP, shared ? "others" : d->digests[i],
                            strnlen(shared ? "others" : d->digests[i], 8));
        tc_buf_add(d->svg, shared || strlen(d->digests[i]) < 8 ? "</text>" : "…</text>");
        x += 110;
    }
    tc_buf_format(d->svg, "<text x=\"%d\" y=\"%d\" class=\"t\">digest of</text>", LEFT - 14, y + 4);
    if (d->s->sequence != TC_NEVER_NS)
        tc_buf_format(d->svg, "<text x=\"%d\" y=\"%d\">sequence %llu; v = view%s</text>", x + 6, y + 4,
                      (unsigned long long)d->s->sequence, d->passed_on ? "; 0's = signed by 0, passed on" : "");
    return y + 22;
}

void tc_sequence_svg(const struct tc_sequence *s, struct tc_buf *out)
{
    struct tc_buf body = {0};
    struct draw d = {.s = s, .svg = &body};
    char last[32] = "";
    d.width = s->lane_count > 5 ? LEFT + 150 + 160 * ((int)s->lane_count - 1) : 940;
    heads(&d);
    for (uint32_t i = 0; i < s->item_count; i++) {
        const struct tc_sequence_item *item = &s->items[i];
        if (item->cut_ns)
            cut(&d, item);
        for (uint32_t k = 0; item->kind == TC_SEQ_FAN && k < item->count; k++)
            arrow(&d, item->next[k], item->y);
    }
    for (uint32_t i = 0; i < s->item_count; i++) {
        const struct tc_sequence_item *item = &s->items[i];
        if (i == 0 || item->y != s->items[i - 1].y)
            time_label(&d, item, last);
        if (item->kind == TC_SEQ_FAN)
            fan_label(&d, item);
        else if (item->kind == TC_SEQ_MARK)
            mark(&d, item);
        else if (item->kind == TC_SEQ_FINDING)
            finding(&d, item);
    }
    int height = legend(&d);
    tc_buf_format(out,
                  "<svg class=\"sq\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
                  "aria-label=\"Message-sequence picture\">%s",
                  d.width, height, style);
    tc_buf_bytes(out, tc_buf_get(&body), body.len);
    tc_buf_add(out, "</svg>");
    out->failed |= body.failed;
    tc_buf_free(&body);
}
