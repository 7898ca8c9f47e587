#define _GNU_SOURCE
#include "launch_files.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_DEPTH_FDS 16

int tc_make_directories(const char *path, struct tc_error *err)
{
    char part[1024];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return tc_error_set(err, TC_EUSAGE, "'%s': expected a path of 1 to %zu bytes", path, sizeof part - 1);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return tc_error_set(err, TC_EIO, "%s: cannot make the directory: %s", part, strerror(errno));
        part[i] = kept;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

int tc_remove_tree(const char *path, struct tc_error *err)
{
    if (nftw(path, remove_one, TREE_DEPTH_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
        return 0;
    return tc_error_set(err, TC_EIO, "%s: cannot be removed: %s", path, strerror(errno));
}
