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

#define BLOCKS 8u /* that wait for the thread, or are filled */

struct block {
    size_t used;
    uint8_t data[RECORD_BLOCK_MAX];
};

struct record_writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned head, tail; /* block head % BLOCKS is being filled; tail..head-1 wait */
    bool closing;
    int error; /* the thread's */
    int fd;
    char *path;
    struct block blocks[BLOCKS];
    uint8_t packed[ZSTD_COMPRESSBOUND(RECORD_BLOCK_MAX)];
};

static int write_block(struct record_writer *writer, ZSTD_CCtx *zstd, const struct block *block)
{
    struct record_block head = {.size = (uint32_t)block->used};
    size_t packed =
        ZSTD_compress2(zstd, writer->packed, sizeof(writer->packed), block->data, block->used);
    int error;

    if (ZSTD_isError(packed)) {
        log_error("recording '%s': %s", writer->path, ZSTD_getErrorName(packed));
        return -EIO;
    }
    head.packed = (uint32_t)packed;
    error = write_all(writer->fd, &head, sizeof(head));
    if (!error)
        error = write_all(writer->fd, writer->packed, packed);
    if (error)
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
        const struct block *block = &writer->blocks[writer->tail % BLOCKS];

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
        writer->error = error;
        writer->tail++;
        pthread_cond_signal(&writer->changed);
    }
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

struct record_writer *record_writer_open(const char *path)
{
    static const struct record_magic magic = {RECORD_MAGIC, RECORD_VERSION, RV_ABI_MAJOR,
                                              RV_ABI_MINOR};
    struct record_writer *writer = calloc(1, sizeof(*writer));
    int error = -ENOMEM;

    if (!writer)
        goto out;
    writer->fd = open_file(path);
    writer->path = strdup(path);
    error = writer->fd < 0 ? writer->fd : write_all(writer->fd, &magic, sizeof(magic));
    if (error || !writer->path)
        goto out;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    error = thread_start(&writer->thread, writer_main, writer);
    if (!error)
        return writer;
out:
    log_error("recording '%s': %s", path, strerror(error ? -error : ENOMEM));
    if (writer) {
        if (writer->fd >= 0)
            close(writer->fd);
        free(writer->path);
    }
    free(writer);
    return NULL;
}

/* The block goes to the thread. Waits until another one is free. */
static void hand_over(struct record_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->head++;
    pthread_cond_signal(&writer->changed);
    while (writer->head - writer->tail == BLOCKS)
        pthread_cond_wait(&writer->changed, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
    writer->blocks[writer->head % BLOCKS].used = 0;
}

void record_put(struct record_writer *writer, struct record_head head, const void *data)
{
    struct block *block = &writer->blocks[writer->head % BLOCKS];

    if (RECORD_BLOCK_MAX - block->used < sizeof(head) + head.size) {
        hand_over(writer);
        block = &writer->blocks[writer->head % BLOCKS];
    }
    memcpy(block->data + block->used, &head, sizeof(head));
    if (head.size)
        memcpy(block->data + block->used + sizeof(head), data, head.size);
    block->used += sizeof(head) + head.size;
}

int record_writer_close(struct record_writer *writer)
{
    int error;

    hand_over(writer);
    pthread_mutex_lock(&writer->lock);
    writer->closing = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    error = writer->error;
    if (close(writer->fd) && !error) {
        error = -errno;
        log_error("recording '%s': %s", writer->path, strerror(errno));
    }
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer->path);
    free(writer);
    return error;
}
