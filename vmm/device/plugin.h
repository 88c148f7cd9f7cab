/* SPDX-License-Identifier: BSD-2-Clause */
/* Device classes: which there are, and the shared objects that they come from. */
#pragma once

#include <ringvisor/device.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PLUGIN_REGIONS_MAX 8u

/* A shared object, which may have several classes. */
struct plugin_object {
    struct plugin_object *next;
    char *file;
    void *handle;
    uint64_t dev; /* st_dev and st_ino of the file: it counts once, by whatever path */
    uint64_t ino;
};

/* One class. What it points to is copied into structs of our size, with zeros for what is not there. */
struct plugin {
    struct rv_device_class class;
    const struct plugin_object *object;
    const char *file; /* the object's */
    struct rv_property *properties;
    struct rv_command_info *commands;
    struct rv_region *regions, *pci_regions;
    struct rv_range *posted[PLUGIN_REGIONS_MAX];
    struct rv_fdt_node fdt;
};

struct plugins;

struct plugins *plugin_new(void);

/* Unloads them all: the devices must be gone. */
void plugin_free(struct plugins *plugins);

/*
 * Loads one shared object. 0, also when it is loaded already; or, after a message:
 * -ENOENT: cannot be loaded; -EPROTO: not a plugin of an ABI that we speak;
 * -EINVAL: a class is malformed; -EEXIST: a class of that name is there;
 * -ENOMEM. The object's other classes are there nevertheless.
 */
int plugin_load(struct plugins *plugins, const char *file);

/*
 * Loads every *.so of the directories in `path` (NULL-terminated, may be
 * NULL), then of those in $VMM_PLUGIN_PATH (separated by colons), then of
 * `builtin` (may be NULL), each in the order of the file names. The first of
 * a name wins. A bad one gives a message and the others still load. Returns
 * how many plugins and directories failed.
 */
unsigned plugin_load_path(struct plugins *plugins, const char *const *path, const char *builtin);

/* NULL: there is none of that name. */
const struct plugin *plugin_find(const struct plugins *plugins, const char *name);

/* In the order of loading. */
size_t plugin_count(const struct plugins *plugins);
const struct plugin *plugin_at(const struct plugins *plugins, size_t index);

/* `vmm devices`: name, description and file, a line each, by name. */
void plugin_list(const struct plugins *plugins, FILE *out);

/* `vmm devices NAME`: that, its place and its properties. -ENOENT after a message that names the others. */
int plugin_describe(const struct plugins *plugins, const char *name, FILE *out);

/* Says that there is no device `name`, and which there are. */
void plugin_unknown(const struct plugins *plugins, const char *name);
