/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Good kernel files of each kind, made in memory, for test_loader.c to load and
 * to spoil. Include it after <cmocka.h>.
 */
#pragma once

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define RAM_IPA    UINT64_C(0x40000000)
#define IMAGE_SIZE ((size_t)100000)

static uint8_t image[IMAGE_SIZE];

struct bytes {
    uint8_t *data;
    size_t size;
};

static void put16(uint8_t *at, uint16_t v)
{
    memcpy(at, &v, sizeof(v));
}

static void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof(v));
}

static void put64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, sizeof(v));
}

/* An Image of IMAGE_SIZE bytes in `image`, with contents that compress, but not to nothing. */
static void make_image(uint64_t text_offset, uint64_t image_size, uint64_t flags)
{
    for (size_t i = 0; i < IMAGE_SIZE; i++)
        image[i] = (uint8_t)(i * i >> 5);
    memset(image, 0, 64);
    put64(image + 8, text_offset);
    put64(image + 16, image_size);
    put64(image + 24, flags);
    memcpy(image + 56, "ARM\x64", 4);
}

static struct bytes gzip(const void *data, size_t size)
{
    struct bytes out = {.size = size + size / 100 + 1024};
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (unsigned)size};

    out.data = malloc(out.size);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = out.data;
    z.avail_out = (unsigned)out.size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.size = z.total_out;
    deflateEnd(&z);
    return out;
}

/* With a checksum, as the command line tool makes it. */
static struct bytes zstd(const void *data, size_t size)
{
    struct bytes out = {.size = ZSTD_compressBound(size)};
    ZSTD_CCtx *context = ZSTD_createCCtx();

    out.data = malloc(out.size);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    out.size = ZSTD_compress2(context, out.data, out.size, data, size);
    assert_false(ZSTD_isError(out.size));
    ZSTD_freeCCtx(context);
    return out;
}

/* Frees the payload. */
static struct bytes zboot(struct bytes payload, const char *name)
{
    struct bytes out = {.size = 512 + payload.size + 4};

    out.data = calloc(1, out.size);
    memcpy(out.data, "MZ\0\0zimg", 8);
    put32(out.data + 8, 512);
    put32(out.data + 12, (uint32_t)payload.size);
    memcpy(out.data + 24, name, strlen(name) + 1);
    memcpy(out.data + 512, payload.data, payload.size);
    put32(out.data + 512 + payload.size, (uint32_t)IMAGE_SIZE);
    free(payload.data);
    return out;
}

/* An executable of two segments: 256 bytes of code, 16 of data with 4096 of .bss. */
_Alignas(Elf64_Ehdr) static uint8_t elf[1024];
static Elf64_Ehdr *const ehdr = (Elf64_Ehdr *)(void *)elf;
static Elf64_Phdr *const phdr = (Elf64_Phdr *)(void *)(elf + sizeof(Elf64_Ehdr));

static void make_elf(void)
{
    memset(elf, 0x11, sizeof(elf));
    *ehdr = (Elf64_Ehdr){
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_AARCH64,
        .e_version = EV_CURRENT,
        .e_entry = 0xffff000000000010,
        .e_phoff = sizeof(*ehdr),
        .e_ehsize = sizeof(*ehdr),
        .e_phentsize = sizeof(*phdr),
        .e_phnum = 3,
    };
    phdr[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = UINT64_MAX};
    phdr[1] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_X,
        .p_offset = 512,
        .p_vaddr = 0xffff000000000000,
        .p_paddr = RAM_IPA + 0x80000,
        .p_filesz = 256,
        .p_memsz = 256,
    };
    phdr[2] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_W,
        .p_offset = 768,
        .p_vaddr = 0xffff000000010000,
        .p_paddr = RAM_IPA + 0x90000,
        .p_filesz = 16,
        .p_memsz = 16 + 4096,
    };
}
