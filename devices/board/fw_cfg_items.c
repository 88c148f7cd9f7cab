/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The items: keys and contents as of QEMU's docs/specs/fw_cfg.rst. Firmware that is given a
 * kernel reads it from here (EDK2's QemuKernelLoaderFsDxe, U-Boot's qfw).
 */
#include "fw_cfg_items.h"
#include "fw_cfg_smbios.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FW_CFG_KEY_SIGNATURE    0x00u
#define FW_CFG_KEY_ID           0x01u
#define FW_CFG_KEY_UUID         0x02u
#define FW_CFG_KEY_RAM_SIZE     0x03u
#define FW_CFG_KEY_NB_CPUS      0x05u
#define FW_CFG_KEY_KERNEL_SIZE  0x08u
#define FW_CFG_KEY_INITRD_SIZE  0x0bu
#define FW_CFG_KEY_MAX_CPUS     0x0fu
#define FW_CFG_KEY_KERNEL       0x11u
#define FW_CFG_KEY_INITRD       0x12u
#define FW_CFG_KEY_CMDLINE_SIZE 0x14u
#define FW_CFG_KEY_CMDLINE      0x15u
#define FW_CFG_KEY_DIRECTORY    0x19u
#define FW_CFG_KEY_FIRST_FILE   0x20u

#define FW_CFG_ID_TRADITIONAL 0x1u
#define FW_CFG_ID_DMA         0x2u

#define FW_CFG_FILES_MAX 64u
#define FW_CFG_ITEMS_MAX (FW_CFG_FILES_MAX + 16u)
#define FW_CFG_NAME_SIZE 56u /* in the directory, with its NUL */

#define FW_CFG_RAM_BASE 0x40000000u /* of the board */

/* A size is 32 bits wide, and the vmm keeps the bytes in its memory. */
#define FW_CFG_CONTENT_MAX (1u << 30)
#define FW_CFG_CONTENT_MIN 64u

/* An entry of the directory, which begins with their number; big-endian. */
struct fw_cfg_file {
    uint32_t size;
    uint16_t key;
    uint16_t reserved;
    char name[FW_CFG_NAME_SIZE];
};
_Static_assert(sizeof(struct fw_cfg_file) == 64, "layout of the directory");

struct fw_cfg_items {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct fw_cfg_item items[FW_CFG_ITEMS_MAX];
    unsigned count;
    struct fw_cfg_file files[FW_CFG_FILES_MAX];
    unsigned nr_files;
};

/* Bytes that grow. */
struct content {
    uint8_t *data;
    size_t size;
    size_t room;
};

const struct rv_property fw_cfg_properties[] = {
    {.name = "kernel", .type = RV_PROPERTY_PATH, .help = "kernel that the firmware starts"},
    {.name = "initrd",
     .type = RV_PROPERTY_PATH,
     .list = 1,
     .help = "the kernel's initial RAM disk; several are put together in this order"},
    {.name = "cmdline", .type = RV_PROPERTY_STRING, .help = "the kernel's command line"},
    {.name = "file",
     .type = RV_PROPERTY_STRING,
     .list = 1,
     .help = "NAME:PATH: an item with the contents of a file; names of users begin with opt/"},
    {.name = "string",
     .type = RV_PROPERTY_STRING,
     .list = 1,
     .help = "NAME:TEXT: an item with this text, without a NUL"},
    {.name = "boot",
     .type = RV_PROPERTY_STRING,
     .list = 1,
     .help = "OpenFirmware path of a device to boot from; the first comes first"},
    {.name = "uuid",
     .type = RV_PROPERTY_STRING,
     .help = "the system's UUID, 01234567-89ab-cdef-0123-456789abcdef"},
    {.name = "manufacturer", .type = RV_PROPERTY_STRING, .value = "ringvisor", .help = "of SMBIOS"},
    {.name = "product", .type = RV_PROPERTY_STRING, .value = "virt-1", .help = "of SMBIOS"},
    {.name = "version", .type = RV_PROPERTY_STRING, .help = "of SMBIOS"},
    {.name = "serial", .type = RV_PROPERTY_STRING, .help = "of SMBIOS"},
    {.name = "sku", .type = RV_PROPERTY_STRING, .help = "of SMBIOS"},
    {.name = "family", .type = RV_PROPERTY_STRING, .help = "of SMBIOS"},
    {.name = "memory", .type = RV_PROPERTY_SIZE, .value = "0", .help = "bytes of RAM to tell"},
    {.name = "cpus", .type = RV_PROPERTY_UINT, .value = "1", .max = 65535, .help = "CPUs to tell"},
    {0},
};

