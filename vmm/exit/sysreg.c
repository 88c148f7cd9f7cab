/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/sysreg.h"

#include <inttypes.h>
#include <stddef.h>

#include "vmm/log.h"

/*
 * One row: a range of encodings and who answers. Without a `read` (`write`),
 * reads (writes) are UNDEFINED, as for a write-only (read-only) register.
 */
struct sysreg_row {
    uint16_t first, last; /* EXIT_SYSREG_KEY */
    bool any_op1;         /* `first` and `last` have op1=0 and stand for each op1 */
    uint64_t (*read)(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                     const struct sysreg_access *access);
    void (*write)(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                  struct sysreg_access *access);
    const char *name;
};

#define KEY      EXIT_SYSREG_KEY
#define ONE(key) (key), (key), false
#define OP1_MASK KEY(0, 7, 0, 0, 0)

static uint64_t read_zero(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                          const struct sysreg_access *access)
{
    (void)sysreg;
    (void)cpu;
    (void)access;
    return 0;
}

static void write_ignored(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                          struct sysreg_access *access)
{
    (void)sysreg;
    (void)cpu;
    (void)access;
}

/* The row admits CRm 1 to 7 only, which the index needs. */
static uint64_t read_id(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                        const struct sysreg_access *access)
{
    (void)cpu;
    return sysreg->id[RV_ID_INDEX(access->reg->crm, access->reg->op2)];
}

/* IHI 0069, ICC_SGI1R_EL1 (op2 5), ICC_ASGI1R_EL1 (6), ICC_SGI0R_EL1 (7). */
static void write_sgi(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                      struct sysreg_access *access)
{
    enum sysreg_sgi which = access->reg->op2 == 7   ? SYSREG_SGI0R
                            : access->reg->op2 == 5 ? SYSREG_SGI1R
                                                    : SYSREG_ASGI1R;

    (void)cpu;
    access->kick = sysreg->sgi(sysreg->opaque, access->vcpu, which, access->value);
}

static void write_dir(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                      struct sysreg_access *access)
{
    (void)cpu;
    sysreg->deactivate(sysreg->opaque, access->vcpu, (uint32_t)access->value & 0xffffff);
}

static void write_oslar(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                        struct sysreg_access *access)
{
    (void)sysreg;
    cpu->os_lock = access->value & 1u;
}

/* OSLM 0b10 (bits 3 and 0): the OS Lock is there. OSLK is bit 1. */
static uint64_t read_oslsr(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                           const struct sysreg_access *access)
{
    (void)sysreg;
    (void)access;
    return 0x8u | (cpu->os_lock & 1u) << 1;
}

static uint64_t read_dbgprcr(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                             const struct sysreg_access *access)
{
    (void)sysreg;
    (void)access;
    return cpu->dbgprcr & 1u;
}

static void write_dbgprcr(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                          struct sysreg_access *access)
{
    (void)sysreg;
    cpu->dbgprcr = access->value & 1u; /* CORENPDRQ; there is no power controller to ask */
}

/*
 * SGIs first: they are the only ones that a running guest sends all the time.
 * ICC_SGI*_EL1 trap because HCR_EL2.IMO and FMO are set.
 */
