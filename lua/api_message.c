/* Messages as scripts see them: the neutral fields. A message handed to a handler is *borrowed*: its handle is dead
 * when the handler returns. Handles come from a small pool, taken in turn, because making a userdata for each message
 * would cost more than the handler itself; a dead handle says so for the next calls, before it is used again. */
#include "lua_internal.h"

#include "../proxy/names.h"
#include "../proxy/random.h"
#include "../reference/fields.h"
#include <string.h>

enum field {
    F_KIND = 1,
    F_PHASE,
    F_TYPE,
    F_FROM,
    F_TO,
    F_SENDER,
    F_VIEW,
    F_SEQUENCE,
    F_EPOCH,
    F_SLOT,
    F_VALUE,
    F_SIGNER,
    F_SIGNERS,
    F_SIZE,
    F_ORIGIN,
    F_OCCURRENCE,
    F_DECODED,
    F_FIELDS,
    F_ENVELOPE,
    F_STATEMENTS
};

static const struct {
    const char *name;
    enum field field;
} fields[] = {
    {"kind", F_KIND},
    {"phase", F_PHASE},
    {"type", F_TYPE},
    {"from", F_FROM},
    {"to", F_TO},
    {"sender", F_SENDER},
    {"view", F_VIEW},
    {"sequence", F_SEQUENCE},
    {"epoch", F_EPOCH},
    {"slot", F_SLOT},
    {"value", F_VALUE},
    {"signer", F_SIGNER},
    {"signers", F_SIGNERS},
    {"size", F_SIZE},
    {"origin", F_ORIGIN},
    {"fields", F_FIELDS},
    {"envelope", F_ENVELOPE},
    {"occurrence", F_OCCURRENCE},
    {"decoded", F_DECODED},
    {"statements", F_STATEMENTS},
};

static const char nil_key; /* registry key of the constant NIL */

struct tc_lua_message *tc_lua_message_check(lua_State *L, int arg)
{
    struct tc_lua_message *handle = luaL_testudata(L, arg, TC_META_MESSAGE);
    if (!handle)
        tc_lua_expected(L, arg, "a message");
    if (!handle->owned && handle->generation != tc_script_of(L)->generation)
        luaL_error(L, handle->statement ? "statement kept beyond its handler; keep m:copy()"
                                        : "message kept beyond its handler; keep m:copy()");
    return handle;
}

void tc_lua_push_value(lua_State *L, const struct tc_value *value)
{
    char text[65];
    if (value->state == TC_VALUE_NIL)
        lua_rawgetp(L, LUA_REGISTRYINDEX, &nil_key);
    else
        lua_pushstring(L, tc_value_text(value, TC_VALUE_SIZE, text));
}

uint64_t tc_lua_slot(const struct tc_statement *s)
{
    bool decides = (s->kind == TC_KIND_PROPOSE || s->kind == TC_KIND_VOTE) && s->has_view;
    if (!decides)
        return s->slot;
    uint64_t h = tc_random_mix(tc_random_mix(s->epoch, s->view), s->has_sequence ? s->sequence : 0);
    return h ? h : 1;
}

static bool push_node(lua_State *L, uint16_t node)
{
    if (node == TC_NODE_NONE)
        return false;
    lua_pushinteger(L, node);
    return true;
}

