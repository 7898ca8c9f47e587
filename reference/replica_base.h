/* What the reference replicas share, whatever their protocol: who one is, the step in progress, and what that step
 * leaves behind (records, frames, facts). A protocol's own struct begins with a tc_replica_base; its rules are in its
 * own folder (pbft/replica*.c, hotstuff/replica*.c). Nobody but replicas includes this.
 *
 * Leader, quorum and timeouts are the replicas' own statement of the protocol's rules; what judges them states them
 * once more (protocol_base.h, which says why) and is never asked here.
 *
 * Failing allocations set `out_of_memory`; the step then returns TC_EMEMORY and the replica is dead. */
#ifndef TC_REPLICA_BASE_H
#define TC_REPLICA_BASE_H

#include "../proxy/arena.h"
#include "bugs.h"
#include "replica.h"
#include "replica_pending.h"
#include "replica_verified.h"
#include "store.h"
#include "wire.h"

/* How often a replica has complained about one node lately. */
struct tc_complaint_account {
    uint64_t period_start_ns;
    uint32_t count;
};

struct tc_replica_base {
    struct tc_protocol_env env;
    const struct tc_cluster *cluster; /* env.cluster */
    uint64_t bugs;                    /* seeded, see bugs.h */
    uint16_t id;
    uint32_t n, f, quorum, window, interval, batch_max; /* the cluster's, batch_max within what anyone accepts */

    /* the step in progress */
    uint64_t now_ns;
    uint16_t from;      /* connection that the frame came on: whom complaints name */
    bool out_of_memory; /* dead */
    bool replaying;     /* records of an earlier life come, before START: nothing is sent or written */
    bool started;
    bool progressed;       /* since the timers were last set */
    struct tc_arena arena; /* emptied by the next step */
    struct tc_output *outputs;
    size_t output_count, output_capacity;

    uint64_t view;
    bool active;           /* false: we asked for `view` and are not in it yet */
    uint32_t failed_views; /* since the last progress: how often the timer was doubled */

    struct tc_store *store;         /* the state machine */
    struct tc_pending_list pending; /* requests that wait to be executed */
    struct tc_verified verified;
    struct tc_complaint_account complaints[TC_NODES_MAX];
};

/* ---- life ---- */

/* Fills a zeroed base, with an empty store, `replaying`. TC_EUSAGE, TC_EKEY: the configuration is impossible,
 * TC_EMEMORY; the reason is in err, and nothing is left to free. */
int tc_replica_base_init(struct tc_replica_base *base, const struct tc_replica_config *config, struct tc_error *err);

/* Gives back what it holds, but for the waiting requests (which the protocol allocated) and the base itself. */
void tc_replica_base_free(struct tc_replica_base *base);

/* Begins a step at now_ns: forgets the outputs and the scratch memory of the one before. */
void tc_replica_step_begin(struct tc_replica_base *base, uint64_t now_ns);

/* Ends it: hands out the outputs if rc is 0 and memory sufficed. Returns rc or TC_EMEMORY. */
int tc_replica_step_end(struct tc_replica_base *base, int rc, struct tc_outputs *out);

static inline bool tc_replica_bug(const struct tc_replica_base *base, enum tc_bug bug)
{
    return (base->bugs & TC_BUG_BIT(bug)) != 0;
}

/* Who leads `view`: the scenario's choice where it makes one, else round robin. */
static inline uint16_t tc_replica_leader(const struct tc_replica_base *base, uint64_t view)
{
    return base->env.leader ? base->env.leader(base->cluster, view) : (uint16_t)(view % base->n);
}

static inline bool tc_replica_is_client(const struct tc_replica_base *base, uint32_t node)
{
    return node >= TC_CLIENT_FIRST && node - TC_CLIENT_FIRST < base->cluster->client_count;
}

/* How long to wait for progress in a view: doubled with each that failed, up to the cluster's bound. */
uint64_t tc_replica_view_timeout_ns(const struct tc_replica_base *base);

/* ---- memory ---- */

