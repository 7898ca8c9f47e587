/* result.json of a hunt. Numbers that may pass 2^53 (seeds, "never") are texts or null. */
#include "hunt.h"
#include "json.h"

#include "../proxy/nodeset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_BYTES_MAX ((size_t)16 << 20)

/* ---- writing ---- */

static json_t *hex(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%012" PRIx64, value);
    return json_string(text);
}

static json_t *first_json(const struct tc_hunt_first *f)
{
    json_t *o = json_object();
    tc_json_set(o, "runs", tc_json_count(f->runs));
    tc_json_set(o, "first_run", tc_json_time(f->index));
    tc_json_set(o, "first_seconds", json_real(f->seconds));
    return o;
}

static json_t *sum_json(const struct tc_hunt_sum *s)
{
    json_t *o = json_object();
    tc_json_set(o, "runs", tc_json_count(s->runs));
    tc_json_set(o, "violated", tc_json_count(s->violated));
    tc_json_set(o, "inconclusive", tc_json_count(s->inconclusive));
    tc_json_set(o, "expected", tc_json_count(s->expected));
    tc_json_set(o, "bitten", tc_json_count(s->bitten));
    tc_json_set(o, "choices", tc_json_count(s->choices));
    tc_json_set(o, "decided", tc_json_count(s->decided));
    tc_json_set(o, "busy_ns", tc_json_count(s->busy_ns));
    return o;
}

static json_t *group_json(const struct tc_hunt_result *r, const struct tc_hunt_group *g)
{
    json_t *o = json_object(), *by = json_object();
    tc_json_set(o, "oracle", tc_json_text(g->oracle));
    tc_json_set(o, "rule", tc_json_text(g->rule));
    tc_json_set(o, "strategy", tc_json_text(g->strategy));
    tc_json_set(o, "text", tc_json_text(g->text));
    tc_json_set(o, "because", tc_json_text(g->because));
    tc_json_set(o, "seed", hex(g->seed));
    tc_json_set(o, "all", first_json(&g->all));
    for (uint32_t i = 0; i < r->strategy_count; i++)
        tc_json_set(by, r->strategies[i].name, first_json(&g->by[i]));
    tc_json_set(o, "strategies", by);
    tc_json_set(o, "stored", json_boolean(g->stored));
    tc_json_set(o, "cause", json_integer(g->cause));
    tc_json_set(o, "cause_text", tc_json_text(tc_hunt_cause_name(g->cause)));
    tc_json_set(o, "traitors", tc_json_nodes(&g->traitors));
    tc_json_set(o, "confirmed", json_pack("[ii]", g->confirmed, g->confirmed_of));
    tc_json_set(o, "neighbours", json_pack("[ii]", g->neighbours, g->neighbours_of));
    tc_json_set(o, "honest", json_pack("[ii]", g->honest, g->honest_of));
    tc_json_set(o, "decisions", json_integer(g->choices));
    tc_json_set(o, "shrunk", json_integer(g->kept));
    tc_json_set(o, "shrunk_run", tc_json_count(g->shrunk_in));
    tc_json_set(o, "shrunk_alone", json_boolean(g->alone));
    tc_json_set(o, "shrink_runs", json_integer(g->tried));
    tc_json_set(o, "minimal", json_boolean(g->minimal));
    tc_json_set(o, "first_bad", tc_json_text(g->first_bad));
    tc_json_set(o, "dir", tc_json_text(g->dir));
    return o;
}

static json_t *slowest_json(const struct tc_hunt_result *r)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < r->slow_count; i++) {
        json_t *o = json_object();
        tc_json_set(o, "round", json_integer(r->slowest[i].round));
        tc_json_set(o, "action", tc_json_text(r->slowest[i].action));
        tc_json_set(o, "times", json_real(r->slowest[i].times));
        json_array_append_new(list, o);
    }
    return list;
}

static void lists(json_t *o, const struct tc_hunt_result *r)
{
    json_t *strategies = json_array(), *groups = json_array(), *oracles = json_array(), *next = json_array();
    for (uint32_t i = 0; i < r->strategy_count; i++) {
        json_t *s = sum_json(&r->strategies[i].sum);
        tc_json_set(s, "name", tc_json_text(r->strategies[i].name));
        json_array_append_new(strategies, s);
    }
    for (uint32_t i = 0; i < r->group_count; i++)
        json_array_append_new(groups, group_json(r, &r->groups[i]));
    for (uint32_t i = 0; i < r->oracle_count; i++) {
        json_t *s = first_json(&r->oracles[i].seen);
        tc_json_set(s, "name", tc_json_text(r->oracles[i].name));
        json_array_append_new(oracles, s);
    }
    for (uint32_t i = 0; r->shards_merged == 0 && i < r->jobs; i++)
        json_array_append_new(next, tc_json_count(r->next[i]));
    tc_json_set(o, "strategies", strategies);
    tc_json_set(o, "violations", groups);
    tc_json_set(o, "oracles", oracles);
    tc_json_set(o, "slowest", slowest_json(r));
    tc_json_set(o, "next", next);
}

