#include "capture_world.h"

#include "nodeset.h"

#include <stdlib.h>
#include <string.h>

#define DECIDE_NS UINT64_C(1000000000) /* after so long without a proxy's near leg there is none */

/* A stream of the capture. Its slot is the engine's pair number. */
enum state {
    ABSENT = 0,
    FOREIGN,   /* no place of the cluster at either end */
    UNDECIDED, /* a node's, begun before the capture: direct, or a proxy's far leg? */
    OPEN
};

struct stream {
    uint8_t state;
    bool swapped; /* the side seen first is the listener */
    bool middle;
    const struct tc_capture_place *place;
    uint16_t from; /* who dialled; TC_NODE_NONE: the first frame says */
};

struct tc_capture_world {
    struct tc_capture_world_config config;
    struct stream streams[TC_CAPTURE_SLOTS_MAX];
    struct tc_capture_world_counts counts;
    struct tc_nodeset seen[TC_REPLICAS_MAX]; /* by lower number: replicas it has had a connection with */
    struct tc_nodeset dialled, reached;      /* replicas to which a near leg led; and a far one */
    bool decided;                            /* whether there is a proxy in between */
    uint64_t now_ns;
    struct tc_error error;
};

_Static_assert(TC_CAPTURE_SLOTS_MAX <= TC_PAIRS_MAX, "a slot is a pair number");

struct tc_capture_world *tc_capture_world_new(const struct tc_capture_world_config *config)
{
    struct tc_capture_world *world = calloc(1, sizeof *world);
    if (world)
        world->config = *config;
    return world;
}

void tc_capture_world_free(struct tc_capture_world *world)
{
    free(world);
}

/* ---- the engine ---- */

static void note_pair(struct tc_capture_world *world, uint16_t a, uint16_t b)
{
    uint16_t low = a < b ? a : b, high = a < b ? b : a;
    if (high < TC_REPLICAS_MAX)
        tc_nodeset_add(&world->seen[low], high);
}

bool tc_capture_world_unseen(const struct tc_capture_world *world, uint32_t n, uint16_t *a, uint16_t *b)
{
    for (*a = 0; *a < n; ++*a)
        for (*b = *a + 1; *b < n; ++*b)
            if (!tc_nodeset_has(&world->seen[*a], *b))
                return true;
    return false;
}

bool tc_capture_world_unheard(const struct tc_capture_world *world, uint32_t n, uint16_t *to)
{
    for (*to = 0; *to < n; ++*to)
        if (tc_nodeset_has(&world->dialled, *to) && !tc_nodeset_has(&world->reached, *to))
            return true;
    return false;
}

static void perform(struct tc_capture_world *world, const struct tc_action *action)
{
    if (action->kind != TC_ACT_OBSERVE) /* all else would be done to the wire: it was, by others */
        return;
    if (action->observation->kind == TC_OBS_LINK_UP)
        note_pair(world, action->observation->node, action->observation->peer);
    world->config.sink.observe(world->config.sink.self, action->observation);
}

static int step(struct tc_capture_world *world, struct tc_event *event)
{
    struct tc_actions actions;
    event->now_ns = world->now_ns;
    if (!event->text)
        event->text = "";
    int status = tc_engine_step(world->config.engine, event, &actions);
    if (status < 0)
        return tc_error_set(&world->error, status, "the engine failed: %s", tc_error_text(status));
    for (size_t i = 0; i < actions.count; i++)
        perform(world, &actions.items[i]);
    return 0;
}

static int step_gap(struct tc_capture_world *world, uint32_t conn, const char *why)
{
    return step(world, &(struct tc_event){.kind = TC_EV_GAP, .conn = conn, .text = why});
}

/* ---- whose stream is it? ---- */

static const struct tc_capture_place *place_of(const struct tc_capture_world *world, const struct tc_capture_end *end)
{
    for (size_t i = 0; i < world->config.place_count; i++) {
        const struct tc_capture_place *place = &world->config.places[i];
        if ((place->port == 0 || place->port == end->port) && memcmp(place->ip, end->ip, sizeof place->ip) == 0)
            return place;
    }
    return NULL;
}

static int open_pair(struct tc_capture_world *world, uint32_t slot)
{
    struct stream *s = &world->streams[slot];
    enum tc_leg leg = s->place->is_proxy ? TC_LEG_NEAR : world->counts.proxied ? TC_LEG_FAR : TC_LEG_DIRECT;
    struct tc_event accepted = {
        .kind = TC_EV_ACCEPTED, .conn = TC_CONN_NEAR(slot), .from = s->from, .to = s->place->to, .leg = leg};
    s->state = OPEN;
    world->counts.streams++;
    world->counts.middle_streams += s->middle;
    note_pair(world, s->from, s->place->to); /* dialled, though perhaps in vain */
    tc_nodeset_add(leg == TC_LEG_NEAR ? &world->dialled : &world->reached, s->place->to);
    int result = step(world, &accepted);
    if (result == 0)
        result = step(world, &(struct tc_event){.kind = TC_EV_DIALLED, .conn = TC_CONN_FAR(slot), .to = s->place->to});
    static const char why[] = "the capture begins in its middle";
    if (result == 0 && s->middle)
        result = step_gap(world, TC_CONN_NEAR(slot), why);
    if (result == 0 && s->middle)
        result = step_gap(world, TC_CONN_FAR(slot), why);
    return result;
}

