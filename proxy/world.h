/* What a world provides and what it is given: the engine to drive, and the sink that takes what the engine observes.
 * Live sockets, the simulation and a capture are three implementations. */
#ifndef TC_WORLD_H
#define TC_WORLD_H

#include "engine.h"

/* Takes observations and decisions in order: the run feeds them to oracles, metrics and the recorder. */
struct tc_sink {
    void *self;
    void (*observe)(void *self, const struct tc_observation *observation);
    void (*decide)(void *self, const struct tc_decision *decision);
    /* About four times a second, for the progress line; may be NULL. */
    void (*progress)(void *self, uint64_t now_ns);
};

/* How long a run lasts. A phase ends after its time; 0 skips it. duration_max_ns bounds everything, start-up included.
 */
struct tc_world_plan {
    uint64_t phase_ns[TC_RUN_PHASE_COUNT];
    uint64_t start_timeout_ns; /* until the first decision (or first message) is seen */
    bool wait_first_decision;  /* `before` begins when a first execution was observed */
    uint32_t wait_voters; /* … and so many replicas were heard voting; 9 s after that execution it begins anyway */
    bool (*linked)(void *self); /* … and this says that every link is known; waited for as long. NULL: not asked */
    void *linked_self;
    bool every_node; /* TC_EUNREACHABLE if one is dialled in vain until the attack begins */
};

#endif
