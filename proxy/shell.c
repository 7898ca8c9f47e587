#include "shell.h"

#include <stdio.h>
#include <string.h>

#define CUT " …"

/* What no shell gives a meaning to, inside a word. */
static bool is_plain(const char *word)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    return *word && word[strspn(word, safe)] == 0;
}

static size_t quoted_size(const char *word)
{
    size_t size = 2;
    for (const char *c = word; *c; c++)
        size += *c == '\'' ? 4 : 1;
    return size;
}

static void quote(char *to, const char *word)
{
    *to++ = '\'';
    for (const char *c = word; *c; c++) {
        if (*c == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = *c;
        }
    }
    *to++ = '\'';
    *to = 0;
}

static bool is_cut(const char *line, size_t len)
{
    return len >= strlen(CUT) && strcmp(line + len - strlen(CUT), CUT) == 0;
}

void tc_shell_add(char *line, size_t size, const char *word)
{
    const size_t used = strlen(line), space = used > 0, mark = strlen(CUT);
    const size_t need = is_plain(word) ? strlen(word) : quoted_size(word);
    if (is_cut(line, used))
        return;
    if (used + space + need + mark >= size) {
        snprintf(line + used, size - used, "%s", CUT);
        return;
    }
    if (space)
        line[used] = ' ';
    if (is_plain(word))
        memcpy(line + used + space, word, need + 1);
    else
        quote(line + used + space, word);
}

void tc_shell_option(char *line, size_t size, const char *name, const char *value)
{
    char word[64];
    snprintf(word, sizeof word, "--%s", name);
    tc_shell_add(line, size, word);
    if (value)
        tc_shell_add(line, size, value);
}

void tc_shell_line(char *line, size_t size, const char *command, const char *operand)
{
    line[0] = 0;
    tc_shell_add(line, size, "turncoat");
    tc_shell_add(line, size, command);
    tc_shell_add(line, size, operand);
}
