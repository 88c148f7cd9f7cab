/* SPDX-License-Identifier: BSD-2-Clause */
/* GICD and GICR register by register: reset value, writable bits, access sizes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmm/gic/test_vgic_fake.h"

#define ONES 0xffffffffu

#define RRD  0x1u
#define WRD  0x2u
#define RWOD 0x4u
#define WROD 0x8u

#define STATUSR 0x10u

static int setup(void **state)
{
    *state = fake_new(FAKE_VCPUS);
    return 0;
}

static int teardown(void **state)
{
    fake_free(*state);
    return 0;
}

struct row {
    uint32_t offset;
    unsigned size;
    uint64_t reset;
    uint64_t ones; /* what it reads after all ones were written */
    uint32_t read_error;
    uint32_t write_error;
};

/* In the order of the table; groups stay disabled, so nothing is delivered. */
static const struct row gicd_rows[] = {
    {0x0000, 4, 0x50, 0x53, 0, 0},
    {0x0004, 4, 0x01490008, 0x01490008, 0, WROD},
    {0x0008, 4, 0x5200043b, 0x5200043b, 0, WROD},
    {0x000c, 4, 0, 0, 0, WROD},
    {0x0010, 4, 0, 0, 0, 0},
    {0x0014, 4, 0, 0, RRD, WRD},
    {0x0020, 4, 0, 0, RRD, WRD},
    {0x0040, 4, 0, 0, RWOD, 0},
    {0x0040, 2, 0, 0, RWOD, 0},
    {0x0042, 2, 0, 0, RWOD, 0},
    {0x0048, 4, 0, 0, RWOD, 0},
    {0x0050, 4, 0, 0, RWOD, 0},
    {0x0058, 2, 0, 0, RWOD, 0},
    {0x0080, 4, 0, 0, 0, 0}, /* INTIDs 0-31 are in the redistributors */
    {0x0084, 4, 0, ONES, 0, 0},
    {0x00a0, 4, 0, ONES, 0, 0},
    {0x00a4, 4, 0, 0, 0, 0}, /* INTID 288 and up */
    {0x00fc, 4, 0, 0, 0, 0},
    {0x0100, 4, 0, 0, 0, 0},
    {0x0104, 4, 0, ONES, 0, 0},
    {0x0120, 4, 0, ONES, 0, 0},
    {0x0124, 4, 0, 0, 0, 0},
    {0x0184, 4, ONES, 0, 0, 0}, /* after ISENABLER1 above */
    {0x0104, 4, 0, ONES, 0, 0},
    {0x0200, 4, 0, 0, 0, 0},
    {0x0204, 4, 0, ONES, 0, 0},
    {0x0284, 4, ONES, 0, 0, 0},
    {0x02a4, 4, 0, 0, 0, 0},
    {0x0300, 4, 0, 0, 0, 0},
    {0x0308, 4, 0, ONES, 0, 0},
    {0x0388, 4, ONES, 0, 0, 0},
    {0x0400, 4, 0, 0, 0, 0},
    {0x041f, 1, 0, 0, 0, 0},
    {0x0420, 4, 0, 0xf8f8f8f8, 0, 0},
    {0x0425, 1, 0, 0xf8, 0, 0},
    {0x051c, 4, 0, 0xf8f8f8f8, 0, 0},
    {0x0520, 4, 0, 0, 0, 0},
    {0x07f8, 4, 0, 0, 0, 0},
    {0x07fc, 4, 0, 0, RRD, WRD},
    {0x0800, 4, 0, 0, 0, 0},
    {0x0823, 1, 0, 0, 0, 0},
    {0x0c00, 4, 0, 0, 0, 0},
    {0x0c04, 4, 0, 0, 0, 0},
    {0x0c08, 4, 0, 0xaaaaaaaa, 0, 0},
    {0x0c44, 4, 0, 0xaaaaaaaa, 0, 0},
    {0x0c48, 4, 0, 0, 0, 0},
    {0x0d04, 4, 0, 0, 0, 0},
    {0x0e08, 4, 0, 0, 0, 0},
    {0x0f00, 4, 0, 0, RWOD, 0},
    {0x0f10, 4, 0, 0, 0, 0},
    {0x0f2f, 1, 0, 0, 0, 0},
    {0x0f84, 4, 0, 0, RRD, WRD}, /* INMIR */
    {0x1000, 4, 0, 0, RRD, WRD}, /* extended SPIs */
    {0x60f8, 8, 0, 0, RRD, WRD}, /* IROUTER31 */
    {0x6100, 8, 0, 0xff80ffffffull, 0, 0},
    {0x68f8, 8, 0, 0xff80ffffffull, 0, 0},
    {0x6900, 8, 0, 0, 0, 0},
    {0x6108, 4, 0, 0x80ffffff, 0, 0},
    {0x610c, 4, 0, 0xff, 0, 0},
    {0x7fe0, 8, 0, 0, RRD, WRD},
    {0xffcc, 4, 0, 0, RRD, WRD},
    {0xffd0, 4, 0x44, 0x44, 0, WROD},
    {0xffe0, 4, 0x52, 0x52, 0, WROD},
    {0xffe4, 4, 0xb0, 0xb0, 0, WROD},
    {0xffe8, 4, 0x3b, 0x3b, 0, WROD},
    {0xffec, 4, 0, 0, 0, WROD},
    {0xfff0, 4, 0x0d, 0x0d, 0, WROD},
    {0xfff4, 4, 0xf0, 0xf0, 0, WROD},
    {0xfff8, 4, 0x05, 0x05, 0, WROD},
    {0xfffc, 4, 0xb1, 0xb1, 0, WROD},
    /* sizes that are not permitted */
    {0x0000, 1, 0, 0, RRD, WRD},
    {0x0000, 8, 0, 0, RRD, WRD},
    {0x0004, 2, 0, 0, RRD, WRD},
    {0x0040, 1, 0, 0, RRD, WRD},
    {0x0040, 8, 0, 0, RRD, WRD},
    {0x0084, 1, 0, 0, RRD, WRD},
    {0x0100, 8, 0, 0, RRD, WRD},
    {0x0420, 2, 0, 0, RRD, WRD},
    {0x0420, 8, 0, 0, RRD, WRD},
    {0x0c08, 2, 0, 0, RRD, WRD},
    {0x6100, 1, 0, 0, RRD, WRD},
    {0x6100, 2, 0, 0, RRD, WRD},
    {0xffe8, 1, 0, 0, RRD, WRD},
};

