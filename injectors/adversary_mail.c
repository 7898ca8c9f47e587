#include "adversary_mail.h"

#include <stdlib.h>
#include <string.h>

uint64_t tc_mail_put(struct tc_mail *mail, uint64_t now_ns, uint32_t to, uint16_t from, struct tc_slice frame)
{
    const size_t slot = (size_t)(mail->end % TC_MAIL_MAX);
    if (mail->end - mail->first == TC_MAIL_MAX)
        return 0;
    if (mail->size[slot] < frame.len || !mail->memory[slot]) {
        const size_t size = frame.len < 512 ? 512 : frame.len;
        uint8_t *memory = realloc(mail->memory[slot], size);
        if (!memory)
            return 0;
        mail->memory[slot] = memory;
        mail->size[slot] = size;
    }
    if (frame.len > 0)
        memcpy(mail->memory[slot], frame.data, frame.len);
    mail->items[slot] = (struct tc_mail_item){
        .due_ns = now_ns + TC_MAIL_LATENCY_NS, .to = to, .from = from, .frame = {mail->memory[slot], frame.len}};
    mail->end++;
    return mail->items[slot].due_ns;
}

bool tc_mail_take(struct tc_mail *mail, uint64_t now_ns, struct tc_mail_item *out)
{
    const struct tc_mail_item *item = &mail->items[mail->first % TC_MAIL_MAX];
    if (mail->first == mail->end || item->due_ns > now_ns)
        return false;
    *out = *item;
    mail->first++;
    return true;
}

void tc_mail_free(struct tc_mail *mail)
{
    for (size_t i = 0; i < TC_MAIL_MAX; i++)
        free(mail->memory[i]);
}
