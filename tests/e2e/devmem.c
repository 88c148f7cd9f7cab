/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Linux program for the guest, without a C library: the test device, mapped by
 * /dev/mem, read and written as user programs and drivers do. `devmem` says what
 * failed; `devmem hole` reads where no device is, and should not live on.
 */
#include <stdbool.h>
#include <stdint.h>

#include "tests/payloads/testdev.h"

#define TESTDEV_BASE 0x0c000000ull
#define HOLE         0x0f000000ull

/* Linux on AArch64: include/uapi/asm-generic/unistd.h and fcntl.h, mman-common.h. */
#define SYS_OPENAT 56
#define SYS_WRITE  64
#define SYS_EXIT   93
#define SYS_MMAP   222
#define AT_FDCWD   (-100)
#define O_RDWR     2
#define O_SYNC     04010000
#define PROT_RW    3
#define MAP_SHARED 1

static long system_call(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = 0;

    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

static void say(const char *text)
{
    long length = 0;

    while (text[length])
        length++;
    system_call(SYS_WRITE, 1, (long)text, length, 0, 0);
}

static void __attribute__((noreturn)) leave(int status)
{
    for (;;)
        system_call(SYS_EXIT, status, 0, 0, 0, 0);
}

static int checks, failures;

static void check(bool good, const char *name)
{
    checks++;
    if (good)
        return;
    failures++;
    say("FAILED: ");
    say(name);
    say("\n");
}

#define N 256u
static uint8_t want[N] __attribute__((aligned(64)));
static uint8_t got[N] __attribute__((aligned(64)));
static volatile uint8_t *dev;

static uint64_t dev_read(uint64_t offset)
{
    return *(volatile uint64_t *)(dev + offset);
}

static void dev_write(uint64_t offset, uint64_t value)
{
    *(volatile uint64_t *)(dev + offset) = value;
}

/* A pattern that is new each time; the device's bytes are all something else. */
static void prepare(void)
{
    static uint8_t seed;

    seed = (uint8_t)(seed + 37);
    for (unsigned i = 0; i < N; i++) {
        want[i] = (uint8_t)(i * 7u + seed);
        got[i] = 0;
    }
    for (unsigned i = 0; i < 2 * N; i += 8)
        dev_write(i, 0xeeeeeeeeeeeeeeeeull);
    dev_write(TESTDEV_COUNT, 0);
}

/* `size` bytes of the device at `offset` are `want`, and what is around them is not. */
static void check_device(unsigned offset, unsigned size, uint64_t accesses, const char *name)
{
    bool same = true;

    check(dev_read(TESTDEV_COUNT) == accesses, name);
    for (unsigned i = 0; i < size; i++)
        same &= dev[offset + i] == want[i];
    check(same, name);
    check(dev[offset + size] == 0xee && (offset == 0 || dev[offset - 1] == 0xee), name);
}

static void check_memory(unsigned size, uint64_t accesses, const char *name)
{
    bool same = true;

    check(dev_read(TESTDEV_COUNT) == accesses, name);
    for (unsigned i = 0; i < N; i++)
        same &= got[i] == (i < size ? want[i] : 0);
    check(same, name);
}

/* One instruction or few, with x0 = to and x1 = from, on the device and on memory. */
#define COPY(name, size, accesses, code)                          \
    do {                                                          \
        prepare();                                                \
        copy_##name((void *)(dev + 64), want);                    \
        check_device(64, size, accesses, #name " to the device"); \
        dev_write(TESTDEV_COUNT, 0);                              \
        copy_##name(got, (void *)(dev + 64));                     \
        check_memory(size, accesses, #name " from the device");   \
    } while (0);
#define COPY_FUNCTION(name, size, accesses, code)                                 \
    static void __attribute__((noinline)) copy_##name(void *to, const void *from) \
    {                                                                             \
        register void *x0 __asm__("x0") = to;                                     \
        register const void *x1 __asm__("x1") = from;                             \
                                                                                  \
        __asm__ volatile(code                                                     \
                         : "+r"(x0), "+r"(x1)                                     \
                         :                                                        \
                         : "x2", "x3", "v0", "v1", "v2", "v3", "memory");         \
    }

/* Accesses of at most 8 bytes reach the device: a q register is two. */
#define COPIES(X)                                                                   \
    X(ldr_x, 8, 1, "ldr x2, [x1]\n\tstr x2, [x0]")                                  \
    X(ldp_x, 16, 2, "ldp x2, x3, [x1], #16\n\tstp x2, x3, [x0], #16")               \
    X(ldr_b, 1, 1, "ldr b0, [x1]\n\tstr b0, [x0]")                                  \
    X(ldr_h, 2, 1, "ldr h0, [x1]\n\tstr h0, [x0]")                                  \
    X(ldr_s, 4, 1, "ldr s0, [x1]\n\tstr s0, [x0]")                                  \
    X(ldr_d, 8, 1, "ldr d0, [x1]\n\tstr d0, [x0]")                                  \
    X(ldr_q, 16, 2, "ldr q0, [x1], #16\n\tstr q0, [x0], #16")                       \
    X(ldp_d, 16, 2, "ldp d0, d1, [x1]\n\tstp d0, d1, [x0]")                         \
    X(ldp_q, 32, 4, "ldp q0, q1, [x1]\n\tstp q0, q1, [x0]")                         \
    X(ldnp_q, 32, 4, "ldnp q0, q1, [x1]\n\tstnp q0, q1, [x0]")                      \
    X(ld1_1, 16, 2, "ld1 {v0.2d}, [x1]\n\tst1 {v0.2d}, [x0]")                       \
    X(ld1_4, 64, 8, "ld1 {v0.2d-v3.2d}, [x1], #64\n\tst1 {v0.2d-v3.2d}, [x0], #64") \
    X(ld2_st2, 32, 4, "ld2 {v0.2d, v1.2d}, [x1]\n\tst2 {v0.2d, v1.2d}, [x0]")

COPIES(COPY_FUNCTION)

/* What the compiler makes of a copy of known size: pairs of q registers. */
static void __attribute__((noinline)) copy_builtin(void *to, const void *from)
{
    __builtin_memcpy(to, from, 128);
}

/* As a kernel's memcpy_fromio() and memcpy_toio(): bytes up to 8, then words, then bytes. */
static void copy_io(volatile uint8_t *to, const volatile uint8_t *from, unsigned size,
                    const volatile uint8_t *aligned)
{
    for (; size && (uintptr_t)aligned % 8; size--, aligned++)
        *to++ = *from++;
    for (; size >= 8; size -= 8, to += 8, from += 8) {
        uint64_t value;

        __builtin_memcpy(&value, (const void *)from, 8);
        __builtin_memcpy((void *)to, &value, 8);
    }
    for (; size; size--)
        *to++ = *from++;
}

static void test_io_copies(void)
{
    static const unsigned sizes[] = {1, 7, 8, 9, 31, 64, 100};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned at = 64; at < 72; at += 3) {
            bool same = true;

            prepare();
            copy_io(dev + at, want, sizes[i], dev + at);
            copy_io(got, dev + at, sizes[i], dev + at);
            for (unsigned k = 0; k < N; k++)
                same &= got[k] == (k < sizes[i] ? want[k] : 0);
            check(same && dev[at - 1] == 0xee && dev[at + sizes[i]] == 0xee, "copies by words");
        }
    }
}

static volatile uint8_t *map(uint64_t base, long size)
{
    long fd = system_call(SYS_OPENAT, AT_FDCWD, (long)"/dev/mem", O_RDWR | O_SYNC, 0, 0);
    long address;
    register long x0 __asm__("x0") = 0;
    register long x1 __asm__("x1") = size;
    register long x2 __asm__("x2") = PROT_RW;
    register long x3 __asm__("x3") = MAP_SHARED;
    register long x4 __asm__("x4") = fd;
    register long x5 __asm__("x5") = (long)base;
    register long x8 __asm__("x8") = SYS_MMAP;

    if (fd < 0) {
        say("FAILED: cannot open /dev/mem\n");
        leave(2);
    }
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8)
                     : "memory");
    address = x0;
    if (address < 0 && address > -4096) {
        say("FAILED: cannot map /dev/mem\n");
        leave(2);
    }
    return (volatile uint8_t *)address;
}

