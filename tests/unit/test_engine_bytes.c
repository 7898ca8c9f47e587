/* The engine and bytes that nobody changes: they come out as they went in, however they are cut, framed or not, and
 * within the budget.
 * links: tc_engine tc_protocol tc_base */
#include "engine_fixture.h"

#include "../../proxy/random.h"

static void test_no_hello_is_spliced(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    accept_pair(&f, 0, TC_NODE_NONE, 2);
    dialled(&f, 0);
    forget_trace(&f);
    receive(&f, 0, "V300|V301");
    expect_trace(&f, "write 1 V300|V301\nspliced - 2 the first frame does not name the dialler: passed raw\n");
    receive(&f, 1, "~abc");
    expect_trace(&f, "write 0 ~3\n");
    assert_int_equal(tc_engine_stats(f.e)->spliced, 1);
    fixture_end(&f);
}

static void test_unframeable_is_spliced(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    begin_linked(&f, "H100");
    receive(&f, 0, "V101|~\xff\xffxyz");
    expect_trace(&f, "write 1 V101|~5\nsaid+heard 1>2 V101\n"
                     "spliced 1 2 bytes cannot be framed: passed raw from here\n");
    receive(&f, 0, "V102"); /* raw: not said */
    expect_trace(&f, "write 1 V102\n");
    receive(&f, 1, "V200"); /* the other lane is still framed */
    expect_trace(&f, "write 0 V200\nsaid+heard 2>1 V200\n");
    fixture_end(&f);
}

/* Whoever finds the port and speaks something else: its connection is no node's, and the link goes on beside it. */
static void test_a_stranger_takes_no_link(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    begin_linked(&f, "H100");
    accept_pair(&f, 1, 1, 2);
    dialled(&f, 1);
    forget_trace(&f);
    receive(&f, 2, "~\xff\xffxyz");
    expect_trace(&f, "write 3 ~5\n"
                     "spliced - 2 a stranger's connection, which begins with no hello: passed raw\n");
    receive(&f, 3, "~abc");
    expect_trace(&f, "write 2 ~3\n");
    receive(&f, 0, "V102");
    expect_trace(&f, "write 1 V102\nsaid+heard 1>2 V102\n");
    fixture_end(&f);
}

static void test_spliced_inside_a_straddling_frame(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    begin_linked(&f, "H100|~\xff");
    receive(&f, 0,
            "~\xff"
            "abc");
    expect_trace(&f, "write 1 ~5\nspliced 1 2 bytes cannot be framed: passed raw from here\n");
    fixture_end(&f);
}

/* Calls five bytes unfinished, and then says that the first four were a frame. */
static int64_t fickle_frame(struct tc_slice in)
{
    return in.len > 5 ? 4 : TC_FRAME_PARTIAL;
}

static void test_a_framer_that_takes_back_its_word_is_spliced(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.protocol.frame = fickle_frame;
    f.keep_out = true;
    begin_linked(&f, NULL);
    step(&f, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {(const uint8_t *)"abcde", 5}});
    assert_int_equal(f.out_len[1], 0);
    step(&f, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {(const uint8_t *)"fgh", 3}});
    assert_int_equal(tc_engine_stats(f.e)->spliced, 1);
    assert_int_equal(f.out_len[1], 8);
    assert_memory_equal(f.out[1], "abcdefgh", 8);
    fixture_end(&f);
}

static void test_undecodable_passes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    begin_linked(&f, "H100");
    receive(&f, 0, "zz|V101");
    expect_trace(&f, "write 1 zz|V101\nsaid+heard 1>2 zz\nsaid+heard 1>2 V101\n");
    assert_int_equal(tc_engine_stats(f.e)->undecodable, 1);
    fixture_end(&f);
}

static void test_pass_through(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.handler = NULL;
    f.config.observe = false;
    begin_linked(&f, NULL);
    const uint8_t bytes[] = "anything\xff\xff";
    struct tc_event event = {.kind = TC_EV_BYTES, .conn = 0, .bytes = {bytes, sizeof bytes}};
    struct tc_actions acts;
    assert_int_equal(tc_engine_step(f.e, &event, &acts), 0);
    assert_int_equal(acts.count, 1);
    assert_int_equal(acts.items[0].kind, TC_ACT_WRITE);
    assert_ptr_equal(acts.items[0].bytes.data, bytes); /* the very bytes, no copy */
    assert_int_equal(acts.items[0].bytes.len, sizeof bytes);
    fixture_end(&f);
}

