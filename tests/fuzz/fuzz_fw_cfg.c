/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest of the firmware configuration device, on plugin_host: any access, any DMA
 * request anywhere, also over itself; the vmm's loop turns, the guest resets, the vmm dies and
 * is followed by another one, with the state as it was or with a damaged one. Checked: that
 * each request ends after a bounded number of turns, that only the request's bytes are written,
 * and that nothing is said in the log.
 */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host.h"

#define RAM_BASE 0x40000000ull
#define RAM_SIZE 0x80000u
#define TURN     0x40000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t ram[RAM_SIZE];

/* In RAM, around its ends, or anywhere. */
static uint64_t take_address(struct input *in)
{
    uint64_t choice = take64(in, 1);

    switch (choice >> 5) {
    case 0: return take64(in, 8);
    case 1: return RAM_BASE - (choice & 0x1f);
    case 2: return RAM_BASE + RAM_SIZE - (choice & 0x1f);
    case 3: return UINT64_MAX - (choice & 0x1f);
    case 4: return RAM_BASE + take64(in, 3) % RAM_SIZE;
    default: return RAM_BASE + (choice & 0x1f) * 4;
    }
}

static uint32_t take_length(struct input *in)
{
    uint64_t choice = take64(in, 1);

    switch (choice >> 6) {
    case 0: return (uint32_t)choice;
    case 1: return (uint32_t)take64(in, 3);
    case 2: return UINT32_MAX - (uint32_t)(choice & 0x3f);
    default: return (uint32_t)take64(in, 2);
    }
}

static uint32_t take_control(struct input *in)
{
    static const uint8_t keys[] = {0, 1, 3, 5, 0x14, 0x15, 0x19, 0x20, 0x21};
    uint64_t choice = take64(in, 1);

    if (choice == 0xff)
        return (uint32_t)take64(in, 4);
    return (uint32_t)keys[take64(in, 1) % sizeof(keys)] << 16 | (uint32_t)(choice & 0x1f);
}

static void put_request(struct input *in, uint64_t at)
{
    const uint32_t words[2] = {htobe32(take_control(in)), htobe32(take_length(in))};
    const uint64_t address = htobe64(take_address(in));

    if (at < RAM_BASE || at - RAM_BASE > RAM_SIZE - 16)
        return;
    memcpy(ram + (at - RAM_BASE), words, sizeof(words));
    memcpy(ram + (at - RAM_BASE) + 8, &address, sizeof(address));
}

static void check_write(struct rv_instance *h, uint64_t offset, uint32_t width, uint64_t value)
{
    int error = h->class->regions[0].write(h->device, offset, width, value, NULL);

    CHECK(error == 0 || error == -EAGAIN);
}

static void dma(struct rv_instance *h, struct input *in)
{
    uint64_t at = take_address(in);

    put_request(in, at);
    h->dirty_bytes = 0;
    check_write(h, 16, 8, htobe64(at));
    /* One turn's bytes, and the answer. */
    CHECK(h->dirty_bytes <= TURN + sizeof(uint32_t));
}

static void turn(struct rv_instance *h)
{
    h->dirty_bytes = 0;
    plugin_host_run_work(h);
    CHECK(h->dirty_bytes <= TURN + sizeof(uint32_t));
}

/* No request can reach more than all of RAM, and each turn but the last copies TURN bytes. */
static void finish(struct rv_instance *h)
{
    unsigned turns = 0;

    while (plugin_host_run_work(h))
        CHECK(++turns <= RAM_SIZE / TURN + 2);
    CHECK(h->class->regions[0].write(h->device, 8, 2, 0, NULL) == 0);
}

static void take_over(struct rv_instance *h, struct input *in, bool damaged)
{
    size_t size = h->class->state_size;

    plugin_host_stop(h);
    for (unsigned n = damaged ? (unsigned)take64(in, 1) % 8 : 0; n; n--)
        ((uint8_t *)h->state)[take64(in, 1) % size] = (uint8_t)take64(in, 1);
    CHECK(plugin_host_start(h, RV_CREATE_RESUME) == 0);
}

static void step(struct rv_instance *h, struct input *in)
{
    unsigned what = (unsigned)take64(in, 1), width = 1u << (what >> 6);
    uint64_t value;

    switch (what & 0xf) {
    case 0:
    case 1:
    case 2:
    case 3: dma(h, in); break;
    case 4:
    case 5:
        CHECK(h->class->regions[0].read(h->device, take64(in, 1) % 0x18 / width * width, width,
                                        &value, NULL) == 0);
        break;
    case 6:
    case 7: check_write(h, take64(in, 1) % 0x18 / width * width, width, take64(in, width)); break;
    case 8: check_write(h, 8, 2, take64(in, 2)); break;
    case 9:
    case 10: turn(h); break;
    case 11: finish(h); break;
    case 12: h->class->reset(h->device); break;
    case 13: take_over(h, in, false); break;
    case 14: take_over(h, in, true); break;
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plugin_host_property given[] = {
        {"cmdline", "console=ttyAMA0"},
        {"boot", "/virtio-mmio@a000200/disk@0,0"},
        {"string", "opt/org.example/x:hello"},
        {"file", "opt/org.example/cpus:/proc/cpuinfo"},
        {"memory", "512K"},
        {0}};
    static struct rv_instance host;
    struct input in = {data, size};

    memset(ram, 0, sizeof(ram));
    plugin_host_init_class(&host, &ringvisor_device, ram, RAM_BASE, RAM_SIZE);
    host.properties = given;
    CHECK(plugin_host_start(&host, 0) == 0);
    while (in.size)
        step(&host, &in);
    finish(&host);
    CHECK(host.errors + host.warnings == 0);
    plugin_host_stop(&host);
    plugin_host_free(&host);
    return 0;
}
