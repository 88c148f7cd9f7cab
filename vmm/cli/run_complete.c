/* SPDX-License-Identifier: BSD-2-Clause */
/* After the last option of `vmm run`: what depends on others, and what does not go together. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/command.h"
#include "vmm/cli/firmware_files.h"
#include "vmm/cli/run_options_internal.h"
#include "vmm/control/control_path.h"
#include "vmm/keeper/kept.h"
#include "vmm/util/keyval.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_devices.h"

/* The VM's name, and where its control interface listens. */
static int complete_control(struct run_options *o)
{
    int error;

    if (o->vm.name)
        snprintf(o->name, sizeof(o->name), "%s", o->vm.name);
    else
        snprintf(o->name, sizeof(o->name), "vm-%ld", (long)kept_pid());
    if (o->control && strcmp(o->control, "off") == 0)
        return 0;
    if (o->control && (!*o->control || strlen(o->control) >= sizeof(o->control_path)))
        return run_options_bad("control socket", o->control, "give the path of a socket, or 'off'");
    if (o->control) {
        snprintf(o->control_path, sizeof(o->control_path), "%s", o->control);
        return 0;
    }
    if (!control_name_valid(o->name))
        return run_options_bad("name", o->name,
                               "a control socket of that name cannot be: give letters, digits "
                               "and . _ - only, or --control PATH or off");
    error = control_path(o->name, o->control_path, sizeof(o->control_path));
    if (error)
        o->control_path[0] = '\0';
    return error == -ENAMETOOLONG
               ? run_options_bad("name", o->name,
                                 "the path of its control socket would be too long")
               : 0;
}

/* Is it a disk, on PCI if that is asked? */
static bool is_disk(const char *device, bool pci)
{
    const char *rest = device;
    struct keyval keyval;
    bool on_pci = false;

    if (!vm_devices_names(device, "virtio-blk") && !vm_devices_names(device, "vhost-user-blk"))
        return false;
    while (keyval_next(&rest, &keyval) > 0) {
        if (strcmp(keyval.key, "bus") == 0)
            on_pci = keyval.value && strcmp(keyval.value, "pci") == 0;
        keyval_free(&keyval);
    }
    return on_pci || !pci;
}

static bool has_disk(const struct run_options *o, bool pci)
{
    for (unsigned i = 0; i < VM_MAX_DEVICES && o->devices[i]; i++)
        if (is_disk(o->devices[i], pci))
            return true;
    return false;
}