static json_t *result_json(const struct tc_hunt_result *r)
{
    const struct tc_hunt_sum total = tc_hunt_total(r);
    json_t *o = json_object();
    tc_json_set(o, "hunt", json_integer(1));
    tc_json_set(o, "version", json_string(TC_VERSION));
    tc_json_set(o, "name", tc_json_text(r->name));
    tc_json_set(o, "scenario", tc_json_text(r->scenario));
    tc_json_set(o, "protocol", tc_json_text(r->protocol));
    tc_json_set(o, "bug", tc_json_text(r->bug));
    tc_json_set(o, "command", tc_json_text(r->command));
    tc_json_set(o, "seed", hex(r->seed));
    tc_json_set(o, "setting", hex(r->setting));
    tc_json_set(o, "runs_asked", tc_json_count(r->runs_asked));
    tc_json_set(o, "budget_ns", tc_json_count(r->budget_ns));
    tc_json_set(o, "decisions_max", tc_json_count(r->decisions_max));
    tc_json_set(o, "shard", json_integer(r->shard));
    tc_json_set(o, "shards", json_integer(r->shards));
    tc_json_set(o, "shards_merged", json_integer(r->shards_merged));
    tc_json_set(o, "jobs", json_integer(r->jobs));
    tc_json_set(o, "seconds", json_real(r->seconds));
    tc_json_set(o, "complete", json_boolean(r->complete));
    tc_json_set(o, "interrupted", json_boolean(r->interrupted));
    tc_json_set(o, "exit", json_integer(tc_hunt_exit_code(r)));
    tc_json_set(o, "error", tc_json_text(r->error));
    tc_json_set(o, "total", sum_json(&total));
    lists(o, r);
    tc_json_set(o, "violations_lost", tc_json_count(r->groups_lost));
    return o;
}

int tc_hunt_write(const char *dir, const struct tc_hunt_result *result, struct tc_error *err)
{
    json_t *json = result_json(result);
    const int status = tc_json_save(dir, "result.json", json, err);
    json_decref(json);
    return status;
}

/* ---- reading ---- */

static void copy(const json_t *o, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s", tc_json_string(o, name));
}

static uint64_t count(const json_t *o, const char *name)
{
    const int64_t value = tc_json_integer(o, name);
    return value > 0 ? (uint64_t)value : 0;
}

static uint64_t read_hex(const json_t *o, const char *name)
{
    return strtoull(tc_json_string(o, name), NULL, 16);
}

static struct tc_hunt_first read_first(const json_t *o)
{
    return (struct tc_hunt_first){count(o, "runs"), tc_json_ns(o, "first_run"), tc_json_number(o, "first_seconds")};
}

static void read_sum(const json_t *o, struct tc_hunt_sum *s)
{
    *s = (struct tc_hunt_sum){.runs = count(o, "runs"),
                              .violated = count(o, "violated"),
                              .inconclusive = count(o, "inconclusive"),
                              .expected = count(o, "expected"),
                              .bitten = count(o, "bitten"),
                              .choices = count(o, "choices"),
                              .decided = count(o, "decided"),
                              .busy_ns = count(o, "busy_ns")};
}

static void read_pair(const json_t *o, const char *name, uint32_t *k, uint32_t *n)
{
    const json_t *pair = json_object_get(o, name);
    *k = (uint32_t)json_integer_value(json_array_get(pair, 0));
    *n = (uint32_t)json_integer_value(json_array_get(pair, 1));
}

static void read_group(const json_t *o, struct tc_hunt_result *r, struct tc_hunt_group *g)
{
    const json_t *by = json_object_get(o, "strategies"), *node;
    size_t i;
    g->all = read_first(json_object_get(o, "all"));
    for (uint32_t s = 0; s < TC_HUNT_STRATEGIES_MAX; s++)
        g->by[s] = read_first(s < r->strategy_count ? json_object_get(by, r->strategies[s].name) : NULL);
    copy(o, "strategy", g->strategy, sizeof g->strategy);
    copy(o, "text", g->text, sizeof g->text);
    copy(o, "because", g->because, sizeof g->because);
    copy(o, "first_bad", g->first_bad, sizeof g->first_bad);
    copy(o, "dir", g->dir, sizeof g->dir);
    g->seed = read_hex(o, "seed");
    g->stored = tc_json_true(o, "stored");
    g->minimal = tc_json_true(o, "minimal");
    const uint64_t cause = count(o, "cause");
    g->cause = cause <= TC_HUNT_OUTSIDE ? (enum tc_hunt_cause)cause : TC_HUNT_UNKNOWN;
    json_array_foreach(json_object_get(o, "traitors"), i, node)
    {
        tc_nodeset_add(&g->traitors, (uint32_t)json_integer_value(node));
    }
    read_pair(o, "confirmed", &g->confirmed, &g->confirmed_of);
    read_pair(o, "neighbours", &g->neighbours, &g->neighbours_of);
    read_pair(o, "honest", &g->honest, &g->honest_of);
    g->choices = (uint32_t)count(o, "decisions");
    g->kept = (uint32_t)count(o, "shrunk");
    g->tried = (uint32_t)count(o, "shrink_runs");
    g->shrunk_in = json_object_get(o, "shrunk_run") ? count(o, "shrunk_run") : g->all.index;
    g->alone = json_is_true(json_object_get(o, "shrunk_alone"));
}

