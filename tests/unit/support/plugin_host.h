/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vmm's side of the plugin ABI, for tests and fuzzers: one instance of any device,
 * with guest RAM, interrupt lines, clocks and timers that the test moves, watched
 * descriptors, properties as text, state blocks, character back ends and a disk. A device
 * that breaks a rule of ringvisor/device.h ends the program.
 */
#pragma once

#include <ringvisor/device.h>
#include <sys/un.h>

#include <ringvisor/virtio/virtio_plugin.h>

#include "vmm/net/net_address.h"

#define PLUGIN_HOST_TIMERS    16u
#define PLUGIN_HOST_WATCHES   300u
#define PLUGIN_HOST_WORKS     8u
#define PLUGIN_HOST_REGIONS   2u     /* with memory */
#define PLUGIN_HOST_STATE     16384u /* bytes */
#define PLUGIN_HOST_CHRS      4u     /* character back ends */
#define PLUGIN_HOST_CHR_BYTES 4096u  /* that one of them keeps */
#define PLUGIN_HOST_SET       8u     /* properties that plugin_host_set changes */
#define PLUGIN_HOST_PENDING   2048u  /* disk requests */
#define PLUGIN_HOST_REPLIES   16u    /* commands of one test */
#define PLUGIN_HOST_TEXT      1024u  /* of an answer or a property */
#define PLUGIN_HOST_NEVER     UINT64_MAX

#define NS_PER_S 1000000000ull

struct rv_timer {
    void (*fired)(void *opaque); /* NULL: the slot is free */
    void *opaque;
    bool set;
    uint64_t at;
};

struct rv_watch {
    void (*ready)(void *opaque, unsigned events); /* NULL: the slot is free */
    void *opaque;
    int fd;
    unsigned events;
};

struct rv_work {
    void (*run)(void *opaque); /* NULL: the slot is free */
    void *opaque;
    bool posted;
};

/* A character back end in memory. */
struct rv_chr {
    struct rv_chr_callbacks callbacks;
    void *opaque;
    const char *spec; /* as the device gave it */
    bool open;
    size_t room;                        /* bytes that the reader takes before it is slow */
    bool slow;                          /* it took fewer than it was given: writable() is due */
    unsigned accepts;                   /* calls of chr_accept */
    size_t got_len;                     /* length of all the output */
    uint8_t got[PLUGIN_HOST_CHR_BYTES]; /* the last of it, and a NUL */
};

/* A command and what the device answered. */
struct rv_reply {
    bool given;
    bool answered;
    int error;
    char json[PLUGIN_HOST_TEXT]; /* "": none */
};

/* A disk in memory. Its requests end when the test says so, in any order, with any error. */
struct rv_disk {
    struct rv_disk_info info;
    uint8_t *image;                 /* info.capacity bytes; NULL: there is no disk */
    int open_error;                 /* what disk_open returns */
    struct rv_disk_options options; /* as the device gave them */
    struct rv_disk_request *pending[PLUGIN_HOST_PENDING];
    unsigned nr_pending;
    unsigned nr_waiting; /* the last of these: nobody has begun with them, so disk_cancel works */
    struct rv_disk_request *cancelled[PLUGIN_HOST_PENDING]; /* done() is due */
    unsigned nr_cancelled;
    unsigned submitted, flushes;
    uint64_t next_size;     /* what disk_resize(0) finds */
    bool size_changed;      /* the device is to be told: plugin_host_disk_tell_size */
    uint32_t discard_flags; /* of the last DISCARD or WRITE_ZEROES */
    bool open;
};

/* A socket that listens, as one of the watches. */
struct rv_listener {
    struct rv_watch *watch; /* NULL: this is none */
    void (*accepted)(void *opaque, int fd);
    void *opaque;
    struct sockaddr_un address;
};

struct plugin_host_property {
    const char *name, *value;
};

struct rv_instance {
    const struct rv_device_class *class;
    struct rv_vmm_ops ops; /* what the device gets: the caller may put its own in */
    struct net_cards cards;
    void *device; /* NULL: there is none */

