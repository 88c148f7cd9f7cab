/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of disks share: files in a folder of their own, requests, a model. */
#pragma once

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "vmm/disk/disk.h"

extern struct event_base *base;
extern char dir[64]; /* of the test's files */

int disk_setup(void **state);
int disk_teardown(void **state);

/* A file in `dir`; the text lives until the next call but three. */
const char *file_path(const char *name);
void file_make(const char *name, uint64_t size, const void *head, size_t head_size);
uint64_t file_allocated(const char *name); /* bytes */

/* What is written to stderr from here on, until messages_end(). */
void messages_begin(void);
/* All of it. It lives until the next call. */
const char *messages_end(void);
unsigned count_of(const char *text, const char *what);

/* Runs a program with /bin/sh; its exit status. */
int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* disk_open of a file in `dir` that must go well. */
struct disk *open_disk(struct disk_config config);

/* One request, through the loop. */
int do_request(struct disk *disk, enum disk_op op, uint32_t flags, uint64_t offset, void *data,
               uint64_t size);
int do_read(struct disk *disk, uint64_t offset, void *data, uint64_t size);
int do_write(struct disk *disk, uint64_t offset, const void *data, uint64_t size);
int do_flush(struct disk *disk);

struct load {
    struct disk *disk;
    uint8_t *model; /* what the disk holds */
    uint64_t size;
    unsigned requests;    /* how many to make */
    bool discard_is_zero; /* what was discarded reads as zeros; else as anything */
    bool changes;         /* reads only, if not */
    void (*now)(void);    /* called in the middle, when many are in flight */
    unsigned errors;      /* how many ended with an error */
    unsigned seed;
};

/*
 * Random requests in any order, many in flight, over a model: what is read must
 * be what was written. Requests in flight do not overlap.
 */
void load_run(struct load *load);
