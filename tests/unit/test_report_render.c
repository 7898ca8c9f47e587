/* Reports from result.json and tables: golden JUnit and terminal texts, hostile strings, a missing gnuplot. */
#include "../../reports/recorder.h"
#include "report_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>

static char *read_text(const char *from, const char *name)
{
    struct tc_buf t = {0};
    struct tc_error err = {0};
    if (tc_out_read(from, name, (size_t)32 << 20, &t, &err) != 0)
        fail_msg("%s", err.text);
    tc_buf_add(&t, "");
    return t.data;
}

static void write_text(const char *name, const char *text)
{
    struct tc_buf t = {0};
    tc_buf_add(&t, text);
    assert_int_equal(tc_out_file(dir, name, &t, NULL), 0);
    tc_buf_free(&t);
}

/* TC_GOLDEN_UPDATE=1 writes the golden file anew; then look at it before committing. */
static void matches_golden(const char *name, const struct tc_buf *text)
{
    assert_false(text->failed);
    if (getenv("TC_GOLDEN_UPDATE"))
        assert_int_equal(tc_out_file(GOLDEN, name, text, NULL), 0);
    char *golden = read_text(GOLDEN, name);
    assert_string_equal(tc_buf_get(text), golden);
    free(golden);
}

static void junit_is_golden(void **state)
{
    static const char *const names[] = {"violated", "holds"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char file[32];
        struct tc_buf t = {0};
        json_t *result = golden_result(names[i]);
        tc_junit_write(result, "out/equivocate-half/latest", &t);
        snprintf(file, sizeof file, "%s.junit.xml", names[i]);
        matches_golden(file, &t);
        tc_buf_free(&t);
        json_decref(result);
    }
}

static void terminal_is_golden(void **state)
{
    static const char *const names[] = {"violated", "holds"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char file[32];
        struct tc_buf t = {0};
        json_t *result = golden_result(names[i]);
        tc_terminal_write(result, "out/equivocate-half/latest/report.html", false, false, &t);
        snprintf(file, sizeof file, "%s.terminal.txt", names[i]);
        matches_golden(file, &t);
        assert_null(strchr(tc_buf_get(&t), '\033'));
        tc_buf_free(&t);
        tc_terminal_write(result, "report.html", true, true, &t);
        assert_non_null(strstr(tc_buf_get(&t), "\033[32m"));
        assert_null(strstr(tc_buf_get(&t), "more hold"));
        tc_buf_free(&t);
        json_decref(result);
    }
}

static int command(const char *format, const char *file)
{
    char line[512];
    snprintf(line, sizeof line, format, dir, file);
    return system(line);
}

static void render_golden(const char *name)
{
    struct tc_error err = {0};
    json_t *result = golden_result(name);
    char *messages = read_text(GOLDEN, "messages.tsv");
    assert_int_equal(tc_result_write(dir, result, NULL), 0);
    write_text("messages.tsv", messages);
    write_text("plots/series.tsv",
               "time_s\tdecisions_per_s\toperations_per_s\tp50_ms\tp95_ms\tp99_ms\tmax_ms\tm\tb\tv\n"
               "0.000\t0\t0\tNaN\tNaN\tNaN\tNaN\t0\t0\t0\n"
               "0.100\t900\t900\t1.1\t1.5\t2.0\t3.0\t9\t9\t0\n"
               "0.200\t950\t950\t1.1\t1.5\t2.0\t3.0\t9\t9\t0\n");
    write_text("plots/latency.tsv", "time_s\tp50_ms\tp95_ms\tp99_ms\tmax_ms\tdecisions\n"
                                    "0.050\tNaN\tNaN\tNaN\tNaN\t0\n"
                                    "0.150\t1.1\t1.5\t2.0\t3.0\t900\n"
                                    "0.250\t1.1\t1.5\t2.0\t3.0\t950\n");
    write_text("plots/views.tsv", "\"replica 0\"\tview\n0.1\t0\n0.2\t0\n\n\n\"replica 1\"\tview\n0.1\t0\n0.2\t1\n");
    assert_int_equal(tc_report_render(dir, &err), 0);
    free(messages);
    json_decref(result);
}