    /* Guest RAM, which is the caller's. */
    uint8_t *ram;
    uint64_t ram_base, ram_size;
    uint8_t *dirty; /* optional map: 1 for each byte that was marked */
    uint64_t dirty_bytes;
    int ram_fd; /* what mem_region tells; -1 at first */
    uint64_t ram_offset;
    uint32_t ram_flags;
    uint64_t discarded; /* bytes */
    unsigned discards;
    unsigned mappings; /* mem_map without its mem_unmap */
    uint64_t needed;   /* bytes, by mem_need: where ram_flags have RV_MEM_LATE */

    /* Memory of regions, which outlives the instance; and what the guest is shown of it. */
    struct {
        uint8_t *bytes;
        bool shown;
        uint64_t posted; /* bytes of it whose writes may be posted, by region_post */
        uint64_t dirty;  /* bytes that were told */
    } region[PLUGIN_HOST_REGIONS];
    uint32_t pending;                                /* what writes_pending says */
    void (*shown_changed)(struct rv_instance *host); /* bytes that the guest is shown; or NULL */

    /*
     * What the user gave. The list ends with {0}; plugin_host_set goes before it. A property
     * that is a list may stand there several times.
     */
    const struct plugin_host_property *properties;
    struct plugin_host_property set[PLUGIN_HOST_SET];

    bool irq;       /* level of line 0 */
    unsigned rises; /* edges of line 0 */

    unsigned logs; /* messages of all levels */
    unsigned errors, warnings;
    char log[512]; /* the last message */
    bool quiet;    /* errors and warnings are not printed */

    uint64_t now, wall; /* ns */
    bool real_time;     /* now_ns is the host's monotonic clock, plus `now` */
    bool no_timer;      /* timer_new is out of memory */
    struct rv_timer timer[PLUGIN_HOST_TIMERS];
    struct rv_watch watch[PLUGIN_HOST_WATCHES];
    struct rv_work work[PLUGIN_HOST_WORKS];
    struct rv_listener listener; /* a device has one at most */

    /* Guest-visible state: it outlives the instance. */
    uint64_t state[PLUGIN_HOST_STATE / 8];
    struct {
        char name[16];
        void *block;
        size_t size;
    } block[3];
    bool no_state; /* there is no room for further blocks */

    struct {
        char name[32];
        uint64_t value;
    } counter[16];
    unsigned quiesced;
    unsigned requests; /* of the machine */
    uint32_t request;
    int code; /* of the last */

    struct rv_chr chr[PLUGIN_HOST_CHRS];
    struct rv_reply reply[PLUGIN_HOST_REPLIES];
    char text[PLUGIN_HOST_TEXT]; /* of plugin_host_show */
    unsigned chr_fail_at;        /* chr_open fails when it would open this many; 0: never */
    struct rv_disk disk;
};

/* RAM is optional. The clocks do not begin at 0. */
void plugin_host_init_class(struct rv_instance *host, const struct rv_device_class *class,
                            uint8_t *ram, uint64_t base, uint64_t size);
void plugin_host_free(struct rv_instance *host);

/* For the class that the program is linked with. */
static inline void plugin_host_init(struct rv_instance *host, uint8_t *ram, uint64_t base,
                                    uint64_t size)
{
    plugin_host_init_class(host, &ringvisor_device, ram, base, size);
}

/* A property's value; NULL: the default again. The text stays the caller's. */
void plugin_host_set(struct rv_instance *host, const char *name, const char *value);

/* create(): 0 or its error. Without RV_CREATE_RESUME all state is zeroed first. */
int plugin_host_create(struct rv_instance *host, uint32_t flags);
/* create(), then reset() if no state is taken over, then resume(). */
int plugin_host_start(struct rv_instance *host, uint32_t flags);
/* destroy(). What the device leaves behind ends the program: the vmm would free it. */
void plugin_host_stop(struct rv_instance *host);
/*
 * The process is gone, in the middle of anything: all that the device had from it, which is never
 * called again. Only state, guest memory, the regions' memory and the disk's image remain.
 */
void plugin_host_die(struct rv_instance *host);

