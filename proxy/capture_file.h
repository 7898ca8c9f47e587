/* The file of a capture: packets in, a pcap with nanosecond stamps and raw IPv4 out, and what becomes of it when its
 * bound or the disk is reached. No threads: the capture's writer alone calls it. Private to the capture files. */
#ifndef TC_CAPTURE_FILE_H
#define TC_CAPTURE_FILE_H

#include "error.h"
#include "types.h"

struct tc_capture_file;

/* Opens the file for writing, over what stood there; it takes at most `bytes_max` bytes. The caller closes it.
 * TC_EMEMORY; TC_EIO with the path and the reason. */
int tc_capture_file_open(const char *path, uint64_t bytes_max, struct tc_capture_file **out, struct tc_error *err);

/* Appends one packet, buffered. TC_ELIMIT: the bound is reached; TC_EIO: the disk is full or nearly so, or would not
 * take it (tc_capture_file_reason). After either the caller puts nothing more. */
int tc_capture_file_put(struct tc_capture_file *f, uint64_t time_ns, struct tc_slice packet);

/* Writes out what waits in the buffer; costs nothing if nothing does, or after an error. TC_EIO as above. */
int tc_capture_file_flush(struct tc_capture_file *f);

/* A full disk, after TC_EIO: what others still have to write is worth more than the whole capture. Gives back more than
 * half of the file, cut at a packet's end. Returns how many packets were given up; 0 if writing failed for another
 * reason, or if nothing could be given back. */
uint64_t tc_capture_file_give_way(struct tc_capture_file *f);

/* Why writing failed, as an errno; 0 if it did not. */
int tc_capture_file_reason(const struct tc_capture_file *f);
bool tc_capture_file_is_disk_full(const struct tc_capture_file *f);

/* Writes out, closes and frees; NULL is fine. */
void tc_capture_file_close(struct tc_capture_file *f);

#endif
