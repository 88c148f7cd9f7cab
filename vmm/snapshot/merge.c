/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/board/board.h"
#include "vmm/snapshot/chain.h"
#include "vmm/snapshot/disk_copy.h"
#include "vmm/snapshot/folder.h"
#include "vmm/util/log.h"

struct merge {
    const char *from;
    struct manifest manifest;
    int folder; /* of `from` */
    struct chain *chain;
    struct snapshot_folder to;
    const atomic_bool *cancelled;
    uint64_t bytes;
    struct ram_memory memory;
    pthread_mutex_t lock; /* of the chain, which one thread reads at a time */
    int unread;           /* why the chain could not be read, or 0 */
};

static int failed(const struct merge *m, int error)
{
    if (error == -ECANCELED)
        log_error("snapshot '%s': interrupted: nothing is left of it", m->to.path);
    else if (error)
        log_error("snapshot '%s': %s", m->to.path, strerror(-error));
    return error;
}

static int damaged(const struct merge *m, int error, const char *file)
{
    if (error == -EBADMSG)
        log_error("snapshot '%s': its part '%s' is damaged: it is not what was written", m->from,
                  file);
    else if (error)
        log_error("snapshot '%s': its part '%s': %s", m->from, file, strerror(-error));
    return error;
}

/*
 * Memory: a piece at a time is there, from the first of the chain to the last.
 */

static int bring(void *opaque, uint64_t offset, uint64_t size)
{
    struct merge *m = opaque;
    int error;

    pthread_mutex_lock(&m->lock);
    error = m->unread ? m->unread : chain_load_piece(m->chain, offset, size);
    m->unread = error;
    pthread_mutex_unlock(&m->lock);
    return error;
}

static void drop(void *opaque, uint64_t offset, uint64_t size)
{
    const struct merge *m = opaque;

    madvise(m->memory.at + offset, size, MADV_DONTNEED);
}

static int merge_memory(struct merge *m)
{
    struct snapshot_part *part = &m->manifest.ram;
    uint64_t size = m->manifest.memory + m->manifest.rom + BOARD_PVTIME_SIZE;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    int error;

    if (at == MAP_FAILED)
        return failed(m, -errno);
    m->memory = (struct ram_memory){
        .at = at, .size = size, .fd = -1, .bring = bring, .drop = drop, .opaque = m};
    error = chain_begin(m->chain, &m->memory);
    if (!error) {
        error = ram_image_write(m->to.fd, &m->memory, m->cancelled, part);
        if (m->unread)
            chain_complain(m->chain, m->unread);
        else
            failed(m, error);
    }
    m->bytes += part->size;
    munmap(at, size);
    return error;
}

/*
 * What each snapshot has whole
 */

static int copy_part(struct merge *m, const struct snapshot_part *part)
{
    struct snapshot_part copy;
    void *bytes;
    int error = part_read(m->folder, part, &bytes);

    if (error)
        return damaged(m, error, part->file);
    error = part_write(m->to.fd, part->file, bytes, part->size, &copy);
    free(bytes);
    m->bytes += part->size;
    return failed(m, error);
}

static int copy_disk(struct merge *m, const struct manifest_disk *disk)
{
    int from = part_open(m->folder, &disk->part), to, error;
    char digest[DIGEST_TEXT];

    if (from < 0)
        return damaged(m, from, disk->part.file);
    to = part_create(m->to.fd, disk->part.file);
    error = to < 0 ? to : disk_copy(from, to, m->cancelled);
    if (!error)
        error = disk_copy_digest(to, disk->size, m->cancelled, digest);
    if (!error && fsync(to))
        error = -errno;
    if (to >= 0)
        close(to);
    close(from);
    m->bytes += disk->size;
    if (!error && strcmp(digest, disk->part.digest) != 0)
        return damaged(m, -EBADMSG, disk->part.file);
    return failed(m, error);
}

static int write_manifest(struct merge *m)
{
    struct manifest whole = m->manifest;
    char unused[DIGEST_TEXT];

    whole.base = NULL;
    return failed(m, manifest_write_file(&whole, m->to.fd, unused));
}

static int write_all_parts(struct merge *m)
{
    int error = copy_part(m, &m->manifest.cpus);

    if (!error)
        error = copy_part(m, &m->manifest.state);
    for (unsigned i = 0; i < m->manifest.nr_disks && !error; i++)
        if (m->manifest.disks[i].part.file[0])
            error = copy_disk(m, &m->manifest.disks[i]);
    if (!error)
        error = merge_memory(m);
    if (!error)
        error = failed(m, part_sync(m->to.fd, m->manifest.ram.file));
    return error ? error : write_manifest(m);
}

/* The manifests of all of them are read and checked. */
static int open_chain(struct merge *m)
{
    int fd = manifest_open(AT_FDCWD, m->from, &m->folder), error;

    if (fd < 0) {
        log_error("snapshot '%s': %s", m->from, strerror(-fd));
        return fd;
    }
    error = manifest_read_file(&m->manifest, fd, m->from);
    close(fd);
    return error ? error : chain_open(&m->chain, m->folder, m->from, &m->manifest);
}

static int write_folder(struct merge *m)
{
    int error = failed(m, folder_make(&m->to));

    if (error)
        return error;
    error = write_all_parts(m);
    if (!error)
        error = failed(m, folder_finish(&m->to));
    if (error)
        folder_remove(&m->to);
    return error;
}

int snapshot_merge(const char *from, const char *to, const atomic_bool *cancelled, uint64_t *bytes)
{
    struct merge m = {.from = from, .folder = -1, .cancelled = cancelled};
    int error = folder_init(&m.to, to);

    pthread_mutex_init(&m.lock, NULL);
    if (!error && access(to, F_OK) == 0)
        error = -EEXIST;
    failed(&m, error);
    if (!error)
        error = open_chain(&m);
    if (!error)
        error = write_folder(&m);
    *bytes = m.bytes;
    chain_close(m.chain);
    manifest_free(&m.manifest);
    if (m.folder >= 0)
        close(m.folder);
    folder_free(&m.to);
    pthread_mutex_destroy(&m.lock);
    return error;
}
