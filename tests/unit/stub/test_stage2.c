/* SPDX-License-Identifier: BSD-2-Clause */
/* Stage 2 against a walker and a model of our own: an array of pages. */
#include <string.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"
#include "tests/unit/stub/walker.h"

#define KB       1024ull
#define MB       (1024 * KB)
#define BEFORE_0 (0 - 4 * KB) /* the last page of 64 bits */
#define RW       (RV_MAP_READ | RV_MAP_WRITE)
#define RWX      (RW | RV_MAP_EXEC)

static struct vm *const vm = &vms[0];

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    fake_create_vm(0);
    fake_create_vm(1);
    return 0;
}

static int setup_small(void **state)
{
    fake_features = RV_FEATURE_SMALL_IPA;
    setup(state);
    fake_features = 0;
    return 0;
}

static uint64_t ram(uint64_t offset)
{
    return boot.ram_offset + offset;
}

static int map(uint64_t ipa, uint64_t offset, uint64_t size, uint64_t prot)
{
    return stage2_map(vm, (ipa_t){ipa}, offset, size, prot);
}

static int protect(uint64_t ipa, uint64_t size, uint64_t prot)
{
    return stage2_protect(vm, (ipa_t){ipa}, size, prot);
}

static struct walk at(uint64_t ipa)
{
    return walker(REG(vtcr_el2), vm->root, ipa);
}

static void assert_maps(uint64_t ipa, uint64_t offset, unsigned level)
{
    struct walk w = at(ipa);

    assert_true(w.valid);
    assert_true(w.sound);
    assert_int_equal(w.level, level);
    assert_int_equal(w.pa, boot.mem_base + offset);
}

/* How many bytes of the 40 bits of IPA are mapped. */
static uint64_t mapped_bytes(const struct vm *of)
{
    uint64_t sum = 0;

    for (uint64_t ipa = 0; ipa < 1ull << 40;) {
        struct walk w = walker(REG(vtcr_el2), of->root, ipa);

        sum += w.valid ? w.size : 0;
        ipa += w.size;
    }
    return sum;
}

/* Block sizes */

static void map_takes_the_largest_entry_that_fits(void **state)
{
    (void)state;
    assert_int_equal(map(1 * FAKE_GB, ram(0), FAKE_GB, RWX), 0);
    assert_maps(1 * FAKE_GB, ram(0), 1);
    assert_maps(2 * FAKE_GB - 1, ram(FAKE_GB - 1), 1);
    assert_int_equal(map(4 * FAKE_GB, ram(0), 4 * MB, RWX), 0);
    assert_maps(4 * FAKE_GB, ram(0), 2);
    assert_maps(4 * FAKE_GB + 2 * MB, ram(2 * MB), 2);
    assert_int_equal(map(5 * FAKE_GB, ram(0), 2 * MB - 4 * KB, RWX), 0);
    assert_maps(5 * FAKE_GB, ram(0), 3);
    assert_maps(5 * FAKE_GB + 2 * MB - 8 * KB, ram(2 * MB - 8 * KB), 3);
    assert_int_equal(mapped_bytes(vm), FAKE_GB + 4 * MB + 2 * MB - 4 * KB);
}

static void map_splits_what_is_not_aligned_at_its_ends(void **state)
{
    const uint64_t ipa = 8 * FAKE_GB - 2 * MB - 4 * KB, offset = ram(2 * MB - 4 * KB);

    (void)state;
    assert_int_equal(map(ipa, offset, 4 * MB + 8 * KB, RWX), 0);
    assert_maps(ipa, offset, 3);
    assert_maps(ipa + 4 * KB, offset + 4 * KB, 2);
    assert_maps(ipa + 4 * KB + 2 * MB, offset + 4 * KB + 2 * MB, 2);
    assert_maps(ipa + 4 * KB + 4 * MB, offset + 4 * KB + 4 * MB, 3);
    assert_int_equal(mapped_bytes(vm), 4 * MB + 8 * KB);
}

static void map_uses_no_block_where_only_one_of_the_addresses_is_aligned(void **state)
{
    (void)state;
    assert_int_equal(map(0, ram(4 * KB), 2 * MB, RW), 0);
    assert_maps(0, ram(4 * KB), 3);
    assert_int_equal(map(FAKE_GB, ram(2 * MB), FAKE_GB - 2 * MB, RW), 0);
    assert_maps(FAKE_GB, ram(2 * MB), 2);
}

