/* One file a finding: everything needed to check the accusation by hand, the exact frames included. */
#include "../proxy/names.h"
#include "../reference/fields.h"
#include "json.h"
#include "recorder_parts.h"

#include <stdio.h>

#define ARENA_MAX ((size_t)16 << 20)
#define HEX_MAX   ((size_t)256 << 10)   /* bytes of a frame that are written out */
#define PAGE_ROOM ((uint64_t)384 << 10) /* what result.json and report.html may need */

/* The frame in words: type and fields of its first statement. */
static void add_decoded(json_t *item, const struct tc_protocol *protocol, struct tc_slice frame)
{
    struct tc_arena arena;
    struct tc_message m = {.frame = frame};
    char text[2048];
    if (!protocol || !protocol->decode || frame.len == 0)
        return;
    tc_arena_init(&arena, ARENA_MAX);
    if (protocol->decode(frame, &arena, &m) == 0 && m.statement_count > 0) {
        json_object_set_new(item, "type", tc_json_text(m.type));
        json_object_set_new(item, "decoded", tc_json_text(tc_fields_text(m.statements[0].fields, text, sizeof text)));
    } else {
        json_object_set_new(item, "decoded", tc_json_text("does not decode"));
    }
    tc_arena_free(&arena);
}

static void set_node(json_t *item, const char *name, uint16_t node)
{
    json_object_set_new(item, name, node == TC_NODE_NONE ? json_null() : json_integer(node));
}

static json_t *evidence_item(const struct tc_protocol *protocol, const struct tc_evidence *e)
{
    json_t *item = json_object();
    json_object_set_new(item, "time_ns", tc_json_time(e->time_ns));
    set_node(item, "from", e->from);
    set_node(item, "to", e->to);
    set_node(item, "signer", e->signer);
    json_object_set_new(item, "text", tc_json_text(e->text));
    json_object_set_new(item, "frame_bytes", json_integer((json_int_t)e->frame.len));
    if (e->frame.len > 0)
        json_object_set_new(item, "signature_valid", json_boolean(e->signature_valid));
    add_decoded(item, protocol, e->frame);
    return item;
}

static json_t *finding_head(const struct tc_finding *f)
{
    static const char *const properties[] = {"safety", "liveness", "detector", "measure"};
    json_t *o = json_object();
    json_object_set_new(o, "oracle", tc_json_text(f->oracle));
    json_object_set_new(o, "property", tc_json_text(f->property <= TC_MEASURE ? properties[f->property] : "?"));
    json_object_set_new(o, "time_ns", tc_json_time(f->time_ns));
    json_object_set_new(o, "text", tc_json_text(f->text));
    json_object_set_new(o, "because", tc_json_text(f->because));
    json_object_set_new(o, "suspects", tc_json_nodes(&f->suspects));
    json_object_set_new(o, "view", f->has_view ? tc_json_time(f->view) : json_null());
    json_object_set_new(o, "sequence", f->has_sequence ? tc_json_time(f->sequence) : json_null());
    json_object_set_new(o, "signed_for", tc_json_nodes(&f->faults.signed_for));
    json_object_set_new(o, "faulty_for_liveness", tc_json_nodes(&f->faults.liveness));
    return o;
}

/* The same items, with their frames. */
static json_t *with_frames(json_t *finding, const struct tc_finding *f)
{
    json_t *full = json_deep_copy(finding);
    json_t *items = json_object_get(full, "evidence");
    for (size_t i = 0; i < json_array_size(items); i++) {
        struct tc_slice frame = f->evidence[i].frame;
        struct tc_buf hex = {0};
        if (frame.len > HEX_MAX)
            frame.len = HEX_MAX;
        tc_buf_hex(&hex, frame);
        json_object_set_new(json_array_get(items, i), "frame", json_string(tc_buf_get(&hex)));
        tc_buf_free(&hex);
    }
    return full;
}

/* 0, or the error that is kept. */
static int save(struct tc_recorder *r, const char *name, json_t *finding, const struct tc_finding *f, bool decisive)
{
    struct tc_error err = {0};
    json_t *full = with_frames(finding, f);
    if (decisive || tc_out_has_room(r->dir, name, PAGE_ROOM))
        tc_json_save(r->dir, name, full, &err);
    else
        tc_error_set(&err, TC_EIO, "%s/%s: left out, for the disk is nearly full", r->dir, name);
    tc_recorder_note_error(r, &err);
    json_decref(full);
    return err.code;
}

json_t *tc_evidence_write(struct tc_recorder *r, const struct tc_protocol *protocol, const struct tc_finding *f,
                          uint32_t number, bool decisive)
{
    char name[64];
    json_t *finding = finding_head(f);
    json_t *items = json_array();
    for (uint32_t i = 0; i < f->evidence_count && i < TC_EVIDENCE_MAX; i++)
        json_array_append_new(items, evidence_item(protocol, &f->evidence[i]));
    json_object_set_new(finding, "evidence", items);
    snprintf(name, sizeof name, "evidence/%04u.json", number);
    json_object_set_new(finding, "file", json_string(name));
    if (r && save(r, name, finding, f, decisive) < 0)
        json_object_del(finding, "file");
    return finding;
}
