/* junit.xml of a hunt: a case for each strategy and oracle, so that names are stable whatever is found. */
#include "hunt.h"
#include "out.h"

#include "../oracles/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct cases {
    const char *dir; /* of the hunt */
    struct tc_buf text;
    unsigned tests, failures, skipped;
};

static void markup(struct tc_buf *out, const char *text)
{
    tc_buf_escape(out, TC_ESCAPE_MARKUP, text);
}

static void failure(struct cases *c, const struct tc_hunt_result *r, const struct tc_hunt_group *g, uint32_t strategy)
{
    struct tc_buf block = {0};
    c->failures++;
    tc_buf_add(&c->text, ">\n      <failure type=\"violated\" message=\"");
    markup(&c->text, g->text);
    tc_buf_add(&c->text, "\">");
    tc_hunt_group_text(r, g, c->dir, false, &block);
    markup(&c->text, tc_buf_get(&block));
    tc_buf_free(&block);
    tc_buf_format(&c->text, "runs of this strategy that show it: %" PRIu64 ", the first is run %" PRIu64 "\nhunt: ",
                  g->by[strategy].runs, g->by[strategy].index);
    markup(&c->text, r->command);
    tc_buf_add(&c->text, "</failure>\n    </testcase>\n");
}

/* Of all kinds that this oracle found by this strategy: the first. */
static const struct tc_hunt_group *first_group(const struct tc_hunt_result *r, const char *oracle, uint32_t strategy)
{
    const struct tc_hunt_group *first = NULL;
    for (uint32_t i = 0; i < r->group_count; i++) {
        const struct tc_hunt_group *g = &r->groups[i];
        if (strcmp(g->oracle, oracle) == 0 && g->by[strategy].runs > 0 &&
            (!first || g->by[strategy].index < first->by[strategy].index))
            first = g;
    }
    return first;
}

static void one_case(struct cases *c, const struct tc_hunt_result *r, uint32_t strategy, const char *oracle)
{
    const struct tc_hunt_sum *sum = &r->strategies[strategy].sum;
    const struct tc_hunt_group *g = first_group(r, oracle, strategy);
    c->tests++;
    tc_buf_add(&c->text, "    <testcase classname=\"hunt ");
    markup(&c->text, r->name);
    tc_buf_add(&c->text, "\" name=\"");
    markup(&c->text, r->strategies[strategy].name);
    tc_buf_add(&c->text, " ");
    markup(&c->text, oracle);
    tc_buf_format(&c->text, "\" time=\"%.3f\"", (double)sum->busy_ns / 1e9);
    if (g) {
        failure(c, r, g, strategy);
    } else if (sum->bitten == 0) {
        c->skipped++;
        tc_buf_add(&c->text, ">\n      <skipped message=\"no fault bit in any run: nothing was tested\"/>\n    "
                             "</testcase>\n");
    } else {
        tc_buf_add(&c->text, "/>\n");
    }
}

int tc_hunt_junit(const char *dir, const struct tc_hunt_result *r, struct tc_error *err)
{
    struct cases c = {.dir = dir};
    struct tc_buf out = {0};
    const unsigned errors = r->error[0] ? 1 : 0;
    for (uint32_t i = 0; i < r->strategy_count; i++)
        for (size_t k = 0; tc_oracle_classes[k]; k++)
            one_case(&c, r, i, tc_oracle_classes[k]->name);
    if (errors) {
        tc_buf_add(&c.text, "    <testcase classname=\"hunt\" name=\"all runs ended in order\"><error message=\"");
        markup(&c.text, r->error);
        tc_buf_add(&c.text, "\"/></testcase>\n");
        c.tests++;
    }
    tc_buf_format(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"hunt ");
    markup(&out, r->name);
    tc_buf_format(&out, "\" tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.3f\">\n%s", c.tests,
                  c.failures, errors, c.skipped, r->seconds, tc_buf_get(&c.text));
    tc_buf_add(&out, "  </testsuite>\n</testsuites>\n");
    out.failed |= c.text.failed;
    const int status = tc_out_file(dir, "junit.xml", &out, err);
    tc_buf_free(&c.text);
    tc_buf_free(&out);
    return status;
}
