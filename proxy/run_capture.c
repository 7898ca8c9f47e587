/* The capture's part of a run: `turncoat check` and `turncoat watch`. What the wire shows comes from the capture; what
 * it cannot show (execution lines, phases, who is faulty) from the observations of the run that was captured, if given.
 */
#include "run_capture_internal.h"

#include "../proxy/nodeset.h"
#include "listen.h"
#include "listen_link.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line must not come before the messages it follows from, which were stamped by another clock: it is told so much
 * later than its stamp says. Lines may be late at any time (no order across sockets and pipes is known). */
#define LINE_SLACK_NS UINT64_C(1000000)
#define LATE_NS       INT64_C(100000000)

static volatile sig_atomic_t interrupted;

static void arrived(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- where everybody is ---- */

static int add_place(struct tc_checking *c, const char *address, uint16_t from, uint16_t to, bool is_proxy,
                     struct tc_error *err)
{
    struct tc_endpoint endpoint;
    struct tc_capture_place *place = &c->places[c->place_count];
    int result = tc_endpoint_parse(address, &endpoint, err);
    if (result < 0)
        return tc_error_wrap(err, "replica %u", to);
    *place =
        (struct tc_capture_place){.port = tc_endpoint_port(&endpoint), .from = from, .to = to, .is_proxy = is_proxy};
    tc_endpoint_ip(&endpoint, place->ip);
    c->place_count++;
    /* trace.pcap holds IPv4 only, and makes up an address for the rest: 10.6.port. */
    if (tc_endpoint_ipv4(&endpoint) == 0) {
        place[1] = *place;
        tc_capture_map_ipv4(0x0a060000u | place->port, place[1].ip);
        c->place_count++;
    }
    return 0;
}

/* Listeners of turncoat with an address for each link. Port 0: it may be any. */
static void add_link_place(struct tc_checking *c, uint16_t port, uint16_t from, uint16_t to)
{
    struct tc_capture_place *place = &c->places[c->place_count++];
    *place = (struct tc_capture_place){.port = port, .from = from, .to = to, .is_proxy = true};
    tc_capture_map_ipv4(tc_link_ipv4(from, to), place->ip);
}

static int add_node_places(struct tc_checking *c, const struct tc_cluster_spec *spec, uint16_t to, struct tc_error *err)
{
    const struct tc_cluster_node *node = &spec->nodes[to];
    char shifted[TC_ADDRESS_MAX + 8];
    int result = add_place(c, node->address, TC_NODE_NONE, to, false, err);
    if (result == 0 && node->listen[0])
        result = add_place(c, node->listen, TC_NODE_NONE, to, true, err);
    if (result == 0 && !node->listen[0] && spec->listen_host[0]) {
        unsigned port = c->places[c->place_count - 1].port;
        snprintf(shifted, sizeof shifted, "%s:%u", spec->listen_host, tc_link_port(port));
        result = add_place(c, shifted, TC_NODE_NONE, to, true, err);
    }
    if (result < 0)
        return result;
    if (!node->listen[0])
        add_link_place(c, 0, TC_NODE_NONE, to);
    for (uint16_t from = 0; from < spec->cluster.n; from++)
        if (from != to)
            add_link_place(c, node->link_ports[from], from, to);
    return 0;
}

static int add_places(struct tc_checking *c, struct tc_error *err)
{
    const struct tc_cluster_spec *spec = &c->run->scenario->cluster;
    c->places = calloc((size_t)spec->cluster.n * (spec->cluster.n + 6u), sizeof *c->places);
    if (!c->places)
        return tc_error_set(err, TC_EMEMORY, "no memory for the cluster's addresses");
    int result = 0;
    for (uint16_t to = 0; result == 0 && to < spec->cluster.n; to++)
        result = add_node_places(c, spec, to, err);
    return result < 0 ? tc_error_wrap(err, "%s", spec->path) : 0;
}

/* ---- what was seen beside the capture ---- */

static bool is_line(enum tc_observation_kind kind)
{
    const uint32_t lines = 1u << TC_OBS_EXECUTED | 1u << TC_OBS_VIEW | 1u << TC_OBS_STABLE | 1u << TC_OBS_REQUESTED |
                           1u << TC_OBS_REPLIED | 1u << TC_OBS_COMPLAINT;
    return lines >> kind & 1u;
}

/* Links, splices and overflows are of the run's own sight of the wire: here the capture shows them. But what the run's
 * proxy could not carry, no capture tells from what nodes were silent about. */
static bool is_fact(const struct tc_observation *o)
{
    switch (o->kind) {
    case TC_OBS_NODE_UP:
    case TC_OBS_NODE_EXIT:
    case TC_OBS_PHASE:
    case TC_OBS_FAULTS:
        return true;
    case TC_OBS_OVERFLOW:
        return o->not_carried;
    default:
        return false;
    }
}

static uint64_t capture_time(const struct tc_checking *c, const struct tc_checking_source *source, uint64_t time_ns)
{
    int64_t at = (int64_t)time_ns + c->offset_ns + (source->lines ? (int64_t)LINE_SLACK_NS : 0);
    return at > 0 ? (uint64_t)at : 0;
}

static int advance(struct tc_checking_source *source, struct tc_error *err)
{
    int status;
    source->has_next = false;
    while ((status = tc_record_stream_next(source->stream, &source->next, err)) == 1) {
        if (source->lines ? is_line(source->next.kind) : is_fact(&source->next)) {
            source->has_next = true;
            return 0;
        }
    }
    return status;
}

static int open_sources(struct tc_checking *c, struct tc_error *err)
{
    const char *path = c->run->request->check->observations;
    int result = 0;
    for (size_t i = 0; path && result == 0 && i < 2; i++) {
        c->sources[i].lines = i == 1;
        result = tc_record_stream_open(path, &c->sources[i].stream, err);
        if (result == 0)
            c->kinds = tc_record_stream_kinds(c->sources[i].stream);
        if (result == 0)
            result = advance(&c->sources[i], err);
    }
    return result;
}

static int another_run(const struct tc_checking *c, struct tc_error *err)
{
    return tc_error_set(err, TC_EUSAGE, "%s: expected what was seen beside the capture, found a run of another time",
                        c->run->request->check->observations);
}

/* Lays the run's clock beside the capture's, whose first packet has come now. TC_EUSAGE if it was another run. */
static int place_clock(struct tc_checking *c, struct tc_error *err)
{
    const struct tc_record_stream *stream = c->sources[0].stream;
    uint64_t start_wall_ns;
    c->placed = true;
    if (!stream || c->counts.packets == 0)
        return 0;
    if (!tc_record_stream_wall(stream, &start_wall_ns))
        return tc_error_set(err, TC_EUSAGE,
                            "%s: expected what was seen beside the capture, found no time of day in it (a simulated "
                            "run's has none)",
                            c->run->request->check->observations);
    c->offset_ns = (int64_t)(start_wall_ns - c->counts.first_ns);
    return (int64_t)tc_record_stream_last_ns(stream) + c->offset_ns < -LATE_NS ? another_run(c, err) : 0;
}

static int tell(struct tc_checking *c, struct tc_checking_source *source, struct tc_error *err)
{
    struct tc_observation o = source->next;
    o.time_ns = capture_time(c, source, o.time_ns);
    if (o.time_ns == 0)
        o.time_ns = tc_capture_world_now_ns(c->world);
    if (o.kind == TC_OBS_FAULTS) {
        if (o.faults.healed_ns != TC_NEVER_NS && o.faults.healed_ns != 0)
            o.faults.healed_ns = capture_time(c, &c->sources[0], o.faults.healed_ns);
    }
    int result = tc_capture_world_observe(c->world, &o);
    if (result < 0)
        *err = *tc_capture_world_error(c->world);
    return result < 0 ? result : advance(source, err);
}

/* Everything that was seen beside the capture up to this time of it. */
static int tell_until(void *self, uint64_t time_ns, struct tc_error *err)
{
    struct tc_checking *c = self;
    int result = 0;
    if (!c->placed)
        result = place_clock(c, err);
    while (result == 0) {
        struct tc_checking_source *first = NULL;
        uint64_t first_ns = time_ns;
        for (size_t i = 0; i < 2; i++) {
            struct tc_checking_source *source = &c->sources[i];
            uint64_t at = source->has_next ? capture_time(c, source, source->next.time_ns) : TC_NEVER_NS;
            if (source->has_next && (at < first_ns || (at == first_ns && !first))) {
                first = source;
                first_ns = at;
            }
        }
        if (!first)
            return 0;
        result = tell(c, first, err);
    }
    return result;
}

/* ---- the run ---- */

int tc_run_check_open(struct tc_run *run, struct tc_error *err)
{
    struct tc_checking *c = run->checking = calloc(1, sizeof *c);
    if (!c)
        return tc_error_set(err, TC_EMEMORY, "no memory to read a capture");
    c->run = run;
    int result = add_places(c, err);
    return result == 0 ? open_sources(c, err) : result;
}

void tc_run_check_close(struct tc_run *run)
{
    struct tc_checking *c = run->checking;
    if (!c)
        return;
    tc_record_stream_close(c->sources[0].stream);
    tc_record_stream_close(c->sources[1].stream);
    tc_capture_world_free(c->world);
    free(c->places);
    free(c);
    run->checking = NULL;
}

static bool has(const struct tc_checking *c, enum tc_observation_kind kind)
{
    return c->kinds >> kind & 1u;
}

/* Replicas of which nothing is told may decide all the same. */
static bool tells_in_part(const struct tc_checking *c)
{
    for (uint16_t node = 0; node < c->run->cluster.n; node++)
        if (!c->sources[0].stream || !tc_nodeset_has(tc_record_stream_tellers(c->sources[0].stream), node))
            return true;
    return false;
}

/* The run's end is missing in what was seen beside the capture. */
static bool is_cut(const struct tc_checking *c)
{
    return c->sources[0].stream && !tc_record_stream_ended(c->sources[0].stream);
}

void tc_run_check_judge(const struct tc_run *run, struct tc_judge_config *config)
{
    static const struct tc_unjudged no_phases[] = {
        {"message-cost",
         "when an attack began, and whether a view failed before it, is not known without --observations"},
        {NULL, NULL}};
    const struct tc_checking *c = run->checking;
    config->has_executions = has(c, TC_OBS_EXECUTED) || has(c, TC_OBS_VIEW);
    config->executions_partial = tells_in_part(c) || is_cut(c);
    config->complaints_unread = !run->driver->prints_complaints && !has(c, TC_OBS_COMPLAINT);
    config->has_client_history = has(c, TC_OBS_REQUESTED) && !is_cut(c);
    /* A run's record tells every change of who is faulty; one that tells none had nobody faulty. */
    config->faults_unknown =
        !run->request->check->traitors_known && (is_cut(c) || (!has(c, TC_OBS_FAULTS) && !has(c, TC_OBS_PHASE)));
    config->unjudged = has(c, TC_OBS_PHASE) ? NULL : no_phases;
}

/* --traitors: from the beginning on, unless the observations say who was faulty and since when. */
static int tell_traitors(struct tc_checking *c)
{
    const struct tc_check *check = c->run->request->check;
    c->run->ledger.traitors = check->traitors;
    if (tc_nodeset_count(&check->traitors) == 0 || has(c, TC_OBS_FAULTS))
        return 0;
    const struct tc_observation o = {.kind = TC_OBS_FAULTS,
                                     .node = TC_NODE_NONE,
                                     .peer = TC_NODE_NONE,
                                     .text = "",
                                     .faults = {.signed_for = check->traitors, .liveness = check->traitors}};
    return tc_capture_world_observe(c->world, &o);
}

/* What was seen beside the capture after its last packet: facts of the run still count, but for the lines of the nodes
 * nobody can say any more what they follow from. */
static int tell_rest(struct tc_checking *c, struct tc_error *err)
{
    struct tc_checking_source *facts = &c->sources[0], *lines = &c->sources[1];
    int result = tell_until(c, c->counts.last_ns, err);
    if (result == 0 && c->offset_ns > (int64_t)c->counts.last_ns + LATE_NS)
        result = another_run(c, err);
    while (result == 0 && facts->has_next)
        result = tell(c, facts, err);
    while (result == 0 && lines->has_next) {
        c->left_out++;
        result = advance(lines, err);
    }
    return result;
}

static int take(void *self, const struct tc_capture_segment *segment)
{
    const struct tc_checking *c = self;
    const int result = tc_capture_world_take(c->world, segment);
    return result == 0 ? c->refused.code : result;
}

void tc_run_check_refuse(struct tc_run *run, const struct tc_error *err)
{
    run->checking->refused = *err;
}

static int read_capture(struct tc_checking *c, struct tc_error *err)
{
    const char *path = c->run->request->check->capture;
    int result = path ? tc_capture_read(path, take, c, &c->counts, err)
                      : tc_run_watch(c->run, take, c, &c->counts, &interrupted, &c->dropped, err);
    if (c->refused.code) {
        *err = c->refused;
        return err->code;
    }
    if (result < 0 && tc_capture_world_error(c->world)->code)
        *err = *tc_capture_world_error(c->world);
    return result == 0 ? tell_rest(c, err) : result;
}

/* Did the run beside the capture have connections before its first packet? */
static bool begins_late(const struct tc_checking *c)
{
    const struct tc_record_stream *stream = c->sources[0].stream;
    uint64_t start_wall_ns;
    uint64_t first_link_ns = stream ? tc_record_stream_first_link_ns(stream) : TC_NEVER_NS;
    return stream && first_link_ns != TC_NEVER_NS && tc_record_stream_wall(stream, &start_wall_ns) &&
           (int64_t)first_link_ns + c->offset_ns < -LATE_NS;
}

/* Oracles that go by everything that was offered to a replica judge only if everything was seen. */
static void find_hidden(struct tc_checking *c)
{
    uint16_t a, b;
    char *why = c->hidden;
    if (tc_capture_world_counts(c->world)->streams == 0)
        snprintf(why, sizeof c->hidden, "no stream of the cluster is in the capture");
    else if (begins_late(c))
        snprintf(why, sizeof c->hidden, "the capture begins after the run did");
    else if (c->counts.late > 0)
        snprintf(why, sizeof c->hidden, "packets are not in the order in which they passed");
    else if (tc_capture_world_unseen(c->world, c->run->cluster.n, &a, &b))
        snprintf(why, sizeof c->hidden, "no connection between replicas %u and %u is in the capture", a, b);
    else if (tc_capture_world_unheard(c->world, c->run->cluster.n, &a))
        snprintf(why, sizeof c->hidden, "of the proxy's connections to replica %u none is in the capture", a);
    else
        return;
    tc_judge_links_hidden(c->run->judge, why);
}

int tc_run_check_world(struct tc_run *run, struct tc_error *err)
{
    struct tc_checking *c = run->checking;
    const struct tc_capture_world_config config = {
        .engine = run->engine,
        .sink = tc_run_sink(run),
        .places = c->places,
        .place_count = c->place_count,
        .before = tell_until,
        .before_self = c,
    };
    struct sigaction old_interrupt, old_terminate;
    const struct sigaction action = {.sa_handler = arrived};
    c->world = tc_capture_world_new(&config);
    if (!c->world)
        return tc_error_set(err, TC_EMEMORY, "no memory to read a capture");
    interrupted = 0;
    sigaction(SIGINT, &action, &old_interrupt);
    sigaction(SIGTERM, &action, &old_terminate);
    int result = tell_traitors(c);
    if (result == 0)
        result = read_capture(c, err);
    if (result == 0)
        result = tc_capture_world_stop(c->world);
    if (result == 0)
        find_hidden(c);
    sigaction(SIGINT, &old_interrupt, NULL);
    sigaction(SIGTERM, &old_terminate, NULL);
    return result;
}

uint64_t tc_run_check_now_ns(const struct tc_run *run)
{
    return run->checking->world ? tc_capture_world_now_ns(run->checking->world) : 0;
}