/* A vCPU's access that waits for its answer. */
extern const struct rv_access plugin_host_access;

/* A 32-bit register. The accesses must succeed. */
uint32_t plugin_host_get(struct rv_instance *host, uint64_t offset);

/*
 * What the guest reads of a virtio-mmio transport in memory is what it would be told. Looked at
 * whenever the device interrupts and when it ends, too.
 */
void plugin_host_check_shown(struct rv_instance *host);
void plugin_host_put(struct rv_instance *host, uint64_t offset, uint32_t value);

/* One turn of the loop, after `ns` have passed: timers that are due, descriptors that are ready. */
void plugin_host_turn(struct rv_instance *host, uint64_t ns);
/* The same, after a sleep until a descriptor is ready, for `ms` at most. False: none was. */
bool plugin_host_wait(struct rv_instance *host, int ms);
/* `ns` pass, and each timer fires at its time. Descriptors are not looked at. */
void plugin_host_pass(struct rv_instance *host, uint64_t ns);
/* Only up to the first timer that is due until `end`, which fires. False: there is none. */
bool plugin_host_fire_next(struct rv_instance *host, uint64_t end);
/* One pass of the loop runs what has been posted. False: nothing has. */
bool plugin_host_run_work(struct rv_instance *host);
/* When the first timer fires, or PLUGIN_HOST_NEVER. */
uint64_t plugin_host_timer_at(const struct rv_instance *host);
uint64_t plugin_host_now(const struct rv_instance *host);

/*
 * A command of the user, as the vmm gives it. It lives as long as the host: an answer may come
 * later, and is -ECANCELED if the device goes first.
 */
const struct rv_reply *plugin_host_command(struct rv_instance *host, const char *name,
                                           const char *json);
/* The user changes a property while the guest runs: 0, -ENOENT, -EPERM or what the device said. */
int plugin_host_change(struct rv_instance *host, const char *name, const char *value);
/* A property's value now. NULL: there is none. The text lives until the next call. */
const char *plugin_host_show(struct rv_instance *host, const char *name);

uint64_t plugin_host_counter(const struct rv_instance *host, const char *name);
struct virtio_device *plugin_host_virtio(struct rv_instance *host);

/* The reader has read: it takes `room` bytes more. */
void plugin_host_chr_room(struct rv_chr *chr, size_t room);
/* Somebody types: how much of it the device takes at once, and how much in all. */
size_t plugin_host_chr_input_once(struct rv_chr *chr, const void *data, size_t len);
size_t plugin_host_chr_input(struct rv_chr *chr, const void *data, size_t len);
void plugin_host_chr_connected(struct rv_chr *chr, bool connected);
/* Forgets the output so far. */
void plugin_host_chr_clear(struct rv_chr *chr);

/* The disk has `sectors` of 512 bytes, each filled with its number. */
void plugin_host_disk_init(struct rv_instance *host, uint64_t sectors);
/*
 * Does the pending request `index`, or fails it with `error`; `last`: it is the last of this
 * round.
 */
void plugin_host_disk_complete(struct rv_disk *disk, unsigned index, int error, bool last);
void plugin_host_disk_complete_all(struct rv_disk *disk);
/* Ends what was cancelled, as disk_drain and the loop do. */
void plugin_host_disk_end_cancelled(struct rv_disk *disk);
/* The loop's pass after disk_resize: calls changed() if the size is another one. */
void plugin_host_disk_tell_size(struct rv_disk *disk);

/* Network back ends are the program's own: its functions NAME_open() to NAME_close(). */
#define PLUGIN_HOST_NET(ops, name)                     \
    do {                                               \
        (ops)->net_open = name##_open;                 \
        (ops)->net_info = name##_info;                 \
        (ops)->net_send = name##_send;                 \
        (ops)->net_receive = name##_receive;           \
        (ops)->net_want = name##_want;                 \
        (ops)->net_set_offloads = name##_set_offloads; \
        (ops)->net_set_pairs = name##_set_pairs;       \
        (ops)->net_close = name##_close;               \
    } while (0)