/* Zeroed memory, for the caller to free; NULL marks the replica dead. */
void *tc_replica_alloc(struct tc_replica_base *base, size_t size);

/* The same, not zeroed: for bytes that are all written at once. */
void *tc_replica_alloc_bytes(struct tc_replica_base *base, size_t size);

/* The same until the end of the step, which frees it. */
void *tc_replica_scratch(struct tc_replica_base *base, size_t size);

/* ---- outputs of this step; their bytes must live in the arena ---- */

/* A record, PERSIST or SNAPSHOT. Nothing while replaying. */
void tc_replica_persist(struct tc_replica_base *base, enum tc_output_kind kind, struct tc_slice record);

/* A frame to one node or to all replicas, oneself left out. Nothing while replaying, nor for an empty frame. */
void tc_replica_send(struct tc_replica_base *base, uint32_t to, struct tc_slice frame);
void tc_replica_broadcast(struct tc_replica_base *base, struct tc_slice frame);

/* A fact; node and time are filled in. The second tells where we are (nothing while replaying), the third that
 * everything up to `sequence` is settled. */
void tc_replica_observe(struct tc_replica_base *base, const struct tc_observation *observation);
void tc_replica_observe_view(struct tc_replica_base *base);
void tc_replica_observe_stable(struct tc_replica_base *base, uint64_t sequence,
                               const uint8_t state[static TC_VALUE_SIZE]);

/* What is wrong with something that `peer` sent; a few a second and peer, the others are left out. */
void tc_replica_complain(struct tc_replica_base *base, uint32_t peer, const char *format, ...)
    __attribute__((cold, format(printf, 3, 4)));

/* ---- envelopes ---- */

/* The envelope in a frame that arrived, in the arena; NULL where nothing is to be done: malformed (complained about),
 * or a HELLO. */
Wire__Envelope *tc_replica_open(struct tc_replica_base *base, struct tc_slice frame);

/* An envelope packed into memory of its own, for the caller to free; false: out of memory, or longer than a frame. And
 * the way back: in the arena, and what is bytes in it is borrowed; NULL: out of memory. */
bool tc_replica_keep_packed(struct tc_replica_base *base, const Wire__Envelope *envelope, uint8_t **packed,
                            size_t *len);
Wire__Envelope *tc_replica_read_packed(struct tc_replica_base *base, struct tc_slice packed);

/* An envelope of ours around `body`, sealed (for `client`, if it is a reply). false: out of memory, too large, no key;
 * complained about. */
bool tc_replica_envelope(struct tc_replica_base *base, uint32_t type, const ProtobufCMessage *body, uint32_t client,
                         Wire__Envelope *envelope);
bool tc_replica_envelope_packed(struct tc_replica_base *base, uint32_t type, struct tc_slice body, uint32_t client,
                                Wire__Envelope *envelope); /* the body being packed, in the arena */

/* An envelope as a frame, and an envelope of ours as one; {NULL, 0} when that fails (complained about), the second also
 * while replaying. */
struct tc_slice tc_replica_frame(struct tc_replica_base *base, const Wire__Envelope *envelope);
struct tc_slice tc_replica_message(struct tc_replica_base *base, uint32_t type, const ProtobufCMessage *body,
                                   uint32_t client);
struct tc_slice tc_replica_message_packed(struct tc_replica_base *base, uint32_t type, struct tc_slice body,
                                          uint32_t client); /* likewise */

/* The answer to a client's newest request that was executed, as a frame; and the same, sent. */
struct tc_slice tc_replica_reply(struct tc_replica_base *base, uint16_t client);
void tc_replica_send_reply(struct tc_replica_base *base, uint16_t client);

/* Does the signature or MAC hold? Asked twice about the same signature, it remembers. */
bool tc_replica_authentic(struct tc_replica_base *base, const Wire__Envelope *envelope);

/* The body, in the arena, of an envelope that is a well-formed request of one of our clients; else NULL. Not verified.
 */
const Wire__Request *tc_replica_request(struct tc_replica_base *base, const Wire__Envelope *envelope);

#endif
