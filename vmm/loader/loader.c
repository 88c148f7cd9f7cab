/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/loader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/loader/buffer.h"
#include "vmm/loader/decompress.h"
#include "vmm/loader/elf.h"
#include "vmm/loader/identify.h"
#include "vmm/loader/image.h"
#include "vmm/loader/kernel_internal.h"
#include "vmm/loader/uki.h"
#include "vmm/util/log.h"

/* booting.rst, 4: kernel and initrd lie in one window of this size, aligned to that. */
#define WINDOW_SIZE  (UINT64_C(32) << 30)
#define WINDOW_ALIGN (UINT64_C(1) << 30)

#define INITRD_ALIGN UINT64_C(4096)

/* What is held while a guest is loaded. */
struct loading {
    const struct loader *loader;
    const struct guest_ram *ram;
    struct buffer file; /* the kernel's */
    struct uki uki;     /* points into `file` */
};

/* A free range of IPAs, [start, end); empty if end <= start. */
struct gap {
    uint64_t start;
    uint64_t end;
};

static uint64_t align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

static uint64_t gap_size(const struct gap *gap)
{
    return gap->end > gap->start ? gap->end - gap->start : 0;
}

int loader_open(struct loader *loader, const struct loader_config *config, uint64_t ram_size)
{
    int error;

    *loader = (struct loader){
        .kernel.fd = -1,
        .raw = config->raw,
        .raw_address = config->raw_address,
    };
    error = input_open(&loader->kernel, "kernel", config->kernel, ram_size, config->wait);
    while (error == 0 && loader->nr_initrds < LOADER_INITRDS_MAX &&
           config->initrds[loader->nr_initrds]) {
        unsigned i = loader->nr_initrds;

        error =
            input_open(&loader->initrds[i], "initrd", config->initrds[i], ram_size, config->wait);
        loader->nr_initrds += error == 0;
    }
    if (error != 0)
        loader_close(loader);
    return error;
}

void loader_close(struct loader *loader)
{
    input_close(&loader->kernel);
    while (loader->nr_initrds)
        input_close(&loader->initrds[--loader->nr_initrds]);
}

static int load_raw(const struct loader *loader, const struct guest_ram *ram, struct kernel *kernel)
{
    uint64_t start = loader->raw_address.v, room;
    size_t size;
    int error;

    if (start % 4 != 0) {
        input_error(&loader->kernel,
                    "--raw 0x%" PRIx64 " is not a multiple of 4, so no instruction can be there",
                    start);
        return -EINVAL;
    }
    if (!guest_ram_has(ram, start, 4)) {
        input_error(&loader->kernel,
                    "--raw 0x%" PRIx64 " is not in RAM, which is 0x%" PRIx64 " to 0x%" PRIx64,
                    start, ram->ipa, guest_ram_end(ram) - 1);
        return -ENOSPC;
    }
    room = guest_ram_end(ram) - start;
    error = input_read(&loader->kernel, guest_ram_to_write(ram, start, room), room, &size);
    if (error != 0)
        return error;
    *kernel = (struct kernel){
        .entry = ipa(start),
        .start = ipa(start),
        .end = ipa(start + size + kernel_tail(room - size)),
    };
    return 0;
}

/* `data` has been unpacked already. */
static int load_kernel(const struct input *input, const uint8_t *data, size_t size,
                       const struct guest_ram *ram, struct kernel *kernel)
{
    if (image_match(data, size))
        return image_load(input, data, size, ram, kernel);
    if (elf_match(data, size))
        return elf_load(input, data, size, ram, kernel);
    input_error(input, "not an arm64 Image, ELF, gzip or zstd file; it looks like %s",
                identify(data, size));
    return -ENOEXEC;
}

/* `data` is what the user gave, or the .linux section of it. */
static int load_packed(const struct input *input, const uint8_t *data, size_t size,
                       const struct guest_ram *ram, struct kernel *kernel)
{
    struct buffer unpacked = {0};
    int error = decompress(input, data, size, ram->size, &unpacked);

    if (error == 1)
        error = load_kernel(input, unpacked.data, unpacked.size, ram, kernel);
    else if (error == 0)
        error = load_kernel(input, data, size, ram, kernel);
    buffer_free(&unpacked);
    return error;
}

static int load_file(struct loading *loading, struct kernel *kernel)
{
    const struct input *input = &loading->loader->kernel;
    const struct uki *uki = &loading->uki;
    int error = input_slurp(input, loading->ram->size, &loading->file);

    if (error == 0)
        error = uki_find(input, loading->file.data, loading->file.size, &loading->uki);
    if (error < 0)
        return error;
    if (error == 0)
        return load_packed(input, loading->file.data, loading->file.size, loading->ram, kernel);
    log_info("kernel '%s': a unified kernel image (UKI): its kernel%s%s is booted", input->path,
             uki->initrd && !loading->loader->nr_initrds ? " with its initrd" : "",
             uki->initrd && loading->loader->nr_initrds ? " with the initrd given" : "");
    return load_packed(input, uki->linux_data, uki->linux_size, loading->ram, kernel);
}

/*
 * Bare-metal programs, boot loaders and kernels for QEMU's "virt" look for the device
 * tree at the start of RAM, so it goes there if the kernel leaves enough room. Else it
 * goes right behind the kernel: kernels before 4.2 want it within 512 MiB of themselves.
 * There it has 2 MiB of its own, as the kernel maps it in blocks of that size. Takes its
 * place out of one of the gaps.
 */
