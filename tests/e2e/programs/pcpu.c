/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs of a host that go to the stub and come back, through /dev/ringvisor. Usage:
 *   pcpu rounds N      take CPU 3 N times; each time it must say READY, refuse a command that
 *                      does not exist, ring the doorbell, and come back
 *   pcpu brief N       take CPU 3 N times, and give it back before it may have noticed
 *   pcpu hold          take CPUs 2 and 3, print "held", sleep until killed
 *   pcpu hostile N     N random operations on the device, on the channel of CPU 3 and a vCPU page
 *   pcpu load FILE     map the file's first page, and load a word of it; store FILE likewise
 * Prints what it did; exits with 0 if all was as it must be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "proto/device.h"
#include "proto/ring.h"

#define CPU     3u
#define TAG     77u
#define WAIT_NS 5000000000ll

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "pcpu: %s (%s)\n", what, strerror(errno));
    return 1;
}

static struct rv_channel *map(int fd, unsigned cpu)
{
    void *at = mmap(NULL, sizeof(struct rv_channel), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    (off_t)RV_DEVICE_CHANNEL(cpu));

    return at == MAP_FAILED ? NULL : at;
}

static bool event_comes(struct rv_channel *channel, uint32_t position)
{
    int64_t start = now();

    while (!rv_ring_ready(&channel->event[position].seq, position)) {
        if (now() - start > WAIT_NS)
            return false;
    }
    return true;
}

/* One command at the ring's start; the stub sleeps or polls. */
static void send_command(int fd, struct rv_channel *channel, uint8_t op, uint32_t position)
{
    uint64_t mask = 1ull << CPU;
    struct rv_command *command = &channel->command[position];

    command->op = op;
    command->tag = TAG;
    rv_ring_publish(&command->seq, position);
    if (rv_ring_wants_wakeup(&channel->command_waiting.v))
        ioctl(fd, RV_DEVICE_KICK, &mask);
}

/* A session with a VM, and with the CPUs in the mask. -1: it cannot be had. */
static int session(uint64_t mask)
{
    int fd = open("/dev/ringvisor", O_RDWR | O_CLOEXEC);
    struct rv_device_vm vm = {.nr_vcpus = 1};

    if (fd >= 0 && ioctl(fd, RV_DEVICE_CREATE, &vm) == 0 && ioctl(fd, RV_DEVICE_CPUS, &mask) == 0)
        return fd;
    return -1;
}

static int one_round(int64_t *took, int64_t *answered)
{
    int fd = open("/dev/ringvisor", O_RDWR | O_CLOEXEC), door = eventfd(0, EFD_CLOEXEC);
    uint64_t mask = 1ull << CPU, other = 1ull << 1, rings = 0;
    struct rv_device_vm vm = {.nr_vcpus = 1};
    struct rv_channel *channel;
    int64_t start = now();

    if (fd < 0 || ioctl(fd, RV_DEVICE_SET_EVENTFD, &door) < 0)
        return fail("/dev/ringvisor");
    if (map(fd, CPU))
        return fail("a channel can be mapped before its CPU is the session's");
    if (ioctl(fd, RV_DEVICE_CPUS, &mask) == 0)
        return fail("a session without a VM takes CPUs");
    if (ioctl(fd, RV_DEVICE_CREATE, &vm) < 0 || ioctl(fd, RV_DEVICE_CPUS, &mask) < 0)
        return fail("CPU 3 was not taken");
    channel = map(fd, CPU);
    if (!channel || !event_comes(channel, 0) || channel->event[0].type != RV_EVENT_READY)
        return fail("CPU 3 does not serve");
    *took = now() - start;
    if (ioctl(fd, RV_DEVICE_KICK, &other) == 0 || errno != EPERM)
        return fail("a CPU of the kernel can be kicked");
    if (ioctl(fd, RV_DEVICE_CPUS, &mask) == 0 || errno != EBUSY)
        return fail("CPU 3 was taken twice");
    usleep(1000); /* it sleeps by now */
    start = now();
    send_command(fd, channel, RV_COMMAND_COUNT, 0);
    if (!event_comes(channel, 1))
        return fail("no answer to a command");
    *answered = now() - start;
    if (channel->event[1].type != RV_EVENT_REFUSED || channel->event[1].value != RV_REFUSED_OP ||
        channel->event[1].esr != TAG)
        return fail("a command that does not exist was not refused");
    rv_store_relaxed(&channel->event_waiting.v, 1);
    rv_fence();
    send_command(fd, channel, RV_COMMAND_VM_CREATE, 1);
    if (!event_comes(channel, 2))
        return fail("no answer to a second command");
    if (poll(&(struct pollfd){.fd = door, .events = POLLIN}, 1, WAIT_NS / 1000000) != 1 ||
        read(door, &rings, sizeof(rings)) != sizeof(rings))
        return fail("the doorbell does not ring");
    if (channel->event[2].value == 0 || channel->event[2].type != RV_EVENT_REFUSED)
        return fail("a VM without memory was created");
    munmap(channel, sizeof(*channel));
    close(fd);
    close(door);
    return access("/sys/devices/system/cpu/cpu3/online", F_OK);
}

