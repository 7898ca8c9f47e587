/* Decisions files: what is written is read again; what was cut, edited or belongs elsewhere is refused with its line.
 * links: tc_decisions tc_reports tc_oracles tc_engine tc_protocol */
#include "../../proxy/decisions.h"
#include "../../proxy/nodeset.h"
#include "../../reports/record_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int make_file(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/tc-decisions-XXXXXX");
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_text(const char *text, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static const uint8_t frame[] = {0xde, 0xad, 0xbe, 0xef};

/* A tape with one of everything. */
static void fill(struct tc_tape *tape)
{
    static const struct tc_slice frames[] = {{frame, 3}, {frame + 3, 1}};
    static struct tc_op op[3];
    struct tc_tape_item item = {.kind = TC_TAPE_TRAITORS};
    op[0] = (struct tc_op){
        .verb = TC_PARTITION, .from = TC_NODE_NONE, .to = TC_NODE_NONE, .node = TC_NODE_NONE, .block_count = 2};
    tc_nodeset_add(&op[0].blocks[0], 0);
    tc_nodeset_add(&op[0].blocks[1], 129);
    op[1] = (struct tc_op){.verb = TC_SEND, .from = 2, .to = 1, .node = TC_NODE_NONE, .frame = {frame, 4}};
    op[2] = (struct tc_op){.verb = TC_KILL, .from = TC_NODE_NONE, .to = TC_NODE_NONE, .node = 3};
    tc_tape_init(tape);
    snprintf(tape->rule, sizeof tape->rule, "made-up");
    tape->kinds = 12;
    tape->calls = 35;
    const struct tc_moment moments[] = {
        {.call = TC_CALL_BEGIN, .time_ns = 5, .from = TC_NODE_NONE, .to = TC_NODE_NONE},
        {.call = TC_CALL_MESSAGE, .time_ns = 9, .from = 0, .to = 2, .key = UINT64_MAX, .role = 5, .occurrence = 4},
        {.call = TC_CALL_TIMER, .time_ns = 11, .from = TC_NODE_NONE, .to = TC_NODE_NONE, .key = UINT64_C(1) << 63},
    };
    assert_int_equal(tc_tape_add_moment(tape, &moments[0]), 0);
    tc_nodeset_add(&item.nodes, 2);
    assert_int_equal(tc_tape_add(tape, &item), 0);
    item.kind = TC_TAPE_SIGNED;
    assert_int_equal(tc_tape_add(tape, &item), 0);
    item = (struct tc_tape_item){.kind = TC_TAPE_NOTE, .note = "a \"note\" with ünïcode\n"};
    assert_int_equal(tc_tape_add(tape, &item), 0);
    item = (struct tc_tape_item){.kind = TC_TAPE_TIMER, .timer = {.delay_ns = UINT64_MAX, .token = UINT64_C(1) << 63}};
    assert_int_equal(tc_tape_add(tape, &item), 0);
    item = (struct tc_tape_item){.kind = TC_TAPE_OP, .decision = 1, .op = &op[0]};
    assert_int_equal(tc_tape_add(tape, &item), 0);
    assert_int_equal(tc_tape_add_moment(tape, &moments[1]), 0);
    item = (struct tc_tape_item){.kind = TC_TAPE_OP, .moment = 1, .decision = 2, .op = &op[1]};
    assert_int_equal(tc_tape_add(tape, &item), 0);
    item = (struct tc_tape_item){.kind = TC_TAPE_VERDICT, .moment = 1, .decision = 3};
    item.verdict.verb = TC_REPLACE;
    item.verdict.frames = frames;
    item.verdict.frame_count = 2;
    item.verdict.delay_ns = 17;
    item.verdict.why = "reason";
    assert_int_equal(tc_tape_add(tape, &item), 0);
    assert_int_equal(tc_tape_add_moment(tape, &moments[2]), 0);
    item = (struct tc_tape_item){.kind = TC_TAPE_OP, .moment = 2, .decision = 4, .op = &op[2]};
    assert_int_equal(tc_tape_add(tape, &item), 0);
}

/* What the engine would say of that choice. */
static struct tc_decision decision_of(const struct tc_tape *tape, uint64_t id)
{
    const struct tc_tape_item *item = tc_tape_choice(tape, id);
    const struct tc_moment *m = &tape->moments[item->moment];
    struct tc_decision d = {.id = id,
                            .time_ns = m->time_ns,
                            .rule = "made-up",
                            .from = TC_NODE_NONE,
                            .to = TC_NODE_NONE,
                            .node = TC_NODE_NONE};
    d.type = d.why = "";
    if (item->kind == TC_TAPE_OP) {
        d.verb = item->op->verb;
        d.from = item->op->from;
        d.to = item->op->to;
        d.node = item->op->node;
        d.bytes = item->op->frame;
    } else {
        d.verb = item->verdict.verb;
        d.from = m->from;
        d.to = m->to;
        d.key = m->key;
        d.occurrence = m->occurrence;
        d.why = item->verdict.why;
        d.view = UINT64_MAX;
        d.has_view = true;
        d.bytes = (struct tc_slice){frame, 4};
    }
    return d;
}

/* As the recorder does it; decisions are told when their effect is known, so not in their order. */
static void write_all(const struct tc_tape *tape, struct tc_buf *out)
{
    static const uint64_t order[] = {2, 1, 4, 3};
    struct tc_decisions_header header = {
        .seed = UINT64_MAX, .content = 77, .index = 5, .decisions_max = 10, .kinds = 12, .calls = 35};
    snprintf(header.version, sizeof header.version, "1.2.3");
    snprintf(header.scenario, sizeof header.scenario, "a scenario");
    snprintf(header.world, sizeof header.world, "sim");
    snprintf(header.rule, sizeof header.rule, "made-up");
    snprintf(header.strategy, sizeof header.strategy, "byzzfuzz");
    header.limits =
        (struct tc_adversary_limits){.process_faults = 1, .network_faults = 2, .rounds_max = 3, .any_scope = true};
    snprintf(header.options[header.option_count++], sizeof header.options[0], "arg=x=\"y\"");
    tc_decisions_header_line(out, &header);
    for (uint32_t i = 0; i < tape->item_count; i++)
        if (tape->items[i].decision == 0)
            tc_decisions_item_line(out, tape, &tape->items[i]);
    for (size_t i = 0; i < 4; i++) {
        const struct tc_decision d = decision_of(tape, order[i]);
        tc_record_decision(out, &d);
        out->len -= 2;
        tc_decisions_more(out, tape, &d);
        tc_buf_add(out, "}\n");
    }
    const struct tc_decisions_end end = {.decisions = 4,
                                         .observations = 9,
                                         .hash = UINT64_MAX,
                                         .exit_code = 1,
                                         .verdict = "violated",
                                         .oracle = "agreement",
                                         .rule = ""};
    tc_decisions_end_line(out, &end);
    assert_false(out->failed);
}

static void assert_same_item(const struct tc_tape_item *a, const struct tc_tape_item *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->moment, b->moment);
    assert_int_equal(a->decision, b->decision);
    switch (a->kind) {
    case TC_TAPE_TRAITORS:
    case TC_TAPE_SIGNED:
        assert_true(tc_nodeset_equal(&a->nodes, &b->nodes));
        break;
    case TC_TAPE_NOTE:
        assert_string_equal(a->note, b->note);
        break;
    case TC_TAPE_TIMER:
        assert_true(a->timer.delay_ns == b->timer.delay_ns && a->timer.token == b->timer.token);
        break;
    case TC_TAPE_OP:
        assert_int_equal(a->op->verb, b->op->verb);
        assert_int_equal(a->op->node, b->op->node);
        assert_int_equal(a->op->from, b->op->from);
        assert_int_equal(a->op->block_count, b->op->block_count);
        assert_int_equal(a->op->frame.len, b->op->frame.len);
        for (uint32_t i = 0; i < a->op->block_count; i++)
            assert_true(tc_nodeset_equal(&a->op->blocks[i], &b->op->blocks[i]));
        break;
    case TC_TAPE_VERDICT:
        assert_int_equal(a->verdict.verb, b->verdict.verb);
        assert_int_equal(a->verdict.delay_ns, b->verdict.delay_ns);
        assert_string_equal(a->verdict.why, b->verdict.why);
        assert_int_equal(a->verdict.frame_count, b->verdict.frame_count);
        for (uint32_t i = 0; i < a->verdict.frame_count; i++) {
            assert_int_equal(a->verdict.frames[i].len, b->verdict.frames[i].len);
            assert_memory_equal(a->verdict.frames[i].data, b->verdict.frames[i].data, a->verdict.frames[i].len);
        }
        break;
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static struct tc_tape tape;
    static struct tc_decisions read;
    struct tc_buf text = {0};
    struct tc_error err = {0};
    fill(&tape);
    write_all(&tape, &text);
    write_text(tc_buf_get(&text), text.len);
    if (tc_decisions_read(path, &read, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(read.header.seed == UINT64_MAX && read.header.content == 77 && read.header.index == 5);
    assert_string_equal(read.header.options[0], "arg=x=\"y\"");
    assert_string_equal(read.header.strategy, "byzzfuzz");
    assert_int_equal(read.header.limits.rounds_max, 3);
    assert_true(read.header.limits.any_scope);
    assert_true(read.end.hash == UINT64_MAX);
    assert_string_equal(read.end.oracle, "agreement");
    assert_int_equal(read.tape.item_count, tape.item_count);
    assert_int_equal(read.tape.choice_count, 4);
    assert_string_equal(read.tape.rule, "made-up");
    for (uint32_t i = 0; i < tape.item_count; i++)
        assert_same_item(&read.tape.items[i], &tape.items[i]);
    for (uint32_t i = 0; i < tape.moment_count; i++) {
        const struct tc_moment *a = &read.tape.moments[i], *b = &tape.moments[i];
        assert_true(a->call == b->call && a->key == b->key && a->role == b->role && a->occurrence == b->occurrence &&
                    a->from == b->from && a->to == b->to && a->time_ns == b->time_ns);
    }
    tc_decisions_free(&read);
    tc_tape_free(&tape);
    tc_buf_free(&text);
}

/* Cut after any byte it is refused, with a line of the file: never taken for a shorter run. */
static void cut_files_are_refused(void **state)
{
    (void)state;
    static struct tc_tape tape;
    static struct tc_decisions read;
    struct tc_buf text = {0};
    fill(&tape);
    write_all(&tape, &text);
    for (size_t len = 0; len + 1 < text.len; len += 1 + len % 7) {
        struct tc_error err = {0};
        write_text(tc_buf_get(&text), len);
        assert_int_equal(tc_decisions_read(path, &read, &err), TC_EMALFORMED);
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, "expected"));
        tc_decisions_free(&read);
    }
    tc_tape_free(&tape);
    tc_buf_free(&text);
}

static void refuse(const struct tc_buf *text, const char *from, const char *to, const char *says)
{
    static struct tc_decisions read;
    struct tc_buf changed = {0};
    struct tc_error err = {0};
    const char *at = strstr(tc_buf_get(text), from);
    assert_non_null(at);
    tc_buf_bytes(&changed, tc_buf_get(text), (size_t)(at - tc_buf_get(text)));
    tc_buf_add(&changed, to);
    tc_buf_add(&changed, at + strlen(from));
    write_text(tc_buf_get(&changed), changed.len);
    assert_int_equal(tc_decisions_read(path, &read, &err), TC_EMALFORMED);
    if (!strstr(err.text, says))
        fail_msg("expected '%s' in '%s'", says, err.text);
    tc_decisions_free(&read);
    tc_buf_free(&changed);
}

static void edited_files_are_refused(void **state)
{
    (void)state;
    static struct tc_tape tape;
    struct tc_buf text = {0};
    fill(&tape);
    write_all(&tape, &text);
    refuse(&text, "\"world\":\"sim\"", "\"world\":\"live\"", ":1: expected decisions of a simulated run");
    refuse(&text, "{\"turncoat\"", "{\"id\"", ":1: expected the first line of a decisions file");
    refuse(&text, "\"traitors\":[2]", "\"traitors\":[999]", ":2: expected a node's number");
    refuse(&text, "\"verb\":\"kill\"", "\"verb\":\"slay\"", "expected \"verb\"");
    refuse(&text, "\"call\":\"timer\"", "\"call\":\"tiner\"", "expected \"call\"");
    refuse(&text, "\"frames\":[3,1]", "\"frames\":[3,2]", "expected \"frames\"");
    refuse(&text, "\"frames\":[3,1]", "\"frames\":[3]", "expected \"frames\"");
    refuse(&text, "\"bytes\":\"deadbeef\"", "\"bytes\":\"deadbee\"", "expected \"bytes\"");
    refuse(&text, "\"blocks\":[[0],[129]]", "\"blocks\":7", "expected \"blocks\"");
    refuse(&text, "{\"id\":4", "{\"id\":5", "numbered without a gap");
    refuse(&text, "\"end\":true,\"decisions\":4", "\"end\":true,\"decisions\":5", "expected 5 decisions");
    refuse(&text, "\"m\":2", "\"m\":0", "expected \"m\"");
    refuse(&text, "\"seed\":\"0x", "\"seed\":\"zz", ":1: expected \"seed\"");
    tc_tape_free(&tape);
    tc_buf_free(&text);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    static struct tc_decisions read;
    struct tc_error err = {0};
    assert_int_equal(tc_decisions_read("/nowhere/decisions.jsonl", &read, &err), TC_ENOT_FOUND);
    tc_decisions_free(&read);
    write_text("[1]\n", 4);
    assert_int_equal(tc_decisions_read(path, &read, &err), TC_EMALFORMED);
    tc_decisions_free(&read);
}

/* The content is that of all files, in their order. */
static void content_is_of_the_bytes(void **state)
{
    (void)state;
    uint64_t a = 0, b = 0, c = 0;
    struct tc_error err = {0};
    const char *paths[] = {path, ""};
    const char *absent[] = {"/nowhere/scenario.lua"};
    write_text("one", 3);
    assert_int_equal(tc_decisions_content(paths, 2, &a, &err), 0);
    assert_int_equal(tc_decisions_content(paths, 2, &b, &err), 0);
    assert_true(a == b);
    write_text("two", 3);
    assert_int_equal(tc_decisions_content(paths, 2, &c, &err), 0);
    assert_true(a != c);
    assert_int_equal(tc_decisions_content(absent, 1, &c, &err), TC_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),  cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(edited_files_are_refused), cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(content_is_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
