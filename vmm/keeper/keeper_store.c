/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"

static unsigned find(const struct keeper_store *store, const char *name)
{
    unsigned i;

    for (i = 0; i < KEEPER_ENTRIES; i++)
        if (store->entry[i].name && strcmp(store->entry[i].name, name) == 0)
            break;
    return i;
}

static void clear(struct keeper_store *store, unsigned i)
{
    free(store->entry[i].name);
    close(store->entry[i].fd);
    store->entry[i].name = NULL;
}

int keeper_store_put(struct keeper_store *store, const char *name, int fd)
{
    unsigned i;

    keeper_store_drop(store, name);
    for (i = 0; i < KEEPER_ENTRIES && store->entry[i].name; i++)
        ;
    if (i < KEEPER_ENTRIES)
        store->entry[i].name = strdup(name);
    if (i == KEEPER_ENTRIES || !store->entry[i].name) {
        close(fd);
        return i == KEEPER_ENTRIES ? -ENOSPC : -ENOMEM;
    }
    store->entry[i].fd = fd;
    return 0;
}

int keeper_store_get(const struct keeper_store *store, const char *name)
{
    unsigned i = find(store, name);

    return i < KEEPER_ENTRIES ? store->entry[i].fd : -1;
}

void keeper_store_drop(struct keeper_store *store, const char *name)
{
    unsigned i = find(store, name);

    if (i < KEEPER_ENTRIES)
        clear(store, i);
}

void keeper_store_free(struct keeper_store *store)
{
    for (unsigned i = 0; i < KEEPER_ENTRIES; i++)
        if (store->entry[i].name)
            clear(store, i);
}
