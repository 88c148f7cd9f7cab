/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: what a debugger sends, to a target with memory, registers and points as the real one
 * has them. The first byte chooses between raw bytes, and lines of which each becomes a packet
 * with a right checksum. Checked: each reply is a packet; whatever a debugger does, no vCPU gets a
 * mode that the stub would refuse; memory has a BRK only while the guest runs.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "tests/unit/support/check.h"
#include "vmm/gdb/gdb_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VCPUS    3u
#define RAM_IPA  0x40000000ull
#define RAM_SIZE 0x4000u
#define LINE_MAX 512u

static struct gdb_session session;
static struct gdb_registers registers;
static struct rv_vcpu_page pages[VCPUS];
static uint64_t ram[RAM_SIZE / 8], wanted[RAM_SIZE / 8]; /* the guest's, without any BRK */
static struct gdb_memory memory = {
    .ram = {.host = (uint8_t *)ram, .ipa = RAM_IPA, .size = RAM_SIZE},
    .pa_bits = 40,
};
static struct gdb_points points;
static struct gdb_reader replies;
static bool runs;
static unsigned entropy;

static void written(void *opaque, ipa_t where, uint64_t size)
{
    CHECK(guest_ram_has(&memory.ram, where.v, size));
}

static int stop(void *opaque)
{
    gdb_points_unset(&points, &memory.ram, written, NULL);
    runs = false;
    CHECK(memcmp(ram, wanted, sizeof(ram)) == 0);
    return 0;
}

static int resume(void *opaque, const struct gdb_action *actions, struct gdb_stop *stopped)
{
    unsigned moving = 0;

    CHECK(!runs);
    for (unsigned i = 0; i < VCPUS; i++) {
        struct rv_debug merged;

        moving += actions[i].move != GDB_MOVE_NONE;
        gdb_points_merge(&points, &pages[i].debug, actions[i].move == GDB_MOVE_STEP, &merged);
    }
    CHECK(moving);
    *stopped = (struct gdb_stop){.vcpu = 2, .signal = GDB_SIGNAL_TRAP};
    if (++entropy % 5 == 0)
        return 1;
    gdb_points_set(&points, &memory.ram, written, NULL);
    runs = true;
    return 0;
}

static void detach(void *opaque)
{
    stop(opaque);
    points.count = 0;
    runs = true;
}

static bool is_on(void *opaque, unsigned vcpu)
{
    CHECK(vcpu < VCPUS);
    return vcpu != 1;
}

static void describe(void *opaque, unsigned vcpu, char *text, size_t size)
{
    snprintf(text, size, "vCPU %u", vcpu);
}

static struct rv_vcpu_page *page_of(void *opaque, unsigned vcpu)
{
    CHECK(vcpu < VCPUS && !runs);
    return &pages[vcpu];
}

static size_t copy(unsigned vcpu, bool physical, uint64_t address, uint8_t *data, size_t size,
                   bool write)
{
    size_t done = 0;

    while (done < size) {
        size_t piece = size - done;
        ipa_t where;
        uint8_t *p =
            gdb_memory_at(&memory, physical ? NULL : &pages[vcpu], address + done, &piece, &where);

        if (!p)
            break;
        CHECK(piece >= 1 && piece <= size - done && guest_ram_has(&memory.ram, where.v, piece));
        memcpy(write ? p : data + done, write ? data + done : p, piece);
        if (write)
            memcpy((uint8_t *)wanted + (where.v - RAM_IPA), data + done, piece);
        done += piece;
    }
    return done;
}

static size_t read_memory(void *opaque, unsigned vcpu, bool physical, uint64_t address, void *data,
                          size_t size)
{
    return copy(vcpu, physical, address, data, size, false);
}

static size_t write_memory(void *opaque, unsigned vcpu, bool physical, uint64_t address,
                           const void *data, size_t size)
{
    return copy(vcpu, physical, address, (uint8_t *)data, size, true);
}

static int insert(void *opaque, unsigned vcpu, enum gdb_point_kind kind, uint64_t address,
                  uint64_t size)
{
    return gdb_points_insert(&points, kind, address, size, &memory, &pages[vcpu]);
}

static int remove_point(void *opaque, enum gdb_point_kind kind, uint64_t address, uint64_t size)
{
    return gdb_points_remove(&points, kind, address, size);
}

static int reset(void *opaque)
{
    return entropy % 2 ? -EPERM : 0;
}

static const struct gdb_target_ops ops = {
    .stop = stop,
    .resume = resume,
    .detach = detach,
    .is_on = is_on,
    .describe = describe,
    .page = page_of,
    .read = read_memory,
    .write = write_memory,
    .insert = insert,
    .remove = remove_point,
    .reset = reset,
};

/* All that is sent is acknowledgements and whole packets. */
static void sent(void *opaque, const char *bytes, size_t size)
{
    enum gdb_input input = GDB_INPUT_NOTHING;

    for (size_t i = 0; i < size; i++) {
        CHECK(input == GDB_INPUT_NOTHING || input == GDB_INPUT_ACK);
        input = gdb_packet_feed(&replies, (uint8_t)bytes[i]);
    }
    CHECK(input == GDB_INPUT_ACK || input == GDB_INPUT_NAK || input == GDB_INPUT_PACKET);
}

static void feed(const uint8_t *data, size_t size)
{
    while (size && !session.over) {
        size_t taken = gdb_session_input(&session, data, size);

        CHECK(taken >= 1 && taken <= size);
        data += taken;
        size -= taken;
        for (unsigned i = 0; i < VCPUS; i++) {
            uint64_t mode = pages[i].pstate & (PSTATE_nRW | PSTATE_M);

            CHECK(mode == PSTATE_EL0t || mode == PSTATE_EL1t || mode == PSTATE_EL1h);
        }
    }
}

/* The guest comes to its first point by itself. */
static void guest_stops(void)
{
    struct gdb_stop stopped = {.vcpu = 0, .signal = GDB_SIGNAL_TRAP};

    if (!session.running)
        return;
    stopped.point = points.count ? &points.points[0] : NULL;
    stop(NULL);
    gdb_session_stopped(&session, &stopped);
}

static void feed_lines(const uint8_t *data, size_t size)
{
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;
        char frame[GDB_FRAME_SIZE(LINE_MAX)];

        if (length == 0)
            guest_stops();
        else if (length <= LINE_MAX)
            feed((const uint8_t *)frame, gdb_packet_frame((const char *)data, length, frame));
        length += end != NULL;
        data += length;
        size -= length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (!registers.count && gdb_registers_init(&registers, 32, true))
        return 0;
    memset(pages, 0, sizeof(pages));
    memset(ram, 0x55, sizeof(ram));
    memcpy(wanted, ram, sizeof(ram));
    memset(&replies, 0, sizeof(replies));
    for (unsigned i = 0; i < VCPUS; i++)
        pages[i].pstate = PSTATE_EL1h;
    gdb_points_init(&points, 5ull << 12 | 3ull << 20);
    runs = true;
    entropy = data[0];
    gdb_session_init(&session, &ops, NULL, &registers, VCPUS, sent, NULL);
    if (data[0] % 4 == 0)
        feed(data + 1, size - 1);
    else
        feed_lines(data + 1, size - 1);
    gdb_session_end(&session);
    CHECK(runs && memcmp(ram, wanted, sizeof(ram)) == 0);
    return 0;
}
