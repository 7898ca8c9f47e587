/* Packets as they pass an interface, through libpcap, passively. */
#ifndef TC_CAPTURE_LIVE_H
#define TC_CAPTURE_LIVE_H

#include "capture_read.h"

struct tc_capture_live;

/* Opens the interface ("any": all of them). TC_EPERMISSION: capturing is not allowed, and what to do about it;
 * TC_EUSAGE: no such interface, or of a link type that is not read; TC_EIO. */
int tc_capture_live_open(const char *interface, struct tc_capture_live **out, struct tc_error *err);
void tc_capture_live_close(struct tc_capture_live *live);

/* Waits at most wait_ms for packets and gives those that are there (a bounded number) to the reader. 0, what the reader
 * returned, or TC_EIO if the interface went away. */
int tc_capture_live_turn(struct tc_capture_live *live, struct tc_capture_reader *reader, int wait_ms,
                         struct tc_error *err);

/* Packets that the kernel had to drop so far, for want of room. */
uint64_t tc_capture_live_dropped(struct tc_capture_live *live);

#endif