static void map_with_pages_only_uses_no_block(void **state)
{
    (void)state;
    assert_int_equal(map(FAKE_GB, ram(0), 4 * MB, RWX | RV_MAP_PAGES_ONLY), 0);
    for (uint64_t i = 0; i < 4 * MB; i += 4 * KB)
        assert_maps(FAKE_GB + i, ram(i), 3);
}

static void map_reaches_the_last_page_of_40_bits(void **state)
{
    (void)state;
    assert_int_equal(map((1ull << 40) - FAKE_GB, ram(0), FAKE_GB, RW), 0);
    assert_maps((1ull << 40) - FAKE_GB, ram(0), 1);
    assert_int_equal(map((1ull << 40) - FAKE_GB - 4 * KB, ram(FAKE_GB - 4 * KB), 4 * KB, RW), 0);
    assert_maps((1ull << 40) - FAKE_GB - 4 * KB, ram(FAKE_GB - 4 * KB), 3);
}

static void a_small_ipa_begins_with_blocks_and_ends_at_34_bits(void **state)
{
    const uint64_t end = 1ull << 34;

    (void)state;
    assert_int_equal(map(FAKE_GB, ram(0), FAKE_GB, RW), 0);
    assert_maps(FAKE_GB, ram(0), 2);
    assert_maps(2 * FAKE_GB - 2 * MB, ram(FAKE_GB - 2 * MB), 2);
    assert_int_equal(map(end - 4 * KB, ram(0), 4 * KB, RW), 0);
    assert_maps(end - 4 * KB, ram(0), 3);
    assert_int_equal(map(end - 4 * KB, ram(0), 8 * KB, RW), RV_REFUSED_RANGE);
    assert_int_equal(map(end, ram(0), 4 * KB, RW), RV_REFUSED_RANGE);
    assert_int_equal(protect(end, 4 * KB, 0), RV_REFUSED_RANGE);
    assert_int_equal(protect(FAKE_GB, FAKE_GB, 0), 0);
    assert_int_equal(mapped_bytes(vm), 4 * KB);
}

static void permissions_are_what_was_asked_for(void **state)
{
    (void)state;
    for (unsigned prot = 0; prot < 8; prot++) {
        uint64_t ipa = prot * 4 * KB;

        assert_int_equal(map(ipa, ram(ipa), 4 * KB, prot), 0);
        assert_int_equal(at(ipa).s2ap, prot & 3);
        assert_int_equal(at(ipa).xn, !(prot & RV_MAP_EXEC));
    }
    for (unsigned prot = 1; prot < 8; prot++) {
        assert_int_equal(protect(0, 4 * KB, prot), 0);
        assert_maps(0, ram(0), 3);
        assert_int_equal(at(0).s2ap, prot & 3);
        assert_int_equal(at(0).xn, !(prot & RV_MAP_EXEC));
    }
}

/* Refusals. Before each, 2 MiB at 1 GiB are mapped as a block and 1 MiB at 2 GiB as pages. */

enum { MAP, PROTECT };

