#include "mconnection.h"

#include "../../proxy/cursor.h"

#include <string.h>

/* Packet{1 ping, 2 pong, 3 msg}; PacketMsg{1 channel_id, 2 eof, 3 data} */
#define TAG_PING    0x0a
#define TAG_PONG    0x12
#define TAG_MESSAGE 0x1a
#define TAG_CHANNEL 0x08
#define TAG_EOF     0x10
#define TAG_DATA    0x1a

#define PACKET_MAX   (TC_PACKET_DATA_MAX + 32)
#define MESSAGE_MAX  (TC_FRAME_MAX - TC_CHANNEL_FRAME_HEAD)
#define VARINT_BYTES 10

struct packet {
    uint64_t channel;
    bool eof;
    struct tc_slice data;
};

/* ---- frames ---- */

static void put_head(uint8_t head[static TC_CHANNEL_FRAME_HEAD], uint8_t channel, size_t message_len)
{
    struct tc_writer w = tc_writer_into(head, TC_CHANNEL_FRAME_HEAD);
    tc_writer_u32(&w, (uint32_t)message_len + 1);
    tc_writer_u8(&w, channel);
}

int64_t tc_mconnection_frame(struct tc_slice in)
{
    struct tc_cursor c = tc_cursor_over(in);
    const uint32_t len = tc_cursor_u32(&c);
    if (!tc_cursor_ok(&c))
        return 0;
    if (len == 0 || len > TC_FRAME_MAX - 4)
        return -1;
    return tc_cursor_left(&c) >= len ? (int64_t)len + 4 : 0;
}

static int emit(uint8_t channel, struct tc_slice message, struct tc_bytes *frames)
{
    uint8_t head[TC_CHANNEL_FRAME_HEAD];
    put_head(head, channel, message.len);
    return tc_bytes_append(frames, (struct tc_slice){head, sizeof head}) || tc_bytes_append(frames, message)
               ? TC_EMEMORY
               : 0;
}

/* ---- receiving ---- */

static bool read_message_packet(struct tc_slice bytes, struct packet *packet)
{
    struct tc_cursor c = tc_cursor_over(bytes);
    *packet = (struct packet){0};
    while (tc_cursor_ok(&c) && tc_cursor_left(&c) > 0) {
        const uint64_t tag = tc_cursor_varint(&c);
        if (tag == TAG_CHANNEL) {
            packet->channel = tc_cursor_varint(&c);
        } else if (tag == TAG_EOF) {
            packet->eof = tc_cursor_varint(&c) != 0;
        } else if (tag == TAG_DATA) {
            const uint64_t len = tc_cursor_varint(&c);
            packet->data = tc_cursor_bytes(&c, len <= bytes.len ? (size_t)len : bytes.len + 1);
        } else {
            return false;
        }
    }
    return tc_cursor_done(&c);
}

static struct tc_channel *channel_of(struct tc_mconnection *c, uint8_t id)
{
    struct tc_channel *free_one = NULL;
    for (size_t i = 0; i < TC_CHANNELS_MAX; i++) {
        if (c->channels[i].used && c->channels[i].id == id)
            return &c->channels[i];
        if (!c->channels[i].used && !free_one)
            free_one = &c->channels[i];
    }
    if (free_one) {
        free_one->used = true;
        free_one->id = id;
    }
    return free_one;
}

static int take_message(struct tc_mconnection *c, struct tc_slice bytes, struct tc_bytes *frames, struct tc_error *err)
{
    struct packet packet;
    if (!read_message_packet(bytes, &packet) || packet.channel > UINT8_MAX)
        return tc_error_set(err, TC_EMALFORMED, "a packet is not a message packet");
    struct tc_channel *channel = channel_of(c, (uint8_t)packet.channel);
    if (!channel)
        return tc_error_set(err, TC_ELIMIT, "more than %d channels", TC_CHANNELS_MAX);
    if (packet.data.len > MESSAGE_MAX - channel->message.len)
        return tc_error_set(err, TC_ELIMIT, "a message on channel %02x has more than %u bytes", channel->id,
                            (unsigned)MESSAGE_MAX);
    if (packet.eof && channel->message.len == 0) /* in one piece, as most are */
        return emit(channel->id, packet.data, frames);
    if (tc_bytes_append(&channel->message, packet.data))
        return TC_EMEMORY;
    if (!packet.eof)
        return 0;
    const int status = emit(channel->id, tc_bytes_slice(&channel->message), frames);
    channel->message.len = 0;
    return status;
}

static int take_packet(struct tc_mconnection *c, struct tc_slice bytes, struct tc_bytes *out, struct tc_bytes *frames,
                       struct tc_error *err)
{
    static const uint8_t pong[] = {0x02, TAG_PONG, 0x00};
    struct tc_cursor cursor = tc_cursor_over(bytes);
    const uint8_t tag = tc_cursor_u8(&cursor);
    const uint64_t len = tc_cursor_varint(&cursor);
    if (!tc_cursor_ok(&cursor) || len != tc_cursor_left(&cursor))
        return tc_error_set(err, TC_EMALFORMED, "a packet of %zu bytes does not decode", bytes.len);
    switch (tag) {
    case TAG_PING:
        return tc_bytes_append(out, (struct tc_slice){pong, sizeof pong});
    case TAG_PONG:
        return 0;
    case TAG_MESSAGE:
        return take_message(c, tc_cursor_rest(&cursor), frames, err);
    default:
        return tc_error_set(err, TC_EMALFORMED, "a packet of an unknown kind (tag %02x)", tag);
    }
}

