/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware configuration device: what it has to read, by register and by DMA. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"
#include "tests/unit/support/check.h"

#define RAM_BASE 0x40000000ull
#define RAM_SIZE 0x200000u
#define AT       (RAM_BASE + 0x1000) /* of the request */
#define BUFFER   (RAM_BASE + 0x2000)

#define DATA     0
#define SELECTOR 8
#define DMA      16

#define ERROR  1u
#define READ   2u
#define SKIP   4u
#define SELECT 8u
#define WRITE  16u

#define KEY_FILE 0x20u

#define KERNEL_SIZE 0x98765u /* needs more than one turn */

static uint8_t ram[RAM_SIZE];
static char kernel[] = "/tmp/fw_cfg-kernel-XXXXXX";
static char initrd[] = "/tmp/fw_cfg-initrd-XXXXXX";

static const struct plugin_host_property given[] = {
    {"kernel", kernel},
    {"initrd", initrd},
    {"initrd", initrd},
    {"cmdline", "console=ttyAMA0"},
    {"boot", "/virtio-mmio@a000200/disk@0,0"},
    {"boot", "/virtio-mmio@a000000/disk@0,0"},
    {"string", "opt/org.example/greeting:hello: world"},
    {"file", "opt/org.example/initrd:/dev/null"},
    {"memory", "256M"},
    {"cpus", "3"},
    {0},
};

static uint8_t kernel_byte(unsigned i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void start_with(const struct plugin_host_property *properties)
{
    memset(ram, 0xee, sizeof(ram));
    plugin_host_init(&host, ram, RAM_BASE, RAM_SIZE);
    host.properties = properties;
    CHECK(plugin_host_start(&host, 0) == 0);
}

static int teardown(void **state)
{
    plugin_host_stop(&host);
    plugin_host_free(&host);
    return 0;
}

static int write_register(uint64_t offset, unsigned width, uint64_t value)
{
    return ringvisor_device.regions[0].write(host.device, offset, width, value, NULL);
}

static uint64_t read_register(uint64_t offset, unsigned width)
{
    uint64_t value = ~0ull;

    assert_int_equal(ringvisor_device.regions[0].read(host.device, offset, width, &value, NULL), 0);
    return value;
}

static void select_item(unsigned key)
{
    assert_int_equal(write_register(SELECTOR, 2, htobe16((uint16_t)key)), 0);
}

static void read_bytes(void *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)read_register(DATA, 1);
}

/* The key of the file; 0: it is not in the directory. */
static unsigned find_file(const char *name, uint32_t *size)
{
    struct {
        uint32_t size;
        uint16_t key, reserved;
        char name[56];
    } file;
    uint32_t count;

    select_item(0x19);
    read_bytes(&count, sizeof(count));
    for (uint32_t i = 0; i < be32toh(count); i++) {
        read_bytes(&file, sizeof(file));
        assert_int_equal(file.reserved, 0);
        *size = be32toh(file.size);
        if (strcmp(file.name, name) == 0)
            return be16toh(file.key);
    }
    return 0;
}

static int dma(uint64_t at, uint32_t control, uint32_t length, uint64_t address)
{
    uint32_t words[2] = {htobe32(control), htobe32(length)};

    address = htobe64(address);
    if (at >= RAM_BASE && at <= RAM_BASE + RAM_SIZE - 16) {
        memcpy(ram + (at - RAM_BASE), words, 8);
        memcpy(ram + (at - RAM_BASE) + 8, &address, 8);
    }
    return write_register(DMA, 8, htobe64(at));
}

static uint32_t control_at(uint64_t at)
{
    uint32_t word;

    memcpy(&word, ram + (at - RAM_BASE), 4);
    return be32toh(word);
}

/* How many passes of the loop the request needs beyond the first. */
static unsigned finish(void)
{
    unsigned passes = 0;

    while (plugin_host_run_work(&host))
        passes++;
    return passes;
}

static uint64_t errors(void)
{
    return plugin_host_counter(&host, "dma-errors");
}

