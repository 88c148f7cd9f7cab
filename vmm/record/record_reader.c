/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringvisor/vmm.h>
#include <zstd.h>

#include "vmm/board/board.h"
#include "vmm/gic/vgic.h"
#include "vmm/record/record_file.h"
#include "vmm/record/record_file_internal.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

const char *const record_blocks[] = {"vm", "gic", "psci", "sysreg", "code", NULL};

#define PACKED_MAX ZSTD_COMPRESSBOUND(RECORD_BLOCK_MAX)

struct record_reader {
    FILE *file;
    char *path;
    ZSTD_DCtx *zstd;
    uint64_t blocks; /* read so far */
    bool started;    /* the first item has been seen, and these numbers of it: */
    uint32_t nr_pcpus, nr_vcpus;
    uint64_t ram_size;
    bool ended, failed, current; /* `item` holds */
    struct record_item item;
    size_t at, used; /* of `block` */
    uint8_t packed[PACKED_MAX];
    _Alignas(8) uint8_t block[RECORD_BLOCK_MAX];
};

static const struct record_item *damaged(struct record_reader *reader, const char *why)
{
    if (!reader->failed)
        log_error("recording '%s': %s (block %llu, byte %zu of it)", reader->path, why,
                  (unsigned long long)reader->blocks, reader->at);
    reader->failed = true;
    return NULL;
}

/*
 * What an item has to be, by its type. `rest`: of what its fixed part may be followed by.
 */

static bool start_is_good(struct record_reader *reader, const struct record_head *head,
                          const uint8_t *at)
{
    struct record_start start;
    struct record_region region;
    uint64_t end = 0;

    memcpy(&start, at, sizeof(start));
    if (reader->started || start.ram_size == 0 || start.ram_size % RV_BLOCK_SIZE ||
        start.ram_size > BOARD_RAM_SIZE_MAX || start.nr_vcpus == 0 ||
        start.nr_vcpus > VM_MAX_VCPUS || start.nr_pcpus == 0 || start.nr_pcpus > start.nr_vcpus ||
        start.blind > 1 || start.nr_lrs == 0 || start.nr_lrs > RECORD_LRS_MAX ||
        start.has_tdir > 1 || start.slice_ns == 0 || start.runs > 1 ||
        start.nr_regions > RECORD_REGIONS_MAX ||
        head->size != sizeof(start) + start.nr_regions * sizeof(region))
        return false;
    for (uint32_t i = 0; i < start.nr_regions; i++) {
        memcpy(&region, at + sizeof(start) + i * sizeof(region), sizeof(region));
        if (region.size == 0 || region.start + (region.size - 1) < region.start ||
            (i > 0 && region.start <= end) ||
            memchr(region.name, '\0', sizeof(region.name)) == NULL)
            return false;
        end = region.start + (region.size - 1);
    }
    reader->started = true;
    reader->nr_pcpus = start.nr_pcpus;
    reader->nr_vcpus = start.nr_vcpus;
    reader->ram_size = start.ram_size;
    return true;
}

static bool vcpu_is_good(struct record_reader *reader, const struct record_head *head,
                         const uint8_t *at)
{
    struct record_vcpu vcpu;

    memcpy(&vcpu, at, offsetof(struct record_vcpu, page));
    return head->vcpu < reader->nr_vcpus && vcpu.pcpu < reader->nr_pcpus && vcpu.is_on <= 1;
}

static bool state_is_good(struct record_reader *reader, const struct record_head *head,
                          const uint8_t *at)
{
    struct record_state state;
    uint64_t piece = head->size - sizeof(state);

    memcpy(&state, at, sizeof(state));
    return memchr(state.name, '\0', sizeof(state.name)) != NULL && piece > 0 &&
           state.offset < state.size && piece <= state.size - state.offset;
}

static bool chunks_are_good(struct record_reader *reader, const struct record_head *head,
                            const uint8_t *at)
{
    struct record_chunk chunk;
    size_t fixed = sizeof(struct rv_event); /* and of a command */

    if (head->vcpu != RECORD_NO_VCPU && head->vcpu >= reader->nr_vcpus)
        return false;
    if ((head->size - fixed) % sizeof(chunk) ||
        (head->vcpu == RECORD_NO_VCPU && head->size != fixed))
        return false;
    for (size_t i = fixed; i < head->size; i += sizeof(chunk)) {
        memcpy(&chunk, at + i, sizeof(chunk));
        if (chunk.index >= RECORD_CHUNKS)
            return false;
    }
    return true;
}

