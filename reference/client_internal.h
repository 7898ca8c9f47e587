/* Private to client*.c. */
#ifndef TC_CLIENT_INTERNAL_H
#define TC_CLIENT_INTERNAL_H

#include "../proxy/loop.h"
#include "client.h"
#include "client_operations.h"
#include "config.h"
#include "node_dial.h"
#include "node_output.h"
#include "node_wire.h"

#define TC_CLIENTS_MAX (TC_NODES_MAX - TC_CLIENT_FIRST)

/* ---- client_histogram.c: latencies, log-linear, within 1 % ---- */

#define TC_LATENCY_SUB_BITS 7
#define TC_LATENCY_BUCKETS  ((64 - TC_LATENCY_SUB_BITS + 1) << TC_LATENCY_SUB_BITS)

struct tc_latency {
    uint64_t counts[TC_LATENCY_BUCKETS];
    uint64_t count, max_ns;
};

void tc_latency_add(struct tc_latency *latency, uint64_t value_ns);
/* The value below which `per_mille` of all lie (upper end of its bucket, never above the maximum); 0 if empty. */
uint64_t tc_latency_quantile_ns(const struct tc_latency *latency, uint32_t per_mille);
/* All of it as JSON, [[ns,count],…]: how many there were up to so many ns and above the entry before; sixteen to a
 * power of two, empty ones left out. Returns `text`, which always has room for it. */
#define TC_LATENCY_TEXT_MAX (((64 - 4 + 1) << 4) * 43 + 3)
const char *tc_latency_text(const struct tc_latency *latency, char text[static TC_LATENCY_TEXT_MAX]);

/* ---- client_session.c: one client ---- */

struct tc_load_run;
struct tc_session;

struct tc_session_link {
    struct tc_session *session;
    struct tc_node_dial dial;
};

/* What one replica answered to the operation under way. */
struct tc_session_answer {
    bool any;
    uint8_t digest[TC_VALUE_SIZE]; /* of the result */
};

struct tc_session {
    struct tc_load_run *run;
    uint16_t id;
    struct tc_session_link links[TC_REPLICAS_MAX];
    uint64_t views[TC_REPLICAS_MAX]; /* the last view each replica claimed */
    uint64_t view;                   /* the one we believe */
    uint64_t timestamp;              /* of the operation under way or the last one */
    uint64_t started;                /* operations begun */
    bool busy;
    uint64_t due_ns;           /* when the operation under way should have started, or the next one will */
    uint64_t retransmit_at_ns; /* TC_NEVER_NS: nothing under way */
    uint64_t timeout_ns;
    bool to_all;           /* retransmitted: new connections get it too */
    struct tc_arena arena; /* the request under way */
    struct tc_wire_request request;
    struct tc_session_answer answers[TC_REPLICAS_MAX];
    struct tc_operation_memory memory;
};

/* Prepares; connections are dialled by the first tc_session_due. TC_EUSAGE: a bad address. */
int tc_session_init(struct tc_session *session, struct tc_load_run *run, uint16_t id,
                    const struct tc_node_config *addresses, uint64_t first_timestamp, struct tc_error *err);
/* Begins, retransmits, dials: whatever is due. */
void tc_session_due(struct tc_session *session, uint64_t now_ns);
uint64_t tc_session_deadline_ns(const struct tc_session *session);
void tc_session_flush(struct tc_session *session);
/* What connections tell (struct tc_node_conn_ops); `self` is a tc_session_link. */
void tc_session_link_connected(void *self, struct tc_node_conn *conn);
void tc_session_link_received(void *self, struct tc_node_conn *conn, struct tc_slice frame);
void tc_session_link_closed(void *self, struct tc_node_conn *conn, const char *why);
/* Says that the operation under way, if any, got no answer. */
void tc_session_give_up(struct tc_session *session, uint64_t now_ns);
void tc_session_free(struct tc_session *session);

/* ---- client.c: all of them ---- */

struct tc_load_run {
    const struct tc_client_options *options;
    struct tc_node_config config;
    struct tc_keyring *keys;
    struct tc_protocol_env env;
    const struct tc_protocol *protocol;
    const struct tc_node_wire *wire;
    struct tc_node_conn_ops conn_ops;
    struct tc_operation_maker maker;
    struct tc_loop *loop;
    struct tc_node_output output;
    struct tc_arena arena; /* what is received */
    struct tc_latency latency;
    struct tc_session *sessions;
    uint32_t session_count;
    uint64_t timeout_ns, timeout_max_ns;
    uint64_t interval_ns; /* open loop: between two operations; 0 closed */
    uint64_t start_ns, stop_at_ns;
    uint64_t started, done, failed, retransmissions;
    bool stopping;
    int code;
    struct tc_error *err;
};

/* May another operation begin? Counts it if so. */
bool tc_load_may_start(struct tc_load_run *run);
/* When the session's next operation is due, `now_ns` being when the last one ended. */
uint64_t tc_load_next_due_ns(const struct tc_load_run *run, const struct tc_session *session, uint64_t now_ns);
/* Ends the run with an error (the first one counts). */
void tc_load_fail(struct tc_load_run *run, int code);

#endif
