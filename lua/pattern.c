/* Lua patterns, matched by us: the library's own matcher can run for hours on three kilobytes without the interpreter
 * ever counting a step. Backtracking is the same, but every comparison is paid for and the depth is bounded.
 *
 * A pattern is read item by item: a *single* (a character, a class, a set) with its repetition, or one of the
 * constructs that match by themselves: captures, %b, %f, back references, the anchor at the end. */
#include "lua_internal.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 200
#define PAY_EVERY 128

static void pay(struct tc_match *m)
{
    if (++m->spent >= PAY_EVERY) {
        m->spent = 0;
        tc_sandbox_charge(m->L, PAY_EVERY);
    }
}

static int byte_at(const char *p)
{
    return (unsigned char)*p;
}

/* The end of the set that begins at `p` (behind its '['). */
static const char *set_end(struct tc_match *m, const char *p)
{
    if (p < m->pattern_end && *p == '^')
        p++;
    bool first = true;
    for (;;) {
        if (p >= m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        int c = byte_at(p++);
        if (c == '%') {
            if (p >= m->pattern_end)
                luaL_error(m->L, "malformed pattern (ends with '%%')");
            p++;
        } else if (c == ']' && !first) {
            return p;
        }
        first = false;
    }
}

static const char *single_end(struct tc_match *m, const char *p)
{
    int c = byte_at(p++);
    if (c == '%') {
        if (p >= m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    return c == '[' ? set_end(m, p) : p;
}

static bool in_class(int c, int class)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !in : in;
}

/* Is c in the set between `p` (behind '[') and `end` (at ']')? */
static bool in_set(struct tc_match *m, int c, const char *p, const char *end)
{
    bool wanted = true;
    if (*p == '^') {
        wanted = false;
        p++;
    }
    while (p < end) {
        pay(m);
        if (*p == '%') {
            if (in_class(c, byte_at(p + 1)))
                return wanted;
            p += 2;
        } else if (p + 2 < end && p[1] == '-') {
            if (byte_at(p) <= c && c <= byte_at(p + 2))
                return wanted;
            p += 3;
        } else {
            if (byte_at(p) == c)
                return wanted;
            p++;
        }
    }
    return !wanted;
}

/* Does the single [p, end) match the character at s? */
static bool matches_single(struct tc_match *m, const char *s, const char *p, const char *end)
{
    pay(m);
    if (s >= m->text_end)
        return false;
    int c = byte_at(s);
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, byte_at(p + 1));
    case '[':
        return in_set(m, c, p + 1, end - 1);
    default:
        return byte_at(p) == c;
    }
}

static const char *match_here(struct tc_match *m, const char *s, const char *p);

static const char *match_greedy(struct tc_match *m, const char *s, const char *p, const char *end, ptrdiff_t least)
{
    ptrdiff_t count = 0;
    while (matches_single(m, s + count, p, end))
        count++;
    for (; count >= least; count--) {
        const char *done = match_here(m, s + count, end + 1);
        if (done)
            return done;
    }
    return NULL;
}

static const char *match_lazy(struct tc_match *m, const char *s, const char *p, const char *end)
{
    for (;;) {
        const char *done = match_here(m, s, end + 1);
        if (done)
            return done;
        if (!matches_single(m, s, p, end))
            return NULL;
        s++;
    }
}