static void test_zero_copy(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    begin_linked(&f, NULL);
    enter(&f, TC_RUN_DURING);
    uint8_t bytes[3 * 6];
    for (size_t i = 0; i < 3; i++)
        memcpy(bytes + 6 * i, i ? "\0\004V100" : "\0\004H100", 6);
    struct tc_event event = {.kind = TC_EV_BYTES, .conn = 0, .bytes = {bytes, sizeof bytes}};
    struct tc_actions acts;
    assert_int_equal(tc_engine_step(f.e, &event, &acts), 0);
    assert_int_equal(acts.items[0].kind, TC_ACT_WRITE);
    assert_ptr_equal(acts.items[0].bytes.data, bytes);
    assert_int_equal(acts.items[0].bytes.len, sizeof bytes);
    assert_int_equal(acts.count, 4);               /* one write for all, three messages */
    assert_int_equal(f.calls[TC_CALL_MESSAGE], 2); /* the hello is left alone */
    fixture_end(&f);
}

/* Untouched traffic comes out as it went in, however it is cut, and the same messages are seen. */
static void run_split(const uint8_t *bytes, size_t len, uint64_t seed, size_t piece_max, bool late_dial)
{
    struct fixture f;
    fixture_init(&f);
    f.keep_out = true;
    f.quiet = true;
    fixture_start(&f);
    enter(&f, TC_RUN_DURING);
    accept_pair(&f, 0, 1, 2);
    if (!late_dial)
        dialled(&f, 0);
    size_t at = 0;
    for (uint64_t i = 0; at < len; i++) {
        size_t piece = 1 + (size_t)tc_random_below(tc_random_mix(seed, i), piece_max);
        piece = piece < len - at ? piece : len - at;
        uint8_t *copy = malloc(piece); /* exactly as large as it is: over-reads are caught */
        assert_non_null(copy);
        memcpy(copy, bytes + at, piece);
        step(&f, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {copy, piece}});
        free(copy);
        at += piece;
        if (late_dial && at > len / 2) {
            dialled(&f, 0);
            late_dial = false;
        }
    }
    closed(&f, 0, false);
    assert_int_equal(f.out_len[1], len);
    assert_memory_equal(f.out[1], bytes, len);
    assert_int_equal(tc_engine_stats(f.e)->bytes, len);
    fixture_end(&f);
}

static void test_random_splits(void **state)
{
    (void)state;
    static uint8_t bytes[300000];
    for (uint64_t seed = 1; seed <= 24; seed++) {
        size_t at = 6;
        memcpy(bytes, "\0\004H100", 6);
        for (uint64_t i = 0; at + 3000 < sizeof bytes; i++) {
            uint64_t h = tc_random_mix(seed, i);
            size_t len = (size_t)tc_random_below(h, seed % 3 ? 300 : 2900);
            bytes[at] = (uint8_t)(len >> 8);
            bytes[at + 1] = (uint8_t)len;
            for (size_t k = 0; k < len; k++)
                bytes[at + 2 + k] = (uint8_t) "VPQzC01234"[tc_random_below(tc_random_mix(h, k), 10)];
            at += 2 + len;
            if (seed % 8 == 7 && i == 50) { /* some of the streams cannot be framed from here */
                bytes[at] = 0xff;
                bytes[at + 1] = 0xff;
                at += 2;
            }
        }
        run_split(bytes, at, seed, seed % 4 == 0 ? 1 : seed % 4 == 1 ? 70000 : 900, seed % 5 == 0);
        at -= 1; /* the last frame is not whole */
        run_split(bytes, at < 20000 ? at : 20000, seed, 17, false);
    }
}

