/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/keyval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Copies up to the comma that ends it; returns where that, or the end, is. */
static const char *keyval_copy(const char *from, char *to)
{
    for (; *from; from++) {
        if (*from == ',' && *++from != ',') {
            from--;
            break;
        }
        *to++ = *from;
    }
    *to = '\0';
    return from;
}

int keyval_next(const char **text, struct keyval *keyval)
{
    const char *from = *text;
    size_t key_len;

    if (!from)
        return 0;
    key_len = strcspn(from, ",=");
    *keyval = (struct keyval){.key = malloc(strlen(from) + 1)};
    if (!keyval->key)
        return -ENOMEM;
    memcpy(keyval->key, from, key_len);
    keyval->key[key_len] = '\0';
    from += key_len;
    if (*from == '=') {
        keyval->value = keyval->key + key_len + 1;
        from = keyval_copy(from + 1, keyval->value);
    }
    *text = *from ? from + 1 : NULL;
    return 1;
}

void keyval_free(struct keyval *keyval)
{
    free(keyval->key);
    *keyval = (struct keyval){0};
}