static const struct {
    const char *name;
    int op;
    uint64_t ipa, offset, size, prot; /* offset: in the VM's RAM */
    int want;
} refused[] = {
    {"map_ipa_not_aligned", MAP, 4 * KB + 1, 0, 4 * KB, RW, RV_REFUSED_ALIGN},
    {"map_size_not_aligned", MAP, 0, 0, 4 * KB - 1, RW, RV_REFUSED_ALIGN},
    {"map_offset_not_aligned", MAP, 0, 8, 4 * KB, RW, RV_REFUSED_ALIGN},
    {"map_nothing", MAP, 0, 0, 0, RW, RV_REFUSED_RANGE},
    {"map_at_40_bits", MAP, 1ull << 40, 0, 4 * KB, RW, RV_REFUSED_RANGE},
    {"map_over_40_bits", MAP, (1ull << 40) - 4 * KB, 0, 8 * KB, RW, RV_REFUSED_RANGE},
    {"map_ipa_wraps", MAP, BEFORE_0, 0, 8 * KB, RW, RV_REFUSED_RANGE},
    {"map_ipa_wraps_to_a_legal_end", MAP, BEFORE_0, 0, 4 * KB, RW, RV_REFUSED_RANGE},
    {"map_all_of_64_bits", MAP, 0, 0, BEFORE_0, RW, RV_REFUSED_RANGE},
    {"map_before_the_vm", MAP, 0, BEFORE_0, 4 * KB, RW, RV_REFUSED_RANGE},
    {"map_starts_before_the_vm", MAP, 0, BEFORE_0, 8 * KB, RW, RV_REFUSED_RANGE},
    {"map_behind_the_vm", MAP, 0, FAKE_GB, 4 * KB, RW, RV_REFUSED_RANGE},
    {"map_over_the_end_of_the_vm", MAP, 0, FAKE_GB - 4 * KB, 8 * KB, RW, RV_REFUSED_RANGE},
    {"map_more_than_the_vm", MAP, 0, 0, FAKE_GB + 4 * KB, RW, RV_REFUSED_RANGE},
    {"map_offset_wraps", MAP, 0, 1ull << 63, 4 * KB, RW, RV_REFUSED_RANGE},
    {"map_unknown_flag", MAP, 0, 0, 4 * KB, 16, RV_REFUSED_FLAGS},
    {"map_high_flag", MAP, 0, 0, 4 * KB, RW | 1ull << 54, RV_REFUSED_FLAGS},
    {"map_over_a_block", MAP, FAKE_GB, 0, 2 * MB, RW, RV_REFUSED_OVERLAP},
    {"map_into_a_block", MAP, FAKE_GB + 4 * KB, 0, 4 * KB, RW, RV_REFUSED_OVERLAP},
    {"map_ends_in_a_block", MAP, FAKE_GB - 4 * KB, 0, 8 * KB, RW, RV_REFUSED_OVERLAP},
    {"map_over_pages", MAP, 2 * FAKE_GB, 0, 2 * MB, RW, RV_REFUSED_OVERLAP},
    {"map_starts_in_pages", MAP, 2 * FAKE_GB + MB - 4 * KB, 0, 8 * KB, RW, RV_REFUSED_OVERLAP},
    {"map_1gb_over_pages", MAP, 2 * FAKE_GB, 0, FAKE_GB, RW, RV_REFUSED_OVERLAP},
    {"protect_ipa_not_aligned", PROTECT, FAKE_GB + 1, 0, 2 * MB, RW, RV_REFUSED_ALIGN},
    {"protect_size_not_aligned", PROTECT, FAKE_GB, 0, 2 * MB + 1, RW, RV_REFUSED_ALIGN},
    {"protect_nothing", PROTECT, FAKE_GB, 0, 0, RW, RV_REFUSED_RANGE},
    {"protect_over_40_bits", PROTECT, 1ull << 40, 0, 4 * KB, RW, RV_REFUSED_RANGE},
    {"protect_wraps", PROTECT, BEFORE_0, 0, 8 * KB, RW, RV_REFUSED_RANGE},
    {"protect_pages_only", PROTECT, FAKE_GB, 0, 2 * MB, RV_MAP_PAGES_ONLY, RV_REFUSED_FLAGS},
    {"protect_unknown_flag", PROTECT, FAKE_GB, 0, 2 * MB, 1ull << 32, RV_REFUSED_FLAGS},
    {"protect_what_is_not_mapped", PROTECT, 0, 0, 4 * KB, RW, RV_REFUSED_OVERLAP},
    {"protect_partly_mapped", PROTECT, 2 * FAKE_GB + MB - 4 * KB, 0, 8 * KB, RW,
     RV_REFUSED_OVERLAP},
    {"protect_starts_before", PROTECT, 2 * FAKE_GB - 4 * KB, 0, 8 * KB, RW, RV_REFUSED_OVERLAP},
    {"protect_cuts_a_block_at_its_end", PROTECT, FAKE_GB, 0, MB, RW, RV_REFUSED_OVERLAP},
    {"protect_cuts_a_block_at_its_start", PROTECT, FAKE_GB + MB, 0, MB, RW, RV_REFUSED_OVERLAP},
    {"unmap_cuts_a_block_behind_a_hole", PROTECT, FAKE_GB - MB, 0, 2 * MB, 0, RV_REFUSED_OVERLAP},
    {"protect_inside_of_a_block", PROTECT, FAKE_GB + 4 * KB, 0, 4 * KB, 0, RV_REFUSED_OVERLAP},
};

/* All that a walker sees, of the two VMs, as one number. */
static uint64_t picture(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t ipa = 0; ipa < 1ull << 40;) {
            struct walk w = walker(REG(vtcr_el2), vms[i].root, ipa);

            if (w.valid)
                sum = sum * 1000003 + (ipa ^ w.pa << 3 ^ w.s2ap ^ (uint64_t)w.xn << 2);
            ipa += w.size;
        }
    }
    return sum;
}

