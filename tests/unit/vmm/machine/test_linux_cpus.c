/* SPDX-License-Identifier: BSD-2-Clause */
/* Which CPUs of the host the machine `linux` takes: lists of them, and their kinds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/machine/linux_cpus.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* All CPUs of a computer that has 64. */
static struct linux_cpus all_64(void)
{
    struct linux_cpus cpus = {.nr = 64};

    for (unsigned i = 0; i < cpus.nr; i++)
        cpus.number[i] = (uint16_t)i;
    return cpus;
}

/* Some of a computer that has 130. */
static const struct linux_cpus some_of_130 = {.nr = 6, .number = {0, 1, 2, 64, 124, 125}};

static void lists_of_cpus_are_read(void **state)
{
    static const struct {
        const char *list;
        uint64_t mask;
    } rows[] = {
        {"0", 1},        {"3", 8},       {"0-3", 0xf},       {"1,3", 0xa},
        {"0-1,6", 0x43}, {"0-3\n", 0xf}, {"63", 1ull << 63}, {"0-63", ~0ull},
    };
    const struct linux_cpus all = all_64();

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        uint64_t mask = 0;

        assert_int_equal(linux_cpus_parse(rows[i].list, &all, &mask), 0);
        assert_int_equal(mask, rows[i].mask);
    }
}

static void a_mask_has_the_cpus_that_have_the_stub(void **state)
{
    static const struct {
        const char *list;
        uint64_t mask;
        int result;
    } rows[] = {
        {"0-2,64,124-125\n", 0x3f, 0}, {"124", 0x10, 0},      {"64,125", 0x28, 0},
        {"0-129", 0x3f, -ENODEV},      {"3", 0, -ENODEV},     {"2-3", 4, -ENODEV},
        {"125-126,1", 0x22, -ENODEV},  {"65535", 0, -ENODEV}, {"65536", 0, -EINVAL},
        {"0-65535", 0x3f, -ENODEV},
    };

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        uint64_t mask = 0;

        assert_int_equal(linux_cpus_parse(rows[i].list, &some_of_130, &mask), rows[i].result);
        assert_int_equal(mask, rows[i].mask);
    }
}

static void cpus_are_printed_as_the_kernel_numbers_them(void **state)
{
    char text[32], small[6];

    linux_cpus_print(&some_of_130, 0x39, text, sizeof(text));
    assert_string_equal(text, "0,64,124,125");
    linux_cpus_print(&some_of_130, 0, text, sizeof(text));
    assert_string_equal(text, "");
    linux_cpus_print(&some_of_130, 0x39, small, sizeof(small));
    assert_string_equal(small, "0,64,");
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const lists[] = {"",      "\n",      "x",  "-1",  "1-",
                                        "3-2",   "1,",      ",1", "1;2", "0x",
                                        "65536", "0-65536", " 1", "1 ",  "99999999999999999999",
                                        "1\n2",  "+1"};
    const struct linux_cpus all = all_64();

    for (unsigned i = 0; i < COUNT_OF(lists); i++) {
        uint64_t mask = 0;

        assert_int_equal(linux_cpus_parse(lists[i], &all, &mask), -EINVAL);
        assert_int_equal(linux_cpus_parse(lists[i], NULL, &mask), -EINVAL);
    }
}

static void the_last_free_cpus_are_picked_and_one_stays(void **state)
{
    static const struct {
        uint64_t online, taken;
        unsigned wanted;
        uint64_t picked;
    } rows[] = {
        {0xf, 0, 1, 0x8},   {0xf, 0, 3, 0xe},   {0xf, 0, 4, 0}, /* none would be left */
        {0x7, 0x8, 2, 0x6}, {0xf, 0x8, 1, 0x4},                 /* taken, but still listed */
        {0x1, 0, 1, 0},     {0, 0, 1, 0},       {~0ull, 0, 63, ~1ull},
        {~0ull, 0, 64, 0},  {0xa, 0, 1, 0x8},
    };
    struct linux_cpus cpus = all_64();

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        cpus.online = rows[i].online;
        assert_int_equal(linux_cpus_pick(&cpus, rows[i].taken, rows[i].wanted), rows[i].picked);
    }
}

/* A file, and the folders that it is in. */
static void put_file(const char *path, const char *text)
{
    char folder[256];
    FILE *file;

    for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
        mkdir(folder, 0700);
    }
    file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A folder as /sys/devices/system/cpu: the list of CPUs online, and MIDR_EL1 of each that has such a file. */