static void guest_finds_the_device(void **state)
{
    char text[8];
    uint64_t value;

    start_with(given);
    select_item(0);
    read_bytes(text, 4);
    assert_memory_equal(text, "QEMU", 4);
    select_item(1);
    assert_int_equal(read_register(DATA, 4), 3);
    value = read_register(DMA, 8);
    memcpy(text, &value, 8);
    assert_memory_equal(text, "QEMU CFG", 8);
    assert_int_equal(read_register(DMA + 4, 4), htobe32(0x20434647));
}

static void board_is_described(void **state)
{
    start_with(given);
    select_item(3);
    assert_int_equal(read_register(DATA, 8), 256 << 20);
    select_item(5);
    assert_int_equal(read_register(DATA, 2), 3);
    select_item(0xf);
    assert_int_equal(read_register(DATA, 2), 3);
}

static void item_ends_in_zeros(void **state)
{
    start_with(given);
    select_item(5);
    assert_int_equal(read_register(DATA, 8), 3);
    assert_int_equal(read_register(DATA, 1), 0);
    assert_int_equal(dma(AT, READ, 16, BUFFER), 0);
    assert_int_equal(control_at(AT), 0);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(ram[0x2000 + i], 0);
    assert_int_equal(ram[0x2010], 0xee);
    select_item(0x7777); /* there is none */
    assert_int_equal(read_register(DATA, 8), 0);
}

static void files_are_in_the_directory(void **state)
{
    char text[128];
    uint32_t size;

    start_with(given);
    select_item(find_file("opt/org.example/greeting", &size));
    assert_int_equal(size, 12);
    read_bytes(text, 13);
    assert_memory_equal(text, "hello: world", 13);
    assert_int_not_equal(find_file("opt/org.example/initrd", &size), 0);
    assert_int_equal(size, 0);
    assert_int_equal(find_file("etc/table-loader", &size), 0);
    select_item(find_file("bootorder", &size));
    read_bytes(text, size);
    assert_int_equal(size, strlen(text) + 1);
    assert_string_equal(text, "/virtio-mmio@a000200/disk@0,0\n/virtio-mmio@a000000/disk@0,0");
}

static void without_properties_there_is_no_file(void **state)
{
    uint32_t size;

    start_with(NULL);
    assert_int_equal(find_file("bootorder", &size), 0);
    select_item(8);
    assert_int_equal(read_register(DATA, 4), 0);
}

static void kernel_comes_by_dma_in_more_than_one_turn(void **state)
{
    start_with(given);
    select_item(8);
    assert_int_equal(read_register(DATA, 4), KERNEL_SIZE);
    assert_int_equal(dma(AT, 0x11u << 16 | SELECT | READ, KERNEL_SIZE, BUFFER), 0);
    assert_int_equal(control_at(AT), 0x11u << 16 | SELECT | READ); /* the guest waits */
    assert_true(finish() > 1);
    assert_int_equal(control_at(AT), 0);
    for (unsigned i = 0; i < KERNEL_SIZE; i++)
        assert_int_equal(ram[0x2000 + i], kernel_byte(i));
    assert_int_equal(ram[0x2000 + KERNEL_SIZE], 0xee);
    assert_true(host.dirty_bytes >= KERNEL_SIZE); /* the guest may run it */
}

static void initrds_begin_at_multiples_of_4(void **state)
{
    start_with(given);
    select_item(0xb);
    assert_int_equal(read_register(DATA, 4), 8 + 5);
    select_item(0x12);
    assert_int_equal(read_register(DATA, 8), 0x6564636261ull);
    assert_int_equal(read_register(DATA, 4), 0x64636261);
    assert_int_equal(read_register(DATA, 1), 'e');
}

static void command_line_has_its_end(void **state)
{
    char text[16];

    start_with(given);
    select_item(0x14);
    assert_int_equal(read_register(DATA, 4), 16);
    select_item(0x15);
    read_bytes(text, 16);
    assert_string_equal(text, "console=ttyAMA0");
}

