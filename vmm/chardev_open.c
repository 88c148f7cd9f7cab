/* SPDX-License-Identifier: BSD-2-Clause */
/* Character back ends by what the user typed. */
#include <errno.h>
#include <string.h>

#include "vmm/chardev.h"
#include "vmm/log.h"

struct chardev_kind {
    const char *name;
    const char *form; /* as a message shows it */
    int (*open)(struct event_base *base, const char *argument, struct chardev **chardev);
};

static int chardev_open_null(struct event_base *base, const char *argument,
                             struct chardev **chardev)
{
    (void)base;
    if (argument) {
        log_error("chardev 'null': it takes nothing, not '%s'", argument);
        return -EINVAL;
    }
    *chardev = NULL;
    return 0;
}

static const struct chardev_kind chardev_kinds[] = {
    {"null", "null", chardev_open_null},
};

int chardev_open(struct event_base *base, const char *spec, struct chardev **chardev)
{
    size_t len = strcspn(spec, ":");
    const char *argument = spec[len] ? spec + len + 1 : NULL;
    char forms[256] = "stdio";

    for (size_t i = 0; i < sizeof(chardev_kinds) / sizeof(chardev_kinds[0]); i++) {
        const struct chardev_kind *kind = &chardev_kinds[i];

        if (strlen(kind->name) == len && memcmp(kind->name, spec, len) == 0)
            return kind->open(base, argument, chardev);
        strncat(forms, ", ", sizeof(forms) - strlen(forms) - 1);
        strncat(forms, kind->form, sizeof(forms) - strlen(forms) - 1);
    }
    log_error("chardev '%s': there are %s", spec, forms);
    return -EINVAL;
}
