/* The state machine: a key-value store, and beside it the client table that makes execution exactly once (for each
 * client the last timestamp executed and its result). Deterministic: the same operations in the same order give the
 * same results, digests and snapshots on every machine. */
#ifndef TC_STORE_H
#define TC_STORE_H

#include "wire.h"

#define TC_STORE_BYTES_MAX (2u << 20) /* keys and values together, 8 bytes an entry included */

struct tc_store;

/* An empty store; NULL if out of memory. */
struct tc_store *tc_store_new(void);
void tc_store_free(struct tc_store *store);

/* Executes one request. If its timestamp is above the client's last: applies the operation (a packed Operation), keeps
 * the packed Result as the client's reply, *fresh = true. Otherwise nothing changes and *fresh = false.
 *
 * Results: GET found/value; PUT found = stored; DELETE found = was there; COMPARE_AND_SWAP found = swapped, else the
 * present value (a missing key never equals). What cannot be applied (bytes that are no Operation, a key that is empty
 * or too long, a value too long, a store that is full) changes nothing and has found = false.
 * TC_EMEMORY: the store is unusable. TC_EUSAGE: client ≥ TC_NODES_MAX. */
int tc_store_execute(struct tc_store *store, uint32_t client, uint64_t timestamp, struct tc_slice operation,
                     struct tc_arena *arena, bool *fresh);

/* The client's last timestamp executed (0: none), and its packed Result (borrowed until that client's next request). */
uint64_t tc_store_last(const struct tc_store *store, uint32_t client);
struct tc_slice tc_store_reply(const struct tc_store *store, uint32_t client);

/* Of store and client table, kept up to date with every change: a sum of entry hashes. It tells honest states apart in
 * O(1); it does not withstand somebody who chooses entries to collide. Checkpoints certify the snapshot's digest. */
void tc_store_digest(const struct tc_store *store, uint8_t digest[static TC_VALUE_SIZE]);

/* Everything, with the sequence number it belongs to, as canonical bytes: equal states give equal bytes. Malloc'ed into
 * *bytes (the caller frees), or TC_EMEMORY. */
int tc_store_save(const struct tc_store *store, uint64_t sequence, uint8_t **bytes, size_t *len);

/* A new store from such bytes. TC_EMALFORMED: not canonical; TC_EMEMORY. */
int tc_store_load(struct tc_slice bytes, uint64_t *sequence, struct tc_store **store);

/* What a client asked of a store (a packed Operation), and what came of it (a packed Result), without unpacking. The
 * bytes are borrowed. TC_EMALFORMED. */
int tc_store_operation_read(struct tc_slice bytes, struct tc_kv_operation *out);
int tc_store_result_read(struct tc_slice bytes, struct tc_kv_result *out);

/* Takes over the client table of another state, which is left without one. */
void tc_store_take_clients(struct tc_store *store, struct tc_store *from);

#endif
