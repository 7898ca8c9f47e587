/* What was signed and said in a run. A recorded attack says again what it heard; with something left out the run may
 * take another course, in which nobody ever said that, and then those bytes are a forgery that no traitor could make.
 * Runs like that are not what a failure may shrink to. Pure. */
#ifndef TC_REPLAY_SAID_H
#define TC_REPLAY_SAID_H

#include "../proxy/types.h"

/* A set of hashes: a table of open addresses; 0 is free. Zeroed it is empty. */
struct tc_said_hashes {
    uint64_t *_table;
    uint32_t _size, _used;
};

struct tc_said {
    struct tc_said_hashes _said; /* in this run */
    struct tc_said_hashes _made; /* in the first run: put on a link without having been said */
    struct tc_nodeset _traitors;
    bool _learns;
    bool stale; /* somebody's words came, in this run, that he had not said */
    bool full;  /* no memory was left: nothing can be known */
};

/* Begins a run. What `traitors` sign is theirs to say at any time. `first`: the run is the recorded one, and what its
 * attack put on links without anybody having said it (bytes that are nobody's signature) it may in those that follow,
 * too. */
void tc_said_begin(struct tc_said *said, const struct tc_nodeset *traitors, bool first);

/* Every observation of the run, in order; only messages count. */
void tc_said_observe(struct tc_said *said, const struct tc_observation *observation);

/* Leaves it empty. */
void tc_said_free(struct tc_said *said);

#endif