static int rounds(unsigned long n)
{
    int64_t took = 0, answered = 0, sum_took = 0, sum_answered = 0;

    for (unsigned long i = 0; i < n; i++) {
        if (one_round(&took, &answered))
            return 1;
        sum_took += took;
        sum_answered += answered;
    }
    printf("pcpu: %lu rounds, taken in %lld us, an answer after %lld us, on average\n", n,
           (long long)sum_took / (long long)n / 1000,
           (long long)sum_answered / (long long)n / 1000);
    return 0;
}

/* The close comes back when the CPU has, or is lost: then the next session cannot have it. */
static int brief(unsigned long n)
{
    for (unsigned long i = 0; i < n; i++) {
        int fd = session(1ull << CPU);

        if (fd < 0)
            return fail("CPU 3 was not taken");
        close(fd);
    }
    printf("pcpu: %lu brief sessions\n", n);
    return access("/sys/devices/system/cpu/cpu3/online", F_OK);
}

static int hold(void)
{
    int fd = session(3ull << 2);

    if (fd < 0 || !map(fd, 2) || !map(fd, 3))
        return fail("hold");
    printf("held\n");
    fflush(stdout);
    for (;;)
        pause();
}

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Any of the device's calls but CPUS, with arguments that are nearly right, or not at all. */
static void any_call(int fd, void *huge)
{
    uint64_t what = next_random(), argument[16];
    struct rv_device_map map = {.ipa = what & 0xff000,
                                .offset = what >> 8 & 0x7ff000,
                                .size = what >> 16 & 0x7ff000,
                                .prot = what >> 40 & 0xf};
    struct rv_device_memory memory = {.address = (uint64_t)(what & 1 ? huge : (void *)argument),
                                      .size = what >> 30 & 0xe00000};
    struct rv_device_vm vm = {.nr_vcpus = what >> 20 & 0x7f};

    for (unsigned j = 0; j < 16; j++)
        argument[j] = next_random();
    switch (what >> 50 & 7) {
    case 0: ioctl(fd, (unsigned long)(uint32_t)next_random(), argument); break;
    case 1: ioctl(fd, RV_DEVICE_INFO, what); break;
    case 2: ioctl(fd, RV_DEVICE_LEND, &memory); break;
    case 3: ioctl(fd, RV_DEVICE_CREATE, &vm); break;
    case 4: ioctl(fd, RV_DEVICE_KICK, argument); break;
    case 5: ioctl(fd, RV_DEVICE_MAP, argument); break;
    default: ioctl(fd, RV_DEVICE_MAP, &map); break;
    }
}

