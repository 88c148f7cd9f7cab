/* SPDX-License-Identifier: BSD-2-Clause */
/* The snapshot that another one builds on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/snapshot/chain.h"
#include "vmm/snapshot/save_internal.h"
#include "vmm/util/bits.h"
#include "vmm/vm/vm.h"

/* Is it the last snapshot of what is tracked? */
static int check(const struct manifest *base, const struct dirty_map *map, const char *path,
                 char *why)
{
    const char *wanted = dirty_map_base(map);

    if (!wanted[0])
        return snapshot_complain(why, -ESTALE,
                                 "no snapshot of what is tracked was ended: take a whole one with "
                                 "--track first");
    if (strcmp(base->digest, wanted) != 0)
        return snapshot_complain(why, -ESTALE,
                                 "the base '%s' is not the VM's last snapshot that was taken with "
                                 "--track or --base, whose SHA-256 is %s",
                                 path, wanted);
    return 0;
}

/* All that it builds on has to be there, and there must be room for one more. */
static int check_chain(int folder, const struct manifest *base, const char *path, char *why)
{
    struct chain *chain;
    unsigned length;

    if (chain_open(&chain, folder, path, base))
        return snapshot_complain(why, -ESTALE,
                                 "the base '%s' builds on what is not there as it was; the VM's "
                                 "messages say more",
                                 path);
    length = chain_length(chain);
    chain_close(chain);
    if (length >= CHAIN_MAX)
        return snapshot_complain(why, -ESTALE,
                                 "%u snapshots build on each other already: take a whole one with "
                                 "--track",
                                 CHAIN_MAX);
    return 0;
}

static int open_base(struct manifest *base, const char *path, int *folder, char *why)
{
    int fd = manifest_open(AT_FDCWD, path, folder), error;

    if (fd < 0)
        return snapshot_complain(why, fd, "the base '%s': %s%s", path, strerror(-fd),
                                 snapshot_hint(fd));
    error = manifest_read_file(base, fd, path);
    close(fd);
    if (!error)
        return 0;
    return snapshot_complain(why, -ESTALE,
                             "the base '%s' is damaged, or of another version; the VM's messages "
                             "say more",
                             path);
}

/* While the VM stands: it may write before the thread has looked. */
static int copy_pages(struct snapshot *s, const struct dirty_map *map)
{
    size_t size = BITS_WORDS(map->nr_pages) * sizeof(uint64_t);

    s->pages = malloc(size);
    if (!s->pages)
        return -ENOMEM;
    memcpy(s->pages, dirty_map_pages(map), size);
    s->memory.pages = s->pages;
    s->memory.overlay = true;
    return 0;
}

int snapshot_take_base(struct snapshot *s, struct vm *vm, const char *folder, const char *base,
                       char *why)
{
    struct manifest manifest = {0};
    int at = -1, error;

    if (!vm_dirty_is_on(&vm->dirty))
        return snapshot_complain(why, -ESTALE,
                                 "nobody knows what the VM has written since '%s': take a whole "
                                 "snapshot with --track first",
                                 base);
    error = open_base(&manifest, base, &at, why);
    if (!error)
        error = check(&manifest, &vm->dirty.map, base, why);
    if (!error)
        error = check_chain(at, &manifest, base, why);
    if (!error) {
        strcpy(s->manifest.base_digest, manifest.digest);
        s->manifest.base = chain_name_base(folder, base);
        error = s->manifest.base ? copy_pages(s, vm_dirty_map(vm)) : -ENOMEM;
    }
    if (at >= 0)
        close(at);
    manifest_free(&manifest);
    return error;
}
