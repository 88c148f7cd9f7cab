/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces: what happens in the vmm, as records that a sink turns into text, into a file for
 * Perfetto, or into whatever a client wants.
 *
 * The loop's thread copies a record into a ring of fixed size and goes on; when the ring is
 * full the record is dropped and counted. The sink runs in a thread of the trace's own, where
 * it may take its time, and learns how many records were dropped, and where.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

enum trace_kind {
    TRACE_EXIT,    /* a blocking exit, from the event to the reply */
    TRACE_POSTED,  /* a write that the guest does not wait for */
    TRACE_EOI,     /* the guest ended an interrupt */
    TRACE_EVENT,   /* an event was taken from a ring */
    TRACE_COMMAND, /* a command was put into a ring */
    TRACE_KICK,    /* a pCPU's doorbell was rung */
    TRACE_INJECT,  /* the interrupt controller gave a vCPU an interrupt */
    TRACE_ACCESS,  /* an access to registers of a device */
    TRACE_LINE,    /* a device drove its interrupt line */
    TRACE_SLEEP,   /* the loop slept */
    TRACE_KINDS,
};

#define TRACE_NONE 0xffffu /* no vCPU, no pCPU */

/* Which members hold depends on the kind. Times are of CLOCK_MONOTONIC. */
struct trace_record {
    int64_t ns;    /* when it happened or, if it took time, ended */
    int64_t begun; /* when it began */
    uint8_t kind;  /* enum trace_kind */
    uint8_t size;  /* ACCESS: bytes */
    bool is_write; /* ACCESS */
    bool level;    /* LINE */
    uint16_t vm, vcpu, pcpu;
    uint16_t reply_reg;   /* EXIT: struct exit_reply, as are: */
    uint8_t reply_flags;  /* RV_REPLY_* */
    bool hold;            /* it gets no reply now */
    int32_t error;        /* ACCESS: 0 or -errno */
    uint32_t intid;       /* INJECT, LINE */
    uint32_t irq_flags;   /* INJECT: RV_IRQ_* */
    uint64_t reply_value; /* EXIT */
    uint64_t x0;          /* EXIT: the guest's, at the exit */
    uint64_t address;     /* ACCESS */
    uint64_t value;       /* ACCESS; EXIT: what the guest wrote to a device or a register, */
    bool has_value;       /* EXIT: if it did, and wrote once */
    char name[48];        /* what answered: a region of the bus; empty: nothing there */
    union {
        struct rv_event event;     /* EXIT, POSTED, EOI, EVENT */
        struct rv_command command; /* COMMAND */
    };
};

/* What a trace has. All zeros: everything. */
struct trace_filter {
    uint64_t vcpus;       /* bit n: vCPU n of a VM; 0: all, and what is no vCPU's */
    uint32_t kinds;       /* bit n: enum trace_kind n; 0: all */
    uint64_t exits;       /* bit n: enum exit_kind n, of TRACE_EXIT; 0: all */
    char device[48];      /* "pl011", or "pl011@9000000"; empty: all */
    bool has_range;       /* the IPA of the access is in: */
    uint64_t first, last; /* this range, its end included */
};

/* All calls but stop() come from the trace's thread. */
struct trace_sink_ops {
    /* `count` records in order; `lost` more were dropped before them. */
    void (*records)(void *opaque, const struct trace_record *records, unsigned count,
                    uint64_t lost);
    /* Nothing is waiting: what is buffered should go out. May be NULL. */
    void (*idle)(void *opaque);
    /* From the loop's thread: trace_stop() waits, so wait for nobody from now on. May be NULL. */
    void (*stop)(void *opaque);
    /* Nobody takes what the sink makes any more: it has no use for records. May be NULL. */
    bool (*is_over)(void *opaque);
    /* The last call. The sink frees itself. */
    void (*end)(void *opaque);
    bool tells_lost; /* the sink's reader learns how many records were lost: no message here */
};

struct trace;

/* From the loop's thread, at any time. 0, or -errno after a message: `end` is called then, too. */
int trace_start(const struct trace_filter *filter, const struct trace_sink_ops *ops, void *opaque,
                struct trace **trace);

/* The sink gets what is in the ring, and ends. Says in a message how many records were lost. */
void trace_stop(struct trace *trace);

/*
 * From the loop's thread: nothing more goes into the trace, and its thread is asked to end. Wait
 * for nobody, until trace_has_ended(); then trace_stop() does not wait either.
 */
void trace_stop_soon(struct trace *trace);
bool trace_has_ended(const struct trace *trace);
/* The sink was over: trace_stop_soon() is due. */
bool trace_is_over(const struct trace *trace);

/* Records dropped so far. */
uint64_t trace_lost(const struct trace *trace);

/*
 * Add an element of a filter: vcpu=N, kind=NAME, device=NAME, address=FIRST[-LAST]; several
 * values are joined by '+'. A NAME is of enum trace_kind in lower case, or an exit's class as
 * `vmm decode` has it, with dashes ("data-abort"). 0, or -EINVAL and `why`; trace_filter_set()
 * gives that as a message.
 */
int trace_filter_add(struct trace_filter *filter, const char *key, const char *value, char *why,
                     size_t size);
int trace_filter_set(struct trace_filter *filter, const char *key, const char *value);

/* A list of such elements: "vcpu=0,kind=hvc". 0, or -errno after a message. */
int trace_filter_list(struct trace_filter *filter, const char *list);

bool trace_filter_match(const struct trace_filter *filter, const struct trace_record *record);

/* What a text has without a filter by kind. */
void trace_filter_text(struct trace_filter *filter);

/* One line of text without its end, cut to `size` bytes. `zero`: the time that counts as 0. */
void trace_words(const struct trace_record *record, int64_t zero, char *text, unsigned size);

/* "exit", "posted", ... */
const char *trace_kind_name(enum trace_kind kind);

/* What a trace needs that goes on where that of another process was. */
struct trace_origin {
    int fd;       /* -1: there was none */
    int64_t zero; /* CLOCK_MONOTONIC: the time that counts as 0 */
};

/*
 * The two sinks of the command line. `spec` is "FILE[,FILTER...]". A file that exists is
 * overwritten; it may be a pipe. With an origin the file is that one, and goes on; else
 * `*origin` is filled in. Its descriptor becomes the trace's, also if it fails. 0, or -errno
 * after a message.
 */
int trace_text_start(const char *spec, struct trace_origin *origin, struct trace **trace);
int trace_perfetto_start(const char *spec, struct trace_origin *origin, struct trace **trace);

/*
 * The same to a client, which gets `head` first. The descriptor, which does not block, is the
 * trace's. trace_is_over() when the client is gone. A reader of either form
 * can stop anywhere: each line that ends has whole records, and TRACE_LOST in it if some are
 * missing before it. What is for Perfetto lacks the TRACE_PERFETTO_END then.
 */
int trace_text_stream(int fd, const char *head, const struct trace_filter *filter,
                      struct trace **trace);
int trace_perfetto_stream(int fd, const char *head, const struct trace_filter *filter,
                          struct trace **trace);
#define TRACE_LOST         " records were lost here"
#define TRACE_PERFETTO_END "\n]\n"
