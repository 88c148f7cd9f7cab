/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * insn.c and insn_exec.c against a CPU: oracle_exec CASES RESULTS. Executes each
 * case from its start state and compares all registers, flags and memory with
 * what the CPU left behind.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "tests/oracle/record.h"
#include "vmm/insn/insn_exec.h"

struct machine {
    struct oracle_state state;
    uint8_t memory[ORACLE_MEMORY_SIZE];
    uint8_t sve[ORACLE_SVE_MAX];
};

static uint64_t get_x(void *opaque, unsigned reg)
{
    return ((struct machine *)opaque)->state.x[reg];
}

static void set_x(void *opaque, unsigned reg, uint64_t value)
{
    ((struct machine *)opaque)->state.x[reg] = value;
}

static uint64_t get_sp(void *opaque)
{
    return ((struct machine *)opaque)->state.sp;
}

static void set_sp(void *opaque, uint64_t value)
{
    ((struct machine *)opaque)->state.sp = value;
}

static void get_v(void *opaque, unsigned reg, uint64_t value[2])
{
    memcpy(value, &((struct machine *)opaque)->state.v[2 * reg], 16);
}

static void set_v(void *opaque, unsigned reg, const uint64_t value[2])
{
    memcpy(&((struct machine *)opaque)->state.v[2 * reg], value, 16);
}

/* Linux lets EL0 have a tag in the top byte. */
static int translate(void *opaque, gva_t addr, bool write, bool unprivileged,
                     struct insn_page *page, uint32_t *fsc)
{
    uint64_t address = addr.v & ~0ull >> 8;

    *fsc = ESR_FSC_TRANSLATION | 3u;
    *page = (struct insn_page){.ipa = ipa(address), .ram = true};
    return address < ORACLE_MEMORY || address >= ORACLE_MEMORY + ORACLE_MEMORY_SIZE ? -EFAULT : 0;
}

static uint8_t *bytes(struct machine *m, ipa_t addr, unsigned size)
{
    if (addr.v < ORACLE_MEMORY || addr.v - ORACLE_MEMORY > ORACLE_MEMORY_SIZE - size ||
        addr.v % size)
        return NULL;
    return &m->memory[addr.v - ORACLE_MEMORY];
}

/* What is above `size` is garbage, on purpose. */
static int read_bus(void *opaque, ipa_t addr, unsigned size, uint64_t *value)
{
    uint8_t *p = bytes(opaque, addr, size);

    *value = 0xa5a5a5a5a5a5a5a5ull;
    if (!p)
        return -ENXIO;
    memcpy(value, p, size);
    return 0;
}

static int write_bus(void *opaque, ipa_t addr, unsigned size, uint64_t value)
{
    uint8_t *p = bytes(opaque, addr, size);

    if (!p)
        return -ENXIO;
    memcpy(p, &value, size);
    return 0;
}

static const struct insn_ops ops = {
    .get_x = get_x,
    .set_x = set_x,
    .get_sp = get_sp,
    .set_sp = set_sp,
    .get_v = get_v,
    .set_v = set_v,
    .translate = translate,
    .read = read_bus,
    .write = write_bus,
};

static int differ(const char *what, unsigned n, uint64_t ours, uint64_t cpu)
{
    if (ours == cpu)
        return 0;
    printf("    %s%u: 0x%" PRIx64 ", on the CPU 0x%" PRIx64 "\n", what, n, ours, cpu);
    return 1;
}

/* V is the low part of Z, in both of the places where it is. */
static int merge_vectors(struct machine *m, const struct insn *insn, unsigned vl)
{
    int bad = 0;

    for (unsigned n = 0; vl && n < 32; n++) {
        uint64_t low[2];

        memcpy(low, m->sve + n * vl, 16);
        if (!insn_is_sve(insn)) {
            bad += differ("low half of v besides z", n, m->state.v[2 * n], low[0]);
            bad += differ("high half of v besides z", n, m->state.v[2 * n + 1], low[1]);
        }
        memcpy(&m->state.v[2 * n], low, 16);
    }
    return bad;
}

