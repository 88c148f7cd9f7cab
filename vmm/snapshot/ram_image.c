/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/ram_image.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "vmm/util/bits.h"
#include "vmm/util/thread.h"

#define RAM_MAGIC   0x314d415256525652ull /* "RVRVRAM1" */
#define RAM_OVERLAY 0x324d415256525652ull /* "RVRVRAM2": an overlay */
#define RAM_CHUNK   RAM_IMAGE_CHUNK
#define RAM_LEVEL   1 /* of zstd: the guest waits */
#define THREADS_MAX 16

struct ram_header {
    uint64_t magic;       /* 0x00 */
    uint64_t memory_size; /* 0x08 bytes */
    uint64_t chunk_size;  /* 0x10 */
    uint64_t nr_chunks;   /* 0x18 */
    uint64_t pad[4];      /* 0x20 */
};
_Static_assert(sizeof(struct ram_header) == 64, "file layout");

struct ram_entry {
    uint64_t offset;                   /* 0x00 in the file */
    uint64_t stored;                   /* 0x08 bytes there; 0: the chunk is zeros, or as before */
    unsigned char digest[DIGEST_SIZE]; /* 0x10 of these bytes */
};
_Static_assert(sizeof(struct ram_entry) == 48, "file layout");

#define PAGE        4096u
#define CHUNK_PAGES (RAM_CHUNK / PAGE)

/* Which pages an overlay has of a chunk: page 0 is bit 0 of word 0. */
struct ram_pages {
    uint64_t bits[CHUNK_PAGES / BITS_WORD];
};
_Static_assert(sizeof(struct ram_pages) == 32, "file layout");

/* What a thread works with. */
struct ram_tools {
    ZSTD_CCtx *deflate; /* to write, or */
    ZSTD_DCtx *inflate; /* to read */
    uint8_t *stored;    /* a chunk as it is stored */
    uint8_t *packed;    /* the pages of an overlay's chunk, one after another */
};

/* What the threads share. */
struct ram_job {
    const struct ram_memory *memory;
    struct ram_entry *table;
    uint64_t nr_chunks;
    int fd;
    bool writes;
    const atomic_bool *cancelled; /* or NULL */
    atomic_uint_fast64_t next;    /* chunk */
    atomic_uint_fast64_t end;     /* of the file so far */
    atomic_int error;             /* the first one */
};

static uint64_t chunks_of(uint64_t size)
{
    return (size + RAM_CHUNK - 1) / RAM_CHUNK;
}

static size_t head_size(uint64_t nr_chunks)
{
    return sizeof(struct ram_header) + nr_chunks * sizeof(struct ram_entry);
}

static size_t chunk_size(const struct ram_memory *memory, uint64_t chunk)
{
    uint64_t left = memory->size - chunk * RAM_CHUNK;

    return left < RAM_CHUNK ? left : RAM_CHUNK;
}

/* A hole is not looked at: that would give it memory. */
static bool is_zero(const struct ram_memory *memory, uint64_t chunk, size_t size)
{
    const uint8_t *at = memory->at + chunk * RAM_CHUNK;
    off_t from = (off_t)(memory->offset + chunk * RAM_CHUNK);
    off_t data = memory->fd >= 0 ? lseek(memory->fd, from, SEEK_DATA) : from;

    if ((data < 0 && errno == ENXIO) || data >= from + (off_t)size)
        return true;
    return at[0] == 0 && memcmp(at, at + 1, size - 1) == 0;
}

/* What an entry's bytes can be at most. */
static size_t stored_max(void)
{
    return sizeof(struct ram_pages) + ZSTD_compressBound(RAM_CHUNK);
}

static void tools_free(struct ram_tools *tools)
{
    ZSTD_freeCCtx(tools->deflate);
    ZSTD_freeDCtx(tools->inflate);
    free(tools->stored);
    free(tools->packed);
    *tools = (struct ram_tools){0};
}

