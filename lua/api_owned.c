/* Messages that belong to the script: copies, changed, second proposals, votes for them, signed anew.
 *
 * An owned message *is* its frame, a Lua string; its decoded form lives in an arena of the present call only, and is
 * made when something looks into it. So a script may keep thousands of them at the price of their bytes. */
#include "lua_internal.h"

#include "../injectors/forge.h"
#include "../proxy/random.h"
#include "../reference/fields.h"
#include <stdlib.h>
#include <string.h>

#define ARENA_SMALL ((size_t)64 << 10)
#define ARENA_LARGE ((size_t)32 << 20)
#define ARENA_KEEP  ((size_t)256 << 10) /* an arena that could grow beyond it gives its memory back after the call */

static const char live_key; /* registry key: array of the handles whose decoded form is in use */

struct tc_decoded *tc_decoded_new(lua_State *L, size_t bytes)
{
    struct tc_script *script = tc_script_of(L);
    if (!script)
        luaL_error(L, "messages exist in handlers only");
    if (script->decoded_count == TC_DECODED_MAX)
        luaL_error(L, "more than %d owned messages looked into in one call", TC_DECODED_MAX);
    tc_sandbox_charge(L, 200 + bytes / 8);
    struct tc_decoded **place = &script->decoded[script->decoded_count];
    if (!*place) {
        *place = calloc(1, sizeof **place);
        if (!*place)
            luaL_error(L, "out of memory");
        tc_arena_init(&(*place)->arena, ARENA_SMALL);
    }
    size_t wanted = ARENA_SMALL + bytes * 64;
    (*place)->arena.total_max = wanted < ARENA_LARGE ? wanted : ARENA_LARGE;
    (*place)->changed = (*place)->dirty = (*place)->fresh = false;
    (*place)->message = (struct tc_message){0};
    script->decoded_count++;
    return *place;
}

/* Remembers the handle on top for the flush. `decoded` is the youngest one. */
static void anchor(lua_State *L, uint32_t place)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &live_key);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (lua_Integer)place);
    lua_pop(L, 1);
}

static void check_decode(lua_State *L, int rc)
{
    if (rc && rc != TC_EMALFORMED)
        luaL_error(L, "the message does not fit: %s", tc_error_text(rc));
}

/* Decodes `frame` into `m`, named as travelling on the handle's link. */
static void decode_into(lua_State *L, struct tc_slice frame, const struct tc_lua_message *handle,
                        struct tc_arena *arena, struct tc_message *m)
{
    struct tc_script *script = tc_script_of(L);
    *m = (struct tc_message){.from = handle->from, .frame = frame, .sender = TC_NODE_NONE};
    check_decode(L, tc_protocol_decode(script->protocol, &script->env, frame, arena, m));
    m->to = handle->to;
    m->conn = handle->conn;
    m->occurrence = handle->occurrence;
    tc_message_set_key(m);
}

/* Makes the decoded form of an owned handle (at `arg`) if this call has none yet. */
static void ensure_decoded(lua_State *L, int arg, struct tc_lua_message *handle)
{
    struct tc_script *script = tc_script_of(L);
    if (handle->decoded && handle->generation == script->generation)
        return;
    arg = lua_absindex(L, arg);
    size_t len;
    lua_getiuservalue(L, arg, 1);
    const char *bytes = lua_tolstring(L, -1, &len);
    struct tc_decoded *decoded = tc_decoded_new(L, len);
    uint32_t place = script->decoded_count;
    struct tc_slice frame = tc_arena_copy(&decoded->arena, (struct tc_slice){(const uint8_t *)bytes, len});
    if (len && !frame.data)
        luaL_error(L, "the message does not fit");
    decode_into(L, frame, handle, &decoded->arena, &decoded->message);
    lua_pop(L, 1);
    handle->decoded = decoded;
    handle->message = &decoded->message;
    handle->generation = script->generation;
    lua_pushvalue(L, arg);
    anchor(L, place);
    lua_pop(L, 1);
}

const struct tc_message *tc_lua_message_get(lua_State *L, int arg, struct tc_lua_message **handle)
{
    *handle = tc_lua_message_check(L, arg);
    if ((*handle)->owned)
        ensure_decoded(L, arg, *handle);
    return (*handle)->message;
}

/* Keeps `frame` as what the owned handle at `arg` is. */
static void keep_frame(lua_State *L, int arg, struct tc_slice frame)
{
    arg = lua_absindex(L, arg);
    lua_pushlstring(L, (const char *)frame.data, frame.len);
    lua_setiuservalue(L, arg, 1);
}

