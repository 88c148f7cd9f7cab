/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM for the control interface without a machine: what vmm/vm and vmm/device do for it is
 * faked, and recorded.
 *
 * Its devices: "uart@9000000" of class pl011, with the property `chardev`;
 * "virtio-blk@a000000", whose commands are `resize` (answers {"size": 4096}), `fail` (-EINVAL),
 * `later` (control_fixture_reply() answers) and `garbage` (answers no JSON); and
 * "virtio-net@a000200" with the properties `link`, which may be set to up or down, and `dns`,
 * a list.
 */
#pragma once

#include <stdbool.h>

#include "vmm/control/control_internal.h"
#include "vmm/snapshot/save.h"

struct control_fixture {
    struct vm vm;
    struct vm_core core;
    struct cores cores;
    bool quiet;       /* the devices come to rest at once */
    bool button;      /* a driver listens to the power button */
    bool paused;      /* vm_pause() was called last */
    bool pause_fails; /* the machine is lost */
    unsigned buttons; /* how often it was pressed */
    unsigned kills;
    const char *chardev; /* the property of "uart@9000000", or NULL */
    char json[256];      /* arguments of the last command */
    char link[8];        /* the property */
    char typed[64];      /* on the main console */
    bool reads_console;
    /* What snapshot_begin() was told, whether it fails, and what ends it. */
    struct snapshot_calls snapshot_calls;
    char snapshot_folder[64];
    bool snapshot_disks, snapshot_tracks;
    char snapshot_base[64];
    int snapshot_error;
    unsigned snapshots;         /* begun and not freed */
    unsigned cancelled;         /* snapshots */
    const char *record_refuses; /* what record_refuses() says */
    unsigned records;           /* begun and not freed */
    char record_end[64];        /* what record_end() was told last */
    /* A command `later`. */
    void (*answer)(void *opaque, int error, const char *json);
    void *answer_opaque;
};

extern struct control_fixture control_fixture;

void control_fixture_init(void);

/* "uart@9000000" is on the main console, and reads what is typed if `reads_console`. */
void control_fixture_console(struct event_base *base);
void control_fixture_print(const char *text);
void control_fixture_end_console(void);
void control_fixture_kill(void *opaque);

/* Ends the snapshot that was begun: well, or for lack of space. */
void control_fixture_end_snapshot(bool fails);

/* Answers the command `later`, if one is waiting. */
void control_fixture_reply(int error, const char *json);
