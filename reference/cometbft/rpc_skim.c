/* Takes single values out of a long JSON object, at the cost of looking at each byte once for each object around them.
 * What is passed over is only weighed for its brackets: whether it is well-formed is nobody's concern. */
#define _GNU_SOURCE
#include "rpc_parts.h"

#include <string.h>

struct skim {
    const uint8_t *at, *end;
};

static uint8_t next(struct skim *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
    return s->at < s->end ? *s->at : 0;
}

static bool take(struct skim *s, uint8_t byte)
{
    if (next(s) != byte)
        return false;
    s->at++;
    return true;
}

/* From one quotation mark to the next that is not escaped. */
static bool skip_string(struct skim *s)
{
    for (s->at++; s->at < s->end; s->at++) {
        if (*s->at == '"') {
            s->at++;
            return true;
        }
        if (*s->at == '\\' && s->end - s->at > 1)
            s->at++;
    }
    s->at = s->end;
    return false;
}

static bool skip_nested(struct skim *s)
{
    size_t depth = 0;
    do {
        const uint8_t byte = *s->at;
        if (byte == '"') {
            if (!skip_string(s))
                return false;
            continue;
        }
        s->at++;
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
    } while (depth > 0 && s->at < s->end);
    return depth == 0;
}

static bool skip_value(struct skim *s)
{
    const uint8_t first = next(s);
    const uint8_t *begin = s->at;
    if (first == '"')
        return skip_string(s);
    if (first == '{' || first == '[')
        return skip_nested(s);
    while (s->at<s->end && * s->at> ' ' && !strchr(",:}]", *s->at))
        s->at++;
    return s->at > begin;
}

/* The value of `key` in an object; the object must end where the bytes do. */
static bool find(struct tc_slice object, const char *key, struct tc_slice *value)
{
    struct skim s = {object.data, object.data + object.len};
    const size_t key_len = strlen(key);
    bool found = false, more = take(&s, '{') && next(&s) == '"';
    while (more) {
        const uint8_t *name = s.at + 1;
        if (!skip_string(&s))
            return false;
        const bool is_it = (size_t)(s.at - 1 - name) == key_len && memcmp(name, key, key_len) == 0;
        if (!take(&s, ':'))
            return false;
        next(&s);
        const uint8_t *begin = s.at;
        if (!skip_value(&s))
            return false;
        if (is_it)
            *value = (struct tc_slice){begin, (size_t)(s.at - begin)};
        found |= is_it;
        more = take(&s, ',');
        if (more && next(&s) != '"')
            return false;
    }
    return take(&s, '}') && next(&s) == 0 && s.at == s.end && found;
}

/* Puts `value` at `path` into `tree`, with the objects around it. Takes the reference. */
static int put(json_t *tree, const char *const *path, json_t *value)
{
    for (; path[1]; path++) {
        json_t *inner = json_object_get(tree, path[0]);
        if (!inner && json_object_set_new(tree, path[0], inner = json_object()) < 0) {
            json_decref(value);
            return -1;
        }
        tree = inner;
    }
    return json_object_set_new(tree, path[0], value);
}

json_t *tc_rpc_parts(struct tc_slice body, const char *const *const paths[])
{
    json_t *tree = json_object();
    for (size_t i = 0; tree && paths[i]; i++) {
        struct tc_slice part = body;
        bool found = true;
        for (size_t k = 0; found && paths[i][k]; k++)
            found = find(part, paths[i][k], &part);
        json_t *value = found && part.len <= TC_RPC_PARSED_MAX
                            ? json_loadb((const char *)part.data, part.len, JSON_DECODE_ANY, NULL)
                            : NULL;
        if (value && put(tree, paths[i], value) == 0)
            continue;
        json_decref(tree);
        tree = NULL;
    }
    return tree;
}
