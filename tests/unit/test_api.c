/* links: tc_lua tc_engine tc_protocol tc_base
 * The reference for script writers names all that the sandbox offers, and nothing else; what it says of lists, ranges
 * and errors is so. */
#include "script_fixture.h"

#include "../../lua/api.h"
#include "../../lua/lua_internal.h"

static bool has_row(enum tc_api_scope scope, const char *name)
{
    for (const struct tc_api_row *row = tc_api_rows; row->name; row++)
        if (row->scope == scope && strcmp(row->name, name) == 0)
            return true;
    return false;
}

/* Every key of the table on top is a row of one of the scopes, and every row a key; names are pushed off. */
static void same_names(lua_State *L, enum tc_api_scope a, enum tc_api_scope b)
{
    int table = lua_gettop(L);
    size_t keys = 0, rows = tc_api_names(a, NULL, 0) + (a == b ? 0 : tc_api_names(b, NULL, 0));
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        keys++;
        const char *name = lua_tostring(L, -1);
        if (!has_row(a, name) && !has_row(b, name))
            fail_msg("'%s' is offered and not in api.def (%s)", name, tc_api_scope_title(a));
    }
    for (const struct tc_api_row *row = tc_api_rows; row->name; row++) {
        if (row->scope != a && row->scope != b)
            continue;
        lua_getfield(L, table, row->name);
        if (lua_isnil(L, -1))
            fail_msg("'%s' is in api.def and not offered (%s)", row->name, tc_api_scope_title(row->scope));
        lua_pop(L, 1);
    }
    assert_int_equal(keys, rows);
    lua_pop(L, 1);
}

static void push_index_names(lua_State *L, const char *meta)
{
    luaL_getmetatable(L, meta);
    lua_getfield(L, -1, "__index");
    assert_non_null(lua_getupvalue(L, -1, 1));
    assert_true(lua_istable(L, -1));
}

static void the_sandbox_offers_what_the_reference_says(void **state)
{
    (void)state;
    struct tc_sandbox box = {0};
    struct tc_error err = {0};
    assert_int_equal(tc_sandbox_open(&box, 0, 0, TC_SOURCE_LUA_DIR, &err), 0);
    lua_State *L = box.L;
    lua_sethook(L, NULL, 0, 0);
    lua_newtable(L); /* a plain copy: the environment itself raises on what it has not */
    lua_pushnil(L);
    while (lua_next(L, TC_AT_ENV)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    same_names(L, TC_API_VERDICT, TC_API_GLOBAL);
    push_index_names(L, TC_META_MESSAGE);
    same_names(L, TC_API_MESSAGE, TC_API_MESSAGE);
    push_index_names(L, TC_META_CONTEXT);
    same_names(L, TC_API_CONTEXT, TC_API_CONTEXT);
    tc_sandbox_close(&box);
}

static void rows_are_whole_and_stand_together(void **state)
{
    (void)state;
    bool ended[TC_API_SCOPE_COUNT] = {false};
    for (const struct tc_api_row *row = tc_api_rows; row->name; row++) {
        assert_false(ended[row->scope]);
        if (row[1].name && row[1].scope != row->scope)
            ended[row->scope] = true;
        assert_non_null(strstr(row->signature, row->name));
        assert_true(row->text[0] && row->text[strlen(row->text) - 1] == '.');
    }
    for (int scope = 0; scope < TC_API_SCOPE_COUNT; scope++)
        assert_true(tc_api_names((enum tc_api_scope)scope, NULL, 0) > 0);
}

/* Fields that on_decide and on_view really get, as text in the order of names. */
static void events(struct world *w, enum tc_call_kind kind, struct tc_observation *o)
{
    assert_int_equal(world_call(w, (struct tc_call){.kind = kind, .observation = o}), 0);
    char names[256];
    snprintf(names, sizeof names, "%s", w->plan->notes[0]);
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " "))
        if (!has_row(TC_API_EVENT, name))
            fail_msg("an event has '%s', which is not in api.def", name);
}

static void events_have_the_fields_of_the_reference(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    assert_int_equal(world_text(w, "local function say(c, e) local t = {} for k in pairs(e) do t[#t + 1] = k end"
                                   " c:note(table.concat(t, ' ')) end\n"
                                   "return attack \"t\" { summary = \"t\", on_decide = say, on_view = say }\n"),
                     0);
    assert_int_equal(world_begin(w), 0);
    struct tc_observation decided = {.kind = TC_OBS_EXECUTED, .node = 1, .executed.sequence = 3};
    decided.executed.value.state = TC_VALUE_BYTES;
    struct tc_observation viewed = {.kind = TC_OBS_VIEW, .node = 1, .view.view = 3};
    events(w, TC_CALL_DECIDE, &decided);
    assert_string_equal(w->plan->notes[0], "node operations sequence value view");
    events(w, TC_CALL_VIEW, &viewed);
    assert_string_equal(w->plan->notes[0], "active node timeout view");
    world_free(w);
}