static int content_room(struct content *content, size_t more)
{
    size_t room = content->room ? content->room : FW_CFG_CONTENT_MIN;
    uint8_t *data;

    if (more > FW_CFG_CONTENT_MAX - content->size)
        return -EFBIG;
    while (room < content->size + more)
        room *= 2;
    if (room == content->room)
        return 0;
    data = realloc(content->data, room);
    if (!data)
        return -ENOMEM;
    content->data = data;
    content->room = room;
    return 0;
}

static int content_add(struct content *content, const void *data, size_t size)
{
    int error = content_room(content, size);

    if (error)
        return error;
    memcpy(content->data + content->size, data, size);
    content->size += size;
    return 0;
}

static int content_read(struct content *content, int fd)
{
    for (;;) {
        int error = content_room(content, 1);
        ssize_t got;

        if (error)
            return error;
        got = read(fd, content->data + content->size, content->room - content->size);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        content->size += got > 0 ? (size_t)got : 0;
    }
}

static int items_read(struct fw_cfg_items *items, const char *path, struct content *content)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? -errno : content_read(content, fd);

    if (fd >= 0)
        close(fd);
    if (error)
        items->ops->log(items->instance, RV_LOG_ERROR, "cannot read '%s': %s", path,
                        error == -EFBIG ? "it has 1 GiB or more" : strerror(-error));
    return error;
}

/* Takes over the content. */
static int items_add(struct fw_cfg_items *items, uint16_t key, struct content *content)
{
    if (items->count == FW_CFG_ITEMS_MAX)
        return -ENOSPC;
    items->items[items->count++] =
        (struct fw_cfg_item){.key = key, .size = (uint32_t)content->size, .data = content->data};
    *content = (struct content){0};
    return 0;
}

static int items_add_bytes(struct fw_cfg_items *items, uint16_t key, const void *data, size_t size)
{
    struct content content = {0};
    int error = content_add(&content, data, size);

    if (!error)
        error = items_add(items, key, &content);
    free(content.data);
    return error;
}

static int items_add_u16(struct fw_cfg_items *items, uint16_t key, uint16_t value)
{
    value = htole16(value);
    return items_add_bytes(items, key, &value, sizeof(value));
}

static int items_add_u32(struct fw_cfg_items *items, uint16_t key, uint32_t value)
{
    value = htole32(value);
    return items_add_bytes(items, key, &value, sizeof(value));
}

static int items_add_u64(struct fw_cfg_items *items, uint16_t key, uint64_t value)
{
    value = htole64(value);
    return items_add_bytes(items, key, &value, sizeof(value));
}

/* The content is kept on success only. */
static int items_add_file(struct fw_cfg_items *items, const char *name, size_t length,
                          struct content *content)
{
    struct fw_cfg_file *file = &items->files[items->nr_files];
    uint16_t key = (uint16_t)(FW_CFG_KEY_FIRST_FILE + items->nr_files);
    const char *wrong = NULL;

    if (length == 0 || length >= FW_CFG_NAME_SIZE)
        wrong = "its name has no or more than 55 characters";
    else if (items->nr_files == FW_CFG_FILES_MAX)
        wrong = "there are 64 already";
    for (unsigned i = 0; i < items->nr_files && !wrong; i++)
        if (strlen(items->files[i].name) == length &&
            memcmp(items->files[i].name, name, length) == 0)
            wrong = "there are two of this name";
    if (wrong) {
        items->ops->log(items->instance, RV_LOG_ERROR, "item '%.*s': %s", (int)length, name, wrong);
        return -EINVAL;
    }
    *file = (struct fw_cfg_file){.size = htobe32((uint32_t)content->size), .key = htobe16(key)};
    memcpy(file->name, name, length);
    items->nr_files++;
    return items_add(items, key, content);
}

