/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_firmware.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util/hash.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_devices.h"

#define BOOT_INDEX_NONE 65535u /* the default of the property */

/* A device that has a place in the boot order. */
struct boot_entry {
    unsigned index;
    const struct rv_instance *device;
};

/* A value, in which a comma is written twice. */
static void put_value(FILE *out, const char *name, const char *value)
{
    fprintf(out, ",%s=", name);
    for (; *value; value++) {
        if (*value == ',')
            fputc(',', out);
        fputc(*value, out);
    }
}

/* What EDK2 calls a device: behind its virtio-mmio transport, and on PCI with its own node. */
static const struct boot_name {
    const char *class, *name, *pci;
} * boot_name(const struct rv_instance *device)
{
    static const struct boot_name names[] = {
        {"virtio-blk", "disk@0,0", "scsi"},
        {"vhost-user-blk", "disk@0,0", "scsi"},
        {"virtio-net", "ethernet-phy@0", "ethernet"},
    };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(device_class(device)->name, names[i].class) == 0)
            return &names[i];
    return NULL;
}

/*
 * An OpenFirmware path as QEMU has it and EDK2 translates it (OvmfPkg, QemuBootOrderLib). The PCI
 * root's unit is that of a PC's, whatever the board.
 */
static void put_path(FILE *out, const struct rv_instance *device)
{
    const struct boot_name *name = boot_name(device);
    unsigned slot = device_pci_slot(device);
    char path[64];

    if (slot)
        snprintf(path, sizeof(path), "/pci@i0cf8/%s@%x/%s", name->pci, slot, name->name);
    else
        snprintf(path, sizeof(path), "/virtio-mmio@%016" PRIx64 "/%s", device_base(device, 0).v,
                 name->name);
    put_value(out, "boot", path);
}

static unsigned boot_index(struct rv_instance *device)
{
    char *text = boot_name(device) ? device_get(device, "bootindex") : NULL;
    unsigned index = text ? (unsigned)strtoul(text, NULL, 0) : BOOT_INDEX_NONE;

    free(text);
    return index;
}

/* The entries by their index. False after a message: two have the same. */
static bool find_entries(const struct vm *vm, struct boot_entry *entries, unsigned *count)
{
    *count = 0;
    for (unsigned i = 0; i < vm->nr_devices; i++) {
        struct boot_entry entry = {boot_index(vm->devices[i]), vm->devices[i]};
        unsigned at = *count;

        if (entry.index == BOOT_INDEX_NONE)
            continue;
        for (; at && entries[at - 1].index >= entry.index; at--) {
            if (entries[at - 1].index == entry.index) {
                log_error("devices '%s' and '%s' both have bootindex=%u",
                          device_name(entries[at - 1].device), device_name(entry.device),
                          entry.index);
                return false;
            }
            entries[at] = entries[at - 1];
        }
        entries[at] = entry;
        ++*count;
    }
    return true;
}

/* What the user gave for the device beside its name, once or several times. */
static void put_given(const struct vm *vm, FILE *out)
{
    for (unsigned i = 0; i < vm->config.nr_devices; i++)
        if (vm_devices_names(vm->config.devices[i], VM_FW_CFG))
            fputs(vm->config.devices[i] + strlen(VM_FW_CFG), out);
}

/* Has the user given it? `property` is ",NAME=". */
static bool has_own(const struct vm *vm, const char *property)
{
    for (unsigned i = 0; i < vm->config.nr_devices; i++)
        if (vm_devices_names(vm->config.devices[i], VM_FW_CFG) &&
            strstr(vm->config.devices[i], property))
            return true;
    return false;
}

/* One that stays with the guest's name: RFC 9562, version 8, whose contents are the maker's. */
static void put_uuid(FILE *out, const char *name)
{
    uint64_t hash = hash_text(HASH_START, name);
    uint64_t high = (hash_mix(hash) & ~0xf000ull) | 0x8000;
    uint64_t low = (hash_mix(hash + 1) & ~(3ull << 62)) | 1ull << 63;

    fprintf(out, ",uuid=%08x-%04x-%04x-%04x-%012" PRIx64, (unsigned)(high >> 32),
            (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
            low & 0xffffffffffff);
}

static void put_all(const struct vm *vm, FILE *out, const struct boot_entry *entries,
                    unsigned count)
{
    const struct loader_config *files = &vm->config.files;

    fputs(VM_FW_CFG, out);
    put_given(vm, out);
    fprintf(out, ",memory=%" PRIu64 ",cpus=%u", vm->config.ram_size, vm->config.nr_vcpus);
    if (vm->config.name && !has_own(vm, ",uuid="))
        put_uuid(out, vm->config.name);
    if (vm->config.name && !has_own(vm, ",serial="))
        put_value(out, "serial", vm->config.name);
    if (files->kernel)
        put_value(out, "kernel", files->kernel);
    for (unsigned i = 0; i < LOADER_INITRDS_MAX && files->initrds[i]; i++)
        put_value(out, "initrd", files->initrds[i]);
    if (files->kernel && vm->config.bootargs)
        put_value(out, "cmdline", vm->config.bootargs);
    for (unsigned i = 0; i < count; i++)
        put_path(out, entries[i].device);
}

char *vm_firmware_device(const struct vm *vm)
{
    struct boot_entry entries[VM_MAX_DEVICES];
    char *text = NULL;
    size_t size;
    unsigned count;
    FILE *out;

    if (!find_entries(vm, entries, &count))
        return NULL;
    out = open_memstream(&text, &size);
    if (out) {
        put_all(vm, out, entries, count);
        if (fclose(out) == 0)
            return text;
    }
    free(text);
    log_error("out of memory");
    return NULL;
}