static void refusals_have_their_reason_and_change_nothing(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        uint64_t before;
        int got;

        setup(state);
        assert_int_equal(map(FAKE_GB, ram(0), 2 * MB, RW), 0);
        assert_int_equal(map(2 * FAKE_GB, ram(4 * MB), MB, RW), 0);
        before = picture();
        got = refused[i].op == MAP
                  ? map(refused[i].ipa, ram(refused[i].offset), refused[i].size, refused[i].prot)
                  : protect(refused[i].ipa, refused[i].size, refused[i].prot);
        if (got != refused[i].want)
            fail_msg("%s: %d, not %d", refused[i].name, got, refused[i].want);
        if (picture() != before)
            fail_msg("%s: changed the tables", refused[i].name);
    }
}

/* Over the end of a GiB, with a page, a block, a block, a page: two tables on each side. */
static void map_without_enough_tables_changes_nothing(void **state)
{
    for (uint32_t tables = 0; tables <= 4; tables++) {
        int got;

        setup(state);
        fake_pool(tables);
        got = map(4 * FAKE_GB - 2 * MB - 4 * KB, ram(2 * MB - 4 * KB), 4 * MB + 8 * KB, RW);
        assert_int_equal(got, tables < 4 ? -1 : 0);
        assert_int_equal(mapped_bytes(vm), tables < 4 ? 0 : 4 * MB + 8 * KB);
    }
}

static void table_pages_are_cleared_and_never_beyond_the_pool(void **state)
{
    (void)state;
    fake_pool(2);
    assert_int_equal(map(0, ram(0), 4 * KB, RW), 0);
    assert_int_equal(mapped_bytes(vm), 4 * KB); /* the pool was full of ones */
    assert_int_equal(map(4 * KB, ram(4 * KB), 4 * KB, RW), 0);
    assert_int_equal(map(FAKE_GB, ram(0), 4 * KB, RW), -1);
    assert_int_equal(mapped_bytes(vm), 8 * KB);
}

static void unmap_leaves_nothing_and_can_be_mapped_again(void **state)
{
    (void)state;
    assert_int_equal(map(0, ram(0), 4 * MB, RWX), 0);
    assert_int_equal(protect(2 * MB, 2 * MB, 0), 0);
    assert_int_equal(mapped_bytes(vm), 2 * MB);
    assert_int_equal(map(2 * MB, ram(8 * MB), 2 * MB, RW), 0);
    assert_maps(2 * MB, ram(8 * MB), 2);
}

static void protect_flushes_whatever_vm_is_live_here(void **state)
{
    (void)state;
    assert_int_equal(map(0, ram(0), 2 * MB, RWX), 0);
    REG(vttbr_el2) = 0x1234000; /* of whatever is live here */
    assert_int_equal(protect(0, 2 * MB, RV_MAP_READ), 0);
    assert_int_equal(fake.flushes_guests, 1);
    assert_int_equal(REG(vttbr_el2), 0x1234000);
}

/* VTCR_EL2: where the walk begins, and how many bits it has; VTTBR_EL2: as the root's size wants. */
static void each_vm_has_its_own_vmid_and_root(void **state)
{
    bool small = boot.features & RV_FEATURE_SMALL_IPA;

    (void)state;
    assert_int_equal(REG(vtcr_el2) >> 6 & 3, small ? 0 : 1);
    assert_int_equal(REG(vtcr_el2) & 0x3f, small ? 30 : 24);
    for (uint16_t i = 2; i < RV_MAX_VMS; i++)
        fake_create_vm(i);
    for (unsigned i = 0; i < RV_MAX_VMS; i++) {
        uint64_t vttbr = vms[i].vttbr;

        assert_int_not_equal(vttbr >> 48, 0);
        assert_true(vttbr >> 48 < 256); /* VTCR_EL2.VS is 0 */
        assert_int_equal(vttbr & 0xffffffffffff, (uint64_t)vms[i].root);
        assert_int_equal((uint64_t)vms[i].root % (small ? 65536 : 8192), 0);
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(vttbr >> 48, vms[j].vttbr >> 48);
            assert_ptr_not_equal(vms[i].root, vms[j].root);
        }
    }
}

/* VMs */

