/* What a run says while it goes on, and the sink that feeds oracles, metrics and recorder. */
#include "../proxy/names.h"
#include "../proxy/nodeset.h"
#include "run_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *tc_run_unused_models(const struct tc_run *run, char text[static 200])
{
    const struct tc_world_spec *world = &run->scenario->world;
    const char *const names[] = {world->has_network ? "network" : NULL, world->has_disk ? "disk" : NULL,
                                 world->has_clocks ? "clocks" : NULL};
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < 3 && !run->request->simulated; i++)
        if (names[i])
            used += (size_t)snprintf(text + used, 200 - used, "%s%s",
                                     used ? ", " : "this live run had the machine's own ", names[i]);
    if (used == 0)
        return NULL;
    snprintf(text + used, 200 - used, ", not the scenario's: add --world sim for that");
    return text;
}

void tc_run_repeat(const struct tc_run_request *request, char *line, size_t size)
{
    char seed[24];
    if (request->repeat || request->check) {
        snprintf(line, size, "%s", request->repeat ? request->repeat : request->command);
        return;
    }
    tc_shell_line(line, size, "run", request->named);
    const size_t used = strlen(line);
    if (*request->repeat_with) /* quoted already */
        snprintf(line + used, size - used, " %s", request->repeat_with);
    snprintf(seed, sizeof seed, "0x%08" PRIx64, request->seed);
    tc_shell_option(line, size, "seed", seed);
}

void tc_run_show_head(const struct tc_run *run)
{
    char unused[200];
    const struct tc_run_request *request = run->request;
    const struct tc_scenario *scenario = run->scenario;
    if (request->quiet || request->silent)
        return;
    printf("cluster   %s, %u replicas (f=%u), ", run->protocol->name, run->cluster.n, run->cluster.f);
    if (request->simulated)
        printf("%u client%s%s%s · simulated, %s\n", run->cluster.client_count,
               run->cluster.client_count == 1 ? "" : "s", *request->bug ? " · seeded bug " : "", request->bug,
               request->ed25519 ? "Ed25519" : "keyed-hash signatures");
    else if (scenario->cluster.start)
        printf("%u client%s%s%s · proxy on %zu listeners\n", run->cluster.client_count,
               run->cluster.client_count == 1 ? "" : "s", *request->bug ? " · seeded bug " : "", request->bug,
               run->listener_count);
    else
        printf("already running, %s · proxy on %zu listeners\n", scenario->cluster.path, run->listener_count);
    if (run->handler)
        printf("attack    %s: %s\n", tc_run_attack_name(run), tc_run_attack_summary(run));
    else
        printf("attack    none\n");
    printf("seed      0x%08" PRIx64 "\n", request->seed);
    if (tc_run_unused_models(run, unused))
        printf("note      %s\n", unused);
    tc_run_show_logs(run);
}

static void erase_live_line(struct tc_run *run)
{
    if (run->live_line_shown)
        printf("\r\033[K");
    run->live_line_shown = false;
}

/* One line for a phase that has ended: what it was like. */
static void close_phase(struct tc_run *run, uint64_t now_ns)
{
    if (run->request->quiet || run->request->silent || run->phase_begin_ns == TC_NEVER_NS || run->phase == TC_RUN_ENDED)
        return;
    struct tc_metrics_now now;
    tc_metrics_now(run->metrics, now_ns, &now);
    double seconds = (double)(now_ns - run->phase_begin_ns) / 1e9;
    uint64_t decisions = now.decisions - run->decisions_at_phase;
    const struct tc_histogram *latency = tc_metrics_latency(run->metrics, run->phase);
    erase_live_line(run);
    const double rate = seconds > 0 ? (double)decisions / seconds : 0;
    printf("%-7s   %4.1f s   %7.*f decisions/s", tc_run_phase_name(run->phase), seconds,
           rate > 0 && rate < 9.95 ? 1 : 0, rate);
    if (latency && latency->count)
        printf("   p99 %.1f ms", (double)tc_histogram_quantile(latency, 0.99) / 1e6);
    if (now.view_known)
        printf("   view %" PRIu64, now.view);
    else
        printf("   view ?");
    uint64_t bitten = 0;
    for (int verb = 0; verb < TC_VERB_COUNT; verb++)
        bitten += tc_engine_stats(run->engine)->bitten[verb];
    if (run->phase != TC_RUN_BEFORE && bitten)
        printf("   %" PRIu64 " fault%s bitten", bitten, bitten == 1 ? "" : "s");
    printf("\n");
    fflush(stdout);
}

