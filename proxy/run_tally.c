#include "run_tally.h"

#include <inttypes.h>
#include <stdio.h>

/* The last one stands for every other exit code. */
static const struct {
    int exit_code;
    const char *name;
} outcomes[TC_TALLY_OUTCOMES] = {{0, "passed"},        {1, "violated"},        {2, "missed a threshold"},
                                 {3, "inconclusive"},  {69, "unreachable"},    {70, "ended by an error"},
                                 {130, "interrupted"}, {-1, "ended otherwise"}};

void tc_run_tally_add(struct tc_run_tally *tally, int exit_code, uint64_t seed)
{
    size_t i = 0;
    while (i + 1 < TC_TALLY_OUTCOMES && outcomes[i].exit_code != exit_code)
        i++;
    if (tally->count[i] < TC_TALLY_SEEDS)
        tally->seeds[i][tally->count[i]] = seed;
    tally->count[i]++;
    tally->runs++;
}

static void print_seeds(const struct tc_run_tally *tally, size_t outcome)
{
    const uint64_t count = tally->count[outcome];
    printf("          %s: seed%s", outcomes[outcome].name, count == 1 ? "" : "s");
    for (size_t k = 0; k < count && k < TC_TALLY_SEEDS; k++)
        printf("%s 0x%08" PRIx64, k > 0 ? "," : "", tally->seeds[outcome][k]);
    if (count > TC_TALLY_SEEDS)
        printf(" and %" PRIu64 " more", count - TC_TALLY_SEEDS);
    printf("\n");
}

void tc_run_tally_print(const struct tc_run_tally *tally)
{
    size_t most = 0;
    const char *before = "";
    printf("\nruns      %" PRIu64 ": ", tally->runs);
    for (size_t i = 0; i < TC_TALLY_OUTCOMES; i++) {
        if (tally->count[i] == 0)
            continue;
        printf("%s%" PRIu64 " %s", before, tally->count[i], outcomes[i].name);
        before = ", ";
        if (tally->count[i] > tally->count[most])
            most = i;
    }
    printf("\n");
    for (size_t i = 0; i < TC_TALLY_OUTCOMES; i++)
        if (i != most && tally->count[i] > 0)
            print_seeds(tally, i);
    fflush(stdout);
}
