/* The reference PBFT replica (Castro & Liskov, OSDI'99 and TOCS'02) behind the contract of reference/replica.h.
 *
 * A NEW-VIEW embeds a quorum q of view changes, each with a certificate of about 150·q bytes for every sequence number
 * prepared above the stable checkpoint, and must fit one frame (TC_FRAME_MAX): roughly q² · (checkpoint_interval +
 * pipeline_max) · 150 bytes. Checkpoint intervals of 128, 64 and 32 serve up to 16, 22 and 31 replicas. What does not
 * fit is complained about and not sent, so such a cluster cannot change its view until checkpoints are closer. */
#ifndef TC_PBFT_REPLICA_H
#define TC_PBFT_REPLICA_H

#include "../replica.h"

extern const struct tc_replica_class tc_pbft_replica;

#endif