static const struct sysreg_row rows[] = {
    {ONE(KEY(3, 0, 12, 11, 1)), NULL, write_dir, "ICC_DIR_EL1"},
    {ONE(KEY(3, 0, 12, 11, 5)), NULL, write_sgi, "ICC_SGI1R_EL1"},
    {ONE(KEY(3, 0, 12, 11, 6)), NULL, write_sgi, "ICC_ASGI1R_EL1"},
    {ONE(KEY(3, 0, 12, 11, 7)), NULL, write_sgi, "ICC_SGI0R_EL1"},

    /* HCR_EL2.TID3. Reserved encodings read as zero, as in the CPU. */
    {KEY(3, 0, 0, 1, 0), KEY(3, 0, 0, 7, 7), false, read_id, NULL, "ID registers"},

    /* HCR_EL2.TACR. No CPU-specific control is the guest's: it could weaken the host's. */
    {ONE(KEY(3, 0, 1, 0, 1)), read_zero, write_ignored, "ACTLR_EL1"},

    /*
     * HCR_EL2.TSW. By set and way is of use only before a power-down of that very
     * cache. Guest and vmm share coherent, cacheable RAM: there is nothing to do.
     */
    {ONE(KEY(1, 0, 7, 6, 2)), NULL, write_ignored, "DC ISW"},
    {ONE(KEY(1, 0, 7, 10, 2)), NULL, write_ignored, "DC CSW"},
    {ONE(KEY(1, 0, 7, 14, 2)), NULL, write_ignored, "DC CISW"},

    /* MDCR_EL2.TDRA, TDOSA. The CPU's own OS lock is not the guest's to set. */
    {ONE(KEY(2, 0, 1, 0, 0)), read_zero, NULL, "MDRAR_EL1"},
    {ONE(KEY(2, 0, 1, 0, 4)), NULL, write_oslar, "OSLAR_EL1"},
    {ONE(KEY(2, 0, 1, 1, 4)), read_oslsr, NULL, "OSLSR_EL1"},
    /* ID_AA64DFR0_EL1.DoubleLock says that there is none: RAZ/WI. */
    {ONE(KEY(2, 0, 1, 3, 4)), read_zero, write_ignored, "OSDLR_EL1"},
    {ONE(KEY(2, 0, 1, 4, 4)), read_dbgprcr, write_dbgprcr, "DBGPRCR_EL1"},

    /*
     * HCR_EL2.TERR. The guest has RAS version 1 for ESB and DISR_EL1, and no error
     * records: the machine's are the host's. With none, the rest is RAZ/WI.
     */
    {ONE(KEY(3, 0, 5, 3, 0)), read_zero, NULL, "ERRIDR_EL1"},
    {ONE(KEY(3, 0, 5, 3, 1)), read_zero, write_ignored, "ERRSELR_EL1"},
    {ONE(KEY(3, 0, 5, 4, 0)), read_zero, NULL, "ERXFR_EL1"},
    {KEY(3, 0, 5, 4, 1), KEY(3, 0, 5, 4, 3), false, read_zero, write_ignored, "ERX*_EL1"},
    {KEY(3, 0, 5, 5, 0), KEY(3, 0, 5, 5, 1), false, read_zero, write_ignored, "ERXMISC*_EL1"},

    /* From here on: features that idregs.c hides, so UNDEFINED without a warning. */
    {KEY(3, 0, 10, 4, 0), KEY(3, 0, 10, 4, 7), false, NULL, NULL, "LORegion"},
    {KEY(3, 0, 9, 9, 0), KEY(3, 0, 9, 11, 7), false, NULL, NULL, "SPE or TRBE"},
    {KEY(3, 0, 9, 12, 0), KEY(3, 0, 9, 14, 7), false, NULL, NULL, "PMU"},
    {KEY(3, 3, 9, 12, 0), KEY(3, 3, 9, 14, 7), false, NULL, NULL, "PMU"},
    {KEY(3, 3, 14, 8, 0), KEY(3, 3, 14, 15, 7), false, NULL, NULL, "PMU"},
    {KEY(3, 3, 13, 2, 0), KEY(3, 3, 13, 15, 7), false, NULL, NULL, "AMU"},
    {KEY(2, 1, 0, 0, 0), KEY(2, 1, 15, 15, 7), false, NULL, NULL, "trace"},
    {KEY(3, 0, 5, 4, 4), KEY(3, 0, 5, 4, 7), false, NULL, NULL, "RAS 1.1"},
    {KEY(3, 0, 5, 5, 2), KEY(3, 0, 5, 5, 7), false, NULL, NULL, "RAS 1.1"},
    /* HCR_EL2.TIDCP: what a CPU has there is unknown here, and may reach out of the VM. */
    {KEY(1, 0, 11, 0, 0), KEY(1, 0, 11, 15, 7), true, NULL, NULL, "IMPLEMENTATION DEFINED"},
    {KEY(1, 0, 15, 0, 0), KEY(1, 0, 15, 15, 7), true, NULL, NULL, "IMPLEMENTATION DEFINED"},
    {KEY(3, 0, 11, 0, 0), KEY(3, 0, 11, 15, 7), true, NULL, NULL, "IMPLEMENTATION DEFINED"},
    {KEY(3, 0, 15, 0, 0), KEY(3, 0, 15, 15, 7), true, NULL, NULL, "IMPLEMENTATION DEFINED"},
};

static const struct sysreg_row *sysreg_find(uint16_t key)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint16_t k = rows[i].any_op1 ? (uint16_t)(key & ~OP1_MASK) : key;

        if (k >= rows[i].first && k <= rows[i].last)
            return &rows[i];
    }
    return NULL;
}

static void sysreg_log_undefined(const struct sysreg_row *row, const struct sysreg_access *access)
{
    const struct exit_sysreg *r = access->reg;

    if (!log_first(LOG_KIND_SYSREG, (uint64_t)r->key << 1 | r->read))
        return;
    log_msg(row ? LOG_DEBUG : LOG_WARN,
            "vCPU %u: %s of S%u_%u_C%u_C%u_%u (%s) at pc 0x%" PRIx64
            ": the guest takes an UNDEFINED exception",
            access->vcpu, r->read ? "read" : "write", r->op0, r->op1, r->crn, r->crm, r->op2,
            row ? row->name : "not emulated", access->pc);
}

void sysreg_reset(struct sysreg_cpu *cpu)
{
    *cpu = (struct sysreg_cpu){.os_lock = 1}; /* Arm ARM D24.3, OSLSR_EL1: locked by a cold reset */
}

bool sysreg_emulate(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                    struct sysreg_access *access)
{
    const struct sysreg_row *row = sysreg_find(access->reg->key);

    access->kick = 0;
    if (row && access->reg->read && row->read) {
        access->value = row->read(sysreg, cpu, access);
        return true;
    }
    if (row && !access->reg->read && row->write) {
        row->write(sysreg, cpu, access);
        return true;
    }
    sysreg_log_undefined(row, access);
    return false;
}
