/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/snapshot/chain.h"
#include "vmm/snapshot/read_ahead.h"
#include "vmm/snapshot/restore_disk.h"
#include "vmm/util/log.h"
#include "vmm/util/write_all.h"
#include "vmm/vm/vm_counter.h"
#include "vmm/vm/vm_load.h"
#include "vmm/vm/vm_pause.h"

#define KEPT_MANIFEST "manifest"

struct snapshot_source {
    char *path;
    int folder;
    struct manifest manifest;
    struct restore_disk disks[MANIFEST_DISKS_MAX];
    unsigned nr_disks; /* prepared */
    bool is_lazy, tracks;
    struct vm_lazy_source lazy;
    struct chain *chain;          /* what memory is read from, as long as it is not all there, */
    struct read_ahead *ahead;     /* which reads it in blocks, or NULL */
    void (*loaded)(void *opaque); /* then */
    void *opaque;
    bool is_kept; /* the manifest is the keeper's: a guest that runs was restored from it */
};

static int damaged(const struct snapshot_source *s, int error, const char *part)
{
    if (error == -EBADMSG)
        log_error("snapshot '%s': its part '%s' is damaged: it is not what was written", s->path,
                  part);
    else if (error)
        log_error("snapshot '%s': its part '%s': %s", s->path, part, strerror(-error));
    return error;
}

/* What was restored once is not there to be restored again: its folder need not be there, either. */
static int open_manifest(const struct snapshot_source *s)
{
    return s->is_kept ? kept_get(KEPT_MANIFEST)
                      : openat(s->folder, MANIFEST_FILE, O_RDONLY | O_CLOEXEC);
}

/* And all that it builds on, if it is still to be read. */
static int read_manifest(struct snapshot_source *s)
{
    int fd = open_manifest(s), error = fd < 0 ? -errno : 0;

    if (error)
        log_error("snapshot '%s': %s: %s", s->path, MANIFEST_FILE, strerror(-error));
    else
        error = manifest_read_file(&s->manifest, fd, s->path);
    if (fd >= 0)
        close(fd);
    if (!error && !s->is_kept)
        error = chain_open(&s->chain, s->folder, s->path, &s->manifest);
    return error;
}

int snapshot_open(const char *path, struct snapshot_source **source)
{
    struct snapshot_source *s = calloc(1, sizeof(*s));
    int error;

    *source = s;
    if (!s)
        return -ENOMEM;
    s->path = strdup(path);
    s->is_kept = machine_is_kept();
    s->folder = s->is_kept ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!s->path || (s->folder < 0 && !s->is_kept)) {
        error = s->path ? -errno : -ENOMEM;
        log_error("snapshot '%s': %s", path, strerror(-error));
    } else {
        error = read_manifest(s);
    }
    if (error) {
        snapshot_close(s);
        *source = NULL;
    }
    return error;
}

int snapshot_keep(const struct snapshot_source *s)
{
    int fd = s->is_kept || !kept_has_keeper() ? -1 : open_manifest(s), error;

    if (fd < 0)
        return 0;
    error = kept_put(fd, KEPT_MANIFEST);
    close(fd);
    return error;
}

void snapshot_be_lazy(struct snapshot_source *s, void (*loaded)(void *opaque), void *opaque)
{
    s->is_lazy = true;
    s->loaded = loaded;
    s->opaque = opaque;
}

void snapshot_track(struct snapshot_source *s)
{
    s->tracks = true;
}

json_t *snapshot_options(const struct snapshot_source *s)
{
    /* They would overwrite what the first run has written, or let the guest wait. */
    static const char *const once[] = {"dump-dtb", "gdb",    "gdb-wait",
                                       "perfetto", "record", "trace"};

    for (unsigned i = 0; i < sizeof(once) / sizeof(once[0]); i++)
        json_object_del(s->manifest.options, once[i]);
    return s->manifest.options;
}

