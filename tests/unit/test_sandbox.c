/* links: tc_lua tc_engine tc_protocol tc_base
 * The sandbox: nothing a script does runs for ever, eats the machine, or differs from run to run. */
#include "script_fixture.h"

#include <time.h>

/* An attack whose on_start is `body`. */
static int run_body(struct world *w, const char *body)
{
    char text[8192];
    snprintf(text, sizeof text, "return attack \"t\" { summary = \"t\", on_start = function(c, a) local x\n%s\nend }\n",
             body);
    int rc = world_text(w, text);
    if (rc)
        return rc;
    return world_begin(w);
}

/* The body must fail with this code and this text in the message, which must name the script and line 2 or later. */
static void fails_within(size_t memory_max, const char *body, int code, const char *says)
{
    struct world *w = world_new(4);
    w->memory_max = memory_max;
    w->steps_max = memory_max > ((size_t)8 << 20) ? 0 : 2000000;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int rc = run_body(w, body);
    clock_gettime(CLOCK_MONOTONIC, &after);
    if (rc != code || !strstr(w->err.text, says))
        print_error("%s\n→ %d %s\n", body, rc, w->err.text);
    assert_int_equal(rc, code);
    assert_non_null(strstr(w->err.text, says));
    assert_true(after.tv_sec - before.tv_sec < 30);
    world_free(w);
}

static void fails(const char *body, int code, const char *says)
{
    fails_within((size_t)8 << 20, body, code, says);
}

static void runs(const char *body)
{
    struct world *w = world_new(4);
    int rc = run_body(w, body);
    if (rc)
        print_error("%s\n→ %d %s\n", body, rc, w->err.text);
    assert_int_equal(rc, 0);
    world_free(w);
}

static void budget_stops_loops(void **state)
{
    (void)state;
    fails("while true do end", TC_ELIMIT, "budget");
    fails("local function f() while true do end end while true do pcall(f) end", TC_ELIMIT, "budget");
    fails("local function f() pcall(f) pcall(f) end f()", TC_ELIMIT, "budget");
    fails("local function f() pcall(f) return f() end f()", TC_ELIMIT, "budget");
    fails("local s = ('a'):rep(3000) s:find('.-.-.-.-b')", TC_ELIMIT, "budget");
    fails("local s = ('a'):rep(100000) while true do s:find('.-b') end", TC_ELIMIT, "budget");
    fails("local s = ('a'):rep(1000000) while true do s:find('b', 1, true) end", TC_ELIMIT, "budget");
    fails("local s = ('a'):rep(1000000) while true do s:upper() end", TC_ELIMIT, "budget");
    fails("local s = ('a'):rep(1000000) while true do x = s .. 'b' end", TC_ELIMIT, "budget");
    fails("while true do x = ('a'):rep(1000000) end", TC_ELIMIT, "budget");
    fails("local t = {} for i = 1, 10000 do t[i] = i end while true do table.sort(t) end", TC_ELIMIT, "budget");
    fails("local t = {} for i = 1, 50000 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end",
          TC_ELIMIT, "budget");
    fails("local t = {} for i = 1, 10000 do t[i] = 'x' end while true do table.concat(t) end", TC_ELIMIT, "budget");
    fails("local t = {} for i = 1, 10000 do t[i] = i end while true do for k in pairs(t) do break end end", TC_ELIMIT,
          "budget");
    fails("local t = {} for i = 1, 10000 do t[i] = i end while true do next(t) end", TC_ELIMIT, "budget");
    fails("error(setmetatable({}, { __tostring = function() while true do end end }))", TC_ELIMIT, "budget");
    fails("local t <close> = setmetatable({}, { __close = function() while true do end end }) error('x')", TC_ELIMIT,
          "budget");
    fails("for w in (('a'):rep(100000)):gmatch('(.-)b') do end", TC_ELIMIT, "budget");
    fails("while true do (('a'):rep(1000)):gsub('.', function(x) return x end) end", TC_ELIMIT, "budget");
}