static void page_holds_everything(void **state)
{
    (void)state;
    render_golden("violated");
    char *html = read_text(dir, "report.html");
    assert_non_null(strstr(html, "Agreement is violated"));
    assert_non_null(strstr(html, "#87: replace pre-prepare 0→3 view 0 sequence 41"));
    assert_non_null(strstr(html, "turncoat run lua/scenarios/equivocate-half.lua --bug prepare-digest-ignored"));
    assert_non_null(
        strstr(html, "<code><span>turncoat</span> <span>run</span> <span>lua/scenarios/equivocate-half.lua<"));
    assert_non_null(strstr(html, "data:image/svg+xml;base64,"));
    assert_non_null(strstr(html, "<svg class=\"sq\""));
    assert_non_null(strstr(html, "changed pre-prepare v0 77aa"));
    assert_null(strstr(html, "src=\"http"));
    assert_null(strstr(html, "No picture"));
    free(html);
    assert_int_equal(command("xmllint --noout %s/%s", "junit.xml"), 0);
    assert_int_equal(command("xmllint --noout %s/%s", "plots/sequence.svg"), 0);
    assert_int_equal(command("xmllint --noout %s/%s", "plots/latency.svg"), 0);
    assert_int_equal(access(dir, F_OK), 0);
    char *gp = read_text(dir, "plots/latency.gp");
    assert_null(strstr(gp, "mouse"));
    free(gp);
}

static void half_a_file_is_removed(void **state)
{
    (void)state;
    struct rlimit old, small;
    struct tc_buf text = {0};
    struct tc_error err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/half", dir);
    tc_buf_add(&text, "more than four bytes");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 4, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = tc_out_file(dir, "half", &text, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, TC_EIO);
    assert_non_null(strstr(err.text, strerror(EFBIG)));
    assert_int_equal(access(path, F_OK), -1);
    tc_buf_free(&text);
}

static void repairs_and_signers_stand_apart(void **state)
{
    (void)state;
    json_t *result = golden_result("holds");
    json_object_set_new(json_object_get(json_object_get(result, "faults"), "by_verb"), "heal",
                        json_pack("{s:i,s:i,s:b}", "asked", 3, "bitten", 2, "repair", 1));
    json_object_set_new(result, "signed_for", json_array());
    char *html = page_of(result);
    assert_non_null(strstr(html, "heal <small>a repair</small>"));
    assert_non_null(strstr(html, "Named traitors: replica 0; signed for: nobody."));
    free(html);
}

static void a_missed_threshold_has_its_unit(void **state)
{
    (void)state;
    struct tc_buf t = {0};
    json_t *result = golden_result("holds");
    json_object_set_new(result, "thresholds",
                        json_pack("[{s:s,s:s,s:b,s:f},{s:s,s:s,s:b,s:f}]", "metric", "client_latency", "condition",
                                  "p(99)<1ms", "met", 0, "value", 6.59e7, "metric", "view_changes", "condition",
                                  "value<=3", "met", 0, "value", 7.0));
    tc_terminal_write(result, "", false, false, &t);
    assert_non_null(strstr(tc_buf_get(&t), "p(99)<1ms, measured 65.9 ms\n"));
    assert_non_null(strstr(tc_buf_get(&t), "value<=3, measured 7\n"));
    assert_null(strstr(tc_buf_get(&t), "report"));
    tc_buf_free(&t);
    json_decref(result);
}

static void script_hash_is_right(void **state)
{
    (void)state;
    uint8_t digest[crypto_hash_sha256_BYTES];
    struct tc_buf t = {0};
    crypto_hash_sha256(digest, (const uint8_t *)tc_html_script, strlen(tc_html_script));
    tc_buf_base64(&t, (struct tc_slice){digest, sizeof digest});
    assert_string_equal(tc_html_script_hash, tc_buf_get(&t));
    tc_buf_free(&t);
}

/* Puts a hostile text into every string of the model. */
static void poison(json_t *value)
{
    static const char text[] = "]]><script>alert(1)</script>'\"&\x1b[2J\x01\xc2\x9b\n\xe2\x80\xaejavascript:x";
    const char *key;
    json_t *child;
    size_t i;
    if (json_is_string(value) && *json_string_value(value)) {
        json_string_set_nocheck(value, text);
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, child) poison(child);
    } else if (json_is_object(value)) {
        json_object_foreach(value, key, child)
        {
            if (strcmp(key, "verdict") != 0 && strcmp(key, "status") != 0)
                poison(child);
        }
    }
}

