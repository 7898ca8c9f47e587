/* What the tests of O12 share. */
#ifndef TC_TEST_RECOVERY_BENCH_H
#define TC_TEST_RECOVERY_BENCH_H

#include "../lib/judge_bench.h"

#define NAME  "bounded-recovery"
#define BOUND (3 * 4 * 100000000u) /* three times the toy's bound for a view timer of 100 ms */

#endif
