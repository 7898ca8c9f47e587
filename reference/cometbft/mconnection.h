/* One end of a CometBFT peer connection above SecretConnection's plaintext: NodeInfo, then MConnection packets with
 * fragments of messages on channels. Whole messages come out as frames; pings are answered here. Pure.
 *
 * A frame, as the engine sees it: 4 bytes big-endian length of what follows, 1 byte channel, the message. NodeInfo has
 * the channel TC_CHANNEL_NODE_INFO, which no reactor uses. */
#ifndef TC_COMETBFT_MCONNECTION_H
#define TC_COMETBFT_MCONNECTION_H

#include "../transport.h"

#define TC_CHANNEL_NODE_INFO  0xff
#define TC_CHANNELS_MAX       32    /* channels of one connection with a message begun */
#define TC_PACKET_DATA_MAX    1024  /* bytes of a message in one packet */
#define TC_NODE_INFO_MAX      10240 /* bytes */
#define TC_CHANNEL_FRAME_HEAD 5

struct tc_channel {
    uint8_t id;
    bool used;
    struct tc_bytes message; /* fragments so far, behind room for the frame's head */
};

struct tc_mconnection {
    bool node_info_seen;
    struct tc_bytes in; /* plaintext that is not a whole packet yet */
    struct tc_channel channels[TC_CHANNELS_MAX];
};

/* Plaintext of the peer: whole messages go to `frames`, packets to be answered at once (pongs) to `out`. TC_EMALFORMED:
 * err says what is wrong, the connection must be closed; TC_ELIMIT: a message over TC_FRAME_MAX or too many channels,
 * likewise; TC_EMEMORY. */
int tc_mconnection_receive(struct tc_mconnection *c, struct tc_slice plain, struct tc_bytes *out,
                           struct tc_bytes *frames, struct tc_error *err);

/* Appends the packets of one frame (or NodeInfo, delimited) to `out`. TC_EMALFORMED: not a frame; TC_EMEMORY. */
int tc_mconnection_send(struct tc_slice frame, struct tc_bytes *out);

/* The frame at the start of `in`: as tc_protocol.frame. */
int64_t tc_mconnection_frame(struct tc_slice in);

void tc_mconnection_free(struct tc_mconnection *c);

#endif
