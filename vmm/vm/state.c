/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/util/log.h"

#define STATE_MAGIC    0x3245544154534e52ull /* "RNSTATE2" */
#define STATE_ALIGN    64u
#define STATE_GROW     (1ull << 20)
#define STATE_RESERVED (1ull << 32) /* addresses only: memory is taken as blocks come */

/* At the start of the area. */
struct state_header {
    uint64_t magic;
    uint64_t used;     /* bytes, from the start of the area: the end of the last block */
    uint64_t sequence; /* of the latest commit */
    uint64_t pad[5];
};
_Static_assert(sizeof(struct state_header) == STATE_ALIGN, "state header layout");

/*
 * Before each block's bytes. Blocks follow each other without gaps. Of two blocks of one name
 * the one with the higher sequence counts; this is so only between the two stores of a commit.
 */
struct state_block {
    char name[STATE_NAME_MAX];
    uint64_t sequence; /* 0: free, or not committed */
    uint64_t size;
    uint64_t room; /* for the bytes; a multiple of STATE_ALIGN */
    uint32_t version;
    uint32_t pending; /* 1: from state_begin() to its end */
    uint32_t claimed; /* 1: this vmm has asked for it, or made it */
    uint32_t pad[3];
};
_Static_assert(sizeof(struct state_block) == 2 * STATE_ALIGN, "state block layout");

static struct state_header *state_header(const struct state_area *area)
{
    return (struct state_header *)(void *)area->base;
}

static struct state_block *state_block_of(const void *block)
{
    return (struct state_block *)((uintptr_t)block - sizeof(struct state_block));
}

static void *state_bytes(struct state_block *block)
{
    return block + 1;
}

static uint64_t state_round(uint64_t size, uint64_t to)
{
    return (size + to - 1) / to * to;
}

/* The blocks in order: the first for NULL, NULL after the last. */
static struct state_block *state_next(const struct state_area *area, struct state_block *block)
{
    uint64_t offset = sizeof(struct state_header);

    if (block)
        offset = (uint64_t)((uint8_t *)state_bytes(block) - area->base) + block->room;
    return offset < state_header(area)->used ? (struct state_block *)(void *)(area->base + offset)
                                             : NULL;
}