/* A command that is nearly right, where the stub looks next. */
static void any_command(int fd, struct rv_channel *channel)
{
    uint32_t tail = channel->command_tail.v;
    struct rv_command *command = &channel->command[tail % RV_COMMAND_ENTRIES];
    uint64_t mask = 1ull << CPU, what = next_random();

    command->op = (uint8_t)(what % 17);
    command->flags = (uint8_t)(what >> 8 & 0x87);
    command->vm = (uint16_t)(what >> 16 & 3);
    command->vcpu = (uint16_t)(what >> 20 & 7);
    command->arg[0] = what >> 24 & 0x1ff000;
    command->arg[1] = what >> 30;
    command->arg[2] = what >> 36 & 0x1ff000;
    channel->event_tail.v = channel->event_head.v;
    rv_ring_publish(&command->seq, tail);
    if (rv_ring_wants_wakeup(&channel->command_waiting.v))
        ioctl(fd, RV_DEVICE_KICK, &mask);
}

static int hostile(unsigned long n)
{
    int fd = session(1ull << CPU);
    uint64_t mask = 1ull << CPU, cpus;
    struct rv_channel *channel = fd < 0 ? NULL : map(fd, CPU);
    uint64_t *word = (uint64_t *)channel, *page;
    void *huge = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);

    if (!channel)
        return fail("hostile");
    page = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)RV_DEVICE_VCPUS);
    if (page == MAP_FAILED)
        return fail("vCPU page");
    for (unsigned long i = 0; i < n; i++) {
        uint64_t what = next_random();
        void *at;

        switch (what % 64) {
        case 0:
        case 1: any_call(fd, huge); break;
        case 2:
            cpus = (next_random() & ~7ull) | mask; /* of others, or none: CPU 0 to 2 stay */
            ioctl(fd, RV_DEVICE_CPUS, &cpus);
            break;
        case 3:
            at = mmap(NULL, what >> 20 & 0x1ffff, PROT_READ, MAP_SHARED, fd,
                      (off_t)(what & 0x7f0000));
            if (at != MAP_FAILED)
                munmap(at, what >> 20 & 0x1ffff);
            break;
        case 4: /* a command whose place is right */
            channel->command[next_random() % RV_COMMAND_ENTRIES].seq = channel->command_tail.v + 1;
            break;
        case 5: channel->event_tail.v = channel->event_head.v; break;
        case 6: ioctl(fd, RV_DEVICE_KICK, &mask); break;
        case 7:
        case 8:
        case 9: any_command(fd, channel); break;
        case 10: page[next_random() % (0x4000 / 8)] = what % 3 ? next_random() : 0x3c5; break;
        default: /* any word of the channel */
            word[next_random() % (0x6000 / 8)] = what % 3 ? next_random() : next_random() % 20;
            break;
        }
    }
    printf("pcpu: %lu hostile operations\n", n);
    return 0;
}

static void say_bus_error(int number)
{
    static const char text[] = "pcpu: SIGBUS\n";

    _exit(number != SIGBUS || write(1, text, sizeof(text) - 1) < 0);
}

/* Load a word of the page that is mapped by the file, or store one. */
static int touch(const char *path, bool store)
{
    int fd = open(path, O_RDWR);
    volatile uint64_t *page =
        fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        return fail(path);
    signal(SIGBUS, say_bus_error);
    if (store)
        *page = 0;
    else
        (void)*page;
    printf("pcpu: no signal\n");
    return 1;
}

int main(int argc, char **argv)
{
    unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

    if (argc == 3 && strcmp(argv[1], "rounds") == 0)
        return rounds(n);
    if (argc == 3 && strcmp(argv[1], "brief") == 0)
        return brief(n);
    if (argc == 3 && strcmp(argv[1], "hostile") == 0)
        return hostile(n);
    if (argc == 3 && (strcmp(argv[1], "load") == 0 || strcmp(argv[1], "store") == 0))
        return touch(argv[2], argv[1][0] == 's');
    if (argc == 2 && strcmp(argv[1], "hold") == 0)
        return hold();
    fprintf(stderr, "usage: pcpu rounds N | brief N | hold | hostile N | load FILE | store FILE\n");
    return 2;
}
