/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: an instruction word, registers, flags, and which translations and
 * bus accesses fail. Checked: what the callbacks are called with, how often, and
 * that a fault leaves no trace in the registers.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/check.h"
#include "vmm/insn/insn_exec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint32_t word;
    uint8_t flags;
    uint8_t zva;                         /* log2 of the block; above 11: none that is allowed */
    uint8_t bad_translation, bad_access; /* number of the one that fails; 255: none */
    uint8_t lengths;                     /* of SVE: that in effect and the longest, by 16 bytes */
    uint8_t not_ram;                     /* bit n: pages whose number is n modulo 8 are none */
    uint64_t x[32];                      /* [31] is SP */
    uint64_t data;
    uint64_t predicates[4]; /* again and again */
};

struct machine {
    struct input in;
    struct input before;
    uint64_t v[32][2];
    struct insn insn;
    struct insn_sve sve;
    uint8_t area[32 * INSN_VL_MAX + 17 * INSN_VL_MAX / 8];
    uint8_t area_before[32 * INSN_VL_MAX + 17 * INSN_VL_MAX / 8];
    unsigned translations, accesses, writes_to_registers;
    bool wrote;
};

static uint64_t get_x(void *opaque, unsigned reg)
{
    CHECK(reg < 31);
    return ((struct machine *)opaque)->in.x[reg];
}

static void set_x(void *opaque, unsigned reg, uint64_t value)
{
    struct machine *m = opaque;

    CHECK(reg < 31);
    m->in.x[reg] = value;
    m->writes_to_registers++;
}

static uint64_t get_sp(void *opaque)
{
    return ((struct machine *)opaque)->in.x[31];
}

static void set_sp(void *opaque, uint64_t value)
{
    struct machine *m = opaque;

    m->in.x[31] = value;
    m->writes_to_registers++;
}

static void get_v(void *opaque, unsigned reg, uint64_t value[2])
{
    CHECK(reg < 32);
    memcpy(value, ((struct machine *)opaque)->v[reg], 16);
}

static void set_v(void *opaque, unsigned reg, const uint64_t value[2])
{
    struct machine *m = opaque;

    CHECK(reg < 32);
    memcpy(m->v[reg], value, 16);
    m->writes_to_registers++;
}

static int translate(void *opaque, gva_t addr, bool write, bool unprivileged,
                     struct insn_page *page, uint32_t *fsc)
{
    struct machine *m = opaque;

    CHECK(m->accesses == 0); /* all translations come first */
    CHECK(m->translations < (insn_is_sve(&m->insn) ? INSN_VL_MAX / 2 : 4));
    if (m->translations++ == m->in.bad_translation) {
        *fsc = 7;
        return m->in.flags & 16u ? -EIO : -EFAULT;
    }
    /* Pages far apart, and the second one lower. */
    *page = (struct insn_page){ipa(~addr.v << 12 | (addr.v & 0xfffu)), m->in.flags & 8u,
                               !(m->in.not_ram >> (addr.v / 4096u % 8u) & 1u)};
    return 0;
}

static int access_bus(struct machine *m, ipa_t addr, unsigned size)
{
    CHECK(size == 1 || size == 2 || size == 4 || size == 8);
    CHECK(addr.v % size == 0);
    CHECK(m->translations != 0 && m->writes_to_registers == 0);
    CHECK(m->accesses < (insn_is_sve(&m->insn) ? 4 * INSN_VL_MAX : INSN_ZVA_MAX / 8u));
    return m->accesses++ == m->in.bad_access ? -ENXIO : 0;
}

static int read_bus(void *opaque, ipa_t addr, unsigned size, uint64_t *value)
{
    struct machine *m = opaque;

    CHECK(!m->wrote); /* all reads come before all writes */
    *value = m->in.data ^ addr.v;
    return access_bus(m, addr, size);
}

