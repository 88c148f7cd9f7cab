/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzer of the kernel loader. The first byte picks what is done with the rest:
 * bit 0: load it as raw bytes; bit 1: give it as initrd as well. Whatever the
 * bytes are, the loader must stay inside of RAM and give a sound layout.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/loader/loader.h"
#include "vmm/util/log.h"

#define RAM_IPA      UINT64_C(0x40000000)
#define RAM_SIZE     (UINT64_C(8) << 20)
#define DTB_SIZE_MIN 0x40000u /* at the start of RAM; elsewhere it has LOADER_DTB_SIZE */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of vmm/util/log.c: formats, so that a bad argument is found, and drops it. */
void log_msg(enum log_level level, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
}

/* [a, a + a_size) and [b, b + b_size) share no byte. */
static void check_disjoint(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    assert(a + a_size <= b || b + b_size <= a);
}

static void check_layout(const struct guest_ram *ram, const struct loader_layout *l)
{
    assert(guest_ram_has(ram, l->kernel.v, l->kernel_size));
    assert(l->entry.v >= l->kernel.v && l->entry.v - l->kernel.v < l->kernel_size);
    assert(l->entry.v % 4 == 0);
    assert(l->dtb_size >= DTB_SIZE_MIN && l->dtb_size <= LOADER_DTB_SIZE);
    assert(guest_ram_has(ram, l->dtb.v, l->dtb_size));
    assert(l->dtb.v % 8 == 0);
    assert(guest_ram_has(ram, l->initrd.v, l->initrd_size) || l->initrd_size == 0);
    check_disjoint(l->kernel.v, l->kernel_size, l->dtb.v, l->dtb_size);
    if (l->initrd_size != 0) {
        check_disjoint(l->kernel.v, l->kernel_size, l->initrd.v, l->initrd_size);
        check_disjoint(l->dtb.v, l->dtb_size, l->initrd.v, l->initrd_size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* From the heap: the sanitizer guards both of its ends. */
    static struct guest_ram ram = {.ipa = RAM_IPA, .size = RAM_SIZE};
    struct loader_layout layout;
    struct loader loader;
    char path[32];
    int fd;

    if (size == 0)
        return 0;
    if (ram.host == NULL)
        ram.host = malloc(RAM_SIZE);
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ram.host == NULL || write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct loader_config config = {
        .kernel = path,
        .initrds = {(data[0] & 2) != 0 ? path : NULL, (data[0] & 4) != 0 ? path : NULL},
        .raw = (data[0] & 1) != 0,
        .raw_address = {RAM_IPA + data[0] * UINT64_C(32768)},
    };

    if (loader_open(&loader, &config, RAM_SIZE) == 0) {
        if (loader_load(&loader, &ram, &layout) == 0)
            check_layout(&ram, &layout);
        loader_close(&loader);
    }
    close(fd);
    return 0;
}
