/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The board's two banks of NOR flash, as QEMU's virt has them: firmware, which is read-only, and
 * its variables. A bank in array mode is memory that the guest reads and executes without exits;
 * commands and what they answer are exits.
 *
 * A change of the variables is in their file before the guest can read that it is done: a vmm
 * that is killed loses nothing that the guest was told. A second later the file is flushed.
 *
 * The words of a buffer are most of what firmware writes, and none of them has an effect that the
 * guest could miss. So they are posted. The guest's next read, of the status, comes after them.
 */
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>
#include <string.h>

#include "cfi_chip.h"
#include "cfi_image.h"

#define FLASH_BANKS    2u
#define FLASH_CODE     0u
#define FLASH_VARS     1u
#define FLASH_BASE     0x0u
#define FLASH_FLUSH_NS 1000000000ull
#define FLASH_QUIET_NS 10000000000ull /* from one message to the next */

#define FLASH_STATE_VERSION 1u

struct flash_state {
    struct cfi_chip chip[FLASH_BANKS];
};

struct flash {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct flash_state *s;
    uint8_t *array[FLASH_BANKS]; /* contents, shown to the guest in array mode */
    struct rv_disk *disk;        /* of the variables; NULL: they are lost with the guest */
    struct rv_disk_request write, flush;
    struct iovec iov;
    struct rv_timer *timer; /* until the flush */
    bool writing, flushing, quiescing;
    uint64_t quiet_until;
    uint64_t *writes;
};

/*
 * The variables' file
 */

static void flash_settled(struct flash *f)
{
    if (!f->quiescing || f->writing || f->flushing)
        return;
    f->quiescing = false;
    f->ops->quiesced(f->instance);
}

static void flash_complain(struct flash *f, int error)
{
    uint64_t now = f->ops->now_ns(f->instance);

    if (now < f->quiet_until)
        return;
    f->quiet_until = now + FLASH_QUIET_NS;
    f->ops->log(f->instance, RV_LOG_ERROR,
                "the variables cannot be stored: %s: the guest sees a flash that fails",
                strerror(-error));
}

static void flash_show(struct flash *f, unsigned bank)
{
    f->ops->region_show(f->instance, bank, f->s->chip[bank].mode == CFI_MODE_ARRAY);
}

/*
 * Only for the words of a buffer, while reads of the bank are exits. Otherwise the guest could read
 * the array after a command that has it read something else.
 */
static bool flash_may_post(const struct flash *f)
{
    const struct cfi_chip *chip = &f->s->chip[FLASH_VARS];

    return chip->cycle == CFI_CYCLE_BUFFER_DATA && chip->mode != CFI_MODE_ARRAY;
}

static void flash_post(struct flash *f)
{
    if (RV_HAS_OP(f->ops, region_post))
        f->ops->region_post(f->instance, FLASH_VARS, 0, flash_may_post(f) ? CFI_BANK_SIZE : 0);
}

static void flash_written(struct rv_disk_request *request, int error)
{
    struct flash *f = request->opaque;

    f->writing = false;
    if (error)
        flash_complain(f, error);
    else
        f->ops->timer_set(f->instance, f->timer, f->ops->now_ns(f->instance) + FLASH_FLUSH_NS);
    cfi_chip_done(&f->s->chip[FLASH_VARS], error != 0);
    flash_settled(f);
}

static void flash_flushed(struct rv_disk_request *request, int error)
{
    struct flash *f = request->opaque;

    f->flushing = false;
    if (error)
        flash_complain(f, error);
    flash_settled(f);
}

static void flash_is_due(void *opaque)
{
    struct flash *f = opaque;

    if (f->flushing)
        return;
    f->flushing = true;
    f->flush = (struct rv_disk_request){
        .size = sizeof(f->flush), .op = RV_DISK_FLUSH, .done = flash_flushed, .opaque = f};
    f->ops->disk_submit(f->instance, f->disk, &f->flush);
}

