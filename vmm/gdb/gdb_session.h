/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One debugger's session: packets come in and go out, and a target is asked in between. There is
 * no socket and no guest in it. Threads are vCPUs: thread n is vCPU n - 1. All of them stop
 * together ("all-stop"). Nothing that comes in ends the session but a detach or a kill.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/boot.h"
#include "vmm/gdb/gdb_packet.h"
#include "vmm/gdb/gdb_points.h"
#include "vmm/gdb/gdb_registers.h"

#define GDB_VCPUS_MAX RV_MAX_VCPUS

#define GDB_SIGNAL_NONE      0u
#define GDB_SIGNAL_INTERRUPT 2u
#define GDB_SIGNAL_TRAP      5u

/* Why the target stopped, and which vCPU had the reason. */
struct gdb_stop {
    unsigned vcpu;
    unsigned signal;               /* GDB_SIGNAL_* */
    const struct gdb_point *point; /* a breakpoint or watchpoint; NULL: none of them */
};

enum gdb_move {
    GDB_MOVE_NONE, /* it stays where it is */
    GDB_MOVE_RUN,
    GDB_MOVE_STEP, /* one instruction, and more while the PC is in the range */
};

struct gdb_action {
    enum gdb_move move;
    uint64_t start, end; /* STEP: the range; empty: one instruction */
};

/* What a session asks of its target. All but attach() while the target is stopped. */
struct gdb_target_ops {
    /* Stop all vCPUs. 0 or -errno. */
    int (*stop)(void *opaque);
    /*
     * Each vCPU does what its action says, until gdb_session_stopped(). 1: nothing runs, since a
     * step is done already, by `*stop`. 0 or -errno.
     */
    int (*resume)(void *opaque, const struct gdb_action *actions, struct gdb_stop *stop);
    /* Take out all points and let all vCPUs run. */
    void (*detach)(void *opaque);
    /* Is there such a vCPU, and is it on? */
    bool (*is_on)(void *opaque, unsigned vcpu);
    /* A line for people. */
    void (*describe)(void *opaque, unsigned vcpu, char *text, size_t size);
    struct rv_vcpu_page *(*page)(void *opaque, unsigned vcpu);
    /* How many bytes were read or written, 0 or more; `physical`: the address is an IPA. */
    size_t (*read)(void *opaque, unsigned vcpu, bool physical, uint64_t address, void *data,
                   size_t size);
    size_t (*write)(void *opaque, unsigned vcpu, bool physical, uint64_t address, const void *data,
                    size_t size);
    /* As gdb_points_insert() and gdb_points_remove(). */
    int (*insert)(void *opaque, unsigned vcpu, enum gdb_point_kind kind, uint64_t address,
                  uint64_t size);
    int (*remove)(void *opaque, enum gdb_point_kind kind, uint64_t address, uint64_t size);
    /* Reset the guest; it begins when it is resumed. 0, or -EPERM: its user wants no resets. */
    int (*reset)(void *opaque);
};

struct gdb_session {
    const struct gdb_target_ops *ops;
    void *target;
    const struct gdb_registers *registers;
    unsigned nr_vcpus;
    void (*send)(void *opaque, const char *bytes, size_t size);
    void *opaque; /* of send */
    bool attached;
    bool running;
    bool over; /* the connection is to be closed */
    bool no_ack;
    bool swbreak, hwbreak; /* the debugger understands these stop reasons */
    bool physical;         /* its addresses are IPAs */
    unsigned vcpu;         /* of registers and memory; `Hg` sets it */
    unsigned move_vcpu;    /* of `s` and `c`; `Hc` sets it; nr_vcpus: all of them */
    struct gdb_stop stop;  /* the last one */
    size_t frame_size;     /* of the last packet, to send it again */
    struct gdb_reader reader;
    char reply[GDB_PACKET_MAX];
    char frame[GDB_FRAME_SIZE(GDB_PACKET_MAX)];
};

/* Begins when the first packet comes. `nr_vcpus` is 1 to GDB_VCPUS_MAX. */
void gdb_session_init(struct gdb_session *session, const struct gdb_target_ops *ops, void *target,
                      const struct gdb_registers *registers, unsigned nr_vcpus,
                      void (*send)(void *opaque, const char *bytes, size_t size), void *opaque);

/*
 * Takes bytes until one packet or interrupt has been dealt with, or all of them: how many it
 * took. A caller in a loop can so do other things between two packets.
 */
size_t gdb_session_input(struct gdb_session *session, const uint8_t *bytes, size_t size);

/* The target has stopped by itself after a resume(). */
void gdb_session_stopped(struct gdb_session *session, const struct gdb_stop *stop);

/* The guest is gone. */
void gdb_session_exited(struct gdb_session *session);

/* The connection is gone, or about to be closed. */
void gdb_session_end(struct gdb_session *session);
