/* The capture world: streams of a capture become events of the engine, in the order and by the times of the capture.
 * Nothing is written and nobody is attacked; what the engine observes goes to the sink as in every other world.
 *
 * Whose stream is whose is told by the addresses of the cluster file. A proxy in between is noticed by itself: its near
 * leg comes before the far one. Streams to other addresses are counted and left out. */
#ifndef TC_CAPTURE_WORLD_H
#define TC_CAPTURE_WORLD_H

#include "capture_read.h"
#include "world.h"

/* One listening address: a node's own, or the proxy's in its place. */
struct tc_capture_place {
    uint8_t ip[TC_CAPTURE_IP_SIZE];
    uint16_t port;     /* 0: any */
    uint16_t from, to; /* who dials it (TC_NODE_NONE: the first frame says), for which node */
    bool is_proxy;
};

struct tc_capture_world_config {
    struct tc_engine *engine;
    struct tc_sink sink;
    const struct tc_capture_place *places; /* borrowed */
    size_t place_count;
    /* Called with the time of each segment before it is taken, so that what others saw by then can be told first
     * (tc_capture_world_observe). Negative ends the run with that code. May be NULL. */
    int (*before)(void *self, uint64_t time_ns, struct tc_error *err);
    void *before_self;
};

struct tc_capture_world_counts {
    uint64_t foreign_streams, foreign_bytes; /* to addresses that are nobody's */
    uint64_t undecided_bytes;                /* of streams begun before the capture, until it was clear what they are */
    uint64_t streams, middle_streams;        /* of the cluster; of these, begun before the capture */
    bool proxied;
};

struct tc_capture_world;

/* NULL if out of memory. */
struct tc_capture_world *tc_capture_world_new(const struct tc_capture_world_config *config);
void tc_capture_world_free(struct tc_capture_world *world);

/* Takes one segment; give it to tc_capture_read as its function, with the world as self. TC_EMEMORY. The sentence of a
 * failure is in tc_capture_world_error. */
int tc_capture_world_take(void *world, const struct tc_capture_segment *segment);

/* A fact from beside the capture, at its own time or now, whichever is later. TC_EMEMORY. */
int tc_capture_world_observe(struct tc_capture_world *world, const struct tc_observation *observation);

/* Two replicas below n between which no connection was seen: part of the cluster was hidden. false: there are none. */
bool tc_capture_world_unseen(const struct tc_capture_world *world, uint32_t n, uint16_t *a, uint16_t *b);

/* A replica below n to which near legs of a proxy led and no far one: what it was offered is not in the capture, unless
 * it was down all the time. false: there is none. */
bool tc_capture_world_unheard(const struct tc_capture_world *world, uint32_t n, uint16_t *to);

/* Nothing more comes. TC_EMEMORY. */
int tc_capture_world_stop(struct tc_capture_world *world);

/* The latest time that a segment or fact bore; what was counted so far; the error that ended it, code 0 if none.
 * Borrowed. */
uint64_t tc_capture_world_now_ns(const struct tc_capture_world *world);
const struct tc_capture_world_counts *tc_capture_world_counts(const struct tc_capture_world *world);
const struct tc_error *tc_capture_world_error(const struct tc_capture_world *world);

#endif
