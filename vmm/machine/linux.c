/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine `linux`: CPUs of this computer, which the module ringvisor.ko takes from the kernel
 * and gives to the stub (proto/device.h). All of it is a session of /dev/ringvisor. It ends when
 * nobody has its descriptor any more: the keeper if there is one, and this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "proto/arm/midr.h"
#include "proto/device.h"
#include "vmm/keeper/kept.h"
#include "vmm/machine/linux_cache.h"
#include "vmm/machine/linux_cpus.h"
#include "vmm/machine/machine.h"
#include "vmm/util/clock.h"
#include "vmm/util/first_line.h"
#include "vmm/util/keyval.h"
#include "vmm/util/log.h"
#include "vmm/util/memfile.h"

#define DEVICE         "/dev/ringvisor"
#define LIST_MAX       1024 /* bytes of a list of CPUs */
#define HUGE_PAGES     "/sys/kernel/mm/hugepages/hugepages-2048kB"
#define MIB            (1ull << 20)
#define KICK_NS        5000u /* a system call and an SGI */
#define READY_LIMIT_MS 5000

/* What the keeper has of it, beside what machine_keep() gives to it. */
#define KEPT_DEVICE   "linux-device"
#define KEPT_DOORBELL "linux-doorbell"
#define KEPT_MEMORY   "linux-memory"
#define KEPT_SESSION  "linux-session"

#define SESSION_MAGIC   0x31534553584e4c52ull /* "RLNXSES1" */
#define SESSION_VERSION 2u

struct session_record {
    uint64_t magic;
    uint32_t version;
    uint16_t vm, first_vcpu;
    uint8_t cpus[RV_MAX_PCPUS];
    struct rv_device_features features;
};

struct linux_machine {
    struct machine machine;
    int device;
    uint8_t cpus[RV_MAX_PCPUS];    /* the stub's number of each pCPU */
    struct linux_cpus of_computer; /* the kernel's numbers: known at the start */
    struct rv_device_features features;
    uint64_t channels_size, vcpus_size;
};

/* The option `cpus`. 0, or -errno after a message. */
static int cpus_parse(const char *list, const struct linux_cpus *of_computer, uint64_t *cpus)
{
    int error = linux_cpus_parse(list, of_computer, cpus);

    if (error == -ENODEV)
        log_error("--machine linux: option 'cpus': '%s': the stub is only below CPUs that were "
                  "online when the module was loaded",
                  list);
    else if (error)
        log_error("--machine linux: option 'cpus': '%s': give numbers of CPUs, such as 2-3", list);
    return error;
}

/* `cpus` stays 0 if none are named. 0, or -errno after a message. Without a computer: in form. */
static int options_parse(const char *text, const struct linux_cpus *of_computer, uint64_t *cpus)
{
    const char *list = text && *text ? text : NULL;
    struct keyval keyval;
    int error = 0, found;

    *cpus = 0;
    while (!error && (found = keyval_next(&list, &keyval)) != 0) {
        if (found < 0)
            return found;
        if (strcmp(keyval.key, "cpus") != 0) {
            log_error("--machine linux: no option '%s'; there is cpus=LIST", keyval.key);
            error = -EINVAL;
        } else {
            error = cpus_parse(keyval.value ? keyval.value : "", of_computer, cpus);
        }
        keyval_free(&keyval);
    }
    return error;
}

int machine_linux_check(const char *text)
{
    uint64_t cpus;

    return options_parse(text, NULL, &cpus);
}

bool machine_linux_is_there(void)
{
    if (access(DEVICE, R_OK | W_OK) == 0)
        return true;
    if (errno == EACCES && !kept_has_keeper()) /* a keeper has said it */
        log_warn(DEVICE ": this user may not open it (see its group), so the machine is qemu");
    return false;
}

static const char *remedy(int error)
{
    struct utsname host;

    if (error == EACCES)
        return "this user may not open it (see its group)";
    if (uname(&host) == 0 && strcmp(host.machine, "aarch64") != 0)
        return "only an Arm computer has it; elsewhere the machine is qemu";
    return "load the module: modprobe ringvisor (dmesg says why it refuses)";
}

static int device_open(struct linux_machine *l, struct rv_device_info *info)
{
    l->device = open(DEVICE, O_RDWR | O_CLOEXEC);
    if (l->device < 0) {
        int error = errno;

        log_error(DEVICE ": %s; %s", strerror(error), remedy(error));
        return -error;
    }
    if (ioctl(l->device, RV_DEVICE_INFO, info) < 0) {
        log_error(DEVICE ": %s: it is not that of ringvisor's module", strerror(errno));
        return -ENODEV;
    }
    if (info->version == RV_DEVICE_VERSION && info->abi == (RV_ABI_MAJOR << 16 | RV_ABI_MINOR) &&
        info->channel_size == sizeof(struct rv_channel))
        return 0;
    log_error(DEVICE " is version %u.%u of the module, and this vmm is %u.%u: take both from one "
                     "build (after an upgrade: rmmod ringvisor, modprobe ringvisor)",
              info->version, info->abi >> 16, RV_DEVICE_VERSION, RV_ABI_MAJOR);
    return -EPROTO;
}

