/* The directory of a run that never began goes again: else it would look like a run that left nothing. */
#define _GNU_SOURCE
#include "recorder_parts.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

/* Renamed over the present one, as when it was made. */
static void restore_latest(const struct tc_recorder *r, const char *parent)
{
    char fresh[600], latest[600];
    snprintf(fresh, sizeof fresh, "%s/.latest-%ld", parent, (long)getpid());
    snprintf(latest, sizeof latest, "%s/latest", parent);
    unlink(fresh);
    if (!r->before[0])
        unlink(latest);
    else if (symlink(r->before, fresh) == 0 && rename(fresh, latest) < 0)
        unlink(fresh);
}

void tc_recorder_discard(struct tc_recorder *r)
{
    char parent[512];
    if (!r || !r->made)
        return;
    r->made = false;
    tc_out_close(&r->decisions, NULL);
    tc_out_close(&r->observations, NULL);
    (void)nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    snprintf(parent, sizeof parent, "%s", r->dir);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return;
    *slash = '\0';
    restore_latest(r, parent);
    (void)rmdir(parent); /* stays if there are other runs of this name */
}