static void memory_is_capped(void **state)
{
    (void)state;
    fails("local t = {} for i = 1, 1e9 do t[i] = { i } end", TC_ELIMIT, "memory cap");
    fails("local s = 'x' while true do s = s .. s end", TC_ELIMIT, "memory cap");
    fails("x = ('x'):rep(1 << 30)", TC_ELIMIT, "memory cap");
    fails("x = ('x'):rep(1 << 40)", TC_ESCRIPT, "too large");
    fails("x = ('x'):rep(1 << 62, 'yy')", TC_ESCRIPT, "too large");
    fails("while true do pcall(string.rep, 'x', 1 << 30) end", TC_ELIMIT, "memory cap");
    fails("local t = {} pcall(function() for i = 1, 1e9 do t[i] = { i } end end) t = nil", TC_ELIMIT, "memory cap");
    fails("local s = ('a'):rep(1 << 20) x = s:gsub('a', ('b'):rep(100))", TC_ELIMIT, "memory cap");
    fails("local t = {} for i = 1, 1e7 do t[#t+1] = 'xxxxxxxx' .. i end", TC_ELIMIT, "memory cap");
    fails("local t = {}\n\nfor i = 1, 1e9 do\n  t[i] = { i }\nend", TC_ELIMIT, ":5: the script passed its memory cap");
    fails("\nwhile true do\n pcall(string.rep, 'x', 1 << 30)\nend", TC_ELIMIT, ":4: the script passed");
}

static void recursion_ends(void **state)
{
    (void)state;
    fails_within((size_t)256 << 20,
                 "local ok, why = pcall(function() local function f() return 1 + f() end return f() end)"
                 " assert(not ok and why:find('stack overflow', 1, true)) error('as it should')",
                 TC_ESCRIPT, "as it should");
    fails("local function f() return 1 + f() end f()", TC_ELIMIT, "memory cap");
    fails_within((size_t)256 << 20, "local function f() return 1 + f() end f()", TC_ESCRIPT, "stack overflow");
    fails("local t = setmetatable({}, {}) getmetatable(t).__index = function(u, k) return u[k] end"
          " local mt = { __index = function(u, k) return u[k] end } t = setmetatable({}, mt) x = t.y",
          TC_ESCRIPT, "stack overflow");
    fails("x = (('('):rep(300) .. (')'):rep(300)):find(('('):rep(300))", TC_ESCRIPT, "too many captures");
    fails("x = (('a'):rep(1000)):find(('a?'):rep(1000) .. ('a'):rep(1000))", TC_ESCRIPT, "too complex");
}

static void removed_names_say_what_to_use(void **state)
{
    (void)state;
    fails("print('x')", TC_ESCRIPT, "c:note");
    fails("os.exit(1)", TC_ESCRIPT, "'os' is not here");
    fails("io.open('x')", TC_ESCRIPT, "'io' is not here");
    fails("debug.sethook()", TC_ESCRIPT, "'debug' is not here");
    fails("require 'x'", TC_ESCRIPT, "one file");
    fails("dofile 'x'", TC_ESCRIPT, "one file");
    fails("loadfile 'x'", TC_ESCRIPT, "one file");
    fails("load 'return 1'", TC_ESCRIPT, "'load' is not here");
    fails("coroutine.wrap(function() end)", TC_ESCRIPT, "c:after");
    fails("collectgarbage()", TC_ESCRIPT, "not a script's to see");
    fails("x = math.random()", TC_ESCRIPT, "c:random(key)");
    fails("math.randomseed(1)", TC_ESCRIPT, "c:random(key)");
    fails("x = math.exp(1)", TC_ESCRIPT, "math.exp is not here");
    fails("x = math.sin(1)", TC_ESCRIPT, "math.sin is not here");
    fails("x = string.dump(function() end)", TC_ESCRIPT, "nil value");
    fails("x = 2 ^ 10", TC_ESCRIPT, "the operator ^");
    fails("setmetatable({}, { __gc = function() end })", TC_ESCRIPT, "__gc is not here");
    fails("setmetatable({}, { __mode = 'k' })", TC_ESCRIPT, "__mode is not here");
    fails("x = string.format('%p', {})", TC_ESCRIPT, "addresses");
    fails("x = string.format('%-20p', {})", TC_ESCRIPT, "addresses");
    fails("y = 1", TC_ESCRIPT, "undeclared global 'y'");
    fails("x = y", TC_ESCRIPT, "undeclared global 'y'");
    fails("rawset(_ENV, 'y', 1)", TC_ESCRIPT, "globals are not to be set");
    runs("x = '^' x = \"2 ^ 2\" -- 2 ^ 2\n --[[ 2 ^ 2 ]] x = [[ ^ ]] assert((' a'):find('^ a'))");
}