static void read_lists(const json_t *o, struct tc_hunt_result *r)
{
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(o, "strategies"), i, item)
    {
        if (i == TC_HUNT_STRATEGIES_MAX)
            break;
        copy(item, "name", r->strategies[i].name, sizeof r->strategies[i].name);
        read_sum(item, &r->strategies[i].sum);
        r->strategy_count++;
    }
    json_array_foreach(json_object_get(o, "violations"), i, item)
    {
        struct tc_hunt_group *g = tc_hunt_group(r, tc_json_string(item, "oracle"), tc_json_string(item, "rule"));
        if (g)
            read_group(item, r, g);
    }
    json_array_foreach(json_object_get(o, "oracles"), i, item)
    {
        struct tc_hunt_oracle *oracle = tc_hunt_oracle(r, tc_json_string(item, "name"));
        if (oracle)
            oracle->seen = read_first(item);
    }
    json_array_foreach(json_object_get(o, "slowest"), i, item)
    {
        struct tc_hunt_slow row = {.round = (uint32_t)count(item, "round"), .times = tc_json_number(item, "times")};
        copy(item, "action", row.action, sizeof row.action);
        tc_hunt_slow_add(r, &row);
    }
    json_array_foreach(json_object_get(o, "next"), i, item)
    {
        if (i < TC_HUNT_JOBS_MAX && json_integer_value(item) >= 0)
            r->next[i] = (uint64_t)json_integer_value(item);
    }
}

static void read_result(const json_t *o, struct tc_hunt_result *r)
{
    memset(r, 0, sizeof *r);
    copy(o, "name", r->name, sizeof r->name);
    copy(o, "scenario", r->scenario, sizeof r->scenario);
    copy(o, "protocol", r->protocol, sizeof r->protocol);
    copy(o, "bug", r->bug, sizeof r->bug);
    copy(o, "command", r->command, sizeof r->command);
    copy(o, "error", r->error, sizeof r->error);
    r->seed = read_hex(o, "seed");
    r->setting = read_hex(o, "setting");
    r->runs_asked = count(o, "runs_asked");
    r->budget_ns = count(o, "budget_ns");
    r->decisions_max = count(o, "decisions_max");
    r->shard = (uint32_t)count(o, "shard");
    r->shards = (uint32_t)count(o, "shards");
    r->shards_merged = (uint32_t)count(o, "shards_merged");
    r->jobs = (uint32_t)count(o, "jobs");
    r->seconds = tc_json_number(o, "seconds");
    r->complete = tc_json_true(o, "complete");
    r->interrupted = tc_json_true(o, "interrupted");
    r->groups_lost = count(o, "violations_lost");
    read_lists(o, r);
}

bool tc_hunt_is(const char *dir)
{
    struct tc_error err = {0};
    json_t *json = tc_json_load(dir, "result.json", RESULT_BYTES_MAX, &err);
    const bool is = tc_json_has(json, "hunt");
    json_decref(json);
    return is;
}

int tc_hunt_read(const char *dir, struct tc_hunt_result *out, struct tc_error *err)
{
    json_t *json = tc_json_load(dir, "result.json", RESULT_BYTES_MAX, err);
    if (!json)
        return err->code;
    int status = 0;
    read_result(json, out);
    if (!tc_json_has(json, "hunt"))
        status = tc_error_set(err, TC_EMALFORMED, "%s/result.json: expected the result of a hunt (\"hunt\")", dir);
    else if (out->jobs < 1 || out->jobs > TC_HUNT_JOBS_MAX || out->shards < 1 || out->shard >= out->shards ||
             out->strategy_count < 1)
        status = tc_error_set(err, TC_EMALFORMED,
                              "%s/result.json: expected \"jobs\", \"shard\", \"shards\" and "
                              "\"strategies\" of a hunt",
                              dir);
    json_decref(json);
    return status;
}
