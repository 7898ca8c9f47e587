/* What the simulated world is like: how long links take, what disks and clocks do. Types only, so that scenarios can
 * say it without knowing the simulation. */
#ifndef TC_SIM_MODELS_H
#define TC_SIM_MODELS_H

#include "../proxy/types.h"

#define TC_SIM_REGIONS_MAX     8
#define TC_SIM_DRIFT_PPM_MAX   100000
#define TC_SIM_SIGMA_MILLI_MAX 3000

/* How long a message is on its way, without bandwidth. */
enum tc_sim_latency_model {
    TC_SIM_UNIFORM = 0, /* between min_ns and max_ns; constant if they are equal */
    TC_SIM_LOG_NORMAL,  /* median_ns, and sigma (of the logarithm) in thousandths; never above max_ns (0: no bound) */
    TC_SIM_REGIONS      /* by region_ns[region of sender][region of receiver], plus up to jitter_milli thousandths */
};

struct tc_sim_latency {
    enum tc_sim_latency_model model;
    uint64_t min_ns, max_ns;
    uint64_t median_ns;
    uint32_t sigma_milli; /* 1 … 3000 */
    uint32_t jitter_milli;
    uint64_t region_ns[TC_SIM_REGIONS_MAX][TC_SIM_REGIONS_MAX];
    uint8_t region[TC_NODES_MAX]; /* below TC_SIM_REGIONS_MAX */
};

struct tc_sim_network {
    struct tc_sim_latency latency;
    uint64_t bandwidth_bytes_per_s; /* of each link; 0: unlimited */
    /* Before the global stabilisation time every write takes up to gst_delay_ns longer and breaks its connection with a
     * probability of gst_loss / 65536. 0: the network is good from the start. */
    uint64_t gst_ns, gst_delay_ns;
    uint32_t gst_loss;
};

/* What a crash leaves of the records that were not synced yet. What was synced always stays. */
enum tc_sim_unsynced { TC_SIM_UNSYNCED_SOME = 0, TC_SIM_UNSYNCED_LOST, TC_SIM_UNSYNCED_KEPT };

struct tc_sim_disk {
    uint64_t sync_min_ns, sync_max_ns; /* one sync; both 0: none at all */
    uint64_t slow_ns;                  /* longer by this for the nodes in `slow` */
    struct tc_nodeset slow;
    enum tc_sim_unsynced unsynced;
};

/* A node's clock shows offset_ns + its own time since the start, which runs faster by drift_ppm. */
struct tc_sim_clock {
    uint64_t offset_ns;
    int32_t drift_ppm; /* -100000 … 100000 */
};

#endif
