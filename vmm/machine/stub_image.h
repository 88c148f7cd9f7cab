/* SPDX-License-Identifier: BSD-2-Clause */
/* The stub's ELF file: checked, then copied to where it was linked for. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct stub_image {
    uint8_t *file;
    size_t file_size;
    uint64_t start;      /* PA of its first byte, where struct rv_stub_header is */
    uint64_t entry;      /* PA */
    uint64_t image_size; /* bytes from start to the end of .bss */
};

/*
 * Read and check the file. 0, or -errno after a message that names the file:
 * -ENOEXEC: no stub, damaged, or built for another ABI version.
 */
int stub_image_open(struct stub_image *image, const char *path);
void stub_image_close(struct stub_image *image);

/* Copy it to `to`, which has room for image_size zeroed bytes, and tell it the boot page's PA. */
void stub_image_copy(const struct stub_image *image, uint8_t *to, uint64_t boot_page);
