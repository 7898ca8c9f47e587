/* What the tests of the judge share: a load in which every oracle has something to judge, and the run's outcome. */
#ifndef TC_TEST_JUDGE_FIXTURE_H
#define TC_TEST_JUDGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/judge_bench.h"

/* Two correct replicas that execute different values. */
static inline void fork_log(struct bench *b, uint16_t left, uint16_t right, uint64_t sequence)
{
    bench_execute(b, left, 0, sequence, 'a');
    bench_execute(b, right, 0, sequence, 'b');
}

/* The requests of a healthy load, so that liveness can be judged. */
static inline void load(struct bench *b)
{
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        struct toy request = {.type = TOY_REQUEST, .sequence = sequence, .value = 'r', .signer = 128};
        bench_message(b, 128, 0, &request, 1);
        bench_request(b, 128, sequence, true);
        for (uint16_t i = 0; i < b->cluster.n; i++)
            bench_execute_as(b, i, 0, sequence, 'a', TC_EXEC_EXECUTED, 128, sequence, 'r');
        bench_request(b, 128, sequence, false);
    }
}

static inline struct tc_judge_config config_with(enum tc_status expect, int evidence, bool attack)
{
    return (struct tc_judge_config){.has_executions = true,
                                    .has_client_history = true,
                                    .has_messages = true,
                                    .links_complete = true,
                                    .had_attack = attack,
                                    .expect = expect,
                                    .expect_evidence = evidence};
}

static inline struct tc_verdict_summary summarize(struct bench *b, uint32_t missed)
{
    struct tc_verdict_summary s;
    tc_judge_finish(b->judge, b->now_ns);
    tc_judge_summary(b->judge, missed, &s);
    return s;
}

/* The same, for those who need not look at the findings: closes the bench. */
static inline struct tc_verdict_summary finish(struct bench *b, uint32_t missed)
{
    const struct tc_verdict_summary s = summarize(b, missed);
    bench_close(b);
    return s;
}

/* Four replicas under a healthy load, with so many traitors. */
static inline void open_loaded(struct bench *b, struct tc_judge_config config, unsigned traitors)
{
    bench_open_config(b, 4, 1, NULL, config);
    if (traitors > 0)
        bench_traitor(b, 0);
    if (traitors > 1)
        bench_traitor(b, 3);
    load(b);
}

#endif
