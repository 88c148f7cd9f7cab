/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/restore_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/cli/run_options_internal.h"
#include "vmm/keeper/kept.h"
#include "vmm/util/log.h"

#define NOT_THERE "is not there"

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *path)
{
    return access(path, R_OK) == 0;
}

/* What a socket needs. */
static bool has_folder(const char *path)
{
    char folder[RUN_CONTROL_PATH_MAX];
    char *slash;

    if (strcmp(path, "off") == 0 || strlen(path) >= sizeof(folder))
        return true;
    strcpy(folder, path);
    slash = strrchr(folder, '/');
    if (!slash)
        return true;
    slash[slash == folder] = '\0';
    return is_folder(folder);
}

static void say(const char *option, const char *value, const char *why, const char *without)
{
    if (!kept_has_keeper())
        log_warn("--%s '%s', which the VM was started with, %s: %s", option, value, why, without);
}

static bool was_given(const struct option_set *set, uint64_t given, const char *option)
{
    return given >> (option_find(set, option) - set->rows) & 1;
}

/* cloud-init has read the seed when the guest started, and the disk has to be there. */
static void drop_seed_file(char **path)
{
    if (!*path || is_file(*path))
        return;
    say("cloud-init", *path, NOT_THERE, "the guest's seed goes on without it");
    free(*path);
    *path = NULL;
}

/* A VM that was started on the machine qemu goes on here: see complete_machine(). */
static void drop_for_linux(struct run_options *o, const struct option_set *set, uint64_t given)
{
    struct qemu_option rows[QEMU_OPTIONS];
    char number[16];

    run_options_of_qemu(o, rows);
    for (unsigned i = 0; i < QEMU_OPTIONS; i++) {
        const struct qemu_option *row = &rows[i];

        if (!qemu_option_counts(row) || was_given(set, given, row->name))
            continue;
        if (row->number)
            snprintf(number, sizeof(number), "%u", *row->number);
        say(row->name, row->number ? number : *row->text, "is for the machine qemu",
            "here it does not count");
        if (row->number)
            *row->number = 0;
        else
            *row->text = NULL;
    }
}

void restore_paths(struct run_options *o, const struct option_set *set, uint64_t given)
{
    const struct {
        const char *option, **path;
        bool (*is_there)(const char *path);
        const char *without;
    } rows[] = {
        {"snapshots", &o->snapshots, is_folder,
         "the VM cannot be saved again; vmm restore --snapshots DIR names another folder"},
        {"control", &o->control, has_folder,
         "the control socket is where it is by default; vmm restore --control PATH names another"},
        {"stub", &o->machine.stub, is_file, "the stub of this build is used"},
    };

    run_options_choose_machine(o);
    if (o->machine.linux_host)
        drop_for_linux(o, set, given);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!*rows[i].path || was_given(set, given, rows[i].option) ||
            rows[i].is_there(*rows[i].path))
            continue;
        say(rows[i].option, *rows[i].path, NOT_THERE, rows[i].without);
        *rows[i].path = NULL;
    }
    if (was_given(set, given, "cloud-init"))
        return;
    drop_seed_file(&o->cloud_init.user_data);
    drop_seed_file(&o->cloud_init.ssh_key);
}
