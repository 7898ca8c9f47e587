/* Writes what passes as trace.pcap: nanosecond stamps, raw-IPv4 or Ethernet link type, synthetic TCP with right
 * addresses, ports, sequence numbers, handshakes and FINs, so that Wireshark and tcpdump follow each stream. Near leg =
 * said, far leg = heard. A thread writes; the caller only copies into a bounded ring. Only the capture files include
 * <pcap.h>. */
#ifndef TC_CAPTURE_WRITE_H
#define TC_CAPTURE_WRITE_H

#include "error.h"
#include "types.h"

struct tc_capture;

/* Opens the file and starts the writer. TC_EIO with the path and reason. */
int tc_capture_open(const char *path, uint64_t bytes_max, struct tc_capture **out, struct tc_error *err);

/* A connection began: host-order IPv4 addresses and ports of both ends (non-IPv4 gets made-up addresses by the caller).
 * The id is the caller's conn number; reusing it later with another open begins a new stream. */
void tc_capture_connect(struct tc_capture *c, uint64_t time_ns, uint32_t conn, uint32_t client_ip, uint16_t client_port,
                        uint32_t server_ip, uint16_t server_port);

/* Bytes on that connection, from its client or from its server. */
void tc_capture_bytes(struct tc_capture *c, uint64_t time_ns, uint32_t conn, bool from_client, struct tc_slice bytes);

/* One side closed (FIN), or the connection was reset. */
void tc_capture_close(struct tc_capture *c, uint64_t time_ns, uint32_t conn, bool from_client, bool reset);

/* True once, after something was not written (size cap, ring full, disk full): `reason` says what. The caller makes an
 * note of it. */
bool tc_capture_lost(struct tc_capture *c, const char **reason, uint64_t *packets);

/* Drains, flushes and ends the writer: what tc_capture_missing says is final then. tc_capture_finish does it too. */
void tc_capture_stop(struct tc_capture *c);

/* Packets that were not written, or were given up when the disk was full; `reason` (static): the worst of why. */
uint64_t tc_capture_missing(const struct tc_capture *c, const char **reason);

/* Drains, flushes and closes; TC_EIO with the reason if writing failed. When the disk is full, the file gives back more
 * than half of itself, at a packet's end, so that the run's other files find room, and takes no more. */
int tc_capture_finish(struct tc_capture *c, struct tc_error *err);

#endif