/* The computer's CPUs that have the stub. 0, or -errno after a message. */
static int learn_cpus(struct linux_machine *l, const struct rv_device_info *info)
{
    struct rv_device_numbers numbers;
    struct linux_cpus *cpus = &l->of_computer;

    cpus->nr = info->nr_cpus < RV_MAX_PCPUS ? info->nr_cpus : RV_MAX_PCPUS;
    for (unsigned i = 0; i < cpus->nr; i++)
        cpus->number[i] = (uint16_t)i;
    if (ioctl(l->device, RV_DEVICE_NUMBERS, &numbers) == 0) {
        memcpy(cpus->number, numbers.number, sizeof(cpus->number));
    } else if (errno != ENOTTY) { /* an older module: it is as above */
        log_error(DEVICE ": its CPUs are not known: %s", strerror(errno));
        return -EIO;
    }
    linux_cpus_look(cpus, LINUX_CPUS_FOLDER);
    return 0;
}

/* What the session has: a VM, and CPUs from the kernel. */
static int take(struct linux_machine *l, const struct machine_config *config,
                const struct rv_device_info *info, uint64_t cpus)
{
    struct rv_device_vm vm = {.nr_vcpus = config->nr_vcpus};
    char line[LIST_MAX];
    const char *reason;

    if (config->nr_pcpus < config->nr_vcpus) {
        log_error("--machine linux: %u vCPUs need as many CPUs", config->nr_vcpus);
        return -EINVAL;
    }
    if (linux_cpus_choose(&l->of_computer, info->taken_cpus, config->nr_pcpus, cpus, &cpus))
        return -EINVAL;
    if (ioctl(l->device, RV_DEVICE_CREATE, &vm) < 0) {
        log_error(DEVICE ": no VM: %s", errno == ENOSPC ? "there are too many" : strerror(errno));
        return -errno;
    }
    l->machine.vm = (uint16_t)vm.vm;
    l->machine.first_vcpu = (uint16_t)vm.first_vcpu;
    for (unsigned i = 0, cpu = 0; cpu < RV_MAX_PCPUS; cpu++) {
        if (cpus >> cpu & 1)
            l->cpus[i++] = (uint8_t)cpu;
    }
    if (ioctl(l->device, RV_DEVICE_CPUS, &cpus) == 0)
        return 0;
    reason =
        errno == EBUSY ? "another guest has one of them, or the kernel keeps it" : strerror(errno);
    linux_cpus_print(&l->of_computer, cpus, line, sizeof(line));
    log_error("--machine linux: CPU %s cannot be taken: %s", line, reason);
    return -EBUSY;
}

/* By the size's own file: `vm.nr_hugepages` counts pages of 32 MiB on a kernel with pages of 16 KiB. */
static void say_no_memory(uint64_t size)
{
    char free[32];

    first_line(HUGE_PAGES "/free_hugepages", free, sizeof(free));
    if (*free)
        log_error("the guest needs %llu huge pages of 2 MiB, and %d are free; as root: "
                  "echo NUMBER >" HUGE_PAGES "/nr_hugepages",
                  (unsigned long long)(size / RV_BLOCK_SIZE), atoi(free));
    else
        log_error("the guest needs huge pages of 2 MiB, and this kernel has none (" HUGE_PAGES ")");
}

static int memory_create(struct linux_machine *l)
{
    struct machine *m = &l->machine;
    struct rv_device_memory memory = {.size = m->layout.total};

    m->memory_fd = memfile_create_huge("ringvisor", m->layout.total);
    if (m->memory_fd >= 0)
        m->memory =
            mmap(NULL, m->layout.total, PROT_READ | PROT_WRITE, MAP_SHARED, m->memory_fd, 0);
    if (m->memory_fd < 0 || m->memory == MAP_FAILED) {
        m->memory = NULL;
        say_no_memory(m->layout.total);
        return -ENOMEM;
    }
    m->ram = m->memory;
    memory.address = (uint64_t)m->memory;
    if (ioctl(l->device, RV_DEVICE_LEND, &memory) == 0)
        return 0;
    log_error(DEVICE ": it does not take the guest's memory: %s",
              errno == ERANGE ? "there are huge pages above 1 TiB, which guests cannot have"
                              : strerror(errno));
    return -errno;
}