static bool line_is_good(struct record_reader *reader, const struct record_head *head,
                         const uint8_t *at)
{
    struct record_line line;

    memcpy(&line, at, sizeof(line));
    return line.intid >= VGIC_NR_PRIVATE && line.intid < VGIC_NR_INTIDS && line.level <= 1;
}

static bool dirty_is_good(struct record_reader *reader, const struct record_head *head,
                          const uint8_t *at)
{
    struct record_dirty dirty;
    uint64_t offset;

    memcpy(&dirty, at, sizeof(dirty));
    offset = dirty.ipa - BOARD_RAM_BASE;
    return dirty.ipa >= BOARD_RAM_BASE && offset < reader->ram_size &&
           dirty.size <= reader->ram_size - offset;
}

static bool request_is_good(struct record_reader *reader, const struct record_head *head,
                            const uint8_t *at)
{
    struct record_request request;

    memcpy(&request, at, sizeof(request));
    return request.type <= RV_REQUEST_PANIC;
}

static bool load_is_good(struct record_reader *reader, const struct record_head *head,
                         const uint8_t *at)
{
    struct record_load load;

    memcpy(&load, at, sizeof(load));
    return load.size >= 1 && load.size <= sizeof(load.value);
}

static bool access_is_good(struct record_reader *reader, const struct record_head *head,
                           const uint8_t *at)
{
    struct record_access access;

    memcpy(&access, at, sizeof(access));
    return access.size >= 1 && access.size <= 8 && (access.size & (access.size - 1)) == 0 &&
           access.is_write <= 1 && access.error <= 0;
}

static bool entropy_is_good(struct record_reader *reader, const struct record_head *head,
                            const uint8_t *at)
{
    struct record_entropy entropy;

    memcpy(&entropy, at, sizeof(entropy));
    return entropy.error <= 0 && head->size == sizeof(entropy) + (uint64_t)entropy.size;
}

static const struct {
    uint32_t size; /* exactly, or at least if `grows` */
    bool grows;
    bool (*is_good)(struct record_reader *reader, const struct record_head *head,
                    const uint8_t *at); /* or NULL */
} types[RECORD_TYPES] = {
    [RECORD_START] = {sizeof(struct record_start), true, start_is_good},
    [RECORD_VCPU] = {sizeof(struct record_vcpu), false, vcpu_is_good},
    [RECORD_STATE] = {sizeof(struct record_state), true, state_is_good},
    [RECORD_EVENT] = {sizeof(struct rv_event), true, chunks_are_good},
    [RECORD_HANDLE] = {sizeof(uint64_t), false, NULL},
    [RECORD_SCHEDULE] = {sizeof(uint64_t), false, NULL},
    [RECORD_NOTIFIED] = {0, false, NULL},
    [RECORD_LINE] = {sizeof(struct record_line), false, line_is_good},
    [RECORD_DIRTY] = {sizeof(struct record_dirty), false, dirty_is_good},
    [RECORD_REQUEST] = {sizeof(struct record_request), false, request_is_good},
    [RECORD_LOAD] = {sizeof(struct record_load), false, load_is_good},
    [RECORD_ACCESS] = {sizeof(struct record_access), false, access_is_good},
    [RECORD_ENTROPY] = {sizeof(struct record_entropy), true, entropy_is_good},
    [RECORD_COMMAND] = {sizeof(struct rv_command), true, chunks_are_good},
    [RECORD_END] = {0, true, NULL},
};

static bool item_is_good(struct record_reader *reader, const struct record_head *head,
                         const uint8_t *at)
{
    if (head->type == 0 || head->type >= RECORD_TYPES)
        return false;
    if (types[head->type].grows ? head->size < types[head->type].size
                                : head->size != types[head->type].size)
        return false;
    if (!reader->started && head->type != RECORD_START)
        return false;
    if (reader->started && head->pcpu >= reader->nr_pcpus)
        return false;
    return !types[head->type].is_good || types[head->type].is_good(reader, head, at);
}

