/* SPDX-License-Identifier: BSD-2-Clause */
/* What a trace has and what it leaves out. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/exit/decode.h"
#include "vmm/trace/trace.h"
#include "vmm/util/keyval.h"
#include "vmm/util/log.h"

_Static_assert(EXIT_KINDS <= 64, "a bit for each kind of exit");

static const char *const kind_names[TRACE_KINDS] = {
    [TRACE_EXIT] = "exit",     [TRACE_POSTED] = "posted",   [TRACE_EOI] = "eoi",
    [TRACE_EVENT] = "event",   [TRACE_COMMAND] = "command", [TRACE_KICK] = "kick",
    [TRACE_INJECT] = "inject", [TRACE_ACCESS] = "access",   [TRACE_LINE] = "line",
    [TRACE_SLEEP] = "sleep",
};

const char *trace_kind_name(enum trace_kind kind)
{
    return kind_names[kind];
}

/* "data abort" is "data-abort", in any case. */
static bool is_class(const char *word, const char *name)
{
    for (; *word && *name; word++, name++) {
        char c = *name == ' ' ? '-' : (char)tolower((unsigned char)*name);

        if (tolower((unsigned char)*word) != c)
            return false;
    }
    return *word == *name;
}

/* The filter that is put together, and what is wrong with it. */
struct parse {
    struct trace_filter *filter;
    char *why;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct parse *p, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(p->why, p->size, fmt, args);
    va_end(args);
    return -EINVAL;
}

static int set_kind(struct parse *p, const char *word)
{
    for (unsigned i = 0; i < TRACE_KINDS; i++) {
        if (strcmp(word, kind_names[i]) == 0) {
            p->filter->kinds |= 1u << i;
            if (i == TRACE_EXIT)
                p->filter->exits = UINT64_MAX; /* all, whatever class is named beside it */
            return 0;
        }
    }
    for (unsigned i = 0; i < EXIT_KINDS; i++) {
        if (is_class(word, decode_kind_name((enum exit_kind)i))) {
            p->filter->kinds |= 1u << TRACE_EXIT;
            p->filter->exits |= 1ull << i;
            return 0;
        }
    }
    return refuse(p,
                  "kind '%s': there are exit, posted, eoi, event, command, kick, inject, access, "
                  "line, sleep, and the classes of exits, such as data-abort",
                  word);
}

static int set_vcpu(struct parse *p, const char *word)
{
    char *end;
    unsigned long n = strtoul(word, &end, 10);

    if (!isdigit((unsigned char)*word) || *end || n >= 64)
        return refuse(p, "vcpu '%s': give the number of a vCPU, from 0 on", word);
    p->filter->vcpus |= 1ull << n;
    return 0;
}

/* Hexadecimal, with or without 0x. */
static bool get_address(const char *text, char **end, uint64_t *address)
{
    errno = 0;
    *address = strtoull(text, end, 16);
    return isxdigit((unsigned char)*text) && !errno;
}

static int set_address(struct parse *p, const char *text)
{
    struct trace_filter *filter = p->filter;
    char *end;

    if (get_address(text, &end, &filter->first)) {
        filter->last = filter->first;
        if (*end != '-' || get_address(end + 1, &end, &filter->last)) {
            filter->has_range = *end == '\0' && filter->last >= filter->first;
            if (filter->has_range)
                return 0;
        }
    }
    return refuse(p, "address '%s': give FIRST or FIRST-LAST, hexadecimal", text);
}

static int set_device(struct parse *p, const char *name)
{
    if (!*name || strlen(name) >= sizeof(p->filter->device))
        return refuse(p, "device '%s': give a name, such as pl011 or pl011@9000000", name);
    snprintf(p->filter->device, sizeof(p->filter->device), "%s", name);
    return 0;
}

/* Each of the words that '+' joins, which is a space in the query of a URL. */
static int each_word(struct parse *p, const char *value,
                     int (*set)(struct parse *p, const char *word))
{
    char *words = strdup(value), *save = NULL, *word;
    int error = words ? 0 : -ENOMEM;

    if (words && !(word = strtok_r(words, "+ ", &save)))
        error = set(p, "");
    else
        for (; words && word && !error; word = strtok_r(NULL, "+ ", &save))
            error = set(p, word);
    free(words);
    return error;
}

int trace_filter_add(struct trace_filter *filter, const char *key, const char *value, char *why,
                     size_t size)
{
    struct parse p = {filter, why, size};

    snprintf(why, size, "out of memory");
    if (strcmp(key, "vcpu") == 0)
        return each_word(&p, value, set_vcpu);
    if (strcmp(key, "kind") == 0)
        return each_word(&p, value, set_kind);
    if (strcmp(key, "device") == 0)
        return set_device(&p, value);
    if (strcmp(key, "address") == 0)
        return set_address(&p, value);
    return refuse(&p, "'%s': there are vcpu, kind, device and address", key);
}

int trace_filter_set(struct trace_filter *filter, const char *key, const char *value)
{
    char why[256];
    int error = trace_filter_add(filter, key, value, why, sizeof(why));

    if (error)
        log_error("trace filter%s %s", strchr(why, '\'') == why ? "" : ":", why);
    return error;
}

int trace_filter_list(struct trace_filter *filter, const char *list)
{
    struct keyval keyval;
    int found, error = 0;

    while (!error && (found = keyval_next(&list, &keyval)) != 0) {
        if (found < 0)
            return found;
        error = trace_filter_set(filter, keyval.key, keyval.value ? keyval.value : "");
        keyval_free(&keyval);
    }
    return error;
}

void trace_filter_text(struct trace_filter *filter)
{
    if (!filter->kinds)
        filter->kinds = 1u << TRACE_EXIT | 1u << TRACE_POSTED;
}

/* The whole name, or what is before its '@'. */
static bool is_device(const char *wanted, const char *name)
{
    size_t len = strlen(wanted);

    return strncmp(wanted, name, len) == 0 && (name[len] == '\0' || name[len] == '@');
}

static bool has_address(const struct trace_record *record, const struct exit_info *info,
                        uint64_t *address)
{
    if (record->kind == TRACE_ACCESS) {
        *address = record->address;
        return true;
    }
    if (info->kind != EXIT_DATA_ABORT && info->kind != EXIT_INSN_ABORT)
        return false;
    *address = info->u.abort.ipa.v;
    return true;
}

bool trace_filter_match(const struct trace_filter *filter, const struct trace_record *record)
{
    bool is_exit = record->kind == TRACE_EXIT || record->kind == TRACE_POSTED;
    struct exit_info info = {0};
    uint64_t address;

    if (filter->kinds && !(filter->kinds >> record->kind & 1))
        return false;
    if (filter->vcpus && (record->vcpu >= 64 || !(filter->vcpus >> record->vcpu & 1)))
        return false;
    if (filter->device[0] && !is_device(filter->device, record->name))
        return false;
    if (is_exit && (filter->exits || filter->has_range))
        decode_exit(&record->event, &info);
    if (filter->exits && record->kind == TRACE_EXIT && !(filter->exits >> info.kind & 1))
        return false;
    return !filter->has_range || (has_address(record, &info, &address) &&
                                  address >= filter->first && address <= filter->last);
}
