/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/state.h"

#include <string.h>

#include "vmm/util/log.h"

#define STATE_MAGIC  0x45544154534e4952ull
#define STATE_BLOCKS 63u
#define STATE_ALIGN  64u

struct state_block {
    char name[STATE_NAME_MAX];
    uint32_t version;
    uint32_t pad;
    uint64_t offset; /* from the start of the area */
    uint64_t size;
};

/* At the start of the area. */
struct state_directory {
    uint64_t magic;
    uint32_t nr_blocks;
    uint32_t pad;
    uint64_t used;
    uint64_t pad2[5];
    struct state_block block[STATE_BLOCKS];
};
_Static_assert(sizeof(struct state_block) == 64, "state block layout");
_Static_assert(sizeof(struct state_directory) == 4096, "state directory layout");

void state_init(struct state_area *area, void *base, size_t size)
{
    struct state_directory *directory = base;

    area->base = base;
    area->size = size;
    directory->magic = STATE_MAGIC;
    directory->nr_blocks = 0;
    directory->used = sizeof(*directory);
}

void *state_alloc(struct state_area *area, const char *name, uint32_t version, size_t size)
{
    struct state_directory *directory = (struct state_directory *)area->base;
    struct state_block *block;

    if (strlen(name) >= STATE_NAME_MAX) {
        log_error("state block '%s': the name is too long", name);
        return NULL;
    }
    for (uint32_t i = 0; i < directory->nr_blocks; i++) {
        if (strcmp(directory->block[i].name, name) == 0) {
            log_error("state block '%s': there is one of this name", name);
            return NULL;
        }
    }
    if (directory->nr_blocks == STATE_BLOCKS || size > area->size - directory->used) {
        log_error("state block '%s': no room for %zu bytes", name, size);
        return NULL;
    }
    block = &directory->block[directory->nr_blocks++];
    strcpy(block->name, name);
    block->version = version;
    block->offset = directory->used;
    block->size = size;
    directory->used += (size + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
    if (directory->used > area->size)
        directory->used = area->size;
    return area->base + block->offset;
}