static void push_statements(lua_State *L, const struct tc_message *m)
{
    struct tc_script *script = tc_script_of(L);
    tc_sandbox_charge(L, 4 * (uint64_t)m->statement_count);
    lua_createtable(L, (int)m->statement_count, 0);
    for (uint32_t i = 0; i < m->statement_count; i++) {
        struct tc_lua_message *view = lua_newuserdatauv(L, sizeof *view, 0);
        *view = (struct tc_lua_message){.message = m,
                                        .generation = script->generation,
                                        .statement = i,
                                        .from = m->from,
                                        .to = m->to,
                                        .conn = m->conn,
                                        .occurrence = m->occurrence};
        luaL_setmetatable(L, TC_META_MESSAGE);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Fields of the message as a whole. */
static bool push_whole(lua_State *L, const struct tc_message *m, const struct tc_lua_message *handle, enum field field)
{
    switch (field) {
    case F_TYPE:
        lua_pushstring(L, m->type ? m->type : "");
        return true;
    case F_FROM:
        return push_node(L, handle->from);
    case F_TO:
        return push_node(L, handle->to);
    case F_SENDER:
        return m->decoded && push_node(L, m->sender);
    case F_SIZE:
        lua_pushinteger(L, (lua_Integer)m->frame.len);
        return true;
    case F_OCCURRENCE:
        lua_pushinteger(L, handle->occurrence);
        return true;
    case F_DECODED:
        lua_pushboolean(L, m->decoded);
        return true;
    case F_STATEMENTS:
        push_statements(L, m);
        return true;
    default:
        return false;
    }
}

static const char *origin_name(uint8_t origin)
{
    return origin == TC_ORIGIN_RELAYED ? "relayed" : origin == TC_ORIGIN_EMBEDDED ? "embedded" : "direct";
}

static bool push_signers(lua_State *L, const struct tc_statement *s)
{
    if (tc_nodeset_count(&s->signers) == 0 && s->signer == TC_NODE_NONE)
        return false;
    struct tc_nodeset signers = s->signers;
    if (tc_nodeset_count(&signers) == 0)
        tc_nodeset_add(&signers, s->signer);
    tc_lua_push_nodes(L, &signers);
    return true;
}

/* Fields of one statement. */
static bool push_of_statement(lua_State *L, const struct tc_statement *s, enum field field)
{
    switch (field) {
    case F_KIND:
        lua_pushstring(L, tc_kind_name(s->kind));
        return true;
    case F_PHASE:
        lua_pushstring(L, tc_phase_name(s->phase));
        return true;
    case F_VIEW:
        lua_pushinteger(L, (lua_Integer)s->view);
        return s->has_view;
    case F_SEQUENCE:
        lua_pushinteger(L, (lua_Integer)s->sequence);
        return s->has_sequence;
    case F_EPOCH:
        lua_pushinteger(L, (lua_Integer)s->epoch);
        return true;
    case F_SLOT:
        lua_pushinteger(L, (lua_Integer)tc_lua_slot(s));
        return tc_lua_slot(s) != 0;
    case F_VALUE:
        tc_lua_push_value(L, &s->value);
        return s->value.state != TC_VALUE_ABSENT;
    case F_SIGNER:
        return push_node(L, s->signer);
    case F_SIGNERS:
        return push_signers(L, s);
    case F_ORIGIN:
        lua_pushstring(L, origin_name(s->origin));
        return true;
    default:
        return false;
    }
}

/* Fields that show the protobuf message: of an owned message they may be written. */
static bool push_structure(lua_State *L, struct tc_lua_message *handle, enum field field)
{
    const struct tc_message *m = tc_lua_message_get(L, 1, &handle);
    if (!m->decoded || handle->statement >= m->statement_count)
        return false;
    if (field == F_ENVELOPE) {
        if (handle->statement || !m->envelope.base)
            return false;
        tc_lua_push_fields(L, m->envelope, handle->owned ? handle->decoded : NULL);
        return true;
    }
    if (!m->statements[handle->statement].fields.base)
        return false;
    tc_lua_push_fields(L, m->statements[handle->statement].fields, handle->owned ? handle->decoded : NULL);
    return true;
}

/* Pushes the field and returns true, or leaves something of no account and returns false if it is absent. */
static bool push_field(lua_State *L, struct tc_lua_message *handle, enum field field)
{
    static const struct tc_statement other = {.signer = TC_NODE_NONE};
    if (field == F_FIELDS || field == F_ENVELOPE)
        return push_structure(L, handle, field);
    const struct tc_message *m = handle->owned ? tc_lua_message_neutral(L, 1, &handle) : handle->message;
    bool has = handle->statement < m->statement_count;
    if (field == F_TYPE && handle->statement && has) {
        const struct tc_protocol *protocol = tc_script_of(L)->protocol;
        uint8_t type = m->statements[handle->statement].type;
        lua_pushstring(L, protocol && type < protocol->row_count ? protocol->rows[type].name : "");
        return true;
    }
    if (push_whole(L, m, handle, field))
        return true;
    return push_of_statement(L, has ? &m->statements[handle->statement] : &other, field);
}

static int no_such_field(lua_State *L, const char *name)
{
    const char *words[sizeof fields / sizeof fields[0]];
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        words[i] = fields[i].name;
    const char *near = tc_lua_nearest(name, words, sizeof words / sizeof words[0]);
    if (near)
        return luaL_error(L, "a message has no '%s'; did you mean '%s'?", name, near);
    return luaL_error(L, "a message has no '%s' (fields of this type only are in m.fields)", name);
}

/* m.kind is what nearly every handler asks first: a ready string. Upvalue 2: their array. */
static bool push_kind(lua_State *L, const struct tc_lua_message *handle)
{
    if (handle->owned || handle->statement >= handle->message->statement_count)
        return false;
    lua_rawgeti(L, lua_upvalueindex(2), (lua_Integer)handle->message->statements[handle->statement].kind + 1);
    return true;
}

/* Which field the name at 2 is; 0 if the name stands for a method, which is pushed. Upvalue 1: names → field number or
 * method. A name lies where it lay before, since the table of names keeps it alive, so nearly always its address says
 * enough: a look-up by Lua would cost more than all the rest. What is found does not depend on the addresses. */
static enum field field_at(lua_State *L)
{
    struct tc_script *script = tc_script_of(L);
    const void *name = lua_topointer(L, 2); /* NULL of a number or the like */
    struct tc_lua_name *known = script ? &script->names[((uintptr_t)name >> 4) % TC_NAMES_KNOWN] : NULL;
    if (known && name && known->name == name)
        return (enum field)known->field;
    lua_pushvalue(L, 2);
    int type = lua_rawget(L, lua_upvalueindex(1));
    if (type == LUA_TFUNCTION)
        return 0;
    if (type != LUA_TNUMBER)
        return (enum field)no_such_field(L, luaL_tolstring(L, 2, NULL));
    enum field field = (enum field)lua_tointeger(L, -1);
    if (known && name)
        *known = (struct tc_lua_name){name, field};
    return field;
}

/* m.name */
static int message_index(lua_State *L)
{
    enum field field = field_at(L);
    if (field == 0)
        return 1;
    struct tc_lua_message *handle = lua_touserdata(L, 1);
    if (!handle->owned && handle->generation != tc_script_of(L)->generation)
        tc_lua_message_check(L, 1);
    if (field == F_KIND && push_kind(L, handle))
        return 1;
    if (!push_field(L, handle, field))
        return luaL_error(L, "this message has no %s (ask m:has(\"%s\") first)", lua_tostring(L, 2),
                          lua_tostring(L, 2));
    return 1;
}

static int message_newindex(lua_State *L)
{
    return luaL_error(L, "a message's '%s' is not to be set: use m:with{%s = …}, or the fields of a copy",
                      luaL_tolstring(L, 2, NULL), luaL_tolstring(L, 2, NULL));
}

/* m:has("sequence") */
static int message_has(lua_State *L)
{
    struct tc_lua_message *handle = tc_lua_message_check(L, 1);
    const char *name = luaL_checkstring(L, 2);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        bool has = push_field(L, handle, fields[i].field);
        lua_pushboolean(L, has);
        return 1;
    }
    return no_such_field(L, name);
}

/* m:text(): one line with all fields. */
static int message_text(lua_State *L)
{
    struct tc_lua_message *handle;
    const struct tc_message *m = tc_lua_message_neutral(L, 1, &handle);
    char text[2048] = "";
    if (handle->statement < m->statement_count && m->statements[handle->statement].fields.base)
        tc_fields_text(m->statements[handle->statement].fields, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

static int message_tostring(lua_State *L)
{
    struct tc_lua_message *handle = luaL_checkudata(L, 1, TC_META_MESSAGE);
    if (!handle->owned && handle->generation != tc_script_of(L)->generation) {
        lua_pushliteral(L, "message(kept beyond its handler)");
        return 1;
    }
    const struct tc_message *m = tc_lua_message_neutral(L, 1, &handle);
    char from[8], to[8];
    lua_pushfstring(L, "%s %s→%s", m->type ? m->type : "other", tc_node_name(handle->from, from),
                    tc_node_name(handle->to, to));
    if (handle->statement < m->statement_count) {
        const struct tc_statement *s = &m->statements[handle->statement];
        if (s->has_view)
            lua_pushfstring(L, " view %I", (lua_Integer)s->view);
        else
            lua_pushliteral(L, "");
        if (s->has_sequence)
            lua_pushfstring(L, " sequence %I", (lua_Integer)s->sequence);
        else
            lua_pushliteral(L, "");
        lua_concat(L, 3);
    }
    return 1;
}

/* m:verify(): true, or false and why. */
static int message_verify(lua_State *L)
{
    struct tc_lua_message *handle;
    struct tc_script *script = tc_script_running(L);
    const struct tc_message *m = tc_lua_message_neutral(L, 1, &handle);
    tc_sandbox_charge(L, 3000);
    if (!m->decoded || handle->statement >= m->statement_count || !script->protocol->verify) {
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "it does not decode");
        return 2;
    }
    int rc = script->protocol->verify(&script->env, &m->statements[handle->statement]);
    lua_pushboolean(L, rc == 0);
    if (rc == 0)
        return 1;
    lua_pushstring(L, tc_error_text(rc));
    return 2;
}

static int nil_tostring(lua_State *L)
{
    lua_pushliteral(L, "NIL");
    return 1;
}

static void open_nil(lua_State *L)
{
    lua_newuserdatauv(L, 0, 0);
    luaL_newmetatable(L, TC_META_NIL);
    lua_pushcfunction(L, nil_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &nil_key);
    lua_setfield(L, -2, "NIL"); /* environment on top */
}

/* Environment on top. */
void tc_api_message_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"has", message_has}, {"text", message_text}, {"verify", message_verify}, {NULL, NULL}};
    open_nil(L);
    luaL_newmetatable(L, TC_META_MESSAGE);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lua_pushinteger(L, fields[i].field);
        lua_setfield(L, -2, fields[i].name);
    }
    tc_lua_register(L, methods);
    tc_api_owned_methods(L);
    lua_createtable(L, TC_KIND_COUNT, 0);
    for (int kind = 0; kind < TC_KIND_COUNT; kind++) {
        lua_pushstring(L, tc_kind_name((enum tc_kind)kind));
        lua_rawseti(L, -2, kind + 1);
    }
    lua_pushcclosure(L, message_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, message_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, message_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
