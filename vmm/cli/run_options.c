/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/run_options_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/board/board.h"
#include "vmm/cli/command.h"
#include "vmm/cli/option_json.h"
#include "vmm/gdb/gdb_address.h"
#include "vmm/keeper/kept.h"
#include "vmm/util/log.h"
#include "vmm/util/size.h"

#define MIN_RAM     RV_BLOCK_SIZE
#define DEFAULT_RAM (512ull << 20)

#define MAX_SLICE_MS 1000

#define DEFAULT_GRACE_S 10
#define MAX_GRACE_S     86400

#define TEXT_OF(number)      TEXT_OF_TOKEN(number)
#define TEXT_OF_TOKEN(token) #token

/* For the texts: the numbers themselves have a suffix. */
#define VM_MAX_VCPUS_TEXT   "32"
#define VM_MAX_DEVICES_TEXT "64"
_Static_assert(VM_MAX_VCPUS == 32 && VM_MAX_DEVICES == 64, "the texts tell these numbers");

int run_options_bad(const char *what, const char *value, const char *wanted)
{
    log_error("%s '%s': %s", what, value, wanted);
    return -EINVAL;
}

static int set_help(void *target, const struct option_row *row, const char *value)
{
    run_options_help();
    return 1;
}

static int set_print_schema(void *target, const struct option_row *row, const char *value);

static int set_restore_help(void *target, const struct option_row *row, const char *value)
{
    run_options_restore_help();
    return 1;
}

static int set_raw(void *target, const struct option_row *row, const char *value)
{
    struct run_options *o = target;

    if (size_parse(value, &o->vm.files.raw_address.v))
        return run_options_bad(row->what, value,
                               "give an address in guest memory, for example 0x40080000");
    o->vm.files.raw = true;
    return 0;
}

static int set_memory(void *target, const struct option_row *row, const char *value)
{
    struct run_options *o = target;
    uint64_t size;

    if (size_parse(value, &size) == 0 && size > BOARD_RAM_SIZE_MAX)
        return run_options_bad(row->what, value,
                               "more than the guest's address space has room for (1023G)");
    if (size_parse(value, &size) || size < MIN_RAM || size % RV_BLOCK_SIZE)
        return run_options_bad(row->what, value, "give a multiple of 2M, for example 512M or 1G");
    o->vm.ram_size = size;
    return 0;
}

static int set_name(void *target, const struct option_row *row, const char *value)
{
    struct run_options *o = target;

    if (!*value || strlen(value) > RUN_NAME_MAX)
        return run_options_bad(row->what, value, "give 1 to 64 characters");
    o->vm.name = value;
    return 0;
}

static int set_machine(void *target, const struct option_row *row, const char *value)
{
    struct run_options *o = target;

    size_t length = strcspn(value, ",");

    o->machine.linux_host = length == 5 && strncmp(value, "linux", length) == 0;
    if (!o->machine.linux_host && (length != 4 || strncmp(value, "qemu", length) != 0))
        return run_options_bad(row->what, value,
                               "there are 'qemu' and, on an Arm computer, 'linux'");
    o->machine_given = true;
    o->machine.options = value[length] ? value + length + 1 : NULL;
    return o->machine.linux_host ? machine_linux_check(o->machine.options)
                                 : machine_qemu_check(o->machine.options);
}

static int set_cloud_init(void *target, const struct option_row *row, const char *value)
{
    struct run_options *o = target;

    o->has_cloud_init = true;
    return cloud_init_parse(value, &o->cloud_init);
}

static int set_gdb(void *target, const struct option_row *row, const char *value)
{
    struct gdb_address address;

    ((struct run_options *)target)->gdb = value;
    return gdb_address_parse(value, &address);
}

static int set_keeper(void *target, const struct option_row *row, const char *value)
{
    bool off = strcmp(value, "off") == 0;

    ((struct run_options *)target)->no_keeper = off;
    return off || strcmp(value, "on") == 0 ? 0
                                           : run_options_bad(row->what, value, "give on or off");
}

static int set_log_level(void *target, const struct option_row *row, const char *value)
{
    return log_set_level(value)
               ? run_options_bad(row->what, value, "give error, warn, info or debug")
               : 0;
}

static int set_sandbox(void *target, const struct option_row *row, const char *value)
{
    static const char *const names[] = {
        [SANDBOX_ON] = "on", [SANDBOX_OFF] = "off", [SANDBOX_STRICT] = "strict"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            ((struct run_options *)target)->sandbox = (enum sandbox_mode)i;
            return 0;
        }
    }
    return run_options_bad(row->what, value, "give on, off or strict");
}