static int compare_sve(const struct machine *m, const uint8_t *cpu, unsigned vl)
{
    int bad = 0;

    for (unsigned n = 0; n < 32 * vl; n++) {
        if (m->sve[n] != cpu[n]) {
            printf("    z%u byte %u: 0x%02x, on the CPU 0x%02x\n", n / vl, n % vl, m->sve[n],
                   cpu[n]);
            bad++;
        }
    }
    for (unsigned n = 32 * vl; n < ORACLE_SVE_SIZE(vl); n++)
        bad += differ("p (16: ffr) byte ", n - 32 * vl, m->sve[n], cpu[n]);
    return bad;
}

static int compare(const struct machine *m, const struct oracle_result *cpu)
{
    int bad = 0;

    for (unsigned n = 0; n < 31; n++)
        bad += differ("x", n, m->state.x[n], cpu->state.x[n]);
    for (unsigned n = 0; n < 64; n++)
        bad += differ(n % 2 ? "high half of v" : "low half of v", n / 2, m->state.v[n],
                      cpu->state.v[n]);
    bad += differ("sp", 0, m->state.sp, cpu->state.sp);
    bad += differ("nzcv", 0, m->state.nzcv, cpu->state.nzcv);
    bad += differ("fpsr", 0, m->state.fpsr, cpu->state.fpsr);
    for (unsigned n = 0; n < ORACLE_MEMORY_SIZE; n++)
        bad += differ("memory byte ", n, m->memory[n], cpu->memory[n]);
    return bad;
}

static void get(FILE *f, void *p, size_t size)
{
    if (fread(p, size, 1, f) != 1) {
        fprintf(stderr, "a file is too short\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static uint8_t memory[ORACLE_MEMORY_SIZE];
    static struct oracle_result cpu;
    static struct machine m;
    static uint8_t cpu_sve[ORACLE_SVE_MAX];
    struct oracle_header header, run;
    unsigned bad = 0, vl, used[INSN_CLASSES] = {0};
    FILE *cases, *results;

    if (argc != 3 || !(cases = fopen(argv[1], "rb")) || !(results = fopen(argv[2], "rb"))) {
        fprintf(stderr, "usage: oracle_exec CASES RESULTS\n");
        return 1;
    }
    get(cases, &header, sizeof(header));
    get(cases, memory, sizeof(memory));
    get(results, &run, sizeof(run));
    vl = header.vl <= INSN_VL_MAX ? (unsigned)header.vl : 0;
    for (uint64_t n = 0; n < header.count; n++) {
        struct insn_ctx ctx = {
            .ops = &ops, .opaque = &m, .pc = ORACLE_PC, .zva_size = (uint16_t)run.zva_size};
        struct insn_sve sve = insn_sve_at(m.sve, vl, vl);
        struct oracle_case one;
        struct insn_fault fault;
        struct insn insn;
        int error;

        get(cases, &one, sizeof(one));
        get(results, &cpu, sizeof(cpu));
        if (vl) {
            get(cases, m.sve, ORACLE_SVE_SIZE(vl));
            get(results, cpu_sve, ORACLE_SVE_SIZE(vl));
            ctx.sve = &sve;
        }
        m.state = one.state;
        memcpy(m.memory, memory, sizeof(memory));
        insn_decode((uint32_t)one.word, &insn);
        used[insn.class]++;
        error = insn_exec(&ctx, &insn, &fault);
        if (error)
            printf("    error %d, fault %d at 0x%" PRIx64 "\n", error, fault.kind, fault.far.v);
        if (merge_vectors(&m, &insn, vl) + compare(&m, &cpu) + compare_sve(&m, cpu_sve, vl) ||
            error) {
            printf("case %" PRIu64 ", word %08" PRIx64 ": differs\n", n, one.word);
            bad++;
        }
    }
    for (unsigned n = 0; n < INSN_CLASSES; n++)
        printf("class %u: %u cases\n", n, used[n]);
    printf("%" PRIu64 " cases, %" PRIu64 " agree\n", header.count, header.count - bad);
    fclose(cases);
    fclose(results);
    return bad != 0;
}