/* A stream to a node's own address may be the far leg of a proxy whose near leg will show at any moment, unless it
 * begins before our eyes: the proxy dials only after it was dialled. */
static int open_when_decided(struct tc_capture_world *world, uint32_t slot)
{
    struct stream *s = &world->streams[slot];
    if (s->place->is_proxy) {
        world->counts.proxied = true;
        world->decided = true;
    } else if (!world->decided && s->middle && world->now_ns < DECIDE_NS) {
        s->state = UNDECIDED;
        return 0;
    }
    world->decided = true;
    return open_pair(world, slot);
}

/* The far leg of an encrypted link comes from the address that stands for the link (live_pair.c), whatever its port. */
static uint16_t dialler_of(const struct tc_capture_world *world, const struct tc_capture_place *to,
                           const struct tc_capture_end *client)
{
    for (size_t i = 0; to->from == TC_NODE_NONE && !to->is_proxy && i < world->config.place_count; i++) {
        const struct tc_capture_place *link = &world->config.places[i];
        if (link->is_proxy && link->to == to->to && memcmp(link->ip, client->ip, sizeof link->ip) == 0)
            return link->from;
    }
    return to->from;
}

static int begin(struct tc_capture_world *world, const struct tc_capture_segment *segment)
{
    struct stream *s = &world->streams[segment->slot];
    const struct tc_capture_place *server = place_of(world, &segment->server);
    *s = (struct stream){.state = FOREIGN, .middle = segment->middle, .place = server};
    if (segment->middle && (!server || !server->is_proxy)) { /* which side listens is not known for sure */
        const struct tc_capture_place *client = place_of(world, &segment->client);
        s->swapped = client && (!server || client->is_proxy);
        s->place = s->swapped ? client : server;
    }
    if (!s->place) {
        world->counts.foreign_streams++;
        return 0;
    }
    s->from = dialler_of(world, s->place, s->swapped ? &segment->server : &segment->client);
    return open_when_decided(world, segment->slot);
}

/* ---- segments ---- */

static int take_open(struct tc_capture_world *world, const struct tc_capture_segment *segment)
{
    const struct stream *s = &world->streams[segment->slot];
    bool from_dialler = segment->from_client != s->swapped;
    uint32_t conn = from_dialler ? TC_CONN_NEAR(segment->slot) : TC_CONN_FAR(segment->slot);
    int result = 0;
    if (segment->closed)
        return step(world, &(struct tc_event){.kind = TC_EV_CLOSED, .conn = conn, .reset = segment->reset});
    if (segment->gap)
        result = step_gap(world, conn, "bytes of it are missing in the capture");
    if (result == 0 && segment->bytes.len > 0)
        result = step(world, &(struct tc_event){.kind = TC_EV_BYTES, .conn = conn, .bytes = segment->bytes});
    return result;
}

int tc_capture_world_take(void *self, const struct tc_capture_segment *segment)
{
    struct tc_capture_world *world = self;
    struct stream *s = &world->streams[segment->slot];
    int result = 0;
    if (world->config.before)
        result = world->config.before(world->config.before_self, segment->time_ns, &world->error);
    if (segment->time_ns > world->now_ns)
        world->now_ns = segment->time_ns;
    if (result == 0 && segment->begins)
        return begin(world, segment);
    if (result == 0 && s->state == UNDECIDED) {
        if (world->decided || world->now_ns >= DECIDE_NS)
            result = open_when_decided(world, segment->slot);
        world->counts.undecided_bytes += s->state == UNDECIDED ? segment->bytes.len : 0;
        if (s->state == UNDECIDED && segment->closed)
            s->state = FOREIGN;
    }
    if (s->state == FOREIGN)
        world->counts.foreign_bytes += segment->bytes.len;
    return result == 0 && s->state == OPEN ? take_open(world, segment) : result;
}

int tc_capture_world_observe(struct tc_capture_world *world, const struct tc_observation *observation)
{
    if (observation->time_ns > world->now_ns)
        world->now_ns = observation->time_ns;
    return step(world, &(struct tc_event){.kind = TC_EV_OBSERVED, .observation = observation});
}

int tc_capture_world_stop(struct tc_capture_world *world)
{
    return step(world, &(struct tc_event){.kind = TC_EV_STOP});
}

uint64_t tc_capture_world_now_ns(const struct tc_capture_world *world)
{
    return world->now_ns;
}

const struct tc_capture_world_counts *tc_capture_world_counts(const struct tc_capture_world *world)
{
    return &world->counts;
}

const struct tc_error *tc_capture_world_error(const struct tc_capture_world *world)
{
    return &world->error;
}
