/* The fields of a message by the names of its schema: m.fields.digest, nv.fields.view_changes[2].sender. Those of owned
 * messages may be written; a repeated field is a list from 1 with #, remove and insert. A handle is good for one call.
 */
#include "lua_internal.h"

#include "../reference/fields.h"
#include <string.h>

/* What m.fields and a list of it are. */
struct handle {
    struct tc_fields fields;
    struct tc_decoded *decoded; /* NULL: read only */
    const char *name;           /* a list: the field it is (static) */
    uint32_t generation;
};

static struct handle *check(lua_State *L, const char *meta)
{
    struct handle *handle = luaL_checkudata(L, 1, meta);
    if (handle->generation != tc_script_of(L)->generation)
        luaL_error(L, "fields kept beyond their handler; take them from the message again");
    return handle;
}

static void push_handle(lua_State *L, const char *meta, struct tc_fields fields, const char *name,
                        struct tc_decoded *decoded)
{
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle =
        (struct handle){.fields = fields, .decoded = decoded, .name = name, .generation = tc_script_of(L)->generation};
    luaL_setmetatable(L, meta);
}

void tc_lua_push_fields(lua_State *L, struct tc_fields fields, struct tc_decoded *decoded)
{
    push_handle(L, TC_META_FIELDS, fields, NULL, decoded);
}

/* The schema's own spelling of a field (static); raises if there is none. */
static const char *field_name(lua_State *L, struct tc_fields fields, const char *name)
{
    const char *words[64];
    size_t count = tc_fields_count(fields);
    for (size_t i = 0; i < count; i++) {
        const char *known = tc_fields_name(fields, i);
        if (strcmp(known, name) == 0)
            return known;
        if (i < 64)
            words[i] = known;
    }
    luaL_Buffer list;
    luaL_buffinit(L, &list);
    for (size_t i = 0; i < count && i < 64; i++) {
        if (i)
            luaL_addstring(&list, ", ");
        luaL_addstring(&list, words[i]);
    }
    luaL_pushresult(&list);
    luaL_error(L, "this message has no field '%s'; its fields: %s", name, lua_tostring(L, -1));
    return NULL;
}

static void push_element(lua_State *L, struct tc_fields fields, const char *name, size_t index,
                         struct tc_decoded *decoded)
{
    struct tc_field_value value;
    int rc = tc_fields_get(fields, name, index, &value);
    if (rc)
        luaL_error(L, "field '%s': %s", name, tc_error_text(rc));
    switch (value.type) {
    case TC_FIELD_UINT:
        lua_pushinteger(L, (lua_Integer)value.uint_value);
        break;
    case TC_FIELD_INT:
        lua_pushinteger(L, value.int_value);
        break;
    case TC_FIELD_BOOL:
        lua_pushboolean(L, value.uint_value != 0);
        break;
    case TC_FIELD_BYTES:
    case TC_FIELD_STRING:
        lua_pushlstring(L, (const char *)value.bytes.data, value.bytes.len);
        break;
    case TC_FIELD_MESSAGE:
        if (value.message.base) {
            tc_lua_push_fields(L, value.message, decoded);
            break;
        } /* fall through */
    default:
        lua_pushnil(L);
    }
}

static int fields_index(lua_State *L)
{
    struct handle *handle = check(L, TC_META_FIELDS);
    const char *name = field_name(L, handle->fields, luaL_checkstring(L, 2));
    if (tc_fields_repeated(handle->fields, name)) {
        push_handle(L, TC_META_LIST, handle->fields, name, handle->decoded);
        return 1;
    }
    if (tc_fields_type(handle->fields, name) == TC_FIELD_MESSAGE && tc_fields_length(handle->fields, name) == 0) {
        lua_pushnil(L);
        return 1;
    }
    push_element(L, handle->fields, name, 0, handle->decoded);
    return 1;
}

/* The nested message that a Lua value stands for: a handle on fields, or a message (its body or its envelope, whichever
 * the field holds). */
static struct tc_fields nested(lua_State *L, int value, const void *descriptor)
{
    struct handle *handle = luaL_testudata(L, value, TC_META_FIELDS);
    if (handle) {
        if (handle->generation != tc_script_of(L)->generation)
            luaL_error(L, "fields kept beyond their handler; take them from the message again");
        return handle->fields;
    }
    struct tc_lua_message *message;
    const struct tc_message *m = tc_lua_message_neutral(L, value, &message);
    if (m->decoded && message->statement < m->statement_count &&
        m->statements[message->statement].fields.descriptor == descriptor)
        return m->statements[message->statement].fields;
    return m->envelope;
}