static int write_bus(void *opaque, ipa_t addr, unsigned size, uint64_t value)
{
    struct machine *m = opaque;

    CHECK(value <= ~0ull >> (64u - 8u * size));
    m->wrote = true;
    return access_bus(m, addr, size);
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

/* Half of the words become loads or stores, a quarter SVE's, so that the noise is not wasted. */
static uint32_t steer(uint32_t word, unsigned how)
{
    if (how % 4 == 1)
        return (word & 0x61ffffffu) | 0x84000000u;
    return how % 4 ? (word & ~(1u << 25)) | 1u << 27 : word;
}

static void make_sve(struct machine *m)
{
    unsigned stride = (m->in.lengths / 16u + 1u) * 16u, vl = (m->in.lengths % 16u + 1u) * 16u;

    m->sve = insn_sve_at(m->area, stride, vl < stride ? vl : stride);
    for (unsigned n = 0; n < sizeof(m->area); n++)
        m->area[n] = (uint8_t)(m->in.x[n / 8u % 32u] >> 8u * (n % 8u));
    for (unsigned n = 0; n < 17u * stride / 8u; n++)
        m->sve.p[n] = (uint8_t)(m->in.predicates[n / 8u % 4u] >> 8u * (n % 8u));
    memcpy(m->area_before, m->area, sizeof(m->area));
}

/* FFR loses a part of its upper end, and nothing else. */
static void check_ffr(const struct machine *m)
{
    const uint8_t *before = m->area_before + (m->sve.ffr - m->area);
    unsigned kept = 0;

    for (unsigned bit = 0; bit < m->sve.vl; bit++) {
        unsigned was = before[bit / 8u] >> bit % 8u & 1u,
                 is = m->sve.ffr[bit / 8u] >> bit % 8u & 1u;

        CHECK(is <= was);
        if (is)
            kept = bit + 1u;
    }
    for (unsigned bit = 0; bit < kept; bit++)
        CHECK((before[bit / 8u] >> bit % 8u & 1u) == (m->sve.ffr[bit / 8u] >> bit % 8u & 1u));
    if (m->insn.faulting == INSN_FAULTING)
        CHECK(memcmp(before, m->sve.ffr, m->sve.stride / 8u) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    struct insn_ctx ctx = {.ops = &ops, .opaque = &m};
    struct insn_fault fault;
    struct insn insn, twice;
    int error;

    memset(&m, 0, sizeof(m));
    memcpy(&m.in, data, size < sizeof(m.in) ? size : sizeof(m.in));
    m.before = m.in;
    ctx.big_endian = m.in.flags & 1u;
    ctx.aligned = m.in.flags & 2u;
    ctx.sp_aligned = m.in.flags & 4u;
    ctx.zva_size = (uint16_t)(1u << m.in.zva % 16u);
    ctx.far = m.in.data;
    make_sve(&m);
    ctx.sve = m.in.zva & 16u ? NULL : &m.sve;

    memset(&insn, 0xff, sizeof(insn));
    memset(&twice, 0x55, sizeof(twice));
    insn_decode(steer(m.in.word, m.in.flags >> 6), &insn);
    insn_decode(steer(m.in.word, m.in.flags >> 6), &twice);
    CHECK(memcmp(&insn, &twice, sizeof(insn)) == 0);
    CHECK(insn_length(&insn) <= 64);
    m.insn = insn;

    error = insn_exec(&ctx, &insn, &fault);
    CHECK((error == -EFAULT) == (fault.kind != INSN_FAULT_NONE));
    CHECK(error == 0 || error == -EFAULT || error == -EIO || error == -EOPNOTSUPP);
    if (error) {
        CHECK(m.writes_to_registers == 0 && !m.sve.written);
        CHECK(memcmp(&m.in, &m.before, sizeof(m.in)) == 0);
    }
    if (!m.sve.written)
        CHECK(memcmp(m.area, m.area_before, sizeof(m.area)) == 0);
    check_ffr(&m);
    if (fault.kind == INSN_FAULT_BUS)
        CHECK(fault.error == -ENXIO && m.accesses == m.in.bad_access + 1u);
    if (insn.class == INSN_OTHER || insn.class == INSN_UNSUPPORTED)
        CHECK(error == -EOPNOTSUPP);
    if (insn_is_sve(&insn) && !ctx.sve)
        CHECK(error == -EOPNOTSUPP);
    if (insn.class == INSN_EXCLUSIVE)
        CHECK(error && m.accesses == 0);
    if (!insn.store)
        CHECK(!m.wrote);
    return 0;
}