static void dma_register_takes_two_halves(void **state)
{
    start_with(given);
    dma(AT + 32, 0x15u << 16 | SELECT | READ, 7, BUFFER); /* leaves a request in memory */
    memset(ram + 0x2000, 0xee, 16);
    assert_int_equal(dma(AT, 0x15u << 16 | SELECT, 0, 0), 0);
    memcpy(ram + 0x1000, (uint32_t[]){htobe32(READ), htobe32(7)}, 8);
    memcpy(ram + 0x1008, (uint64_t[]){htobe64(BUFFER)}, 8);
    assert_int_equal(write_register(DMA, 4, htobe32((uint32_t)(AT >> 32))), 0);
    assert_int_equal(ram[0x2000], 0xee);
    assert_int_equal(write_register(DMA + 4, 4, htobe32((uint32_t)AT)), 0);
    assert_memory_equal(ram + 0x2000, "console\xee", 8);
}

static void skip_passes_over_bytes_and_stops_at_the_end(void **state)
{
    char byte;

    start_with(given);
    assert_int_equal(dma(AT, 0x15u << 16 | SELECT | SKIP, 8, 0), 0);
    assert_int_equal(control_at(AT), 0);
    read_bytes(&byte, 1);
    assert_int_equal(byte, 't');
    assert_int_equal(dma(AT, SKIP, UINT32_MAX, 0), 0);
    assert_int_equal(dma(AT, SKIP, UINT32_MAX, 0), 0);
    assert_int_equal(control_at(AT), 0);
    read_bytes(&byte, 1);
    assert_int_equal(byte, 0);
}

static void writes_are_refused(void **state)
{
    start_with(given);
    assert_int_equal(dma(AT, 0x15u << 16 | SELECT | WRITE, 4, BUFFER), 0);
    assert_int_equal(control_at(AT), ERROR);
    assert_int_equal(errors(), 1);
    assert_int_equal(write_register(DATA, 1, 'x'), 0);
    select_item(0x15);
    assert_int_equal(read_register(DATA, 1), 'c');
}

static void dma_to_where_no_memory_is_fails(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t length;
    } cases[] = {
        {0, 1},
        {RAM_BASE - 1, 2},
        {RAM_BASE + RAM_SIZE, 1},
        {RAM_BASE + RAM_SIZE - 4, 8},
        {RAM_BASE + RAM_SIZE - 0x90000, KERNEL_SIZE}, /* after some turns */
        {UINT64_MAX, 1},
        {UINT64_MAX - 2, UINT32_MAX},
        {BUFFER, UINT32_MAX},
    };

    start_with(given);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(dma(AT, 0x11u << 16 | SELECT | READ, cases[i].length, cases[i].address),
                         0);
        assert_true(finish() < 16);
        assert_int_equal(control_at(AT), ERROR);
        assert_int_equal(errors(), i + 1);
    }
    assert_int_equal(host.errors + host.warnings, 0); /* nor fills the log */
}

static void request_where_no_memory_is_is_dropped(void **state)
{
    static const uint64_t cases[] = {0, RAM_BASE - 8, RAM_BASE + RAM_SIZE - 15, UINT64_MAX - 3};

    start_with(given);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(dma(cases[i], READ, 4, BUFFER), 0);
        assert_int_equal(finish(), 0);
        assert_int_equal(errors(), i + 1);
    }
}

/* What it reads goes over its own request: only the answer may be there in the end. */
static void request_over_itself_ends(void **state)
{
    start_with(given);
    assert_int_equal(dma(AT, 0x11u << 16 | SELECT | READ, KERNEL_SIZE, AT - 4), 0);
    finish();
    assert_int_equal(control_at(AT), 0);
    assert_int_equal(ram[0x1004], kernel_byte(8));
    assert_int_equal(errors(), 0);
}

