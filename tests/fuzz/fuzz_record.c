/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording that anybody has written. The input changes bytes of a good one before it is packed,
 * so that no checksum keeps it from the replay; or it is the file. The replay refuses it, finds a
 * difference, or comes to its end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "tests/unit/vmm/record/recorded_guest.h"
#include "vmm/record/record.h"
#include "vmm/record/record_file.h"
#include "vmm/record/record_file_internal.h"
#include "vmm/util/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Good recordings, unpacked: of a guest that begins, and of one that ran. */
static struct {
    uint8_t data[RECORD_BLOCK_MAX];
    size_t size;
} good[2];

static void make(unsigned which, void (*recorded)(const char *path))
{
    char path[] = "/tmp/fuzz_record.XXXXXX";
    int fd = mkstemp(path);
    struct record_reader *reader;
    const struct record_item *item;

    if (fd < 0)
        abort();
    close(fd);
    recorded(path);
    reader = record_reader_open(path);
    if (!reader)
        abort();
    do {
        uint8_t *to = good[which].data + good[which].size;

        item = record_peek(reader);
        if (!item || RECORD_BLOCK_MAX - good[which].size < sizeof(item->head) + item->head.size)
            abort();
        memcpy(to, &item->head, sizeof(item->head));
        memcpy(to + sizeof(item->head), item->at, item->head.size);
        good[which].size += sizeof(item->head) + item->head.size;
        record_next(reader);
    } while (item->head.type != RECORD_END);
    record_reader_close(reader);
    unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_set_level("error");
    make(0, recorded_guest);
    make(1, recorded_guest_that_ran);
    return 0;
}

/* Three bytes where, one what, and so on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct record_magic magic = {RECORD_MAGIC, RECORD_VERSION, RV_ABI_MAJOR,
                                              RV_ABI_MINOR};
    static uint8_t items[RECORD_BLOCK_MAX];
    static uint8_t
        file[sizeof(magic) + sizeof(struct record_block) + ZSTD_COMPRESSBOUND(RECORD_BLOCK_MAX)];
    unsigned which = size > 0 && data[0] % 4 == 1;
    size_t good_size = good[which].size;
    struct record_block block = {.size = (uint32_t)good_size};
    struct replay_result result;
    size_t packed;

    if (size > 0 && data[0] % 4 == 0) {
        replay_memory(data + 1, size - 1 ? size - 1 : 1, "fuzz", &result);
        return 0;
    }
    memcpy(items, good[which].data, good_size);
    for (size_t i = 1; i + 4 <= size; i += 4) {
        uint32_t at = (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16;

        items[at % good_size] = data[i + 3];
    }
    packed = ZSTD_compress(file + sizeof(magic) + sizeof(block),
                           sizeof(file) - sizeof(magic) - sizeof(block), items, good_size, 1);
    if (ZSTD_isError(packed))
        abort();
    block.packed = (uint32_t)packed;
    memcpy(file, &magic, sizeof(magic));
    memcpy(file + sizeof(magic), &block, sizeof(block));
    replay_memory(file, sizeof(magic) + sizeof(block) + packed, "fuzz", &result);
    return 0;
}