/* The descriptor of the messages in a field; NULL if it is not known before there is one. */
static const void *field_descriptor(struct tc_fields fields, const char *name)
{
    struct tc_field_value value;
    return tc_fields_get(fields, name, 0, &value) == 0 ? value.message.descriptor : NULL;
}

static void read_value(lua_State *L, struct tc_fields fields, const char *name, int index, struct tc_field_value *value)
{
    *value = (struct tc_field_value){0};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        value->type = TC_FIELD_INT;
        value->int_value = lua_tointeger(L, index);
        if (!lua_isinteger(L, index) && (lua_Number)value->int_value != lua_tonumber(L, index))
            luaL_error(L, "field '%s': expected an integer, found %s", name, tc_lua_found(L, index));
        break;
    case LUA_TBOOLEAN:
        value->type = TC_FIELD_BOOL;
        value->uint_value = (uint64_t)lua_toboolean(L, index);
        break;
    case LUA_TSTRING:
        value->type = TC_FIELD_BYTES;
        value->bytes.data = (const uint8_t *)lua_tolstring(L, index, &value->bytes.len);
        break;
    case LUA_TUSERDATA:
        value->type = TC_FIELD_MESSAGE;
        value->message = nested(L, index, field_descriptor(fields, name));
        break;
    default:
        luaL_error(L, "field '%s': expected a number, a string, true, false or a message, found %s", name,
                   tc_lua_found(L, index));
    }
}

/* The body of the message at `value`; false if it has none. */
static bool body_of(lua_State *L, int value, struct tc_fields *body)
{
    struct tc_lua_message *handle;
    const struct tc_message *m = tc_lua_message_neutral(L, value, &handle);
    if (!m->decoded || handle->statement >= m->statement_count)
        return false;
    *body = m->statements[handle->statement].fields;
    return body->base != NULL;
}

void tc_lua_set_field(lua_State *L, struct tc_fields fields, struct tc_decoded *decoded, const char *name, size_t index,
                      int value)
{
    static const char *const types[] = {"nothing", "a whole number ≥ 0", "a whole number", "true or false",
                                        "bytes",   "a string",           "a message"};
    struct tc_field_value stored;
    name = field_name(L, fields, name);
    tc_sandbox_charge(L, 20);
    read_value(L, fields, name, value, &stored);
    decoded->changed = decoded->dirty = true;
    decoded->fresh = false;
    int rc = tc_fields_set(fields, name, index, &stored, &decoded->arena);
    /* The first message of a list: whether it holds envelopes or bodies shows only now. */
    if (rc == TC_EUSAGE && luaL_testudata(L, value, TC_META_MESSAGE) && body_of(L, value, &stored.message))
        rc = tc_fields_set(fields, name, index, &stored, &decoded->arena);
    if (rc == TC_EUSAGE)
        luaL_error(L, "field '%s': expected %s, found %s", name, types[tc_fields_type(fields, name)],
                   tc_lua_found(L, value));
    if (rc)
        luaL_error(L, "field '%s': %s", name, tc_error_text(rc));
}