/* One delimited piece off `in`: 1 taken, 0 more bytes are needed. */
static int take_piece(struct tc_mconnection *c, struct tc_slice *in, struct tc_bytes *out, struct tc_bytes *frames,
                      struct tc_error *err)
{
    const uint64_t max = c->node_info_seen ? PACKET_MAX : TC_NODE_INFO_MAX;
    struct tc_cursor cursor = tc_cursor_over(*in);
    const uint64_t len = tc_cursor_varint(&cursor);
    if (!tc_cursor_ok(&cursor))
        return in->len < VARINT_BYTES ? 0 : tc_error_set(err, TC_EMALFORMED, "a packet has no length");
    if (len > max)
        return tc_error_set(err, TC_EMALFORMED, "a %s of %llu bytes, at most %llu can be",
                            c->node_info_seen ? "packet" : "NodeInfo", (unsigned long long)len,
                            (unsigned long long)max);
    if (tc_cursor_left(&cursor) < len)
        return 0;
    const struct tc_slice piece = tc_cursor_bytes(&cursor, (size_t)len);
    const int status =
        c->node_info_seen ? take_packet(c, piece, out, frames, err) : emit(TC_CHANNEL_NODE_INFO, piece, frames);
    c->node_info_seen = true;
    *in = tc_cursor_rest(&cursor);
    return status ? status : 1;
}

int tc_mconnection_receive(struct tc_mconnection *c, struct tc_slice plain, struct tc_bytes *out,
                           struct tc_bytes *frames, struct tc_error *err)
{
    if (tc_bytes_append(&c->in, plain))
        return TC_EMEMORY;
    struct tc_slice rest = tc_bytes_slice(&c->in);
    int status;
    do
        status = take_piece(c, &rest, out, frames, err);
    while (status > 0);
    tc_bytes_drop(&c->in, c->in.len - rest.len);
    return status;
}

/* ---- sending ---- */

static int put_packet(uint8_t channel, bool eof, struct tc_slice data, struct tc_bytes *out)
{
    uint8_t head[2 * VARINT_BYTES + 8], body[8 + VARINT_BYTES];
    struct tc_writer b = tc_writer_into(body, sizeof body);
    if (channel > 0) { /* proto3 leaves zeros out */
        tc_writer_u8(&b, TAG_CHANNEL);
        tc_writer_varint(&b, channel);
    }
    if (eof) {
        tc_writer_u8(&b, TAG_EOF);
        tc_writer_u8(&b, 1);
    }
    if (data.len > 0) {
        tc_writer_u8(&b, TAG_DATA);
        tc_writer_varint(&b, data.len);
    }
    const struct tc_slice fields = tc_writer_bytes(&b);
    const uint64_t message_len = fields.len + data.len;
    uint64_t length_bytes = 1;
    for (uint64_t rest = message_len >> 7; rest > 0; rest >>= 7)
        length_bytes++;
    struct tc_writer h = tc_writer_into(head, sizeof head);
    tc_writer_varint(&h, 1 + length_bytes + message_len);
    tc_writer_u8(&h, TAG_MESSAGE);
    tc_writer_varint(&h, message_len);
    return tc_bytes_append(out, tc_writer_bytes(&h)) || tc_bytes_append(out, fields) || tc_bytes_append(out, data)
               ? TC_EMEMORY
               : 0;
}

static int put_node_info(struct tc_slice info, struct tc_bytes *out)
{
    uint8_t head[VARINT_BYTES];
    struct tc_writer w = tc_writer_into(head, sizeof head);
    tc_writer_varint(&w, info.len);
    return tc_bytes_append(out, tc_writer_bytes(&w)) || tc_bytes_append(out, info) ? TC_EMEMORY : 0;
}

int tc_mconnection_send(struct tc_slice frame, struct tc_bytes *out)
{
    if (tc_mconnection_frame(frame) != (int64_t)frame.len)
        return TC_EMALFORMED;
    const uint8_t channel = frame.data[TC_CHANNEL_FRAME_HEAD - 1];
    struct tc_slice rest = {frame.data + TC_CHANNEL_FRAME_HEAD, frame.len - TC_CHANNEL_FRAME_HEAD};
    if (channel == TC_CHANNEL_NODE_INFO)
        return put_node_info(rest, out);
    for (;;) {
        const size_t len = rest.len < TC_PACKET_DATA_MAX ? rest.len : TC_PACKET_DATA_MAX;
        if (put_packet(channel, len == rest.len, (struct tc_slice){rest.data, len}, out))
            return TC_EMEMORY;
        if (len == rest.len)
            return 0;
        rest = (struct tc_slice){rest.data + len, rest.len - len};
    }
}

void tc_mconnection_free(struct tc_mconnection *c)
{
    tc_bytes_free(&c->in);
    for (size_t i = 0; i < TC_CHANNELS_MAX; i++)
        tc_bytes_free(&c->channels[i].message);
}
