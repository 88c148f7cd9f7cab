/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of guest RAM that this process has written and whose old contents a core
 * may still execute, where the machine does not see our stores (machine.h,
 * `blind`). The guest makes new code known to its cores with IC instructions
 * (Arm ARM B2.4.4, D7.5.10). They trap, and then the page is flushed: not when it
 * is written, since most of what a device writes is never executed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct stale {
    uint64_t *bits; /* one for each page; NULL: the machine sees all */
    uint64_t nr_pages;
    uint64_t count; /* bits that are set */
};

/* 0 or -ENOMEM. */
int stale_init(struct stale *stale, uint64_t ram_size);
void stale_free(struct stale *stale);

/* Bytes [offset, offset + size) of RAM were written. */
void stale_mark(struct stale *stale, uint64_t offset, uint64_t size);

/* Takes the page at `offset` out. False: it was not in. */
bool stale_take(struct stale *stale, uint64_t offset);

/* Takes the first run of pages from `*offset` on out: its start and bytes. False: there is none. */
bool stale_take_run(struct stale *stale, uint64_t *offset, uint64_t *size);

/* Takes all out. */
void stale_clear(struct stale *stale);