/* What the chip says has changed, in whole blocks of the disk. */
static void flash_store(struct flash *f)
{
    struct cfi_chip *chip = &f->s->chip[FLASH_VARS];
    uint32_t block, start, end;

    if (!f->disk) {
        cfi_chip_done(chip, false);
        return;
    }
    block = f->ops->disk_info(f->instance, f->disk)->block_size;
    start = chip->change_offset / block * block;
    end = (chip->change_offset + chip->change_length + block - 1) / block * block;
    f->iov = (struct iovec){.iov_base = f->array[FLASH_VARS] + start, .iov_len = end - start};
    f->write = (struct rv_disk_request){
        .size = sizeof(f->write),
        .op = RV_DISK_WRITE,
        .iov = &f->iov,
        .iov_count = 1,
        .offset = start,
        .done = flash_written,
        .opaque = f,
    };
    f->writing = true;
    f->ops->disk_submit(f->instance, f->disk, &f->write);
    f->ops->disk_kick(f->instance, f->disk);
}

/*
 * Accesses
 */

static int flash_read(void *device, uint64_t offset, uint32_t width, uint64_t *value,
                      const struct rv_access *access)
{
    struct flash *f = device;
    unsigned bank = access->region;

    *value = cfi_chip_read(&f->s->chip[bank], f->array[bank], (uint32_t)offset, width);
    return 0;
}

/*
 * A chip that is busy takes its next command when it is done: the vCPU makes the access again. If
 * that has gone on, because the write came posted behind the words of a buffer, the chip ignores
 * the command, as real ones do: drivers ask for the status before they send another one.
 */
static int flash_write(void *device, uint64_t offset, uint32_t width, uint64_t value,
                       const struct rv_access *access)
{
    struct flash *f = device;
    unsigned bank = access->region;
    struct cfi_chip *chip = &f->s->chip[bank];
    bool posts = flash_may_post(f);
    uint8_t mode = chip->mode;

    if (width == 8)
        return -EINVAL; /* the bus has 32 bits */
    if (chip->busy)
        return access->flags & RV_ACCESS_POSTED ? 0 : -EAGAIN;
    if (cfi_chip_write(chip, f->array[bank], bank == FLASH_VARS, (uint32_t)offset, width,
                       (uint32_t)value)) {
        ++*f->writes;
        f->ops->region_dirty(f->instance, bank, chip->change_offset, chip->change_length);
        flash_store(f);
    }
    if (chip->mode != mode)
        flash_show(f, bank);
    if (flash_may_post(f) != posts)
        flash_post(f);
    return 0;
}

/*
 * Life
 */

static void flash_reset(void *device)
{
    struct flash *f = device;

    for (unsigned bank = 0; bank < FLASH_BANKS; bank++) {
        cfi_chip_reset(&f->s->chip[bank]);
        flash_show(f, bank);
    }
    flash_post(f);
}

static int flash_quiesce(void *device)
{
    struct flash *f = device;

    f->quiescing = f->writing || f->flushing;
    return f->quiescing ? -EINPROGRESS : 0;
}

static void flash_resume(void *device)
{
    struct flash *f = device;

    f->quiescing = false;
    if (f->s->chip[FLASH_VARS].busy && !f->writing)
        flash_store(f);
}

static void flash_destroy(void *device)
{
    struct flash *f = device;

    if (f->timer)
        f->ops->timer_free(f->instance, f->timer);
    if (f->disk)
        f->ops->disk_close(f->instance, f->disk);
    free(f);
}

/* The file of the variables, made first if it is not there. Its lock is the disk's. */
static int flash_open_vars(struct flash *f, const char *path, const char *template)
{
    const struct rv_disk_options options = {
        .size = sizeof(options), .no_discard = 1, .path = path, .format = "raw"};
    uint64_t capacity;
    int error = cfi_image_make(f->instance, f->ops, path, template);

    if (!error)
        error = f->ops->disk_open(f->instance, &options, &f->disk);
    if (error)
        return error;
    capacity = f->ops->disk_info(f->instance, f->disk)->capacity;
    if (capacity != CFI_BANK_SIZE) {
        f->ops->log(f->instance, RV_LOG_ERROR,
                    "variables '%s': the file has %llu bytes, and the flash has %u: remove it, and "
                    "a new one is made from the template",
                    path, (unsigned long long)capacity, CFI_BANK_SIZE);
        return -EINVAL;
    }
    return 0;
}

