/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm devices`: which device classes there are, and their properties. */
#include <getopt.h>
#include <stdio.h>

#include "vmm/cli/command.h"
#include "vmm/util/log.h"
#include "vmm/device/plugin.h"

#define MAX_PATHS 16

static void help(void)
{
    printf("usage: vmm devices [--plugin-path DIR]... [NAME]\n\n"
           "List the devices that --device takes, or show the properties of one.\n"
           "Plugins are looked for in the --plugin-path directories, in $VMM_PLUGIN_PATH\n"
           "(separated by colons), and in %s.\n",
           command_plugin_dir());
}

static const struct option options[] = {
    {"plugin-path", required_argument, NULL, 'P'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int run(int argc, char **argv)
{
    const char *paths[MAX_PATHS + 1] = {0};
    unsigned nr_paths = 0;
    struct plugins *plugins;
    int status = STATUS_OK;
    int opt;

    while ((opt = getopt_long(argc, argv, "P:h", options, NULL)) != -1) {
        if (opt == 'h') {
            help();
            return STATUS_OK;
        }
        if (opt == 'P' && nr_paths == MAX_PATHS)
            log_error("plugin path '%s': too many; %d can be given", optarg, MAX_PATHS);
        if (opt != 'P' || nr_paths == MAX_PATHS)
            return STATUS_USAGE;
        paths[nr_paths++] = optarg;
    }
    if (argc - optind > 1) {
        log_error("devices: one NAME at most");
        return STATUS_USAGE;
    }
    plugins = plugin_new();
    if (!plugins)
        return STATUS_VMM;
    plugin_load_path(plugins, paths, command_plugin_dir());
    if (optind == argc)
        plugin_list(plugins, stdout);
    else if (plugin_describe(plugins, argv[optind], stdout))
        status = STATUS_USAGE;
    plugin_free(plugins);
    return status;
}

const struct command command_devices = {.name = "devices",
                                        .summary = "list the devices, or show one",
                                        .help = help,
                                        .run = run,
                                        .options = options};
