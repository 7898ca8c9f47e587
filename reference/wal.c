/* The durable log on disk. Reading is tc_wal_scan (wal_scan.c), without I/O. */
#include "wal.h"

#include "wal_format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAL_CHUNK    ((uint64_t)1 << 20) /* files are zero-filled up to a multiple of this */
#define WAL_NAME_MAX 32

struct tc_wal {
    char dir[512]; /* for sentences only */
    int dir_fd, lock_fd, fd;
    uint64_t number;   /* of the file that is open */
    uint64_t tail;     /* where the next record goes */
    uint64_t size;     /* the file is zero-filled up to here */
    uint64_t sequence; /* records in the file, pending ones included */
    uint64_t durable;  /* of those, known to be on disk */
    uint8_t *pending;  /* encoded records since the last sync */
    size_t pending_len, pending_capacity;
    bool snapshot; /* pending starts with a snapshot: the next sync begins a new file */
    bool broken;   /* a write failed: what is on disk is unknown */
};

static int io_error(const struct tc_wal *wal, const char *what, struct tc_error *err)
{
    return tc_error_set(err, TC_EIO, "%s: cannot %s: %s", wal->dir, what, strerror(errno));
}

static void file_name(uint64_t number, char name[static WAL_NAME_MAX])
{
    (void)snprintf(name, WAL_NAME_MAX, "%016llx.wal", (unsigned long long)number);
}

/* The number a file name carries, or 0 if it is none of ours. */
static uint64_t file_number(const char *name)
{
    char again[WAL_NAME_MAX];
    char *end = NULL;
    uint64_t number = strtoull(name, &end, 16);
    file_name(number, again);
    return strcmp(name, again) == 0 ? number : 0;
}

