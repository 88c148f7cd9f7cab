/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/control_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/chardev/chardev_internal.h"
#include "vmm/chardev/chardev_shared.h"
#include "vmm/record/record.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_devices.h"
#include "vmm/vm/vm_pause.h"

struct control_fixture control_fixture;

struct rv_instance {
    const char *name;
    const struct rv_device_class *class;
};

static const struct rv_property blk_properties[] = {
    {.name = "path", .type = RV_PROPERTY_PATH, .required = 1, .help = "the image"},
    {.name = "serial", .type = RV_PROPERTY_STRING, .help = "serial number"},
    {0},
};

static const struct rv_command_info blk_commands[] = {
    {.name = "resize", .help = "size: bytes"},
    {.name = "fail", .help = "nothing that works"},
    {.name = "later", .help = "nothing"},
    {.name = "garbage", .help = "nothing"},
    {0},
};

static const struct rv_property net_properties[] = {
    {.name = "link", .type = RV_PROPERTY_ENUM, .runtime = 1, .help = "the cable"},
    {.name = "dns", .type = RV_PROPERTY_STRING, .list = 1, .help = "name servers"},
    {0},
};

static const struct rv_property uart_properties[] = {
    {.name = "chardev", .type = RV_PROPERTY_STRING, .help = "where its characters go"}, {0}};

static const struct rv_device_class classes[] = {
    {.name = "pl011", .description = "a UART", .irq_lines = 1, .properties = uart_properties},
    {.name = "virtio-blk",
     .description = "a disk",
     .irq_lines = 1,
     .properties = blk_properties,
     .commands = blk_commands},
    {.name = "virtio-net", .description = "a card", .properties = net_properties},
};

static struct rv_instance devices[] = {
    {"uart@9000000", &classes[0]},
    {"virtio-blk@a000000", &classes[1]},
    {"virtio-net@a000200", &classes[2]},
};

static struct rv_channel channel;

void control_fixture_init(void)
{
    struct control_fixture *f = &control_fixture;

    memset(f, 0, sizeof(*f));
    f->quiet = true;
    f->cores.nr_pcpus = 1;
    f->cores.pcpus[0] = (struct pcpu){.channel = &channel, .command_head = 3, .kicks = 2};
    rv_store_relaxed(&channel.command_tail.v, 1);
    f->cores.counts.sleeps = 5;
    f->vm.cores = &f->cores;
    f->vm.core = &f->core;
    f->vm.config = (struct vm_config){
        .nr_vcpus = 2, .ram_size = 64u << 20, .files.kernel = "Image\xff", .bootargs = "quiet"};
    f->vm.vcpus[1].number = 1;
    exit_stats_end(&f->vm.exits.stats, EXIT_HVC64,
                   exit_stats_begin(&f->vm.exits.stats, EXIT_HVC64));
    f->cores.sched.vcpu[0].state = SCHED_LIVE;
    f->vm.nr_devices = sizeof(devices) / sizeof(devices[0]);
    for (unsigned i = 0; i < f->vm.nr_devices; i++)
        f->vm.devices[i] = &devices[i];
    strcpy(f->link, "up");
}

/*
 * The main console: behind it all output is taken, and nothing is typed
 */

static size_t take_output(struct chardev *chardev, const uint8_t *data, size_t len)
{
    return len;
}

static void ignore(struct chardev *chardev)
{
}

static const struct chardev_ops inner_ops = {
    .attached = ignore, .write = take_output, .accept = ignore, .free = ignore};
static struct chardev inner = {.ops = &inner_ops};

static size_t uart_can_receive(void *opaque)
{
    return control_fixture.reads_console ? 1 : 0;
}

static void uart_receive(void *opaque, const uint8_t *data, size_t len)
{
    strncat(control_fixture.typed, (const char *)data, len);
}

static const struct chardev_client uart = {.can_receive = uart_can_receive,
                                           .receive = uart_receive};

void control_fixture_console(struct event_base *base)
{
    control_fixture.vm.console = (struct device_console){
        .chardev = chardev_shared_new(base, &inner), .user = "uart@9000000"};
    control_fixture.reads_console = true;
    chardev_attach(control_fixture.vm.console.chardev, &uart, NULL);
}

void control_fixture_print(const char *text)
{
    chardev_write(control_fixture.vm.console.chardev, (const uint8_t *)text, strlen(text));
}

void control_fixture_end_console(void)
{
    chardev_free(control_fixture.vm.console.chardev);
    control_fixture.vm.console = (struct device_console){0};
    inner.client = NULL;
}

void control_fixture_kill(void *opaque)
{
    control_fixture.kills++;
}

void control_fixture_reply(int error, const char *json)
{
    struct control_fixture *f = &control_fixture;
    void (*answer)(void *opaque, int error, const char *json) = f->answer;

    f->answer = NULL;
    if (answer)
        answer(f->answer_opaque, error, json);
}

int snapshot_begin(struct vm *vm, struct event_base *base, const struct snapshot_config *config,
                   const struct snapshot_calls *calls, struct snapshot **snapshot, char *why,
                   size_t why_size)
{
    struct control_fixture *f = &control_fixture;

    snprintf(why, why_size, "because");
    if (f->snapshot_error)
        return f->snapshot_error;
    f->snapshot_calls = *calls;
    f->snapshot_disks = config->disks;
    f->snapshot_tracks = config->track;
    snprintf(f->snapshot_base, sizeof(f->snapshot_base), "%s", config->base ? config->base : "");
    snprintf(f->snapshot_folder, sizeof(f->snapshot_folder), "%s", config->folder);
    f->snapshots++;
    *snapshot = (struct snapshot *)(void *)f; /* never looked into */
    return 0;
}

