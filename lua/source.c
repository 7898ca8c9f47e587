/* The text of a script file: read whole, scanned into words once. The words give errors their lines (a Lua table does
 * not know where its keys were written) and tell what the script uses before it runs. */
#include "lua_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last two parts of a path: long enough to know the file, short enough that Lua does not cut it. */
static void set_chunk(struct tc_source *source)
{
    const char *from = source->path;
    int slashes = 0;
    for (const char *p = source->path + strlen(source->path); p > source->path; p--) {
        if (p[-1] == '/' && ++slashes == 2) {
            from = p;
            break;
        }
    }
    snprintf(source->chunk, sizeof source->chunk, "%s", from);
}

struct scanner {
    struct tc_source *source;
    size_t at;
    uint32_t line;
    size_t capacity;
};

static int peek(const struct scanner *s, size_t ahead)
{
    size_t at = s->at + ahead;
    return at < s->source->len ? (unsigned char)s->source->text[at] : 0;
}

static bool add_token(struct scanner *s, char type, size_t start, uint32_t line)
{
    struct tc_source *source = s->source;
    if (source->token_count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 512;
        struct tc_token *grown = realloc(source->tokens, capacity * sizeof *grown);
        if (!grown)
            return false;
        source->tokens = grown;
        s->capacity = capacity;
    }
    source->tokens[source->token_count++] =
        (struct tc_token){.start = (uint32_t)start, .len = (uint32_t)(s->at - start), .line = line, .type = type};
    return true;
}

/* At `[`, `[=`, …: the number of `=` signs plus one if a long bracket opens here, else 0. */
static size_t long_bracket(const struct scanner *s)
{
    size_t level = 0;
    while (peek(s, 1 + level) == '=')
        level++;
    return peek(s, 1 + level) == '[' ? level + 1 : 0;
}

static void skip_long(struct scanner *s, size_t level_plus_one)
{
    s->at += level_plus_one + 1;
    while (s->at < s->source->len) {
        if (peek(s, 0) == '\n')
            s->line++;
        if (peek(s, 0) == ']') {
            size_t level = 0;
            while (peek(s, 1 + level) == '=')
                level++;
            if (level + 1 == level_plus_one && peek(s, 1 + level) == ']') {
                s->at += level + 2;
                return;
            }
        }
        s->at++;
    }
}

static void skip_comment(struct scanner *s)
{
    s->at += 2;
    size_t level = peek(s, 0) == '[' ? long_bracket(s) : 0;
    if (level) {
        skip_long(s, level);
        return;
    }
    while (s->at < s->source->len && peek(s, 0) != '\n')
        s->at++;
}

static void skip_quoted(struct scanner *s)
{
    int quote = peek(s, 0);
    s->at++;
    while (s->at < s->source->len && peek(s, 0) != quote && peek(s, 0) != '\n') {
        if (peek(s, 0) == '\\') {
            s->at++;
            if (peek(s, 0) == '\n')
                s->line++;
        }
        s->at++;
    }
    s->at++;
    if (s->at > s->source->len)
        s->at = s->source->len;
}

/* One word from where the scanner stands; false if memory is out. */
static bool scan_one(struct scanner *s)
{
    size_t start = s->at;
    uint32_t line = s->line;
    int c = peek(s, 0);
    if (c == '"' || c == '\'') {
        skip_quoted(s);
        return add_token(s, 's', start, line);
    }
    if (c == '[' && long_bracket(s)) {
        skip_long(s, long_bracket(s));
        return add_token(s, 's', start, line);
    }
    if (isalpha(c) || c == '_') {
        while (isalnum(peek(s, 0)) || peek(s, 0) == '_')
            s->at++;
        return add_token(s, 'n', start, line);
    }
    if (isdigit(c)) {
        while (isalnum(peek(s, 0)) || peek(s, 0) == '.')
            s->at++;
        return add_token(s, 'd', start, line);
    }
    s->at++;
    return add_token(s, (char)c, start, line);
}

int tc_source_scan(struct tc_source *source, struct tc_error *err)
{
    struct scanner s = {.source = source, .line = 1};
    set_chunk(source);
    if (source->len && source->text[0] == '\x1b')
        return tc_error_set(err, TC_ESCRIPT, "%s: bytecode is not loaded; give the source text", source->path);
    if (peek(&s, 0) == '#')
        while (s.at < source->len && peek(&s, 0) != '\n')
            s.at++;
    while (s.at < source->len) {
        int c = peek(&s, 0);
        if (c == '\n') {
            s.line++;
            s.at++;
        } else if (isspace(c)) {
            s.at++;
        } else if (c == '-' && peek(&s, 1) == '-') {
            skip_comment(&s);
        } else if (c == '^') {
            return tc_error_set(err, TC_ESCRIPT,
                                "%s:%u: the operator ^ is not here (its last bits differ between processors); write "
                                "x*x, or 1 << n for a power of two",
                                source->chunk, s.line);
        } else if (!scan_one(&s)) {
            return tc_error_set(err, TC_EMEMORY, "%s: out of memory", source->path);
        }
    }
    return 0;
}

