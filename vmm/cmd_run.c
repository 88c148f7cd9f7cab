/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm run`: boot a guest and serve it until it ends. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "vmm/chardev.h"
#include "vmm/command.h"
#include "vmm/guest/board.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/plugin.h"
#include "vmm/shorthand.h"
#include "vmm/size.h"
#include "vmm/vm_devices.h"

#define MAX_PATHS   16
#define MIN_RAM     RV_BLOCK_SIZE
#define DEFAULT_RAM (512ull << 20)
#define MAX_NAME    64
#define MAX_OPTIONS 64
#define HELP_COLUMN 25

/* Shorter, most of it is switching; longer, spinning for another vCPU gets noticed. */
#define DEFAULT_SLICE_MS 4u
#define MAX_SLICE_MS     1000u
#define NS_PER_MS        1000000ull

struct options {
    struct vm_config vm;
    struct machine_config machine;
    const char *devices[VM_MAX_DEVICES];
    const char *plugin_paths[MAX_PATHS + 1];
    unsigned nr_plugin_paths;
    unsigned slice_ms;
};

/* On one line if the option leaves room. */
static void help_shorthand(const struct shorthand *s)
{
    int used =
        printf("      --%s%s%s", s->option, s->value == SHORTHAND_REQUIRED ? " " : "", s->usage);

    if (used < HELP_COLUMN - 1)
        printf("%*s%s\n", HELP_COLUMN - used, "", s->help);
    else
        printf("\n%*s%s\n", HELP_COLUMN, "", s->help);
}

static void help(void)
{
    printf(
        "usage: vmm run -k IMAGE [OPTION...]\n"
        "\n"
        "Boot an AArch64 guest. Its console is on standard input and output; messages go to\n"
        "standard error. On a terminal, Ctrl-a x ends the guest and Ctrl-a h lists the keys.\n"
        "\n"
        "  -k, --kernel IMAGE     arm64 Image (plain, gzip, zstd, EFI zboot) or AArch64 ELF file\n"
        "      --raw ADDRESS      the kernel is a raw binary: load and enter it there\n"
        "  -i, --initrd FILE      initial RAM disk\n"
        "  -p, --cmdline TEXT     kernel command line\n"
        "  -m, --memory SIZE      guest memory, a multiple of 2M (default 512M)\n"
        "  -c, --cpus N           virtual CPUs, 1 to %u (default 1)\n"
        "      --pcpus N          physical CPUs that they share (default: one for each)\n"
        "      --time-slice MS    how long one keeps a physical CPU that another wants,\n"
        "                         1 to %u ms (default %u)\n"
        "  -n, --name NAME        name of the guest, for messages\n"
        "  -d, --device NAME[,PROPERTY=VALUE...]\n"
        "                         add a device; 'vmm devices' lists them\n"
        "  -P, --plugin-path DIR  look for device plugins here first; may be repeated\n"
        "  -M, --machine qemu[,cpu=MODEL][,path=PROGRAM][,stage2=pages|blocks][,gdb=PORT]\n"
        "                         where the guest runs; a comma in a value is written twice\n"
        "      --stub FILE        EL2 stub to use (default: the one of this build)\n"
        "      --dump-dtb FILE    write the guest's device tree to FILE\n"
        "      --no-reboot        end when the guest asks for a reset, with status 4\n"
        "      --timestamps       let the stub put a time stamp on each event\n"
        "  -l, --log-level LEVEL  error, warn, info or debug (default warn)\n"
        "  -h, --help             show this\n"
        "\n"
        "Devices by shorter names:\n",
        VM_MAX_VCPUS, MAX_SLICE_MS, DEFAULT_SLICE_MS);
    for (const struct shorthand *s = shorthands; s->option; s++)
        help_shorthand(s);
    printf("\n"
           "SIGPWR presses the guest's power button, if it has one.\n"
           "\n"
           "Exit status: 0 the guest powered off, or Ctrl-a x; 1 the vmm or the machine failed;\n"
           "2 wrong usage; 3 the guest cannot go on; 4 a reset with --no-reboot; 128+N ended by\n"
           "signal N.\n");
}

static int bad(const char *what, const char *value, const char *wanted)
{
    log_error("%s '%s': %s", what, value, wanted);
    return -EINVAL;
}

static int parse_memory(struct options *o, const char *text)
{
    uint64_t size;

    if (size_parse(text, &size) == 0 && size > BOARD_RAM_SIZE_MAX)
        return bad("memory size", text, "more than the guest's address space has room for (1023G)");
    if (size_parse(text, &size) || size < MIN_RAM || size % RV_BLOCK_SIZE)
        return bad("memory size", text, "give a multiple of 2M, for example 512M or 1G");
    o->vm.ram_size = size;
    return 0;
}

/* A decimal number, 1 to `most`. */
static int parse_number(const char *what, const char *text, unsigned most, unsigned *number)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || n < 1 || n > most) {
        log_error("%s '%s': give 1 to %u", what, text, most);
        return -EINVAL;
    }
    *number = (unsigned)n;
    return 0;
}

static int parse_machine(struct options *o, const char *text)
{
    if (strncmp(text, "qemu", 4) != 0 || (text[4] && text[4] != ','))
        return bad("machine", text, "there is 'qemu'");
    o->machine.options = text[4] ? text + 5 : NULL;
    return machine_qemu_check(o->machine.options);
}

static int parse_raw(struct options *o, const char *text)
{
    if (size_parse(text, &o->vm.files.raw_address.v))
        return bad("raw address", text, "give an address in guest memory, for example 0x40080000");
    o->vm.files.raw = true;
    return 0;
}

static int parse_name(struct options *o, const char *text)
{
    if (!*text || strlen(text) > MAX_NAME)
        return bad("name", text, "give 1 to 64 characters");
    o->vm.name = text;
    return 0;
}

static int add_device(struct options *o, const char *spec)
{
    if (o->vm.nr_devices == VM_MAX_DEVICES)
        return bad("device", spec, "too many");
    o->devices[o->vm.nr_devices++] = spec;
    return 0;
}

static int add_shorthand(struct options *o, const struct shorthand *shorthand, const char *value)
{
    char *spec = shorthand_device(shorthand, value);

    if (!spec || add_device(o, spec)) {
        free(spec);
        return -EINVAL;
    }
    return 0; /* `spec` lives as long as the process */
}

enum long_only {
    OPT_RAW = 256,
    OPT_STUB,
    OPT_DUMP_DTB,
    OPT_TIMESTAMPS,
    OPT_NO_REBOOT,
    OPT_PCPUS,
    OPT_SLICE,
    OPT_SHORTHAND, /* and as many more as there are shorthands */
};

static int option_set(struct options *o, int opt, const char *value)
{
    if (opt >= OPT_SHORTHAND)
        return add_shorthand(o, &shorthands[opt - OPT_SHORTHAND], value);
    switch (opt) {
    case 'k': o->vm.files.kernel = value; return 0;
    case 'i': o->vm.files.initrd = value; return 0;
    case 'p': o->vm.bootargs = value; return 0;
    case 'm': return parse_memory(o, value);
    case 'c': return parse_number("number of CPUs", value, VM_MAX_VCPUS, &o->vm.nr_vcpus);
    case 'n': return parse_name(o, value);
    case 'M': return parse_machine(o, value);
    case 'l':
        return log_set_level(value) ? bad("log level", value, "give error, warn, info or debug")
                                    : 0;
    case 'd': return add_device(o, value);
    case 'P':
        if (o->nr_plugin_paths == MAX_PATHS)
            return bad("plugin path", value, "too many");
        o->plugin_paths[o->nr_plugin_paths++] = value;
        return 0;
    case OPT_RAW: return parse_raw(o, value);
    case OPT_STUB: o->machine.stub = value; return 0;
    case OPT_DUMP_DTB: o->vm.dump_dtb = value; return 0;
    case OPT_NO_REBOOT: o->vm.no_reboot = true; return 0;
    case OPT_PCPUS:
        return parse_number("number of physical CPUs", value, VM_MAX_VCPUS, &o->machine.nr_pcpus);
    case OPT_SLICE: return parse_number("time slice", value, MAX_SLICE_MS, &o->slice_ms);
    case OPT_TIMESTAMPS: o->machine.timestamps = true; return 0;
    default: return -EINVAL; /* getopt_long has said it */
    }
}

/* 0; 1: help was asked for and given; -EINVAL after a message. */
static int parse(struct options *o, int argc, char **argv)
{
    static const struct option fixed[] = {
        {"kernel", required_argument, NULL, 'k'},
        {"initrd", required_argument, NULL, 'i'},
        {"cmdline", required_argument, NULL, 'p'},
        {"memory", required_argument, NULL, 'm'},
        {"cpus", required_argument, NULL, 'c'},
        {"name", required_argument, NULL, 'n'},
        {"device", required_argument, NULL, 'd'},
        {"plugin-path", required_argument, NULL, 'P'},
        {"machine", required_argument, NULL, 'M'},
        {"log-level", required_argument, NULL, 'l'},
        {"raw", required_argument, NULL, OPT_RAW},
        {"stub", required_argument, NULL, OPT_STUB},
        {"dump-dtb", required_argument, NULL, OPT_DUMP_DTB},
        {"no-reboot", no_argument, NULL, OPT_NO_REBOOT},
        {"pcpus", required_argument, NULL, OPT_PCPUS},
        {"time-slice", required_argument, NULL, OPT_SLICE},
        {"timestamps", no_argument, NULL, OPT_TIMESTAMPS},
        {"help", no_argument, NULL, 'h'},
    };
    struct option options[MAX_OPTIONS] = {0};
    unsigned n = sizeof(fixed) / sizeof(fixed[0]);
    static char name[] = "vmm run"; /* what getopt_long's messages begin with */
    int opt;

    memcpy(options, fixed, sizeof(fixed));
    for (unsigned i = 0; shorthands[i].option && n + 1 < MAX_OPTIONS; i++)
        options[n++] = (struct option){shorthands[i].option, (int)shorthands[i].value, NULL,
                                       OPT_SHORTHAND + (int)i};
    argv[0] = name;
    while ((opt = getopt_long(argc, argv, "k:i:p:m:c:n:d:P:M:l:h", options, NULL)) != -1) {
        if (opt == 'h') {
            help();
            return 1;
        }
        if (option_set(o, opt, optarg))
            return -EINVAL;
    }
    if (optind < argc)
        return bad("argument", argv[optind], "not an option; a kernel is given with -k");
    if (!o->vm.files.kernel) {
        log_error("no kernel; give one with -k IMAGE ('vmm help run' tells more)");
        return -EINVAL;
    }
    return 0;
}

/* What callbacks of the event loop need. */
struct session {
    struct loop loop;
    struct vm *vm; /* NULL: there is none yet */
    bool looping;
    bool over; /* perhaps before the loop began */
    enum loop_end how;
    int signal;
};

static void end(struct session *session, enum loop_end how)
{
    if (!session->over)
        session->how = how;
    session->over = true;
    if (session->looping)
        loop_end(&session->loop, how);
}

static void machine_died(void *ctx)
{
    end(ctx, LOOP_VMM_FAILED);
}

static void user_quits(void *ctx)
{
    end(ctx, LOOP_QUIT);
}

static void signalled(evutil_socket_t signal, short what, void *ctx)
{
    struct session *session = ctx;

    (void)what;
    session->signal = signal;
    end(session, LOOP_SIGNAL);
}

/* As of a machine that is about to lose its power: the guest is to shut itself down. */
static void power_button(evutil_socket_t signal, short what, void *ctx)
{
    const struct session *session = ctx;

    (void)signal;
    (void)what;
    if (!session->looping || !vm_devices_event(session->vm, RV_EVENT_POWER_BUTTON))
        log_warn("SIGPWR: the guest has no device that takes the power button");
}

static int status_of(const struct session *session, enum loop_end how)
{
    switch (how) {
    case LOOP_POWER_OFF: return session->vm->power_off_code;
    case LOOP_QUIT: return STATUS_OK;
    case LOOP_SIGNAL: return STATUS_SIGNAL + session->signal;
    case LOOP_RESET: return STATUS_RESET;
    case LOOP_GUEST_FAILED: return STATUS_GUEST;
    default: return STATUS_VMM;
    }
}

/* Everything from the first resource to the last; returns enum exit_status. */
static int serve(const struct options *o)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    static struct session session;
    static struct cores cores;
    static struct vm vm;
    struct vm_share share = {0};
    struct event *events[4] = {0};
    struct event *power = NULL;
    struct event_base *base = device_event_base();
    struct plugins *plugins = plugin_new();
    struct chardev *console = NULL;
    struct machine *machine = NULL;
    int status = STATUS_VMM;
    bool created = false;

    if (!base || !plugins) {
        log_error("cannot make an event loop");
        goto out;
    }
    for (unsigned i = 0; i < 4; i++) {
        events[i] = evsignal_new(base, signals[i], signalled, &session);
        if (events[i])
            event_add(events[i], NULL);
    }
    power = evsignal_new(base, SIGPWR, power_button, &session);
    if (power)
        event_add(power, NULL);
    plugin_load_path(plugins, o->plugin_paths, command_plugin_dir());
    machine = machine_qemu_start(&o->machine, base, machine_died, &session);
    if (!machine)
        goto out;
    console = chardev_stdio_new(base, STDIN_FILENO, STDOUT_FILENO, user_quits, &session);
    if (!console)
        goto out;
    created = true;
    share.state_size = machine->layout.state_size;
    session.vm = &vm;
    cores_init(&cores, machine, o->slice_ms * NS_PER_MS);
    if (vm_create(&vm, &o->vm, &share, &cores, base, plugins, console) ||
        vm_start(&vm, &session.over) || loop_init(&session.loop, base, &cores))
        goto out;
    loop_add(&session.loop, &vm);
    session.looping = true;
    if (!session.over)
        status = status_of(&session, loop_run(&session.loop));
out:
    if (session.over && !session.loop.ended)
        status = status_of(&session, session.how);
    if (session.looping)
        loop_free(&session.loop);
    if (created)
        vm_destroy(&vm);
    if (console)
        chardev_free(console);
    if (machine)
        machine->ops->stop(machine);
    for (unsigned i = 0; i < 4; i++) {
        if (events[i])
            event_free(events[i]);
    }
    if (power)
        event_free(power);
    if (plugins)
        plugin_free(plugins);
    if (base)
        event_base_free(base);
    return status;
}

static int run(int argc, char **argv)
{
    static struct options o;
    int parsed;

    o.vm.nr_vcpus = 1;
    o.slice_ms = DEFAULT_SLICE_MS;
    o.vm.ram_size = DEFAULT_RAM;
    o.vm.name = "guest";
    parsed = parse(&o, argc, argv);
    if (parsed)
        return parsed > 0 ? STATUS_OK : STATUS_USAGE;
    o.vm.devices = o.devices;
    if (o.machine.nr_pcpus == 0)
        o.machine.nr_pcpus = o.vm.nr_vcpus;
    if (o.machine.nr_pcpus > o.vm.nr_vcpus) {
        log_error("%u physical CPUs for %u virtual ones: give as many or fewer", o.machine.nr_pcpus,
                  o.vm.nr_vcpus);
        return STATUS_USAGE;
    }
    o.machine.nr_vcpus = o.vm.nr_vcpus;
    o.machine.ram_size = vm_memory_size(o.vm.ram_size);
    if (!o.machine.stub)
        o.machine.stub = command_stub_path();
    return serve(&o);
}

const struct command command_run = {"run", "boot a guest", help, run};