static void second_request_waits_for_the_first(void **state)
{
    start_with(given);
    assert_int_equal(dma(AT, 0x11u << 16 | SELECT | READ, KERNEL_SIZE, BUFFER), 0);
    assert_int_equal(dma(AT + 32, 0x15u << 16 | SELECT | READ, 4, RAM_BASE), -EAGAIN);
    assert_int_equal(write_register(SELECTOR, 2, htobe16(0)), -EAGAIN);
    assert_int_equal(read_register(DATA, 4), 0); /* and takes nothing from it */
    finish();
    assert_int_equal(ram[0x2000 + KERNEL_SIZE - 1], kernel_byte(KERNEL_SIZE - 1));
    assert_int_equal(dma(AT + 32, 0x15u << 16 | SELECT | READ, 4, RAM_BASE), 0);
    assert_memory_equal(ram, "cons", 4);
}

static void reset_ends_a_request(void **state)
{
    start_with(given);
    assert_int_equal(dma(AT, 0x11u << 16 | SELECT | READ, KERNEL_SIZE, BUFFER), 0);
    ringvisor_device.reset(host.device);
    finish();
    assert_int_equal(ram[0x2000 + KERNEL_SIZE - 1], 0xee);
    assert_int_equal(control_at(AT), 0x11u << 16 | SELECT | READ);
    assert_int_equal(read_register(DATA, 4), htole32(0x554d4551)); /* key 0 is selected */
}

static void next_vmm_goes_on_with_the_request(void **state)
{
    start_with(given);
    assert_int_equal(dma(AT, 0x11u << 16 | SELECT | READ, KERNEL_SIZE, BUFFER), 0);
    assert_true(plugin_host_run_work(&host));
    plugin_host_stop(&host);
    assert_int_equal(control_at(AT), 0x11u << 16 | SELECT | READ);
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    finish();
    assert_int_equal(control_at(AT), 0);
    for (unsigned i = 0; i < KERNEL_SIZE; i++)
        assert_int_equal(ram[0x2000 + i], kernel_byte(i));
}

/* The structures of the tables: their types in order, and the n-th string of one. */
static const char *smbios_string(const uint8_t *table, unsigned number)
{
    const char *text = (const char *)table + table[1];

    while (number-- > 1)
        text += strlen(text) + 1;
    return text;
}

