#include "out.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int tc_out_open(struct tc_out *out, const char *path, struct tc_error *err)
{
    *out = (struct tc_out){.fd = -1};
    snprintf(out->path, sizeof out->path, "%s", path);
    out->_buffer = malloc(TC_OUT_BUFFER);
    if (!out->_buffer)
        return tc_error_set(err, TC_EMEMORY, "%s: no memory for its buffer", path);
    out->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out->fd >= 0)
        return 0;
    free(out->_buffer);
    out->_buffer = NULL;
    return tc_error_set(err, TC_EIO, "%s: cannot be written: %s", path, strerror(errno));
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        bytes += done;
        len -= (size_t)done;
    }
    return 0;
}

static void flush_out(struct tc_out *out)
{
    if (out->error == 0 && out->_used > 0)
        out->error = write_all(out->fd, out->_buffer, out->_used);
    out->_used = 0;
}

void tc_out_write(struct tc_out *out, const char *bytes, size_t len)
{
    if (!out->_buffer || out->error != 0 || out->written + len > TC_OUT_BYTES_MAX) {
        out->lost++;
        return;
    }
    out->written += len;
    if (out->_used + len > TC_OUT_BUFFER)
        flush_out(out);
    if (len > TC_OUT_BUFFER && out->error == 0) {
        out->error = write_all(out->fd, bytes, len);
    } else if (out->error == 0) {
        memcpy(out->_buffer + out->_used, bytes, len);
        out->_used += len;
    }
}

int tc_out_close(struct tc_out *out, struct tc_error *err)
{
    if (!out->_buffer)
        return 0;
    flush_out(out);
    if (close(out->fd) != 0 && out->error == 0)
        out->error = errno;
    out->fd = -1;
    free(out->_buffer);
    out->_buffer = NULL;
    if (out->error == 0)
        return 0;
    if (out->lost == 0)
        return tc_error_set(err, TC_EIO, "%s: %s; its end is missing", out->path, strerror(out->error));
    return tc_error_set(err, TC_EIO, "%s: %s; its end and %llu later entries are missing", out->path,
                        strerror(out->error), (unsigned long long)out->lost);
}

/* ---- a full disk ---- */

/* What gives way, the least worth first; all that is not here is worth more. */
static const char *const spares[] = {"trace.pcap", "observations.jsonl", "messages.tsv", "metrics.tsv", "plots/",
                                     "logs/"};
#define SPARES (sizeof spares / sizeof *spares)

static bool is_folder(const char *spare)
{
    return spare[strlen(spare) - 1] == '/';
}

static size_t worth(const char *name)
{
    for (size_t i = 0; i < SPARES; i++)
        if (strncmp(name, spares[i], strlen(spares[i])) == 0)
            return i;
    return SPARES;
}

/* Emptied before it is unlinked: somebody may still hold it open. */
static bool remove_file(const char *path)
{
    return truncate(path, 0) == 0 && unlink(path) == 0;
}

/* True if something was there. */
static bool remove_files_in(const char *folder)
{
    char path[1024];
    bool removed = false;
    DIR *files = opendir(folder);
    for (struct dirent *entry; files && (entry = readdir(files));) {
        snprintf(path, sizeof path, "%s%s", folder, entry->d_name);
        removed |= entry->d_name[0] != '.' && remove_file(path);
    }
    if (files)
        closedir(files);
    return removed;
}

bool tc_out_make_room(const char *dir, const char *name)
{
    char path[640];
    for (size_t i = 0; i < worth(name); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, spares[i]);
        if (is_folder(spares[i]) ? remove_files_in(path) : remove_file(path))
            return true;
    }
    return false;
}

bool tc_out_has_room(const char *dir, const char *name, uint64_t bytes)
{
    struct statvfs disk;
    do
        if (statvfs(dir, &disk) < 0 || disk.f_blocks == 0 || (uint64_t)disk.f_bavail * disk.f_frsize >= bytes)
            return true; /* or nobody knows: whoever writes will hear what is wrong */
    while (tc_out_make_room(dir, name));
    return false;
}

static bool has_files(const char *folder)
{
    bool found = false;
    DIR *files = opendir(folder);
    for (struct dirent *entry; files && !found && (entry = readdir(files));)
        found = entry->d_name[0] != '.';
    if (files)
        closedir(files);
    return found;
}

unsigned tc_out_spares(const char *dir)
{
    char path[640];
    unsigned set = 0;
    for (size_t i = 0; i < SPARES; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, spares[i]);
        set |= (unsigned)(is_folder(spares[i]) ? has_files(path) : access(path, F_OK) == 0) << i;
    }
    return set;
}

const char *tc_out_spare_names(unsigned set, char names[static 96])
{
    size_t used = 0;
    names[0] = '\0';
    for (size_t i = 0; i < SPARES; i++)
        if (set >> i & 1u)
            used += (size_t)snprintf(names + used, 96 - used, "%s%s", used ? ", " : "", spares[i]);
    return names;
}

/* 0, or the reason. */
static int write_file(const char *path, const struct tc_buf *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    int failed = write_all(fd, tc_buf_get(text), text->len);
    if (close(fd) != 0 && failed == 0)
        failed = errno;
    if (failed != 0)
        unlink(path); /* half a report would look like a whole one */
    return failed;
}

int tc_out_file(const char *dir, const char *name, const struct tc_buf *text, struct tc_error *err)
{
    char path[640];
    int failed;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (text->failed)
        return tc_error_set(err, TC_EMEMORY, "%s: too large to be made", path);
    do
        failed = write_file(path, text);
    while ((failed == ENOSPC || failed == EDQUOT) && tc_out_make_room(dir, name));
    return failed == 0 ? 0 : tc_error_set(err, TC_EIO, "%s: cannot be written: %s", path, strerror(failed));
}

int tc_out_read(const char *dir, const char *name, size_t bytes_max, struct tc_buf *text, struct tc_error *err)
{
    char path[640], piece[16384];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tc_error_set(err, errno == ENOENT ? TC_ENOT_FOUND : TC_EIO, "%s: %s", path, strerror(errno));
    int rc = 0;
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = tc_error_set(err, TC_EIO, "%s: %s", path, strerror(errno));
        else if (text->len + (size_t)got > bytes_max)
            rc = tc_error_set(err, TC_ELIMIT, "%s: larger than %zu bytes", path, bytes_max);
        if (got <= 0 || rc != 0)
            break;
        tc_buf_bytes(text, piece, (size_t)got);
    }
    close(fd);
    if (rc == 0 && text->failed)
        rc = tc_error_set(err, TC_EMEMORY, "%s: no memory to read it", path);
    return rc;
}

int tc_out_refused(const char *path, int reason, struct tc_error *err)
{
    const bool disk = reason == ENOSPC || reason == EDQUOT || reason == EIO || reason == ENOMEM;
    return tc_error_set(err, disk ? TC_EIO : TC_EUSAGE, "%s: this directory cannot be made: %s%s", path,
                        strerror(reason), disk ? "" : "; --out says where results go");
}

int tc_out_directory(const char *path, struct tc_error *err)
{
    struct stat found;
    if (mkdir(path, 0755) == 0)
        return 0;
    const int reason = errno;
    if (reason == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return 0;
    return tc_out_refused(path, reason == EEXIST ? ENOTDIR : reason, err);
}

int tc_out_path(const char *path, struct tc_error *err)
{
    char part[700];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return tc_error_set(err, TC_EUSAGE, "%s: the path is too long", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const int status = tc_out_directory(part, err);
        if (status < 0)
            return status;
        *slash = '/';
    }
    return tc_out_directory(part, err);
}
