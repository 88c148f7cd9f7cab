/* SPDX-License-Identifier: BSD-2-Clause */
/* What the vmm offers to a device: struct rv_vmm_ops. Included by ringvisor/device.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ringvisor/chr.h>
#include <ringvisor/disk.h>
#include <ringvisor/net.h>
#include <ringvisor/pci.h>

struct rv_instance; /* one device of one guest, as the vmm has it */
struct rv_timer;    /* one of its timers */
struct rv_watch;    /* a file descriptor that it watches */
struct rv_work;     /* a function of it that any thread may have called */
struct rv_listener; /* a Unix socket on which it listens */
struct rv_reply;    /* the user's command that waits for its answer */

enum rv_log_level { RV_LOG_ERROR, RV_LOG_WARN, RV_LOG_INFO, RV_LOG_DEBUG };

/* For fd_watch and fd_change. */
#define RV_FD_READ  0x1u
#define RV_FD_WRITE 0x2u

/* For mem_map: what the device does with the bytes. */
#define RV_MEM_READ  0x1u
#define RV_MEM_WRITE 0x2u

/* For allow: what a device does after the guest has started. */
#define RV_ALLOW_READ   0x1u /* opens the file, or files below the folder, to read */
#define RV_ALLOW_CHANGE 0x2u /* does all there that its user may: write, make, remove, attributes */
#define RV_ALLOW_UNIX   0x4u /* connects to Unix sockets, of whatever path; `path` is NULL */

/* rv_mem_region.flags */
#define RV_MEM_READ_ONLY 0x1u /* mem_map for writing is refused */
/*
 * Each write by another process must be told (mem_dirty) before the guest can learn of it, or
 * the guest may execute what was there before.
 */
#define RV_MEM_REPORT 0x2u
/*
 * Also of mem_map's access. Parts of the region may not have been read from a snapshot yet. A
 * mapping for RV_MEM_LATE, too, has them all the same: mem_need is due for what is used there.
 */
#define RV_MEM_LATE 0x4u

/* A piece of guest memory as another process can map it. */
struct rv_mem_region {
    uint32_t size;   /* in: of this struct in the device */
    uint32_t flags;  /* RV_MEM_READ_ONLY, RV_MEM_REPORT, RV_MEM_LATE */
    uint64_t ipa;    /* its first guest physical address */
    uint64_t bytes;  /* how long it is */
    uint64_t offset; /* where it begins in `fd` */
    int32_t fd;      /* shared memory; the vmm's, open as long as the region is there; -1: none */
    uint32_t reserved;
};

enum rv_request_type {
    RV_REQUEST_RESET,     /* system reset, as PSCI's SYSTEM_RESET */
    RV_REQUEST_POWER_OFF, /* the guest is done: the vmm ends with status `code` (0 to 125) */
    RV_REQUEST_PANIC,     /* the guest said that it cannot go on; `code` is for the message */
};

/* What a device asks of the machine. */
struct rv_request {
    uint32_t size; /* sizeof(struct rv_request) */
    uint32_t type; /* enum rv_request_type */
    int32_t code;
    uint32_t reserved;
};

/*
 * Each operation takes the `instance` that create() was given, and may be called from
 * create() on until destroy() returns. All but post() are for the vmm's loop alone. A handle
 * that is not the instance's, or no longer, is refused with a message. What an instance has
 * not freed when destroy() returns, the vmm frees.
 *
 * The struct grows at its end. So will come, for example, a query of the vCPU's registers; a
 * device asks RV_HAS_OP before it uses an operation that version 1 did not have.
 */
struct rv_vmm_ops {
    uint32_t size; /* of this struct in the vmm that runs: see RV_HAS_OP */
    uint32_t abi;  /* RV_DEVICE_ABI of that vmm */