/* Encodes a changed message: its frame, in its arena and in the handle. */
static struct tc_slice encode(lua_State *L, int arg, struct tc_decoded *decoded)
{
    struct tc_script *script = tc_script_of(L);
    struct tc_slice frame;
    tc_sandbox_charge(L, 200);
    int rc = script->protocol->encode(&decoded->message, &decoded->arena, &frame);
    if (rc)
        luaL_error(L, "the message does not encode: %s", tc_error_text(rc));
    decoded->message.frame = frame;
    decoded->dirty = false;
    keep_frame(L, arg, frame);
    return frame;
}

const struct tc_message *tc_lua_message_neutral(lua_State *L, int arg, struct tc_lua_message **handle)
{
    const struct tc_message *m = tc_lua_message_get(L, arg, handle);
    if (!(*handle)->owned)
        return m;
    struct tc_decoded *decoded = (*handle)->decoded;
    if (!decoded->changed)
        return m;
    if (decoded->dirty)
        encode(L, arg, decoded);
    if (!decoded->fresh)
        decode_into(L, decoded->message.frame, *handle, &decoded->arena, &decoded->neutral);
    decoded->fresh = true;
    return &decoded->neutral;
}

struct tc_slice tc_lua_frame(lua_State *L, int arg)
{
    struct tc_lua_message *handle = tc_lua_message_check(L, arg);
    if (handle->statement)
        luaL_error(L, "an embedded statement is no message of its own");
    const struct tc_message *m = tc_lua_message_get(L, arg, &handle);
    if (handle->owned && handle->decoded->dirty)
        return encode(L, arg, handle->decoded);
    return m->frame;
}

static struct tc_lua_message *push_handle(lua_State *L, const struct tc_message *like)
{
    struct tc_lua_message *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = (struct tc_lua_message){
        .owned = true, .from = like->from, .to = like->to, .conn = like->conn, .occurrence = like->occurrence};
    luaL_setmetatable(L, TC_META_MESSAGE);
    return handle;
}

void tc_lua_push_owned(lua_State *L, struct tc_decoded *decoded, const struct tc_message *like)
{
    struct tc_script *script = tc_script_of(L);
    uint32_t place = script->decoded_count;
    struct tc_lua_message *handle = push_handle(L, like);
    handle->decoded = decoded;
    handle->message = &decoded->message;
    handle->generation = script->generation;
    struct tc_message *m = &decoded->message;
    m->from = like->from;
    m->to = like->to;
    m->conn = like->conn;
    m->occurrence = like->occurrence;
    tc_message_set_key(m);
    anchor(L, place);
    if (m->frame.data && !decoded->dirty)
        keep_frame(L, -1, m->frame);
    else
        encode(L, -1, decoded);
}

void tc_lua_push_frame(lua_State *L, struct tc_slice frame, uint16_t from, uint16_t to)
{
    struct tc_message like = {.from = from, .to = to};
    push_handle(L, &like);
    keep_frame(L, -1, frame);
}

/* Runs protected after the call; what was changed and not yet encoded becomes its frame. */
static int flush(lua_State *L)
{
    struct tc_script *script = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &live_key);
    for (uint32_t i = 0; i < script->decoded_count; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TUSERDATA) {
            struct tc_lua_message *handle = lua_touserdata(L, -1);
            if (script->decoded[i]->dirty)
                encode(L, -1, script->decoded[i]);
            handle->decoded = NULL;
            handle->message = NULL;
        }
        lua_pop(L, 1);
        lua_pushnil(L);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 0;
}

int tc_decoded_flush(struct tc_script *script, struct tc_error *err)
{
    if (script->decoded_count == 0)
        return 0;
    int rc = tc_sandbox_protect(&script->box, flush, script, err);
    for (uint32_t i = 0; i < script->decoded_count; i++) {
        struct tc_arena *arena = &script->decoded[i]->arena;
        if (arena->total_max > ARENA_KEEP)
            tc_arena_free(arena);
        else
            tc_arena_reset(arena);
    }
    script->decoded_count = 0;
    return rc;
}

/* ---- methods ---- */

/* m:copy() */
static int message_copy(lua_State *L)
{
    struct tc_lua_message *handle = tc_lua_message_check(L, 1);
    if (!handle->owned && handle->statement == 0) { /* no need to decode anything */
        push_handle(L, handle->message);
        keep_frame(L, -1, handle->message->frame);
        return 1;
    }
    struct tc_slice frame = tc_lua_frame(L, 1);
    push_handle(L, handle->message);
    keep_frame(L, -1, frame);
    return 1;
}

