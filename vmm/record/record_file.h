/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of a recording: a head, then blocks, each a zstd frame with a checksum. A block has
 * whole items; an item is its head and what its type says. All is little-endian.
 *
 * The reader trusts nothing in it: each item that it returns has the size of its type, and no
 * number in it is out of the range that the comment says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/boot.h"
#include "proto/message.h"
#include "proto/vcpu.h"

#define RECORD_VERSION 2u
#define RECORD_LRS_MAX 16u

enum record_type {
    RECORD_START = 1, /* struct record_start and its regions; the first one */
    RECORD_VCPU,      /* struct record_vcpu of `vcpu`: after the start of a guest that runs */
    RECORD_STATE,     /* struct record_state and its bytes: after these */
    RECORD_EVENT,     /* struct rv_event, record_chunk...: taken from the ring of `pcpu` */
    RECORD_HANDLE,    /* record_tick: the oldest event of `pcpu` is handled */
    RECORD_SCHEDULE,  /* record_tick: the scheduler's turn */
    RECORD_NOTIFIED,  /* nothing: `pcpu` is not to be notified any more */
    RECORD_LINE,      /* struct record_line */
    RECORD_DIRTY,     /* struct record_dirty */
    RECORD_REQUEST,   /* struct record_request */
    RECORD_LOAD,      /* struct record_load */
    RECORD_ACCESS,    /* struct record_access */
    RECORD_ENTROPY,   /* struct record_entropy and the bytes */
    RECORD_COMMAND,   /* struct rv_command, record_chunk...: goes into the ring of `pcpu` */
    RECORD_END,       /* text: why; the last one */
    RECORD_TYPES,
};

#define RECORD_NO_VCPU 0xffffu

struct record_head {
    uint8_t type;  /* 0x00 enum record_type */
    uint8_t pcpu;  /* 0x01 below nr_pcpus; 0 where none is meant */
    uint16_t vcpu; /* 0x02 EVENT, COMMAND, VCPU: whose page it is; RECORD_NO_VCPU: none */
    uint32_t size; /* 0x04 bytes after the head */
};
_Static_assert(sizeof(struct record_head) == 8, "file layout");

struct record_region {
    uint64_t start; /* 0x00 start and size do not wrap; no two overlap */
    uint64_t size;  /* 0x08 not 0 */
    char name[64];  /* 0x10 ends with NUL */
};
_Static_assert(sizeof(struct record_region) == 80, "file layout");

#define RECORD_REGIONS_MAX 512u

struct record_start {
    uint64_t tick;        /* 0x000 ns of CLOCK_MONOTONIC */
    uint64_t entry;       /* 0x008 the guest's first instruction */
    uint64_t dtb;         /* 0x010 its device tree */
    uint64_t ram_size;    /* 0x018 multiple of 2 MiB, BOARD_RAM_SIZE_MAX at most, not 0 */
    uint64_t layout_ram;  /* 0x020 offset of guest RAM in the machine's memory */
    uint64_t cntfrq;      /* 0x028 what the stub said of the CPUs, as the next three */
    uint64_t dczid;       /* 0x030 */
    uint64_t sve;         /* 0x038 */
    uint64_t stub_id[64]; /* 0x040 */
    uint64_t slice_ns;    /* 0x240 */
    uint32_t nr_vcpus;    /* 0x248 1 to VM_MAX_VCPUS */
    uint32_t nr_pcpus;    /* 0x24c 1 to nr_vcpus */
    uint32_t blind;       /* 0x250 0 or 1: struct machine */
    uint32_t nr_regions;  /* 0x254 of the bus, but for the interrupt controller's */
    uint32_t nr_lrs;      /* 0x258 list registers of a CPU, 1 to RECORD_LRS_MAX */
    uint32_t has_tdir;    /* 0x25c 0 or 1 */
    uint32_t tag[64];     /* 0x260 struct pcpu's, of each pCPU */
    uint64_t floor;       /* 0x360 struct sched's, if it runs */
    uint32_t runs;        /* 0x368 1: the guest ran already, and VCPU and STATE items come next */
    uint32_t pad;         /* 0x36c */
};
_Static_assert(sizeof(struct record_start) == 0x370, "file layout");

