/* The durable log of a replica: records that survive kill -9 and power loss, in order, or not at all.
 *
 * One file at a time, DIR/<number>.wal, zero-filled ahead of its end so that a sync moves data only and no metadata.
 * A snapshot begins the next file: it is written beside, synced, renamed into place, the directory synced, and only
 * then the old file goes. There is always exactly one complete file to open.
 *
 *   file    "TCWAL\0\0\1" (8 bytes) ‖ file number (8) ‖ checksum of both (8) ‖ records
 *   record  magic (4) ‖ length (4) ‖ sequence (8) ‖ durable (8) ‖ checksum (8) ‖ bytes ‖ zeros up to a multiple of 8
 *
 * Integers are little-endian. `sequence` counts records from 0 in each file; `durable` is how many of them were known
 * to be on disk when this one was written; the checksum is BLAKE2b-64 over file number, the fields before it and the
 * bytes. That tells the two kinds of damage apart: a record that was still being written when the power went (nothing
 * after it says that it was durable) is cut off; one that *had* been durable means the log lies, and the node must not
 * speak. */
#ifndef TC_WAL_H
#define TC_WAL_H

#include "../proxy/error.h"
#include "../proxy/types.h"

#define TC_WAL_RECORD_MAX (64u << 20) /* bytes of one record */

struct tc_wal;

/* Called for every record, oldest first, while opening. A negative result ends the opening with that code. */
typedef int tc_wal_record_fn(void *self, struct tc_slice record, struct tc_error *err);

/* Where the records of a file end, and how many there are. */
struct tc_wal_end {
    uint64_t offset, records;
    bool torn; /* bytes follow that are no record: cut them off */
};

/* Reads the bytes of file `number`, without touching a disk: what tc_wal_open does with each file. TC_EMALFORMED as
 * there, or what `each` returned. */
int tc_wal_scan(struct tc_slice file, uint64_t number, tc_wal_record_fn *each, void *self, struct tc_wal_end *end,
                struct tc_error *err);

/* Opens (or makes) the log in `dir` (made if missing), locks it against other processes, hands over its records, cuts
 * off a torn end. TC_EIO; TC_EREFUSED: another process holds it; TC_EMALFORMED: a record that was durable is corrupt
 * (file and offset): do not start; TC_EMEMORY; whatever `each` returned. */
int tc_wal_open(const char *dir, tc_wal_record_fn *each, void *self, struct tc_wal **out, struct tc_error *err);

/* Adds a record to what the next sync writes. TC_ELIMIT if it is empty or too long, TC_EMEMORY. */
int tc_wal_append(struct tc_wal *wal, struct tc_slice record);

/* As append, but this record replaces all earlier ones, also those not yet synced. */
int tc_wal_snapshot(struct tc_wal *wal, struct tc_slice record);

/* Makes everything added so far durable: one write and one fdatasync (a new file after a snapshot). Nothing to do is
 * 0. TC_EIO: the log is unusable from here and so is the replica: exit. */
int tc_wal_sync(struct tc_wal *wal, struct tc_error *err);

/* Closes and unlocks. What was not synced is lost. Safe on NULL. */
void tc_wal_close(struct tc_wal *wal);

#endif