int run_options_add_device(struct run_options *o, const char *name, char *spec)
{
    if (!spec) {
        log_error("--%s: out of memory", name);
        return -EINVAL;
    }
    for (unsigned i = 0; i < VM_MAX_DEVICES; i++) {
        if (!o->devices[i]) {
            o->devices[i] = o->made[o->nr_made++] = spec;
            return 0;
        }
    }
    free(spec);
    return run_options_bad("device", name, "too many; " VM_MAX_DEVICES_TEXT " can be given");
}

/* A device by a shorter name: the row says what stands before the value in --device. */
static int set_device(void *target, const struct option_row *row, const char *value)
{
    const char *comma = row->argument && row->argument[0] == '[' && value ? "," : "";
    char *spec;

    if (asprintf(&spec, "%s%s%s", row->device, comma, value ? value : "") < 0)
        spec = NULL;
    return run_options_add_device(target, row->name, spec);
}

#define AT(member) .offset = offsetof(struct run_options, member)

static const struct option_row rows[] = {
    {.name = "kernel",
     .letter = 'k',
     .type = OPTION_TEXT,
     .argument = "IMAGE",
     AT(vm.files.kernel),
     .help = "arm64 Image (plain, gzip, zstd, EFI zboot), AArch64 ELF file, or a unified\n"
             "kernel image (UKI) of one of these"},
    {.name = "raw",
     .type = OPTION_OWN,
     .argument = "ADDRESS",
     .what = "raw address",
     .set = set_raw,
     .help = "the kernel is a raw binary: load and enter it there"},
    {.name = "initrd",
     .letter = 'i',
     .type = OPTION_LIST,
     .argument = "FILE",
     .what = "initrd",
     AT(vm.files.initrds),
     .max = LOADER_INITRDS_MAX,
     .help = "initial RAM disk; several are put together in this order"},
    {.name = "cmdline",
     .letter = 'p',
     .type = OPTION_TEXT,
     .argument = "TEXT",
     AT(vm.bootargs),
     .help = "kernel command line"},
    {.name = "firmware",
     .type = OPTION_TEXT,
     .argument = "FILE|edk2|u-boot",
     AT(firmware),
     .help = "start this firmware; with -k it gets the kernel\n"
             "(default for a disk without -k: edk2)"},
    {.name = "firmware-vars",
     .type = OPTION_TEXT,
     .argument = "FILE",
     AT(firmware_vars),
     .help = "file of the firmware's variables, made if it is missing"},
    {.name = "cloud-init",
     .type = OPTION_OWN,
     .argument = "user-data=FILE[,ssh-key=FILE][,hostname=NAME]",
     .what = "cloud-init",
     .set = set_cloud_init,
     .help = "add a disk from which a cloud image is set up (needs mtools)"},
    {.name = "memory",
     .letter = 'm',
     .type = OPTION_OWN,
     .argument = "SIZE",
     .what = "memory size",
     .set = set_memory,
     .help = "guest memory, a multiple of 2M (default 512M)"},
    {.name = "cpus",
     .letter = 'c',
     .type = OPTION_NUMBER,
     .argument = "N",
     .what = "number of CPUs",
     AT(vm.nr_vcpus),
     .min = 1,
     .max = VM_MAX_VCPUS,
     .help = "virtual CPUs, 1 to " VM_MAX_VCPUS_TEXT " (default 1)"},
    {.name = "pcpus",
     .type = OPTION_NUMBER,
     .argument = "N",
     .what = "number of physical CPUs",
     AT(machine.nr_pcpus),
     .min = 1,
     .max = VM_MAX_VCPUS,
     .help = "physical CPUs that they share (default: one for each)"},
    {.name = "time-slice",
     .type = OPTION_NUMBER,
     .argument = "MS",
     .what = "time slice",
     AT(slice_ms),
     .min = 1,
     .max = MAX_SLICE_MS,
     .help = "how long one keeps a physical CPU that another wants,\n"
             "1 to " TEXT_OF(MAX_SLICE_MS) " ms (default " TEXT_OF(DEFAULT_SLICE_MS) ")"},
    {.name = "name",
     .letter = 'n',
     .type = OPTION_OWN,
     .argument = "NAME",
     .what = "name",
     .set = set_name,
     .help = "name of the guest, for the commands that control it and for the\n"
             "addresses of its network cards (default for the commands: vm-PID)"},
    {.name = "control",
     .type = OPTION_TEXT,
     .argument = "PATH|off",
     AT(control),
     .help = "socket of the control interface (default: by the name, in\n"
             "/run/ringvisor of root, else in $XDG_RUNTIME_DIR/ringvisor)"},
    {.name = "device",
     .letter = 'd',
     .type = OPTION_LIST,
     .argument = "NAME[,PROPERTY=VALUE...]",
     .what = "device",
     AT(devices),
     .max = VM_MAX_DEVICES,
     .help = "add a device; 'vmm devices' lists them"},
    {.name = "plugin-path",
     .letter = 'P',
     .type = OPTION_LIST,
     .argument = "DIR",
     .what = "plugin path",
     AT(plugin_paths),
     .max = RUN_PATHS_MAX,
     .help = "look for device plugins here first; may be repeated"},
    {.name = "machine",
     .letter = 'M',
     .type = OPTION_OWN,
     .argument = "qemu[,cpu=MODEL][,path=PROGRAM][,gdb=PORT]|linux[,cpus=LIST]",
     .what = "machine",
     .set = set_machine,
     .help = "where the guest runs (default: linux where there is\n"
             "/dev/ringvisor, else qemu); a comma in a value is written twice"},
    {.name = "stub",
     .type = OPTION_TEXT,
     .argument = "FILE",
     AT(machine.stub),
     .help = "EL2 stub to use (default: the one of this build)"},
    {.name = "dump-dtb",
     .type = OPTION_TEXT,
     .argument = "FILE",
     AT(vm.dump_dtb),
     .help = "write the guest's device tree to FILE"},
    {.name = "no-reboot",
     .type = OPTION_FLAG,
     AT(vm.no_reboot),
     .help = "end when the guest asks for a reset, with status 4"},
    {.name = "grace",
     .repeats = true, /* scripts give a default before what their user says: the last one counts */
     .type = OPTION_NUMBER,
     .argument = "SECONDS",
     .what = "grace time",
     AT(grace_s),
     .max = MAX_GRACE_S,
     .help = "on SIGTERM, how long the guest has to shut itself down\n"
             "(default " TEXT_OF(DEFAULT_GRACE_S) "); 0: none"},
    {.name = "gdb",
     .type = OPTION_OWN,
     .argument = "unix:PATH|tcp:PORT",
     .what = "gdb",
     .set = set_gdb,
     .help = "let a debugger attach to the guest there; PORT is one of localhost"},
    {.name = "gdb-wait",
     .type = OPTION_FLAG,
     AT(gdb_wait),
     .help = "the guest begins when the debugger lets it"},
    {.name = "timestamps",
     .type = OPTION_FLAG,
     AT(machine.timestamps),
     .help = "let the stub put a time stamp on each event"},
    {.name = "trace",
     .type = OPTION_TEXT,
     .argument = "FILE[,FILTER...]",
     AT(trace),
     .help = "write each exit in words to FILE, with its time to answer; filters are\n"
             "vcpu=N, kind=NAME, device=NAME, address=FIRST-LAST"},
    {.name = "perfetto",
     .type = OPTION_TEXT,
     .argument = "FILE[,FILTER...]",
     AT(perfetto),
     .help = "write a trace for Perfetto's UI to FILE, with the same filters"},
    {.name = "record",
     .type = OPTION_TEXT,
     .argument = "FILE",
     AT(record),
     .help = "record the guest's exits and their answers in FILE, for 'vmm replay'"},
    {.name = "keeper",
     .type = OPTION_OWN,
     .argument = "on|off",
     .what = "keeper",
     .set = set_keeper,
     .help = "off: one process, with which the guest dies (default on)"},
    {.name = "sandbox",
     .type = OPTION_OWN,
     .argument = "on|off|strict",
     .what = "sandbox",
     .set = set_sandbox,
     .help = "what a running guest's vmm can still do on the host: on (default), only\n"
             "what the options ask for; strict, no start where the host's kernel lacks\n"
             "a part of it, and the end at a call that is refused"},
    {.name = "snapshots",
     .type = OPTION_TEXT,
     .argument = "DIR",
     AT(snapshots),
     .help = "let vmm snapshot make its folders in DIR"},
    {.name = "log-level",
     .letter = 'l',
     .type = OPTION_OWN,
     .argument = "LEVEL",
     .what = "log level",
     .set = set_log_level,
     .help = "error, warn, info or debug (default info)"},
    {.name = "config",
     .not_in_file = true,
     .type = OPTION_TEXT,
     .argument = "FILE",
     AT(config),
     .help = "more options from a JSON file, {\"memory\": \"1G\", ...}; an option\n"
             "that is given here as well counts instead of the file's"},
    {.name = "print-config",
     .not_in_file = true,
     .type = OPTION_FLAG,
     AT(print_config),
     .help = "print a file for --config with all options given, and end"},
    {.name = "print-schema",
     .not_in_file = true,
     .type = OPTION_OWN,
     .set = set_print_schema,
     .help = "print the JSON schema of such a file, and end"},
    {.name = "help",
     .letter = 'h',
     .not_in_file = true,
     .type = OPTION_OWN,
     .set = set_help,
     .help = "show this"},

#define DEVICE(option, prefix, usage, text)                                                       \
    {                                                                                             \
        .name = option, .repeats = true, .type = OPTION_OWN, .set = set_device, .device = prefix, \
        .argument = usage, .help = text                                                           \
    }
    DEVICE("disk", "virtio-blk,path=", "PATH[,PROPERTY=VALUE...]",
           "add a disk: --device virtio-blk,path=PATH"),
    DEVICE("net", "virtio-net,backend=", "user|tap|socket[,PROPERTY=VALUE...]",
           "add a network device: --device virtio-net,backend=..."),
    DEVICE("share", "virtio-fs,path=", "DIR,tag=TAG[,PROPERTY=VALUE...]",
           "share a folder: --device virtio-fs,path=DIR,tag=TAG"),
    DEVICE("vsock", "virtio-vsock,", "cid=N,path=SOCKET",
           "add host-guest sockets: --device virtio-vsock,..."),
    DEVICE("console", "virtio-console,chardev=", "stdio|pty|file:PATH|log:SIZE:PATH|socket:PATH",
           "add a console: --device virtio-console,chardev=..."),
    DEVICE("rng", "virtio-rng", NULL, "add an entropy device: --device virtio-rng"),
    DEVICE("smbios", "fw-cfg,", "serial=TEXT[,PROPERTY=VALUE...]",
           "what SMBIOS tells of the system: --device fw-cfg,..."),
    DEVICE("watchdog", "sp805", "[=PROPERTY=VALUE...]", "add a watchdog: --device sp805"),
    DEVICE("balloon", "virtio-balloon", "[=PROPERTY=VALUE...]",
           "add a memory balloon: --device virtio-balloon"),
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* What vmm restore has instead of `config`, `print-config`, `print-schema` and `help`. */
static const struct option_row restore_rows[] = {
    {.name = "revert-disks",
     .not_in_file = true,
     .type = OPTION_FLAG,
     AT(revert_disks),
     .help = "disks that have changed since are again what they were: what was\n"
             "written to them since is lost"},
    {.name = "lazy",
     .not_in_file = true,
     .type = OPTION_FLAG,
     AT(lazy),
     .help = "the guest goes on before its memory has been read, and waits for what it\n"
             "needs; memory that is damaged is found only then, and ends it"},
    {.name = "track",
     .not_in_file = true,
     .type = OPTION_FLAG,
     AT(track),
     .help = "note what the guest writes from then on, so that vmm snapshot --base DIR can\n"
             "write only that"},
    {.name = "help",
     .letter = 'h',
     .not_in_file = true,
     .type = OPTION_OWN,
     .set = set_restore_help,
     .help = "show this"},
};

#define RESTORE_ROWS (sizeof(restore_rows) / sizeof(restore_rows[0]))
_Static_assert(ROWS + RESTORE_ROWS <= OPTION_ROWS_MAX, "a bit for each row");

/* The first row of a device's shorter name. */
static unsigned first_device(void)
{
    unsigned i = 0;

    while (i < ROWS && !rows[i].device)
        i++;
    return i;
}

void run_options_help(void)
{
    static const struct option_set all = {.rows = rows, .count = ROWS};

    printf("usage: vmm run -k IMAGE|--disk PATH|--firmware FILE [OPTION...]\n"
           "\n"
           "Boot an AArch64 guest. Its console is on standard input and output; messages go to\n"
           "standard error. On a terminal, Ctrl-a x ends the guest and Ctrl-a h lists the keys.\n"
           "\n");
    option_help(&all, 0, first_device());
    printf("\nDevices by shorter names:\n");
    option_help(&all, first_device(), ROWS);
    printf(
        "\n"
        "SIGTERM presses the guest's power button and waits for it to shut down, if it listens;\n"
        "a second one ends it. SIGPWR presses the button.\n"
        "\n"
        "Exit status: 0 the guest powered off, or Ctrl-a x; 1 the vmm or the machine failed;\n"
        "2 wrong usage; 3 the guest cannot go on; 4 a reset with --no-reboot; 128+N ended by\n"
        "signal N.\n");
}

static int set_print_schema(void *target, const struct option_row *row, const char *value)
{
    static const struct option_set all = {.rows = rows, .count = ROWS};
    json_t *schema = option_json_schema(&all, "options of vmm run");

    if (!schema) {
        log_error("--print-schema: out of memory");
        return -EINVAL;
    }
    json_dumpf(schema, stdout, JSON_INDENT(2)); /* main() says what went wrong */
    putchar('\n');
    json_decref(schema);
    return 1;
}

void run_options_init(struct run_options *o, struct option_set *set)
{
    *o = (struct run_options){
        .vm = {.nr_vcpus = 1, .ram_size = DEFAULT_RAM},
        .grace_s = DEFAULT_GRACE_S,
        .cloud_seed = -1,
        .config_copy = -1,
    };
    o->given = json_object();
    o->texts = json_array();
    *set = (struct option_set){.rows = rows, .count = ROWS, .target = o, .record = o->given};
}

/* The rows of vmm restore, and all that a file may have. */
static const struct option_set *restore_set(void)
{
    static struct option_row all[ROWS + RESTORE_ROWS];
    static struct option_set set = {.rows = all};

    if (set.count)
        return &set;
    for (unsigned i = 0; i < RESTORE_ROWS; i++)
        all[set.count++] = restore_rows[i];
    for (unsigned i = 0; i < ROWS; i++)
        if (!rows[i].not_in_file)
            all[set.count++] = rows[i];
    return &set;
}

void run_options_restore_help(void)
{
    static const struct option_set own = {.rows = restore_rows, .count = RESTORE_ROWS};

    printf("usage: vmm restore [OPTION...] DIR\n\n"
           "Let a VM go on from a snapshot that vmm snapshot has written, in the foreground as by\n"
           "vmm run. It has the options that the VM was started with; those of vmm run that are\n"
           "given here count instead.\n\n");
    option_help(&own, 0, own.count);
}

void run_options_init_restore(struct run_options *o, struct option_set *set)
{
    run_options_init(o, set);
    set->rows = restore_set()->rows;
    set->count = restore_set()->count;
}

json_t *run_options_to_save(const struct run_options *o)
{
    json_t *saved = json_deep_copy(o->given), *devices = json_array();

    for (unsigned i = 0; i < ROWS; i++)
        if (rows[i].device || strcmp(rows[i].name, "device") == 0)
            json_object_del(saved, rows[i].name);
    for (unsigned i = 0; i < VM_MAX_DEVICES && o->devices[i]; i++)
        json_array_append_new(devices, json_string(o->devices[i]));
    if (json_object_set_new(saved, "device", devices) == 0)
        return saved;
    json_decref(saved);
    return NULL;
}

/* A later worker has what the keeper has read: the file may be a pipe, or changed by now. */
static int read_config(struct run_options *o, struct option_set *set)
{
    o->config_copy = kept_get(RUN_KEPT_CONFIG);
    if (o->config_copy < 0)
        o->config_copy = option_json_open(o->config);
    return o->config_copy < 0 ? -EINVAL
                              : option_json_read(set, o->config, o->config_copy, o->texts);
}

int run_options_parse(struct run_options *o, int argc, char **argv)
{
    struct option_set set;
    int parsed, rest;

    run_options_init(o, &set);
    parsed = option_parse(&set, "vmm run", argc, argv, &rest);
    if (parsed)
        return parsed;
    if (rest < argc)
        return run_options_bad("argument", argv[rest], "not an option; a kernel is given with -k");
    if (o->config && read_config(o, &set))
        return -EINVAL;
    parsed = run_options_complete(o);
    if (parsed || !o->print_config)
        return parsed;
    json_dumpf(o->given, stdout, JSON_INDENT(2));
    putchar('\n');
    return 1;
}

void run_options_free(struct run_options *o)
{
    while (o->nr_made)
        free(o->made[--o->nr_made]);
    cloud_init_free(&o->cloud_init);
    if (o->cloud_seed >= 0)
        close(o->cloud_seed);
    if (o->config_copy >= 0)
        close(o->config_copy);
    json_decref(o->given);
    json_decref(o->saved);
    json_decref(o->texts);
}