/* Field of the body that plays a neutral part in this type, or NULL. */
static const char *role_field(const struct tc_protocol *protocol, uint8_t type, const char *name)
{
    if (type >= protocol->row_count)
        return NULL;
    const struct tc_message_row *row = &protocol->rows[type];
    if (strcmp(name, "view") == 0)
        return row->view_field;
    if (strcmp(name, "sequence") == 0)
        return row->sequence_field;
    return strcmp(name, "value") == 0 ? row->value_field : NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A value as the body holds it: NIL is all zero, hex is its bytes. Replaces what is at `index`. */
static void value_to_bytes(lua_State *L, int index)
{
    char bytes[TC_VALUE_SIZE] = {0};
    size_t len;
    if (!luaL_testudata(L, index, TC_META_NIL)) {
        const char *hex = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &len) : NULL;
        if (!hex || len != 2 * sizeof bytes)
            luaL_error(L, "expected a value (64 hexadecimal digits, as m.value gives it, or NIL), found %s",
                       tc_lua_found(L, index));
        for (size_t i = 0; i < sizeof bytes; i++) {
            int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
            if (high < 0 || low < 0)
                luaL_error(L, "expected a value in lower-case hexadecimal, found \"%s\"", hex);
            bytes[i] = (char)(high << 4 | low);
        }
    }
    lua_pushlstring(L, bytes, sizeof bytes);
    lua_replace(L, index);
}

/* Sets every key of the table at `table` on the body of the decoded message, in the order of keys. */
static void set_all(lua_State *L, struct tc_decoded *decoded, int table)
{
    struct tc_script *script = tc_script_of(L);
    struct tc_message *m = &decoded->message;
    if (!m->decoded || m->statement_count == 0)
        luaL_error(L, "a message that does not decode has no fields to set");
    struct tc_statement *s = &m->statements[0];
    size_t count = tc_lua_keys(L, table);
    int keys = lua_gettop(L);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, keys, (lua_Integer)i);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "expected names of fields, found %s", tc_lua_found(L, -1));
        const char *name = lua_tostring(L, -1);
        lua_pushvalue(L, -1);
        lua_gettable(L, table);
        const char *role = role_field(script->protocol, s->type, name);
        if (role && strcmp(name, "value") == 0)
            value_to_bytes(L, lua_gettop(L));
        tc_lua_set_whole(L, s->fields, decoded, role ? role : name, lua_gettop(L));
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

/* m:with{ view = …, value = … }: a copy with other fields; not signed again. */
static int message_with(lua_State *L)
{
    struct tc_lua_message *handle;
    luaL_checktype(L, 2, LUA_TTABLE);
    message_copy(L);
    lua_replace(L, 1);
    tc_lua_message_get(L, 1, &handle);
    set_all(L, handle->decoded, 2);
    lua_settop(L, 1);
    return 1;
}

/* m:perturb{ omit_requests = true }: a second proposal for the slot, or nil and why there is none. */
static int message_perturb(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    struct tc_lua_message *handle;
    bool omit = false;
    if (lua_istable(L, 2)) {
        lua_getfield(L, 2, "omit_requests");
        omit = lua_toboolean(L, -1);
        lua_pop(L, 1);
    } else if (!lua_isnoneornil(L, 2)) {
        return tc_lua_expected(L, 2, "nothing or a table of options");
    }
    const struct tc_message *m = tc_lua_message_neutral(L, 1, &handle);
    if (!script->protocol->perturb || !m->decoded) {
        lua_pushnil(L);
        lua_pushliteral(L, "this protocol has no second proposal");
        return 2;
    }
    struct tc_decoded *decoded = tc_decoded_new(L, m->frame.len);
    struct tc_error err = {0};
    uint64_t hash = tc_random_mix_text(tc_random_mix(script->seed_rule, m->key), "perturb");
    int rc = script->protocol->perturb(&script->env, m, hash, omit, &decoded->arena, &decoded->message, &err);
    if (rc == TC_EUNSUPPORTED) {
        lua_pushnil(L);
        lua_pushstring(L, err.text[0] ? err.text : "there is no second proposal for this one");
        return 2;
    }
    if (rc)
        return luaL_error(L, "perturb: %s", err.text[0] ? err.text : tc_error_text(rc));
    tc_lua_push_owned(L, decoded, m);
    return 1;
}

