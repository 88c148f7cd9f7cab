/* SPDX-License-Identifier: BSD-2-Clause */
/* The core's side of one device instance: what the files vmm/device*.c share. */
#pragma once

#include "vmm/device/device.h"

#define DEVICE_SPI_BASE 32u /* INTID of SPI 0: IHI 0069, 2.2 */

enum device_line { DEVICE_LINE_UNKNOWN, DEVICE_LINE_LOW, DEVICE_LINE_HIGH };
enum device_phase { DEVICE_STOPPED, DEVICE_RUNS, DEVICE_QUIESCING };

/*
 * What an instance has of the core is in one list, whatever it is: so a plugin
 * that frees something twice is found out, and what it forgets is freed.
 */
enum device_handle_kind {
    DEVICE_HANDLE_TIMER,
    DEVICE_HANDLE_WATCH,
    DEVICE_HANDLE_CHR,
    DEVICE_HANDLE_DISK,
    DEVICE_HANDLE_NET,
};

struct device_handle {
    struct device_handle *next;
    struct rv_instance *instance;
    enum device_handle_kind kind;
};

struct device_counter {
    struct device_counter *next;
    uint64_t value;
    char name[];
};

struct rv_instance {
    struct device_env env;
    const struct rv_device_class *class;
    void *device; /* the plugin's */
    char *name;
    ipa_t base;
    uint32_t first_spi;
    char **values; /* one for each of the class's properties, or NULL: its default */
    enum device_line *lines;
    struct bus_ops bus_ops;
    struct device_handle *handles;
    struct device_counter *counters;
    uint64_t lost_counter; /* for those that there was no memory for */
    enum device_phase phase;
    unsigned bugs;
    bool creating;
    bool created;
    bool on_bus;
};

/* device_ops.c: all of it as the plugin gets it. */
extern const struct rv_vmm_ops device_ops;

/* "device 'x': ...: a bug of the plugin". Goes quiet after some: the guest may cause them. */
void device_bug(struct rv_instance *instance, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts a new handle, which is zeroed but for the caller's fields, into the list. */
void device_handle_add(struct rv_instance *instance, struct device_handle *handle,
                       enum device_handle_kind kind);

/* Is it one of this instance, of that kind? Says that it is not, for the call `what`. */
bool device_handle_check(struct rv_instance *instance, const void *handle,
                         enum device_handle_kind kind, const char *what);

/* Takes it out of the list. */
void device_handle_remove(struct rv_instance *instance, const struct device_handle *handle);

/* device_property.c */
int device_properties_parse(struct rv_instance *instance, const char *text);
void device_properties_free(struct rv_instance *instance);
const char *device_property_string(struct rv_instance *instance, const char *name);
uint64_t device_property_uint(struct rv_instance *instance, const char *name);
bool device_property_bool(struct rv_instance *instance, const char *name);
unsigned device_property_enum(struct rv_instance *instance, const char *name);

/* device_loop.c */
uint64_t device_now_ns(struct rv_instance *instance);
uint64_t device_wall_ns(struct rv_instance *instance);
struct rv_timer *device_timer_new(struct rv_instance *instance, void (*fired)(void *opaque),
                                  void *opaque);
void device_timer_set(struct rv_instance *instance, struct rv_timer *timer, uint64_t at_ns);
void device_timer_cancel(struct rv_instance *instance, struct rv_timer *timer);
void device_timer_free(struct rv_instance *instance, struct rv_timer *timer);
struct rv_watch *device_fd_watch(struct rv_instance *instance, int fd, unsigned events,
                                 void (*ready)(void *opaque, unsigned events), void *opaque);
int device_fd_change(struct rv_instance *instance, struct rv_watch *watch, unsigned events);
void device_fd_remove(struct rv_instance *instance, struct rv_watch *watch);

/* device_chr.c */
struct rv_chr *device_chr_open(struct rv_instance *instance, const char *spec,
                               const struct rv_chr_callbacks *callbacks, void *opaque);
size_t device_chr_write(struct rv_instance *instance, struct rv_chr *chr, const uint8_t *data,
                        size_t len);
void device_chr_accept(struct rv_instance *instance, struct rv_chr *chr);
void device_chr_close(struct rv_instance *instance, struct rv_chr *chr);

/* device_disk.c */
int device_disk_open(struct rv_instance *instance, const struct rv_disk_options *options,
                     struct rv_disk **disk);
const struct rv_disk_info *device_disk_info(struct rv_instance *instance, struct rv_disk *disk);
void device_disk_submit(struct rv_instance *instance, struct rv_disk *disk,
                        struct rv_disk_request *request);
void device_disk_kick(struct rv_instance *instance, struct rv_disk *disk);
void device_disk_close(struct rv_instance *instance, struct rv_disk *disk);
int device_disk_drain(struct rv_instance *instance, struct rv_disk *disk, int timeout_ms);
int device_disk_resize(struct rv_instance *instance, struct rv_disk *disk, uint64_t capacity);

/* device_net.c */
int device_net_open(struct rv_instance *instance, const struct rv_net_options *options,
                    struct rv_net **net);
const struct rv_net_info *device_net_info(struct rv_instance *instance, struct rv_net *net);
int device_net_send(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                    const struct iovec *iov, uint32_t count);
int64_t device_net_receive(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                           const struct iovec *iov, uint32_t count);
void device_net_want(struct rv_instance *instance, struct rv_net *net, uint32_t pair, bool want);
void device_net_set_offloads(struct rv_instance *instance, struct rv_net *net, uint64_t features);
int device_net_set_pairs(struct rv_instance *instance, struct rv_net *net, uint32_t pairs);
void device_net_close(struct rv_instance *instance, struct rv_net *net);
int device_net_address(struct rv_instance *instance, const char *text, uint8_t address[6]);