static void hostile_strings_stay_text(void **state)
{
    (void)state;
    struct tc_error err = {0};
    json_t *result = golden_result("violated");
    struct tc_buf terminal = {0};
    poison(result);
    assert_int_equal(tc_result_write(dir, result, NULL), 0);
    write_text("messages.tsv",
               "said_ns\theard_ns\tfrom\tto\ttype\tkind\tphase\tview\tsequence\tdigest\tfate\tdecision\n"
               "1\t2\t0\t1\t<script>alert(1)</script>\tpropose\t\t0\t41\t\"><script>\tforged\t1\n"
               "x\t-5\t0\n\n\t\t\t\t\t\t\t\t\t\t\t\n"
               "99999999999999999999\t2\t70000\t1\tt\tvote\t\t0\t41\td\tpassed\t1\n"
               "5\t6\t200\t2\tr\tvote\t\t0\t41\tdd\tunknown\tzz\n");
    assert_int_equal(tc_report_render(dir, &err), 0);
    char *html = read_text(dir, "report.html");
    assert_null(strstr(html, "<script>alert"));
    assert_null(strstr(html, "href=\"javascript"));
    assert_null(strchr(html, '\033'));
    assert_non_null(strstr(html, "&lt;script&gt;alert"));
    free(html);
    assert_int_equal(command("xmllint --noout %s/%s", "junit.xml"), 0);
    assert_int_equal(command("xmllint --noout %s/%s", "plots/sequence.svg"), 0);
    tc_terminal_write(result, "x\x1b[2J", false, true, &terminal);
    assert_null(strchr(tc_buf_get(&terminal), '\033'));
    tc_buf_free(&terminal);
    json_decref(result);
}

static void broken_models_do_not_crash(void **state)
{
    static const char *const models[] = {
        "{}",
        "{\"oracles\":7,\"first\":[],\"phases\":{\"a\":1},\"metrics\":\"x\",\"repeat\":{},\"faults\":[],\"cost\":1}",
        "{\"oracles\":[null,3,{\"status\":\"violated\",\"findings\":[5]}],\"first\":{\"evidence\":[null]},"
        "\"phases\":[{\"name\":\"during\",\"begin_ns\":-1,\"end_ns\":9e99}],\"traitors\":[-4,1e9,\"x\",900],"
        "\"metrics\":[null,{\"value\":1e300,\"unit\":\"ns\"},{\"value\":-1e300}],\"cost\":{\"by_type\":[{}]},"
        "\"faults\":{\"asked\":-1,\"by_verb\":{\"<x>\":{\"asked\":-3.5}}},\"duration_ns\":-7,\"exit\":\"no\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct tc_error err = {0};
        struct tc_buf t = {0};
        write_text("result.json", models[i]);
        assert_int_equal(tc_report_render(dir, &err), 0);
        assert_int_equal(command("xmllint --noout %s/%s", "junit.xml"), 0);
        json_t *result = json_loads(models[i], 0, NULL);
        tc_terminal_write(result, NULL, true, true, &t);
        json_decref(result);
        tc_buf_free(&t);
    }
}

