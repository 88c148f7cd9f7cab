/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts the kernel and the initrd into guest RAM, and finds the place of the
 * device tree (Linux Documentation/arch/arm64/booting.rst). The two files are
 * opened once; loading from them can be repeated, which is a guest reset.
 *
 * Kernels: arm64 Image, plain, in gzip or zstd, or as EFI zboot image of these;
 * ELF64 for AArch64, also compressed; a unified kernel image (UKI) with one of these
 * inside; with `raw` any bytes, taken as they are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/loader/input.h"
#include "vmm/vm/ram.h"
#include "vmm/util/types.h"

/* booting.rst, 2: a device tree is at most 2 MiB. */
#define LOADER_DTB_SIZE UINT64_C(0x200000)

/* A device tree with every device that fits on the board is smaller than this. */
#define LOADER_DTB_ROOM_MIN UINT64_C(0x40000)

/* Bytes of the longest command line that is taken from a UKI, with its NUL. */
#define LOADER_CMDLINE_SIZE 4096u
#define LOADER_INITRDS_MAX  8u

struct loader_config {
    const char *kernel;
    const char *initrds[LOADER_INITRDS_MAX]; /* put together in this order; NULL: no more */
    bool raw; /* the kernel is a bare binary, for raw_address, and entered there */
    ipa_t raw_address;
    const struct input_wait *wait; /* for pipes; NULL: for ever */
};

/* The open files: all that is kept between two loads. */
struct loader {
    struct input kernel;
    struct input initrds[LOADER_INITRDS_MAX];
    unsigned nr_initrds;
    bool raw;
    ipa_t raw_address;
};

/* What lies where. The three areas do not overlap. */
struct loader_layout {
    ipa_t entry;
    ipa_t kernel; /* with .bss */
    uint64_t kernel_size;
    ipa_t dtb;         /* 2 MiB aligned if RAM is; the caller builds the tree there */
    uint64_t dtb_size; /* room for it: LOADER_DTB_SIZE, or less at the start of RAM */
    ipa_t initrd;
    uint64_t initrd_size;              /* 0: none */
    char cmdline[LOADER_CMDLINE_SIZE]; /* that of a UKI, or "" */
};

/*
 * Opens the files, and reads those that are pipes, `ram_size` bytes at most.
 * The paths must outlive the loader. 0, or -errno with a message written:
 * what input_open() says.
 */
int loader_open(struct loader *loader, const struct loader_config *config, uint64_t ram_size);
void loader_close(struct loader *loader);

/*
 * Loads into `ram`; what is outside of the layout's areas is not touched. 0, or
 * -errno with a message written: -ENOEXEC: no kernel; -ENOTSUP: a kernel of a
 * kind that does not run here; -EBADMSG: corrupt or truncated; -EFBIG, -ENOSPC:
 * RAM is too small, or the place asked for is not in it; -EINVAL: raw_address is
 * not a multiple of 4; -ENODATA: empty; -ENOMEM; what reading a file said.
 * After an error RAM may have been written to.
 */
int loader_load(const struct loader *loader, const struct guest_ram *ram,
                struct loader_layout *layout);