void tc_lua_set_whole(lua_State *L, struct tc_fields fields, struct tc_decoded *decoded, const char *name, int value)
{
    name = field_name(L, fields, name);
    if (!tc_fields_repeated(fields, name) || !lua_istable(L, value)) {
        tc_lua_set_field(L, fields, decoded, name, 0, value);
        return;
    }
    value = lua_absindex(L, value);
    size_t count = lua_rawlen(L, value);
    if (tc_lua_keys(L, value) != count)
        luaL_error(L, "field '%s': expected a list { value, … }, found other keys in it", name);
    tc_sandbox_charge(L, count + tc_fields_length(fields, name));
    for (size_t left = tc_fields_length(fields, name); left; left--) {
        int rc = tc_fields_remove(fields, name, left - 1);
        if (rc)
            luaL_error(L, "field '%s': %s", name, tc_error_text(rc));
    }
    decoded->changed = decoded->dirty = true;
    decoded->fresh = false;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, value, (lua_Integer)i + 1);
        tc_lua_set_field(L, fields, decoded, name, i, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void check_writable(lua_State *L, const struct handle *handle)
{
    if (!handle->decoded)
        luaL_error(L, "a borrowed message is not to be changed; change m:copy() and replace(…) with it");
}

static int fields_newindex(lua_State *L)
{
    struct handle *handle = check(L, TC_META_FIELDS);
    check_writable(L, handle);
    tc_lua_set_whole(L, handle->fields, handle->decoded, luaL_checkstring(L, 2), 3);
    return 0;
}

static int fields_tostring(lua_State *L)
{
    struct handle *handle = check(L, TC_META_FIELDS);
    char text[1024];
    lua_pushstring(L, tc_fields_text(handle->fields, text, sizeof text));
    return 1;
}

/* ---- repeated fields ---- */

static int list_len(lua_State *L)
{
    struct handle *handle = check(L, TC_META_LIST);
    lua_pushinteger(L, (lua_Integer)tc_fields_length(handle->fields, handle->name));
    return 1;
}

static int list_remove(lua_State *L)
{
    struct handle *handle = check(L, TC_META_LIST);
    check_writable(L, handle);
    lua_Integer count = (lua_Integer)tc_fields_length(handle->fields, handle->name);
    lua_Integer at = luaL_optinteger(L, 2, count);
    luaL_argcheck(L, at >= 1 && at <= count, 2, "position out of bounds");
    tc_sandbox_charge(L, (uint64_t)(count - at) + 1);
    int rc = tc_fields_remove(handle->fields, handle->name, (size_t)at - 1);
    if (rc)
        return luaL_error(L, "field '%s': %s", handle->name, tc_error_text(rc));
    handle->decoded->changed = handle->decoded->dirty = true;
    handle->decoded->fresh = false;
    return 0;
}

/* list:insert([at,] value): a new element before `at`, or at the end. */
static int list_insert(lua_State *L)
{
    struct handle *handle = check(L, TC_META_LIST);
    check_writable(L, handle);
    size_t count = tc_fields_length(handle->fields, handle->name);
    lua_Integer at = lua_gettop(L) >= 3 ? luaL_checkinteger(L, 2) : (lua_Integer)count + 1;
    luaL_argcheck(L, at >= 1 && at <= (lua_Integer)count + 1, 2, "position out of bounds");
    tc_sandbox_charge(L, count + 1);
    if ((size_t)at <= count) {
        int rc =
            tc_fields_duplicate(handle->fields, handle->name, (size_t)at - 1, (size_t)at - 1, &handle->decoded->arena);
        if (rc)
            return luaL_error(L, "field '%s': %s", handle->name, tc_error_text(rc));
    }
    tc_lua_set_field(L, handle->fields, handle->decoded, handle->name, (size_t)at - 1, lua_gettop(L));
    return 0;
}

static int list_index(lua_State *L)
{
    struct handle *handle = check(L, TC_META_LIST);
    if (lua_type(L, 2) == LUA_TSTRING) {
        const char *name = lua_tostring(L, 2);
        lua_CFunction method = strcmp(name, "remove") == 0   ? list_remove
                               : strcmp(name, "insert") == 0 ? list_insert
                                                             : NULL;
        if (!method)
            return luaL_error(L, "a list has no '%s'; it has #, [i], insert and remove", name);
        lua_pushcfunction(L, method);
        return 1;
    }
    lua_Integer at = luaL_checkinteger(L, 2);
    if (at < 1 || (uint64_t)at > tc_fields_length(handle->fields, handle->name)) {
        lua_pushnil(L);
        return 1;
    }
    push_element(L, handle->fields, handle->name, (size_t)at - 1, handle->decoded);
    return 1;
}

static int list_newindex(lua_State *L)
{
    struct handle *handle = check(L, TC_META_LIST);
    check_writable(L, handle);
    lua_Integer at = luaL_checkinteger(L, 2);
    size_t count = tc_fields_length(handle->fields, handle->name);
    luaL_argcheck(L, at >= 1 && (uint64_t)at <= count + 1, 2, "position out of bounds");
    tc_lua_set_field(L, handle->fields, handle->decoded, handle->name, (size_t)at - 1, 3);
    return 0;
}

void tc_api_fields_open(lua_State *L)
{
    static const luaL_Reg of_fields[] = {
        {"__index", fields_index}, {"__newindex", fields_newindex}, {"__tostring", fields_tostring}, {NULL, NULL}};
    static const luaL_Reg of_list[] = {
        {"__index", list_index}, {"__newindex", list_newindex}, {"__len", list_len}, {NULL, NULL}};
    luaL_newmetatable(L, TC_META_FIELDS);
    tc_lua_register(L, of_fields);
    luaL_newmetatable(L, TC_META_LIST);
    tc_lua_register(L, of_list);
    lua_pop(L, 2);
}