static void a_missing_or_broken_result_is_said(void **state)
{
    (void)state;
    struct tc_error err = {0};
    assert_int_equal(tc_report_render("/nonexistent/run", &err), TC_ENOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/run/result.json"));
    write_text("result.json", "{ \"name\": ");
    assert_int_equal(tc_report_render(dir, &err), TC_EMALFORMED);
    assert_non_null(strstr(err.text, "line 1"));
    write_text("result.json", "[1]");
    assert_int_equal(tc_report_render(dir, &err), TC_EMALFORMED);
}

static void a_missing_gnuplot_is_said(void **state)
{
    (void)state;
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    render_golden("holds");
    setenv("PATH", path, 1);
    free(path);
    char *html = read_text(dir, "report.html");
    assert_non_null(strstr(html, "No picture: gnuplot is not installed"));
    free(html);
}

static void a_failing_gnuplot_is_said(void **state)
{
    (void)state;
    char *path = strdup(getenv("PATH")), *log;
    char fake[96], with[4096];
    snprintf(fake, sizeof fake, "%s/gnuplot", dir);
    write_text("gnuplot", "#!/bin/sh\necho broken >&2\nexit 3\n");
    assert_int_equal(chmod(fake, 0755), 0);
    snprintf(with, sizeof with, "%s:%s", dir, path);
    setenv("PATH", with, 1);
    render_golden("holds");
    setenv("PATH", path, 1);
    free(path);
    char *html = read_text(dir, "report.html");
    assert_non_null(strstr(html, "No picture: gnuplot failed"));
    free(html);
    log = read_text(dir, "plots/gnuplot.log");
    assert_non_null(strstr(log, "broken"));
    free(log);
}

/* The window opened after slot 40 was proposed: its picture would begin in the middle. */
static void the_picture_begins_with_a_proposal(void **state)
{
    (void)state;
    static const char rows[] =
        "said_ns\theard_ns\tfrom\tto\ttype\tkind\tphase\tview\tsequence\tdigest\tfate\tdecision\n"
        "100\t\t1\t2\tprepare\tvote\tprepare\t0\t40\taaaa\tdropped\t1\n"
        "200\t210\t0\t2\tpre-prepare\tpropose\t\t0\t41\tbbbb\tpassed\t\n"
        "300\t\t1\t2\tprepare\tvote\tprepare\t0\t41\tbbbb\tdropped\t2\n"
        "\t310\t1\t2\tprepare\tvote\tprepare\t0\t41\tcccc\tcorrupted\t\n";
    struct tc_buf svg = {0}, caption = {0};
    json_t *result = golden_result("holds");
    tc_sequence_draw(result, rows, &svg, &caption);
    assert_non_null(strstr(tc_buf_get(&caption), "Sequence number 41"));
    assert_non_null(strstr(tc_buf_get(&svg), "corrupted prepare v0 cccc"));
    tc_buf_free(&svg);
    tc_buf_free(&caption);
    json_decref(result);
}

/* A replica that passes on what others signed says nothing of its own, and a second proposal of the same value is none.
 */
static void the_picture_names_who_signed(void **state)
{
    (void)state;
    static const char rows[] =
        "said_ns\theard_ns\tfrom\tto\ttype\tkind\tphase\tview\tsequence\tdigest\tfate\tdecision\tsigner\n"
        "200\t210\t0\t2\tproposal\tpropose\t\t0\t41\tbbbb\tpassed\t\t\n"
        "300\t310\t1\t2\tprevote\tvote\tprevote\t0\t41\tbbbb\tpassed\t\t\n"
        "300\t310\t1\t2\tprevote\tvote\tprevote\t0\t41\tbbbb\tpassed\t\t3\n" /* no repetition of the one above */
        "400\t\t1\t2\tproposal\tpropose\t\t0\t41\tcccc\treplaced\t1\t0\n"
        "\t400\t1\t2\tproposal\tpropose\t\t0\t41\tcccc\tchanged\t\t0\n"
        "500\t\t1\t3\tproposal\tpropose\t\t0\t41\tcccc\treplaced\t2\t0\n"
        "\t500\t1\t3\tproposal\tpropose\t\t0\t41\tdddd\tchanged\t\t0\n";
    struct tc_buf svg = {0}, caption = {0};
    json_t *result = golden_result("holds");
    tc_sequence_draw(result, rows, &svg, &caption);
    const char *picture = tc_buf_get(&svg);
    assert_non_null(strstr(picture, ">prevote v0 bbbb<"));
    assert_non_null(strstr(picture, ">3's prevote v0 bbbb<"));
    assert_non_null(strstr(picture, ">made anew: 0's proposal v0 cccc<"));
    assert_non_null(strstr(picture, ">changed 0's proposal v0 dddd<"));
    assert_non_null(strstr(picture, "signed by 0, passed on"));
    tc_buf_free(&svg);
    tc_buf_free(&caption);
    json_decref(result);
}

/* A flood of messages about the guilty slot: the picture stays bounded and says what it left out. */
static void the_picture_is_bounded(void **state)
{
    (void)state;
    json_t *result = golden_result("violated");
    struct tc_buf rows = {0}, svg = {0}, caption = {0};
    tc_buf_add(&rows, "said_ns\theard_ns\tfrom\tto\ttype\tkind\tphase\tview\tsequence\tdigest\tfate\tdecision\n");
    for (unsigned i = 0; i < 5000; i++)
        tc_buf_format(&rows, "%u\t%u\t%u\t%u\tprepare\tvote\tprepare\t%u\t41\t9c41\tpassed\t\n", i * 1000, i * 1000 + 5,
                      i % 4, (i + 1) % 4, i / 4);
    tc_sequence_draw(result, tc_buf_get(&rows), &svg, &caption);
    unsigned arrows = 0;
    for (const char *at = strstr(tc_buf_get(&svg), "<g><title>"); at; at = strstr(at + 1, "<g><title>"))
        arrows++;
    assert_int_equal(arrows, 200);
    assert_non_null(strstr(tc_buf_get(&caption), "200 messages drawn, 4800 more"));
    tc_buf_free(&rows);
    tc_buf_free(&svg);
    tc_buf_free(&caption);
    json_decref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(junit_is_golden),
        cmocka_unit_test(terminal_is_golden),
        cmocka_unit_test_setup_teardown(page_holds_everything, make_dir, remove_dir),
        cmocka_unit_test(the_picture_begins_with_a_proposal),
        cmocka_unit_test(the_picture_names_who_signed),
        cmocka_unit_test_setup_teardown(half_a_file_is_removed, make_dir, remove_dir),
        cmocka_unit_test(repairs_and_signers_stand_apart),
        cmocka_unit_test(a_missed_threshold_has_its_unit),
        cmocka_unit_test(script_hash_is_right),
        cmocka_unit_test_setup_teardown(hostile_strings_stay_text, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(broken_models_do_not_crash, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_missing_or_broken_result_is_said, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_missing_gnuplot_is_said, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_failing_gnuplot_is_said, make_dir, remove_dir),
        cmocka_unit_test(the_picture_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
