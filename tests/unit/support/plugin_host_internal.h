/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of plugin_host: the operations that stand in files of their own. */
#pragma once

#include "tests/unit/support/plugin_host.h"

/* plugin_host_property.c */
const char *plugin_host_given(struct rv_instance *host, const char *name); /* or the default */
const char *plugin_host_property_string(struct rv_instance *host, const char *name);
uint64_t plugin_host_property_uint(struct rv_instance *host, const char *name);
bool plugin_host_property_bool(struct rv_instance *host, const char *name);
unsigned plugin_host_property_enum(struct rv_instance *host, const char *name);
uint32_t plugin_host_property_count(struct rv_instance *host, const char *name);
const char *plugin_host_property_item(struct rv_instance *host, const char *name, uint32_t index);

/* plugin_host_command.c */
void plugin_host_reply(struct rv_instance *host, struct rv_reply *reply, int error,
                       const char *json);
void plugin_host_commands_cancel(struct rv_instance *host);

/* plugin_host_time.c */
uint64_t plugin_host_now_ns(struct rv_instance *host);
uint64_t plugin_host_wall_ns(struct rv_instance *host);
struct rv_timer *plugin_host_timer_new(struct rv_instance *host, void (*fired)(void *opaque),
                                       void *opaque);
void plugin_host_timer_set(struct rv_instance *host, struct rv_timer *timer, uint64_t at);
void plugin_host_timer_cancel(struct rv_instance *host, struct rv_timer *timer);
void plugin_host_timer_free(struct rv_instance *host, struct rv_timer *timer);
struct rv_watch *plugin_host_fd_watch(struct rv_instance *host, int fd, unsigned events,
                                      void (*ready)(void *opaque, unsigned events), void *opaque);
int plugin_host_fd_change(struct rv_instance *host, struct rv_watch *watch, unsigned events);
void plugin_host_fd_remove(struct rv_instance *host, struct rv_watch *watch);
int plugin_host_listener_open(struct rv_instance *host, const char *path,
                              void (*accepted)(void *opaque, int fd), void *opaque,
                              struct rv_listener **result);
void plugin_host_listener_close(struct rv_instance *host, struct rv_listener *listener);
struct rv_work *plugin_host_work_new(struct rv_instance *host, void (*run)(void *opaque),
                                     void *opaque);
void plugin_host_post(struct rv_instance *host, struct rv_work *work);
void plugin_host_work_free(struct rv_instance *host, struct rv_work *work);

/* plugin_host_chr.c */
struct rv_chr *plugin_host_chr_open(struct rv_instance *host, const char *spec,
                                    const struct rv_chr_callbacks *callbacks, void *opaque);
size_t plugin_host_chr_write(struct rv_instance *host, struct rv_chr *chr, const uint8_t *data,
                             size_t len);
void plugin_host_chr_accept(struct rv_instance *host, struct rv_chr *chr);
void plugin_host_chr_close(struct rv_instance *host, struct rv_chr *chr);

/* plugin_host_disk.c */
int plugin_host_disk_open(struct rv_instance *host, const struct rv_disk_options *options,
                          struct rv_disk **disk);
const struct rv_disk_info *plugin_host_disk_info(struct rv_instance *host, struct rv_disk *disk);
void plugin_host_disk_submit(struct rv_instance *host, struct rv_disk *disk,
                             struct rv_disk_request *request);
void plugin_host_disk_kick(struct rv_instance *host, struct rv_disk *disk);
void plugin_host_disk_close(struct rv_instance *host, struct rv_disk *disk);
int plugin_host_disk_cancel(struct rv_instance *host, struct rv_disk *disk,
                            struct rv_disk_request *request);
int plugin_host_disk_drain(struct rv_instance *host, struct rv_disk *disk, int timeout_ms);
int plugin_host_disk_resize(struct rv_instance *host, struct rv_disk *disk, uint64_t size);
