/* A bench for oracles: a made-up protocol, a judge over it, and short functions that feed it one history a test.
 *
 * The protocol "toy" has the types of PBFT. A frame is a list of packed statements, a signature one byte that is right
 * or wrong, so that a test can write down any history in a few lines. */
#ifndef TC_TEST_JUDGE_BENCH_H
#define TC_TEST_JUDGE_BENCH_H

#include "../../oracles/judge.h"

enum toy_type {
    TOY_REQUEST = 0,
    TOY_PROPOSE,
    TOY_PREPARE,
    TOY_COMMIT,
    TOY_CHECKPOINT,
    TOY_VIEW_CHANGE,
    TOY_NEW_VIEW,
    TOY_CERTIFICATE,
    TOY_SYNC,
    TOY_REPLY, /* `sequence` is the client's timestamp, as in a request; `value` the result */
    TOY_TYPE_COUNT
};

/* One statement to be said. `value`: a letter stands for 32 bytes of it, 0 for none, '-' for NIL. */
struct toy {
    enum toy_type type;
    uint64_t view, sequence;
    char value;
    uint16_t signer;
    bool forged;     /* its signature is wrong */
    uint16_t parent; /* index of the statement it is embedded in; the first has none */
};

extern const struct tc_protocol toy_protocol;

/* The same as a chain: a proposal's block has the value of the certificate embedded in it as its parent, and a commit
 * vote locks. */
extern const struct tc_protocol toy_chain;

struct bench {
    struct tc_cluster cluster;
    struct tc_judge_config config;
    struct tc_judge *judge;
    struct tc_arena arena;
    struct tc_faults faults;
    uint64_t now_ns, id;
    uint32_t conn, occurrence; /* for the next messages */
    bool called;               /* the next messages' new-views are of no slot, as HotStuff's, which call a leader */
};

/* A judge over n replicas and f, all sources of truth present. With `only` the oracle of that name alone. */
void bench_open(struct bench *b, uint32_t n, uint32_t f, const char *only);
/* As bench_open, but `config` (its protocol and env are filled in) is used as it stands. */
void bench_open_config(struct bench *b, uint32_t n, uint32_t f, const char *only, struct tc_judge_config config);
void bench_close(struct bench *b);

/* A message from → to with these statements, said and heard. */
void bench_message(struct bench *b, uint16_t from, uint16_t to, const struct toy *statements, size_t count);
/* The same with a choice of said, heard and touched. */
void bench_message_as(struct bench *b, uint16_t from, uint16_t to, const struct toy *statements, size_t count,
                      bool said, bool heard, bool touched);
/* `node` tells that the block it decided bears this evidence: two votes embedded in the first statement. */
void bench_accused(struct bench *b, uint16_t node, uint64_t sequence, char block, const struct toy *statements,
                   size_t count);
/* A vote or proposal to every other replica. */
void bench_broadcast(struct bench *b, struct toy statement);
/* Proposal by the leader, prepares of all others, commits of all. */
void bench_round(struct bench *b, uint64_t view, uint64_t sequence, char value);

/* An execution line; with a client's operation if timestamp is not 0. */
void bench_execute(struct bench *b, uint16_t node, uint64_t view, uint64_t sequence, char value);
void bench_execute_as(struct bench *b, uint16_t node, uint64_t view, uint64_t sequence, char value,
                      enum tc_execution_origin origin, uint16_t client, uint64_t timestamp, char request);

void bench_traitor(struct bench *b, uint16_t node);             /* joins F_s and F_l */
void bench_cut_off(struct bench *b, uint16_t client, bool cut); /* links of its own only */
void bench_down(struct bench *b, uint16_t node);                /* joins F_l */
void bench_up(struct bench *b, uint16_t node);                  /* leaves F_l, a new process */
void bench_phase(struct bench *b, enum tc_run_phase phase);
void bench_view(struct bench *b, uint16_t node, uint64_t view, bool active, uint64_t timeout_ns);
void bench_observe(struct bench *b, struct tc_observation o); /* time, id and incarnation 1 are filled in */
void bench_request(struct bench *b, uint16_t client, uint64_t timestamp, bool begins);

/* A client begins an operation, or has the answer. In letters: "Gk" get key k, "Pk1" put 1, "Dk" delete, "Ck12" swap 1
 * for 2; answered "y" or "n", with the value found behind it ("y1"). A NULL answer: the client gave up. */
void bench_begin(struct bench *b, uint16_t client, uint64_t timestamp, const char *operation);
void bench_answer(struct bench *b, uint16_t client, uint64_t timestamp, const char *result);
void bench_link_up(struct bench *b, uint16_t from, uint16_t to);

/* Time passes in which nothing happens. */
void bench_wait(struct bench *b, uint64_t duration_ns);

/* Finishes, and returns the outcome of the oracle with this name. */
const struct tc_judgement *bench_finish(struct bench *b, const char *name);
/* The same where the status is all that matters: finishes and closes the bench. */
enum tc_status bench_verdict(struct bench *b, const char *name);

struct tc_value toy_value(char value);

#endif