/* `size` bytes at an offset of the device; `*to` says where, if not anywhere. */
static int map(const struct linux_machine *l, uint64_t offset, uint64_t size, void **to)
{
    void *at = mmap(*to, size, PROT_READ | PROT_WRITE, MAP_SHARED | (*to ? MAP_FIXED : 0),
                    l->device, (off_t)offset);

    if (at == MAP_FAILED) {
        log_error(DEVICE ": %s", strerror(errno));
        return -errno;
    }
    *to = at;
    return 0;
}

/* The channels one behind the other, whatever the numbers of the CPUs are; and the vCPU pages. */
static int map_shared(struct linux_machine *l)
{
    struct machine *m = &l->machine;
    void *at = mmap(NULL, l->channels_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *vcpus = NULL;

    if (at == MAP_FAILED)
        return -ENOMEM;
    m->channels = at;
    for (unsigned i = 0; i < m->nr_pcpus; i++) {
        at = m->channels + i;
        if (map(l, RV_DEVICE_CHANNEL(l->cpus[i]), sizeof(struct rv_channel), &at))
            return -EIO;
    }
    if (map(l, RV_DEVICE_VCPUS, l->vcpus_size, &vcpus))
        return -EIO;
    m->vcpus = vcpus;
    return 0;
}

/* What machine_wait_ready() looks at: on the other machine the stub writes it. */
static void show_features(struct linux_machine *l)
{
    struct rv_boot_page *boot = l->machine.boot;

    memcpy(boot->stub_id, l->features.id, sizeof(boot->stub_id));
    boot->stub_cntfrq = l->features.cntfrq;
    boot->stub_dczid = l->features.dczid;
    boot->stub_sve = l->features.sve;
    boot->stub_features = l->features.enabled;
    boot->stub_state = RV_STUB_READY;
}

/* The device has those of the CPU that began last, of any guest: they are asked for once, and kept. */
static int learn_features(struct linux_machine *l)
{
    uint64_t midr = l->machine.channels[0].event[0].esr;

    if (ioctl(l->device, RV_DEVICE_FEATURES, &l->features) < 0)
        return -errno;
    if (MIDR_KIND(l->features.id[RV_ID_INDEX(0, 0)]) != MIDR_KIND(midr)) {
        log_error("--machine linux: another guest took CPUs of another kind meanwhile: start this "
                  "one again");
        return -EAGAIN;
    }
    show_features(l);
    return 0;
}

static int wait_for_cpus(const struct linux_machine *l)
{
    const struct timespec pause = {0, 100000};
    int64_t start = clock_now_ms();

    for (unsigned i = 0; i < l->machine.nr_pcpus; i++) {
        while (!rv_ring_ready(&l->machine.channels[i].event[0].seq, 0)) {
            if (clock_now_ms() - start > READY_LIMIT_MS) {
                log_error("CPU %u does not serve the stub", l->of_computer.number[l->cpus[i]]);
                return -ETIMEDOUT;
            }
            nanosleep(&pause, NULL);
        }
    }
    return 0;
}

static void linux_kick(struct machine *machine, unsigned pcpu)
{
    const struct linux_machine *l = (const struct linux_machine *)machine;
    uint64_t mask = 1ull << l->cpus[pcpu];

    ioctl(l->device, RV_DEVICE_KICK, &mask);
}

static bool linux_is_dead(struct machine *machine)
{
    return false; /* it is the computer that this process runs on */
}

/*
 * The session has made the VM, and the module maps its memory: it knows where it is. The guest
 * finds what is in it also with its caches off.
 */
static int linux_memory(struct machine *machine, const struct rv_command *command)
{
    const struct linux_machine *l = (const struct linux_machine *)machine;
    struct rv_device_map map = {
        .ipa = command->arg[0],
        .offset = command->arg[1],
        .size = command->arg[2],
        .prot = (uint32_t)command->arg[3] & ~RV_MAP_PAGES_ONLY,
    };

    switch (command->op) {
    case RV_COMMAND_MAP:
        linux_cache_clean(machine->ram + map.offset, map.size);
        if (ioctl(l->device, RV_DEVICE_MAP, &map) == 0)
            return 0;
        return -errno;
    case RV_COMMAND_FLUSH: linux_cache_clean(machine->ram + command->arg[0], command->arg[1]);
    }
    return 0;
}

static void linux_stop(struct machine *machine)
{
    struct linux_machine *l = (struct linux_machine *)machine;

    if (machine->channels)
        munmap(machine->channels, l->channels_size);
    if (machine->vcpus)
        munmap(machine->vcpus, l->vcpus_size);
    if (l->device >= 0)
        close(l->device); /* nothing of it is mapped any more: without a keeper the CPUs go back */
    if (machine->doorbell >= 0)
        close(machine->doorbell);
    if (machine->memory)
        munmap(machine->memory, machine->layout.total);
    if (machine->memory_fd >= 0)
        close(machine->memory_fd);
    free(machine->boot);
    free(l);
}

static const struct machine_ops linux_ops = {
    .kick = linux_kick,
    .is_dead = linux_is_dead,
    .stop = linux_stop,
    .memory = linux_memory,
};

/* NULL after a message. */
static struct linux_machine *linux_new(const struct machine_config *config)
{
    struct linux_machine *l = calloc(1, sizeof(*l));
    struct machine *m = &l->machine;

    if (!l)
        return NULL;
    *m = (struct machine){
        .ops = &linux_ops,
        .nr_pcpus = config->nr_pcpus,
        .nr_vcpus = config->nr_vcpus,
        .memory_fd = -1,
        .boot = calloc(1, sizeof(*m->boot)),
        .doorbell = -1,
        .kick_ns = KICK_NS,
        .pinned = true,
        .cpu_numbers = l->cpus,
    };
    l->device = -1;
    l->channels_size = config->nr_pcpus * sizeof(struct rv_channel);
    l->vcpus_size = config->nr_vcpus * sizeof(struct rv_vcpu_page);
    if (m->boot) {
        m->boot->abi_major = RV_ABI_MAJOR; /* device_open() has found no other */
        m->boot->abi_minor = RV_ABI_MINOR;
        return l;
    }
    log_error("out of memory");
    linux_stop(m);
    return NULL;
}

/* Another worker can go on with it. 0, or -errno after a message. */
static int keep(const struct linux_machine *l)
{
    struct session_record record = {
        .magic = SESSION_MAGIC,
        .version = SESSION_VERSION,
        .vm = l->machine.vm,
        .first_vcpu = l->machine.first_vcpu,
        .features = l->features,
    };
    int fd, error = -EIO;

    if (!kept_has_keeper())
        return 0;
    memcpy(record.cpus, l->cpus, sizeof(record.cpus));
    fd = memfile_create(KEPT_SESSION, sizeof(record));
    if (fd < 0)
        return fd;
    if (pwrite(fd, &record, sizeof(record), 0) == sizeof(record) &&
        kept_put(l->device, KEPT_DEVICE) == 0 &&
        kept_put(l->machine.doorbell, KEPT_DOORBELL) == 0 &&
        kept_put(l->machine.memory_fd, KEPT_MEMORY) == 0)
        error = kept_put(fd, KEPT_SESSION);
    close(fd);
    return error;
}

struct machine *machine_linux_start(const struct machine_config *config)
{
    struct linux_machine *l = linux_new(config);
    struct rv_device_info info;
    struct machine *m = &l->machine;
    uint64_t cpus;

    if (!l)
        return NULL;
    m->layout.ram_size = (config->ram_size + RV_BLOCK_SIZE - 1) / RV_BLOCK_SIZE * RV_BLOCK_SIZE;
    m->layout.total = m->layout.ram_size;
    m->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (device_open(l, &info) || learn_cpus(l, &info) ||
        options_parse(config->options, &l->of_computer, &cpus) || take(l, config, &info, cpus) ||
        memory_create(l) || map_shared(l))
        goto fail;
    if (m->doorbell < 0 || ioctl(l->device, RV_DEVICE_SET_EVENTFD, &m->doorbell) < 0 ||
        wait_for_cpus(l) || learn_features(l) || keep(l)) {
        log_error(DEVICE ": the session cannot be made");
        goto fail;
    }
    return m;
fail:
    linux_stop(m);
    return NULL;
}

/* What keep() has kept. 0, or -errno after a message. */
static int find_session(struct linux_machine *l)
{
    struct session_record record = {0};
    int fd = kept_get(KEPT_SESSION);
    ssize_t n = fd < 0 ? -1 : pread(fd, &record, sizeof(record), 0);

    if (fd >= 0)
        close(fd);
    l->device = kept_get(KEPT_DEVICE);
    l->machine.doorbell = kept_get(KEPT_DOORBELL);
    if (l->device < 0 || l->machine.doorbell < 0 || n != sizeof(record) ||
        record.magic != SESSION_MAGIC || record.version != SESSION_VERSION) {
        log_error("the keeper has no session of " DEVICE);
        return -EINVAL;
    }
    l->machine.vm = record.vm;
    l->machine.first_vcpu = record.first_vcpu;
    memcpy(l->cpus, record.cpus, sizeof(record.cpus));
    l->features = record.features;
    show_features(l);
    return 0;
}

/* The session goes on: its CPUs, its memory, and what the guest does. */
struct machine *machine_linux_take_over(const struct machine_config *config)
{
    struct linux_machine *l = linux_new(config);
    struct machine *m = &l->machine;

    if (!l)
        return NULL;
    if (find_session(l) == 0 && machine_take_over(m, config, kept_get(KEPT_MEMORY)) == 0 &&
        map_shared(l) == 0) {
        m->ram = m->memory;
        machine_answers(m);
        return m;
    }
    linux_stop(m);
    return NULL;
}