/* `file` and `string`: a name, a colon, and what the item has. */
static int items_add_given(struct fw_cfg_items *items, const char *property, bool is_path)
{
    uint32_t count = items->ops->property_count(items->instance, property);
    int error = 0;

    for (uint32_t i = 0; i < count && !error; i++) {
        const char *text = items->ops->property_item(items->instance, property, i);
        const char *colon = strchr(text, ':');
        struct content content = {0};

        if (!colon) {
            items->ops->log(items->instance, RV_LOG_ERROR, "%s=%s: give NAME:%s", property, text,
                            is_path ? "PATH" : "TEXT");
            return -EINVAL;
        }
        if (is_path)
            error = items_read(items, colon + 1, &content);
        else
            error = content_add(&content, colon + 1, strlen(colon + 1));
        if (!error)
            error = items_add_file(items, text, (size_t)(colon - text), &content);
        free(content.data);
    }
    return error;
}

/* Paths with line feeds between them, and a NUL. */
static int items_add_boot_order(struct fw_cfg_items *items)
{
    static const char name[] = "bootorder";
    uint32_t count = items->ops->property_count(items->instance, "boot");
    struct content content = {0};
    int error = 0;

    for (uint32_t i = 0; i < count && !error; i++) {
        const char *path = items->ops->property_item(items->instance, "boot", i);

        error = content_add(&content, path, strlen(path));
        if (!error)
            error = content_add(&content, i + 1 < count ? "\n" : "", 1);
    }
    if (!error && count)
        error = items_add_file(items, name, sizeof(name) - 1, &content);
    free(content.data);
    return error;
}

/* What the firmware is to start: the bytes, and their number in an item of its own. */
static int items_add_sized(struct fw_cfg_items *items, uint16_t key, uint16_t size_key,
                           struct content *content)
{
    int error = items_add_u32(items, size_key, (uint32_t)content->size);

    return error ? error : items_add(items, key, content);
}

static int items_add_kernel(struct fw_cfg_items *items)
{
    const char *path = items->ops->property_string(items->instance, "kernel");
    struct content content = {0};
    int error;

    if (!path)
        return 0;
    error = items_read(items, path, &content);
    if (!error)
        error = items_add_sized(items, FW_CFG_KEY_KERNEL, FW_CFG_KEY_KERNEL_SIZE, &content);
    free(content.data);
    return error;
}

/* Each archive begins at a multiple of 4 bytes, with zeros before it, as in the vmm's loader. */
static int items_add_initrds(struct fw_cfg_items *items)
{
    static const uint8_t zeros[3];
    uint32_t count = items->ops->property_count(items->instance, "initrd");
    struct content content = {0};
    int error = 0;

    for (uint32_t i = 0; i < count && !error; i++) {
        error = content_add(&content, zeros, -content.size % 4);
        if (!error)
            error = items_read(items, items->ops->property_item(items->instance, "initrd", i),
                               &content);
    }
    if (!error && count)
        error = items_add_sized(items, FW_CFG_KEY_INITRD, FW_CFG_KEY_INITRD_SIZE, &content);
    free(content.data);
    return error;
}

static int items_add_cmdline(struct fw_cfg_items *items)
{
    const char *text = items->ops->property_string(items->instance, "cmdline");
    struct content content = {0};
    int error;

    if (!text)
        return 0;
    error = content_add(&content, text, strlen(text) + 1);
    if (!error)
        error = items_add_sized(items, FW_CFG_KEY_CMDLINE, FW_CFG_KEY_CMDLINE_SIZE, &content);
    free(content.data);
    return error;
}

static int items_add_board(struct fw_cfg_items *items)
{
    uint16_t cpus = (uint16_t)items->ops->property_uint(items->instance, "cpus");
    uint64_t memory = items->ops->property_uint(items->instance, "memory");
    int error = items_add_bytes(items, FW_CFG_KEY_SIGNATURE, "QEMU", 4);

    if (!error)
        error = items_add_u32(items, FW_CFG_KEY_ID, FW_CFG_ID_TRADITIONAL | FW_CFG_ID_DMA);
    if (!error)
        error = items_add_u64(items, FW_CFG_KEY_RAM_SIZE, memory);
    if (!error)
        error = items_add_u16(items, FW_CFG_KEY_NB_CPUS, cpus);
    return error ? error : items_add_u16(items, FW_CFG_KEY_MAX_CPUS, cpus);
}