static int tools_make(struct ram_tools *tools, const struct ram_job *job)
{
    *tools = (struct ram_tools){
        .deflate = job->writes ? ZSTD_createCCtx() : NULL,
        .inflate = job->writes ? NULL : ZSTD_createDCtx(),
        .stored = malloc(stored_max()),
        .packed = malloc(RAM_CHUNK),
    };
    if (tools->stored && tools->packed && (tools->deflate || tools->inflate))
        return 0;
    tools_free(tools);
    return -ENOMEM;
}

static uint8_t *page_at(const struct ram_job *job, uint64_t chunk, uint64_t page)
{
    return job->memory->at + chunk * RAM_CHUNK + page * PAGE;
}

/* The pages of the chunk that are in `pages`: their number. They come to, or from, tools->packed. */
static size_t move_pages(const struct ram_job *job, uint64_t chunk, const struct ram_pages *pages,
                         struct ram_tools *tools, bool pack)
{
    uint8_t *at = tools->packed;

    for (uint64_t i = 0; (i = bits_next(pages->bits, i, CHUNK_PAGES)) < CHUNK_PAGES; i++) {
        if (pack)
            memcpy(at, page_at(job, chunk, i), PAGE);
        else
            memcpy(page_at(job, chunk, i), at, PAGE);
        at += PAGE;
    }
    return (size_t)(at - tools->packed) / PAGE;
}

/* The bytes in tools->stored; 0: none. Negative: -errno. */
static ssize_t deflate(struct ram_tools *tools, size_t offset, const void *from, size_t size)
{
    size_t stored = ZSTD_compressCCtx(tools->deflate, tools->stored + offset,
                                      ZSTD_compressBound(RAM_CHUNK), from, size, RAM_LEVEL);

    return ZSTD_isError(stored) ? -ENOMEM : (ssize_t)(offset + stored);
}

static ssize_t save_whole(struct ram_job *job, uint64_t chunk, struct ram_tools *tools)
{
    size_t size = chunk_size(job->memory, chunk);

    if (is_zero(job->memory, chunk, size))
        return 0;
    return deflate(tools, 0, page_at(job, chunk, 0), size);
}

static ssize_t save_pages(struct ram_job *job, uint64_t chunk, struct ram_tools *tools)
{
    size_t size = chunk_size(job->memory, chunk);
    struct ram_pages pages = {0};

    for (uint64_t i = 0; i < size / PAGE; i++)
        if (bits_get(job->memory->pages, chunk * CHUNK_PAGES + i))
            bits_change(pages.bits, i, i + 1, true);
    if (bits_next(pages.bits, 0, CHUNK_PAGES) == CHUNK_PAGES)
        return 0;
    memcpy(tools->stored, &pages, sizeof(pages));
    if (is_zero(job->memory, chunk, size))
        return sizeof(pages);
    return deflate(tools, sizeof(pages), tools->packed,
                   PAGE * move_pages(job, chunk, &pages, tools, true));
}

static int save_chunk(struct ram_job *job, uint64_t chunk, struct ram_tools *tools)
{
    ssize_t stored =
        job->memory->overlay ? save_pages(job, chunk, tools) : save_whole(job, chunk, tools);
    struct ram_entry *entry = &job->table[chunk];

    if (stored <= 0)
        return (int)stored;
    digest_bytes(tools->stored, (size_t)stored, entry->digest);
    entry->stored = (uint64_t)stored;
    entry->offset = atomic_fetch_add(&job->end, entry->stored);
    return part_write_at(job->fd, tools->stored, entry->stored, entry->offset);
}

/* Of memory that may not be there yet. */
static int bring_and_save_chunk(struct ram_job *job, uint64_t chunk, struct ram_tools *tools)
{
    const struct ram_memory *memory = job->memory;
    size_t size = chunk_size(memory, chunk);
    int error = memory->bring ? memory->bring(memory->opaque, chunk * RAM_CHUNK, size) : 0;

    if (!error)
        error = save_chunk(job, chunk, tools);
    if (memory->drop)
        memory->drop(memory->opaque, chunk * RAM_CHUNK, size);
    return error;
}

