/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest of the flash, on plugin_host: any sequence of commands, while writes to the
 * variables' file end in time, late or with an error, the guest resets, the vmm dies and is
 * followed by another one, with the state as it was or with a damaged one. Checked: what the
 * guest is shown is what read() gives, the firmware never changes, programming only clears bits,
 * and whenever the chip says that it is done, the file has what the guest reads.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host.h"

#define BANK  0x4000000u
#define BLOCK 0x40000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

/* The flash, and what is remembered of it from step to step. */
struct fuzz {
    struct rv_instance host;
    bool quiet;   /* it is quiesced */
    bool differs; /* a write to the file has failed, or was lost and the state damaged */
};

static char code_file[] = "/tmp/fuzz-code-XXXXXX", vars_file[] = "/tmp/fuzz-vars-XXXXXX";

/* The guest keeps to these: nothing else of the bank can change. */
static const uint32_t blocks[] = {0, BLOCK, BANK - BLOCK};

static uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && in->size != 0; i++, in->size--)
        value |= (uint64_t)*in->data++ << 8 * i;
    return value;
}

static void check_file(const struct fuzz *f)
{
    if (f->differs || f->host.disk.nr_pending)
        return;
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        CHECK(memcmp(f->host.disk.image + blocks[i], f->host.region[1].bytes + blocks[i], BLOCK) ==
              0);
}

static uint32_t take_offset(struct input *in, unsigned width)
{
    static const uint32_t places[] = {0, 0xfe0, 0x1fe0, BLOCK - 0x40}; /* around ends of buffers */
    uint32_t near = (uint32_t)take(in, 1);

    return (blocks[near % COUNT_OF(blocks)] + places[near >> 6] + (near >> 2 & 0xf) * 4) / width *
           width;
}

static uint64_t read_flash(struct fuzz *f, unsigned bank, uint32_t offset, unsigned width)
{
    const struct rv_access access = {.size = sizeof(access), .region = bank};
    uint64_t value;

    CHECK(f->host.class->regions[bank].read(f->host.device, offset, width, &value, &access) == 0);
    return value;
}

static void check_shown(struct fuzz *f, unsigned bank, uint32_t offset)
{
    uint64_t value;

    memcpy(&value, f->host.region[bank].bytes + offset, 8);
    CHECK(!f->host.region[bank].shown || read_flash(f, bank, offset, 8) == value);
}

static void write_flash(struct fuzz *f, struct input *in, unsigned bank, unsigned width)
{
    static const uint8_t commands[] = {0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90,
                                       0x98, 0xb0, 0xd0, 0xe8, 0xff, 0x01, 0x00};
    uint32_t offset = take_offset(in, width);
    uint64_t choice = take(in, 1);
    bool posted = bank == 1 && f->host.region[1].posted && choice & 1;
    const struct rv_access access = {
        .size = sizeof(access), .region = bank, .flags = posted ? RV_ACCESS_POSTED : 0};
    uint64_t value = choice < 0xe0 ? commands[choice % sizeof(commands)] * 0x10001u : take(in, 4);
    int error = f->host.class->regions[bank].write(f->host.device, offset, width, value, &access);

    CHECK(error == 0 || error == -EAGAIN || (width == 8 && error == -EINVAL));
    CHECK(error != -EAGAIN || (f->host.disk.nr_pending && !posted));
    CHECK(!f->host.region[1].posted || !f->host.region[1].shown);
    check_shown(f, bank, offset / 8 * 8);
}

static void complete(struct fuzz *f, bool fails)
{
    bool writes = false;

    for (unsigned i = 0; i < f->host.disk.nr_pending; i++)
        writes |= f->host.disk.pending[i]->op == RV_DISK_WRITE;
    f->differs |= fails && writes;
    while (f->host.disk.nr_pending)
        plugin_host_disk_complete(&f->host.disk, 0, fails ? -ENOSPC : 0, true);
    check_file(f);
}

static void resume(struct fuzz *f)
{
    f->quiet = false;
    f->host.class->resume(f->host.device);
}

static void quiesce(struct fuzz *f)
{
    f->host.quiesced = 0;
    if (f->host.class->quiesce(f->host.device) == -EINPROGRESS) {
        CHECK(f->host.disk.nr_pending);
        complete(f, false);
        CHECK(f->host.quiesced == 1);
    }
    CHECK(f->host.disk.nr_pending == 0);
    f->quiet = true;
}

static void take_over(struct fuzz *f, struct input *in, bool damaged)
{
    uint8_t *state = (uint8_t *)f->host.state;

    plugin_host_stop(&f->host);
    f->differs |= damaged;
    for (unsigned n = damaged ? (unsigned)take(in, 1) % 8 : 0; n; n--) {
        size_t at = take(in, 1) % 0x20 + (take(in, 1) & 1) * (f->host.class->state_size / 2);

        state[at] = (uint8_t)take(in, 1);
    }
    CHECK(plugin_host_start(&f->host, RV_CREATE_RESUME) == 0);
}

static void step(struct fuzz *f, struct input *in)
{
    unsigned what = (unsigned)take(in, 1), width = 1u << (what >> 6), bank = what >> 4 & 1;

    switch (what & 0xf) {
    case 8: read_flash(f, bank, take_offset(in, width), width); break;
    case 9:
    case 10: complete(f, false); break;
    case 11: complete(f, bank); break;
    case 12: plugin_host_pass(&f->host, take(in, 1) * NS_PER_S / 16); break;
    case 13:
        quiesce(f);
        if (bank)
            f->host.class->reset(f->host.device);
        resume(f);
        break;
    case 14: take_over(f, in, false); break;
    case 15: take_over(f, in, true); break;
    default: write_flash(f, in, bank, what & 0x20 ? width : 4); break;
    }
}

static void make_files(void)
{
    int code = mkstemp(code_file), vars = mkstemp(vars_file);

    CHECK(code >= 0 && write(code, "firmware", 8) == 8);
    CHECK(vars >= 0 && ftruncate(vars, BANK) == 0);
    close(code);
    close(vars);
}

/* A disk whose bytes need not be made anew for each input. */
static uint8_t *make_image(struct rv_instance *host)
{
    static uint8_t *image;

    if (!image) {
        make_files();
        image = calloc(1, BANK);
        CHECK(image);
    }
    plugin_host_disk_init(host, 1);
    free(host->disk.image);
    host->disk.image = image;
    host->disk.info.capacity = BANK;
    for (unsigned i = 0; i < COUNT_OF(blocks); i++)
        memset(image + blocks[i], 0, BLOCK);
    return image;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz f;
    struct input in = {data, size};

    plugin_host_init_class(&f.host, &ringvisor_device, NULL, 0, 0);
    f.quiet = f.differs = false;
    f.host.quiet = true;
    make_image(&f.host);
    plugin_host_set(&f.host, "code", code_file);
    plugin_host_set(&f.host, "vars", vars_file);
    CHECK(plugin_host_start(&f.host, 0) == 0);
    while (in.size)
        step(&f, &in);
    complete(&f, false);
    CHECK(memcmp(f.host.region[0].bytes, "firmware\0\0\0\0\0\0\0", 16) == 0);
    plugin_host_stop(&f.host);
    f.host.disk.image = NULL;
    plugin_host_free(&f.host);
    return 0;
}