static void look(struct linux_cpus *cpus, const char *online, const char *const *midrs)
{
    char folder[] = "/tmp/test-cpus-XXXXXX", text[256];

    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof(text), "%s/online", folder);
    put_file(text, online);
    for (unsigned i = 0; i < cpus->nr; i++) {
        snprintf(text, sizeof(text), "%s/cpu%u/regs/identification/midr_el1", folder,
                 cpus->number[i]);
        if (midrs[i])
            put_file(text, midrs[i]);
    }
    linux_cpus_look(cpus, folder);
    snprintf(text, sizeof(text), "rm -r %s", folder);
    assert_int_equal(system(text), 0);
}

#define A53   "0x00000000410fd034\n"
#define A55   "0x00000000412fd050\n"
#define A55_R "0x00000000411fd050\n" /* another variant of it */
#define A72   "0x00000000410fd083\n"
#define A76   "0x00000000414fd0b0\n"

static struct linux_cpus computer(const char *online, const char *const *midrs, unsigned nr)
{
    struct linux_cpus cpus = {.nr = nr};

    for (unsigned i = 0; i < nr; i++)
        cpus.number[i] = (uint16_t)i;
    look(&cpus, online, midrs);
    return cpus;
}

static void cpus_of_one_kind_are_picked(void **state)
{
    static const char *const rk3588[] = {A55, A55_R, A55, A55, A76, A76, A76, A76};
    static const char *const rk3588_5_off[] = {A55, A55, A55, A55, A76, NULL, A76, A76};
    static const char *const rk3399[] = {A53, A53, A53, A53, A72, A72};
    static const char *const mixed[] = {A72, A53, A72, A53};
    static const char *const unknown[8] = {NULL};
    static const char *const partly[] = {A53, NULL, A72, NULL};
    static const struct {
        const char *online;
        const char *const *midrs;
        unsigned nr;
        uint64_t taken;
        unsigned wanted;
        uint64_t picked;
    } rows[] = {
        {"0-7\n", rk3588, 8, 0, 1, 0x80},
        {"0-7\n", rk3588, 8, 0, 2, 0xc0},
        {"0-7\n", rk3588, 8, 0, 4, 0xf0},
        {"0-7\n", rk3588, 8, 0, 5, 0},       /* no kind has five */
        {"0-7\n", rk3588, 8, 0xc0, 2, 0x30}, /* another guest has two of the big ones */
        {"0-7\n", rk3588, 8, 0xc0, 3, 0x0e},
        {"0-7\n", rk3588, 8, 0xf0, 4, 0}, /* one must stay */
        {"0-7\n", rk3588, 8, 0xf0, 3, 0x0e},
        {"0-4,6-7\n", rk3588_5_off, 8, 0, 3, 0xd0},
        {"0-4,6-7\n", rk3588_5_off, 8, 0, 4, 0x0f},
        {"0-5\n", rk3399, 6, 0, 2, 0x30},
        {"0-5\n", rk3399, 6, 0, 3, 0x0e},
        {"0-3\n", mixed, 4, 0, 2, 0xa},
        {"0-3\n", mixed, 4, 8, 2, 0x5},
        {"0-7\n", unknown, 8, 0, 5, 0xf8},
        {"0-3\n", partly, 4, 0, 2, 0xc},
        {"0-3\n", partly, 4, 0, 3, 0xe},
        {"0-3\n", partly, 4, 4, 2, 0xa},
        {"", rk3588, 8, 0, 1, 0},
    };

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct linux_cpus cpus = computer(rows[i].online, rows[i].midrs, rows[i].nr);

        assert_int_equal(linux_cpus_pick(&cpus, rows[i].taken, rows[i].wanted), rows[i].picked);
    }
}