static void no_vm_maps_the_memory_of_another(void **state)
{
    (void)state;
    for (uint64_t page = 0; page < 2 * FAKE_GB; page += 64 * MB) {
        bool first = page < FAKE_GB;

        assert_int_equal(stage2_map(&vms[0], (ipa_t){page}, ram(page), 4 * KB, RW),
                         first ? 0 : RV_REFUSED_RANGE);
        assert_int_equal(stage2_map(&vms[1], (ipa_t){page}, ram(page), 4 * KB, RW),
                         first ? RV_REFUSED_RANGE : 0);
    }
    assert_int_equal(stage2_map(&vms[0], (ipa_t){64 * FAKE_GB}, ram(FAKE_GB - 4 * KB), 8 * KB, RW),
                     RV_REFUSED_RANGE);
    assert_int_equal(stage2_map(&vms[1], (ipa_t){64 * FAKE_GB}, ram(FAKE_GB - 4 * KB), 8 * KB, RW),
                     RV_REFUSED_RANGE);
}

static const struct {
    uint64_t offset, size; /* in the RAM of all VMs; VMs 0 and 1 have the first 2 GiB */
    int want;
} creations[] = {
    {0, FAKE_GB, RV_REFUSED_OVERLAP},
    {FAKE_GB / 2, FAKE_GB, RV_REFUSED_OVERLAP},
    {4 * KB, 4 * KB, RV_REFUSED_OVERLAP},
    {0, 8 * FAKE_GB, RV_REFUSED_OVERLAP},
    {2 * FAKE_GB - 4 * KB, FAKE_GB, RV_REFUSED_OVERLAP},
    {BEFORE_0, 4 * KB, RV_REFUSED_RANGE},
    {8 * FAKE_GB, 4 * KB, RV_REFUSED_RANGE},
    {7 * FAKE_GB, FAKE_GB + 4 * KB, RV_REFUSED_RANGE},
    {3 * FAKE_GB, 0, RV_REFUSED_RANGE},
    {3 * FAKE_GB, BEFORE_0, RV_REFUSED_RANGE},
    {1ull << 63, 4 * KB, RV_REFUSED_RANGE},
    {3 * FAKE_GB + 1, 4 * KB, RV_REFUSED_ALIGN},
    {3 * FAKE_GB, 4 * KB + 1, RV_REFUSED_ALIGN},
    {2 * FAKE_GB, 6 * FAKE_GB, 0},
};

static void create_refuses_memory_that_is_not_there_or_not_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(creations); i++) {
        int got = stage2_create(&vms[2], 2, ram(creations[i].offset), creations[i].size);

        if (got != creations[i].want)
            fail_msg("creation %zu: %d, not %d", i, got, creations[i].want);
        assert_int_equal(vms[2].exists, got == 0);
    }
}

/* Random sequences. The model: for each page of 16 MiB of IPA, its offset and permission. */

#define MODEL_IPA   (3 * FAKE_GB - 8 * MB) /* over the end of a GiB */
#define MODEL_PAGES 4096u

struct page {
    uint64_t offset; /* 0: not mapped */
    unsigned prot;
};

static struct page model[MODEL_PAGES];

static void check_model(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        struct walk w = at(MODEL_IPA + i * 4 * KB);

        assert_int_equal(w.valid, model[i].offset != 0);
        if (!w.valid)
            continue;
        assert_true(w.sound);
        assert_int_equal(w.pa, boot.mem_base + model[i].offset);
        assert_int_equal(w.s2ap, model[i].prot & 3);
        assert_int_equal(w.xn, !(model[i].prot & RV_MAP_EXEC));
        sum += 4 * KB;
    }
    assert_int_equal(mapped_bytes(vm), sum);
}

/* Small and large, and often on a border. */
static uint32_t random_pages(void)
{
    uint64_t r = fake_random();

    return (uint32_t)(r & 3   ? (r >> 8) % 16 + 1
                      : r & 4 ? 512 * ((r >> 8) % 3 + 1)
                              : 1 + (r >> 8) % 1500);
}

