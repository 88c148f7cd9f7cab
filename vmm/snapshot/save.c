/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/disk/format.h"
#include "vmm/sandbox/needs.h"
#include "vmm/snapshot/disk_copy.h"
#include "vmm/snapshot/manifest.h"
#include "vmm/snapshot/ram_image.h"
#include "vmm/util/log.h"
#include "vmm/util/thread.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_counter.h"

#define WHY_MAX 512u

#define REGISTERS_FILE "registers"
#define STATE_FILE     "state"

enum snapshot_phase { PHASE_COPIES, PHASE_COPIED, PHASE_ENDED };

struct snapshot {
    struct snapshot_calls calls;
    struct manifest manifest;
    struct ram_memory memory;
    char *path;   /* what it is to be */
    char *making; /* its name until then */
    void *state, *cpus;
    size_t state_size, cpus_size;
    bool copies_disks;
    bool told_copied;
    int disk_fds[MANIFEST_DISKS_MAX]; /* the sources; -1: not copied */

    pthread_t thread;
    bool has_thread;
    atomic_bool cancelled;
    atomic_uint phase; /* enum snapshot_phase */
    int wake;          /* eventfd: the phase has changed */
    struct event *woken;
    char why[WHY_MAX]; /* empty: no error. The thread's until PHASE_ENDED */
    uint64_t bytes;    /* of the folder */
};