static int inflate(struct ram_tools *tools, void *to, size_t size, size_t offset, size_t stored)
{
    return ZSTD_decompressDCtx(tools->inflate, to, size, tools->stored + offset, stored - offset) ==
                   size
               ? 0
               : -EBADMSG;
}

static int load_pages(struct ram_job *job, uint64_t chunk, struct ram_tools *tools, size_t stored)
{
    uint64_t end = chunk_size(job->memory, chunk) / PAGE, nr = 0;
    struct ram_pages pages;
    int error;

    if (stored < sizeof(pages))
        return -EBADMSG;
    memcpy(&pages, tools->stored, sizeof(pages));
    if (bits_next(pages.bits, end, CHUNK_PAGES) < CHUNK_PAGES)
        return -EBADMSG;
    for (unsigned i = 0; i < sizeof(pages.bits) / sizeof(pages.bits[0]); i++)
        nr += (unsigned)__builtin_popcountll(pages.bits[i]);
    if (stored == sizeof(pages)) {
        memset(tools->packed, 0, nr * PAGE);
    } else {
        error = inflate(tools, tools->packed, nr * PAGE, sizeof(pages), stored);
        if (error)
            return error;
    }
    move_pages(job, chunk, &pages, tools, false);
    return 0;
}

static int load_chunk(struct ram_job *job, uint64_t chunk, struct ram_tools *tools)
{
    const struct ram_entry *entry = &job->table[chunk];
    unsigned char digest[DIGEST_SIZE];
    int error;

    if (!entry->stored)
        return 0;
    error = part_read_at(job->fd, tools->stored, entry->stored, entry->offset);
    if (error)
        return error;
    digest_bytes(tools->stored, entry->stored, digest);
    if (memcmp(digest, entry->digest, sizeof(digest)) != 0)
        return -EBADMSG;
    if (job->memory->overlay)
        return load_pages(job, chunk, tools, entry->stored);
    return inflate(tools, page_at(job, chunk, 0), chunk_size(job->memory, chunk), 0, entry->stored);
}

static void *work(void *opaque)
{
    struct ram_job *job = opaque;
    struct ram_tools tools;
    int error = tools_make(&tools, job), none = 0;

    while (!error && !job->error) {
        uint64_t chunk = atomic_fetch_add(&job->next, 1);

        if (chunk >= job->nr_chunks)
            break;
        if (job->cancelled && *job->cancelled)
            error = -ECANCELED;
        else
            error = job->writes ? bring_and_save_chunk(job, chunk, &tools)
                                : load_chunk(job, chunk, &tools);
    }
    if (error)
        atomic_compare_exchange_strong(&job->error, &none, error);
    tools_free(&tools);
    return NULL;
}

static uint64_t magic_of(const struct ram_memory *memory)
{
    return memory->overlay ? RAM_OVERLAY : RAM_MAGIC;
}

