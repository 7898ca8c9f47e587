#define _GNU_SOURCE
#include "../../reference/wal.h"

#include "../../proxy/random.h"
#include "../../reference/wal_format.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

/* What an opening handed over: numbers 0 … count-1 must come in order from `first`. */
struct seen {
    uint64_t first, count;
    bool broken;
};

/* Record i: its number, then filler whose length depends on i. */
static struct tc_slice record_of(uint64_t i, uint8_t buffer[static 4096])
{
    size_t len = 8 + (size_t)tc_random_below(tc_random_mix(7, i), 300);
    memcpy(buffer, &i, sizeof i);
    memset(buffer + 8, (int)(i & 0xff), len - 8);
    return (struct tc_slice){buffer, len};
}

static int see(void *self, struct tc_slice record, struct tc_error *err)
{
    (void)err;
    struct seen *seen = self;
    uint8_t expected[4096];
    uint64_t i;
    memcpy(&i, record.data, sizeof i);
    if (seen->count == 0)
        seen->first = i;
    struct tc_slice want = record_of(i, expected);
    if (i != seen->first + seen->count || want.len != record.len || memcmp(want.data, record.data, want.len) != 0)
        seen->broken = true;
    seen->count++;
    return 0;
}

static void empty_dir(void)
{
    DIR *d = opendir(dir);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (e->d_name[0] != '.')
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/tc-wal-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int each_setup(void **state)
{
    (void)state;
    empty_dir();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    empty_dir();
    return rmdir(dir);
}

static struct tc_wal *reopen(struct seen *seen)
{
    struct tc_wal *wal;
    struct tc_error err = {0};
    memset(seen, 0, sizeof *seen);
    int rc = tc_wal_open(dir, see, seen, &wal, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_false(seen->broken);
    return wal;
}

static void add(struct tc_wal *wal, uint64_t i)
{
    uint8_t buffer[4096];
    assert_int_equal(tc_wal_append(wal, record_of(i, buffer)), 0);
}

static void sync_now(struct tc_wal *wal)
{
    struct tc_error err = {0};
    assert_int_equal(tc_wal_sync(wal, &err), 0);
}

static const char *wal_path(uint64_t number)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%016llx.wal", dir, (unsigned long long)number);
    return path;
}

static size_t files_in_dir(void)
{
    size_t count = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        count += strstr(e->d_name, ".wal") != NULL || strstr(e->d_name, ".tmp") != NULL;
    closedir(d);
    return count;
}

/* --data data/0 in a fresh directory. */
static void test_makes_the_directories_above(void **state)
{
    (void)state;
    char path[128];
    struct tc_wal *wal;
    struct seen seen = {0};
    struct tc_error err = {0};
    (void)snprintf(path, sizeof path, "%s/a/b/0", dir);
    for (int i = 0; i < 2; i++) { /* and then they are there */
        assert_int_equal(tc_wal_open(path, see, &seen, &wal, &err), 0);
        tc_wal_close(wal);
    }
    (void)snprintf(path, sizeof path, "rm -r %s/a", dir);
    assert_int_equal(system(path), 0);
}

static void test_append_and_reopen(void **state)
{
    (void)state;
    struct seen seen;
    struct tc_wal *wal = reopen(&seen);
    assert_int_equal(seen.count, 0);
    for (uint64_t i = 0; i < 10000; i++) { /* passes the first megabyte */
        add(wal, i);
        if (i % 7 == 0)
            sync_now(wal);
    }
    sync_now(wal);
    add(wal, 10000); /* not synced: lost */
    tc_wal_close(wal);
    wal = reopen(&seen);
    assert_int_equal(seen.first, 0);
    assert_int_equal(seen.count, 10000);
    add(wal, 10000);
    sync_now(wal);
    tc_wal_close(wal);
    wal = reopen(&seen);
    assert_int_equal(seen.count, 10001);
    tc_wal_close(wal);
}

static void test_snapshot(void **state)
{
    (void)state;
    uint8_t buffer[4096];
    struct seen seen;
    struct tc_wal *wal = reopen(&seen);
    add(wal, 0);
    sync_now(wal);
    add(wal, 1);
    assert_int_equal(tc_wal_snapshot(wal, record_of(50, buffer)), 0);
    add(wal, 51);
    assert_int_equal(tc_wal_snapshot(wal, record_of(60, buffer)), 0);
    add(wal, 61);
    sync_now(wal);
    add(wal, 62);
    sync_now(wal);
    assert_int_equal(files_in_dir(), 1);
    tc_wal_close(wal);
    wal = reopen(&seen);
    assert_int_equal(seen.first, 60);
    assert_int_equal(seen.count, 3);
    tc_wal_close(wal);
}

static void test_limits_and_lock(void **state)
{
    (void)state;
    struct seen seen;
    struct tc_wal *wal = reopen(&seen), *second;
    struct tc_error err = {0};
    struct tc_slice none = {NULL, 0}, huge = {(const uint8_t *)"x", (size_t)TC_WAL_RECORD_MAX + 1};
    assert_int_equal(tc_wal_append(wal, none), TC_ELIMIT);
    assert_int_equal(tc_wal_append(wal, huge), TC_ELIMIT);
    assert_int_equal(tc_wal_snapshot(wal, none), TC_ELIMIT);
    add(wal, 0);
    sync_now(wal);
    assert_int_equal(tc_wal_open(dir, see, &seen, &second, &err), TC_EREFUSED);
    assert_null(second);
    tc_wal_close(wal);
    wal = reopen(&seen);
    assert_int_equal(seen.count, 1);
    tc_wal_close(wal);
    tc_wal_close(NULL);
}

/* The bytes of a file with `batches` syncs of three records each; the ends of the records. */
static uint8_t *file_bytes(uint64_t records, size_t *len, size_t ends[])
{
    struct seen seen;
    struct tc_wal *wal = reopen(&seen);
    size_t at = TC_WAL_HEADER_SIZE;
    uint8_t buffer[4096];
    for (uint64_t i = 0; i < records; i++) {
        add(wal, i);
        at += tc_wal_record_size(record_of(i, buffer).len);
        ends[i] = at;
        if (i % 3 == 2)
            sync_now(wal);
    }
    sync_now(wal);
    tc_wal_close(wal);
    FILE *file = fopen(wal_path(1), "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *len = fread(bytes, 1, 1 << 20, file);
    assert_true(*len > at);
    *len = at + 4096; /* enough of the zeros */
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static uint64_t whole_before(const size_t ends[], uint64_t records, size_t cut)
{
    uint8_t buffer[4096];
    uint64_t whole = 0;
    while (whole < records && cut >= ends[whole] - (8 - record_of(whole, buffer).len % 8) % 8)
        whole++;
    return whole;
}

/* Cut at every byte: what is read is a prefix, never a refusal; then the log goes on. */
static void test_truncation_everywhere(void **state)
{
    (void)state;
    enum { RECORDS = 9 };
    size_t ends[RECORDS], len;
    uint8_t *bytes = file_bytes(RECORDS, &len, ends);
    for (size_t cut = 0; cut <= ends[RECORDS - 1]; cut++) {
        struct seen seen = {0};
        struct tc_wal_end end;
        struct tc_error err = {0};
        uint8_t *exact = malloc(cut + (cut == 0)); /* so that the sanitizer sees a read past the end */
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        int rc = tc_wal_scan((struct tc_slice){exact, cut}, 1, see, &seen, &end, &err);
        assert_int_equal(rc, cut < TC_WAL_HEADER_SIZE ? TC_EMALFORMED : 0);
        assert_false(seen.broken);
        assert_int_equal(seen.count, rc ? 0 : whole_before(ends, RECORDS, cut));
        free(exact);
    }
    for (size_t cut = TC_WAL_HEADER_SIZE; cut <= ends[RECORDS - 1]; cut += 61) {
        struct seen seen;
        assert_int_equal(truncate(wal_path(1), (off_t)cut), 0);
        struct tc_wal *wal = reopen(&seen);
        uint64_t whole = seen.count;
        assert_int_equal(whole, whole_before(ends, RECORDS, cut));
        add(wal, whole);
        sync_now(wal);
        tc_wal_close(wal);
        wal = reopen(&seen);
        assert_int_equal(seen.count, whole + 1);
        tc_wal_close(wal);
        FILE *file = fopen(wal_path(1), "r+b");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, len, file), len);
        assert_int_equal(fclose(file), 0);
    }
    free(bytes);
}

/* One byte changed anywhere: in a record that a later one calls durable it is a refusal with the offset, in the last
 * batch it is a torn end; never a wrong record. */
static void test_corruption_everywhere(void **state)
{
    (void)state;
    enum { RECORDS = 9 };
    size_t ends[RECORDS], len;
    uint8_t *bytes = file_bytes(RECORDS, &len, ends);
    for (size_t at = TC_WAL_HEADER_SIZE; at < ends[RECORDS - 1]; at++) {
        struct seen seen = {0};
        struct tc_wal_end end;
        struct tc_error err = {0};
        uint64_t hit = 0;
        uint8_t buffer[4096];
        while (at >= ends[hit])
            hit++;
        bool padding = at >= ends[hit] - (8 - record_of(hit, buffer).len % 8) % 8;
        bytes[at] ^= 0x40;
        int rc = tc_wal_scan((struct tc_slice){bytes, len}, 1, see, &seen, &end, &err);
        assert_false(seen.broken);
        if (padding) {
            assert_int_equal(rc, 0);
            assert_int_equal(seen.count, RECORDS);
        } else if (hit < RECORDS - 3) {
            char offset[32];
            (void)snprintf(offset, sizeof offset, "offset %zu:", hit ? ends[hit - 1] : (size_t)TC_WAL_HEADER_SIZE);
            assert_int_equal(rc, TC_EMALFORMED);
            assert_non_null(strstr(err.text, offset));
        } else {
            assert_int_equal(rc, 0);
            assert_int_equal(seen.count, hit);
            assert_true(end.torn);
        }
        bytes[at] ^= 0x40;
    }
    free(bytes);
}

static void test_lost_snapshot_is_refused(void **state)
{
    (void)state;
    uint8_t buffer[4096];
    struct seen seen = {0};
    struct tc_wal *wal = reopen(&seen);
    struct tc_error err = {0};
    assert_int_equal(tc_wal_snapshot(wal, record_of(5, buffer)), 0);
    sync_now(wal);
    tc_wal_close(wal);
    int fd = open(wal_path(2), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "!", 1, TC_WAL_HEADER_SIZE + 40), 1);
    close(fd);
    assert_int_equal(tc_wal_open(dir, see, &seen, &wal, &err), TC_EMALFORMED);
    assert_null(wal);
    assert_non_null(strstr(err.text, "0000000000000002.wal"));
}