/* Maps far more than there is: what lies behind the object's end comes when it grows. */
static int state_map(struct state_area *area, int fd)
{
    void *base =
        mmap(NULL, STATE_RESERVED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (base == MAP_FAILED) {
        log_error("cannot map the state area: %s", strerror(errno));
        return -errno;
    }
    *area = (struct state_area){.fd = fd, .base = base, .reserved = STATE_RESERVED};
    return 0;
}

static int state_grow(struct state_area *area, uint64_t size)
{
    size = state_round(size, STATE_GROW);
    if (size <= area->size)
        return 0;
    if (size > area->reserved || ftruncate(area->fd, (off_t)size) != 0)
        return -ENOMEM;
    area->size = size;
    return 0;
}

int state_create(struct state_area *area)
{
    int fd = memfd_create("ringvisor-state", MFD_CLOEXEC);
    int error;

    if (fd < 0) {
        log_error("cannot make the state area: %s", strerror(errno));
        return -errno;
    }
    error = state_map(area, fd);
    if (error) {
        close(fd);
        return error;
    }
    error = state_grow(area, sizeof(struct state_header));
    if (error) {
        log_error("cannot make the state area: %s", strerror(-error));
        state_close(area);
        return error;
    }
    *state_header(area) =
        (struct state_header){.magic = STATE_MAGIC, .used = sizeof(struct state_header)};
    return 0;
}

/* Sequences count from 0, so one beyond this was not written by us; and it never overflows. */
#define STATE_SEQUENCE_MAX (UINT64_MAX / 2)

/* Does the chain of blocks end where the header says? Nothing of it is believed. */
static bool state_is_whole(const struct state_area *area)
{
    const struct state_header *header = state_header(area);
    uint64_t at = sizeof(*header);

    if (header->magic != STATE_MAGIC || header->used > area->size ||
        header->sequence > STATE_SEQUENCE_MAX)
        return false;
    while (at < header->used) {
        const struct state_block *block = (const void *)(area->base + at);

        if (header->used - at < sizeof(*block) || block->room % STATE_ALIGN ||
            block->room > header->used - at - sizeof(*block) || block->size > block->room ||
            !memchr(block->name, '\0', sizeof(block->name)) || block->sequence > header->sequence)
            return false;
        at += sizeof(*block) + block->room;
    }
    return at == header->used;
}

static struct state_block *state_named(const struct state_area *area, const char *name)
{
    struct state_block *found = NULL;

    for (struct state_block *b = state_next(area, NULL); b; b = state_next(area, b))
        if (b->sequence && strcmp(b->name, name) == 0 && (!found || b->sequence > found->sequence))
            found = b;
    return found;
}

int state_attach(struct state_area *area, int fd)
{
    struct stat st;
    int error = fstat(fd, &st) != 0 ? -errno : state_map(area, fd);

    if (error) {
        close(fd);
        return error;
    }
    area->size = (size_t)st.st_size;
    if (area->size < sizeof(struct state_header) || area->size > area->reserved ||
        !state_is_whole(area)) {
        log_error("the state area that was left is damaged: the guest cannot be taken over");
        state_close(area);
        return -EINVAL;
    }
    for (struct state_block *b = state_next(area, NULL); b; b = state_next(area, b)) {
        b->pending = 0;
        b->claimed = 0;
        if (b->sequence && state_named(area, b->name) != b)
            b->sequence = 0;
    }
    return 0;
}

int state_copy(int fd)
{
    struct stat st;
    int copy = fstat(fd, &st) != 0 ? -errno : memfd_create("ringvisor-state", MFD_CLOEXEC);
    off_t at = 0;
    ssize_t n = 0;

    if (copy < 0)
        return -errno;
    while (at < st.st_size && (n = sendfile(copy, fd, &at, (size_t)(st.st_size - at))) > 0)
        ;
    if (at == st.st_size)
        return copy;
    n = n < 0 ? -errno : -EIO;
    close(copy);
    return (int)n;
}

void state_close(struct state_area *area)
{
    if (!area->base)
        return;
    munmap(area->base, area->reserved);
    close(area->fd);
    *area = (struct state_area){.fd = -1};
}

/* A free block that is large enough, or a new one behind the last; not committed. */
static struct state_block *state_take(struct state_area *area, const char *name, uint32_t version,
                                      size_t size)
{
    struct state_header *header = state_header(area);
    struct state_block *block;

    if (size > area->reserved) {
        log_error("state block '%s': no room for %zu bytes", name, size);
        return NULL;
    }
    for (block = state_next(area, NULL); block; block = state_next(area, block))
        if (!block->sequence && !block->pending && block->room >= size)
            break;
    if (!block) {
        uint64_t room = state_round(size, STATE_ALIGN);

        if (state_grow(area, header->used + sizeof(*block) + room)) {
            log_error("state block '%s': no room for %zu bytes", name, size);
            return NULL;
        }
        block = (struct state_block *)(void *)(area->base + header->used);
        *block = (struct state_block){.room = room};
        /* Only now is there a block for who attaches. */
        __atomic_store_n(&header->used, header->used + sizeof(*block) + room, __ATOMIC_RELEASE);
    }
    memset(block->name, 0, sizeof(block->name));
    memcpy(block->name, name, strlen(name));
    block->version = version;
    block->size = size;
    block->claimed = 1;
    memset(state_bytes(block), 0, block->room);
    return block;
}

static void state_validate(struct state_area *area, struct state_block *block)
{
    struct state_header *header = state_header(area);

    __atomic_store_n(&header->sequence, header->sequence + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&block->sequence, header->sequence, __ATOMIC_RELEASE);
}

void *state_alloc(struct state_area *area, const char *name, uint32_t version, size_t size)
{
    struct state_block *block;

    if (strlen(name) >= STATE_NAME_MAX) {
        log_error("state block '%s': the name is too long", name);
        return NULL;
    }
    if (state_named(area, name)) {
        log_error("state block '%s': there is one of this name", name);
        return NULL;
    }
    block = state_take(area, name, version, size);
    if (!block)
        return NULL;
    state_validate(area, block);
    return state_bytes(block);
}

bool state_lookup(const struct state_area *area, const char *name, struct state_found *found)
{
    struct state_block *block = state_named(area, name);

    if (!block)
        return false;
    block->claimed = 1;
    *found = (struct state_found){state_bytes(block), block->size, block->version};
    return true;
}

void *state_open(struct state_area *area, bool resume, const char *name, uint32_t version,
                 size_t size)
{
    struct state_found found;

    if (!resume)
        return state_alloc(area, name, version, size);
    if (!state_lookup(area, name, &found)) {
        log_error("state block '%s' is missing: the guest cannot be taken over", name);
        return NULL;
    }
    if (found.version != version || found.size != size) {
        log_error("state block '%s': it is there with version %" PRIu32 " and %zu bytes, not "
                  "%" PRIu32 " and %zu: the guest cannot be taken over",
                  name, found.version, found.size, version, size);
        return NULL;
    }
    return found.at;
}

void state_claim(const struct state_area *area, const char *beginning)
{
    for (struct state_block *b = state_next(area, NULL); b; b = state_next(area, b))
        if (strncmp(b->name, beginning, strlen(beginning)) == 0)
            b->claimed = 1;
}

const char *state_unclaimed(const struct state_area *area)
{
    for (struct state_block *b = state_next(area, NULL); b; b = state_next(area, b))
        if (b->sequence && !b->claimed)
            return b->name;
    return NULL;
}

size_t state_used(const struct state_area *area)
{
    return (size_t)state_header(area)->used;
}

void state_omit(void *copy, const char *name)
{
    const struct state_area area = {.fd = -1, .base = copy};
    struct state_block *block = state_named(&area, name);

    if (!block)
        return;
    block->sequence = 0;
    memset(state_bytes(block), 0, block->room);
}

void *state_begin(struct state_area *area, const void *old, uint32_t version, size_t size)
{
    struct state_block *block = state_take(area, state_block_of(old)->name, version, size);

    if (!block)
        return NULL;
    block->pending = 1;
    return state_bytes(block);
}

void state_commit(struct state_area *area, void *old, void *new)
{
    state_validate(area, state_block_of(new));
    state_block_of(new)->pending = 0;
    __atomic_store_n(&state_block_of(old)->sequence, 0, __ATOMIC_RELEASE);
}

void state_abort(void *new)
{
    state_block_of(new)->pending = 0;
}

void *state_resize(struct state_area *area, void *block, size_t size)
{
    struct state_block *old = state_block_of(block);
    size_t keep = size < old->size ? size : old->size;
    void *new;

    if (size <= old->room) {
        memset((uint8_t *)block + keep, 0, old->room - keep);
        __atomic_store_n(&old->size, size, __ATOMIC_RELEASE);
        return block;
    }
    new = state_begin(area, block, old->version, size);
    if (!new)
        return NULL;
    memcpy(new, block, keep);
    state_commit(area, block, new);
    return new;
}

size_t state_size(const void *block)
{
    return (size_t)state_block_of(block)->size;
}
