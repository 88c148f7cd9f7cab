/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: snapshot_compare A B
 * Is the memory of both snapshots the same? Prints the pages that differ, the first ones. One of them
 * may build on others.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/board/board.h"
#include "vmm/snapshot/chain.h"

#define PAGE  4096u
#define SHOWN 8u

static uint8_t *load(const char *path, uint64_t *size)
{
    int folder, fd = manifest_open(AT_FDCWD, path, &folder);
    struct manifest manifest;
    struct ram_memory memory = {.fd = -1};
    struct chain *chain;

    if (fd < 0 || manifest_read_file(&manifest, fd, path) ||
        chain_open(&chain, folder, path, &manifest))
        exit(2);
    memory.size = manifest.memory + manifest.rom + BOARD_PVTIME_SIZE;
    memory.at = mmap(NULL, memory.size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory.at == MAP_FAILED || chain_load(chain, &memory))
        exit(2);
    chain_close(chain);
    manifest_free(&manifest);
    *size = memory.size;
    return memory.at;
}

int main(int argc, char **argv)
{
    uint64_t size, other, different = 0;
    const uint8_t *a, *b;

    if (argc != 3)
        return 2;
    a = load(argv[1], &size);
    b = load(argv[2], &other);
    if (size != other) {
        printf("one has %llu bytes, the other %llu\n", (unsigned long long)size,
               (unsigned long long)other);
        return 1;
    }
    for (uint64_t at = 0; at < size; at += PAGE)
        if (memcmp(a + at, b + at, PAGE) != 0 && different++ < SHOWN)
            printf("the page at 0x%llx is different\n", (unsigned long long)(BOARD_RAM_BASE + at));
    printf("%llu of %llu pages are different\n", (unsigned long long)different,
           (unsigned long long)(size / PAGE));
    return different != 0;
}
