/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/command_size.h"

#include <errno.h>
#include <jansson.h>

int command_size(const char *json, uint64_t *size)
{
    json_t *arguments = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    const json_t *given = json_object_get(arguments, "size"); /* NULL if it is no object */
    json_int_t bytes = json_integer_value(given);             /* 0 if it is no whole number */
    int error = 0;

    if (!json_is_object(arguments) || json_object_size(arguments) != (given != NULL) ||
        (given && bytes <= 0))
        error = -EINVAL;
    *size = error ? 0 : (uint64_t)bytes;
    json_decref(arguments);
    return error;
}