/* ",NAME=VALUE" with each comma of the value twice; "" without a value. free() it. */
static char *property(const char *name, const char *value)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    if (value)
        fprintf(out, ",%s=", name);
    for (; value && *value; value++) {
        if (*value == ',')
            fputc(',', out);
        fputc(*value, out);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* The flash, with what --firmware and --firmware-vars gave. */
static int add_flash(struct run_options *o)
{
    struct firmware_files files;
    char *code, *vars, *template, *spec = NULL;
    int error = firmware_find("", o->firmware, &files);

    if (error)
        return error;
    code = property("code", files.code);
    vars = property("vars", o->firmware_vars);
    template = property("template", files.vars);
    if (!code || !vars || !template || asprintf(&spec, "cfi-flash%s%s%s", code, vars, template) < 0)
        spec = NULL;
    free(code);
    free(vars);
    free(template);
    o->vm.firmware = true;
    return run_options_add_device(o, "firmware", spec);
}

/*
 * The seed of a cloud image is the last disk, so that names of the others do not depend on it. For
 * that it is on PCI if another disk is: a guest may find the disks of one bus before those of the other.
 */
static int add_cloud_seed(struct run_options *o)
{
    char *spec = NULL;

    if (!o->has_cloud_init || o->print_config)
        return 0;
    o->cloud_seed = kept_get(RUN_KEPT_SEED);
    if (o->cloud_seed < 0)
        o->cloud_seed = cloud_init_seed(&o->cloud_init, o->vm.name);
    if (o->cloud_seed < 0)
        return o->cloud_seed;
    if (asprintf(&spec, "virtio-blk,path=/proc/%ld/fd/%d,format=raw,ro=on,serial=cidata%s",
                 (long)getpid(), o->cloud_seed, has_disk(o, true) ? ",bus=pci" : "") < 0)
        spec = NULL;
    return run_options_add_device(o, "cloud-init", spec);
}

/* What the guest starts with. */
static int complete_boot(struct run_options *o)
{
    if (!o->firmware && !o->vm.files.kernel && has_disk(o, false))
        o->firmware = "edk2";
    if (o->firmware && o->vm.files.raw)
        return run_options_bad("firmware", o->firmware,
                               "it cannot start a raw binary: leave out --raw");
    if (o->firmware_vars && !o->firmware)
        return run_options_bad("firmware-vars", o->firmware_vars, "give --firmware, too");
    if (!o->firmware && !o->vm.files.kernel) {
        log_error("no kernel and no disk; give one with -k IMAGE or --disk PATH ('vmm help run' "
                  "tells more)");
        return -EINVAL;
    }
    if (!o->vm.files.kernel && (o->vm.files.initrds[0] || o->vm.bootargs))
        return run_options_bad("firmware", o->firmware, "without -k it takes neither -i nor -p");
    return o->firmware ? add_flash(o) : 0;
}

void run_options_choose_machine(struct run_options *o)
{
    if (!o->machine_given)
        o->machine.linux_host = machine_linux_is_there();
    o->machine_given = true;
}

void run_options_of_qemu(struct run_options *o, struct qemu_option rows[QEMU_OPTIONS])
{
    static const char own_cpu[] = "each virtual CPU has a CPU of its own";

    rows[0] = (struct qemu_option){"stub", "the module has its own", .text = &o->machine.stub};
    rows[1] = (struct qemu_option){"pcpus", own_cpu, &o->machine.nr_pcpus, o->vm.nr_vcpus, NULL};
    rows[2] = (struct qemu_option){"time-slice", own_cpu, &o->slice_ms, UINT_MAX, NULL};
}

/* Options that the machine has no use for are refused: whoever gives one expects that it counts. */
static int complete_machine(struct run_options *o)
{
    const struct machine_config *machine = &o->machine;
    struct qemu_option rows[QEMU_OPTIONS];

    run_options_choose_machine(o);
    run_options_of_qemu(o, rows);
    for (unsigned i = 0; machine->linux_host && i < QEMU_OPTIONS; i++) {
        if (!qemu_option_counts(&rows[i]))
            continue;
        log_error("--%s: not with the machine linux, where %s; leave it out, or give -M qemu",
                  rows[i].name, rows[i].why);
        return -EINVAL;
    }
    o->machine.nr_vcpus = o->vm.nr_vcpus;
    if (!machine->nr_pcpus)
        o->machine.nr_pcpus = o->vm.nr_vcpus;
    if (!machine->stub)
        o->machine.stub = command_stub_path();
    if (!o->slice_ms)
        o->slice_ms = DEFAULT_SLICE_MS;
    return 0;
}

int run_options_complete(struct run_options *o)
{
    /* Before what is added here, which will be added again. */
    o->saved = run_options_to_save(o);
    if (complete_boot(o) || complete_control(o) || add_cloud_seed(o))
        return -EINVAL;
    if (o->gdb_wait && !o->gdb) {
        log_error("--gdb-wait: say with --gdb where the debugger can attach");
        return -EINVAL;
    }
    o->vm.devices = o->devices;
    for (o->vm.nr_devices = 0; o->vm.nr_devices < VM_MAX_DEVICES; o->vm.nr_devices++) {
        if (!o->devices[o->vm.nr_devices])
            break;
    }
    if (o->machine.nr_pcpus > o->vm.nr_vcpus) {
        log_error("%u physical CPUs for %u virtual ones: give as many or fewer",
                  o->machine.nr_pcpus, o->vm.nr_vcpus);
        return -EINVAL;
    }
    if (o->record && (o->gdb || o->firmware)) {
        log_error("--record: not with %s, which a recording does not cover",
                  o->gdb ? "--gdb" : "--firmware");
        return -EINVAL;
    }
    return complete_machine(o);
}