static void test_bytewise_equals_whole(void **state)
{
    (void)state;
    const char *texts = "H100|V101|zz|P110|Q199abcdef|V102";
    struct fixture whole, bytewise;
    fixture_init(&whole);
    fixture_init(&bytewise);
    fixture_start(&whole);
    fixture_start(&bytewise);
    for (int i = 0; i < 2; i++) {
        struct fixture *f = i ? &bytewise : &whole;
        accept_pair(f, 0, 1, 2);
        dialled(f, 0);
        enter(f, TC_RUN_DURING);
        forget_trace(f);
    }
    whole.keep_out = true;
    receive(&whole, 0, texts);
    for (size_t i = 0; i < whole.out_len[1]; i++) {
        uint8_t *one = malloc(1);
        assert_non_null(one);
        *one = whole.out[1][i];
        step(&bytewise, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {one, 1}});
        free(one);
    }
    expect_trace(&whole, "write 1 H100|V101|zz|P110|Q199abcdef|V102\nsaid+heard 1>2 H100\nsaid+heard 1>2 V101\n"
                         "said+heard 1>2 zz\nsaid+heard 1>2 P110\nsaid+heard 1>2 Q199abcdef\nsaid+heard 1>2 V102\n");
    expect_trace(&bytewise, "write 1 H100\nsaid+heard 1>2 H100\nwrite 1 V101\nsaid+heard 1>2 V101\n"
                            "write 1 zz\nsaid+heard 1>2 zz\nwrite 1 P110\nsaid+heard 1>2 P110\n"
                            "write 1 Q199abcdef\nsaid+heard 1>2 Q199abcdef\nwrite 1 V102\nsaid+heard 1>2 V102\n");
    assert_int_equal(whole.calls[TC_CALL_MESSAGE], bytewise.calls[TC_CALL_MESSAGE]);
    fixture_end(&whole);
    fixture_end(&bytewise);
}

static void queue(struct fixture *f, uint32_t conn, size_t bytes)
{
    step(f, (struct tc_event){.kind = TC_EV_QUEUE, .conn = conn, .queued_bytes = bytes});
}

static void test_back_pressure(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.lane_budget_bytes = 1000;
    begin_linked(&f, NULL);
    queue(&f, 1, 999);
    expect_trace(&f, "");
    queue(&f, 1, 1000);
    expect_trace(&f, "stop_read 0\noverflow 1 2 lane budget: reading stopped\n");
    queue(&f, 1, 2000); /* once per stop */
    queue(&f, 1, 500);
    expect_trace(&f, "");
    queue(&f, 1, 499);
    expect_trace(&f, "resume_read 0\n");
    queue(&f, 0, 1000); /* the other lane has its own */
    expect_trace(&f, "stop_read 1\noverflow 2 1 lane budget: reading stopped\n");
    fixture_end(&f);
}

/* A frame larger than the budget must not stop the reading that would complete it. */
static void test_large_frame_passes_a_small_budget(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.lane_budget_bytes = 100;
    f.keep_out = true;
    begin_linked(&f, NULL);
    uint8_t frame[5002] = {5000 >> 8, 5000 & 0xff, 'V', '1', '0', '0'};
    for (size_t at = 0; at < sizeof frame; at += 50)
        step(&f, (struct tc_event){.kind = TC_EV_BYTES,
                                   .conn = 0,
                                   .bytes = {frame + at, sizeof frame - at < 50 ? sizeof frame - at : 50}});
    assert_int_equal(f.out_len[1], sizeof frame);
    assert_memory_equal(f.out[1], frame, sizeof frame);
    assert_null(strstr(f.trace, "stop_read"));
    fixture_end(&f);
}

static void test_before_dial_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.config.lane_budget_bytes = 1000;
    fixture_start(&f);
    accept_pair(&f, 0, 1, 2);
    forget_trace(&f);
    static uint8_t bytes[1 << 20];
    step(&f, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {bytes, sizeof bytes}});
    expect_trace(&f, "stop_read 0\noverflow 1 2 lane budget: reading stopped\n");
    for (int i = 0; i < 5; i++) /* a world that reads on all the same */
        step(&f, (struct tc_event){.kind = TC_EV_BYTES, .conn = 0, .bytes = {bytes, sizeof bytes}});
    expect_trace(&f, "close 0 reset\nclose 1 reset\noverflow 1 2 bytes before the connection was dialled\n");
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_hello_is_spliced),
        cmocka_unit_test(test_unframeable_is_spliced),
        cmocka_unit_test(test_a_stranger_takes_no_link),
        cmocka_unit_test(test_spliced_inside_a_straddling_frame),
        cmocka_unit_test(test_a_framer_that_takes_back_its_word_is_spliced),
        cmocka_unit_test(test_undecodable_passes),
        cmocka_unit_test(test_pass_through),
        cmocka_unit_test(test_zero_copy),
        cmocka_unit_test(test_random_splits),
        cmocka_unit_test(test_bytewise_equals_whole),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_large_frame_passes_a_small_budget),
        cmocka_unit_test(test_before_dial_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