static void enter_phase(struct tc_run *run, enum tc_run_phase phase, uint64_t now_ns)
{
    close_phase(run, now_ns);
    struct tc_metrics_now now;
    tc_metrics_now(run->metrics, now_ns, &now);
    run->phase = phase;
    run->phase_begin_ns = now_ns;
    run->decisions_at_phase = now.decisions;
}

static void show_traitors(struct tc_run *run)
{
    if (run->request->quiet || run->request->silent || run->phase != TC_RUN_DURING || !run->ledger.frozen)
        return;
    erase_live_line(run);
    printf("traitors ");
    for (uint32_t node = 0; node < TC_NODES_MAX; node++) {
        char name[8];
        if (tc_nodeset_has(&run->ledger.traitors, node))
            printf(" %s", tc_node_name(node, name));
    }
    printf("%s\n", tc_nodeset_count(&run->ledger.traitors) ? "" : " none");
    fflush(stdout);
}

/* What keeps an encrypted link from working: once per link, with its reason. */
static void show_links(struct tc_run *run, const struct tc_observation *observation)
{
    char text[TC_RUN_LINK_TEXT_MAX];
    const bool begins = observation->kind == TC_OBS_PHASE && observation->phase.phase == TC_RUN_DURING;
    const bool hidden = run->request->quiet || run->request->silent;
    if (tc_run_links_observe(run, observation, text) && !hidden) {
        erase_live_line(run);
        printf("link      %s\n", text);
    }
    for (uint32_t at = 0; begins && !hidden && tc_run_links_missing(run, &at, text);) {
        erase_live_line(run);
        printf("link      %s\n", text);
    }
}

static void observe(void *self, const struct tc_observation *observation)
{
    struct tc_run *run = self;
    if (run->live || run->checking)
        tc_run_check(run, observation);
    if (run->mistake)
        return;
    if (run->links)
        show_links(run, observation);
    if (run->judge)
        tc_judge_observe(run->judge, observation);
    if (run->judge && tc_judge_violations(run->judge) > 0)
        tc_recorder_mark(run->recorder, observation->time_ns);
    tc_metrics_observe(run->metrics, observation);
    tc_recorder_observe(run->recorder, observation);
    if (observation->kind == TC_OBS_MESSAGE)
        return;
    if (observation->kind == TC_OBS_PHASE) {
        enter_phase(run, observation->phase.phase, observation->time_ns);
        show_traitors(run);
    }
    if (observation->kind == TC_OBS_NOTE && run->request->verbose) {
        erase_live_line(run);
        printf("note      %s\n", observation->text);
    } else if (observation->kind == TC_OBS_NOTE) {
        snprintf(run->last_note, sizeof run->last_note, "%s", observation->text);
    }
}

static void decide(void *self, const struct tc_decision *decision)
{
    struct tc_run *run = self;
    tc_recorder_decide(run->recorder, decision);
}

static void progress(void *self, uint64_t now_ns)
{
    struct tc_run *run = self;
    if (!run->request->terminal || run->request->quiet || run->request->silent)
        return;
    struct tc_metrics_now now;
    char line[256];
    tc_metrics_now(run->metrics, now_ns, &now);
    if (run->checking && run->phase == TC_RUN_ENDED)
        now.phase = TC_RUN_ENDED;
    tc_report_progress(&now, tc_engine_stats(run->engine), run->judge ? tc_judge_violations(run->judge) : 0, now_ns,
                       line, sizeof line);
    printf("\r\033[K%s", line);
    run->live_line_shown = true;
    fflush(stdout);
}

struct tc_sink tc_run_sink(struct tc_run *run)
{
    return (struct tc_sink){run, observe, decide, progress};
}

void tc_run_show_end(struct tc_run *run)
{
    close_phase(run, tc_run_now_ns(run));
    erase_live_line(run);
    if (run->last_note[0] && !run->request->quiet && !run->request->silent)
        printf("note      %s\n", run->last_note);
}
