/* From result.json and tables to plots, picture, junit.xml and report.html. */
#include "render.h"

#include "out.h"
#include "recorder.h"

#include <stdio.h>

#define RESULT_MAX   ((size_t)64 << 20)
#define MESSAGES_MAX ((size_t)32 << 20)

static void keep_first(struct tc_error *first, const struct tc_error *err)
{
    if (first && first->code == 0 && err->code != 0)
        *first = *err;
}

static void write_file(const char *dir, const char *name, struct tc_buf *text, struct tc_error *first)
{
    struct tc_error err = {0};
    tc_out_file(dir, name, text, &err);
    keep_first(first, &err);
    tc_buf_free(text);
}

/* The picture, for the page and as a file of its own among the plots. */
static void draw_sequence(const char *dir, const json_t *result, struct tc_buf *svg, struct tc_buf *caption,
                          struct tc_error *first)
{
    struct tc_buf messages = {0}, copy = {0};
    struct tc_error err = {0};
    if (tc_out_read(dir, "messages.tsv", MESSAGES_MAX, &messages, &err) == 0)
        tc_sequence_draw(result, tc_buf_get(&messages), svg, caption);
    else if (err.code != TC_ENOT_FOUND)
        keep_first(first, &err);
    if (svg->len > 0) {
        tc_buf_bytes(&copy, tc_buf_get(svg), svg->len);
        tc_buf_add(&copy, "\n");
        write_file(dir, "plots/sequence.svg", &copy, first);
    }
    tc_buf_free(&messages);
}

int tc_render(const char *dir, json_t *result, struct tc_error *err)
{
    struct tc_buf svg = {0}, caption = {0}, junit = {0}, html = {0};
    struct tc_error first = {0};
    json_t *plots = json_array();
    tc_junit_write(result, dir, &junit);
    write_file(dir, "junit.xml", &junit, &first);
    tc_plots_make(dir, result, plots);
    draw_sequence(dir, result, &svg, &caption, &first);
    tc_html_write(dir, result, plots, tc_buf_get(&svg), tc_buf_get(&caption), &html);
    write_file(dir, "report.html", &html, &first);
    tc_buf_free(&svg);
    tc_buf_free(&caption);
    json_decref(plots);
    if (err && first.code != 0)
        *err = first;
    return first.code;
}

int tc_result_write(const char *dir, json_t *result, struct tc_error *err)
{
    return tc_json_save(dir, "result.json", result, err);
}

int tc_report_render(const char *dir, struct tc_error *err)
{
    json_t *result = tc_json_load(dir, "result.json", RESULT_MAX, err);
    if (!result)
        return err->code;
    int rc = tc_out_directory(dir, err);
    char plots[600];
    snprintf(plots, sizeof plots, "%s/plots", dir);
    if (rc == 0)
        rc = tc_out_directory(plots, err);
    if (rc == 0)
        rc = tc_render(dir, result, err);
    json_decref(result);
    return rc;
}
