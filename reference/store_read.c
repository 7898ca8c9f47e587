/* A client's operation and its result, read without unpacking: an oracle reads every one of a run. */
#include "store.h"

/* The next field of a packed message: its tag (number and wire type), and what it holds. 0 at the end, -1 if it is
 * neither a number nor bytes, or is cut off. */
struct field {
    uint64_t number;
    struct tc_slice bytes;
};

static bool read_number(struct tc_slice *in, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        const uint8_t byte = *in->data;
        in->data++;
        in->len--;
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static int read_field(struct tc_slice *in, struct field *field)
{
    uint64_t tag;
    if (in->len == 0)
        return 0;
    if (!read_number(in, &tag) || tag == 0 || tag > 0xff || !read_number(in, &field->number))
        return -1;
    if ((tag & 7) == 0)
        return (int)tag;
    if ((tag & 7) != 2 || field->number > in->len)
        return -1;
    field->bytes = (struct tc_slice){in->data, (size_t)field->number};
    in->data += field->number;
    in->len -= (size_t)field->number;
    return (int)tag;
}

#define VARINT(id) ((id) << 3)
#define BYTES(id)  ((id) << 3 | 2)

int tc_store_operation_read(struct tc_slice bytes, struct tc_kv_operation *out)
{
    struct field field;
    int tag;
    *out = (struct tc_kv_operation){.code = TC_KV_GET};
    while ((tag = read_field(&bytes, &field)) > 0) {
        if (tag == VARINT(1) && field.number <= TC_KV_COMPARE_AND_SWAP)
            out->code = (enum tc_kv_code)field.number;
        else if (tag == BYTES(2))
            out->key = field.bytes;
        else if (tag == BYTES(3))
            out->value = field.bytes;
        else if (tag == BYTES(4))
            out->expected = field.bytes;
        else
            return TC_EMALFORMED;
    }
    return tag < 0 ? TC_EMALFORMED : 0;
}

int tc_store_result_read(struct tc_slice bytes, struct tc_kv_result *out)
{
    struct field field;
    int tag;
    *out = (struct tc_kv_result){.found = false};
    while ((tag = read_field(&bytes, &field)) > 0) {
        if (tag == VARINT(1))
            out->found = field.number != 0;
        else if (tag == BYTES(2))
            out->value = field.bytes;
        else
            return TC_EMALFORMED;
    }
    return tag < 0 ? TC_EMALFORMED : 0;
}