static void a_metatable_gets_no_gc_later(void **state)
{
    (void)state;
    fails("local mt = {} setmetatable({}, mt) mt.__gc = function() end setmetatable({}, mt)", TC_ESCRIPT, "__gc");
    runs("local mt = { __index = { a = 1 } } local t = setmetatable({}, mt) assert(t.a == 1)"
         " assert(getmetatable(t) == mt) mt.__mode = 'k' assert(t.a == 1)"
         " local u = setmetatable({}, { __metatable = 'no' }) assert(getmetatable(u) == 'no')"
         " assert(not pcall(setmetatable, u, {}))");
}

static void errors_name_script_line_and_message(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    assert_int_equal(run_body(w, "\nerror('it broke')"), TC_ESCRIPT);
    assert_non_null(strstr(w->err.text, ":3: it broke"));
    assert_non_null(strstr(w->err.text, "stack traceback"));
    const char *name = strrchr(w->path, '/') + 1;
    assert_non_null(strstr(w->err.text, name));
    assert_int_equal(run_body(w, "error({})"), TC_ESCRIPT);
    assert_non_null(strstr(w->err.text, "table"));
    assert_null(strstr(w->err.text, "0x"));
    assert_int_equal(run_body(w, "end end }"), TC_ESCRIPT);
    assert_non_null(strstr(w->err.text, name));
    world_free(w);
}

