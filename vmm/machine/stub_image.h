/* SPDX-License-Identifier: BSD-2-Clause */
/* The stub's ELF file: checks it and copies it to its link address. */
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
 * Read and check the file. 0, or -errno after a message that names the file. -ENOEXEC:
 * it is no stub, is damaged, or has another ABI version.
 */
int stub_image_open(struct stub_image *image, const char *path);
void stub_image_close(struct stub_image *image);

/* Copy it to `to` (image_size bytes, zeroed), and store the boot page's PA in its header. */
void stub_image_copy(const struct stub_image *image, uint8_t *to, uint64_t boot_page);
