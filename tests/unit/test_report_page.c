/* What report.html says at its head: verdict, headline, what is shaded; and the same words elsewhere. */
#include "../../reports/render.h"
#include "report_fixture.h"

/* The script of the plot of throughput, for a table of two points. */
static char *script_of(const json_t *result)
{
    struct tc_buf table = {0}, script = {0};
    json_t *made = json_array();
    tc_buf_add(&table, "time\trate\n0\t1\n1\t2\n");
    assert_int_equal(tc_out_file(dir, "plots/series.tsv", &table, NULL), 0);
    tc_plots_make(dir, result, made);
    assert_int_equal(tc_out_read(dir, "plots/throughput.gp", 1 << 20, &script, NULL), 0);
    json_decref(made);
    tc_buf_free(&table);
    return script.data;
}

static void a_traceback_is_no_headline(void **state)
{
    (void)state;
    static const char error[] = "lua/attacks/endless.lua:9: too many instructions "
                                "stack traceback: lua/attacks/endless.lua:9: in function <6>";
    json_t *result = golden_result("holds");
    json_object_set_new(result, "verdict", json_string("error"));
    json_object_set_new(result, "sentence", json_string(error));
    json_object_set_new(result, "error", json_string(error));
    json_object_set_new(result, "judged", json_string("holds: 14 oracles hold"));
    json_object_set_new(result, "attack_summary", json_string("It never ends"));
    char *html = page_of(result);
    assert_non_null(strstr(html, "It never ends. Named traitors"));
    assert_non_null(strstr(html, "<h1>lua/attacks/endless.lua:9: too many instructions</h1>"));
    assert_non_null(strstr(html, "until then: 14 oracles hold</p>"));
    assert_non_null(strstr(html, "<pre class=\"trace\">stack traceback:"));
    free(html);
}

static void an_expected_breach_has_a_short_headline(void **state)
{
    (void)state;
    json_t *result = golden_result("violated");
    json_object_set_new(result, "verdict", json_string("expected"));
    json_object_set_new(result, "sentence",
                        json_string("agreement breached as expected, with 2 traitors of 1 allowed: 4 replicas bear 1, "
                                    "for n ≥ 3f+1; replicas 1 and 3 differ"));
    char *html = page_of(result);
    assert_non_null(strstr(html, "<h1>Agreement breached as expected, with 2 traitors of 1 allowed</h1>"));
    assert_non_null(strstr(html, "<dt>Bound</dt><dd>4 replicas bear 1, for n ≥ 3f+1</dd>"));
    free(html);
}

/* Where a breach beyond f was not expected, nothing is headed by the word "expected". */
static void a_breach_beyond_f_fails_in_its_own_words(void **state)
{
    (void)state;
    static const char sentence[] = "agreement breached beyond f, with 2 traitors of 1 allowed, which theory allows and "
                                   "this scenario did not expect: 4 replicas bear 1; replicas 1 and 3 differ";
    struct tc_buf text = {0}, junit = {0};
    json_t *result = golden_result("violated");
    json_object_set_new(result, "verdict", json_string("expected"));
    json_object_set_new(result, "sentence", json_string(sentence));
    tc_terminal_write(result, "", false, false, &text);
    assert_non_null(strstr(tc_buf_get(&text), "BEYOND f   agreement, with "));
    assert_non_null(strstr(tc_buf_get(&text), ": theory allows it, this scenario did not expect it\n"));
    assert_null(strstr(tc_buf_get(&text), "EXPECTED"));
    assert_non_null(strstr(tc_buf_get(&text), "FAIL"));
    tc_junit_write(result, "out", &junit);
    assert_non_null(strstr(tc_buf_get(&junit), "<failure type=\"beyond f\" message=\"agreement breached beyond f"));
    tc_buf_free(&text);
    tc_buf_free(&junit);
    char *html = page_of(result);
    assert_non_null(strstr(html, "<div class=\"verdict warn\"><p class=\"status\"><b>beyond f</b><span>fail, exit 1"));
    assert_non_null(strstr(html,
                           "<h1>Agreement breached beyond f, with 2 traitors of 1 allowed, which theory allows and "
                           "this scenario did not expect</h1>"));
    free(html);
}

static void a_violation_is_a_sentence(void **state)
{
    (void)state;
    json_t *result = golden_result("violated");
    json_object_set_new(
        result, "sentence",
        json_string("VIOLATED agreement, with 1 traitor of 1 allowed: sequence 41: replica 1 executed …"));
    char *html = page_of(result);
    assert_non_null(strstr(html, "<h1>Agreement violated, with 1 traitor of 1 allowed</h1>"));
    free(html);
}

static void an_interrupted_run_is_no_error(void **state)
{
    (void)state;
    json_t *result = golden_result("holds");
    json_object_set_new(result, "verdict", json_string("error"));
    json_object_set_new(result, "sentence", json_string("interrupted"));
    json_object_set_new(result, "error", json_string("interrupted"));
    json_object_set_new(result, "exit", json_integer(130));
    char *html = page_of(result);
    assert_non_null(strstr(html, "<div class=\"verdict warn\"><p class=\"status\"><b>interrupted</b>"));
    assert_non_null(strstr(html, "<h1>The run was interrupted</h1>"));
    free(html);
}

/* A run without an attack has a middle phase, and nothing to shade. */
static void a_watched_run_is_not_shaded(void **state)
{
    (void)state;
    json_t *result = golden_result("holds");
    json_object_set_new(result, "attack", json_string(""));
    char *html = page_of(json_incref(result));
    assert_null(strstr(html, "shaded"));
    free(html);
    char *script = script_of(result);
    assert_null(strstr(script, "attack"));
    free(script);
    json_object_set_new(result, "attack", json_string("equivocate-half"));
    script = script_of(result);
    assert_non_null(strstr(script, "set label 1 'attack'"));
    free(script);
    json_decref(result);
}

/* A line that does not repeat what was done says so. */
static void a_reloaded_script_is_no_repetition(void **state)
{
    (void)state;
    struct tc_buf text = {0};
    json_t *result = golden_result("violated");
    char *html = page_of(json_incref(result));
    assert_null(strstr(html, "was reloaded"));
    free(html);
    json_object_set_new(result, "repeat_caveat", json_string("the script was reloaded"));
    tc_terminal_write(result, "", false, false, &text);
    assert_non_null(strstr(tc_buf_get(&text), "  but        the script was reloaded\n"));
    tc_buf_free(&text);
    html = page_of(result);
    assert_non_null(strstr(html, "<p class=\"note\">the script was reloaded</p>\n</div>"));
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceback_is_no_headline),
        cmocka_unit_test(an_expected_breach_has_a_short_headline),
        cmocka_unit_test(a_breach_beyond_f_fails_in_its_own_words),
        cmocka_unit_test(a_violation_is_a_sentence),
        cmocka_unit_test(an_interrupted_run_is_no_error),
        cmocka_unit_test(a_reloaded_script_is_no_repetition),
        cmocka_unit_test_setup_teardown(a_watched_run_is_not_shaded, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
