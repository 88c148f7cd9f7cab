/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/util/log.h"

struct chain_link {
    char *path; /* for people */
    int folder;
    bool has_base;
    struct snapshot_part ram;
    struct ram_image *image; /* from chain_begin() on */
};

struct chain {
    struct chain_link links[CHAIN_MAX]; /* each builds on the one behind it */
    unsigned nr;
    atomic_uint failed; /* the link that chain_load_piece() could not read */
};

static int add(struct chain *chain, int folder, const char *path, const struct manifest *manifest)
{
    struct chain_link *link = &chain->links[chain->nr];

    *link = (struct chain_link){
        .path = strdup(path),
        .folder = fcntl(folder, F_DUPFD_CLOEXEC, 0),
        .has_base = manifest->base,
        .ram = manifest->ram,
    };
    chain->nr++;
    return !link->path ? -ENOMEM : link->folder < 0 ? -errno : 0;
}

static int complain(const char *path, const char *base, const char *what)
{
    log_error("snapshot '%s': its base '%s' %s", path, base, what);
    return -ESTALE;
}

/* Is `base` what `manifest`, at `path`, builds on? */
static int check(const struct manifest *manifest, const char *path, const struct manifest *base)
{
    if (strcmp(base->digest, manifest->base_digest) != 0)
        return complain(path, manifest->base, "is not the snapshot that it was made from");
    if (base->memory != manifest->memory || base->rom != manifest->rom ||
        base->vcpus != manifest->vcpus)
        return complain(path, manifest->base, "is of another VM");
    return 0;
}

/* The manifest of the base, in place of the one that names it. `*folder` is the base's then. */
static int step(const char *path, struct manifest *manifest, int *folder)
{
    int at, fd = manifest_open(*folder, manifest->base, &at);
    int error = fd < 0 ? fd : 0;
    struct manifest base = {0};

    if (error)
        log_error("snapshot '%s': its base '%s': %s", path, manifest->base, strerror(-error));
    else
        error = manifest_read_file(&base, fd, manifest->base);
    if (!error)
        error = check(manifest, path, &base);
    if (fd >= 0)
        close(fd);
    manifest_free(manifest);
    *manifest = base;
    close(*folder);
    *folder = at;
    return error;
}

/* `manifest` is a copy that is used up. */
static int follow(struct chain *chain, int folder, struct manifest *manifest)
{
    int error = 0;

    while (manifest->base && !error) {
        const char *path = chain->links[chain->nr - 1].path;
        char *base = strdup(manifest->base);

        if (chain->nr == CHAIN_MAX) {
            log_error("snapshot '%s': more than %u snapshots build on each other",
                      chain->links[0].path, CHAIN_MAX);
            error = -ELOOP;
        } else {
            error = base ? step(path, manifest, &folder) : -ENOMEM;
        }
        if (!error)
            error = add(chain, folder, base, manifest);
        free(base);
    }
    manifest_free(manifest);
    if (folder >= 0)
        close(folder);
    return error;
}

int chain_open(struct chain **chain, int folder, const char *path, const struct manifest *manifest)
{
    struct chain *new = calloc(1, sizeof(*new));
    int error = new ? add(new, folder, path, manifest) : -ENOMEM;

    *chain = NULL;
    if (!error && manifest->base) {
        struct manifest first = {
            .base = strdup(manifest->base),
            .memory = manifest->memory,
            .rom = manifest->rom,
            .vcpus = manifest->vcpus,
        };

        strcpy(first.base_digest, manifest->base_digest);
        error = follow(new, fcntl(folder, F_DUPFD_CLOEXEC, 0), &first);
    }
    if (error)
        chain_close(new);
    else
        *chain = new;
    return error;
}

unsigned chain_length(const struct chain *chain)
{
    return chain->nr;
}

static int damaged(const struct chain_link *link, int error)
{
    if (error == -EBADMSG)
        log_error("snapshot '%s': its part '%s' is damaged: it is not what was written", link->path,
                  link->ram.file);
    else if (error)
        log_error("snapshot '%s': its part '%s': %s", link->path, link->ram.file, strerror(-error));
    return error;
}

static struct ram_memory memory_for(const struct chain_link *link, const struct ram_memory *memory)
{
    struct ram_memory its = *memory;

    its.overlay = link->has_base;
    return its;
}

int chain_load(struct chain *chain, const struct ram_memory *memory)
{
    int error = 0;

    for (unsigned i = chain->nr; i-- > 0 && !error;) {
        const struct chain_link *link = &chain->links[i];
        struct ram_memory its = memory_for(link, memory);

        error = damaged(link, ram_image_read(link->folder, &link->ram, &its));
    }
    return error;
}

int chain_begin(struct chain *chain, const struct ram_memory *memory)
{
    int error = 0;

    for (unsigned i = 0; i < chain->nr && !error; i++) {
        struct chain_link *link = &chain->links[i];
        struct ram_memory its = memory_for(link, memory);

        error = damaged(link, ram_image_open(link->folder, &link->ram, &its, &link->image));
    }
    return error;
}

int chain_load_piece(struct chain *chain, uint64_t offset, uint64_t size)
{
    int error = 0;

    for (unsigned i = chain->nr; i-- > 0 && !error;) {
        error = ram_image_load(chain->links[i].image, offset, size);
        if (error)
            atomic_store(&chain->failed, i);
    }
    return error;
}

int chain_complain(const struct chain *chain, int error)
{
    return damaged(&chain->links[atomic_load(&chain->failed)], error);
}

void chain_close(struct chain *chain)
{
    for (unsigned i = 0; chain && i < chain->nr; i++) {
        struct chain_link *link = &chain->links[i];

        ram_image_close(link->image);
        if (link->folder >= 0)
            close(link->folder);
        free(link->path);
    }
    free(chain);
}

/* How long the part of a path is that its last name follows; 0: there is none. */
static size_t parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) + 1 : 0;
}

char *chain_name_base(const char *folder, const char *base)
{
    size_t parent = parent_of(folder);
    char *name;

    if (!parent || parent != parent_of(base) || strncmp(folder, base, parent) != 0)
        return strdup(base);
    return asprintf(&name, "../%s", base + parent) < 0 ? NULL : name;
}