const char *snapshot_folder(const struct snapshot_source *s)
{
    return s->manifest.folder;
}

int snapshot_prepare_disks(struct snapshot_source *s, bool revert)
{
    int error = 0;

    while (s->nr_disks < s->manifest.nr_disks && !error) {
        error = restore_disk_prepare(&s->manifest.disks[s->nr_disks], s->folder, revert,
                                     &s->disks[s->nr_disks]);
        s->nr_disks++;
    }
    return error;
}

static int commit_disks(struct snapshot_source *s)
{
    int error = 0;

    for (unsigned i = 0; i < s->nr_disks && !error; i++) {
        error = restore_disk_commit(&s->manifest.disks[i], &s->disks[i]);
        restore_disk_free(&s->disks[i]); /* its lock is the device's from now on */
    }
    return error;
}

/* What a reset of the guest needs. Without it the guest goes on, but a reset ends it. */
static void check_files(struct vm_config *config)
{
    const struct loader_config *files = &config->files;
    const char *missing = files->kernel && access(files->kernel, R_OK) ? files->kernel : NULL;

    for (unsigned i = 0; i < LOADER_INITRDS_MAX && files->initrds[i] && !missing; i++)
        if (access(files->initrds[i], R_OK))
            missing = files->initrds[i];
    if (!missing || config->firmware)
        return;
    log_warn("'%s', which the guest was started with, is not there any more: when the guest asks "
             "for a reset, it ends, as with --no-reboot",
             missing);
    config->no_reboot = true;
    config->files = (struct loader_config){0};
}

int snapshot_check_config(const struct snapshot_source *s, struct vm_config *config)
{
    const struct manifest *m = &s->manifest;

    if (config->nr_vcpus != m->vcpus || config->ram_size != m->memory ||
        config->rom_size != m->rom) {
        log_error("snapshot '%s': its guest has %llu vCPUs and %llu bytes of memory, not %u and "
                  "%llu",
                  s->path, (unsigned long long)m->vcpus, (unsigned long long)m->memory,
                  config->nr_vcpus, (unsigned long long)config->ram_size);
        return -EINVAL;
    }
    check_files(config);
    return 0;
}

/* A block of the guest's RAM, of a lazy restore. On any thread. */
static int read_block(void *opaque, uint64_t index)
{
    const struct snapshot_source *s = opaque;

    return chain_load_piece(s->chain, index * RV_BLOCK_SIZE, RV_BLOCK_SIZE);
}

static int load_block(void *opaque, uint64_t index)
{
    const struct snapshot_source *s = opaque;

    return chain_complain(s->chain, read_ahead_need(s->ahead, index));
}

static bool has_block(void *opaque, uint64_t index)
{
    return read_ahead_has(((const struct snapshot_source *)opaque)->ahead, index);
}

void snapshot_end_reading(struct snapshot_source *s)
{
    read_ahead_end(s->ahead);
    s->ahead = NULL;
}

static void all_loaded(void *opaque)
{
    struct snapshot_source *s = opaque;

    snapshot_end_reading(s);
    chain_close(s->chain);
    s->chain = NULL;
    if (s->loaded)
        s->loaded(s->opaque);
}

/* Only what is not RAM; the rest is read from here on. */
static int load_lazily(struct snapshot_source *s, const struct ram_memory *memory,
                       struct vm_config *config)
{
    uint64_t ram = s->manifest.memory;
    int error = chain_begin(s->chain, memory);

    if (!error)
        error = chain_complain(s->chain, chain_load_piece(s->chain, ram, memory->size - ram));
    if (!error)
        error = read_ahead_start(ram / RV_BLOCK_SIZE, read_block, s, &s->ahead);
    s->lazy = (struct vm_lazy_source){
        .load = load_block, .has = has_block, .end = all_loaded, .opaque = s};
    config->lazy = &s->lazy;
    return error;
}