/* vCPU 3: affinity 1.0.0.2, the last. */
static const struct row gicr_rows[] = {
    {0x0000, 4, 0, 0x03000000, 0, 0},
    {0x0004, 4, 0x5200043b, 0x5200043b, 0, WROD},
    {0x0008, 8, 0x0100000200000330ull, 0x0100000200000330ull, 0, WROD},
    {0x0008, 4, 0x330, 0x330, 0, WROD},
    {0x000c, 4, 0x01000002, 0x01000002, 0, WROD},
    {0x0010, 4, 0, 0, 0, 0},
    {0x0014, 4, 6, 6, 0, 0},
    {0x0018, 4, 0, 0, 0, WROD},
    {0x001c, 4, 0, 0, 0, 0},
    {0x0020, 4, 0, 0, RRD, WRD},
    {0x0040, 8, 0, 0, RWOD, 0},
    {0x0048, 4, 0, 0, RWOD, 0},
    {0x0070, 8, 0, 0, 0, 0},
    {0x0074, 4, 0, 0, 0, 0},
    {0x0078, 8, 0, 0, 0, 0},
    {0x00a0, 8, 0, 0, RWOD, 0},
    {0x00b0, 8, 0, 0, RWOD, 0},
    {0x00c0, 4, 0, 0, 0, WROD},
    {0x0080, 4, 0, 0, RRD, WRD}, /* IGROUPR0 is in SGI_base */
    {0xffe8, 4, 0x3b, 0x3b, 0, WROD},
    {0xfffc, 4, 0xb1, 0xb1, 0, WROD},
    {0x0008, 2, 0, 0, RRD, WRD},
    {0x0014, 1, 0, 0, RRD, WRD},
    {0x0014, 8, 0, 0, RRD, WRD},
    {0x10000, 4, 0, 0, RRD, WRD},
    {0x10080, 4, 0, ONES, 0, 0},
    {0x10084, 4, 0, 0, RRD, WRD},
    {0x10100, 4, 0, ONES, 0, 0},
    {0x10180, 4, ONES, 0, 0, 0},
    {0x10200, 4, 0, ONES, 0, 0},
    {0x10280, 4, ONES, 0, 0, 0},
    {0x10300, 4, 0, ONES, 0, 0},
    {0x10380, 4, ONES, 0, 0, 0},
    {0x10400, 4, 0, 0xf8f8f8f8, 0, 0},
    {0x10407, 1, 0, 0xf8, 0, 0},
    {0x1041c, 4, 0, 0xf8f8f8f8, 0, 0},
    {0x10420, 4, 0, 0, RRD, WRD},
    {0x10c00, 4, 0xaaaaaaaa, 0xaaaaaaaa, 0, 0}, /* SGIs are edge, whatever is written */
    {0x10c04, 4, 0, 0xaaaaaaaa, 0, 0},
    {0x10d00, 4, 0, 0, 0, 0},
    {0x10e00, 4, 0, 0, 0, 0},
    {0x10f80, 4, 0, 0, RRD, WRD},
    {0x1ffe8, 4, 0, 0, RRD, WRD},
    {0x10080, 1, 0, 0, RRD, WRD},
    {0x10100, 8, 0, 0, RRD, WRD},
    {0x10400, 2, 0, 0, RRD, WRD},
};