/* What a crash between the steps of a snapshot leaves behind. */
static void test_leftovers(void **state)
{
    (void)state;
    uint8_t buffer[4096], header[TC_WAL_HEADER_SIZE];
    struct seen seen;
    struct tc_wal *wal = reopen(&seen);
    add(wal, 0);
    assert_int_equal(tc_wal_snapshot(wal, record_of(5, buffer)), 0);
    sync_now(wal);
    tc_wal_close(wal);
    tc_wal_header_encode(1, header);
    int fd = open(wal_path(1), O_WRONLY | O_CREAT, 0600); /* the old file, not yet unlinked */
    assert_int_equal(write(fd, header, sizeof header), sizeof header);
    close(fd);
    (void)snprintf((char *)buffer, sizeof buffer, "%s/next.tmp", dir);
    fd = open((char *)buffer, O_WRONLY | O_CREAT, 0600); /* the next one, half written */
    assert_int_equal(write(fd, "TCW", 3), 3);
    close(fd);
    wal = reopen(&seen);
    assert_int_equal(seen.first, 5);
    assert_int_equal(seen.count, 1);
    assert_int_equal(files_in_dir(), 1);
    tc_wal_close(wal);
}

static int refuse(void *self, struct tc_slice record, struct tc_error *err)
{
    (void)self, (void)record;
    return tc_error_set(err, TC_EMALFORMED, "not this one");
}