static void random_step(void)
{
    uint32_t n = random_pages();
    uint32_t first = (uint32_t)(fake_random() % (MODEL_PAGES - n));
    uint64_t r = fake_random(), ipa, offset;
    unsigned prot = r >> 8 & 7;
    bool any = false, all = true, cut = false;
    int got;

    first = r & 1 && first / 512 * 512 + n <= MODEL_PAGES ? first / 512 * 512 : first;
    ipa = MODEL_IPA + first * 4 * KB;
    for (uint32_t i = first; i < first + n; i++) {
        any |= model[i].offset != 0;
        all &= model[i].offset != 0;
    }
    if (r & 2) {
        uint64_t same = (ipa & (2 * MB - 1)) + (r >> 16 & 127) * 2 * MB;

        offset = ram(r & 4 ? same : (r >> 16 & 0xffff) * 4 * KB);
        got = map(ipa, offset, n * 4 * KB, prot | (r & 8 ? RV_MAP_PAGES_ONLY : 0));
        if (got == -1)
            return; /* the model stays as it was, and the tables with it */
        assert_int_equal(got, any ? RV_REFUSED_OVERLAP : 0);
        for (uint32_t i = first; got == 0 && i < first + n; i++)
            model[i] = (struct page){offset + (i - first) * 4 * KB, prot};
        return;
    }
    for (uint32_t i = first; i < first + n; i++) {
        struct walk w = at(MODEL_IPA + i * 4 * KB);
        uint64_t start = (MODEL_IPA + i * 4 * KB) & ~(w.size - 1);

        cut |= w.valid && (start < ipa || start + w.size > ipa + n * 4 * KB);
    }
    prot = r & 8 ? 0 : prot;
    got = protect(ipa, n * 4 * KB, prot);
    assert_int_equal(got, (prot && !all) || cut ? RV_REFUSED_OVERLAP : 0);
    for (uint32_t i = first; got == 0 && i < first + n; i++)
        model[i] = prot ? (struct page){model[i].offset, prot} : (struct page){0};
}

static void create_without_enough_tables_makes_no_vm(void **state)
{
    const uint32_t need = boot.features & RV_FEATURE_SMALL_IPA ? 16 : 2;

    (void)state;
    pgtable_next = (pgtable_next + 65535) & ~65535ull;
    fake_pool(need - 1);
    assert_int_equal(stage2_create(&vms[2], 2, ram(2 * FAKE_GB), FAKE_GB), -1);
    assert_false(vms[2].exists);
    fake_pool(need);
    assert_int_equal(stage2_create(&vms[2], 2, ram(2 * FAKE_GB), FAKE_GB), 0);
    assert_int_equal(mapped_bytes(&vms[2]), 0); /* the pool was full of ones */
}

static void random_sequences_are_what_the_page_array_says(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        (seed % 3 ? setup : setup_small)(state);
        memset(model, 0, sizeof(model));
        fake_pool(seed % 4 ? FAKE_TABLES : 6);
        fake_seed(seed);
        for (unsigned i = 0; i < 300; i++) {
            random_step();
            if (i % 10 == 0)
                check_model();
        }
        check_model();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(map_takes_the_largest_entry_that_fits, setup),
        cmocka_unit_test_setup(map_splits_what_is_not_aligned_at_its_ends, setup),
        cmocka_unit_test_setup(map_uses_no_block_where_only_one_of_the_addresses_is_aligned, setup),
        cmocka_unit_test_setup(map_with_pages_only_uses_no_block, setup),
        cmocka_unit_test_setup(map_reaches_the_last_page_of_40_bits, setup),
        cmocka_unit_test_setup(a_small_ipa_begins_with_blocks_and_ends_at_34_bits, setup_small),
        cmocka_unit_test_setup(permissions_are_what_was_asked_for, setup),
        cmocka_unit_test_setup(refusals_have_their_reason_and_change_nothing, setup),
        cmocka_unit_test_setup(map_without_enough_tables_changes_nothing, setup),
        cmocka_unit_test_setup(table_pages_are_cleared_and_never_beyond_the_pool, setup),
        cmocka_unit_test_setup(unmap_leaves_nothing_and_can_be_mapped_again, setup),
        cmocka_unit_test_setup(protect_flushes_whatever_vm_is_live_here, setup),
        cmocka_unit_test_setup(each_vm_has_its_own_vmid_and_root, setup),
        cmocka_unit_test_setup(each_vm_has_its_own_vmid_and_root, setup_small),
        cmocka_unit_test_setup(no_vm_maps_the_memory_of_another, setup),
        cmocka_unit_test_setup(create_refuses_memory_that_is_not_there_or_not_free, setup),
        cmocka_unit_test_setup(create_without_enough_tables_makes_no_vm, setup),
        cmocka_unit_test_setup(create_without_enough_tables_makes_no_vm, setup_small),
        cmocka_unit_test_setup(random_sequences_are_what_the_page_array_says, setup),
    };

    return cmocka_run_group_tests_name("stub_stage2", tests, NULL, NULL);
}