#define LAST (FAKE_VCPUS - 1)

static void distributor_registers_read_and_keep_what_the_architecture_says(void **state)
{
    struct fake *f = *state;

    for (size_t i = 0; i < sizeof(gicd_rows) / sizeof(gicd_rows[0]); i++) {
        const struct row *row = &gicd_rows[i];

        gicd_write(f, STATUSR, 4, ONES);
        if (gicd_read(f, row->offset, row->size) != row->reset)
            fail_msg("GICD 0x%x: reset value", row->offset);
        if (gicd_read(f, STATUSR, 4) != row->read_error)
            fail_msg("GICD 0x%x: STATUSR after a read", row->offset);
        gicd_write(f, STATUSR, 4, ONES);
        gicd_write(f, row->offset, row->size, ~0ull);
        if (gicd_read(f, STATUSR, 4) != row->write_error)
            fail_msg("GICD 0x%x: STATUSR after a write", row->offset);
        if (gicd_read(f, row->offset, row->size) != row->ones)
            fail_msg("GICD 0x%x: writable bits", row->offset);
    }
}

static void redistributor_registers_read_and_keep_what_the_architecture_says(void **state)
{
    struct fake *f = *state;

    for (size_t i = 0; i < sizeof(gicr_rows) / sizeof(gicr_rows[0]); i++) {
        const struct row *row = &gicr_rows[i];

        gicr_write(f, LAST, STATUSR, 4, ONES);
        if (gicr_read(f, LAST, row->offset, row->size) != row->reset)
            fail_msg("GICR 0x%x: reset value", row->offset);
        if (gicr_read(f, LAST, STATUSR, 4) != row->read_error)
            fail_msg("GICR 0x%x: STATUSR after a read", row->offset);
        gicr_write(f, LAST, STATUSR, 4, ONES);
        gicr_write(f, LAST, row->offset, row->size, ~0ull);
        if (gicr_read(f, LAST, STATUSR, 4) != row->write_error)
            fail_msg("GICR 0x%x: STATUSR after a write", row->offset);
        if (gicr_read(f, LAST, row->offset, row->size) != row->ones)
            fail_msg("GICR 0x%x: writable bits", row->offset);
    }
    assert_int_equal(gicr_read(f, 0, 0x10100, 4), 0); /* the others' are their own */
}