static int write_at(int fd, const uint8_t *bytes, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return TC_EIO;
        bytes += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int zero_fill(int fd, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[65536];
    while (from < to) {
        size_t len = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        if (write_at(fd, zeros, len, from) < 0)
            return TC_EIO;
        from += len;
    }
    return 0;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}

/* Makes file `number` with the pending records, complete and durable, and switches to it. */
static int begin_file(struct tc_wal *wal, uint64_t number, struct tc_error *err)
{
    char name[WAL_NAME_MAX];
    uint8_t header[TC_WAL_HEADER_SIZE];
    uint64_t tail = sizeof header + wal->pending_len;
    uint64_t size = round_up(tail + WAL_CHUNK / 2, WAL_CHUNK);
    int fd = openat(wal->dir_fd, "next.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error(wal, "make next.tmp", err);
    file_name(number, name);
    tc_wal_header_encode(number, header);
    if (write_at(fd, header, sizeof header, 0) < 0 || write_at(fd, wal->pending, wal->pending_len, sizeof header) < 0 ||
        zero_fill(fd, tail, size) < 0) {
        int code = io_error(wal, "write next.tmp", err);
        close(fd);
        return code;
    }
    if (fdatasync(fd) < 0 || renameat(wal->dir_fd, "next.tmp", wal->dir_fd, name) < 0 || fsync(wal->dir_fd) < 0) {
        int code = io_error(wal, "put next.tmp in place", err);
        close(fd);
        return code;
    }
    if (wal->fd >= 0) {
        close(wal->fd);
        file_name(wal->number, name);
        (void)unlinkat(wal->dir_fd, name, 0); /* if it stays, the next opening removes it */
    }
    wal->fd = fd;
    wal->number = number;
    wal->tail = tail;
    wal->size = size;
    return 0;
}

/* Finds the newest file and removes what a crash left of others. 0 in `newest` if there is none. */
static int find_newest(const struct tc_wal *wal, uint64_t *newest, struct tc_error *err)
{
    *newest = 0;
    for (int pass = 0; pass < 2; pass++) {
        int fd = openat(wal->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
            if (fd >= 0)
                close(fd);
            return io_error(wal, "list it", err);
        }
        for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
            uint64_t number = file_number(entry->d_name);
            if (pass == 0 && number > *newest)
                *newest = number;
            if (pass == 1 && ((number > 0 && number < *newest) || strcmp(entry->d_name, "next.tmp") == 0))
                (void)unlinkat(wal->dir_fd, entry->d_name, 0);
        }
        closedir(dir);
    }
    return 0;
}

/* Cuts the file at `tail` and fills it with zeros again, so that what was torn can never be read as a record later. */
static int cut_tail(struct tc_wal *wal, bool torn, struct tc_error *err)
{
    uint64_t size = round_up(wal->tail + WAL_CHUNK / 2, WAL_CHUNK);
    if (!torn && wal->size >= wal->tail)
        return 0;
    if (ftruncate(wal->fd, (off_t)wal->tail) < 0 || zero_fill(wal->fd, wal->tail, size) < 0 || fdatasync(wal->fd) < 0)
        return io_error(wal, "cut off the torn end", err);
    wal->size = size;
    return 0;
}

static int read_file(struct tc_wal *wal, uint64_t number, tc_wal_record_fn *each, void *self, struct tc_error *err)
{
    char name[WAL_NAME_MAX];
    struct stat st;
    struct tc_wal_end end;
    file_name(number, name);
    wal->number = number;
    wal->fd = openat(wal->dir_fd, name, O_RDWR | O_CLOEXEC);
    if (wal->fd < 0 || fstat(wal->fd, &st) < 0)
        return io_error(wal, "open the newest log file", err);
    wal->size = (uint64_t)st.st_size;
    void *map = wal->size ? mmap(NULL, (size_t)wal->size, PROT_READ, MAP_PRIVATE, wal->fd, 0) : NULL;
    if (map == MAP_FAILED)
        return io_error(wal, "map the newest log file", err);
    struct tc_slice bytes = {map, (size_t)wal->size};
    int rc = tc_wal_scan(bytes, number, each, self, &end, err);
    if (map)
        munmap(map, (size_t)wal->size);
    if (rc < 0) {
        if (err)
            (void)tc_error_wrap(err, "%s/%s", wal->dir, name);
        return rc;
    }
    wal->tail = end.offset;
    wal->sequence = end.records;
    if (fdatasync(wal->fd) < 0) /* what was read and will be acted on must be on disk, not only in the page cache */
        return io_error(wal, "sync", err);
    wal->durable = end.records;
    return cut_tail(wal, end.torn, err);
}

/* The directory, and those above it that are missing. false: errno says why not. */
static bool make_directory(const char *dir)
{
    char part[PATH_MAX];
    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return true;
    if (errno != ENOENT || (size_t)snprintf(part, sizeof part, "%s", dir) >= sizeof part)
        return false;
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return mkdir(dir, 0700) == 0 || errno == EEXIST;
}

static int open_directory(struct tc_wal *wal, const char *dir, struct tc_error *err)
{
    if (!make_directory(dir))
        return io_error(wal, "make the directory", err);
    wal->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (wal->dir_fd < 0)
        return io_error(wal, "open the directory", err);
    wal->lock_fd = openat(wal->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (wal->lock_fd < 0)
        return io_error(wal, "make the lock file", err);
    if (flock(wal->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return tc_error_set(err, TC_EREFUSED, "%s: another process uses this data directory", wal->dir);
    return 0;
}

int tc_wal_open(const char *dir, tc_wal_record_fn *each, void *self, struct tc_wal **out, struct tc_error *err)
{
    uint64_t newest;
    struct tc_wal *wal = calloc(1, sizeof *wal);
    *out = NULL;
    if (!wal)
        return tc_error_set(err, TC_EMEMORY, "out of memory");
    wal->dir_fd = wal->lock_fd = wal->fd = -1;
    (void)snprintf(wal->dir, sizeof wal->dir, "%s", dir);
    int rc = open_directory(wal, dir, err);
    if (rc == 0)
        rc = find_newest(wal, &newest, err);
    if (rc == 0)
        rc = newest ? read_file(wal, newest, each, self, err) : begin_file(wal, 1, err);
    if (rc < 0) {
        tc_wal_close(wal);
        return rc;
    }
    *out = wal;
    return 0;
}

/* Room for `len` more pending bytes. */
static int reserve(struct tc_wal *wal, size_t len)
{
    size_t capacity = wal->pending_capacity ? wal->pending_capacity : 65536;
    while (capacity < wal->pending_len + len)
        capacity *= 2;
    if (capacity == wal->pending_capacity)
        return 0;
    uint8_t *grown = realloc(wal->pending, capacity);
    if (!grown)
        return TC_EMEMORY;
    wal->pending = grown;
    wal->pending_capacity = capacity;
    return 0;
}

int tc_wal_append(struct tc_wal *wal, struct tc_slice record)
{
    if (record.len == 0 || record.len > TC_WAL_RECORD_MAX)
        return TC_ELIMIT;
    size_t len = tc_wal_record_size(record.len);
    if (reserve(wal, len) < 0)
        return TC_EMEMORY;
    uint64_t number = wal->snapshot ? wal->number + 1 : wal->number;
    uint64_t durable = wal->snapshot ? 0 : wal->durable;
    tc_wal_record_encode(number, wal->sequence, durable, record, wal->pending + wal->pending_len);
    wal->pending_len += len;
    wal->sequence++;
    return 0;
}

int tc_wal_snapshot(struct tc_wal *wal, struct tc_slice record)
{
    struct tc_wal before = *wal;
    wal->snapshot = true;
    wal->sequence = 0;
    wal->pending_len = 0;
    int rc = tc_wal_append(wal, record);
    if (rc < 0) { /* nothing was overwritten yet: what was pending still is */
        wal->snapshot = before.snapshot;
        wal->sequence = before.sequence;
        wal->pending_len = before.pending_len;
    }
    return rc;
}

static int sync_records(struct tc_wal *wal, struct tc_error *err)
{
    uint64_t end = wal->tail + wal->pending_len;
    if (write_at(wal->fd, wal->pending, wal->pending_len, wal->tail) < 0)
        return io_error(wal, "append to the log", err);
    if (end + TC_WAL_RECORD_HEADER > wal->size) {
        uint64_t size = round_up(end + WAL_CHUNK / 2, WAL_CHUNK);
        if (zero_fill(wal->fd, end, size) < 0)
            return io_error(wal, "extend the log", err);
        wal->size = size;
    }
    if (fdatasync(wal->fd) < 0)
        return io_error(wal, "sync the log", err);
    wal->tail = end;
    return 0;
}

int tc_wal_sync(struct tc_wal *wal, struct tc_error *err)
{
    if (wal->broken) /* after a failed sync the kernel may have dropped the pages and report success next time */
        return tc_error_set(err, TC_EIO, "%s: the log failed before", wal->dir);
    if (wal->pending_len == 0)
        return 0;
    int rc = wal->snapshot ? begin_file(wal, wal->number + 1, err) : sync_records(wal, err);
    if (rc < 0) {
        wal->broken = true;
        return rc;
    }
    wal->durable = wal->sequence;
    wal->pending_len = 0;
    wal->snapshot = false;
    return 0;
}

void tc_wal_close(struct tc_wal *wal)
{
    if (!wal)
        return;
    if (wal->fd >= 0)
        close(wal->fd);
    if (wal->lock_fd >= 0)
        close(wal->lock_fd);
    if (wal->dir_fd >= 0)
        close(wal->dir_fd);
    free(wal->pending);
    free(wal);
}