/* This thread works, too: with no other there is one. */
static int run(struct ram_job *job)
{
    pthread_t threads[THREADS_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int wanted = cpus > THREADS_MAX ? THREADS_MAX : (int)cpus, started = 0;

    while (started < wanted - 1 && thread_start(&threads[started], work, job) == 0)
        started++;
    work(job);
    while (started)
        pthread_join(threads[--started], NULL);
    return job->error;
}

int ram_image_write(int folder, const struct ram_memory *memory, const atomic_bool *cancelled,
                    struct snapshot_part *part)
{
    uint64_t nr_chunks = chunks_of(memory->size);
    struct ram_header *header = calloc(1, head_size(nr_chunks));
    struct ram_job job = {.memory = memory,
                          .nr_chunks = nr_chunks,
                          .writes = true,
                          .cancelled = cancelled,
                          .end = head_size(nr_chunks)};
    unsigned char digest[DIGEST_SIZE];
    int error;

    if (!header)
        return -ENOMEM;
    *header = (struct ram_header){magic_of(memory), memory->size, RAM_CHUNK, nr_chunks, {0}};
    job.table = (struct ram_entry *)(void *)(header + 1);
    job.fd = part_create(folder, RAM_IMAGE_FILE);
    error = job.fd < 0 ? job.fd : run(&job);
    if (!error)
        error = part_write_at(job.fd, header, head_size(nr_chunks), 0);
    *part = (struct snapshot_part){.file = RAM_IMAGE_FILE, .size = job.end};
    digest_bytes(header, head_size(nr_chunks), digest);
    digest_text(digest, part->digest);
    if (job.fd >= 0 && close(job.fd) && !error)
        error = -errno;
    free(header);
    return error;
}

/* Header and table, of which nothing is believed before the digest is right. */
static int read_head(struct ram_job *job, const struct snapshot_part *part,
                     struct ram_header *header)
{
    uint64_t nr_chunks = job->nr_chunks;
    unsigned char digest[DIGEST_SIZE];
    char text[DIGEST_TEXT];
    int error = part_read_at(job->fd, header, head_size(nr_chunks), 0);

    if (error)
        return error;
    digest_bytes(header, head_size(nr_chunks), digest);
    digest_text(digest, text);
    if (strcmp(text, part->digest) != 0 || header->magic != magic_of(job->memory) ||
        header->memory_size != job->memory->size || header->chunk_size != RAM_CHUNK ||
        header->nr_chunks != nr_chunks)
        return -EBADMSG;
    for (uint64_t i = 0; i < nr_chunks; i++) {
        const struct ram_entry *entry = &job->table[i];

        if (entry->stored > stored_max() || entry->offset > part->size ||
            entry->stored > part->size - entry->offset)
            return -EBADMSG;
    }
    return 0;
}

struct ram_image {
    struct ram_memory memory;
    struct ram_job job;
    struct ram_header *header;
    struct ram_tools tools; /* of ram_image_load() */
};

int ram_image_open(int folder, const struct snapshot_part *part, const struct ram_memory *memory,
                   struct ram_image **image)
{
    struct ram_image *new = calloc(1, sizeof(*new));
    uint64_t nr_chunks = chunks_of(memory->size);
    int error = new ? 0 : -ENOMEM;

    *image = NULL;
    if (!error && part->size < head_size(nr_chunks))
        error = -EBADMSG;
    if (error) {
        free(new);
        return error;
    }
    new->memory = *memory;
    new->header = calloc(1, head_size(nr_chunks));
    new->job = (struct ram_job){
        .memory = &new->memory,
        .table = (struct ram_entry *)(void *)(new->header + 1),
        .nr_chunks = nr_chunks,
        .fd = part_open(folder, part),
    };
    if (new->job.fd < 0)
        error = new->job.fd;
    else if (!new->header || tools_make(&new->tools, &new->job))
        error = -ENOMEM;
    else
        error = read_head(&new->job, part, new->header);
    if (error) {
        ram_image_close(new);
        return error;
    }
    *image = new;
    return 0;
}

int ram_image_load(struct ram_image *image, uint64_t offset, uint64_t size)
{
    uint64_t end = chunks_of(offset + size);
    int error = 0;

    for (uint64_t i = offset / RAM_CHUNK; i < end && i < image->job.nr_chunks && !error; i++)
        error = load_chunk(&image->job, i, &image->tools);
    return error;
}

void ram_image_close(struct ram_image *image)
{
    if (!image)
        return;
    if (image->job.fd >= 0)
        close(image->job.fd);
    tools_free(&image->tools);
    free(image->header);
    free(image);
}

int ram_image_read(int folder, const struct snapshot_part *part, const struct ram_memory *memory)
{
    struct ram_image *image;
    int error = ram_image_open(folder, part, memory, &image);

    if (!error)
        error = run(&image->job);
    ram_image_close(image);
    return error;
}
