/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/successor.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/command.h"
#include "vmm/cli/run_options.h"
#include "vmm/cpu/journal.h"
#include "vmm/device/plugin.h"
#include "vmm/keeper/kept.h"
#include "vmm/machine/machine.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_check.h"
#include "vmm/vm/vm_devices.h"

static int check_state(const struct run_options *o, const struct plugins *plugins)
{
    struct vm_config config = o->vm;
    int fd = kept_get(VM_KEPT_STATE), error;

    if (fd < 0) {
        log_error("the keeper has no state of a guest");
        return -ENOENT;
    }
    config.rom_size = vm_devices_rom(&config, plugins);
    error = vm_check(&config, plugins, fd);
    close(fd);
    return error;
}

int successor_check(const struct run_options *o)
{
    struct plugins *plugins = plugin_new();
    int error = plugins ? 0 : -ENOMEM;

    if (!error)
        plugin_load_path(plugins, o->plugin_paths, command_plugin_dir());
    if (!error)
        error = machine_check(&o->machine);
    if (!error)
        error = journal_check();
    if (!error)
        error = check_state(o, plugins);
    if (plugins)
        plugin_free(plugins);
    if (!error) {
        error = kept_ready();
        if (error)
            log_error("the keeper does not give the guest: %s", strerror(-error));
    }
    return error;
}