/* Somebody wrote this path: unless the disk is to blame, it is a mistake. */
static int unreadable(int reason)
{
    return reason == EIO || reason == EMFILE || reason == ENFILE || reason == ENOMEM ? TC_EIO : TC_EUSAGE;
}

static int read_text(FILE *file, struct tc_source *source, struct tc_error *err)
{
    size_t capacity = 0;
    for (;;) {
        if (source->len == capacity) {
            if (capacity >= TC_SOURCE_MAX)
                return tc_error_set(err, TC_ELIMIT, "%s: larger than %zu bytes", source->path, TC_SOURCE_MAX);
            capacity = capacity ? capacity * 2 : 8192;
            char *grown = realloc(source->text, capacity);
            if (!grown)
                return tc_error_set(err, TC_EMEMORY, "%s: out of memory", source->path);
            source->text = grown;
        }
        size_t got = fread(source->text + source->len, 1, capacity - source->len, file);
        source->len += got;
        if (got == 0)
            break;
    }
    if (ferror(file))
        return tc_error_set(err, unreadable(errno), "%s: %s", source->path, strerror(errno));
    return 0;
}

int tc_source_read(const char *path, struct tc_source *source, struct tc_error *err)
{
    *source = (struct tc_source){0};
    if ((size_t)snprintf(source->path, sizeof source->path, "%s", path) >= sizeof source->path)
        return tc_error_set(err, TC_EUSAGE, "%.100s…: path longer than %zu bytes", path, sizeof source->path - 1);
    FILE *file = fopen(path, "rb");
    if (!file)
        return tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : unreadable(errno), "%s: %s", path, strerror(errno));
    int rc = read_text(file, source, err);
    fclose(file);
    return rc ? rc : tc_source_scan(source, err);
}

void tc_source_free(struct tc_source *source)
{
    free(source->text);
    free(source->tokens);
    *source = (struct tc_source){0};
}

static bool token_is(const struct tc_source *source, const struct tc_token *token, const char *name, size_t len)
{
    return token->type == 'n' && token->len == len && memcmp(source->text + token->start, name, len) == 0;
}

bool tc_source_uses(const struct tc_source *source, const char *name)
{
    for (size_t i = 0; i < source->token_count; i++)
        if (token_is(source, &source->tokens[i], name, strlen(name)))
            return true;
    return false;
}

/* The index of the '=' of `name =` or `["name"] =` that begins at token i; 0 if none does. */
static size_t key_at(const struct tc_source *source, size_t i, const char *name, size_t len)
{
    const struct tc_token *token = &source->tokens[i];
    if (token_is(source, token, name, len))
        return i + 1 < source->token_count && source->tokens[i + 1].type == '=' ? i + 1 : 0;
    if (token->type != 's' || token->len != len + 2 || memcmp(source->text + token->start + 1, name, len) != 0)
        return 0;
    return i + 2 < source->token_count && source->tokens[i + 1].type == ']' && source->tokens[i + 2].type == '=' ? i + 2
                                                                                                                 : 0;
}

/* Index of the token behind the `nth` "name =" at or after `from`; 0 if there is none. */
static size_t find_key(const struct tc_source *source, size_t from, const char *name, size_t len, unsigned long nth,
                       uint32_t line)
{
    for (size_t i = from; i + 1 < source->token_count; i++) {
        const size_t found = source->tokens[i].line >= line ? key_at(source, i, name, len) : 0;
        if (found && --nth == 0)
            return found;
    }
    return 0;
}

uint32_t tc_source_line(const struct tc_source *source, const char *path, uint32_t line)
{
    size_t from = 0;
    for (const char *part = path; *part;) {
        size_t len = strcspn(part, ".#");
        const char *end = part + len;
        unsigned long nth = 1;
        if (*end == '#') {
            char *behind;
            nth = strtoul(end + 1, &behind, 10);
            end = behind;
        }
        size_t found = find_key(source, from, part, len, nth ? nth : 1, line);
        if (found) {
            from = found;
            line = source->tokens[found].line;
        }
        part = end + strcspn(end, ".");
        if (*part == '.')
            part++;
    }
    return line ? line : 1;
}