static void the_budget_is_per_call(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    w->steps_max = 100000;
    assert_int_equal(world_text(w, "return attack 't' { summary = 't', on_timer = function() end, on_phase = function()"
                                   " for i = 1, 20000 do end end }"),
                     0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(world_call(w, (struct tc_call){.kind = TC_CALL_PHASE}), 0);
    world_free(w);
}

static void order_is_that_of_keys(void **state)
{
    (void)state;
    runs("local t = { z = 1, a = 2, [3] = 3, [1] = 4, [-1] = 5, [1.5] = 6, [true] = 7, [false] = 8, m = 9, [10] = 10 }"
         " local s = '' for k in pairs(t) do s = s .. tostring(k) .. ' ' end"
         " assert(s == '-1 1 3 10 1.5 a m z false true ', s)"
         " local n, k = '', nil repeat k = next(t, k) n = n .. tostring(k) .. ' ' until k == nil"
         " assert(n == s .. 'nil ', n) assert(next({}) == nil)");
    runs("local t = { 1, 2, 3, a = 1, b = 2 } for k in pairs(t) do t[k] = nil end assert(next(t) == nil)");
    fails("for k in pairs({ [{}] = 1 }) do end", TC_ESCRIPT, "no order");
    runs("local t = {} for i = 1, 200 do t[i] = { k = i % 7, i = i } end"
         " table.sort(t, function(a, b) return a.k < b.k end)"
         " for i = 2, 200 do assert(t[i-1].k < t[i].k or (t[i-1].k == t[i].k and t[i-1].i < t[i].i)) end");
    runs("local t = { 3, 1, 2 } table.sort(t) assert(table.concat(t, ' ') == '1 2 3')"
         " table.sort(t, function() return true end) assert(#t == 3)");
}

static void no_addresses(void **state)
{
    (void)state;
    runs("assert(tostring({}) == 'table') assert(tostring(function() end) == 'function')"
         " assert(('%s'):format({}) == 'table') assert(tostring(c) == 'tc.context', tostring(c))"
         " assert(tostring(NIL) == 'NIL') assert(tostring(drop()) == 'drop')"
         " assert(tostring(setmetatable({}, { __tostring = function() return 'me' end })) == 'me')");
}

static void patterns_match_as_in_the_manual(void **state)
{
    (void)state;
    runs("assert(('hello world'):find('o w') == 5) assert(('hello'):find('l+') == 3)"
         " assert(select(2, ('hello'):find('l+')) == 4) assert(('k = v'):match('(%w+)%s*=%s*(%w+)') == 'k')"
         " assert(select(2, ('k = v'):match('(%w+)%s*=%s*(%w+)')) == 'v')"
         " assert(('abc'):match('()b()') == 2) assert(('[[x]]'):match('%[%[(.-)%]%]') == 'x')"
         " assert(('f(a(b)c)d'):match('%b()') == '(a(b)c)') assert(('THE (quick) fox'):find('%f[%a]%a+%f[%A]') == 1)"
         " assert(('x2y'):match('[%d]') == '2') assert(('a-b'):match('[a%-]+') == 'a-')"
         " assert((']'):match('[]]') == ']') assert(('b'):match('[^a]') == 'b') assert(('z'):match('[a-y]') == nil)"
         " assert(('\"it\"'):match('([\"\\'])(.-)%1') == '\"') assert(('abc'):find('b', 1, true) == 2)"
         " assert(('abc'):find('', 10) == nil) assert(('abc'):find('', 4) == 4) assert(('aXb'):find('%u') == 2)"
         " assert(('ab'):match('^b') == nil) assert(('ab'):match('b$') == 'b') assert(('a$'):match('a$') == nil)"
         " assert(('abc'):match('a.-c') == 'abc') assert(('ac'):match('ab?c') == 'ac') assert(('abc'):find('b', -2) == "
         "2)");
    runs("assert(('abc'):gsub('%w', '%0%0') == 'aabbcc') assert(('hello'):gsub('', '-') == '-h-e-l-l-o-')"
         " assert(('abc'):gsub('b', { b = 'X' }) == 'aXc') assert(('abc'):gsub('b', { b = false }) == 'abc')"
         " assert(('a b'):gsub('(%w) (%w)', '%2 %1') == 'b a') assert(select(2, ('aaa'):gsub('a', 'b', 2)) == 2)"
         " assert(('abc'):gsub('^a', 'x') == 'xbc') assert(('a,b,,c'):gsub(',', ';') == 'a;b;;c')"
         " local s = '' for w in ('one two'):gmatch('%a+') do s = s .. w .. '.' end assert(s == 'one.two.')"
         " local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end assert(n == 4)"
         " assert(('x'):gsub('x', '%%') == '%')");
    fails("x = ('a'):find('[a')", TC_ESCRIPT, "malformed pattern");
    fails("x = ('a'):find('%')", TC_ESCRIPT, "malformed pattern");
    fails("x = ('a'):find('(a')", TC_ESCRIPT, "unfinished capture");
    fails("x = ('a'):find('%a)')", TC_ESCRIPT, "invalid pattern capture");
    fails("x = ('a'):gsub('a', '%2')", TC_ESCRIPT, "invalid capture index");
}

static void table_functions_work(void **state)
{
    (void)state;
    runs("local t = { 1, 3 } table.insert(t, 2, 2) table.insert(t, 4) assert(table.concat(t, ',') == '1,2,3,4')"
         " assert(table.remove(t, 1) == 1) assert(table.remove(t) == 4) assert(table.concat(t, ',') == '2,3')"
         " assert(table.unpack(t) == 2) assert(table.pack(1, 2).n == 2) assert(table.remove({}) == nil)"
         " assert(select('#', table.unpack({ 1, 2, 3 })) == 3) assert(#table.move({ 1, 2 }, 1, 2, 2) == 3)");
    fails("table.insert({ 1 }, 5, 1)", TC_ESCRIPT, "out of bounds");
    fails("x = table.move({}, 1, 1 << 60, 2)", TC_ESCRIPT, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_stops_loops),
        cmocka_unit_test(memory_is_capped),
        cmocka_unit_test(recursion_ends),
        cmocka_unit_test(removed_names_say_what_to_use),
        cmocka_unit_test(a_metatable_gets_no_gc_later),
        cmocka_unit_test(errors_name_script_line_and_message),
        cmocka_unit_test(the_budget_is_per_call),
        cmocka_unit_test(order_is_that_of_keys),
        cmocka_unit_test(no_addresses),
        cmocka_unit_test(patterns_match_as_in_the_manual),
        cmocka_unit_test(table_functions_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