    /* `level` is an enum rv_log_level. */
    void (*log)(struct rv_instance *instance, uint32_t level, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

    /* "pl011@9000000": unique in the VM, the same in each run. */
    const char *(*name)(struct rv_instance *instance);

    /*
     * Interrupts. Line 0 is the device's first. irq_set gives a line's level; calls that
     * change nothing cost little. irq_pulse is for the lines in `irq_edge`: one edge, one
     * interrupt.
     */
    void (*irq_set)(struct rv_instance *instance, uint32_t line, bool level);
    void (*irq_pulse)(struct rv_instance *instance, uint32_t line);

    /*
     * Guest memory: `len` bytes from guest physical address `ipa`, any alignment. Only
     * memory is reached, never a device. mem_read and mem_write copy all bytes or none: 0,
     * or -EFAULT if not every byte is memory.
     *
     * mem_map gives the address of `len` bytes (at least 1) that are contiguous in this
     * process, for RV_MEM_READ, RV_MEM_WRITE or both; NULL if they are not contiguous, not
     * all memory, or not to be written. The address holds until mem_unmap with the same
     * `at` and `len`. Memory may come and go while the guest runs: mem_changed() tells, and
     * what lies in a region that goes must be unmapped before that callback returns. The
     * guest may change the bytes at any time: load once into a local, check the local, use
     * the local.
     *
     * After a write through a mapping call mem_dirty for what was written, before the guest
     * can learn of it. Without that the guest may run stale instructions, and a migration
     * lose the write.
     */
    int (*mem_read)(struct rv_instance *instance, uint64_t ipa, void *to, uint64_t len);
    int (*mem_write)(struct rv_instance *instance, uint64_t ipa, const void *from, uint64_t len);
    void *(*mem_map)(struct rv_instance *instance, uint64_t ipa, uint64_t len, uint32_t access);
    void (*mem_unmap)(struct rv_instance *instance, void *at, uint64_t len);
    void (*mem_dirty)(struct rv_instance *instance, uint64_t ipa, uint64_t len);

    /*
     * mem_region: the `index`th region of memory, also for a process that serves the device
     * (vhost-user): 0, or -ENOENT after the last. The device marks what such a process
     * writes by mem_dirty. The list changes only with mem_changed().
     *
     * mem_discard: the guest does not need these bytes, which are whole pages of 4 KiB. The
     * host gets their memory back, and they read as zero from now on. 0, -EFAULT (not
     * memory), -EINVAL (not whole pages), -EOPNOTSUPP (this machine cannot), or another -errno of
     * the host's.
     */
    int (*mem_region)(struct rv_instance *instance, uint32_t index, struct rv_mem_region *region);
    int (*mem_discard)(struct rv_instance *instance, uint64_t ipa, uint64_t len);

    /*
     * Time. now_ns is the VM's clock, which never goes backwards: its offset from the host's
     * clock is part of the VM's state, so a deadline in the state block holds in the next
     * vmm, on another host, and after the host has booted again. It does not count the time
     * in which the VM is only a snapshot. wall_ns is since 1970-01-01 UTC and may be set.
     *
     * A timer is one-shot: it fires once, in the loop, at or soon after `at_ns` of now_ns (a
     * time that has passed: in the next pass). timer_set moves one that is set already;
     * timer_cancel of one that is not set does nothing. timer_new: NULL when out of memory.
     */
    uint64_t (*now_ns)(struct rv_instance *instance);
    uint64_t (*wall_ns)(struct rv_instance *instance);
    struct rv_timer *(*timer_new)(struct rv_instance *instance, void (*fired)(void *opaque),
                                  void *opaque);
    void (*timer_set)(struct rv_instance *instance, struct rv_timer *timer, uint64_t at_ns);
    void (*timer_cancel)(struct rv_instance *instance, struct rv_timer *timer);
    void (*timer_free)(struct rv_instance *instance, struct rv_timer *timer);

    /*
     * A descriptor of the device's own in the loop: `ready` is called as long as one of
     * `events` (RV_FD_READ, RV_FD_WRITE; 0: none for now) holds, with those that do; an error
     * or hang-up counts as both. Remove the watch before the descriptor is closed. fd_watch:
     * NULL after a message. fd_change: 0 or -errno.
     */
    struct rv_watch *(*fd_watch)(struct rv_instance *instance, int fd, uint32_t events,
                                 void (*ready)(void *opaque, uint32_t events), void *opaque);
    int (*fd_change)(struct rv_instance *instance, struct rv_watch *watch, uint32_t events);
    void (*fd_remove)(struct rv_instance *instance, struct rv_watch *watch);

    /*
     * Threads. A device may have threads of its own, which call nothing here but post():
     * `run` is then called in the loop, soon. Several posts before it runs are one call.
     * post() never fails, never blocks for long, and orders memory: `run` sees what the
     * thread wrote before it. No thread may post any more when work_free is called.
     * work_new: NULL when out of memory.
     */
    struct rv_work *(*work_new)(struct rv_instance *instance, void (*run)(void *opaque),
                                void *opaque);
    void (*post)(struct rv_instance *instance, struct rv_work *work);
    void (*work_free)(struct rv_instance *instance, struct rv_work *work);

    /*
     * The instance's value of a declared property: what the user gave, or the default,
     * checked against the declaration; what was set at run time once set() has taken it.
     * property_string serves STRING and PATH and gives NULL if there is neither; the text
     * lives until the property is set anew. property_uint serves UINT and SIZE,
     * property_enum gives the index in `choices`. Of a list these give the first element.
     *
     * property_count: how many values the user gave (of a list without any: 1 if there is a
     * default). property_item: the text of each, whatever the type; NULL behind the last.
     */
    const char *(*property_string)(struct rv_instance *instance, const char *name);
    uint64_t (*property_uint)(struct rv_instance *instance, const char *name);
    bool (*property_bool)(struct rv_instance *instance, const char *name);
    uint32_t (*property_enum)(struct rv_instance *instance, const char *name);
    uint32_t (*property_count)(struct rv_instance *instance, const char *name);
    const char *(*property_item)(struct rv_instance *instance, const char *name, uint32_t index);

    /*
     * The answer to a command(): `error` 0 or -errno, `json` an object or NULL. Once for each
     * command that was taken, from inside of it or later.
     */
    void (*reply)(struct rv_instance *instance, struct rv_reply *reply, int error,
                  const char *json);

    /*
     * A further state block, for what depends on properties (as many queues as the user
     * wants). Only in create(). `name` is of at most 12 characters, unique in the instance.
     * Zeroed, or what was there before when the instance is taken over; upgrade() is asked
     * if it was of an older version. NULL after a message: no room, or another version or
     * size than it was.
     *
     * state_resize: a block that came from state_block, with another size: its new address,
     * with the old bytes up to the shorter size and zeros behind; NULL after a message, and
     * the old one stays. A later vmm's state_block with size 0 takes the size that it has:
     * state_size tells it.
     */
    void *(*state_block)(struct rv_instance *instance, const char *name, uint32_t version,
                         uint64_t size);
    void *(*state_resize)(struct rv_instance *instance, void *block, uint64_t size);
    uint64_t (*state_size)(struct rv_instance *instance, const void *block);

    /* The end of a quiesce() that returned -EINPROGRESS. */
    void (*quiesced)(struct rv_instance *instance);

    /* Asks the machine for something; it is done after the callback has returned. */
    void (*request)(struct rv_instance *instance, const struct rv_request *request);

    /*
     * A counter that the vmm shows by this name: "requests", "bytes-read". The device adds
     * to it, in the loop; the vmm may read it at any time. Never NULL. Lives as long as the
     * instance. A name that there is already gives the same counter.
     */
    uint64_t *(*counter)(struct rv_instance *instance, const char *name, const char *help);

    /*
     * Character back ends: see ringvisor/chr.h. `spec` is what the user typed, NULL the
     * board's default: the vmm's standard input and output for the first that asks for it,
     * none for others. NULL after a message.
     */
    struct rv_chr *(*chr_open)(struct rv_instance *instance, const char *spec,
                               const struct rv_chr_callbacks *callbacks, void *opaque);
    uint64_t (*chr_write)(struct rv_instance *instance, struct rv_chr *chr, const uint8_t *data,
                          uint64_t len);
    void (*chr_accept)(struct rv_instance *instance, struct rv_chr *chr);
    void (*chr_close)(struct rv_instance *instance, struct rv_chr *chr);

    /* Disks: see ringvisor/disk.h. disk_open: 0, or -errno after a message. */
    int (*disk_open)(struct rv_instance *instance, const struct rv_disk_options *options,
                     struct rv_disk **disk);
    const struct rv_disk_info *(*disk_info)(struct rv_instance *instance, struct rv_disk *disk);
    void (*disk_submit)(struct rv_instance *instance, struct rv_disk *disk,
                        struct rv_disk_request *request);
    void (*disk_kick)(struct rv_instance *instance, struct rv_disk *disk);
    int (*disk_cancel)(struct rv_instance *instance, struct rv_disk *disk,
                       struct rv_disk_request *request);
    void (*disk_drain_begin)(struct rv_instance *instance, struct rv_disk *disk,
                             void (*drained)(void *opaque), void *opaque);
    int (*disk_drain)(struct rv_instance *instance, struct rv_disk *disk, int32_t timeout_ms);
    int (*disk_resize)(struct rv_instance *instance, struct rv_disk *disk, uint64_t size);
    void (*disk_close)(struct rv_instance *instance, struct rv_disk *disk);

    /* Network back ends: see ringvisor/net.h. */
    int (*net_open)(struct rv_instance *instance, const struct rv_net_options *options,
                    struct rv_net **net);
    const struct rv_net_info *(*net_info)(struct rv_instance *instance, struct rv_net *net);
    int (*net_send)(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                    const struct iovec *iov, uint32_t count);
    int64_t (*net_receive)(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                           const struct iovec *iov, uint32_t count);
    void (*net_want)(struct rv_instance *instance, struct rv_net *net, uint32_t pair, bool want);
    void (*net_set_offloads)(struct rv_instance *instance, struct rv_net *net, uint64_t features);
    int (*net_set_pairs)(struct rv_instance *instance, struct rv_net *net, uint32_t pairs);
    void (*net_close)(struct rv_instance *instance, struct rv_net *net);
    int (*net_address)(struct rv_instance *instance, const char *text, uint8_t address[6]);

    /*
     * Memory of a region that is declared RV_REGION_MEMORY, for what a guest reads or executes
     * without exits, such as a flash chip in array mode; with RV_REGION_DATA for what it only
     * reads, such as status registers whose reads change nothing. A posted write is then not
     * yet in what the guest reads after it.
     *
     * region_memory: the region's bytes, zeroed, or with RV_CREATE_RESUME what they were. Only
     * in create(). NULL after a message: there is none.
     *
     * region_show: from now on the guest reads and executes these bytes (`shown`), or its reads
     * come to read() again, as at first. Writes always come to write(). Before the operation
     * returns, no vCPU can reach the bytes that are not shown any more.
     *
     * region_dirty: the device has written these bytes. Call it before the guest can learn of
     * that; without it the guest may read or execute what was there before.
     */
    void *(*region_memory)(struct rv_instance *instance, uint32_t region);
    void (*region_show)(struct rv_instance *instance, uint32_t region, bool shown);
    void (*region_dirty)(struct rv_instance *instance, uint32_t region, uint64_t offset,
                         uint64_t len);

    /*
     * A Unix stream socket at `path`, of 1 to 96 characters, on which the device listens. A
     * socket that a dead process left there is replaced. `accepted` gets each connection from
     * the loop: `fd` is the device's, non-blocking and closed on exec. When the process has no
     * descriptor left, connections wait. listener_open: 0, or -errno after a message.
     * listener_close removes the socket.
     */
    int (*listener_open)(struct rv_instance *instance, const char *path,
                         void (*accepted)(void *opaque, int fd), void *opaque,
                         struct rv_listener **listener);
    void (*listener_close)(struct rv_instance *instance, struct rv_listener *listener);

    /*
     * PCI. pci_function: what the instance's function looks like. Only in create(), once, and
     * needed of an instance that is on the PCI bus. 0; -ENODEV: the instance is on another bus;
     * -EINVAL after a message.
     *
     * irq_message: an interrupt by the message of this vector. 0: it is sent, or waits until
     * the guest unmasks it; so does one of a vector that there is not, which is none. -ENXIO:
     * the guest has not chosen messages, so line 0 counts, which is a level: irq_set.
     */
    int (*pci_function)(struct rv_instance *instance, const struct rv_pci_function *function);
    int (*irq_message)(struct rv_instance *instance, uint32_t vector);

    /*
     * The sandbox (vmm run --sandbox) lets a running device use what it opened in create(), and
     * nothing else: open() and socket() fail. allow() makes an exception: RV_ALLOW_x. Only in
     * create(). 0, or -errno: the path cannot be opened.
     */
    int (*allow)(struct rv_instance *instance, uint32_t what, const char *path);

    /*
     * These bytes, which are memory, are about to be read or written through a mapping for
     * RV_MEM_LATE, by this process or the kernel. It may take as long as reading 2 MiB of a file.
     */
    void (*mem_need)(struct rv_instance *instance, uint64_t ipa, uint64_t len);

    /*
     * An access to a device without rings counts once, even if the vmm dies within it: its state
     * blocks of up to 4 KiB are copied before, and put back. Of this block, which came from
     * state_block, the first `size` bytes are enough: those behind them have no meaning until these
     * say so, such as a buffer whose length stands in front of it. Only in create().
     */
    void (*state_undone)(struct rv_instance *instance, const void *block, uint64_t size);

    /*
     * From now on writes to these bytes of the region may be posted, as if `posted` of the region
     * named them; `size` 0: not any more. For a device whose registers are such only for a while,
     * such as the data of a buffer. Writes that are on their way when the device says so come
     * posted (RV_ACCESS_POSTED) all the same. A VM has one such window, for the region that asks
     * first, until it gives it back.
     */
    void (*region_post)(struct rv_instance *instance, uint32_t region, uint64_t offset,
                        uint64_t size);

    /*
     * How many posted writes to these bytes of the region have vCPUs made, at most, of which the
     * device has not been told yet? After any later one, a vCPU sees what this device has written to
     * guest memory before. So a device whose driver acknowledges interrupts by a posted write asks
     * this when it interrupts: so many acknowledgements that come may be of earlier interrupts, and
     * after each of them this one has to be made again.
     */
    uint32_t (*writes_pending)(struct rv_instance *instance, uint32_t region, uint64_t offset,
                               uint64_t size);
};

/* Does the vmm that runs have this operation? For those that version 1 did not have. */
#define RV_HAS_OP(ops, op) \
    ((ops)->size >= offsetof(struct rv_vmm_ops, op) + sizeof((ops)->op) && (ops)->op != NULL)