static void a_choice_that_cannot_be_is_refused_in_words(void **state)
{
    static const char *const rk3588[] = {A55, A55, A55, A55, A76, A76, A76, A76};
    static const char *const alike[] = {A72, A72, A72, A72};
    static const char *const one_off[] = {A53, A53, A72, NULL};
    static const struct {
        const char *online;
        const char *const *midrs;
        unsigned nr;
        uint64_t taken;
        unsigned wanted;
        uint64_t named, chosen;
        int result;
        const char *says;
    } rows[] = {
        {"0-7", rk3588, 8, 0, 2, 0, 0xc0, 0, NULL},
        {"0-7", rk3588, 8, 0, 2, 0x03, 0x03, 0, NULL},
        {"0-7", rk3588, 8, 0, 4, 0xf0, 0xf0, 0, NULL},
        {"0-7", rk3588, 8, 0, 2, 0x18, 0, -EINVAL,
         "names CPUs of different kinds, and a guest cannot move between them: CPU 3 (implementer "
         "0x41, part 0xd05), CPU 4 (implementer 0x41, part 0xd0b); name CPUs of one kind"},
        {"0-7", rk3588, 8, 0, 3, 0x18, 0, -EINVAL, "names 2 CPUs, and the guest is to have 3"},
        {"0-7", rk3588, 8, 0, 5, 0, 0, -EBUSY,
         "5 CPUs of one kind, and no kind has so many free: CPU 0,1,2,3 (implementer 0x41, part "
         "0xd05), CPU 4,5,6,7 (implementer 0x41, part 0xd0b); give it fewer vCPUs (-c)"},
        {"0-7", rk3588, 8, 0xc0, 5, 0, 0, -EBUSY, "CPU 4,5 (implementer 0x41, part 0xd0b)"},
        {"0-7", rk3588, 8, 0, 8, 0, 0, -EBUSY, "one must stay for the host: online are 0,1,2,"},
        {"0-3", alike, 4, 0, 4, 0, 0, -EBUSY, "one must stay for the host: online are 0,1,2,3"},
        {"0-3", alike, 4, 0xc, 2, 0, 0, -EBUSY, "one must stay for the host"},
        {"", alike, 4, 0, 1, 0, 0, -EBUSY, "online are none that have the stub"},
        {"", alike, 4, 0, 1, 0x8, 0x8, 0, NULL},
        /* What is off has no kind: who takes it says why it cannot be had. */
        {"0-2", one_off, 4, 0, 2, 0xc, 0xc, 0, NULL},
        {"0-2", one_off, 4, 0, 3, 0xe, 0, -EINVAL, "CPU 3 (the kernel does not say which)"},
    };

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct linux_cpus cpus = computer(rows[i].online, rows[i].midrs, rows[i].nr);
        uint64_t chosen;

        memset(&log_fake, 0, sizeof(log_fake));
        assert_int_equal(
            linux_cpus_choose(&cpus, rows[i].taken, rows[i].wanted, rows[i].named, &chosen),
            rows[i].result);
        assert_int_equal(log_fake.count[LOG_ERROR], rows[i].says ? 1 : 0);
        if (rows[i].says)
            assert_non_null(strstr(log_fake.error, rows[i].says));
        else
            assert_int_equal(chosen, rows[i].chosen);
    }
}

/* The kernel's numbers name the folders, and no list of CPUs is too long for a message. */
static void kinds_are_those_of_the_kernels_numbers(void **state)
{
    static const char *const midrs[] = {A53, A53, A53, A72, A72, A72};
    struct linux_cpus cpus = some_of_130;
    uint64_t chosen;

    look(&cpus, "0-129\n", midrs);
    assert_int_equal(cpus.online, 0x3f);
    assert_int_equal(linux_cpus_choose(&cpus, 0, 2, 0x24, &chosen), -EINVAL);
    assert_non_null(strstr(log_fake.error, "CPU 2 (implementer 0x41, part 0xd03), CPU 125 ("));
    cpus = all_64();
    for (unsigned i = 0; i < cpus.nr; i++)
        cpus.kind[i] = 0x41000000u + (i << 4);
    cpus.online = ~0ull;
    assert_int_equal(linux_cpus_choose(&cpus, 0, 2, 0, &chosen), -EBUSY);
    assert_non_null(strstr(log_fake.error, "CPU 1 (implementer 0x41, part 0x001)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_cpus_are_read),
        cmocka_unit_test(a_mask_has_the_cpus_that_have_the_stub),
        cmocka_unit_test(cpus_are_printed_as_the_kernel_numbers_them),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(the_last_free_cpus_are_picked_and_one_stays),
        cmocka_unit_test(cpus_of_one_kind_are_picked),
        cmocka_unit_test(a_choice_that_cannot_be_is_refused_in_words),
        cmocka_unit_test(kinds_are_those_of_the_kernels_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
