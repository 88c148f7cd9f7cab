/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fw-cfg device is given to tell the firmware. The devices are faked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/vm/vm.h"
#include "vmm/vm/vm_firmware.h"

struct rv_instance {
    struct rv_device_class class;
    uint64_t base;
    unsigned slot;         /* 0: it is not on the PCI bus */
    const char *bootindex; /* NULL: the class has no such property */
};

const struct rv_device_class *device_class(const struct rv_instance *instance)
{
    return &instance->class;
}

ipa_t device_base(const struct rv_instance *instance, unsigned region)
{
    assert_int_equal(region, 0);
    return ipa(instance->base);
}

unsigned device_pci_slot(const struct rv_instance *instance)
{
    return instance->slot;
}

const char *device_name(const struct rv_instance *instance)
{
    return instance->class.name;
}

char *device_get(struct rv_instance *instance, const char *name)
{
    assert_string_equal(name, "bootindex");
    return instance->bootindex ? strdup(instance->bootindex) : NULL;
}

static struct vm vm;
static struct rv_instance all[] = {
    {.class.name = "pl011", .base = 0x9000000},
    {.class.name = "virtio-blk", .base = 0xa000000, .bootindex = "65535"},
    {.class.name = "virtio-net", .base = 0xa000200, .bootindex = "2"},
    {.class.name = "virtio-blk", .base = 0xa000400, .bootindex = "1"},
    {.class.name = "vhost-user-blk", .base = 0xa003e00, .bootindex = "0"},
};

static int setup(void **state)
{
    (void)state;
    vm = (struct vm){.config = {.ram_size = 512 << 20, .nr_vcpus = 3}};
    return 0;
}

static void add_all(void)
{
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        vm.devices[vm.nr_devices++] = &all[i];
}

static void check(const char *wanted)
{
    char *text = vm_firmware_device(&vm);

    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void board_is_told(void **state)
{
    (void)state;
    check("fw-cfg,memory=536870912,cpus=3");
}

static void devices_are_in_the_order_of_their_bootindex(void **state)
{
    (void)state;
    add_all();
    check("fw-cfg,memory=536870912,cpus=3"
          ",boot=/virtio-mmio@000000000a003e00/disk@0,,0"
          ",boot=/virtio-mmio@000000000a000400/disk@0,,0"
          ",boot=/virtio-mmio@000000000a000200/ethernet-phy@0");
}

/* The paths of QEMU, which EDK2's QemuBootOrderLib translates. */
static void devices_on_pci_have_paths_of_pci(void **state)
{
    static struct rv_instance on_pci[] = {
        {.class.name = "virtio-blk", .slot = 12, .bootindex = "1"},
        {.class.name = "virtio-net", .slot = 1, .bootindex = "0"},
    };

    vm.devices[vm.nr_devices++] = &on_pci[0];
    vm.devices[vm.nr_devices++] = &on_pci[1];
    check("fw-cfg,memory=536870912,cpus=3"
          ",boot=/pci@i0cf8/ethernet@1/ethernet-phy@0"
          ",boot=/pci@i0cf8/scsi@c/disk@0,,0");
}

static void two_of_one_bootindex_are_refused(void **state)
{
    struct rv_instance other = {.class.name = "virtio-blk", .bootindex = "1"};

    (void)state;
    add_all();
    vm.devices[vm.nr_devices++] = &other;
    assert_null(vm_firmware_device(&vm));
}

static void kernel_is_the_firmwares_to_start(void **state)
{
    (void)state;
    vm.config.files.kernel = "a,b";
    vm.config.files.initrds[0] = "one";
    vm.config.files.initrds[1] = "two";
    vm.config.bootargs = "console=ttyAMA0,115200 quiet";
    check("fw-cfg,memory=536870912,cpus=3,kernel=a,,b,initrd=one,initrd=two"
          ",cmdline=console=ttyAMA0,,115200 quiet");
}

static void what_the_user_gave_is_kept(void **state)
{
    static const char *const devices[] = {"fw-cfg-not", "fw-cfg,string=opt/x:y", "fw-cfg,serial=7"};

    (void)state;
    vm.config.devices = devices;
    vm.config.nr_devices = 3;
    check("fw-cfg,string=opt/x:y,serial=7,memory=536870912,cpus=3");
}

static void uuid_and_serial_stay_with_the_name(void **state)
{
    static const char *const uuid[] = {"fw-cfg,uuid=01234567-89ab-cdef-0123-456789abcdef"};
    static const char *const serial[] = {"fw-cfg,serial=7"};

    (void)state;
    vm.config.name = "web";
    check("fw-cfg,memory=536870912,cpus=3,uuid=e7578d61-6d84-8aa4-99ab-7ef1538a9104,serial=web");
    vm.config.name = "db";
    check("fw-cfg,memory=536870912,cpus=3,uuid=9cc10f56-7e84-8be8-b5cd-b7c540da67bd,serial=db");
    vm.config.nr_devices = 1;
    vm.config.devices = uuid;
    check("fw-cfg,uuid=01234567-89ab-cdef-0123-456789abcdef,memory=536870912,cpus=3,serial=db");
    vm.config.devices = serial;
    check("fw-cfg,serial=7,memory=536870912,cpus=3,uuid=9cc10f56-7e84-8be8-b5cd-b7c540da67bd");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(board_is_told),
        TEST(devices_are_in_the_order_of_their_bootindex),
        TEST(devices_on_pci_have_paths_of_pci),
        TEST(two_of_one_bootindex_are_refused),
        TEST(kernel_is_the_firmwares_to_start),
        TEST(what_the_user_gave_is_kept),
        TEST(uuid_and_serial_stay_with_the_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
