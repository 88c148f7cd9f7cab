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
#include "vmm/loader/kernel.h"
#include "vmm/util/log.h"

/* booting.rst, 4: kernel and initrd lie in one window of this size, aligned to that. */
#define WINDOW_SIZE  (UINT64_C(32) << 30)
#define WINDOW_ALIGN (UINT64_C(1) << 30)

#define INITRD_ALIGN UINT64_C(4096)

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
    int err;

    *loader = (struct loader){
        .kernel.fd = -1,
        .initrd.fd = -1,
        .has_initrd = config->initrd != NULL,
        .raw = config->raw,
        .raw_address = config->raw_address,
    };
    err = input_open(&loader->kernel, "kernel", config->kernel, ram_size);
    if (err == 0 && loader->has_initrd)
        err = input_open(&loader->initrd, "initrd", config->initrd, ram_size);
    if (err != 0)
        loader_close(loader);
    return err;
}

void loader_close(struct loader *loader)
{
    input_close(&loader->kernel);
    input_close(&loader->initrd);
}

static int load_raw(const struct loader *loader, const struct guest_ram *ram, struct kernel *kernel)
{
    uint64_t start = loader->raw_address.v, room;
    size_t size;
    int err;

    if (start % 4 != 0) {
        input_error(&loader->kernel,
                    "raw=0x%" PRIx64 " is not a multiple of 4, so no instruction can be there",
                    start);
        return -EINVAL;
    }
    if (!guest_ram_has(ram, start, 4)) {
        input_error(&loader->kernel,
                    "raw=0x%" PRIx64 " is not in RAM, which is 0x%" PRIx64 " to 0x%" PRIx64, start,
                    ram->ipa, guest_ram_end(ram) - 1);
        return -ENOSPC;
    }
    room = guest_ram_end(ram) - start;
    err = input_read(&loader->kernel, guest_ram_at(ram, start, room), room, &size);
    if (err != 0)
        return err;
    *kernel = (struct kernel){
        .entry = ipa(start),
        .start = ipa(start),
        .end = ipa(start + size + kernel_tail(room - size)),
    };
    return 0;
}

/* `data` has been unpacked already. */
static int load_kernel(const struct input *input, const struct buffer *data,
                       const struct guest_ram *ram, struct kernel *kernel)
{
    if (image_match(data->data, data->size))
        return image_load(input, data->data, data->size, ram, kernel);
    if (elf_match(data->data, data->size))
        return elf_load(input, data->data, data->size, ram, kernel);
    input_error(input, "not an arm64 Image, ELF, gzip or zstd file; it looks like %s",
                identify(data->data, data->size));
    return -ENOEXEC;
}

static int load_file(const struct input *input, const struct guest_ram *ram, struct kernel *kernel)
{
    struct buffer file = {0}, unpacked = {0};
    int err = input_slurp(input, ram->size, &file);

    if (err == 0)
        err = decompress(input, file.data, file.size, ram->size, &unpacked);
    if (err == 1) {
        /* Halves what is held at once. */
        buffer_free(&file);
        err = load_kernel(input, &unpacked, ram, kernel);
    } else if (err == 0) {
        err = load_kernel(input, &file, ram, kernel);
    }
    buffer_free(&unpacked);
    buffer_free(&file);
    return err;
}

/*
 * The device tree goes right behind the kernel: kernels before 4.2 want it
 * within 512 MiB of themselves. It has 2 MiB of its own, as the kernel maps it
 * in blocks of that size. Takes its place out of one of the gaps.
 */
static int place_dtb(const struct loader *loader, struct gap *above, struct gap *below,
                     struct loader_layout *layout)
{
    struct gap *gap = gap_size(above) >= LOADER_DTB_SIZE ? above : below;

    if (gap_size(gap) < LOADER_DTB_SIZE) {
        input_error(&loader->kernel, "leaves no 2 MiB of RAM for the device tree: give more RAM");
        return -ENOSPC;
    }
    layout->dtb = ipa(gap->start);
    gap->start += LOADER_DTB_SIZE;
    return 0;
}

/* The initrd goes to the bigger gap, of what lies in the kernel's window. Read right into RAM. */
static int place_initrd(const struct loader *loader, const struct guest_ram *ram, struct gap above,
                        struct gap below, struct loader_layout *layout)
{
    uint64_t kernel_end = layout->kernel.v + layout->kernel_size;
    uint64_t window_end = (layout->kernel.v & ~(WINDOW_ALIGN - 1)) + WINDOW_SIZE;
    uint64_t window_start =
        kernel_end > WINDOW_SIZE ? align_up(kernel_end - WINDOW_SIZE, WINDOW_ALIGN) : 0;
    struct gap *gap;
    size_t size;
    int err;

    if (above.end > window_end)
        above.end = window_end;
    if (below.start < window_start)
        below.start = window_start;
    gap = gap_size(&above) >= gap_size(&below) ? &above : &below;
    gap->start = align_up(gap->start, INITRD_ALIGN);
    err = input_read(&loader->initrd, guest_ram_at(ram, gap->start, gap_size(gap)), gap_size(gap),
                     &size);
    if (err != 0)
        return err;
    layout->initrd = ipa(gap->start);
    layout->initrd_size = size;
    return 0;
}

int loader_load(const struct loader *loader, const struct guest_ram *ram,
                struct loader_layout *layout)
{
    struct kernel kernel;
    struct gap above, below;
    int err;

    err = loader->raw ? load_raw(loader, ram, &kernel) : load_file(&loader->kernel, ram, &kernel);
    if (err != 0)
        return err;
    *layout = (struct loader_layout){
        .entry = kernel.entry,
        .kernel = kernel.start,
        .kernel_size = kernel.end.v - kernel.start.v,
    };
    above = (struct gap){align_up(kernel.end.v, LOADER_DTB_SIZE), guest_ram_end(ram)};
    below = (struct gap){ram->ipa, kernel.start.v};
    err = place_dtb(loader, &above, &below, layout);
    if (err == 0 && loader->has_initrd)
        err = place_initrd(loader, ram, above, below, layout);
    if (err != 0)
        return err;
    log_debug("kernel at 0x%" PRIx64 " (%" PRIu64 " KiB), entry 0x%" PRIx64
              ", device tree at 0x%" PRIx64 ", initrd at 0x%" PRIx64 " (%" PRIu64 " KiB)",
              layout->kernel.v, layout->kernel_size / 1024, layout->entry.v, layout->dtb.v,
              layout->initrd.v, layout->initrd_size / 1024);
    return 0;
}