static int load_memory(struct snapshot_source *s, const struct machine *machine,
                       const struct vm_share *share, struct vm_config *config)
{
    const struct manifest *m = &s->manifest;
    const struct ram_memory memory = {
        .at = machine->ram + share->ram_offset,
        .size = vm_memory_size(m->memory, m->rom),
        .fd = -1,
    };

    if (s->is_lazy)
        return load_lazily(s, &memory, config);
    return chain_load(s->chain, &memory);
}

/* The vCPUs' numbers are those of the only VM of the machine: 0 and up. */
static int load_registers(const struct snapshot_source *s, const struct machine *machine)
{
    const struct snapshot_part *part = &s->manifest.cpus;
    size_t wanted = s->manifest.vcpus * sizeof(struct rv_vcpu_page);
    void *pages;
    int error = part->size == wanted ? part_read(s->folder, part, &pages) : -EBADMSG;

    if (error)
        return damaged(s, error, part->file);
    memcpy(machine->vcpus, pages, wanted);
    free(pages);
    return 0;
}

static int load_state(const struct snapshot_source *s, int *state_fd)
{
    const struct snapshot_part *part = &s->manifest.state;
    void *bytes;
    int error = part_read(s->folder, part, &bytes);

    if (error)
        return damaged(s, error, part->file);
    *state_fd = memfd_create("ringvisor-state", MFD_CLOEXEC);
    error = *state_fd < 0 ? -errno : write_all(*state_fd, bytes, part->size);
    free(bytes);
    if (error && *state_fd >= 0)
        close(*state_fd);
    return damaged(s, error, part->file);
}

static int check_cpu(const struct snapshot_source *s, struct machine *machine,
                     struct event_base *base, const bool *over)
{
    struct manifest_cpu here;
    int error = machine_wait_ready(machine, base, over);

    if (error)
        return error;
    idregs_filter(machine->stub_id, here.id);
    here.id[0] = machine->stub_id[RV_ID_INDEX(0, 0)];
    here.frequency = machine->cntfrq;
    here.dczid = machine->dczid;
    here.sve = machine->sve;
    return manifest_check_cpu(&s->manifest.cpu, &here);
}

int snapshot_load(struct snapshot_source *s, struct machine *machine, struct event_base *base,
                  const bool *over, const struct vm_share *share, struct vm_config *config)
{
    int error = snapshot_check_config(s, config);

    if (!error)
        error = load_registers(s, machine);
    if (!error)
        error = load_memory(s, machine, share, config);
    if (!error)
        error = check_cpu(s, machine, base, over);
    if (!error)
        error = load_state(s, &config->state_fd);
    if (error)
        return error;
    config->origin = VM_RESTORED;
    config->tracks = s->tracks ? s->manifest.digest : NULL;
    error = commit_disks(s);
    if (error)
        close(config->state_fd);
    return error;
}

int snapshot_start(struct snapshot_source *s, struct vm *vm)
{
    int error = vm->config.files.kernel ? vm_open_files(vm) : 0;

    if (error)
        return error;
    vm_know_cpus(vm);
    error = vm_announce(vm);
    if (error)
        return error;
    vm_core_take_vcpus(vm);
    error = vm_counter_restore(vm, s->manifest.counter, s->manifest.physical);
    if (!error)
        error = vgic_resync(&vm->vgic);
    if (error) {
        log_error("the guest cannot go on: %s", strerror(-error));
        return error;
    }
    vm->running = true;
    vm_pause_restored(vm);
    vm_resume(vm);
    if (vm->lazy)
        error = vm_lazy_start(vm);
    log_info("VM '%s' goes on from snapshot '%s'", s->manifest.name, s->path);
    return error;
}

void snapshot_close(struct snapshot_source *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->nr_disks; i++)
        restore_disk_free(&s->disks[i]);
    snapshot_end_reading(s);
    chain_close(s->chain);
    manifest_free(&s->manifest);
    if (s->folder >= 0)
        close(s->folder);
    free(s->path);
    free(s);
}
