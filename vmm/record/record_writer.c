/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "vmm/record/record_file.h"
#include "vmm/record/record_file_internal.h"
#include "vmm/util/log.h"
#include "vmm/util/thread.h"
#include "vmm/util/write_all.h"

#define FILE_BLOCKS   8u  /* that wait for the thread, or are filled */
#define CLIENT_BLOCKS 64u /* the same: 16 MiB, of which most are never touched */

struct block {
    size_t used;
    uint8_t data[RECORD_BLOCK_MAX];
};

struct record_writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned head, tail; /* block head % nr_blocks is being filled; tail..head-1 wait */
    bool closing;
    int error;  /* the thread's */
    bool ended; /* the thread, by itself */
    int fd;
    char *path;     /* NULL: a client's connection */
    bool hurry;     /* atomic: wait for the client no more */
    bool overflown; /* it was so slow that items are missing: nothing more is taken */
    unsigned nr_blocks;
    struct block *blocks;
    uint8_t packed[ZSTD_COMPRESSBOUND(RECORD_BLOCK_MAX)];
};

static int write_out(struct record_writer *writer, const void *data, size_t size)
{
    return writer->path ? write_all(writer->fd, data, size)
                        : write_to_reader(writer->fd, data, size, &writer->hurry);
}

/* 0, or -errno: of a file after a message. */
static int write_block(struct record_writer *writer, ZSTD_CCtx *zstd, const struct block *block)
{
    struct record_block head = {.size = (uint32_t)block->used};
    size_t packed =
        ZSTD_compress2(zstd, writer->packed, sizeof(writer->packed), block->data, block->used);
    int error;

    if (ZSTD_isError(packed)) {
        log_error("recording '%s': %s", writer->path ? writer->path : "of a client",
                  ZSTD_getErrorName(packed));
        return -EIO;
    }
    head.packed = (uint32_t)packed;
    error = write_out(writer, &head, sizeof(head));
    if (!error)
        error = write_out(writer, writer->packed, packed);
    if (error && writer->path)
        log_error("recording '%s': %s: it is not complete", writer->path, strerror(-error));
    return error;
}

static void *writer_main(void *opaque)
{
    struct record_writer *writer = opaque;
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    int error = zstd ? 0 : -ENOMEM;

    if (zstd) {
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 1);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    }
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        const struct block *block = &writer->blocks[writer->tail % writer->nr_blocks];

        if (writer->tail == writer->head) {
            if (writer->closing)
                break;
            pthread_cond_wait(&writer->changed, &writer->lock);
            continue;
        }
        pthread_mutex_unlock(&writer->lock);
        if (!error)
            error = write_block(writer, zstd, block);
        pthread_mutex_lock(&writer->lock);
        __atomic_store_n(&writer->error, error, __ATOMIC_RELAXED);
        __atomic_store_n(&writer->tail, writer->tail + 1, __ATOMIC_RELAXED);
        pthread_cond_signal(&writer->changed);
    }
    __atomic_store_n(&writer->ended, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&writer->lock);
    ZSTD_freeCCtx(zstd);
    return NULL;
}

/* Only a file: what reads a pipe could hold the guest up. A descriptor or -errno. */
static int open_file(const char *path)
{
    /* O_NONBLOCK is for the open() of a pipe; to a file it means nothing. */
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
    struct stat is;
    int error = fd < 0 || fstat(fd, &is) ? -errno : 0;

    if (!error && !S_ISREG(is.st_mode))
        error = -EINVAL;
    if (!error && ftruncate(fd, 0))
        error = -errno;
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}

static const struct record_magic magic = {RECORD_MAGIC, RECORD_VERSION, RV_ABI_MAJOR, RV_ABI_MINOR};

/* `fd` and `path` are the writer's. NULL: no memory. */
static struct record_writer *writer_new(int fd, char *path, unsigned nr_blocks)
{
    struct record_writer *writer = calloc(1, sizeof(*writer));