static int flash_open(struct flash *f, uint32_t flags)
{
    const char *code = f->ops->property_string(f->instance, "code");
    const char *vars = f->ops->property_string(f->instance, "vars");
    const char *template = f->ops->property_string(f->instance, "template");
    const char *from = vars ? vars : template;
    int error = 0;

    for (unsigned bank = 0; bank < FLASH_BANKS; bank++) {
        f->array[bank] = f->ops->region_memory(f->instance, bank);
        if (!f->array[bank])
            return -ENOMEM;
    }
    f->timer = f->ops->timer_new(f->instance, flash_is_due, f);
    if (!f->timer)
        return -ENOMEM;
    if (vars)
        error = flash_open_vars(f, vars, template);
    /* An instance before this one has changed the bytes: those that are there count. */
    if (!error && !(flags & RV_CREATE_RESUME))
        error = cfi_image_load(f->instance, f->ops, "firmware", code, f->array[FLASH_CODE]);
    if (!error && from && !(flags & RV_CREATE_RESUME))
        error = cfi_image_load(f->instance, f->ops, "variables", from, f->array[FLASH_VARS]);
    return error;
}

static int flash_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    struct flash *f = calloc(1, sizeof(*f));
    int error = -ENOMEM;

    if (f) {
        *f = (struct flash){
            .instance = instance,
            .ops = ops,
            .s = state,
            .writes = ops->counter(instance, "writes", "programs and erases of the variables"),
        };
        error = flash_open(f, flags);
    }
    if (error) {
        if (error == -ENOMEM)
            ops->log(instance, RV_LOG_ERROR, "out of memory");
        if (f)
            flash_destroy(f);
        return error;
    }
    for (unsigned bank = 0; bank < FLASH_BANKS && flags & RV_CREATE_RESUME; bank++) {
        cfi_chip_sanitize(&f->s->chip[bank], bank == FLASH_VARS);
        flash_show(f, bank);
    }
    flash_post(f); /* the vmm before this one may have died in the middle of it */
    *device = f;
    return 0;
}

static void flash_fdt_node(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->u32(fdt, "bank-width", 4);
}

static const struct rv_property flash_properties[] = {
    {.name = "code",
     .type = RV_PROPERTY_PATH,
     .required = 1,
     .help = "firmware, at most 64 MiB, which the guest cannot change"},
    {.name = "vars",
     .type = RV_PROPERTY_PATH,
     .help = "file of 64 MiB for the firmware's variables; without it they end with the guest"},
    {.name = "template",
     .type = RV_PROPERTY_PATH,
     .help = "what the variables are at first, if there is no such file"},
    {0},
};

static const char *const flash_compatible[] = {"cfi-flash", NULL};

static const struct rv_fdt_node flash_fdt = {
    .size = sizeof(flash_fdt),
    .name = "flash",
    .compatible = flash_compatible,
};

static const struct rv_region flash_regions[] = {
    [FLASH_CODE] = {.bytes = CFI_BANK_SIZE,
                    .fixed_base = FLASH_BASE,
                    .read = flash_read,
                    .write = flash_write,
                    .flags = RV_REGION_MEMORY},
    [FLASH_VARS] = {.bytes = CFI_BANK_SIZE,
                    .fixed_base = FLASH_BASE + CFI_BANK_SIZE,
                    .read = flash_read,
                    .write = flash_write,
                    .flags = RV_REGION_MEMORY},
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "cfi-flash",
    .description = "two banks of NOR flash: firmware and its variables",
    .properties = flash_properties,
    .regions = flash_regions,
    .fdt = &flash_fdt,
    .place = RV_PLACE_FIXED,
    .state_version = FLASH_STATE_VERSION,
    .state_size = sizeof(struct flash_state),
    .create = flash_create,
    .destroy = flash_destroy,
    .reset = flash_reset,
    .quiesce = flash_quiesce,
    .resume = flash_resume,
    .fdt_node = flash_fdt_node,
};