static void test_callback_ends_opening(void **state)
{
    (void)state;
    struct seen seen;
    struct tc_error err = {0};
    struct tc_wal *wal = reopen(&seen);
    add(wal, 0);
    sync_now(wal);
    tc_wal_close(wal);
    assert_int_equal(tc_wal_open(dir, refuse, NULL, &wal, &err), TC_EMALFORMED);
    assert_non_null(strstr(err.text, "not this one"));
    assert_null(wal);
}

/* A child appends for ever, with snapshots, and reports each number after its sync; kill -9 comes at any moment. What
 * was reported must be there. */
static void writer(int report_fd)
{
    struct seen seen = {0};
    struct tc_wal *wal;
    uint8_t buffer[4096];
    if (tc_wal_open(dir, see, &seen, &wal, NULL) < 0 || seen.broken)
        _exit(3);
    for (uint64_t i = seen.first + seen.count;; i++) {
        struct tc_slice record = record_of(i, buffer);
        int rc = i % 13 == 0 ? tc_wal_snapshot(wal, record) : tc_wal_append(wal, record);
        if (rc < 0 || tc_wal_sync(wal, NULL) < 0 || write(report_fd, &i, sizeof i) != sizeof i)
            _exit(4);
    }
}

static void test_kill_anywhere(void **state)
{
    (void)state;
    uint64_t reported = 0;
    for (uint64_t round = 0; round < 40; round++) {
        int ends[2];
        uint64_t i;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            writer(ends[1]);
        close(ends[1]);
        uint64_t stop = reported + 1 + tc_random_below(tc_random_mix(11, round), 40);
        while (reported < stop && read(ends[0], &i, sizeof i) == sizeof i)
            reported = i;
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(ends[0], &i, sizeof i) == sizeof i) /* what it said before it died */
            reported = i;
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct seen seen;
        tc_wal_close(reopen(&seen));
        assert_true(seen.first + seen.count > reported);
        assert_true(seen.count <= 14);
    }
    assert_true(reported > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_append_and_reopen, each_setup),
        cmocka_unit_test_setup(test_snapshot, each_setup),
        cmocka_unit_test_setup(test_limits_and_lock, each_setup),
        cmocka_unit_test_setup(test_truncation_everywhere, each_setup),
        cmocka_unit_test_setup(test_corruption_everywhere, each_setup),
        cmocka_unit_test_setup(test_lost_snapshot_is_refused, each_setup),
        cmocka_unit_test_setup(test_leftovers, each_setup),
        cmocka_unit_test_setup(test_makes_the_directories_above, each_setup),
        cmocka_unit_test_setup(test_callback_ends_opening, each_setup),
        cmocka_unit_test_setup(test_kill_anywhere, each_setup),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
