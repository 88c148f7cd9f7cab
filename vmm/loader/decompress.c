/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/decompress.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "vmm/loader/bytes_internal.h"

/* windowBits of zlib: the largest window, and a gzip wrapper instead of zlib's own. */
#define GZIP_WINDOW_BITS (15 + 16)

/*
 * Header of an EFI zboot image (Linux drivers/firmware/efi/libstub/zboot-header.S):
 * "MZ", 0, 0, "zimg", and the payload's offset and size. The name of the
 * compression follows, but the payload's own magic says it as well.
 */
#define ZBOOT_HEADER_SIZE    64u
#define ZBOOT_MAGIC          4u
#define ZBOOT_PAYLOAD_OFFSET 8u
#define ZBOOT_PAYLOAD_SIZE   12u

struct unpack {
    const struct input *input;
    const uint8_t *data;
    size_t size;
    size_t limit;
    struct buffer *out;
};

static bool is_gzip(const uint8_t *data, size_t size)
{
    return size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

/* A frame, or a skippable frame, which may come first (RFC 8878, 3.1.1 and 3.1.2). */
static bool is_zstd(const uint8_t *data, size_t size)
{
    return size >= 4 &&
           (bytes_le32(data) == 0xfd2fb528 || (bytes_le32(data) & 0xfffffff0) == 0x184d2a50);
}

static bool is_zboot(const uint8_t *data, size_t size)
{
    return size >= ZBOOT_HEADER_SIZE && memcmp(data, "MZ", 2) == 0 &&
           memcmp(data + ZBOOT_MAGIC, "zimg", 4) == 0;
}

static int unpack_corrupt(const struct unpack *u, const char *format, const char *how)
{
    input_error(u->input, "corrupt %s data: %s", format, how);
    return -EBADMSG;
}

static int unpack_truncated(const struct unpack *u, const char *format)
{
    input_error(u->input, "truncated: the %s data ends early; copy the file again", format);
    return -EBADMSG;
}

/* Room for at least one byte of output. */
static int unpack_grow(const struct unpack *u)
{
    /* Kernels shrink to a third or a fourth: this mostly saves all later growth. */
    size_t hint = u->size < SIZE_MAX / 4 ? u->size * 4 : u->limit;
    int error = buffer_grow(u->out, hint, u->limit);

    if (error == -EFBIG)
        input_error(u->input, "unpacks to more than the %zu KiB of RAM: give more RAM",
                    u->limit / 1024);
    else if (error != 0)
        input_error(u->input, "no memory to unpack it: %s", strerror(-error));
    return error;
}

/* zlib counts in 32 bits. */
static unsigned clamp_uint(size_t n)
{
    return n < 0x40000000 ? (unsigned)n : 0x40000000u;
}

/* All members of a gzip file, which follow each other (RFC 1952, 2.2). */
static int gunzip_members(const struct unpack *u, z_stream *z)
{
    size_t used = 0;

    for (;;) {
        unsigned in = clamp_uint(u->size - used), room;
        int error, ret;

        error = unpack_grow(u);
        if (error != 0)
            return error;
        room = clamp_uint(u->out->room - u->out->size);
        /* zlib does not write to its input, it only lacks the const. */
        z->next_in = (Bytef *)(uintptr_t)(u->data + used);
        z->avail_in = in;
        z->next_out = u->out->data + u->out->size;
        z->avail_out = room;
        ret = inflate(z, Z_NO_FLUSH);
        used += in - z->avail_in;
        u->out->size += room - z->avail_out;

        if (ret == Z_STREAM_END) {
            if (!is_gzip(u->data + used, u->size - used))
                return 0;
            ret = inflateReset(z);
        } else if (ret == Z_BUF_ERROR || (ret == Z_OK && z->avail_out > 0 && used == u->size)) {
            return unpack_truncated(u, "gzip");
        }
        if (ret == Z_MEM_ERROR) {
            input_error(u->input, "no memory to unpack it");
            return -ENOMEM;
        }
        if (ret != Z_OK)
            return unpack_corrupt(u, "gzip", z->msg != NULL ? z->msg : "not a deflate stream");
    }
}

static int gunzip(const struct unpack *u)
{
    z_stream z = {0};
    int error;

    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK) {
        input_error(u->input, "no memory to unpack it");
        return -ENOMEM;
    }
    error = gunzip_members(u, &z);
    inflateEnd(&z);
    return error;
}

/*
 * All frames. The window that a frame may ask for is bounded by the library's
 * default, 128 MiB, which is also the most that the kernel's build uses.
 */
static int unzstd_frames(const struct unpack *u, ZSTD_DStream *stream)
{
    ZSTD_inBuffer in = {.src = u->data, .size = u->size, .pos = 0};

    for (;;) {
        ZSTD_outBuffer out;
        size_t ret;
        int error = unpack_grow(u);

        if (error != 0)
            return error;
        out = (ZSTD_outBuffer){.dst = u->out->data, .size = u->out->room, .pos = u->out->size};
        ret = ZSTD_decompressStream(stream, &out, &in);
        u->out->size = out.pos;
        if (ZSTD_isError(ret))
            return unpack_corrupt(u, "zstd", ZSTD_getErrorName(ret));
        /* 0 is the end of a frame, with all of it flushed to the output. */
        if (ret == 0 && !is_zstd(u->data + in.pos, u->size - in.pos))
            return 0;
        if (ret != 0 && in.pos == in.size && out.pos < out.size)
            return unpack_truncated(u, "zstd");
    }
}

static int unzstd(const struct unpack *u)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    int error;

    if (stream == NULL) {
        input_error(u->input, "no memory to unpack it");
        return -ENOMEM;
    }
    error = unzstd_frames(u, stream);
    ZSTD_freeDStream(stream);
    return error;
}

/* The payload of a zboot image: the same unpacking, as EFI is not there to do it. */
static int unzboot(const struct unpack *u)
{
    uint64_t offset = bytes_le32(u->data + ZBOOT_PAYLOAD_OFFSET);
    uint64_t size = bytes_le32(u->data + ZBOOT_PAYLOAD_SIZE);
    struct unpack payload = *u;

    if (offset < ZBOOT_HEADER_SIZE || size == 0) {
        input_error(u->input, "corrupt: an EFI zboot image without a payload");
        return -EBADMSG;
    }
    if (offset + size > u->size) {
        input_error(u->input, "truncated: an EFI zboot image of which the payload ends early; "
                              "copy the file again");
        return -EBADMSG;
    }
    payload.data += offset;
    payload.size = size;
    if (is_gzip(payload.data, payload.size))
        return gunzip(&payload);
    if (is_zstd(payload.data, payload.size))
        return unzstd(&payload);
    input_error(u->input, "an EFI zboot image, but its payload is not gzip or zstd: give the "
                          "kernel's arch/arm64/boot/Image");
    return -ENOTSUP;
}

int decompress(const struct input *input, const uint8_t *data, size_t size, size_t limit,
               struct buffer *out)
{
    const struct unpack u = {input, data, size, limit, out};
    int error;

    if (is_gzip(data, size))
        error = gunzip(&u);
    else if (is_zstd(data, size))
        error = unzstd(&u);
    else if (is_zboot(data, size))
        error = unzboot(&u);
    else
        return 0;
    if (error != 0)
        buffer_free(out);
    return error != 0 ? error : 1;
}
