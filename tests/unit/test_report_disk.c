/* A run directory on a disk that is full, or soon will be: the verdict stands, and what matters least gives way. */
#define _GNU_SOURCE
#include "recorder_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

static void a_full_disk_ends_no_run(void **state)
{
    (void)state;
    struct run r;
    struct tc_verdict_summary summary;
    struct tc_error err = {0};
    struct rlimit old, small;
    begin(&r, "full");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096; /* every larger file fails as on a full disk */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    play(&r, true);
    int rc = finish(&r, 5600 * MS, &summary, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, TC_EIO);
    assert_non_null(strstr(err.text, "observations.jsonl"));
    assert_int_equal(summary.status, TC_VIOLATED);
    end(&r);
}

/* Fills the disk with trace.pcap, as a capture does. */
static void fill_disk(const char *dir)
{
    static const char zeroes[4096];
    char path[600];
    snprintf(path, sizeof path, "%s/trace.pcap", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    for (int i = 0; i < 4096 && write(fd, zeroes, sizeof zeroes) > 0; i++)
        continue;
    close(fd);
}

/* Result, page and the evidence that decides are worth more than the capture; what finds no room is not named. */
static void fill_and_finish(const char *size, int code, bool all)
{
    struct run r;
    struct tc_verdict_summary summary;
    struct tc_error err = {0};
    char path[600];
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", out_dir, "tmpfs", 0, size) < 0)
        skip(); /* needs root */
    begin(&r, "full");
    play(&r, true);
    execute(&r, 5601 * MS, 2, 101, 1); /* a second finding */
    execute(&r, 5602 * MS, 3, 101, 2);
    fill_disk(r.dir);
    assert_int_equal(finish(&r, 5600 * MS, &summary, &err), code);
    assert_non_null(strstr(err.text, "the report took the place of trace.pcap"));
    snprintf(path, sizeof path, "%s/trace.pcap", r.dir);
    assert_int_equal(access(path, F_OK), -1);
    static const char *const kept[] = {"report.html", "junit.xml"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(path, sizeof path, "%s/%s", r.dir, kept[i]);
        assert_int_equal(access(path, R_OK), 0);
    }
    json_t *result = load(r.dir, "result.json"), *oracles = json_object_get(result, "oracles"), *oracle;
    const json_t *first = json_object_get(result, "first");
    size_t i, k, left_out = 0;
    json_decref(load(r.dir, text_of(first, "file")));
    json_array_foreach(oracles, i, oracle)
    {
        json_t *files = json_object_get(oracle, "evidence"), *file;
        left_out += json_array_size(json_object_get(oracle, "findings")) - json_array_size(files);
        json_array_foreach(files, k, file) json_decref(load(r.dir, json_string_value(file)));
    }
    assert_int_equal(left_out == 0, all);
    json_decref(result);
    end(&r);
    assert_int_equal(umount2(out_dir, MNT_DETACH), 0);
}

static void on_a_full_disk_the_capture_gives_way(void **state)
{
    (void)state;
    fill_and_finish("size=4m", 0, true);
}

static void on_a_small_disk_evidence_that_does_not_decide_gives_way(void **state)
{
    (void)state;
    fill_and_finish("size=300k", TC_EIO, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_ends_no_run, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(on_a_full_disk_the_capture_gives_way, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(on_a_small_disk_evidence_that_does_not_decide_gives_way, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