    if (writer)
        writer->blocks = calloc(nr_blocks, sizeof(*writer->blocks));
    if (!writer || !writer->blocks) {
        free(writer);
        free(path);
        close(fd);
        return NULL;
    }
    writer->fd = fd;
    writer->path = path;
    writer->nr_blocks = nr_blocks;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    return writer;
}

static void writer_free(struct record_writer *writer)
{
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer->blocks);
    free(writer->path);
    free(writer);
}

struct record_writer *record_writer_open(const char *path)
{
    struct record_writer *writer = NULL;
    char *copy = strdup(path);
    int fd = copy ? open_file(path) : -ENOMEM;
    int error = fd < 0 ? fd : write_all(fd, &magic, sizeof(magic));

    if (!error) {
        writer = writer_new(fd, copy, FILE_BLOCKS);
        error = writer ? thread_start(&writer->thread, writer_main, writer) : -ENOMEM;
    } else {
        free(copy);
        if (fd >= 0)
            close(fd);
    }
    if (!error)
        return writer;
    log_error("recording '%s': %s", path,
              error == -EINVAL ? "it is no regular file: give the path of one" : strerror(-error));
    if (writer) {
        close(writer->fd);
        writer_free(writer);
    }
    return NULL;
}

struct record_writer *record_writer_to_client(int fd, const char *head)
{
    struct record_writer *writer = writer_new(fd, NULL, CLIENT_BLOCKS);

    if (!writer)
        return NULL;
    /* A new connection has room for so little. */
    if (write_to_reader(fd, head, strlen(head), &(bool){true}) ||
        write_to_reader(fd, &magic, sizeof(magic), &(bool){true}) ||
        thread_start(&writer->thread, writer_main, writer)) {
        close(fd);
        writer_free(writer);
        return NULL;
    }
    return writer;
}

/* The block goes to the thread. For a file: waits until another one is free. */
static void hand_over(struct record_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    if (!writer->path && writer->head - writer->tail == writer->nr_blocks - 1) {
        writer->overflown = true;
    } else {
        writer->head++;
        pthread_cond_signal(&writer->changed);
    }
    while (writer->head - writer->tail == writer->nr_blocks)
        pthread_cond_wait(&writer->changed, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
    writer->blocks[writer->head % writer->nr_blocks].used = 0;
}

void record_put(struct record_writer *writer, struct record_head head, const void *data)
{
    struct block *block = &writer->blocks[writer->head % writer->nr_blocks];

    if (RECORD_BLOCK_MAX - block->used < sizeof(head) + head.size) {
        hand_over(writer);
        block = &writer->blocks[writer->head % writer->nr_blocks];
    }
    if (writer->overflown)
        return;
    memcpy(block->data + block->used, &head, sizeof(head));
    if (head.size)
        memcpy(block->data + block->used + sizeof(head), data, head.size);
    block->used += sizeof(head) + head.size;
}

bool record_writer_lags(const struct record_writer *writer)
{
    /* Without the lock: half of the blocks are more than one event can fill. */
    return __atomic_load_n(&writer->error, __ATOMIC_RELAXED) ||
           (!writer->path && writer->head - __atomic_load_n(&writer->tail, __ATOMIC_RELAXED) >
                                 writer->nr_blocks / 2);
}

void record_writer_end(struct record_writer *writer)
{
    if (writer->closing)
        return;
    if (writer->blocks[writer->head % writer->nr_blocks].used)
        hand_over(writer);
    pthread_mutex_lock(&writer->lock);
    writer->closing = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

bool record_writer_has_ended(const struct record_writer *writer)
{
    return __atomic_load_n(&writer->ended, __ATOMIC_ACQUIRE);
}

void record_writer_hurry(struct record_writer *writer)
{
    __atomic_store_n(&writer->hurry, true, __ATOMIC_RELAXED);
}

int record_writer_close(struct record_writer *writer)
{
    int error;

    record_writer_end(writer);
    pthread_join(writer->thread, NULL);
    error = writer->error;
    if (close(writer->fd) && !error) {
        error = -errno;
        if (writer->path)
            log_error("recording '%s': %s", writer->path, strerror(errno));
    }
    writer_free(writer);
    return error;
}