static int items_take_smbios(struct fw_cfg_items *items, struct fw_cfg_smbios *about)
{
    static const char *const names[FW_CFG_SMBIOS_TEXTS] = {
        [FW_CFG_SMBIOS_MANUFACTURER] = "manufacturer",
        [FW_CFG_SMBIOS_PRODUCT] = "product",
        [FW_CFG_SMBIOS_VERSION] = "version",
        [FW_CFG_SMBIOS_SERIAL] = "serial",
        [FW_CFG_SMBIOS_SKU] = "sku",
        [FW_CFG_SMBIOS_FAMILY] = "family",
    };
    const char *uuid = items->ops->property_string(items->instance, "uuid");

    *about = (struct fw_cfg_smbios){
        .memory = items->ops->property_uint(items->instance, "memory"),
        .memory_base = FW_CFG_RAM_BASE,
        .cpus = (uint16_t)items->ops->property_uint(items->instance, "cpus"),
    };
    if (uuid && fw_cfg_smbios_uuid(uuid, about->uuid)) {
        items->ops->log(items->instance, RV_LOG_ERROR,
                        "uuid=%s: give one as 01234567-89ab-cdef-0123-456789abcdef", uuid);
        return -EINVAL;
    }
    for (unsigned i = 0; i < FW_CFG_SMBIOS_TEXTS; i++) {
        about->text[i] = items->ops->property_string(items->instance, names[i]);
        if (about->text[i] && strlen(about->text[i]) > FW_CFG_SMBIOS_TEXT_MAX) {
            items->ops->log(items->instance, RV_LOG_ERROR, "%s: more than %u characters", names[i],
                            FW_CFG_SMBIOS_TEXT_MAX);
            return -EINVAL;
        }
    }
    return 0;
}

static int items_add_named(struct fw_cfg_items *items, const char *name, const void *data,
                           size_t size)
{
    struct content content = {0};
    int error = content_add(&content, data, size);

    if (!error)
        error = items_add_file(items, name, strlen(name), &content);
    free(content.data);
    return error;
}

/* For a board whose memory is known: a user's own device has no more to tell than its items. */
static int items_add_smbios(struct fw_cfg_items *items)
{
    uint8_t entry[FW_CFG_SMBIOS_ENTRY_SIZE], tables[FW_CFG_SMBIOS_MAX];
    struct fw_cfg_smbios about;
    size_t size;
    int error = items_take_smbios(items, &about);

    if (!error)
        error = items_add_bytes(items, FW_CFG_KEY_UUID, about.uuid, sizeof(about.uuid));
    if (error || about.memory == 0)
        return error;
    size = fw_cfg_smbios_tables(&about, tables);
    fw_cfg_smbios_entry(entry, size);
    error = items_add_named(items, "etc/smbios/smbios-anchor", entry, sizeof(entry));
    return error ? error : items_add_named(items, "etc/smbios/smbios-tables", tables, size);
}

/* After the last file. */
static int items_add_directory(struct fw_cfg_items *items)
{
    const uint32_t count = htobe32(items->nr_files);
    struct content content = {0};
    int error = content_add(&content, &count, sizeof(count));

    if (!error)
        error = content_add(&content, items->files, items->nr_files * sizeof(items->files[0]));
    if (!error)
        error = items_add(items, FW_CFG_KEY_DIRECTORY, &content);
    free(content.data);
    return error;
}

static int items_fill(struct fw_cfg_items *items)
{
    int error = items_add_board(items);

    if (!error)
        error = items_add_kernel(items);
    if (!error)
        error = items_add_initrds(items);
    if (!error)
        error = items_add_cmdline(items);
    if (!error)
        error = items_add_boot_order(items);
    if (!error)
        error = items_add_smbios(items);
    if (!error)
        error = items_add_given(items, "file", true);
    if (!error)
        error = items_add_given(items, "string", false);
    return error ? error : items_add_directory(items);
}

int fw_cfg_items_new(struct rv_instance *instance, const struct rv_vmm_ops *ops,
                     struct fw_cfg_items **made)
{
    struct fw_cfg_items *items = calloc(1, sizeof(*items));
    int error;

    if (!items)
        return -ENOMEM;
    items->instance = instance;
    items->ops = ops;
    error = items_fill(items);
    if (error) {
        fw_cfg_items_free(items);
        return error;
    }
    *made = items;
    return 0;
}

void fw_cfg_items_free(struct fw_cfg_items *items)
{
    if (!items)
        return;
    for (unsigned i = 0; i < items->count; i++)
        free(items->items[i].data);
    free(items);
}

const struct fw_cfg_item *fw_cfg_items_find(const struct fw_cfg_items *items, uint16_t key)
{
    for (unsigned i = 0; i < items->count; i++)
        if (items->items[i].key == key)
            return &items->items[i];
    return NULL;
}