static const char *match_open(struct tc_match *m, const char *s, const char *p, bool position)
{
    if (m->captures >= TC_CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->capture[m->captures].start = s;
    m->capture[m->captures].len = position ? TC_CAPTURE_POSITION : -1;
    m->captures++;
    const char *done = match_here(m, s, position ? p + 2 : p + 1);
    if (!done)
        m->captures--;
    return done;
}

static const char *match_close(struct tc_match *m, const char *s, const char *p)
{
    int open = m->captures - 1;
    while (open >= 0 && m->capture[open].len != -1)
        open--;
    if (open < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[open].len = s - m->capture[open].start;
    const char *done = match_here(m, s, p + 1);
    if (!done)
        m->capture[open].len = -1;
    return done;
}

/* %bxy: from an x to the y that balances it. The end, or NULL. */
static const char *match_balance(struct tc_match *m, const char *s, const char *p)
{
    if (p + 3 >= m->pattern_end)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->text_end || *s != p[2])
        return NULL;
    int depth = 1;
    for (const char *at = s + 1; at < m->text_end; at++) {
        pay(m);
        if (*at == p[3]) {
            if (--depth == 0)
                return at + 1;
        } else if (*at == p[2]) {
            depth++;
        }
    }
    return NULL;
}

/* %f[set] at s; *p is moved behind it. */
static bool match_frontier(struct tc_match *m, const char *s, const char **p)
{
    const char *set = *p + 2;
    if (set >= m->pattern_end || *set != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *end = set_end(m, set + 1);
    int before = s == m->text ? 0 : byte_at(s - 1);
    int here = s >= m->text_end ? 0 : byte_at(s);
    *p = end;
    return !in_set(m, before, set + 1, end - 1) && in_set(m, here, set + 1, end - 1);
}

static const char *match_back(struct tc_match *m, const char *s, int digit)
{
    int index = digit - '1';
    if (index < 0 || index >= m->captures || m->capture[index].len == -1)
        luaL_error(m->L, "invalid capture index %%%d in pattern", index + 1);
    size_t len = m->capture[index].len < 0 ? 0 : (size_t)m->capture[index].len;
    tc_sandbox_charge(m->L, len / 16);
    if ((size_t)(m->text_end - s) < len || memcmp(s, m->capture[index].start, len) != 0)
        return NULL;
    return s + len;
}

/* The constructs behind a '%' that are not classes. *handled says whether p was one; then the result is *done. */
static bool match_escape(struct tc_match *m, const char **s, const char **p, const char **done)
{
    int c = *p + 1 < m->pattern_end ? byte_at(*p + 1) : 0;
    *done = NULL;
    if (c == 'b') {
        *s = match_balance(m, *s, *p);
        *p += 4;
    } else if (c == 'f') {
        if (!match_frontier(m, *s, p))
            *s = NULL;
    } else if (isdigit(c)) {
        *s = match_back(m, *s, c);
        *p += 2;
    } else {
        return false;
    }
    return true;
}

/* Matches items one after another; recursion only where a choice may have to be undone. */
static const char *match_items(struct tc_match *m, const char *s, const char *p)
{
    while (p < m->pattern_end) {
        const char *done;
        pay(m);
        if (*p == '(')
            return match_open(m, s, p, p + 1 < m->pattern_end && p[1] == ')');
        if (*p == ')')
            return match_close(m, s, p);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->text_end ? s : NULL;
        if (*p == '%' && match_escape(m, &s, &p, &done)) {
            if (!s)
                return NULL;
            continue;
        }
        const char *end = single_end(m, p);
        int repeat = end < m->pattern_end ? *end : 0;
        if (repeat == '*' || repeat == '+')
            return match_greedy(m, s, p, end, repeat == '+');
        if (repeat == '-')
            return match_lazy(m, s, p, end);
        bool one = matches_single(m, s, p, end);
        if (repeat == '?') {
            if (one && (done = match_here(m, s + 1, end + 1)))
                return done;
            p = end + 1;
            continue;
        }
        if (!one)
            return NULL;
        s++;
        p = end;
    }
    return s;
}

static const char *match_here(struct tc_match *m, const char *s, const char *p)
{
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");
    const char *done = match_items(m, s, p);
    m->depth--;
    return done;
}

const char *tc_pattern_match(struct tc_match *match, const char *at, const char *pattern)
{
    match->captures = 0;
    match->depth = 0;
    return match_here(match, at, pattern);
}
