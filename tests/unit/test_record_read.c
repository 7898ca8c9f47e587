/* links: tc_reports tc_engine tc_protocol tc_base
 * observations.jsonl is read as the recorder writes it: executions, views and phases, by the time of the trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../reports/buf.h"
#include "../../reports/record_line.h"
#include "../../reports/record_parse.h"
#include "../../reports/record_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], trace[128], path[128];

static void write_observations(const char *text)
{
    snprintf(folder, sizeof folder, "/tmp/tc-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(trace, sizeof trace, "%s/trace.pcap", folder);
    snprintf(path, sizeof path, "%s/observations.jsonl", folder);
    if (!text)
        return;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void clean(void)
{
    unlink(path);
    rmdir(folder);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct tc_operation operations[2] = {{.client = 128}, {.client = 129}};
    struct tc_observation said[] = {
        {.kind = TC_OBS_LINK_UP, .time_ns = 1000, .node = 0, .peer = 1, .text = ""},
        {.kind = TC_OBS_PHASE, .time_ns = 900, .node = TC_NODE_NONE, .phase.phase = TC_RUN_DURING, .text = ""},
        {.kind = TC_OBS_EXECUTED, .time_ns = 5000, .node = 2, .text = ""},
        {.kind = TC_OBS_EXECUTED, .time_ns = 5500, .node = 2, .executed.origin = TC_EXEC_REPLAYED, .text = ""},
        {.kind = TC_OBS_VIEW, .time_ns = 7000, .node = 3, .view = {4, true, 500}, .text = ""},
    };
    said[2].executed.view = 1;
    said[2].executed.sequence = 41;
    said[2].executed.operations = operations;
    said[2].executed.operation_count = 2;
    said[2].executed.value.state = TC_VALUE_BYTES;
    memset(said[2].executed.value.bytes, 0xab, TC_VALUE_SIZE);
    struct tc_buf text = {0};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        tc_record_observation(&text, &said[i]);
    write_observations(text.data);
    struct tc_record_events events;
    struct tc_error err = {0};
    assert_int_equal(tc_record_events_read(trace, &events, &err), 0);
    assert_true(events.present);
    assert_int_equal(events.count, 3);
    assert_int_equal(events.items[0].observation.phase.phase, TC_RUN_DURING);
    assert_int_equal(events.items[0].time_ns, 0);
    const struct tc_record_event *executed = &events.items[1];
    assert_int_equal(executed->time_ns, 4000);
    assert_int_equal(executed->observation.node, 2);
    assert_int_equal(executed->observation.executed.view, 1);
    assert_int_equal(executed->observation.executed.sequence, 41);
    assert_int_equal(executed->observation.executed.operation_count, 2);
    assert_memory_equal(&executed->observation.executed.value, &said[2].executed.value, sizeof(struct tc_value));
    assert_int_equal(events.items[2].observation.view.view, 4);
    assert_true(events.items[2].observation.view.active);
    assert_int_equal(events.items[2].observation.view.timeout_ns, 500);
    tc_record_events_free(&events);
    tc_buf_free(&text);
    clean();
}

static void no_file_is_no_error_and_a_broken_line_is(void **state)
{
    (void)state;
    struct tc_record_events events;
    struct tc_error err = {0};
    write_observations(NULL);
    assert_int_equal(tc_record_events_read(trace, &events, &err), 0);
    assert_false(events.present);
    tc_record_events_free(&events);
    clean();
    write_observations("{\"t\":1,\"e\":\"view\",\"node\":0}\n{\"t\":\n");
    assert_int_equal(tc_record_events_read(trace, &events, &err), TC_EMALFORMED);
    assert_non_null(strstr(err.text, "observations.jsonl:2: "));
    tc_record_events_free(&events);
    clean();
}

static void read_back(const struct tc_observation *said, struct tc_observation *read)
{
    struct tc_buf text = {0};
    struct tc_arena arena;
    tc_arena_init(&arena, 4096);
    tc_record_observation(&text, said);
    json_t *line = json_loads(text.data, 0, NULL);
    assert_non_null(line);
    assert_true(tc_record_parse(line, &arena, read));
    json_decref(line);
    tc_arena_free(&arena);
    tc_buf_free(&text);
}

static void an_overflow_says_whether_a_connection_was_not_carried(void **state)
{
    (void)state;
    struct tc_observation said = {.kind = TC_OBS_OVERFLOW, .node = 2, .peer = TC_NODE_NONE, .text = ""}, read;
    read_back(&said, &read);
    assert_int_equal(read.kind, TC_OBS_OVERFLOW);
    assert_false(read.not_carried);
    said.not_carried = true;
    read_back(&said, &read);
    assert_true(read.not_carried);
    assert_int_equal(read.node, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(no_file_is_no_error_and_a_broken_line_is),
        cmocka_unit_test(an_overflow_says_whether_a_connection_was_not_carried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