/* m:vote_for(proposal) */
static int message_vote_for(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    struct tc_lua_message *vote_handle, *proposal_handle;
    const struct tc_message *vote = tc_lua_message_neutral(L, 1, &vote_handle);
    const struct tc_message *proposal = tc_lua_message_neutral(L, 2, &proposal_handle);
    if (!vote->decoded || vote->statements[0].kind != TC_KIND_VOTE)
        return tc_lua_expected(L, 1, "a vote");
    if (!proposal->decoded || proposal->statements[0].kind != TC_KIND_PROPOSE)
        return tc_lua_expected(L, 2, "a proposal");
    struct tc_decoded *decoded = tc_decoded_new(L, vote->frame.len);
    int rc = script->protocol->vote_for(vote, proposal, &decoded->arena, &decoded->message);
    if (rc)
        return luaL_error(L, "vote_for: %s", tc_error_text(rc));
    tc_lua_push_owned(L, decoded, vote);
    return 1;
}

/* m:sign(id): the message as said by the traitor `id`. */
static int message_sign(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    struct tc_lua_message *handle;
    uint16_t node = tc_lua_node(L, 2);
    const struct tc_message *m = tc_lua_message_get(L, 1, &handle);
    if (handle->statement || !m->decoded)
        return tc_lua_expected(L, 1, "a whole message that decodes");
    if (!script->protocol->sign)
        return luaL_error(L, "this protocol does not sign");
    tc_sandbox_charge(L, 1000);
    struct tc_decoded *decoded = tc_decoded_new(L, m->frame.len);
    struct tc_error err = {0};
    int rc = tc_forge_sign(script->protocol, &script->env, script->ledger, m, node, &decoded->arena, &decoded->message,
                           &err);
    if (rc)
        return luaL_error(L, "sign: %s", err.text[0] ? err.text : tc_error_text(rc));
    tc_lua_push_owned(L, decoded, m);
    return 1;
}

/* c:build(type, fields): a new unsigned message. */
static int context_build(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    const char *type = luaL_checkstring(L, 2);
    if (!lua_isnoneornil(L, 3))
        luaL_checktype(L, 3, LUA_TTABLE);
    if (!script->protocol->build)
        return luaL_error(L, "this protocol cannot build messages");
    struct tc_decoded *decoded = tc_decoded_new(L, 4096);
    int rc = script->protocol->build(type, &decoded->arena, &decoded->message);
    if (rc == TC_ENOT_FOUND)
        return luaL_error(L, "%s has no message of type \"%s\"", script->protocol->name, type);
    if (rc)
        return luaL_error(L, "build: %s", tc_error_text(rc));
    if (lua_istable(L, 3))
        set_all(L, decoded, 3);
    struct tc_message like = {.from = TC_NODE_NONE, .to = TC_NODE_NONE};
    tc_lua_push_owned(L, decoded, &like);
    return 1;
}

/* c:certificate(votes): the protocol's certificate as bytes, or nil and why. */
static int context_certificate(lua_State *L)
{
    struct tc_script *script = tc_script_running(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    const struct tc_message *votes[TC_REPLICAS_MAX];
    size_t count = (size_t)luaL_len(L, 2);
    luaL_argcheck(L, count <= TC_REPLICAS_MAX, 2, "too many votes");
    luaL_checkstack(L, (int)count + 8, "certificate");
    for (size_t i = 0; i < count; i++) {
        struct tc_lua_message *handle;
        lua_geti(L, 2, (lua_Integer)i + 1);
        votes[i] = tc_lua_message_neutral(L, -1, &handle);
    }
    struct tc_decoded *decoded = tc_decoded_new(L, 1024 * (count + 1));
    struct tc_slice out;
    int rc = script->protocol->certificate ? script->protocol->certificate(votes, count, &decoded->arena, &out)
                                           : TC_EUNSUPPORTED;
    if (rc) {
        lua_pushnil(L);
        lua_pushstring(L, tc_error_text(rc));
        return 2;
    }
    lua_pushlstring(L, (const char *)out.data, out.len);
    return 1;
}

void tc_api_owned_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {{"copy", message_copy},       {"with", message_with},
                                       {"perturb", message_perturb}, {"vote_for", message_vote_for},
                                       {"sign", message_sign},       {NULL, NULL}};
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &live_key);
    tc_lua_register(L, methods);
}

void tc_api_build_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {{"build", context_build}, {"certificate", context_certificate}, {NULL, NULL}};
    tc_lua_register(L, methods);
}
