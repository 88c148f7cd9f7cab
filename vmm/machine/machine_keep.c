/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker leaves of the machine for the next one (vmm/keeper/kept.h). */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/machine/machine.h"
#include "vmm/util/log.h"
#include "vmm/util/memfile.h"

#define RECORD_NAME    "machine"
#define RECORD_MAGIC   0x314843414d4e5652ull /* "RVNMACH1" */
#define RECORD_VERSION 1u

struct machine_record {
    uint64_t magic;
    uint32_t version;
    uint32_t nr_pcpus;
    uint32_t nr_vcpus;
    uint32_t nr_lrs;
    uint32_t has_tdir;
    uint32_t abi; /* of the stub that runs: major, minor */
    struct layout layout;
};

static uint32_t abi(const struct rv_boot_page *boot)
{
    return (uint32_t)boot->abi_major << 16 | boot->abi_minor;
}

void machine_place(struct machine *m)
{
    m->boot = (struct rv_boot_page *)(m->memory + m->layout.boot);
    m->channels = (struct rv_channel *)(m->memory + m->layout.channels);
    m->vcpus = (struct rv_vcpu_page *)(m->memory + m->layout.vcpus);
    m->ram = m->memory + m->layout.ram;
}

int machine_keep(const struct machine *machine)
{
    const struct machine_record record = {
        .magic = RECORD_MAGIC,
        .version = RECORD_VERSION,
        .nr_pcpus = machine->nr_pcpus,
        .nr_vcpus = machine->nr_vcpus,
        .nr_lrs = machine->nr_lrs,
        .has_tdir = machine->has_tdir,
        .abi = abi(machine->boot),
        .layout = machine->layout,
    };
    int fd, error;

    if (!kept_has_keeper())
        return 0;
    fd = memfile_create(RECORD_NAME, sizeof(record));
    if (fd < 0)
        return fd;
    error =
        pwrite(fd, &record, sizeof(record), 0) == sizeof(record) ? kept_put(fd, RECORD_NAME) : -EIO;
    close(fd);
    return error;
}

bool machine_is_kept(void)
{
    int fd = kept_get(RECORD_NAME);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int refuse(const char *why)
{
    log_error("the machine cannot be taken over: %s", why);
    return -EINVAL;
}

static int read_record(struct machine_record *record, const struct machine_config *config)
{
    int fd = kept_get(RECORD_NAME);
    ssize_t n = fd < 0 ? -1 : pread(fd, record, sizeof(*record), 0);

    if (fd >= 0)
        close(fd);
    if (n < 0)
        return refuse("the keeper does not know it");
    if (n != sizeof(*record) || record->magic != RECORD_MAGIC || record->version != RECORD_VERSION)
        return refuse("it was started by another version of the vmm");
    if (record->abi >> 16 != RV_ABI_MAJOR || (record->abi & 0xffff) > RV_ABI_MINOR)
        return refuse("its stub speaks another version of the protocol");
    if (record->nr_pcpus != config->nr_pcpus || record->nr_vcpus != config->nr_vcpus)
        return refuse("it has another number of CPUs");
    return 0;
}

int machine_check(const struct machine_config *config)
{
    struct machine_record record;

    return read_record(&record, config);
}

int machine_take_over(struct machine *m, const struct machine_config *config, int memory_fd)
{
    struct machine_record record;
    struct stat st;
    int error = read_record(&record, config);

    m->memory_fd = memory_fd;
    if (error)
        return error;
    m->layout = record.layout;
    if (fstat(memory_fd, &st) || (uint64_t)st.st_size < m->layout.total)
        return refuse("its memory is gone");
    m->memory = mmap(NULL, m->layout.total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                     memory_fd, 0);
    if (m->memory == MAP_FAILED) {
        m->memory = NULL;
        return refuse(strerror(errno));
    }
    m->nr_pcpus = record.nr_pcpus;
    m->nr_vcpus = record.nr_vcpus;
    m->nr_lrs = record.nr_lrs;
    m->has_tdir = record.has_tdir;
    m->is_ready = true;
    return 0;
}