static void writing_zeroes_changes_no_set_or_clear_register(void **state)
{
    static const uint32_t bank[] = {ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER};
    struct fake *f = *state;

    for (size_t i = 0; i < sizeof(bank) / sizeof(bank[0]); i += 2) {
        gicd_write(f, bank[i] + 4, 4, 0x5a5a5a5a);
        gicd_write(f, bank[i] + 4, 4, 0);
        gicd_write(f, bank[i + 1] + 4, 4, 0);
        assert_int_equal(gicd_read(f, bank[i] + 4, 4), 0x5a5a5a5a);
        gicd_write(f, bank[i + 1] + 4, 4, 0x0000ffff);
        assert_int_equal(gicd_read(f, bank[i + 1] + 4, 4), 0x5a5a0000);
    }
}

static void router_halves_are_written_apart(void **state)
{
    struct fake *f = *state;

    gicd_write(f, 0x6100, 8, 0x1200345678ull);
    gicd_write(f, 0x6104, 4, 0x9a);
    assert_int_equal(gicd_read(f, 0x6100, 8), 0x9a00345678ull);
    gicd_write(f, 0x6100, 4, 0x80000001);
    assert_int_equal(gicd_read(f, 0x6100, 8), 0x9a80000001ull);
    assert_int_equal(gicd_read(f, 0x6104, 4), 0x9a);
}

static void priority_bytes_are_apart(void **state)
{
    struct fake *f = *state;

    gicd_write(f, 0x420, 4, 0x11223344);
    gicd_write(f, 0x422, 1, 0xa5);
    assert_int_equal(gicd_read(f, 0x420, 4), 0x10a03040);
    assert_int_equal(gicd_read(f, 0x423, 1), 0x10);
}

static void waker_children_follow_the_processor(void **state)
{
    struct fake *f = *state;

    gicr_write(f, 1, WAKER, 4, 4);
    assert_int_equal(gicr_read(f, 1, WAKER, 4), 0);
    gicr_write(f, 1, WAKER, 4, 2);
    assert_int_equal(gicr_read(f, 1, WAKER, 4), 6);
}

static void configuration_without_pending_interrupts_costs_no_command(void **state)
{
    struct fake *f = *state;

    /* What a kernel does at boot. */
    gicd_write(f, 0, 4, 0);
    for (unsigned i = 4; i < 36; i += 4) {
        gicd_write(f, IGROUPR + i, 4, ONES);
        gicd_write(f, ICACTIVER + i, 4, ONES);
        gicd_write(f, ICENABLER + i, 4, ONES);
        gicd_write(f, ICPENDR + i, 4, ONES);
        gicd_write(f, ICFGR + 2 * i, 4, 0xaaaaaaaa);
        gicd_write(f, ISENABLER + i, 4, ONES);
        assert_int_equal(gicd_read(f, ISPENDR + i, 4), 0);
        assert_int_equal(gicd_read(f, ISACTIVER + i, 4), 0);
    }
    for (unsigned i = 32; i < 288; i += 4)
        gicd_write(f, IPRIORITYR + i, 4, 0xa0a0a0a0);
    for (unsigned i = 32; i < 288; i++)
        gicd_write(f, IROUTER + 8 * i, 8, 1);
    gicd_write(f, 0, 4, 2);
    assert_int_equal(fake_commands(f), 0);
}

static void region_ends_with_the_last_vcpu(void **state)
{
    struct fake *f = *state;
    uint64_t value = 0;

    assert_int_equal(vgic_redist_bus_ops.read(&f->vgic, FAKE_VCPUS * VGIC_REDIST_SIZE, 4, &value),
                     -ENXIO);
    assert_int_equal(vgic_redist_bus_ops.write(&f->vgic, ~0ull - 7, 4, 0), -ENXIO);
    for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++) {
        value = gicr_read(f, vcpu, 8, 8);
        assert_int_equal(value >> 4 & 1, vcpu == LAST);
        assert_int_equal(value >> 8 & 0xffff, vcpu);
    }
}