/* A vCPU that is off its pCPU, and what the scheduler knows of it. */
struct record_vcpu {
    uint64_t runtime; /* ns */
    uint32_t pcpu;    /* where it was last; below nr_pcpus */
    uint32_t is_on;   /* 0 or 1 */
    struct rv_vcpu_page page;
};

/* A piece of a state block (vmm/vm/state.h), in order. */
struct record_state {
    char name[16];    /* ends with NUL */
    uint32_t version; /* of the block */
    uint32_t pad;
    uint64_t size;   /* of the block */
    uint64_t offset; /* of this piece; the bytes are inside of the block, and at least one */
};
#define RECORD_PIECE_MAX 0x10000u /* bytes of one piece */

/* 64 bytes of a vCPU's page that have changed since its last chunks. */
struct record_chunk {
    uint32_t index;   /* 0x00 below RECORD_CHUNKS */
    uint32_t pad;     /* 0x04 */
    uint8_t data[64]; /* 0x08 */
};
#define RECORD_CHUNKS (sizeof(struct rv_vcpu_page) / 64)

struct record_line {
    uint64_t tick;
    uint32_t intid; /* an SPI of the interrupt controller */
    uint32_t level; /* 0 or 1 */
};

struct record_dirty {
    uint64_t ipa, size; /* in RAM */
};

struct record_request {
    uint32_t type; /* enum rv_request_type */
    int32_t code;
};

struct record_load {
    uint64_t ipa;
    uint32_t size; /* 1 to 8 */
    uint32_t pad;
    uint64_t value;
};

struct record_access {
    uint64_t address, value;
    uint32_t size; /* 1, 2, 4, 8 */
    uint32_t is_write;
    int32_t error;
    uint32_t pad;
};

struct record_entropy {
    int32_t error;
    uint32_t size; /* of the bytes that follow */
};

/* The state blocks that are the core's, by name; NULL ends the list. */
extern const char *const record_blocks[];

/* An item; `at` points into the reader's block and holds until record_next(). */
struct record_item {
    struct record_head head;
    const uint8_t *at;
};

/*
 * Writing. A thread compresses and writes; when it falls far behind, record_put() waits for it,
 * so that nothing is missing.
 */
struct record_writer;

struct record_writer *record_writer_open(const char *path); /* NULL after a message */

/*
 * To a client, whose connection does not block and becomes the writer's, behind the text `head`.
 * record_put() never waits for it: see record_writer_lags(). NULL: no memory.
 */
struct record_writer *record_writer_to_client(int fd, const char *head);

void record_put(struct record_writer *writer, struct record_head head, const void *data);

/* The client is far behind, or gone, or the disk is full: what follows may soon be lost. */
bool record_writer_lags(const struct record_writer *writer);

/* Nothing more comes. The thread writes the rest, and record_writer_has_ended() says when. */
void record_writer_end(struct record_writer *writer);
bool record_writer_has_ended(const struct record_writer *writer);

/* After record_writer_end(): a client that makes no room gets no more. */
void record_writer_hurry(struct record_writer *writer);

/* Ends and waits. 0, or -errno, of a file after a message: it is not complete. */
int record_writer_close(struct record_writer *writer);

/*
 * Reading. `path` is for messages.
 */
struct record_reader;

/* NULL after a message. */
struct record_reader *record_reader_open(const char *path);

/* The same for bytes in memory, which the reader does not free. */
struct record_reader *record_reader_memory(const void *data, size_t size, const char *path);
void record_reader_close(struct record_reader *reader);

/*
 * The next item, which record_next() moves past. NULL after a message: the file is damaged, or
 * it is over and its last item was no RECORD_END. After a RECORD_END it is that for ever.
 */
const struct record_item *record_peek(struct record_reader *reader);
void record_next(struct record_reader *reader);