static void attack_with(struct world *w, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text,
             "return attack \"t\" { summary = \"t\", kinds = \"all\", traitors = { 0 },\n"
             "on_message = function(c, m, a)\n%s\nend }\n",
             body);
    assert_int_equal(world_text(w, text), 0);
    w->ledger.frozen = false;
    assert_int_equal(world_begin(w), 0);
}

static void lists_are_set_as_a_whole(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 5, 77, 0xab);
    attack_with(w, "local vc = c:build('view-change', { view = 3, prepared = {}, checkpoints = { m, m } })\n"
                   "assert(vc.fields.view == 3 and #vc.fields.prepared == 0 and #vc.fields.checkpoints == 2)\n"
                   "assert(vc.fields.checkpoints[2].sender == 2)\n"
                   "local less = vc:with{ checkpoints = { vc.fields.checkpoints[1] } }\n"
                   "assert(#less.fields.checkpoints == 1 and #vc.fields.checkpoints == 2)\n"
                   "less.fields.checkpoints = {}\n"
                   "assert(#less.fields.checkpoints == 0)\n"
                   "return replace(less:sign(0))");
    assert_int_equal(world_message(w, m), 0);
    const struct tc_message *sent = decoded(w, w->plan->verdict.frames[0]);
    assert_int_equal(((const Pbft__ViewChange *)sent->statements[0].fields.base)->n_checkpoints, 0);
    static const struct {
        const char *body, *says;
    } refused[] = {{"return m:with{ digest = {} }", "field 'digest'"},
                   {"return c:build('view-change', { checkpoints = { 5 } })", "expected a message, found the number 5"},
                   {"return c:build('view-change', { checkpoints = { a = m } })", "expected a list { value, … }"}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        attack_with(w, refused[i].body);
        assert_int_equal(world_message(w, m), TC_ESCRIPT);
        if (!strstr(w->err.text, refused[i].says))
            fail_msg("expected %s, found %s", refused[i].says, w->err.text);
    }
    world_free(w);
}

static void ranges_are_checked_at_load(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    static const char text[] =
        "return attack \"t\" { summary = \"t\",\n args = {\n  share = { 1/2, \"s\", min = 0, max "
        "= 1 },\n  count = { 3, \"c\", min = 1 } } }\n";
    assert_int_equal(world_text(w, text), 0);
    w->arg_count = 1;
    w->args[0] = "share=7";
    assert_int_equal(world_text(w, text), TC_EUSAGE);
    assert_non_null(strstr(w->err.text, ":3: argument 'share': expected from 0 to 1, found 7"));
    w->args[0] = "count=0";
    assert_int_equal(world_text(w, text), TC_EUSAGE);
    assert_non_null(strstr(w->err.text, "argument 'count': expected 1 or more, found 0"));
    w->args[0] = "share=1/4";
    assert_int_equal(world_text(w, text), 0);
    w->arg_count = 0;
    assert_int_equal(world_text(w, "return attack \"t\" { summary = \"t\", args = { x = { 5, \"x\", max = 1 } } }"),
                     TC_EUSAGE);
    assert_non_null(strstr(w->err.text, "a default between min and max"));
    world_free(w);
}

static void errors_name_script_and_line_first(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    const struct tc_message *m = make_slot(w, "prepare", 2, 3, 5, 77, 0xab);
    static const struct {
        const char *body, *says;
    } cases[] = {{"return 5",
                  ":2: a handler returns a verdict (drop(), delay(seconds), replace(m), …) or nothing; this "
                  "on_message returned the number 5"},
                 {"local x\nwhile true do end", ":4: the call used up its budget"},
                 {"error('plain', 0)", ":3: plain"},
                 {"return m.nonsense", ":3: a message has no 'nonsense'"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w->steps_max = 100000;
        attack_with(w, cases[i].body);
        assert_true(world_message(w, m) < 0);
        const char *place = strchr(w->err.text, ':');
        if (!place || strncmp(place, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("expected script%s, found %s", cases[i].says, w->err.text);
        assert_null(strchr(w->err.text, '[') ? strstr(w->err.text, "[C]: in ?") : NULL);
        assert_true(strncmp(w->err.text, "tmp/", 4) == 0);
    }
    assert_int_equal(world_text(w, "return attack(\n"), TC_ESCRIPT);
    assert_null(strstr(w->err.text, "traceback"));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sandbox_offers_what_the_reference_says),
        cmocka_unit_test(rows_are_whole_and_stand_together),
        cmocka_unit_test(events_have_the_fields_of_the_reference),
        cmocka_unit_test(lists_are_set_as_a_whole),
        cmocka_unit_test(ranges_are_checked_at_load),
        cmocka_unit_test(errors_name_script_and_line_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
