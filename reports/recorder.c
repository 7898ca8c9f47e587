#define _GNU_SOURCE
#include "recorder_parts.h"

#include "../proxy/random.h"
#include "record_line.h"
#include "render.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FINDINGS_KEPT 1u /* of an oracle, where the disk has no room for all */

void tc_recorder_note_error(struct tc_recorder *r, const struct tc_error *err)
{
    if (r->first_error.code == 0 && err->code != 0)
        r->first_error = *err;
}

bool tc_recorder_is_repair(int verb)
{
    return verb == TC_HEAL || verb == TC_RESUME || verb == TC_RESTART;
}

/* A scenario's name as the name of a directory: nothing that could leave OUT. */
static void safe_name(const char *name, char safe[static TC_NAME_MAX])
{
    size_t len = 0;
    for (; name[len] && len + 1 < TC_NAME_MAX; len++) {
        char c = name[len];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '-' || (c == '.' && len > 0);
        safe[len] = plain ? c : '-';
    }
    safe[len] = '\0';
    if (len == 0)
        snprintf(safe, TC_NAME_MAX, "run");
}

static struct tm started_now(struct tc_recorder *r)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(r->started, sizeof r->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return utc;
}

/* OUT/NAME/TIME-SEED, or TIME-SEED-2 … when two runs begin within one second. */
static int make_run_dir(struct tc_recorder *r, const char *parent, uint64_t seed, struct tc_error *err)
{
    char stamp[32];
    const struct tm utc = started_now(r);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    for (int attempt = 1; attempt < 1000; attempt++) {
        char suffix[16] = "";
        if (attempt > 1)
            snprintf(suffix, sizeof suffix, "-%d", attempt);
        int len = snprintf(r->dir, sizeof r->dir, "%s/%s-%08llx%s", parent, stamp, (unsigned long long)seed, suffix);
        if (len < 0 || (size_t)len >= sizeof r->dir - 64)
            return tc_error_set(err, TC_EUSAGE, "%s: the path is too long", parent);
        if (mkdir(r->dir, 0755) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return tc_out_refused(r->dir, errno, err);
}

/* A new link is renamed over the old one, so that `latest` always exists and always leads somewhere. */
static void point_latest(struct tc_recorder *r, const char *parent)
{
    char fresh[600], latest[600];
    struct tc_error err = {0};
    snprintf(fresh, sizeof fresh, "%s/.latest-%ld", parent, (long)getpid());
    snprintf(latest, sizeof latest, "%s/latest", parent);
    const ssize_t len = readlink(latest, r->before, sizeof r->before - 1);
    r->before[len > 0 ? len : 0] = '\0';
    r->made = true;
    unlink(fresh);
    const char *target = strrchr(r->dir, '/');
    if (symlink(target ? target + 1 : r->dir, fresh) == 0 && rename(fresh, latest) == 0)
        return;
    tc_error_set(&err, TC_EIO, "%s: %s", latest, strerror(errno));
    unlink(fresh);
    tc_recorder_note_error(r, &err);
}

static int open_logs(struct tc_recorder *r, struct tc_error *err)
{
    static const char *const folders[] = {"plots", "evidence", "logs", "nodes"};
    char path[600];
    int rc = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && rc == 0; i++) {
        snprintf(path, sizeof path, "%s/%s", r->dir, folders[i]);
        rc = tc_out_directory(path, err);
    }
    if (rc == 0) {
        snprintf(path, sizeof path, "%s/decisions.jsonl", r->dir);
        rc = tc_out_open(&r->decisions, path, err);
    }
    if (rc == 0) {
        snprintf(path, sizeof path, "%s/observations.jsonl", r->dir);
        rc = tc_out_open(&r->observations, path, err);
    }
    return rc;
}

static struct tc_recorder *recorder_new(struct tc_error *err)
{
    struct tc_recorder *r = calloc(1, sizeof *r);
    if (r)
        r->window = tc_window_new();
    if (r && r->window)
        return r;
    free(r);
    tc_error_set(err, TC_EMEMORY, "no memory for the recorder");
    return NULL;
}

/* Makes the directory and points `latest` to it. */
static int make_named(struct tc_recorder *r, const char *out_dir, const char *name, uint64_t seed, struct tc_error *err)
{
    char safe[TC_NAME_MAX], parent[512];
    safe_name(name, safe);
    const int len = snprintf(parent, sizeof parent, "%s/%s", out_dir, safe);
    if (len < 0 || (size_t)len >= sizeof parent)
        return tc_error_set(err, TC_EUSAGE, "%s: the path is too long", out_dir);
    int rc = tc_out_path(parent, err);
    if (rc == 0)
        rc = make_run_dir(r, parent, seed, err);
    if (rc == 0)
        point_latest(r, parent);
    return rc;
}

int tc_recorder_directory(const char *out_dir, const char *name, uint64_t seed, char path[static 512],
                          struct tc_error *err)
{
    struct tc_recorder *r = recorder_new(err);
    if (!r)
        return TC_EMEMORY;
    int rc = make_named(r, out_dir, name, seed, err);
    snprintf(path, 512, "%s", r->dir);
    if (rc == 0 && r->first_error.code) {
        *err = r->first_error;
        rc = r->first_error.code;
    }
    tc_recorder_free(r);
    return rc;
}

/* What opening ends with, whatever made the directory: `rc` is what came of that. */
static int opened(struct tc_recorder *r, int rc, char path[static 512], struct tc_recorder **out, struct tc_error *err)
{
    if (rc == 0)
        rc = open_logs(r, err);
    if (rc < 0) {
        tc_recorder_free(r);
        return rc;
    }
    snprintf(path, 512, "%s", r->dir);
    *out = r;
    return 0;
}

int tc_recorder_open(const char *out_dir, const char *name, uint64_t seed, char path[static 512],
                     struct tc_recorder **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_recorder *r = recorder_new(err);
    if (!r)
        return TC_EMEMORY;
    return opened(r, make_named(r, out_dir, name, seed, err), path, out, err);
}

int tc_recorder_open_at(const char *dir, char path[static 512], struct tc_recorder **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_recorder *r = recorder_new(err);
    if (!r)
        return TC_EMEMORY;
    int rc = strlen(dir) < sizeof r->dir - 64 ? tc_out_path(dir, err)
                                              : tc_error_set(err, TC_EUSAGE, "%s: the path is too long", dir);
    snprintf(r->dir, sizeof r->dir, "%s", dir);
    started_now(r);
    return opened(r, rc, path, out, err);
}

/* One buffer serves all lines; a line that found no memory is counted as lost and the next one tries again. */
static void begin_line(struct tc_recorder *r)
{
    r->line.len = 0;
    r->line.failed = false;
}

static void end_line(struct tc_recorder *r, struct tc_out *out)
{
    if (r->line.failed)
        out->lost++;
    else
        tc_out_write(out, tc_buf_get(&r->line), r->line.len);
    if (r->hashed)
        r->hash = tc_random_mix_bytes(r->hash, (struct tc_slice){(const uint8_t *)tc_buf_get(&r->line), r->line.len});
}

static void hash_message(struct tc_recorder *r, const struct tc_observation *o)
{
    const struct tc_message *m = o->message.message;
    r->hash = tc_random_mix(r->hash, o->time_ns);
    r->hash = tc_random_mix(r->hash, (uint64_t)m->from << 32 | (uint64_t)m->to << 16 | (uint64_t)o->message.said << 1 |
                                         (uint64_t)o->message.heard);
    r->hash = tc_random_mix_bytes(r->hash, m->frame);
}

void tc_recorder_wall(struct tc_recorder *r, uint64_t time_ns, uint64_t wall_ns)
{
    begin_line(r);
    tc_buf_format(&r->line, "{\"t\":%llu,\"e\":\"wall\",\"ns\":%llu}\n", (unsigned long long)time_ns,
                  (unsigned long long)wall_ns);
    end_line(r, &r->observations);
}

void tc_recorder_observe(struct tc_recorder *r, const struct tc_observation *o)
{
    tc_window_observe(r->window, o);
    if (o->kind == TC_OBS_MESSAGE) {
        if (r->hashed)
            hash_message(r, o);
        return;
    }
    r->observation_count++;
    r->overflow_count += o->kind == TC_OBS_OVERFLOW;
    r->spliced_count += o->kind == TC_OBS_SPLICED;
    r->complaint_count += o->kind == TC_OBS_COMPLAINT;
    if (o->kind == TC_OBS_FAULTS)
        r->signed_for = o->faults.signed_for;
    begin_line(r);
    tc_record_observation(&r->line, o);
    end_line(r, &r->observations);
}

static void measure_delay(struct tc_recorder *r, const struct tc_decision *d)
{
    if (d->measured_ns == 0 || d->asked_ns == 0 || d->verb >= TC_VERB_COUNT)
        return;
    struct tc_recorder_delays **delays = &r->delays[d->verb];
    if (!*delays)
        *delays = calloc(1, sizeof **delays);
    if (!*delays)
        return;
    tc_histogram_add(&(*delays)->asked, d->asked_ns);
    tc_histogram_add(&(*delays)->measured, d->measured_ns);
    tc_histogram_add(&(*delays)->late, d->measured_ns > d->asked_ns ? d->measured_ns - d->asked_ns : 0);
}

static void write_before(struct tc_recorder *r)
{
    if (!r->extra.before)
        return;
    begin_line(r);
    r->extra.before(r->extra.self, &r->line);
    if (r->line.len > 0 || r->line.failed)
        end_line(r, &r->decisions);
}

void tc_recorder_decide(struct tc_recorder *r, const struct tc_decision *d)
{
    r->decision_count++;
    tc_window_decide(r->window, d);
    measure_delay(r, d);
    write_before(r);
    begin_line(r);
    tc_record_decision(&r->line, d);
    if (r->extra.more && !r->line.failed) {
        r->line.len -= 2; /* the brace and the newline come after what is added */
        r->extra.more(r->extra.self, &r->line, d);
        tc_buf_add(&r->line, "}\n");
    }
    end_line(r, &r->decisions);
}

void tc_recorder_extend(struct tc_recorder *r, const char *first_line, const struct tc_recorder_extra *extra)
{
    tc_out_write(&r->decisions, first_line, strlen(first_line));
    if (!extra)
        return;
    r->extra = *extra;
    r->hashed = true;
}

struct tc_recorder_seen tc_recorder_seen(const struct tc_recorder *r)
{
    return (struct tc_recorder_seen){r->hash, r->decision_count, r->observation_count};
}

void tc_recorder_end_decisions(struct tc_recorder *r, const char *last_line)
{
    write_before(r);
    tc_out_write(&r->decisions, last_line, strlen(last_line));
}

void tc_recorder_mark(struct tc_recorder *r, uint64_t time_ns)
{
    (void)time_ns; /* the window is counted in records: the call itself is the moment */
    tc_window_mark(r->window);
}

static void write_messages(struct tc_recorder *r)
{
    struct tc_buf table = {0};
    struct tc_error err = {0};
    if (tc_window_table(r->window, &table) < 0)
        tc_error_set(&err, TC_EMEMORY, "messages.tsv: no memory for it");
    else
        tc_out_file(r->dir, "messages.tsv", &table, &err);
    tc_recorder_note_error(r, &err);
    tc_buf_free(&table);
}

/* Nothing that was given up for the report goes without a word. */
static void say_given_up(struct tc_recorder *r, unsigned had, struct tc_error *said)
{
    char names[96];
    struct tc_error err = {0};
    const unsigned given_up = had & ~tc_out_spares(r->dir);
    if (given_up == 0)
        return;
    tc_out_spare_names(given_up, names);
    if (given_up == TC_OUT_CAPTURE && r->first_error.code == 0) { /* which no verdict and no other file rests on */
        if (said)
            snprintf(said->text, sizeof said->text, "the disk is full: the report took the place of %s", names);
        return;
    }
    if (r->first_error.code == 0)
        tc_error_set(&err, TC_EIO, "the disk is full: the report took the place of %s", names);
    else
        tc_error_set(&err, TC_EIO, "%.300s; the report took the place of %s", r->first_error.text, names);
    r->first_error = err;
}

/* On a disk that has no room for it, with the first findings alone; what decided stands apart. */
static void write_result(struct tc_recorder *r, struct tc_error *err)
{
    json_t *oracle;
    size_t i;
    if (tc_result_write(r->dir, r->result, err) != TC_EIO)
        return;
    json_array_foreach(json_object_get(r->result, "oracles"), i, oracle)
    {
        json_t *findings = json_object_get(oracle, "findings");
        while (json_array_size(findings) > FINDINGS_KEPT)
            json_array_remove(findings, json_array_size(findings) - 1);
    }
    err->code = 0;
    tc_result_write(r->dir, r->result, err);
}

/* So that a reader knows a whole file from one whose end is missing. */
static void end_observations(struct tc_recorder *r, uint64_t now_ns)
{
    begin_line(r);
    tc_buf_format(&r->line, "{\"t\":%llu,\"e\":\"end\"}\n", (unsigned long long)now_ns);
    end_line(r, &r->observations);
}

int tc_recorder_finish(struct tc_recorder *r, const struct tc_report_input *input, struct tc_error *err)
{
    struct tc_error late = {0};
    end_observations(r, input->info->duration_ns);
    unsigned had = tc_out_spares(r->dir);
    tc_out_has_room(r->dir, "observations.jsonl", 2 * TC_OUT_BUFFER); /* of what is still in the buffers */
    tc_out_close(&r->decisions, &late);
    tc_recorder_note_error(r, &late);
    late.code = 0;
    tc_out_close(&r->observations, &late);
    tc_recorder_note_error(r, &late);
    write_messages(r);
    tc_tables_write(r, input);
    had |= tc_out_spares(r->dir);
    json_decref(r->result);
    r->result = tc_result_build(r, input);
    late.code = 0;
    if (!r->result) {
        tc_error_set(&late, TC_EMEMORY, "%s/result.json: no memory for it", r->dir);
    } else {
        write_result(r, &late);
        tc_recorder_note_error(r, &late);
        late.code = 0;
        tc_render(r->dir, r->result, &late);
    }
    tc_recorder_note_error(r, &late);
    say_given_up(r, had, err);
    if (r->first_error.code != 0 && err)
        *err = r->first_error;
    return r->first_error.code != 0 ? TC_EIO : 0;
}

void tc_recorder_free(struct tc_recorder *r)
{
    if (!r)
        return;
    tc_out_close(&r->decisions, NULL);
    tc_out_close(&r->observations, NULL);
    tc_buf_free(&r->line);
    json_decref(r->result);
    tc_window_free(r->window);
    for (size_t i = 0; i < TC_VERB_COUNT; i++)
        free(r->delays[i]);
    free(r);
}
