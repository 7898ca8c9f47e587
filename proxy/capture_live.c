#include "capture_live.h"

#include <errno.h>
#include <pcap.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SNAP_LENGTH  262144
#define BUFFER_BYTES (64 << 20)
#define BATCH        4096 /* packets in one turn */

struct tc_capture_live {
    pcap_t *pcap;
    int link_type;
    struct tc_capture_reader *reader; /* during a turn */
    int result;
};

static int refused(const char *interface, int status, pcap_t *pcap, struct tc_error *err)
{
    if (status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED)
        return tc_error_set(err, TC_EPERMISSION,
                            "capturing on %s is not allowed: run as root, or give the program the capability with "
                            "'setcap cap_net_raw+ep'; or capture with tcpdump and use 'turncoat check'",
                            interface);
    if (status == PCAP_ERROR_NO_SUCH_DEVICE)
        return tc_error_set(err, TC_EUSAGE, "no interface '%s'; 'ip link' names them, and 'any' stands for all",
                            interface);
    const char *more = pcap_geterr(pcap);
    return tc_error_set(err, TC_EIO, "cannot capture on %s: %s%s%s", interface, pcap_statustostr(status),
                        *more ? ": " : "", more);
}

static int start(struct tc_capture_live *live, const char *interface, struct tc_error *err)
{
    struct bpf_program tcp;
    char reason[PCAP_ERRBUF_SIZE];
    pcap_set_snaplen(live->pcap, SNAP_LENGTH);
    pcap_set_buffer_size(live->pcap, BUFFER_BYTES);
    pcap_set_timeout(live->pcap, 50);
    pcap_set_tstamp_precision(live->pcap, PCAP_TSTAMP_PRECISION_NANO);
    int status = pcap_activate(live->pcap);
    if (status < 0)
        return refused(interface, status, live->pcap, err);
    live->link_type = pcap_datalink(live->pcap);
    if (!tc_capture_link_known(live->link_type))
        return tc_error_set(err, TC_EUSAGE, "%s: packets of link type %s are not read", interface,
                            pcap_datalink_val_to_name(live->link_type));
    if (pcap_setnonblock(live->pcap, 1, reason) < 0)
        return tc_error_set(err, TC_EIO, "cannot capture on %s: %s", interface, reason);
    if (pcap_compile(live->pcap, &tcp, "tcp or (vlan and tcp)", 1, PCAP_NETMASK_UNKNOWN) < 0)
        return 0; /* a link without VLANs or filters: everything comes, and is sorted here */
    pcap_setfilter(live->pcap, &tcp);
    pcap_freecode(&tcp);
    return 0;
}

int tc_capture_live_open(const char *interface, struct tc_capture_live **out, struct tc_error *err)
{
    char reason[PCAP_ERRBUF_SIZE];
    *out = NULL;
    struct tc_capture_live *live = calloc(1, sizeof *live);
    if (!live)
        return tc_error_set(err, TC_EMEMORY, "no memory to capture");
    live->pcap = pcap_create(interface, reason);
    int result = live->pcap ? start(live, interface, err)
                            : tc_error_set(err, TC_EIO, "cannot capture on %s: %s", interface, reason);
    if (result < 0)
        tc_capture_live_close(live);
    else
        *out = live;
    return result;
}

void tc_capture_live_close(struct tc_capture_live *live)
{
    if (!live)
        return;
    if (live->pcap)
        pcap_close(live->pcap);
    free(live);
}

static void take(u_char *self, const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct tc_capture_live *live = (struct tc_capture_live *)(void *)self;
    uint64_t part_ns = (uint64_t)header->ts.tv_usec;
    if (pcap_get_tstamp_precision(live->pcap) != PCAP_TSTAMP_PRECISION_NANO)
        part_ns *= 1000;
    if (live->result == 0)
        live->result =
            tc_capture_reader_packet(live->reader, live->link_type, (uint64_t)header->ts.tv_sec * 1000000000u + part_ns,
                                     (struct tc_slice){bytes, header->caplen});
}

int tc_capture_live_turn(struct tc_capture_live *live, struct tc_capture_reader *reader, int wait_ms,
                         struct tc_error *err)
{
    struct pollfd ready = {.fd = pcap_get_selectable_fd(live->pcap), .events = POLLIN};
    live->reader = reader;
    if (poll(&ready, 1, wait_ms) < 0 && errno != EINTR)
        return tc_error_set(err, TC_EIO, "cannot wait for packets: %s", strerror(errno));
    int count = pcap_dispatch(live->pcap, BATCH, take, (u_char *)live);
    if (count == PCAP_ERROR)
        return tc_error_set(err, TC_EIO, "capturing ended: %s", pcap_geterr(live->pcap));
    return live->result;
}

uint64_t tc_capture_live_dropped(struct tc_capture_live *live)
{
    struct pcap_stat stat;
    return pcap_stats(live->pcap, &stat) == 0 ? (uint64_t)stat.ps_drop + stat.ps_ifdrop : 0;
}
