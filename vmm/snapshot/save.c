/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/save.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/sandbox/sandbox.h"
#include "vmm/snapshot/save_internal.h"
#include "vmm/util/thread.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_counter.h"

int snapshot_complain(char *why, int error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, WHY_MAX, fmt, ap);
    va_end(ap);
    return error;
}

const char *snapshot_hint(int error)
{
    return error == -EACCES && sandbox_is_entered()
               ? "; the sandbox lets the VM use the folder of --snapshots, and what is in it"
               : "";
}

/* The snapshot is the base from now on; or NULL: there is none of it. */
static void end_tracking(struct snapshot *s, const char *digest)
{
    if (s->tracks)
        vm_dirty_end(s->vm, digest);
    s->tracks = false;
}

static void woken(evutil_socket_t fd, short what, void *opaque)
{
    struct snapshot *s = opaque;
    enum snapshot_phase phase = snapshot_told(s);

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
    end_tracking(s, s->why[0] ? NULL : s->digest);
    s->calls.ended(s->calls.opaque, s->why[0] ? s->why : NULL, s->bytes);
}

static void describe_cpu(const struct vm *vm, struct manifest_cpu *cpu)
{
    memcpy(cpu->id, vm->exits.sysreg.id, sizeof(cpu->id));
    cpu->id[0] = vm->machine->stub_id[RV_ID_INDEX(0, 0)];
    cpu->frequency = vm->machine->cntfrq;
    cpu->dczid = vm->machine->dczid;
    cpu->sve = vm->machine->sve;
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
        snapshot_complain(why, error, "device '%s' cannot be saved now",
                          device_name(vm->devices[saved]));
    vm_clock_save(&vm->clock);
    s->state_size = state_used(&vm->state);
    s->state = error ? NULL : malloc(s->state_size);
    if (s->state)
        memcpy(s->state, vm->state.base, s->state_size);
    else if (!error)
        error = -ENOMEM;
    if (s->state)
        vm_dirty_omit(s->state);
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
        return snapshot_complain(why, error, "the counter cannot be read: %s", strerror(-error));
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
    return m->name && m->folder && m->options ? folder_init(&s->folder, config->folder) : -ENOMEM;
}

static int start(struct snapshot *s, struct event_base *base)
{
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake < 0)
        return -errno;
    s->woken = event_new(base, s->wake, EV_READ | EV_PERSIST, woken, s);
    if (!s->woken || event_add(s->woken, NULL) || thread_start(&s->thread, snapshot_write, s))
        return -ENOMEM;
    s->has_thread = true;
    return 0;
}

/* While the thread copies: the VM stands anyway. */
static int cut(struct snapshot *s, struct vm *vm)
{
    s->vm = vm;
    s->tracks = true;
    return vm_dirty_cut(vm);
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
    if (!s) {
        snprintf(why, why_size, "out of memory");
        return -ENOMEM;
    }
    s->calls = *calls;
    s->wake = -1;
    s->folder.fd = -1;
    s->copies_disks = config->disks;
    error =
        access(config->folder, F_OK) == 0
            ? snapshot_complain(said, -EEXIST, "there is something at '%s' already", config->folder)
            : describe(s, vm, config);
    if (!error)
        error = snapshot_find_disks(s, vm, said);
    if (!error)
        error = copy_registers(s, vm, said);
    if (!error)
        error = copy_state(s, vm, said);
    if (!error && config->base)
        error = snapshot_take_base(s, vm, config->folder, config->base, said);
    if (!error)
        error = start(s, base);
    if (!error && (config->base || config->track))
        error = cut(s, vm);
    if (error) {
        snprintf(why, why_size, "%s", said[0] ? said : strerror(-error));
        snapshot_free(s);
        return error;
    }
    *snapshot = s;
    return 0;
}

void snapshot_cancel(struct snapshot *s)
{
    atomic_store(&s->cancelled, true);
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    atomic_store(&s->cancelled, true);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    end_tracking(s, NULL);
    if (s->woken)
        event_free(s->woken);
    if (s->wake >= 0)
        close(s->wake);
    for (unsigned i = 0; i < s->manifest.nr_disks; i++)
        if (s->disk_fds[i] >= 0)
            close(s->disk_fds[i]);
    manifest_free(&s->manifest);
    folder_free(&s->folder);
    free(s->state);
    free(s->cpus);
    free(s->pages);
    free(s);
}
