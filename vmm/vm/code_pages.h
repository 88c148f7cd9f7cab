/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of guest RAM the guest may execute, on a machine whose cores keep old
 * code after this process wrote new code (machine.h, `blind`).
 *
 * At first all pages are executable: no core has seen any code yet. A device that writes
 * to an executable page takes the permission away, together with that of the pages around
 * it, and the page is stale from then on. When the guest executes a page without
 * permission, the stub reports a permission fault (Arm ARM D8.4): if it is stale, it is flushed
 * with the stale pages next to it, and these and all pages near it that are not stale are
 * executable again. Other stale pages stay as they are: they are buffers most likely, such as
 * those of a disk, and would lose the permission again with the device's next write. So data
 * that a device writes costs a command once for each region, code that it brings an exit once
 * for each run of pages, and the guest's cache maintenance need not trap at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CODE_REGION 0x200000ull /* loses its permission at once */
#define CODE_CHUNK  0x10000ull  /* gets it back at once, but for buffers in it */

struct code_pages {
    uint64_t *executable; /* a bit for each page; NULL: the machine sees every store */
    uint64_t *stale;      /* the page was written since it was flushed last */
    uint64_t *pending;    /* first page and end of what the stub is being told; 0, 0: nothing */
    void *owned;          /* memory of code_pages_init(), or NULL */
    uint64_t nr_pages;
};

/* Bytes [offset, offset + size) of RAM: whole pages. */
struct code_run {
    uint64_t offset;
    uint64_t size;
};

/* `ram_size` is a multiple of CODE_REGION. 0 or -ENOMEM. */
int code_pages_init(struct code_pages *pages, uint64_t ram_size);

/* The same in `memory` of code_pages_size() bytes. Not `fresh`: it goes on as it was left. */
size_t code_pages_size(uint64_t ram_size);
void code_pages_place(struct code_pages *pages, uint64_t ram_size, void *memory, bool fresh);

/* What the last call of a function below asked for has been done. */
void code_pages_done(struct code_pages *pages);

/*
 * After code_pages_place() of what was left: true if it was left before code_pages_done(). Then
 * `run` must lose its permission, and code_pages_done().
 */
bool code_pages_left(struct code_pages *pages, struct code_run *run);
void code_pages_free(struct code_pages *pages);

/*
 * Bytes [offset, offset + size) of RAM were written; what lies beyond RAM is ignored. True:
 * the guest must not execute `revoke` any more, from before it can learn of the write.
 */
bool code_pages_written(struct code_pages *pages, uint64_t offset, uint64_t size,
                        struct code_run *revoke);

/*
 * The guest executes the page at `offset`, which is in RAM. True: `stale` must be flushed first.
 */
bool code_pages_fetched(struct code_pages *pages, uint64_t offset, struct code_run *stale);

/*
 * After that: gives the next run that the guest may execute again, around `offset`. False: there
 * is no more.
 */
bool code_pages_give(struct code_pages *pages, uint64_t offset, struct code_run *run);