static int complain(char *why, size_t size, int error, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int complain(char *why, size_t size, int error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return error;
}

/*
 * The thread: it touches nothing of the VM but its memory, which stands until PHASE_COPIED
 */

/* 0 or `error`, of which the user is told. */
static int failed(struct snapshot *s, int error, const char *what)
{
    if (!error)
        return 0;
    return complain(s->why, sizeof(s->why), error, "%s: %s", what, strerror(-error));
}

static void name_disk(char file[PART_FILE_MAX], unsigned index)
{
    snprintf(file, PART_FILE_MAX, "disk-%u", index);
}

static int copy_disks(struct snapshot *s, int folder)
{
    int error = 0;

    for (unsigned i = 0; i < s->manifest.nr_disks && !error; i++) {
        struct manifest_disk *disk = &s->manifest.disks[i];
        int to;

        if (s->disk_fds[i] < 0)
            continue;
        name_disk(disk->part.file, i);
        to = part_create(folder, disk->part.file);
        error = to < 0 ? to : disk_copy(s->disk_fds[i], to, &s->cancelled);
        if (to >= 0 && close(to) && !error)
            error = -errno;
        disk->part.size = disk->size;
        failed(s, error, disk->path);
    }
    return error;
}

/* While the guest goes on already. */
static int check_disks(struct snapshot *s, int folder)
{
    int error = 0;

    for (unsigned i = 0; i < s->manifest.nr_disks && !error; i++) {
        struct manifest_disk *disk = &s->manifest.disks[i];
        int fd;

        if (s->disk_fds[i] < 0)
            continue;
        fd = part_open(folder, &disk->part);
        error = fd < 0 ? fd : disk_copy_digest(fd, disk->size, &s->cancelled, disk->part.digest);
        if (!error && fsync(fd))
            error = -errno;
        if (fd >= 0)
            close(fd);
        s->bytes += disk->size;
        failed(s, error, disk->part.file);
    }
    return error;
}

static int write_copies(struct snapshot *s, int folder)
{
    struct manifest *m = &s->manifest;
    int error = copy_disks(s, folder);

    if (!error)
        error = failed(s, part_write(folder, REGISTERS_FILE, s->cpus, s->cpus_size, &m->cpus),
                       "the registers");
    if (!error)
        error = failed(s, part_write(folder, STATE_FILE, s->state, s->state_size, &m->state),
                       "the state");
    if (!error)
        error =
            failed(s, ram_image_write(folder, &s->memory, &s->cancelled, &m->ram), "guest memory");
    s->bytes = m->cpus.size + m->state.size + m->ram.size;
    return error;
}

static void tell(struct snapshot *s, enum snapshot_phase phase)
{
    atomic_store(&s->phase, phase);
    eventfd_write(s->wake, 1);
}

static int write_manifest(struct snapshot *s, int folder)
{
    struct snapshot_part unused;
    char *text = manifest_write(&s->manifest);
    int error = text ? part_write(folder, MANIFEST_FILE, text, strlen(text), &unused) : -ENOMEM;

    free(text);
    return failed(s, error, MANIFEST_FILE);
}

static int sync_ram(int folder)
{
    int fd = openat(folder, RAM_IMAGE_FILE, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

/* Nothing may be there: not even an empty folder, which rename() would replace. */
static int give_name(struct snapshot *s, int folder)
{
    if (fsync(folder))
        return failed(s, -errno, s->making);
    /* A file system that cannot promise that (NFS) has been asked at the beginning, at least. */
    if (renameat2(AT_FDCWD, s->making, AT_FDCWD, s->path, RENAME_NOREPLACE) &&
        (errno != EINVAL || renameat2(AT_FDCWD, s->making, AT_FDCWD, s->path, 0)))
        return failed(s, -errno, s->path);
    return 0;
}

static void remove_all(struct snapshot *s, int folder)
{
    static const char *const files[] = {MANIFEST_FILE, REGISTERS_FILE, STATE_FILE, RAM_IMAGE_FILE};
    char disk[PART_FILE_MAX];

    for (unsigned i = 0; folder >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
        unlinkat(folder, files[i], 0);
    for (unsigned i = 0; folder >= 0 && i < s->manifest.nr_disks; i++) {
        name_disk(disk, i);
        unlinkat(folder, disk, 0);
    }
    rmdir(s->making);
}

static void *work(void *opaque)
{
    struct snapshot *s = opaque;
    int folder = -1, error;

    if (!mkdtemp(s->making)) {
        failed(s, -errno, s->path);
        tell(s, PHASE_ENDED);
        return NULL;
    }
    folder = open(s->making, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = folder < 0 ? failed(s, -errno, s->making) : write_copies(s, folder);
    if (!error) {
        tell(s, PHASE_COPIED);
        error = check_disks(s, folder);
    }
    if (!error)
        error = failed(s, sync_ram(folder), "guest memory");
    if (!error)
        error = write_manifest(s, folder);
    if (!error)
        error = give_name(s, folder);
    if (error)
        remove_all(s, folder);
    if (folder >= 0)
        close(folder);
    tell(s, PHASE_ENDED);
    return NULL;
}

static void woken(evutil_socket_t fd, short what, void *opaque)
{
    struct snapshot *s = opaque;
    enum snapshot_phase phase = atomic_load(&s->phase);
    eventfd_t count;

    eventfd_read(s->wake, &count);
    if (phase == PHASE_COPIES)
        return;
    if (!s->told_copied && !(phase == PHASE_ENDED && s->why[0])) {
        s->told_copied = true;
        s->calls.copied(s->calls.opaque);
    }
    if (phase != PHASE_ENDED)
        return;
    pthread_join(s->thread, NULL);
    s->has_thread = false;
    s->calls.ended(s->calls.opaque, s->why[0] ? s->why : NULL, s->bytes);
}

/*
 * The loop's thread: what is small is copied
 */

static void describe_cpu(const struct vm *vm, struct manifest_cpu *cpu)
{
    memcpy(cpu->id, vm->exits.sysreg.id, sizeof(cpu->id));
    cpu->id[0] = vm->machine->stub_id[RV_ID_INDEX(0, 0)];
    cpu->frequency = vm->machine->cntfrq;
    cpu->dczid = vm->machine->dczid;
    cpu->sve = vm->machine->sve;
}

/* Does the guest write to it? */
static bool is_writable(struct rv_instance *device)
{
    char *ro = device_get(device, "ro");
    bool writable = !ro || strcmp(ro, "on") != 0;

    free(ro);
    return writable;
}

/* Raw, as the content and the name say: others have caches in a process of their own. */
static bool is_raw(struct rv_instance *device, const char *path, int fd)
{
    const struct disk_format *format;
    /* Flash has no such property, and its file is what the chip has. */
    bool is_flash = strcmp(device_class(device)->name, "cfi-flash") == 0;
    char *wanted = is_flash ? strdup("raw") : device_get(device, "format");
    int error = disk_format_find(path, fd, wanted, false, &format);

    free(wanted);
    return !error && !format->driver;
}

/* `path` is a file that the device writes to, or only reads. */
static int add_disk(struct snapshot *s, struct rv_instance *device, const char *path, char *why)
{
    struct manifest_disk *disk = &s->manifest.disks[s->manifest.nr_disks];
    const char *name = device_name(device);
    bool writable = is_writable(device);
    int fd, *source = &s->disk_fds[s->manifest.nr_disks];
    struct stat st;

    if (disk_format_is_uri(path))
        return complain(why, WHY_MAX, -ENOTSUP,
                        "disk '%s' of %s is a server's: a snapshot cannot hold it", path, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int error = -errno;

        if (fd >= 0)
            close(fd);
        return complain(why, WHY_MAX, error, "disk '%s': %s", path, strerror(-error));
    }
    if (!S_ISREG(st.st_mode) || (writable && !is_raw(device, path, fd))) {
        close(fd);
        return complain(why, WHY_MAX, -ENOTSUP,
                        "disk '%s' of %s is %s: a snapshot can hold raw files only", path, name,
                        S_ISREG(st.st_mode) ? "not raw" : "no regular file");
    }
    if (st.st_nlink == 0 && !writable) { /* one that the vmm has made of its options */
        close(fd);
        return 0;
    }
    disk->device = strdup(name);
    disk->path = realpath(path, NULL);
    disk->size = (uint64_t)st.st_size;
    disk->mtime_ns = disk_mtime_ns(&st);
    *source = -1;
    s->manifest.nr_disks++;
    if (writable && s->copies_disks)
        *source = fd;
    else
        close(fd);
    if (!disk->path)
        return complain(why, WHY_MAX, -ENOTSUP, "disk '%s' of %s has no name any more", path, name);
    return disk->device ? 0 : -ENOMEM;
}

/* What the guest writes to. */
static const struct {
    const char *class, *property;
} files[] = {{"virtio-blk", "path"}, {"cfi-flash", "vars"}};

int snapshot_allow(struct vm *vm, const char *folder)
{
    int error = sandbox_need_path(folder, SANDBOX_CHANGE);

    if (error)
        log_error("snapshots '%s': %s", folder, strerror(-error));
    sandbox_need(SANDBOX_SNAPSHOT);
    for (unsigned i = 0; i < vm->nr_devices && !error; i++) {
        for (unsigned f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
            bool is = strcmp(device_class(vm->devices[i])->name, files[f].class) == 0;
            char *path = is ? device_get(vm->devices[i], files[f].property) : NULL;

            if (path)
                sandbox_need_path(path, SANDBOX_READ); /* a server's URI is none */
            free(path);
        }
    }
    return error;
}

static int find_disks(struct snapshot *s, struct vm *vm, char *why)
{
    int error = 0;

    for (unsigned i = 0; i < vm->nr_devices && !error; i++) {
        const char *class = device_class(vm->devices[i])->name;

        if (strncmp(class, "vhost-user", 10) == 0)
            return complain(why, WHY_MAX, -ENOTSUP,
                            "the state of device '%s' is in another process, which cannot be saved",
                            device_name(vm->devices[i]));
        for (unsigned f = 0; f < sizeof(files) / sizeof(files[0]) && !error; f++) {
            char *path = strcmp(class, files[f].class) == 0
                             ? device_get(vm->devices[i], files[f].property)
                             : NULL;

            if (path)
                error = add_disk(s, vm->devices[i], path, why);
            free(path);
        }
    }
    return error;
}

/* The blocks, with what the devices keep elsewhere. */
static int copy_state(struct snapshot *s, struct vm *vm, char *why)
{
    unsigned saved = 0;
    int error = 0;

    while (saved < vm->nr_devices && !error) {
        error = device_before_save(vm->devices[saved]);
        if (!error)
            saved++;
    }
    if (error)
        complain(why, WHY_MAX, error, "device '%s' cannot be saved now",
                 device_name(vm->devices[saved]));
    vm_clock_save(&vm->clock);
    s->state_size = state_used(&vm->state);
    s->state = error ? NULL : malloc(s->state_size);
    if (s->state)
        memcpy(s->state, vm->state.base, s->state_size);
    else if (!error)
        error = -ENOMEM;
    vm_clock_saved(&vm->clock);
    while (saved)
        device_after_save(vm->devices[--saved], error);
    return error;
}

static int copy_registers(struct snapshot *s, struct vm *vm, char *why)
{
    struct rv_vcpu_page *pages;
    int error = vm_counter_read(vm, &s->manifest.counter, &s->manifest.physical);

    if (error)
        return complain(why, WHY_MAX, error, "the counter cannot be read: %s", strerror(-error));
    s->cpus_size = vm->config.nr_vcpus * sizeof(*pages);
    pages = s->cpus = malloc(s->cpus_size);
    if (!pages)
        return -ENOMEM;
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        memcpy(&pages[i], vm->vcpus[i].page, sizeof(*pages));
    return 0;
}

static int describe(struct snapshot *s, struct vm *vm, const struct snapshot_config *config)
{
    struct manifest *m = &s->manifest;
    char folder[PATH_MAX];

    if (!getcwd(folder, sizeof(folder)))
        return -errno;
    m->name = strdup(config->name);
    m->folder = strdup(folder);
    m->options = config->options ? json_deep_copy(config->options) : json_object();
    m->memory = vm->config.ram_size;
    m->rom = vm->config.rom_size;
    m->vcpus = vm->config.nr_vcpus;
    describe_cpu(vm, &m->cpu);
    s->memory = (struct ram_memory){
        .at = vm->ram.host,
        .size = vm_memory_size(m->memory, m->rom),
        .fd = vm->machine->memory_fd,
        .offset = vm->machine->layout.ram + vm->share.ram_offset,
    };
    s->path = strdup(config->folder);
    if (asprintf(&s->making, "%s.XXXXXX", config->folder) < 0)
        s->making = NULL;
    return m->name && m->folder && m->options && s->path && s->making ? 0 : -ENOMEM;
}

static int start(struct snapshot *s, struct event_base *base)
{
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake < 0)
        return -errno;
    s->woken = event_new(base, s->wake, EV_READ | EV_PERSIST, woken, s);
    if (!s->woken || event_add(s->woken, NULL) || thread_start(&s->thread, work, s))
        return -ENOMEM;
    s->has_thread = true;
    return 0;
}

int snapshot_begin(struct vm *vm, struct event_base *base, const struct snapshot_config *config,
                   const struct snapshot_calls *calls, struct snapshot **snapshot, char *why,
                   size_t why_size)
{
    struct snapshot *s = calloc(1, sizeof(*s));
    char said[WHY_MAX] = "";
    int error;

    *snapshot = NULL;
    vm_lazy_finish(vm);
    if (!s)
        return complain(why, why_size, -ENOMEM, "out of memory");
    s->calls = *calls;
    s->wake = -1;
    s->copies_disks = config->disks;
    error = access(config->folder, F_OK) == 0
                ? complain(said, sizeof(said), -EEXIST, "there is something at '%s' already",
                           config->folder)
                : describe(s, vm, config);
    if (!error)
        error = find_disks(s, vm, said);
    if (!error)
        error = copy_registers(s, vm, said);
    if (!error)
        error = copy_state(s, vm, said);
    if (!error)
        error = start(s, base);
    if (error) {
        complain(why, why_size, error, "%s", said[0] ? said : strerror(-error));
        snapshot_free(s);
        return error;
    }
    *snapshot = s;
    return 0;
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    atomic_store(&s->cancelled, true);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    if (s->woken)
        event_free(s->woken);
    if (s->wake >= 0)
        close(s->wake);
    for (unsigned i = 0; i < s->manifest.nr_disks; i++)
        if (s->disk_fds[i] >= 0)
            close(s->disk_fds[i]);
    manifest_free(&s->manifest);
    free(s->path);
    free(s->making);
    free(s->state);
    free(s->cpus);
    free(s);
}
