/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm decode`: what an exit means, in words or as JSON. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/command.h"
#include "vmm/explain/describe.h"
#include "vmm/util/log.h"

#define LINE_MAX_BYTES 512u

static void help(void)
{
    printf(
        "usage: vmm decode --esr VALUE [OPTION...]\n"
        "       vmm decode [--json] <FILE\n\n"
        "Say in words what an exit of the guest means and what the vmm does with it.\n"
        "All values are hexadecimal, with or without 0x.\n\n"
        "      --esr VALUE       ESR_EL2\n"
        "      --far ADDRESS     FAR_EL2\n"
        "      --ipa ADDRESS     the IPA, from HPFAR_EL2\n"
        "      --pc ADDRESS      ELR_EL2\n"
        "      --pstate VALUE    SPSR_EL2\n"
        "      --insn WORD       the instruction at the PC\n"
        "      --json            one JSON object a line\n"
        "  -h, --help            show this\n\n"
        "Without --esr, standard input has one exit a line, in the order of the options:\n"
        "ESR [FAR [IPA [PC [PSTATE [INSN]]]]]; '-' is an unknown value, '#' starts a comment.\n");
}

/* The values in their order on a line. */
enum value { ESR, FAR, IPA, PC, PSTATE, INSN, VALUES };

static const struct {
    const char *name;
    uint64_t max;
    unsigned given;
} values[VALUES] = {
    [ESR] = {"ESR", UINT64_MAX, 0},
    [FAR] = {"FAR", UINT64_MAX, DESCRIBE_FAR},
    [IPA] = {"IPA", UINT64_MAX, DESCRIBE_IPA},
    [PC] = {"PC", UINT64_MAX, DESCRIBE_PC},
    [PSTATE] = {"PSTATE", UINT32_MAX, DESCRIBE_PSTATE},
    [INSN] = {"INSN", UINT32_MAX, DESCRIBE_INSN},
};

static int set_value(struct describe_input *in, enum value which, const char *text)
{
    const char *digits = text;
    unsigned long long v;
    char *end;

    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
        digits += 2;
    if (!isxdigit((unsigned char)digits[0]))
        return -EINVAL;
    errno = 0;
    v = strtoull(digits, &end, 16);
    /* "0x0x1": strtoull takes a prefix of its own. */
    if (*end || errno || (digits != text && (digits[1] == 'x' || digits[1] == 'X')) ||
        v > values[which].max)
        return -EINVAL;
    in->given |= values[which].given;
    switch (which) {
    case ESR: in->event.esr = v; break;
    case FAR: in->event.far = v; break;
    case IPA: in->event.ipa = v; break;
    case PC: in->event.pc = v; break;
    case PSTATE: in->event.pstate = (uint32_t)v; break;
    default: in->word = (uint32_t)v; break;
    }
    return 0;
}

/* Addresses and registers may need all 64 bits, which a JSON number has not: text. */
static json_t *json_hex(uint64_t v)
{
    return json_sprintf("0x%" PRIx64, v);
}

static void set_hex(json_t *root, const char *key, uint64_t v, const char *text_key,
                    const char *text)
{
    json_object_set_new(root, key, json_hex(v));
    if (text && *text)
        json_object_set_new(root, text_key, json_string(text));
}

static int print_json(const struct describe_input *in, const struct description *d)
{
    json_t *root = json_object(), *fields = json_object();
    char *line;

    for (unsigned n = 0; n < d->nr_fields; n++) {
        const struct describe_field *f = &d->fields[n];

        json_object_set_new(fields, f->name,
                            json_pack("{s:I,s:s}", "value", (json_int_t)f->value, "text", f->text));
    }
    json_object_set_new(root, "esr", json_hex(d->esr));
    json_object_set_new(root, "kind", json_string(d->kind));
    json_object_set_new(root, "class", json_string(d->term));
    json_object_set_new(root, "summary", json_string(d->summary));
    json_object_set_new(root, "fields", fields);
    if (in->given & DESCRIBE_FAR)
        set_hex(root, "far", in->event.far, NULL, NULL);
    if (in->given & DESCRIBE_IPA)
        set_hex(root, "ipa", in->event.ipa, "place", d->place);
    if (in->given & DESCRIBE_PC)
        set_hex(root, "pc", in->event.pc, "pc_is", d->pc);
    if (in->given & DESCRIBE_PSTATE)
        set_hex(root, "pstate", in->event.pstate, "pstate_text", d->pstate);
    if (in->given & DESCRIBE_INSN)
        set_hex(root, "insn", in->word, "insn_text", d->insn);
    json_object_set_new(root, "action", json_string(d->action));
    json_object_set_new(root, "effect", json_string(d->effect));
    line = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!line) {
        log_error("decode: out of memory");
        return STATUS_VMM;
    }
    puts(line);
    free(line);
    return STATUS_OK;
}

static int print(const struct describe_input *in, bool json)
{
    struct description d;

    describe(in, &d);
    if (json)
        return print_json(in, &d);
    describe_print(in, &d, stdout);
    return STATUS_OK;
}

/* STATUS_USAGE, with a message, if the line is none. One without an ESR is empty. */
static int read_line(char *line, unsigned long number, bool json)
{
    struct describe_input in = {0};
    unsigned n = 0;
    char *save = NULL;

    line[strcspn(line, "#\r\n")] = '\0';
    for (char *word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
        if (n == VALUES) {
            log_error("line %lu: '%s': there are %d values at most", number, word, VALUES);
            return STATUS_USAGE;
        }
        if ((n == ESR || strcmp(word, "-") != 0) && set_value(&in, (enum value)n, word)) {
            log_error("line %lu: '%s' is no %s: hexadecimal digits, %d at most", number, word,
                      values[n].name, values[n].max == UINT32_MAX ? 8 : 16);
            return STATUS_USAGE;
        }
        n++;
    }
    return n ? print(&in, json) : STATUS_OK;
}

static int read_lines(bool json)
{
    char line[LINE_MAX_BYTES];
    unsigned long number = 0;
    int status = STATUS_OK;

    while (fgets(line, sizeof(line), stdin)) {
        int got;

        number++;
        if (!strchr(line, '\n') && !feof(stdin)) {
            int c;

            while ((c = getchar()) != EOF && c != '\n')
                ;
            /* A comment may be as long as it likes. */
            if (!strchr(line, '#')) {
                log_error("line %lu: longer than %u bytes", number, LINE_MAX_BYTES - 1);
                status = STATUS_USAGE;
                continue;
            }
        }
        got = read_line(line, number, json);
        if (got)
            status = got;
        if (got == STATUS_VMM)
            return got;
    }
    if (ferror(stdin)) {
        log_error("standard input: %s", strerror(errno));
        return STATUS_VMM;
    }
    return status;
}

static const struct option options[] = {
    {"esr", required_argument, NULL, ESR},
    {"far", required_argument, NULL, FAR},
    {"ipa", required_argument, NULL, IPA},
    {"pc", required_argument, NULL, PC},
    {"pstate", required_argument, NULL, PSTATE},
    {"insn", required_argument, NULL, INSN},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int run(int argc, char **argv)
{
    struct describe_input in = {0};
    bool json = false, esr = false;
    int opt;

    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'h') {
            help();
            return STATUS_OK;
        }
        if (opt == 'j') {
            json = true;
        } else if (opt >= ESR && opt < VALUES) {
            if (set_value(&in, (enum value)opt, optarg)) {
                log_error("'%s' is no %s: hexadecimal digits, %d at most", optarg, values[opt].name,
                          values[opt].max == UINT32_MAX ? 8 : 16);
                return STATUS_USAGE;
            }
            esr |= opt == ESR;
        } else {
            return STATUS_USAGE;
        }
    }
    if (optind < argc) {
        log_error("decode: argument '%s': values have options, such as --esr", argv[optind]);
        return STATUS_USAGE;
    }
    if (esr)
        return print(&in, json);
    if (in.given) {
        log_error("decode: no ESR; give one with --esr");
        return STATUS_USAGE;
    }
    return read_lines(json);
}

const struct command command_decode = {.name = "decode",
                                       .summary = "say what an exit means",
                                       .help = help,
                                       .run = run,
                                       .options = options};
