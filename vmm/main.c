/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/abi_version.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"
#include "vmm/config.h"
#include "vmm/util/log.h"

const struct command *const command_all[] = {
    &command_run,
    &command_ps,
    &command_top,
    &command_stat,
    &command_pause,
    &command_resume,
    &command_stop,
    &command_kill,
    &command_reset,
    &command_disk,
    &command_net,
    &command_balloon,
    &command_console,
    &command_devices,
    &command_decode,
    &command_trace,
    &command_record,
    &command_replay,
    &command_snapshot,
    &command_restore,
    &command_upgrade,
    &command_complete,
    NULL,
};

/*
 * In the build tree the program lies beside its files; elsewhere they are where
 * they were installed. Tells which by looking for `name` beside the program.
 */
static const char *beside(const char *name, const char *installed, char *path, size_t size)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n <= 0)
        return installed;
    self[n] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    n = snprintf(path, size, "%s/../%s", self, name);
    return n > 0 && (size_t)n < size && access(path, R_OK) == 0 ? path : installed;
}

const char *command_stub_path(void)
{
    static char path[PATH_MAX];

    return beside("el2stub/el2stub.elf", CONFIG_LIBDIR "/el2stub.elf", path, sizeof(path));
}

const char *command_plugin_dir(void)
{
    static char path[PATH_MAX];

    return beside("devices", CONFIG_LIBDIR "/devices", path, sizeof(path));
}

static void usage(FILE *out)
{
    fprintf(out, "usage: vmm COMMAND [OPTION...]\n\ncommands:\n");
    for (size_t i = 0; command_all[i]; i++)
        fprintf(out, "  %-10s %s\n", command_all[i]->name, command_all[i]->summary);
    fprintf(out, "  %-10s %s\n", "help", "show this, or what a command takes: vmm help COMMAND");
    fprintf(out, "  %-10s %s\n", "--version", "show the version");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; command_all[i]; i++) {
        if (strcmp(command_all[i]->name, name) == 0)
            return command_all[i];
    }
    fprintf(stderr, "vmm: there is no command '%s'; 'vmm help' lists them\n", name);
    return NULL;
}

static int help(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return STATUS_OK;
    }
    command = find(argv[1]);
    if (!command)
        return STATUS_USAGE;
    if (command->vm)
        vm_command_help(command);
    else
        command->help();
    return STATUS_OK;
}

/* Output that did not get out is an error too: a full disk must not look like success. */
static int finish(int status)
{
    bool failed = ferror(stdout); /* some time ago: errno is of something else by now */

    if (!fflush(stdout) && !failed)
        return status;
    log_error("standard output: %s", failed ? "not all could be written: is there room, or has its "
                                              "reader gone?"
                                            : strerror(errno));
    return status ? status : STATUS_VMM;
}

/* No descriptor of our own may become standard input, output or error because that was closed. */
static void open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            exit(STATUS_VMM);
    }
}

int main(int argc, char **argv)
{
    const struct command *command;
    static char name[32]; /* what getopt's messages begin with */

    open_standard_files();

    if (argc < 2) {
        usage(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("vmm (ringvisor) %s, ABI %u.%u\n", CONFIG_VERSION, RV_ABI_MAJOR, RV_ABI_MINOR);
        return finish(STATUS_OK);
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return finish(help(argc - 1, argv + 1));
    if (strcmp(argv[1], "worker") == 0 || strcmp(argv[1], "successor") == 0)
        return finish(command_worker(argc - 1, argv + 1));
    command = find(argv[1]);
    if (!command)
        return STATUS_USAGE;
    snprintf(name, sizeof(name), "vmm %s", command->name);
    argv[1] = name;
    return finish(command->vm ? vm_command_run(command, argc - 1, argv + 1)
                              : command->run(argc - 1, argv + 1));
}
