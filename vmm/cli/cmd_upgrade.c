/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm upgrade`: another vmm for a guest that runs. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"
#include "vmm/keeper/keeper_ask.h"
#include "vmm/util/log.h"

static int connect_keeper(const char *vm)
{
    int fd = client_connect_keeper(vm), control = -1;

    if (fd >= 0)
        return fd;
    if (fd == -ENOENT)
        control = client_connect(vm);
    if (control < 0) {
        client_complain(vm, fd);
        return fd;
    }
    close(control);
    log_error(
        "VM '%s' has no keeper, so its vmm cannot be replaced: it runs with --keeper off, or on "
        "a machine or with an option that has none",
        vm);
    return fd;
}

/* The keeper takes only a program itself: not a script that starts one. -1 after a message. */
static int open_program(const char *path)
{
    char magic[SELFMAG] = "";
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st)) {
        log_error("program '%s': %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || pread(fd, magic, SELFMAG, 0) != SELFMAG ||
               memcmp(magic, ELFMAG, SELFMAG) != 0) {
        log_error(
            "program '%s': it is no ELF file: give the vmm itself, not a script that starts it",
            path);
    } else if (access(path, X_OK)) {
        log_error("program '%s': it may not be executed: %s", path, strerror(errno));
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int upgrade(const struct vm_options *o)
{
    const char *path = o->binary ? o->binary : "/proc/self/exe";
    int program = open_program(path), keeper;
    char why[KEEPER_WHY_MAX];
    uint64_t pause_us;
    int error;

    if (program < 0)
        return STATUS_VMM;
    keeper = connect_keeper(o->args[0]);
    if (keeper < 0) {
        close(program);
        return STATUS_VMM;
    }
    error = keeper_ask_upgrade(keeper, program, &pause_us, why);
    close(program);
    close(keeper);
    if (error) {
        log_error("the vmm of '%s' is not replaced: %s", o->args[0], why);
        return STATUS_VMM;
    }
    if (!o->json)
        printf("the vmm of '%s' is replaced; the guest stood for %s\n", o->args[0],
               vm_time(pause_us * 1000));
    return vm_command_end(
        o, json_pack("{s:s, s:I}", "name", o->args[0], "paused_us", (json_int_t)pause_us));
}

static const struct option_row upgrade_rows[] = {
    {.name = "binary",
     .type = OPTION_TEXT,
     .argument = "PATH",
     VM_AT(binary),
     .help = "the new vmm (default: the one that this command is)"},
    VM_OPTION_JSON,
    VM_OPTION_HELP,
};

static const struct vm_command upgrade_vm_command = {
    .usage = "NAME",
    .text =
        "Replace the vmm of a guest that runs, also by another version. The new one looks first\n"
        "whether it can take the guest. If not, it says why, and the old one goes on.",
    VM_ROWS(upgrade_rows),
    .min_args = 1,
    .max_args = 1,
    .run = upgrade,
};

const struct command command_upgrade = {
    .name = "upgrade", .summary = "replace a VM's vmm by another", .vm = &upgrade_vm_command};
