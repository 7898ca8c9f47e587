#include "scenario_read.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void join(char out[static 160], const char *path, const char *key)
{
    snprintf(out, 160, "%s%s%s", path, *path && *key ? "." : "", key);
}

/* "replicas.id#3.address" is for finding the line; people read "replicas[3].address". */
static void readable(const char *path, char out[static 200])
{
    size_t used = 0;
    for (const char *p = path; *p && used + 8 < 200; p++) {
        if (strncmp(p, ".id#", 4) == 0) {
            out[used++] = '[';
            for (p += 4; *p >= '0' && *p <= '9' && used + 8 < 200; p++)
                out[used++] = *p;
            out[used++] = ']';
            p--;
            continue;
        }
        out[used++] = *p;
    }
    out[used] = 0;
}

void tc_read_mistake(struct tc_reader *r, const char *path, const char *expected, int found)
{
    char name[200];
    if (r->code)
        return;
    readable(path, name);
    r->code = tc_error_set(r->err, TC_EUSAGE, "%s:%u: %s: expected %s, found %s", r->source->path,
                           tc_source_line(r->source, path, r->line), name, expected,
                           found ? tc_lua_found(r->L, found) : "nothing");
}

void tc_read_fail(struct tc_reader *r, const char *path, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (r->code)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    r->code =
        tc_error_set(r->err, TC_EUSAGE, "%s:%u: %s", r->source->path, tc_source_line(r->source, path, r->line), text);
}

void tc_read_keys(struct tc_reader *r, int table, const char *path, const char *what, const char *const *known,
                  size_t count)
{
    char full[160];
    if (r->code)
        return;
    size_t keys = tc_lua_keys(r->L, table);
    for (size_t i = 1; i <= keys && !r->code; i++) {
        lua_rawgeti(r->L, -1, (lua_Integer)i);
        const char *name = lua_type(r->L, -1) == LUA_TSTRING ? lua_tostring(r->L, -1) : NULL;
        bool found = false;
        for (size_t k = 0; name && k < count; k++)
            found |= strcmp(name, known[k]) == 0;
        if (!found && name) {
            const char *near = tc_lua_nearest(name, known, count);
            join(full, path, name);
            tc_read_fail(r, full, "unknown key '%s' in %s%s%s%s", name, what, near ? "; did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
        } else if (!found) {
            tc_read_fail(r, path, "%s: expected keys like '%s', found %s", what, known[0], tc_lua_found(r->L, -1));
        }
        lua_pop(r->L, 1);
    }
    lua_pop(r->L, 1);
}

/* Pushes the field; false (nothing pushed) if it is nil or there was a mistake before. */
static bool get(struct tc_reader *r, int table, const char *key)
{
    if (r->code)
        return false;
    if (lua_getfield(r->L, table, key) != LUA_TNIL)
        return true;
    lua_pop(r->L, 1);
    return false;
}

void tc_read_api_keys(struct tc_reader *r, int table, const char *path, const char *what, enum tc_api_scope scope)
{
    const char *known[32];
    size_t count = tc_api_names(scope, known, sizeof known / sizeof known[0]);
    tc_read_keys(r, table, path, what, known, count);
}

bool tc_read_string(struct tc_reader *r, int table, const char *path, const char *key, char *to, size_t size)
{
    char full[160];
    if (!get(r, table, key))
        return false;
    join(full, path, key);
    size_t len = 0;
    const char *text = lua_type(r->L, -1) == LUA_TSTRING ? lua_tolstring(r->L, -1, &len) : NULL;
    if (!text)
        tc_read_mistake(r, full, "a string", -1);
    else if (len >= size || strlen(text) != len)
        tc_read_fail(r, full, "%s: expected at most %zu bytes of text, found %zu", full, size - 1, len);
    else
        snprintf(to, size, "%s", text);
    lua_pop(r->L, 1);
    return r->code == 0;
}

bool tc_read_integer(struct tc_reader *r, int table, const char *path, const char *key, uint64_t min, uint64_t max,
                     uint64_t *to)
{
    char full[160], expected[96];
    if (!get(r, table, key))
        return false;
    join(full, path, key);
    int exact;
    lua_Integer number = lua_tointegerx(r->L, -1, &exact);
    if (lua_type(r->L, -1) != LUA_TNUMBER || !exact || number < 0 || (uint64_t)number < min || (uint64_t)number > max) {
        snprintf(expected, sizeof expected, "a whole number from %llu to %llu", (unsigned long long)min,
                 (unsigned long long)max);
        tc_read_mistake(r, full, expected, -1);
    } else {
        *to = (uint64_t)number;
    }
    lua_pop(r->L, 1);
    return r->code == 0;
}

static bool read_number(struct tc_reader *r, int table, const char *path, const char *key, double min, double max,
                        const char *unit, double *to)
{
    char full[160], expected[96];
    if (!get(r, table, key))
        return false;
    join(full, path, key);
    double number = lua_tonumber(r->L, -1);
    if (lua_type(r->L, -1) != LUA_TNUMBER || !(number >= min && number <= max)) {
        snprintf(expected, sizeof expected, "%s from %.10g to %.10g", unit, min, max);
        tc_read_mistake(r, full, expected, -1);
    } else {
        *to = number;
    }
    lua_pop(r->L, 1);
    return r->code == 0;
}

bool tc_read_number(struct tc_reader *r, int table, const char *path, const char *key, double min, double max,
                    double *to)
{
    return read_number(r, table, path, key, min, max, "a number", to);
}

bool tc_read_seconds(struct tc_reader *r, int table, const char *path, const char *key, double min, double max,
                     uint64_t *to_ns)
{
    double seconds = 0;
    if (!read_number(r, table, path, key, min, max, "seconds", &seconds))
        return false;
    double whole = floor(seconds);
    *to_ns = (uint64_t)whole * UINT64_C(1000000000) + (uint64_t)floor((seconds - whole) * 1e9 + 0.5);
    return true;
}

bool tc_read_choice(struct tc_reader *r, int table, const char *path, const char *key, const char *const *words,
                    size_t count, int *to)
{
    char full[160], expected[256] = "";
    if (!get(r, table, key))
        return false;
    join(full, path, key);
    const char *text = lua_type(r->L, -1) == LUA_TSTRING ? lua_tostring(r->L, -1) : "";
    bool found = false;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], text) == 0) {
            *to = (int)i;
            found = true;
        }
        used += (size_t)snprintf(expected + used, sizeof expected - used, "%s\"%s\"", i ? " or " : "", words[i]);
    }
    if (!found)
        tc_read_mistake(r, full, expected, -1);
    lua_pop(r->L, 1);
    return r->code == 0;
}

bool tc_read_table(struct tc_reader *r, int table, const char *path, const char *key, const char *expected)
{
    char full[160];
    if (!get(r, table, key))
        return false;
    if (lua_istable(r->L, -1))
        return true;
    join(full, path, key);
    tc_read_mistake(r, full, expected, -1);
    lua_pop(r->L, 1);
    return false;
}
