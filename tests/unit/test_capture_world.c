/* The capture world: whose stream is whose, which leg says and which hears, what was touched, gaps, unseen links. */
#include "engine_fixture.h"

#include "../../proxy/capture_world.h"

#define LOOPBACK UINT32_C(0x7f000001)

struct story {
    struct fixture f;
    struct tc_capture_place places[16];
    size_t place_count;
    struct tc_capture_world *world;
    char text[4096];
    uint64_t time_ns;
};

static void tell(void *self, const struct tc_observation *o)
{
    struct story *s = self;
    size_t used = strlen(s->text);
    char *at = s->text + used;
    size_t size = sizeof s->text - used;
    if (o->kind != TC_OBS_MESSAGE) {
        snprintf(at, size, "%s %d %d\n", tc_observation_name(o->kind), (int16_t)o->node, (int16_t)o->peer);
        return;
    }
    const struct tc_message *m = o->message.message;
    snprintf(at, size, "%s%s%s %u>%u %.*s\n", o->message.said ? "said" : "", o->message.heard ? "heard" : "",
             m->touched ? " touched" : "", m->from, m->to, (int)(m->frame.len - 2), (const char *)m->frame.data + 2);
}

static void place(struct story *s, uint32_t ip, uint16_t port, uint16_t from, uint16_t to, bool is_proxy)
{
    struct tc_capture_place *p = &s->places[s->place_count++];
    *p = (struct tc_capture_place){.port = port, .from = from, .to = to, .is_proxy = is_proxy};
    tc_capture_map_ipv4(ip, p->ip);
}

/* Replica i listens on 7000+i; the proxy in its place, for whom the hello names, on 7100+i. */
static void begin(struct story *s)
{
    memset(s, 0, sizeof *s);
    fixture_init(&s->f);
    s->f.config.handler = NULL;
    s->f.e = tc_engine_new(&s->f.config);
    assert_non_null(s->f.e);
    for (uint16_t i = 0; i < 4; i++) {
        place(s, LOOPBACK, (uint16_t)(7000 + i), TC_NODE_NONE, i, false);
        place(s, LOOPBACK, (uint16_t)(7100 + i), TC_NODE_NONE, i, true);
    }
    const struct tc_capture_world_config config = {
        .engine = s->f.e, .sink = {.self = s, .observe = tell}, .places = s->places, .place_count = s->place_count};
    s->world = tc_capture_world_new(&config);
    assert_non_null(s->world);
}

static void finish(struct story *s, const char *wanted)
{
    assert_string_equal(s->text, wanted);
    tc_capture_world_free(s->world);
    tc_engine_free(s->f.e);
}

static struct tc_capture_segment segment(struct story *s, uint32_t stream, uint16_t server_port)
{
    struct tc_capture_segment segment = {.time_ns = s->time_ns += MS,
                                         .stream = stream,
                                         .slot = stream,
                                         .from_client = true,
                                         .client = {.port = (uint16_t)(50000 + stream)},
                                         .server = {.port = server_port}};
    tc_capture_map_ipv4(LOOPBACK, segment.client.ip);
    tc_capture_map_ipv4(LOOPBACK, segment.server.ip);
    return segment;
}

static void take(struct story *s, const struct tc_capture_segment *what)
{
    assert_int_equal(tc_capture_world_take(s->world, what), 0);
}

static void opens(struct story *s, uint32_t stream, uint16_t port, bool middle)
{
    struct tc_capture_segment what = segment(s, stream, port);
    what.begins = true;
    what.middle = middle;
    take(s, &what);
}

static void bytes(struct story *s, uint32_t stream, uint16_t port, bool from_client, bool gap, const char *text)
{
    uint8_t frame[64] = {0, (uint8_t)strlen(text)};
    struct tc_capture_segment what = segment(s, stream, port);
    memcpy(frame + 2, text, strlen(text));
    what.from_client = from_client;
    what.gap = gap;
    what.bytes = (struct tc_slice){frame, strlen(text) + 2};
    take(s, &what);
}

static void without_a_proxy_what_is_said_is_heard(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    opens(&s, 0, 7002, false);
    bytes(&s, 0, 7002, true, false, "H100");
    bytes(&s, 0, 7002, true, false, "V103");
    bytes(&s, 0, 7002, false, false, "V203");
    assert_false(tc_capture_world_counts(s.world)->proxied);
    finish(&s, "link_up 1 2\nsaidheard 1>2 H100\nsaidheard 1>2 V103\nsaidheard 2>1 V203\n");
}