/*
 * Blocks
 */

/* False after a message: there is no further block. */
static bool next_block(struct record_reader *reader)
{
    struct record_block block;
    size_t n = fread(&block, 1, sizeof(block), reader->file);

    if (n < sizeof(block)) {
        damaged(reader, ferror(reader->file) ? strerror(errno)
                        : n == 0             ? "it is cut: it ends before the recording did"
                                             : "it is cut in the head of a block");
        return false;
    }
    if (block.packed == 0 || block.packed > PACKED_MAX || block.size == 0 ||
        block.size > RECORD_BLOCK_MAX) {
        damaged(reader, "the head of a block is damaged");
        return false;
    }
    if (fread(reader->packed, 1, block.packed, reader->file) < block.packed) {
        damaged(reader, "it is cut in a block");
        return false;
    }
    n = ZSTD_decompressDCtx(reader->zstd, reader->block, sizeof(reader->block), reader->packed,
                            block.packed);
    if (ZSTD_isError(n) || n != block.size) {
        damaged(reader, ZSTD_isError(n) ? ZSTD_getErrorName(n) : "a block has the wrong size");
        return false;
    }
    reader->blocks++;
    reader->at = 0;
    reader->used = n;
    return true;
}

const struct record_item *record_peek(struct record_reader *reader)
{
    struct record_item *item = &reader->item;

    if (reader->current || reader->ended)
        return &reader->item;
    if (reader->failed || (reader->at == reader->used && !next_block(reader)))
        return NULL;
    if (reader->used - reader->at < sizeof(item->head))
        return damaged(reader, "an item is cut");
    memcpy(&item->head, reader->block + reader->at, sizeof(item->head));
    item->at = reader->block + reader->at + sizeof(item->head);
    if (item->head.size > reader->used - reader->at - sizeof(item->head))
        return damaged(reader, "an item is longer than its block");
    if (!item_is_good(reader, &item->head, item->at))
        return damaged(reader, "an item is damaged");
    reader->at += sizeof(item->head) + item->head.size;
    reader->ended = item->head.type == RECORD_END;
    reader->current = true;
    return item;
}

void record_next(struct record_reader *reader)
{
    reader->current = false;
}

/*
 * Opening and closing
 */

static struct record_reader *reader_of(FILE *file, const char *path)
{
    struct record_reader *reader = file ? calloc(1, sizeof(*reader)) : NULL;
    struct record_magic magic;

    if (!reader) {
        log_error("recording '%s': %s", path, strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    reader->file = file;
    reader->path = strdup(path);
    reader->zstd = ZSTD_createDCtx();
    if (!reader->path || !reader->zstd) {
        log_error("recording '%s': out of memory", path);
    } else if (fread(&magic, 1, sizeof(magic), file) < sizeof(magic) ||
               magic.magic != RECORD_MAGIC) {
        log_error("'%s' is no recording: `vmm record` makes one", path);
    } else if (magic.version != RECORD_VERSION) {
        log_error("recording '%s' has version %u; this vmm reads version %u", path, magic.version,
                  RECORD_VERSION);
    } else if (magic.abi_major != RV_ABI_MAJOR || magic.abi_minor != RV_ABI_MINOR) {
        log_error("recording '%s' is of ABI %u.%u between stub and vmm; this vmm has %u.%u", path,
                  magic.abi_major, magic.abi_minor, RV_ABI_MAJOR, RV_ABI_MINOR);
    } else {
        return reader;
    }
    record_reader_close(reader);
    return NULL;
}

struct record_reader *record_reader_open(const char *path)
{
    return reader_of(fopen(path, "rbe"), path);
}

struct record_reader *record_reader_memory(const void *data, size_t size, const char *path)
{
    /* fmemopen() takes no const, and does not write when it opens to read. */
    return reader_of(fmemopen((void *)(uintptr_t)data, size, "rb"), path);
}

void record_reader_close(struct record_reader *reader)
{
    fclose(reader->file);
    ZSTD_freeDCtx(reader->zstd);
    free(reader->path);
    free(reader);
}