/* No offset, size or value may do more than what the architecture allows. */
static void every_offset_and_size_is_safe(void **state)
{
    struct fake *f = *state;

    for (unsigned size = 1; size <= 8; size *= 2) {
        for (uint32_t offset = 0; offset < VGIC_DIST_SIZE; offset += size) {
            (void)gicd_read(f, offset, size);
            gicd_write(f, offset, size, 0xdeadbeefcafef00dull >> offset % 7);
        }
        for (uint32_t offset = 0; offset < VGIC_REDIST_SIZE; offset += size) {
            (void)gicr_read(f, 1, offset, size);
            gicr_write(f, 1, offset, size, 0xdeadbeefcafef00dull >> offset % 7);
        }
    }
}

static int one_inject(void *ctx, unsigned vcpu, unsigned intid, uint32_t flags)
{
    (void)intid, (void)flags;
    *(unsigned *)ctx = vcpu;
    return 0;
}

static int one_retract(void *ctx, unsigned vcpu, unsigned intid, uint32_t mask)
{
    (void)ctx, (void)vcpu, (void)intid, (void)mask;
    return 0;
}

static int one_save(void *ctx, unsigned vcpu, struct rv_gic *out)
{
    (void)ctx, (void)vcpu;
    memset(out, 0, sizeof(*out));
    return 0;
}

static int one_set_direct(void *ctx, unsigned vcpu, unsigned pintid, unsigned vintid,
                          uint32_t flags)
{
    (void)ctx, (void)vcpu, (void)pintid, (void)vintid, (void)flags;
    return 0;
}

static void the_greatest_machine_works(void **unused)
{
    static const struct vgic_ops ops = {one_inject, one_retract, one_save, one_set_direct};
    uint64_t mpidr[RV_MAX_VCPUS], value = 0;
    void *state = malloc(vgic_state_size(RV_MAX_VCPUS));
    unsigned last = 0;
    struct vgic vgic;

    (void)unused;
    for (unsigned i = 0; i < RV_MAX_VCPUS; i++)
        mpidr[i] = i;
    assert_int_equal(
        vgic_init(&vgic, state, vgic_state_size(RV_MAX_VCPUS), RV_MAX_VCPUS, mpidr, &ops, &last),
        0);
    assert_int_equal(vgic_dist_bus_ops.read(&vgic, 4, 4, &value), 0);
    assert_true(value >> 26 & 1); /* RSS: Aff0 of 16 and more */
    assert_int_equal(vgic_redist_bus_ops.read(&vgic, 63 * VGIC_REDIST_SIZE + 8, 8, &value), 0);
    assert_int_equal(value, 63ull << 32 | 63 << 8 | 0x30);
    assert_int_equal(vgic_set_direct(&vgic, 40), 0);
    assert_int_equal(vgic_dist_bus_ops.read(&vgic, ISACTIVER + 4, 4, &value), 0);
    assert_int_equal(vgic_dist_bus_ops.write(&vgic, 0, 4, 3), 0);
    assert_int_equal(
        vgic_redist_bus_ops.write(&vgic, 63 * VGIC_REDIST_SIZE + SGI_BASE + ISENABLER, 4, 2), 0);
    assert_int_equal(vgic_sgi(&vgic, 0, VGIC_SGI1R, 3ull << 44 | 1u << 24 | 0x8000, 0), 1ull << 63);
    assert_int_equal(last, 63);
    free(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(distributor_registers_read_and_keep_what_the_architecture_says),
        T(redistributor_registers_read_and_keep_what_the_architecture_says),
        T(writing_zeroes_changes_no_set_or_clear_register),
        T(router_halves_are_written_apart),
        T(priority_bytes_are_apart),
        T(waker_children_follow_the_processor),
        T(configuration_without_pending_interrupts_costs_no_command),
        T(region_ends_with_the_last_vcpu),
        T(every_offset_and_size_is_safe),
        cmocka_unit_test(the_greatest_machine_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