static void __attribute__((used, noreturn)) run(long argc)
{
    if (argc > 1) {
        (void)*(volatile uint32_t *)map(HOLE, 4096);
        say("FAILED: the hole can be read\n");
        leave(3);
    }
    dev = map(TESTDEV_BASE, TESTDEV_SIZE);
    check(dev_read(TESTDEV_ID) == TESTDEV_ID_VALUE, "the device is there");
    COPIES(COPY)
    prepare();
    copy_builtin((void *)(dev + 64), want);
    check_device(64, 128, 16, "memcpy to the device");
    dev_write(TESTDEV_COUNT, 0);
    copy_builtin(got, (void *)(dev + 64));
    check_memory(128, 16, "memcpy from the device");
    test_io_copies();
    check(*(volatile uint8_t *)(dev + TESTDEV_PATTERN) == (uint8_t)TESTDEV_PATTERN_VALUE,
          "a byte is cut from what the device gives");
    check(*(volatile int32_t *)(dev + TESTDEV_PATTERN) == (int32_t)TESTDEV_PATTERN_VALUE,
          "a word is cut from what the device gives");
    say(failures || checks < 90 ? "FAILED\n" : "all good\n");
    leave(failures != 0 || checks < 90);
}

__asm__(".global _start\n_start:\n\tldr x0, [sp]\n\tmov x29, xzr\n\tmov x30, xzr\n\tb run\n");
