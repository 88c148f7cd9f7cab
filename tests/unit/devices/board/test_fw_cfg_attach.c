/* SPDX-License-Identifier: BSD-2-Clause */
/* The vmm dies before each store to what outlives it while fw_cfg serves a DMA request. */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"
#include "tests/unit/support/check.h"
#include "tests/unit/support/death.h"

#define RAM_BASE 0x40000000ull
#define RAM_SIZE 0x200000u
#define AT       0x1000u /* of the request, in RAM */
#define BUFFER   0x2000u
#define DMA      16
#define READ     (0x11u << 16 | 8u | 2u) /* and SELECT, of the kernel */
#define SIZE     0x48765u                /* of the kernel: more than one turn */
#define DEATHS   60u

static uint8_t *ram;
static char kernel[] = "/tmp/fw_cfg-kernel-XXXXXX";
static const struct plugin_host_property given[] = {{"kernel", kernel}, {"memory", "256M"}, {0}};

static uint8_t kernel_byte(unsigned i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void serve(void *opaque)
{
    while (plugin_host_run_work(&host))
        ;
}

/* What the undo log puts back of an exit that was not decided, which is then made again. */
static struct {
    bool open;
    uint8_t state[64], request[16];
} undo;

static void ask(void *opaque)
{
    memcpy(undo.state, host.state, host.class->state_size);
    memcpy(undo.request, ram + AT, sizeof(undo.request));
    undo.open = true;
    CHECK(ringvisor_device.regions[0].write(host.device, DMA, 8, htobe64(RAM_BASE + AT), NULL) ==
          0);
    undo.open = false;
    serve(opaque);
}

static void begin(void)
{
    const uint32_t words[2] = {htobe32(READ), htobe32(SIZE)};
    const uint64_t address = htobe64(RAM_BASE + BUFFER);

    ram = aligned_alloc(4096, RAM_SIZE);
    CHECK(ram);
    memset(ram, 0xee, RAM_SIZE);
    memcpy(ram + AT, words, sizeof(words));
    memcpy(ram + AT + sizeof(words), &address, sizeof(address));
    plugin_host_init(&host, ram, RAM_BASE, RAM_SIZE);
    host.properties = given;
    CHECK(plugin_host_start(&host, 0) == 0);
    death_keep(host.state, host.class->state_size);
    death_keep(ram + AT, 16);
}

/* The word is the guest's again once it was told. */
static void use_again(void)
{
    const uint32_t mine = 0x12345678;

    if (*(const uint32_t *)(const void *)(ram + AT) == 0)
        memcpy(ram + AT, &mine, sizeof(mine));
}

static bool is_right(void)
{
    uint32_t word;
    bool right;

    memcpy(&word, ram + AT, sizeof(word));
    right = word == 0 || word == 0x12345678;
    for (unsigned i = 0; i < SIZE; i++)
        right &= ram[BUFFER + i] == kernel_byte(i);
    return right && ram[BUFFER + SIZE] == 0xee;
}

/* 0; 1: the guest notices that the vmm dies there; 2: it does not come there. */
static int run(unsigned store)
{
    unsigned stores;

    begin();
    if (!death_run(store, ask, NULL, &stores))
        return 2;
    plugin_host_die(&host);
    if (undo.open) {
        memcpy(host.state, undo.state, host.class->state_size);
        memcpy(ram + AT, undo.request, sizeof(undo.request));
    }
    use_again();
    CHECK(plugin_host_start(&host, RV_CREATE_RESUME) == 0);
    serve(NULL);
    if (undo.open)
        ask(NULL);
    return is_right() ? 0 : 1;
}

static int run_apart(unsigned store)
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0)
        _exit(run(store));
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void guest_does_not_notice_a_death_before_any_store(void **state)
{
    unsigned last = 0, step;

    for (unsigned far = 1024; far; far /= 2)
        if (run_apart(last + far) != 2)
            last += far;
    assert_true(last > 10);
    step = getenv("ATTACH_ALL") ? 1 : 1 + last / DEATHS;
    for (unsigned store = 1; store <= last; store += store > 8 && store + 8 < last ? step : 1)
        if (run_apart(store) != 0)
            fail_msg("death before store %u of %u", store, last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_does_not_notice_a_death_before_any_store),
    };
    int fd = mkstemp(kernel), failed;

    CHECK(fd >= 0);
    for (unsigned i = 0; i < SIZE; i++) {
        uint8_t byte = kernel_byte(i);

        CHECK(write(fd, &byte, 1) == 1);
    }
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(kernel);
    return failed;
}