static void smbios_describes_the_system(void **state)
{
    static const uint8_t types[] = {1, 3, 4, 16, 17, 19, 32, 127};
    static const uint8_t uuid[] = {0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd,
                                   0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    static const struct plugin_host_property properties[] = {
        {"memory", "256M"},
        {"cpus", "3"},
        {"uuid", "01234567-89AB-cdef-0123-456789abcdef"},
        {"serial", "number 7"},
        {"sku", "of many"},
        {0},
    };
    uint8_t anchor[24], tables[4096], sum = 0, *at = tables;
    uint32_t size;

    (void)state;
    start_with(properties);
    select_item(2);
    assert_int_equal(read_register(DATA, 4), 0x67452301);
    select_item(find_file("etc/smbios/smbios-anchor", &size));
    assert_int_equal(size, sizeof(anchor));
    read_bytes(anchor, sizeof(anchor));
    for (unsigned i = 0; i < sizeof(anchor); i++)
        sum = (uint8_t)(sum + anchor[i]);
    assert_int_equal(sum, 0);
    assert_memory_equal(anchor, "_SM3_", 5);
    select_item(find_file("etc/smbios/smbios-tables", &size));
    assert_int_equal(size, anchor[12] | anchor[13] << 8);
    read_bytes(tables, size);
    for (unsigned i = 0; i < sizeof(types); i++) {
        assert_int_equal(at[0], types[i]);
        if (at[0] == 1) {
            assert_string_equal(smbios_string(at, at[4]), "ringvisor");
            assert_string_equal(smbios_string(at, at[5]), "virt-1");
            assert_int_equal(at[6], 0); /* no version */
            assert_string_equal(smbios_string(at, at[7]), "number 7");
            assert_memory_equal(at + 8, uuid, 16);
            assert_string_equal(smbios_string(at, at[25]), "of many");
        }
        if (at[0] == 4)
            assert_int_equal(at[0x23], 3);
        if (at[0] == 17)
            assert_int_equal(at[12] | at[13] << 8, 256);
        at += at[1];
        while (at[0] || at[1])
            at++;
        at += 2;
    }
    assert_int_equal(at - tables, size);
}

static void longest_texts_fit_into_the_tables(void **state)
{
    static const char *const names[] = {"manufacturer", "product", "version",
                                        "serial",       "sku",     "family"};
    char text[130];
    uint32_t size;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[128] = '\0';
    plugin_host_init(&host, ram, RAM_BASE, RAM_SIZE);
    plugin_host_set(&host, "memory", "1023G");
    for (unsigned i = 0; i < 6; i++)
        plugin_host_set(&host, names[i], text);
    assert_int_equal(plugin_host_start(&host, 0), 0);
    find_file("etc/smbios/smbios-tables", &size);
    assert_true(size > 6 * 128 && size < 4096);
    plugin_host_stop(&host);
    text[128] = 'x';
    text[129] = '\0';
    host.quiet = true;
    assert_int_equal(plugin_host_create(&host, 0), -EINVAL);
    assert_non_null(strstr(host.log, "manufacturer: more than 128 characters"));
}

static void bad_properties_are_refused(void **state)
{
    static const struct {
        const char *name, *value, *words;
    } cases[] = {
        {"kernel", "/nonexistent", "cannot read '/nonexistent': No such file"},
        {"initrd", "/tmp", "Is a directory"},
        {"file", "opt/x:/nonexistent", "cannot read '/nonexistent'"},
        {"file", "opt/x", "give NAME:PATH"},
        {"string", "opt/x", "give NAME:TEXT"},
        {"string", ":x", "no or more than 55 characters"},
        {"string", "opt/56-56-56-56-56-56-56-56-56-56-56-56-56-56-56-56-56-56:x", "than 55"},
        {"string", "bootorder:x", "two of this name"},
        {"uuid", "", "give one as"},
        {"uuid", "01234567-89ab-cdef-0123-456789abcde", "give one as"},
        {"uuid", "01234567-89ab-cdef-0123-456789abcdef0", "give one as"},
        {"uuid", "01234567089ab-cdef-0123-456789abcdef", "give one as"},
        {"uuid", "0123456g-89ab-cdef-0123-456789abcdef", "give one as"},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct plugin_host_property properties[] = {
            {"boot", "/x"}, {cases[i].name, cases[i].value}, {0}};

        plugin_host_init(&host, ram, RAM_BASE, RAM_SIZE);
        host.quiet = true;
        host.properties = properties;
        assert_true(plugin_host_create(&host, 0) < 0);
        assert_int_equal(host.errors, 1);
        assert_non_null(strstr(host.log, cases[i].words));
        plugin_host_stop(&host);
    }
    start_with(NULL);
}

static void accesses_of_every_kind_end(void **state)
{
    start_with(given);
    every_access(0x18);
}

static void make_file(char *path, const void *data, size_t size)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(guest_finds_the_device),
        TEST(board_is_described),
        TEST(item_ends_in_zeros),
        TEST(files_are_in_the_directory),
        TEST(without_properties_there_is_no_file),
        TEST(kernel_comes_by_dma_in_more_than_one_turn),
        TEST(initrds_begin_at_multiples_of_4),
        TEST(command_line_has_its_end),
        TEST(dma_register_takes_two_halves),
        TEST(skip_passes_over_bytes_and_stops_at_the_end),
        TEST(writes_are_refused),
        TEST(dma_to_where_no_memory_is_fails),
        TEST(request_where_no_memory_is_is_dropped),
        TEST(request_over_itself_ends),
        TEST(second_request_waits_for_the_first),
        TEST(reset_ends_a_request),
        TEST(next_vmm_goes_on_with_the_request),
        TEST(smbios_describes_the_system),
        TEST(longest_texts_fit_into_the_tables),
        TEST(bad_properties_are_refused),
        TEST(accesses_of_every_kind_end),
    };
    static uint8_t bytes[KERNEL_SIZE];
    int failed;

    for (unsigned i = 0; i < KERNEL_SIZE; i++)
        bytes[i] = kernel_byte(i);
    make_file(kernel, bytes, sizeof(bytes));
    make_file(initrd, "abcde", 5);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(kernel);
    unlink(initrd);
    return failed;
}
