/* What the tests of reports share: a run directory of their own, and the results in tests/golden. */
#ifndef TC_TEST_REPORT_FIXTURE_H
#define TC_TEST_REPORT_FIXTURE_H

#include "../../reports/html.h"
#include "../../reports/out.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN TC_SOURCE_DIR "/tests/golden/report"

static char dir[64];

static inline int make_dir(void **state)
{
    (void)state;
    char plots[80];
    snprintf(dir, sizeof dir, "/tmp/tc-report-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(plots, sizeof plots, "%s/plots", dir);
    return mkdir(plots, 0755);
}

static inline int remove_dir(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static inline json_t *golden_result(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.json", GOLDEN, name);
    json_t *result = json_load_file(path, 0, NULL);
    assert_non_null(result);
    return result;
}

/* The page of a result, which is given up. The caller frees the text. */
static inline char *page_of(json_t *result)
{
    struct tc_buf html = {0};
    json_t *plots = json_array();
    tc_html_write(dir, result, plots, "", "", &html);
    assert_false(html.failed);
    json_decref(plots);
    json_decref(result);
    return html.data;
}

#endif
