/* turncoat report: plots and pages anew from what runs left; the shards of a hunt merged into one result. */
#define _GNU_SOURCE
#include "command.h"

#include "../reports/hunt.h"
#include "../reports/out.h"
#include "../reports/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARDS_MAX 4096

struct shard {
    char dir[512];
    dev_t device; /* which directory it is, whatever its name */
    ino_t file;
};

/* Directories of shards, in the order in which they were given or, below one directory, of their names. */
struct shards {
    struct shard *list;
    size_t count;
};

/* A shell's "all in out/hunt-NAME" names each shard twice, by itself and by the link to the latest: it counts once. */
static bool is_there(const struct shards *s, const struct shard *shard)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].device == shard->device && s->list[i].file == shard->file)
            return true;
    return false;
}

static int add(struct shards *s, const char *parent, const char *name, struct tc_error *err)
{
    if (s->count == SHARDS_MAX)
        return tc_error_set(err, TC_ELIMIT, "more than %d shards", SHARDS_MAX);
    struct shard *shard = &s->list[s->count];
    struct stat is;
    if ((size_t)snprintf(shard->dir, sizeof shard->dir, "%s%s%s", parent, *parent ? "/" : "", name) >=
        sizeof shard->dir)
        return tc_error_set(err, TC_EUSAGE, "%s/%s: the path is too long", parent, name);
    if (stat(shard->dir, &is) != 0)
        return tc_error_set(err, TC_EIO, "%s: %s", shard->dir, strerror(errno));
    shard->device = is.st_dev;
    shard->file = is.st_ino;
    s->count += !is_there(s, shard);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct shard *)a)->dir, ((const struct shard *)b)->dir);
}

static bool has_result(const char *dir)
{
    char path[700];
    snprintf(path, sizeof path, "%s/result.json", dir);
    return access(path, F_OK) == 0;
}

/* OUT/NAME of a run, or of a hunt without shards: the newest. */
static int add_latest(struct shards *s, const char *dir, struct tc_error *err)
{
    char latest[600];
    snprintf(latest, sizeof latest, "%s/latest", dir);
    return has_result(latest)
               ? add(s, dir, "latest", err)
               : tc_error_set(err, TC_ENOT_FOUND,
                              "%s: it holds no result.json, nor latest or latest-shard-… of a run or hunt", dir);
}

/* A directory that holds no result itself may hold those of shards: OUT/hunt-NAME has latest-shard-I-of-N of each. */
static int add_below(struct shards *s, const char *dir, struct tc_error *err)
{
    const size_t before = s->count;
    int status = 0;
    DIR *list = opendir(dir);
    if (!list)
        return tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : TC_EIO, "%s: %s", dir, strerror(errno));
    for (struct dirent *entry; status == 0 && (entry = readdir(list));)
        if (strncmp(entry->d_name, "latest-shard-", 13) == 0 && !strchr(entry->d_name, '.'))
            status = add(s, dir, entry->d_name, err);
    closedir(list);
    if (status == 0 && s->count == before)
        status = add_latest(s, dir, err);
    qsort(s->list + before, s->count - before, sizeof *s->list, by_name);
    return status;
}

static int show(const struct tc_hunt_result *result, const char *dir, struct tc_error *err)
{
    const int status = tc_hunt_report(dir, result, err);
    char *text = tc_hunt_terminal(result, dir, false);
    if (status == 0)
        fputs(text ? text : "", stdout);
    free(text);
    return status < 0 ? status : tc_hunt_exit_code(result);
}

static int render(const char *dir, struct tc_error *err)
{
    const int status = tc_report_render(dir, err);
    if (status == 0)
        printf("report %s/report.html\n", dir);
    return status;
}

static int merge(const struct tc_arguments *a, const struct shards *s, struct tc_error *err)
{
    static struct tc_hunt_result whole, one;
    static char dir[700];
    int status = 0;
    memset(&whole, 0, sizeof whole);
    for (size_t i = 0; status == 0 && i < s->count; i++) {
        status = tc_hunt_read(s->list[i].dir, &one, err);
        if (status == 0)
            status = tc_hunt_merge(&whole, &one, s->list[i].dir, err);
    }
    if (status < 0)
        return status;
    const char *prefix = strncmp(whole.name, "hunt-", 5) == 0 ? "" : "hunt-";
    snprintf(dir, sizeof dir, "%s/%s%s/merged", tc_arguments_text(a, TC_OPTION_OUT, "out"), prefix, whole.name);
    status = tc_out_path(dir, err);
    if (status == 0)
        status = tc_hunt_write(dir, &whole, err);
    return status < 0 ? status : show(&whole, dir, err);
}

static int hunts(const struct tc_arguments *a, struct tc_error *err)
{
    static struct tc_hunt_result one;
    struct shards s = {.list = calloc(SHARDS_MAX, sizeof *s.list)};
    int status = s.list ? 0 : tc_error_set(err, TC_EMEMORY, "no memory for the names of shards");
    for (size_t i = 0; status == 0 && i < a->operand_count; i++)
        status = has_result(a->operands[i]) ? add(&s, "", a->operands[i], err) : add_below(&s, a->operands[i], err);
    if (status == 0 && s.count == 1 && !tc_hunt_is(s.list[0].dir)) {
        status = render(s.list[0].dir, err);
    } else if (status == 0 && s.count == 1) {
        status = tc_hunt_read(s.list[0].dir, &one, err);
        if (status == 0)
            status = show(&one, s.list[0].dir, err);
    } else if (status == 0) {
        status = merge(a, &s, err);
    }
    free(s.list);
    return status;
}

int tc_command_report(const struct tc_arguments *a, struct tc_error *err)
{
    if (a->operand_count == 0)
        return tc_error_set(err, TC_EUSAGE,
                            "'turncoat report' needs a run directory, e.g. out/equivocate-half/latest, or the "
                            "directories of a hunt's shards");
    if (tc_hunt_is(a->operands[0]) || !has_result(a->operands[0]))
        return hunts(a, err);
    int status = 0;
    for (size_t i = 0; status == 0 && i < a->operand_count; i++)
        status = render(a->operands[i], err);
    return status;
}
