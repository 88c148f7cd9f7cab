/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine `linux`, as far as it needs no module: its options, and which CPUs it takes. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/keeper/kept.h"
#include "vmm/machine/linux_cpus.h"
#include "vmm/machine/machine.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The keeper: two descriptors of /dev/null, and a record of so many bytes. */
static struct {
    uint8_t record[4096];
    size_t size;
    const char *missing;
    unsigned took_over;
} kept;

bool kept_has_keeper(void)
{
    return true;
}

int kept_put(int fd, const char *fmt, ...)
{
    return 0;
}

int kept_get(const char *fmt, ...)
{
    FILE *file;
    int fd;

    if (kept.missing && strcmp(fmt, kept.missing) == 0)
        return -1;
    if (strcmp(fmt, "linux-session") != 0)
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(kept.record, 1, kept.size, file), kept.size);
    fflush(file);
    fd = dup(fileno(file));
    fclose(file);
    return fd;
}

int machine_take_over(struct machine *machine, const struct machine_config *config, int memory_fd)
{
    kept.took_over++;
    close(memory_fd);
    return -EINVAL;
}

void machine_answers(struct machine *machine)
{
}

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

    for (unsigned i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(linux_cpus_pick(rows[i].online, rows[i].taken, rows[i].wanted),
                         rows[i].picked);
}

static void only_its_options_are_taken(void **state)
{
    static const char *const bad[] = {"cpus",    "cpus=",    "cpus=x",
                                      "cpu=max", "cpus=2,3", "session=a"};

    assert_int_equal(machine_linux_check(NULL), 0);
    assert_int_equal(machine_linux_check(""), 0);
    assert_int_equal(machine_linux_check("cpus=2-3"), 0);
    assert_int_equal(machine_linux_check("cpus=1,,3"), 0);
    assert_int_equal(machine_linux_check("cpus=124-125"), 0);
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(machine_linux_check(bad[i]), -EINVAL);
}

static void what_the_keeper_has_must_be_a_whole_session(void **state)
{
    static const struct {
        uint64_t magic;
        uint32_t version;
        size_t size;
        const char *missing;
        unsigned took_over;
    } rows[] = {
        {0x31534553584e4c52, 1, 80, NULL, 1},
        {0x31534553584e4c53, 1, 80, NULL, 0},
        {0x31534553584e4c52, 2, 80, NULL, 0},
        {0x31534553584e4c52, 1, 79, NULL, 0},
        {0x31534553584e4c52, 1, 0, NULL, 0},
        {0x31534553584e4c52, 1, 80, "linux-session", 0},
        {0x31534553584e4c52, 1, 80, "linux-device", 0},
        {0x31534553584e4c52, 1, 80, "linux-doorbell", 0},
    };
    const struct machine_config config = {.nr_pcpus = 1, .nr_vcpus = 1, .ram_size = 2 << 20};

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        memset(&kept, 0, sizeof(kept));
        memcpy(kept.record, &rows[i].magic, sizeof(rows[i].magic));
        memcpy(kept.record + 8, &rows[i].version, sizeof(rows[i].version));
        kept.size = rows[i].size;
        kept.missing = rows[i].missing;
        assert_null(machine_linux_take_over(&config));
        assert_int_equal(kept.took_over, rows[i].took_over);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_cpus_are_read),
        cmocka_unit_test(a_mask_has_the_cpus_that_have_the_stub),
        cmocka_unit_test(cpus_are_printed_as_the_kernel_numbers_them),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(the_last_free_cpus_are_picked_and_one_stays),
        cmocka_unit_test(only_its_options_are_taken),
        cmocka_unit_test(what_the_keeper_has_must_be_a_whole_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
