/* Files of the run directory: buffered, bounded, and a full disk never ends a run (the first failure is kept). */
#ifndef TC_OUT_H
#define TC_OUT_H

#include "../proxy/error.h"
#include "buf.h"

#define TC_OUT_BUFFER    ((size_t)256 << 10)
#define TC_OUT_BYTES_MAX ((uint64_t)1 << 30) /* one log file; what comes later is counted, not written */

struct tc_out {
    char path[640];
    int fd; /* -1 when closed */
    char *_buffer;
    size_t _used;
    uint64_t written;
    uint64_t lost; /* writes that were not taken: size bound, or after a failure */
    int error;     /* errno of the first failure, 0 none */
};

/* Creates or empties the file. TC_EIO with path and reason, TC_EMEMORY. */
int tc_out_open(struct tc_out *out, const char *path, struct tc_error *err);
/* Takes the bytes or none of them (counted in `lost`). */
void tc_out_write(struct tc_out *out, const char *bytes, size_t len);
/* Writes what is buffered and closes. TC_EIO with the first failure of the whole life. Safe on one never opened. */
int tc_out_close(struct tc_out *out, struct tc_error *err);

/* A whole file in one go, DIR/NAME; what could not be written whole is removed again (TC_EIO with path and reason). A
 * text that failed is TC_EMEMORY and writes nothing. On a full disk what is worth less gives way (tc_out_make_room). */
int tc_out_file(const char *dir, const char *name, const struct tc_buf *text, struct tc_error *err);

/* Removes from a run directory the next of what is worth less than DIR/NAME: trace.pcap, then observations.jsonl, then
 * messages.tsv, metrics.tsv, the plots, the logs. False: nothing of it is left. */
bool tc_out_make_room(const char *dir, const char *name);

/* Would `bytes` more find room in the run directory? What is worth less than NAME gives way for it. */
bool tc_out_has_room(const char *dir, const char *name, uint64_t bytes);

/* Which of the files that give way are in the run directory, a bit each; and their names, joined by commas. */
#define TC_OUT_CAPTURE 1u
unsigned tc_out_spares(const char *dir);
const char *tc_out_spare_names(unsigned set, char names[static 96]);

/* Reads a whole file of at most bytes_max into `text`. TC_ENOT_FOUND if there is none, TC_EIO, TC_ELIMIT. */
int tc_out_read(const char *dir, const char *name, size_t bytes_max, struct tc_buf *text, struct tc_error *err);

/* mkdir that is content with a directory that is there already. As tc_out_refused. */
int tc_out_directory(const char *path, struct tc_error *err);
/* The same, with all directories above it. */
int tc_out_path(const char *path, struct tc_error *err);
/* Why no directory could be made there: TC_EIO where the disk is to blame, TC_EUSAGE where the path is, which somebody
 * wrote. */
int tc_out_refused(const char *path, int reason, struct tc_error *err);

#endif
