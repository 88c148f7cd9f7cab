/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver of docs/plugin-example/virtio_echo.c as a program of the guest: `echo BASE` maps
 * the virtio-mmio transport at that address by /dev/mem, and its own memory by its physical
 * address. It sends buffers through the queue, polls for them and compares what comes back.
 */
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE   4096u
#define SIZE   8u /* of the queue */
#define ROUNDS 100u
#define ID     63u

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

/* One page: a split queue and two buffers (virtio 1.2, 2.7). */
struct memory {
    struct desc desc[SIZE];
    struct {
        uint16_t flags, idx, ring[SIZE], event;
    } avail;
    uint8_t pad[64];
    struct {
        uint16_t flags, idx;
        struct {
            uint32_t id, len;
        } ring[SIZE];
    } used;
    char out[512], in[512];
};

static volatile uint8_t *transport;

static uint32_t get(unsigned offset)
{
    return *(volatile uint32_t *)(void *)(uintptr_t)(transport + offset);
}

static void put(unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(void *)(uintptr_t)(transport + offset) = value;
}

static void __attribute__((noreturn)) fail(const char *what)
{
    printf("failed: %s\n", what);
    exit(1);
}

static uint64_t physical(const void *at)
{
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY);

    if (fd < 0 || pread(fd, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)) != 8 || !(entry >> 63) ||
        !(entry << 9 >> 9))
        fail("physical address");
    close(fd);
    return (entry & 0x7fffffffffffffull) * PAGE + (uintptr_t)at % PAGE;
}

static void put_address(unsigned low, uint64_t address)
{
    put(low, (uint32_t)address);
    put(low + 4, (uint32_t)(address >> 32));
}

static void start(struct memory *m)
{
    const uint32_t steps[] = {0, VIRTIO_CONFIG_S_ACKNOWLEDGE,
                              VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER};
    const uint32_t features_ok = steps[2] | VIRTIO_CONFIG_S_FEATURES_OK;

    if (get(VIRTIO_MMIO_MAGIC_VALUE) != 0x74726976 || get(VIRTIO_MMIO_DEVICE_ID) != ID)
        fail("no echo device");
    for (unsigned i = 0; i < 3; i++)
        put(VIRTIO_MMIO_STATUS, steps[i]);
    put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    put(VIRTIO_MMIO_DRIVER_FEATURES, 0);
    put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    put(VIRTIO_MMIO_DRIVER_FEATURES, 1u << (VIRTIO_F_VERSION_1 - 32));
    put(VIRTIO_MMIO_STATUS, features_ok);
    if (get(VIRTIO_MMIO_STATUS) != features_ok)
        fail("features");
    put(VIRTIO_MMIO_QUEUE_SEL, 0);
    put(VIRTIO_MMIO_QUEUE_NUM, SIZE);
    put_address(VIRTIO_MMIO_QUEUE_DESC_LOW, physical(m->desc));
    put_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, physical(&m->avail));
    put_address(VIRTIO_MMIO_QUEUE_USED_LOW, physical(&m->used));
    put(VIRTIO_MMIO_QUEUE_READY, 1);
    put(VIRTIO_MMIO_STATUS, features_ok | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void echo(struct memory *m, unsigned round)
{
    const time_t end = time(NULL) + 10;
    uint16_t idx = (uint16_t)round;
    int len = snprintf(m->out, sizeof(m->out), "message %u of many", round);

    memset(m->in, 0, sizeof(m->in));
    m->desc[0] = (struct desc){physical(m->out), (uint32_t)len, 1, 1}; /* NEXT */
    m->desc[1] = (struct desc){physical(m->in), sizeof(m->in), 2, 0};  /* WRITE */
    m->avail.ring[idx % SIZE] = 0;
    __atomic_store_n(&m->avail.idx, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    put(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    while (__atomic_load_n(&m->used.idx, __ATOMIC_ACQUIRE) != (uint16_t)(idx + 1))
        if (time(NULL) > end)
            fail("no answer");
    if (m->used.ring[idx % SIZE].len != (uint32_t)len || memcmp(m->in, m->out, (size_t)len) != 0)
        fail("another answer");
}

int main(int argc, char **argv)
{
    struct memory *m;
    int fd = open("/dev/mem", O_RDWR | O_SYNC);
    uint64_t base = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
    uint8_t *at;

    if (fd < 0 || !base)
        fail("usage: echo BASE, as root");
    at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(base / PAGE * PAGE));
    m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    if (at == MAP_FAILED || m == MAP_FAILED)
        fail("mmap");
    transport = at + base % PAGE;
    memset(m, 0, sizeof(*m));
    start(m);
    for (unsigned round = 0; round < ROUNDS; round++)
        echo(m, round);
    if (get(VIRTIO_MMIO_CONFIG) != ROUNDS)
        fail("the count in the configuration space");
    if (!(get(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_VRING))
        fail("no interrupt");
    put(VIRTIO_MMIO_STATUS, 0);
    puts("all echoed");
    return 0;
}