static int place_dtb(const struct loader *loader, struct gap *above, struct gap *below,
                     struct loader_layout *layout)
{
    struct gap *gap = gap_size(below) >= LOADER_DTB_ROOM_MIN ? below : above;
    uint64_t room = gap_size(gap);

    if (room < (gap == below ? LOADER_DTB_ROOM_MIN : LOADER_DTB_SIZE)) {
        input_error(&loader->kernel, "leaves no 2 MiB of RAM for the device tree: give more RAM");
        return -ENOSPC;
    }
    layout->dtb = ipa(gap->start);
    layout->dtb_size = room < LOADER_DTB_SIZE ? room : LOADER_DTB_SIZE;
    gap->start += layout->dtb_size;
    return 0;
}

/* Copies the UKI's initrd, if there is room. */
static int copy_initrd(const struct loading *loading, uint8_t *to, uint64_t room, uint64_t *size)
{
    const struct uki *uki = &loading->uki;

    if (uki->initrd_size > room) {
        input_error(&loading->loader->kernel,
                    "its initrd of %zu KiB does not fit into the %" PRIu64 " KiB of RAM that are "
                    "left: give more RAM",
                    uki->initrd_size / 1024, room / 1024);
        return -EFBIG;
    }
    memcpy(to, uki->initrd, uki->initrd_size);
    *size = uki->initrd_size;
    return 0;
}

/*
 * The initrds as one, read right into RAM, as boot loaders put them together: each archive begins
 * at a multiple of 4 bytes, with zeros before it (Linux Documentation/driver-api/early-userspace/
 * buffer-format.rst).
 */
static int read_initrds(const struct loader *loader, uint8_t *to, uint64_t room, uint64_t *total)
{
    *total = 0;
    for (unsigned i = 0; i < loader->nr_initrds; i++) {
        uint64_t start = align_up(*total, 4);
        size_t size;
        int error;

        if (start > room)
            start = room; /* the next does not fit, which input_read() says */
        if (start > *total)
            memset(to + *total, 0, start - *total);
        error = input_read(&loader->initrds[i], start ? to + start : to, room - start, &size);
        if (error != 0)
            return error;
        *total = start + size;
    }
    return 0;
}

/* The initrd goes to the bigger gap, of what lies in the kernel's window. */
static int place_initrd(const struct loading *loading, struct gap above, struct gap below,
                        struct loader_layout *layout)
{
    uint64_t kernel_end = layout->kernel.v + layout->kernel_size;
    uint64_t window_end = (layout->kernel.v & ~(WINDOW_ALIGN - 1)) + WINDOW_SIZE;
    uint64_t window_start =
        kernel_end > WINDOW_SIZE ? align_up(kernel_end - WINDOW_SIZE, WINDOW_ALIGN) : 0;
    uint64_t room;
    struct gap *gap;
    uint8_t *to;
    int error;

    if (above.end > window_end)
        above.end = window_end;
    if (below.start < window_start)
        below.start = window_start;
    gap = gap_size(&above) >= gap_size(&below) ? &above : &below;
    gap->start = align_up(gap->start, INITRD_ALIGN);
    room = gap_size(gap);
    to = guest_ram_to_write(loading->ram, gap->start, room);
    if (loading->loader->nr_initrds)
        error = read_initrds(loading->loader, to, room, &layout->initrd_size);
    else
        error = copy_initrd(loading, to, room, &layout->initrd_size);
    if (error != 0)
        return error;
    layout->initrd = ipa(gap->start);
    return 0;
}

static int load(struct loading *loading, struct loader_layout *layout)
{
    const struct loader *loader = loading->loader;
    struct kernel kernel;
    struct gap above, below;
    int error = loader->raw ? load_raw(loader, loading->ram, &kernel) : load_file(loading, &kernel);

    if (error != 0)
        return error;
    *layout = (struct loader_layout){
        .entry = kernel.entry,
        .kernel = kernel.start,
        .kernel_size = kernel.end.v - kernel.start.v,
    };
    above = (struct gap){align_up(kernel.end.v, LOADER_DTB_SIZE), guest_ram_end(loading->ram)};
    below = (struct gap){loading->ram->ipa, kernel.start.v};
    error = place_dtb(loader, &above, &below, layout);
    if (error == 0 && (loader->nr_initrds || loading->uki.initrd != NULL))
        error = place_initrd(loading, above, below, layout);
    if (error == 0)
        error =
            uki_cmdline(&loader->kernel, &loading->uki, layout->cmdline, sizeof(layout->cmdline));
    return error;
}

int loader_load(const struct loader *loader, const struct guest_ram *ram,
                struct loader_layout *layout)
{
    struct loading loading = {.loader = loader, .ram = ram};
    int error = load(&loading, layout);

    buffer_free(&loading.file);
    if (error != 0)
        return error;
    log_debug("kernel at 0x%" PRIx64 " (%" PRIu64 " KiB), entry 0x%" PRIx64
              ", device tree at 0x%" PRIx64 ", initrd at 0x%" PRIx64 " (%" PRIu64 " KiB)",
              layout->kernel.v, layout->kernel_size / 1024, layout->entry.v, layout->dtb.v,
              layout->initrd.v, layout->initrd_size / 1024);
    return 0;
}