static void the_near_leg_says_and_the_far_leg_hears(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    opens(&s, 0, 7102, false); /* node 1 dials the proxy for node 2 */
    opens(&s, 1, 7002, false); /* the proxy dials node 2 */
    bytes(&s, 0, 7102, true, false, "H100");
    bytes(&s, 1, 7002, true, false, "H100");
    bytes(&s, 0, 7102, true, false, "V103a");
    bytes(&s, 0, 7102, true, false, "V104");
    bytes(&s, 1, 7002, true, false, "V104");
    bytes(&s, 1, 7002, true, false, "V103b"); /* another than was said */
    bytes(&s, 1, 7002, false, false, "V205"); /* and back: node 2 says, node 1 hears */
    bytes(&s, 0, 7102, false, false, "V205");
    assert_true(tc_capture_world_counts(s.world)->proxied);
    finish(&s, "said 1>2 H100\nlink_up 1 2\nheard 1>2 H100\nsaid 1>2 V103a\nsaid 1>2 V104\nheard 1>2 V104\n"
               "heard touched 1>2 V103b\nsaid 2>1 V205\nheard 2>1 V205\n");
}

static void a_gap_is_said_and_the_next_frame_found(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    opens(&s, 0, 7002, false);
    bytes(&s, 0, 7002, true, false, "H100");
    bytes(&s, 0, 7002, true, true, "xx"); /* the rest of a frame whose beginning is missing */
    bytes(&s, 0, 7002, true, false, "V104");
    finish(&s, "link_up 1 2\nsaidheard 1>2 H100\nspliced 1 2\nsaidheard 1>2 V104\n");
}

static void a_stream_from_its_middle_is_named_by_what_is_said(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    opens(&s, 0, 7002, true);
    bytes(&s, 0, 7002, true, false, "V103"); /* a proxy's near leg may still come */
    s.time_ns += 2000 * MS;
    bytes(&s, 0, 7002, true, false, "V104");
    assert_int_equal(tc_capture_world_counts(s.world)->middle_streams, 1);
    assert_int_equal(tc_capture_world_counts(s.world)->undecided_bytes, 6);
    finish(&s, "link_up 1 2\nspliced 1 2\nsaidheard 1>2 V104\n");
}

static void what_is_nobodys_is_left_out_and_what_is_unseen_is_told(void **state)
{
    (void)state;
    struct story s;
    uint16_t a, b;
    begin(&s);
    opens(&s, 0, 22, false);
    bytes(&s, 0, 22, true, false, "V103");
    assert_int_equal(tc_capture_world_counts(s.world)->foreign_streams, 1);
    assert_int_equal(tc_capture_world_counts(s.world)->foreign_bytes, 6);
    assert_true(tc_capture_world_unseen(s.world, 2, &a, &b));
    opens(&s, 1, 7001, false);
    bytes(&s, 1, 7001, true, false, "H000");
    assert_false(tc_capture_world_unseen(s.world, 2, &a, &b));
    assert_true(tc_capture_world_unseen(s.world, 3, &a, &b));
    assert_int_equal(a, 0);
    assert_int_equal(b, 2);
    finish(&s, "link_up 0 1\nsaidheard 0>1 H000\n");
}

/* A capture of the near legs alone shows what was said, and nothing of what was heard. */
static void a_proxy_of_which_only_the_near_leg_was_captured(void **state)
{
    (void)state;
    struct story s;
    uint16_t to;
    begin(&s);
    opens(&s, 0, 7102, false);
    bytes(&s, 0, 7102, true, false, "H100");
    bytes(&s, 0, 7102, true, false, "V103");
    assert_true(tc_capture_world_unheard(s.world, 4, &to));
    assert_int_equal(to, 2);
    opens(&s, 1, 7002, false);
    assert_false(tc_capture_world_unheard(s.world, 4, &to));
    finish(&s, "said 1>2 H100\nsaid 1>2 V103\n");
}

static void a_slot_is_used_again(void **state)
{
    (void)state;
    struct story s;
    begin(&s);
    for (int i = 0; i < 2; i++) {
        opens(&s, 0, 7002, false);
        bytes(&s, 0, 7002, true, false, i ? "H300" : "H100");
        struct tc_capture_segment end = segment(&s, 0, 7002);
        end.closed = end.reset = true;
        take(&s, &end);
    }
    finish(&s, "link_up 1 2\nsaidheard 1>2 H100\nlink_down 1 2\nlink_up 3 2\nsaidheard 3>2 H300\nlink_down 3 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_proxy_what_is_said_is_heard),
        cmocka_unit_test(the_near_leg_says_and_the_far_leg_hears),
        cmocka_unit_test(a_gap_is_said_and_the_next_frame_found),
        cmocka_unit_test(a_stream_from_its_middle_is_named_by_what_is_said),
        cmocka_unit_test(what_is_nobodys_is_left_out_and_what_is_unseen_is_told),
        cmocka_unit_test(a_proxy_of_which_only_the_near_leg_was_captured),
        cmocka_unit_test(a_slot_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