void control_fixture_end_snapshot(bool fails)
{
    const struct snapshot_calls calls = control_fixture.snapshot_calls;

    if (!fails)
        calls.copied(calls.opaque);
    calls.ended(calls.opaque, fails ? "guest memory: No space left on device" : NULL, 4096);
}

void snapshot_cancel(struct snapshot *snapshot)
{
    control_fixture.cancelled++;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot)
        control_fixture.snapshots--;
}

int vm_pause(struct vm *vm)
{
    control_fixture.paused = true;
    return control_fixture.pause_fails ? -EIO : 0;
}

bool vm_is_pausing(const struct vm *vm)
{
    return control_fixture.paused;
}

bool vm_is_paused(struct vm *vm)
{
    return control_fixture.paused && control_fixture.quiet;
}

void vm_resume(struct vm *vm)
{
    control_fixture.paused = false;
}

bool vm_devices_event(struct vm *vm, uint32_t event)
{
    if (event != RV_EVENT_POWER_BUTTON || !control_fixture.button)
        return false;
    control_fixture.buttons++;
    return true;
}

const char *device_name(const struct rv_instance *device)
{
    return device->name;
}

const struct rv_device_class *device_class(const struct rv_instance *device)
{
    return device->class;
}

ipa_t device_base(const struct rv_instance *device, unsigned region)
{
    return ipa(0x9000000 + 0x200 * (uint64_t)(device - devices));
}

unsigned device_pci_slot(const struct rv_instance *device)
{
    return 0;
}

uint32_t device_first_spi(const struct rv_instance *device)
{
    return 16;
}

void device_counters(const struct rv_instance *device,
                     void (*show)(void *opaque, const char *device, const char *name,
                                  const char *help, uint64_t value),
                     void *opaque)
{
    if (device == &devices[0])
        return;
    show(opaque, device->name, "reads", "requests that read", 7);
    if (device != &devices[1])
        return;
    show(opaque, device->name, "bytes-read", "bytes that they read", UINT64_MAX);
}

char *device_get(struct rv_instance *device, const char *name)
{
    if (strcmp(name, "path") == 0)
        return strdup("/tmp/disk.img");
    if (strcmp(name, "link") == 0)
        return strdup(control_fixture.link);
    if (strcmp(name, "chardev") == 0 && control_fixture.chardev)
        return strdup(control_fixture.chardev);
    return strcmp(name, "dns") == 0 ? strdup("10.0.2.3\n10.0.2.4") : NULL;
}

int device_set(struct rv_instance *device, const char *name, const char *value)
{
    if (strcmp(name, "link") != 0)
        return strcmp(name, "dns") == 0 ? -EPERM : -ENOENT;
    if (strcmp(value, "up") != 0 && strcmp(value, "down") != 0) {
        log_error("link '%s': up or down", value);
        return -EINVAL;
    }
    strcpy(control_fixture.link, value);
    return 0;
}

void device_command(struct rv_instance *device, const char *name, const char *json,
                    void (*answer)(void *opaque, int error, const char *json), void *opaque)
{
    struct control_fixture *f = &control_fixture;

    snprintf(f->json, sizeof(f->json), "%s", json);
    if (strcmp(name, "resize") == 0) {
        answer(opaque, 0, "{\"size\": 4096}");
    } else if (strcmp(name, "fail") == 0) {
        if (strcmp(json, "{}") != 0) {
            log_error("disk 'a': its size cannot change");
            log_error("it has failed");
        }
        answer(opaque, -EINVAL, NULL);
    } else if (strcmp(name, "garbage") == 0) {
        answer(opaque, 0, "not JSON");
    } else if (f->answer) {
        answer(opaque, -EBUSY, NULL);
    } else {
        f->answer = answer;
        f->answer_opaque = opaque;
    }
}

/*
 * A recording, of which the client gets the word "recorded" when it ends
 */

static struct {
    int fd;
    bool ended;
} recording;

const char *record_refuses(const struct vm *vm)
{
    return control_fixture.record_refuses;
}

int record_running(struct vm *vm, int fd, const char *head, struct record **record)
{
    if (write(fd, head, strlen(head)) < 0) {
        close(fd);
        return -EIO;
    }
    recording.fd = fd;
    recording.ended = false;
    control_fixture.records++;
    *record = (struct record *)(void *)&recording; /* never looked into */
    return 0;
}

void record_end(struct record *record, const char *why)
{
    if (recording.ended)
        return;
    recording.ended = true;
    snprintf(control_fixture.record_end, sizeof(control_fixture.record_end), "%s", why);
    if (write(recording.fd, "recorded", 8) < 0)
        return; /* it has gone */
}

void record_hurry(struct record *record)
{
    record_end(record, "hurry");
}

bool record_has_ended(const struct record *record)
{
    return recording.ended;
}

int record_stop(struct record *record)
{
    control_fixture.records--;
    return close(recording.fd);
}
