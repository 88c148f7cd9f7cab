/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/run_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/command.h"
#include "vmm/board/board.h"
#include "vmm/util/log.h"
#include "vmm/cli/shorthand.h"
#include "vmm/util/size.h"

#define MIN_RAM     RV_BLOCK_SIZE
#define DEFAULT_RAM (512ull << 20)
#define MAX_NAME    64
#define MAX_OPTIONS 64
#define HELP_COLUMN 25

/* Shorter, most of it is switching; longer, spinning for another vCPU gets noticed. */
#define DEFAULT_SLICE_MS 4u
#define MAX_SLICE_MS     1000u

#define DEFAULT_GRACE_S 10u
#define MAX_GRACE_S     86400u

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

void run_options_help(void)
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
        "      --grace SECONDS    on SIGTERM, how long the guest has to shut itself down (default "
        "%u);\n"
        "                         0: none\n"
        "      --timestamps       let the stub put a time stamp on each event\n"
        "  -l, --log-level LEVEL  error, warn, info or debug (default warn)\n"
        "  -h, --help             show this\n"
        "\n"
        "Devices by shorter names:\n",
        VM_MAX_VCPUS, MAX_SLICE_MS, DEFAULT_SLICE_MS, DEFAULT_GRACE_S);
    for (const struct shorthand *s = shorthands; s->option; s++)
        help_shorthand(s);
    printf(
        "\n"
        "SIGTERM presses the guest's power button and waits for it to shut down, if it listens;\n"
        "a second one ends it. SIGPWR presses the button.\n"
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

static int parse_memory(struct run_options *o, const char *text)
{
    uint64_t size;

    if (size_parse(text, &size) == 0 && size > BOARD_RAM_SIZE_MAX)
        return bad("memory size", text, "more than the guest's address space has room for (1023G)");
    if (size_parse(text, &size) || size < MIN_RAM || size % RV_BLOCK_SIZE)
        return bad("memory size", text, "give a multiple of 2M, for example 512M or 1G");
    o->vm.ram_size = size;
    return 0;
}

/* A decimal number, `least` to `most`. */
static int parse_number(const char *what, const char *text, unsigned least, unsigned most,
                        unsigned *number)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || n < least || n > most) {
        log_error("%s '%s': give %u to %u", what, text, least, most);
        return -EINVAL;
    }
    *number = (unsigned)n;
    return 0;
}

static int parse_machine(struct run_options *o, const char *text)
{
    if (strncmp(text, "qemu", 4) != 0 || (text[4] && text[4] != ','))
        return bad("machine", text, "there is 'qemu'");
    o->machine.options = text[4] ? text + 5 : NULL;
    return machine_qemu_check(o->machine.options);
}

static int parse_raw(struct run_options *o, const char *text)
{
    if (size_parse(text, &o->vm.files.raw_address.v))
        return bad("raw address", text, "give an address in guest memory, for example 0x40080000");
    o->vm.files.raw = true;
    return 0;
}

static int parse_name(struct run_options *o, const char *text)
{
    if (!*text || strlen(text) > MAX_NAME)
        return bad("name", text, "give 1 to 64 characters");
    o->vm.name = text;
    return 0;
}

static int add_device(struct run_options *o, const char *spec)
{
    if (o->vm.nr_devices == VM_MAX_DEVICES)
        return bad("device", spec, "too many");
    o->devices[o->vm.nr_devices++] = spec;
    return 0;
}

static int add_shorthand(struct run_options *o, const struct shorthand *shorthand,
                         const char *value)
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
    OPT_GRACE,
    OPT_SHORTHAND, /* and as many more as there are shorthands */
};

static int option_set(struct run_options *o, int opt, const char *value)
{
    if (opt >= OPT_SHORTHAND)
        return add_shorthand(o, &shorthands[opt - OPT_SHORTHAND], value);
    switch (opt) {
    case 'k': o->vm.files.kernel = value; return 0;
    case 'i': o->vm.files.initrd = value; return 0;
    case 'p': o->vm.bootargs = value; return 0;
    case 'm': return parse_memory(o, value);
    case 'c': return parse_number("number of CPUs", value, 1, VM_MAX_VCPUS, &o->vm.nr_vcpus);
    case 'n': return parse_name(o, value);
    case 'M': return parse_machine(o, value);
    case 'l':
        return log_set_level(value) ? bad("log level", value, "give error, warn, info or debug")
                                    : 0;
    case 'd': return add_device(o, value);
    case 'P':
        if (o->nr_plugin_paths == RUN_PATHS_MAX)
            return bad("plugin path", value, "too many");
        o->plugin_paths[o->nr_plugin_paths++] = value;
        return 0;
    case OPT_RAW: return parse_raw(o, value);
    case OPT_STUB: o->machine.stub = value; return 0;
    case OPT_DUMP_DTB: o->vm.dump_dtb = value; return 0;
    case OPT_NO_REBOOT: o->vm.no_reboot = true; return 0;
    case OPT_PCPUS:
        return parse_number("number of physical CPUs", value, 1, VM_MAX_VCPUS,
                            &o->machine.nr_pcpus);
    case OPT_SLICE: return parse_number("time slice", value, 1, MAX_SLICE_MS, &o->slice_ms);
    case OPT_GRACE: return parse_number("grace time", value, 0, MAX_GRACE_S, &o->grace_s);
    case OPT_TIMESTAMPS: o->machine.timestamps = true; return 0;
    default: return -EINVAL; /* getopt_long has said it */
    }
}

/* As run_options_parse(). */
static int parse(struct run_options *o, int argc, char **argv)
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
        {"grace", required_argument, NULL, OPT_GRACE},
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
            run_options_help();
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

/* What follows from what was given, and what was not. */
static int complete(struct run_options *o)
{
    o->vm.devices = o->devices;
    if (o->machine.nr_pcpus == 0)
        o->machine.nr_pcpus = o->vm.nr_vcpus;
    if (o->machine.nr_pcpus > o->vm.nr_vcpus) {
        log_error("%u physical CPUs for %u virtual ones: give as many or fewer",
                  o->machine.nr_pcpus, o->vm.nr_vcpus);
        return -EINVAL;
    }
    o->machine.nr_vcpus = o->vm.nr_vcpus;
    o->machine.ram_size = vm_memory_size(o->vm.ram_size);
    if (!o->machine.stub)
        o->machine.stub = command_stub_path();
    return 0;
}

int run_options_parse(struct run_options *o, int argc, char **argv)
{
    int parsed;

    *o = (struct run_options){
        .vm = {.nr_vcpus = 1, .ram_size = DEFAULT_RAM, .name = "guest"},
        .slice_ms = DEFAULT_SLICE_MS,
        .grace_s = DEFAULT_GRACE_S,
    };
    parsed = parse(o, argc, argv);
    return parsed ? parsed : complete(o);
}
