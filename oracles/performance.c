/* O15, performance: the decision rate during and after the attack against the run's own phase before it.
 *
 * Decisions are counted in slices of a tenth of a second. The median slice before the attack and the median absolute
 * deviation (MAD) around it say what is usual; a phase whose median slice lies more than three scaled deviations below
 * is called slower. That is a measurement: machines differ from hour to hour, so only a scenario's thresholds can fail
 * a live run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracles.h"

#define SLICE_NS     100000000u
#define SLICES_MAX   36000 /* an hour */
#define SLICES_FIRST 64
#define SLICES_MIN   5 /* in a phase, to say anything of it */

struct slices {
    uint32_t *counts;
    uint32_t begin, end; /* slices wholly within the phase */
    bool seen;
};

struct tc_oracle {
    const struct tc_oracle_env *env;
    uint32_t *counts; /* decisions in each slice of the run, as far as there were any */
    uint32_t counts_size;
    struct slices phases[TC_RUN_PHASE_COUNT];
    enum tc_run_phase phase;
    uint64_t highest;
};

static bool init(struct tc_oracle *o)
{
    o->phase = TC_RUN_PHASE_COUNT;
    return true;
}

static void release(struct tc_oracle *o)
{
    free(o->counts);
}

static void end_phase(struct tc_oracle *o, uint64_t now_ns)
{
    if (o->phase != TC_RUN_PHASE_COUNT)
        o->phases[o->phase].end = now_ns / SLICE_NS < SLICES_MAX ? (uint32_t)(now_ns / SLICE_NS) : SLICES_MAX;
}

static void enter_phase(struct tc_oracle *o, enum tc_run_phase phase, uint64_t now_ns)
{
    if ((unsigned)phase >= TC_RUN_PHASE_COUNT || phase == o->phase)
        return;
    end_phase(o, now_ns);
    o->phase = phase;
    uint64_t begin = (now_ns + SLICE_NS - 1) / SLICE_NS;
    o->phases[phase].begin = begin < SLICES_MAX ? (uint32_t)begin : SLICES_MAX;
    o->phases[phase].end = o->phases[phase].begin;
    o->phases[phase].seen = true;
}

/* Without memory for it the decision is not counted: the rate is a measurement, not a judgement. */
static void count(struct tc_oracle *o, uint32_t slice)
{
    if (slice >= o->counts_size) {
        const uint32_t wanted = slice < SLICES_FIRST ? SLICES_FIRST : 2 * slice;
        const uint32_t size = wanted < SLICES_MAX ? wanted : SLICES_MAX;
        uint32_t *grown = realloc(o->counts, size * sizeof *grown);
        if (!grown)
            return;
        memset(grown + o->counts_size, 0, (size - o->counts_size) * sizeof *grown);
        o->counts = grown;
        o->counts_size = size;
    }
    o->counts[slice]++;
}

static void observe(struct tc_oracle *o, const struct tc_observation *observation)
{
    if (observation->kind == TC_OBS_PHASE) {
        enter_phase(o, observation->phase.phase, observation->time_ns);
        return;
    }
    if (!tc_oracle_judges(o->env, observation->node) || observation->executed.origin != TC_EXEC_EXECUTED ||
        observation->executed.sequence <= o->highest)
        return;
    o->highest = observation->executed.sequence;
    if (observation->time_ns / SLICE_NS < SLICES_MAX)
        count(o, (uint32_t)(observation->time_ns / SLICE_NS));
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Median of `count` numbers in twice their unit (so that it stays an integer); sorts them. */
static uint64_t median2(uint32_t *numbers, uint32_t count)
{
    qsort(numbers, count, sizeof *numbers, compare);
    return (uint64_t)numbers[(count - 1) / 2] + numbers[count / 2];
}

/* Median and MAD of a phase's slices, doubled; false if there are too few, or memory is short. */
static bool measure(const struct tc_oracle *o, enum tc_run_phase phase, uint64_t *median, uint64_t *mad)
{
    const struct slices *slices = &o->phases[phase];
    uint32_t count = slices->end > slices->begin ? slices->end - slices->begin : 0;
    if (!slices->seen || count < SLICES_MIN)
        return false;
    uint32_t *numbers = calloc(count, sizeof *numbers);
    if (!numbers)
        return false;
    for (uint32_t i = 0; i < count && slices->begin + i < o->counts_size; i++)
        numbers[i] = o->counts[slices->begin + i];
    *median = median2(numbers, count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t twice = (uint64_t)numbers[i] * 2;
        numbers[i] = (uint32_t)(twice > *median ? twice - *median : *median - twice);
    }
    *mad = median2(numbers, count) / 2;
    free(numbers);
    return true;
}

static void say_phase(const struct tc_oracle *o, struct tc_text *t, enum tc_run_phase phase, const char *name,
                      uint64_t before, uint64_t mad)
{
    uint64_t median;
    uint64_t own_mad;
    if (!measure(o, phase, &median, &own_mad))
        return;
    tc_text_add(t, "; %s ", name);
    tc_text_number(t, median * 5);
    /* 1.4826 MAD stands for one standard deviation; at least 5 % of the median, for a silent machine deviates by 0 */
    uint64_t spread = mad * 14826 / 10000 > before / 20 ? mad * 14826 / 10000 : before / 20;
    if (median + 3 * spread < before)
        tc_text_add(t, " (slower)");
}

static void finish(struct tc_oracle *o, uint64_t now_ns, struct tc_oracle_result *result)
{
    end_phase(o, now_ns);
    result->status = TC_HOLDS;
    snprintf(result->unit, sizeof result->unit, "slices of 0.1 s");
    uint64_t before;
    uint64_t mad;
    if (!o->env->has_executions || !measure(o, TC_RUN_BEFORE, &before, &mad)) {
        tc_oracle_not_judged(result, o->env->has_executions ? "the phase before the attack is too short to compare with"
                                                            : "no replica prints what it executes");
        return;
    }
    if (before == 0) {
        tc_oracle_not_judged(result,
                             "most slices of 0.1 s before the attack have no decision: too few to compare with");
        return;
    }
    for (int phase = 0; phase < TC_RUN_ENDED; phase++)
        result->compared += o->phases[phase].end - o->phases[phase].begin;
    struct tc_text t = tc_text_begin(result->reason, sizeof result->reason);
    tc_text_add(&t, "decisions/s, median: before ");
    tc_text_number(&t, before * 5);
    say_phase(o, &t, TC_RUN_DURING, "during", before, mad);
    say_phase(o, &t, TC_RUN_AFTER, "after", before, mad);
}

const struct tc_oracle_class tc_oracle_performance = {
    .name = "performance",
    .summary = "measures the decision rate against the run's own phase before the attack",
    .property = TC_MEASURE,
    .observations = TC_OBS_BIT(TC_OBS_EXECUTED) | TC_OBS_BIT(TC_OBS_PHASE),
    .size = sizeof(struct tc_oracle),
    .init = init,
    .observe = observe,
    .finish = finish,
    .release = release,
};
