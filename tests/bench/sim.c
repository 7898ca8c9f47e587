/* How fast the simulation is: complete runs a second on one core (n = 4, ten decisions, a leader that equivocates,
 * every oracle), and one decision of a large cluster. bench_sim [RUNS [SEED [LARGEST_N]]] */
#define _GNU_SOURCE
#include "../sim/sim_run.h"

#include <inttypes.h>
#include <time.h>

#define DECISIONS 10

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void runs(uint32_t count, uint64_t seed)
{
    static struct sim_run loaded, run;
    uint64_t events = 0, messages = 0, bitten = 0, decided = 0, judged = 0;
    sim_run_load(&loaded, "equivocate-half", seed);
    loaded.cluster.client_count = 1;
    loaded.config.plan.wait_first_decision = false;
    loaded.config.plan.phase_ns[TC_RUN_BEFORE] = 0;
    loaded.config.plan.phase_ns[TC_RUN_DURING] = UINT64_C(60000000000);
    loaded.config.decisions_max = DECISIONS;
    const double began_s = cpu_s();
    for (uint32_t i = 0; i < count; i++) {
        run = loaded;
        run.config.seed = seed + i;
        sim_run_go(&run);
        events += run.stats.events;
        messages += run.stats.writes;
        bitten += run.bitten;
        decided += run.decided;
        judged += run.summary.status == TC_HOLDS;
        sim_run_free(&run);
    }
    const double took_s = cpu_s() - began_s;
    printf("runs\t%" PRIu32 "\tper_s\t%.0f\tdecisions\t%.1f\tmessages\t%.1f\tevents\t%.1f\tbitten\t%.1f\thold\t%" PRIu64
           "\n",
           count, count / took_s, (double)decided / count, (double)messages / count, (double)events / count,
           (double)bitten / count, judged);
}

/* The cost of one more decision: a run with two less a run with one, so that dialling and hellos do not count. */
static double decision_s(uint32_t n, uint64_t seed, uint64_t decisions, uint64_t *messages)
{
    static struct sim_run run;
    sim_run_load(&run, "correct", seed);
    run.cluster.n = n;
    run.cluster.f = tc_protocol_faults_max(n);
    run.cluster.client_count = 1;
    run.config.decisions_max = decisions;
    const double began_s = cpu_s();
    sim_run_go(&run);
    const double took_s = cpu_s() - began_s;
    *messages = run.stats.writes;
    sim_run_free(&run);
    return took_s;
}

int main(int argc, char **argv)
{
    const uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 1000;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    const uint32_t largest = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 100;
    static const uint32_t sizes[] = {4, 10, 31, 100};
    runs(count, seed);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] <= largest; i++) {
        uint64_t few, many;
        const double few_s = decision_s(sizes[i], seed, 2, &few), many_s = decision_s(sizes[i], seed, 6, &many);
        printf("n\t%" PRIu32 "\tms_per_decision\t%.2f\tmessages_per_decision\t%.0f\tsetup_ms\t%.1f\n", sizes[i],
               (many_s - few_s) * 1e3 / 4, (double)(many - few) / 4, few_s * 1e3);
    }
    return 0;
}
