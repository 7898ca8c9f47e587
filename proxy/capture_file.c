/* The capture's file, through libpcap. It asks what room the disk has once per buffer, for whoever comes too late for
 * the last block may be the one that matters, and remembers where it could be cut. */
#define _GNU_SOURCE
#include "capture_file.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BUFFER_BYTES  ((size_t)1 << 18)
#define HEADER_BYTES  24u                 /* of the file */
#define PACKET_HEADER 16u                 /* what the file says of a packet in front of it */
#define ROOM_MIN      ((uint64_t)1 << 20) /* what is left of the disk is for the run's other files */
#define SNAP_LENGTH   262144

/* Where a packet ends in the file, and how many there are up to it. */
struct mark {
    uint64_t at, packets;
};

struct tc_capture_file {
    pcap_t *pcap;
    pcap_dumper_t *dumper;
    FILE *file;
    char *buffer;
    uint64_t bytes, packets, bytes_max;
    uint64_t looked_at;   /* where the disk's room is asked for next */
    struct mark marks[2]; /* each at least twice as far as the one before: the first is at most half of the file */
    int reason;
    bool dirty;
};

static int open_file(struct tc_capture_file *f, const char *path, struct tc_error *err)
{
    f->buffer = malloc(BUFFER_BYTES);
    f->pcap = pcap_open_dead_with_tstamp_precision(DLT_RAW, SNAP_LENGTH, PCAP_TSTAMP_PRECISION_NANO);
    if (!f->buffer || !f->pcap)
        return tc_error_set(err, TC_EMEMORY, "no memory for the capture");
    f->file = fopen(path, "wbe");
    if (!f->file)
        return tc_error_set(err, TC_EIO, "cannot write %s: %s", path, strerror(errno));
    setvbuf(f->file, f->buffer, _IOFBF, BUFFER_BYTES);
    f->dumper = pcap_dump_fopen(f->pcap, f->file);
    if (!f->dumper)
        return tc_error_set(err, TC_EIO, "cannot write %s: %s", path, pcap_geterr(f->pcap));
    f->bytes = HEADER_BYTES;
    f->marks[0] = f->marks[1] = (struct mark){HEADER_BYTES, 0};
    return 0;
}

int tc_capture_file_open(const char *path, uint64_t bytes_max, struct tc_capture_file **out, struct tc_error *err)
{
    *out = NULL;
    struct tc_capture_file *f = calloc(1, sizeof *f);
    if (!f)
        return tc_error_set(err, TC_EMEMORY, "no memory for the capture");
    f->bytes_max = bytes_max;
    const int status = open_file(f, path, err);
    if (status) {
        tc_capture_file_close(f);
        return status;
    }
    *out = f;
    return 0;
}

static int fail(struct tc_capture_file *f, int reason)
{
    if (f->reason == 0)
        f->reason = reason;
    return TC_EIO;
}

static bool room_is_short(struct tc_capture_file *f)
{
    struct statvfs disk;
    f->looked_at = f->bytes + BUFFER_BYTES;
    return fstatvfs(fileno(f->file), &disk) == 0 && disk.f_blocks > 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_MIN + BUFFER_BYTES;
}

static void mark(struct tc_capture_file *f)
{
    if (f->bytes < 2 * f->marks[1].at)
        return;
    f->marks[0] = f->marks[1];
    f->marks[1] = (struct mark){f->bytes, f->packets};
}

int tc_capture_file_put(struct tc_capture_file *f, uint64_t time_ns, struct tc_slice packet)
{
    struct pcap_pkthdr header = {.caplen = (bpf_u_int32)packet.len, .len = (bpf_u_int32)packet.len};
    if (f->bytes >= f->looked_at && room_is_short(f))
        return fail(f, ENOSPC);
    if (f->bytes + packet.len + PACKET_HEADER > f->bytes_max)
        return TC_ELIMIT;
    header.ts.tv_sec = (time_t)(time_ns / UINT64_C(1000000000));
    header.ts.tv_usec = (suseconds_t)(time_ns % UINT64_C(1000000000)); /* nanoseconds, by the file's magic number */
    errno = 0;
    pcap_dump((u_char *)f->dumper, &header, packet.data);
    if (ferror(f->file))
        return fail(f, errno ? errno : EIO);
    f->bytes += packet.len + PACKET_HEADER;
    f->packets++;
    f->dirty = true;
    mark(f);
    return 0;
}

int tc_capture_file_flush(struct tc_capture_file *f)
{
    if (!f->dirty || f->reason)
        return 0;
    f->dirty = false;
    return pcap_dump_flush(f->dumper) ? fail(f, errno ? errno : EIO) : 0;
}

/* What waits in the buffer is thrown away first, or closing would write it behind the cut. */
uint64_t tc_capture_file_give_way(struct tc_capture_file *f)
{
    struct stat found;
    if (!tc_capture_file_is_disk_full(f))
        return 0;
    __fpurge(f->file);
    if (fstat(fileno(f->file), &found) < 0)
        return 0;
    const uint64_t size = (uint64_t)found.st_size;
    struct mark cut = f->marks[0];
    if (cut.at > size)
        cut = (struct mark){size < HEADER_BYTES ? 0 : HEADER_BYTES, 0};
    return ftruncate(fileno(f->file), (off_t)cut.at) == 0 ? f->packets - cut.packets : 0;
}

int tc_capture_file_reason(const struct tc_capture_file *f)
{
    return f->reason;
}

bool tc_capture_file_is_disk_full(const struct tc_capture_file *f)
{
    return f->reason == ENOSPC || f->reason == EDQUOT;
}

void tc_capture_file_close(struct tc_capture_file *f)
{
    if (!f)
        return;
    if (f->dumper)
        pcap_dump_close(f->dumper);
    else if (f->file)
        fclose(f->file);
    if (f->pcap)
        pcap_close(f->pcap);
    free(f->buffer);
    free(f);
}
