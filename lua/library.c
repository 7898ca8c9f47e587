/* The library of attacks and scenarios: what a name means, what there is. */
#define _GNU_SOURCE
#include "scenario.h"

#include "lua_internal.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX  64
#define FILES_MAX 1024

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Changes, insertions and deletions from a to b; words longer than WORD_MAX are cut. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t len_a = strnlen(a, WORD_MAX), len_b = strnlen(b, WORD_MAX);
    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t changed = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
            corner = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[len_b];
}

const char *tc_lua_nearest(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, words[i]);
        if (d < best_distance || (d == best_distance && best && strcmp(words[i], best) < 0)) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}

/* ---- the files of a folder, sorted ---- */

struct names {
    char *items[FILES_MAX];
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
}

/* Names (without .lua) of the files in DIR/KIND, sorted. 0 or TC_EIO, TC_EMEMORY, TC_ELIMIT. */
static int names_read(const char *folder, struct names *names)
{
    names->count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return TC_EIO;
    int rc = 0;
    for (struct dirent *entry; !rc && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        if (len <= 4 || strcmp(entry->d_name + len - 4, ".lua") != 0)
            continue;
        if (names->count == FILES_MAX) {
            rc = TC_ELIMIT;
            break;
        }
        char *name = strndup(entry->d_name, len - 4);
        if (!name)
            rc = TC_EMEMORY;
        else
            names->items[names->count++] = name;
    }
    closedir(dir);
    if (names->count)
        qsort(names->items, names->count, sizeof names->items[0], by_name);
    return rc;
}

bool tc_script_is_path(const char *name)
{
    return strchr(name, '/') || (strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".lua") == 0);
}

int tc_script_find(const char *lua_dir, const char *kind, const char *name, char path[static 512], struct tc_error *err)
{
    if (tc_script_is_path(name)) {
        if (strlen(name) >= 512)
            return tc_error_set(err, TC_EUSAGE, "%.100s…: path longer than 511 bytes", name);
        if (access(name, R_OK) != 0)
            return tc_error_set(err, TC_ENOT_FOUND, "%s: %s", name, strerror(errno));
        snprintf(path, 512, "%s", name);
        return 0;
    }
    if ((size_t)snprintf(path, 512, "%s/%s/%s.lua", lua_dir, kind, name) < 512 && access(path, R_OK) == 0)
        return 0;
    char folder[512];
    struct names *names = calloc(1, sizeof *names);
    if (!names)
        return tc_error_set(err, TC_EMEMORY, "out of memory");
    snprintf(folder, sizeof folder, "%s/%s", lua_dir, kind);
    names_read(folder, names);
    const char *near = tc_lua_nearest(name, (const char *const *)names->items, names->count);
    int singular = (int)strlen(kind) - 1;
    int rc =
        tc_error_set(err, TC_ENOT_FOUND, "no %.*s named '%s' in %s; %s%s%s", singular, kind, name, folder,
                     near ? "did you mean '" : "'turncoat list ", near ? near : kind, near ? "'?" : "' names them");
    names_free(names);
    free(names);
    return rc;
}

/* ---- what there is ---- */

static int describe_attack(const char *lua_dir, const char *path, struct tc_script_info *info, struct tc_error *err)
{
    struct tc_script *script;
    struct tc_script_config config = {.path = path, .lua_dir = lua_dir};
    const int rc = tc_script_load(&config, &script, err);
    if (rc)
        return rc;
    char name[TC_NAME_MAX];
    memcpy(name, info->name, sizeof name);
    *info = *tc_script_info(script);
    memcpy(info->name, name, sizeof name); /* a file is called by its own name */
    tc_script_free(script);
    return 0;
}

/* The scenario in the file at `path`; an attack there is the scenario's attack. */
static int describe_scenario(const char *lua_dir, const char *path, struct tc_script_info *info, bool *is_attack,
                             struct tc_error *err)
{
    struct tc_scenario *scenario = calloc(1, sizeof *scenario);
    if (!scenario)
        return tc_error_set(err, TC_EMEMORY, "out of memory");
    const int rc = tc_scenario_load(lua_dir, path, scenario, err);
    *is_attack = rc == 0 && strcmp(scenario->attack, path) == 0;
    snprintf(info->summary, sizeof info->summary, "%s", scenario->summary);
    if (rc == 0 && !scenario->sweep.protocol_count)
        snprintf(info->protocol, sizeof info->protocol, "%s", scenario->cluster.protocol);
    free(scenario);
    return rc;
}

static struct tc_script_info info_of(const char *name, int name_len)
{
    struct tc_script_info info = {
        .expect_safety = TC_EXPECT_UNSET, .expect_liveness = TC_EXPECT_UNSET, .expect_evidence = TC_EXPECT_UNSET};
    snprintf(info.name, sizeof info.name, "%.*s", name_len, name);
    return info;
}

int tc_script_describe(const char *lua_dir, const char *path, struct tc_script_info *out, bool *is_attack,
                       struct tc_error *err)
{
    char found[512];
    int rc = tc_script_find(lua_dir, "scenarios", path, found, err);
    if (rc)
        return rc;
    const char *last = strrchr(found, '/'), *name = last ? last + 1 : found, *dot = strrchr(name, '.');
    *out = info_of(name, dot ? (int)(dot - name) : (int)strlen(name));
    snprintf(out->path, sizeof out->path, "%s", found);
    rc = describe_scenario(lua_dir, found, out, is_attack, err);
    return rc == 0 && *is_attack ? describe_attack(lua_dir, found, out, err) : rc;
}

int tc_script_each(const char *lua_dir, const char *kind, tc_script_each_fn *each, void *self)
{
    char folder[512];
    struct names *names = calloc(1, sizeof *names);
    struct tc_script_info *info = calloc(1, sizeof *info);
    int rc = names && info ? 0 : TC_EMEMORY;
    snprintf(folder, sizeof folder, "%s/%s", lua_dir, kind);
    if (!rc)
        rc = names_read(folder, names);
    for (size_t i = 0; !rc && i < names->count; i++) {
        struct tc_error err = {0};
        bool is_attack;
        *info = info_of(names->items[i], (int)strlen(names->items[i]));
        if ((size_t)snprintf(info->path, sizeof info->path, "%s/%s.lua", folder, names->items[i]) >= sizeof info->path)
            continue;
        if (strcmp(kind, "attacks") == 0 ? describe_attack(lua_dir, info->path, info, &err)
                                         : describe_scenario(lua_dir, info->path, info, &is_attack, &err))
            snprintf(info->summary, sizeof info->summary, "%.*s", (int)sizeof info->summary - 1, err.text);
        each(self, info);
    }
    if (names)
        names_free(names);
    free(names);
    free(info);
    return rc;
}
