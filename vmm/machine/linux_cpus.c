/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/linux_cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/arm/midr.h"
#include "vmm/util/first_line.h"
#include "vmm/util/log.h"

#define CPUS      0x10000ul /* more than any kernel has */
#define LIST_MAX  1024      /* bytes of a list of CPUs */
#define KINDS_MAX 2048      /* bytes of a text about them and their kinds */

static int number(const char **at, unsigned long *n)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return -EINVAL;
    *n = strtoul(*at, &end, 10);
    *at = end;
    return *n < CPUS ? 0 : -EINVAL;
}

/* The CPUs of the kernel from `first` to `last`: how many of them have the stub. */
static unsigned long add(const struct linux_cpus *cpus, unsigned long first, unsigned long last,
                         uint64_t *mask)
{
    unsigned long found = 0;

    for (unsigned i = 0; cpus && i < cpus->nr; i++) {
        if (cpus->number[i] < first || cpus->number[i] > last)
            continue;
        *mask |= 1ull << i;
        found++;
    }
    return found;
}

int linux_cpus_parse(const char *list, const struct linux_cpus *cpus, uint64_t *mask)
{
    int error = 0;

    *mask = 0;
    for (;;) {
        unsigned long first, last;

        if (number(&list, &first))
            return -EINVAL;
        last = first;
        if (*list == '-') {
            list++;
            if (number(&list, &last) || last < first)
                return -EINVAL;
        }
        if (add(cpus, first, last, mask) != last - first + 1)
            error = -ENODEV;
        if (!*list || (*list == '\n' && !list[1]))
            return cpus ? error : 0;
        if (*list++ != ',')
            return -EINVAL;
    }
}

void linux_cpus_print(const struct linux_cpus *cpus, uint64_t mask, char *text, size_t size)
{
    size_t at = 0;

    *text = 0;
    for (unsigned i = 0; i < cpus->nr; i++) {
        if (mask >> i & 1 && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%u", at ? "," : "", cpus->number[i]);
    }
}

void linux_cpus_look(struct linux_cpus *cpus, const char *folder)
{
    char path[256], line[LIST_MAX];

    snprintf(path, sizeof(path), "%s/online", folder);
    first_line(path, line, sizeof(line));
    if (linux_cpus_parse(line, cpus, &cpus->online) == -EINVAL)
        cpus->online = 0;
    for (unsigned i = 0; i < cpus->nr; i++) { /* a CPU that is off has no such file */
        snprintf(path, sizeof(path), "%s/cpu%u/regs/identification/midr_el1", folder,
                 cpus->number[i]);
        first_line(path, line, sizeof(line));
        cpus->kind[i] = MIDR_KIND(strtoull(line, NULL, 16));
    }
}

/* The kind of the last one in the mask whose kind is known. 0: none is. */
static uint32_t last_kind(const struct linux_cpus *cpus, uint64_t mask)
{
    uint32_t kind = 0;

    for (unsigned i = 0; i < cpus->nr; i++) {
        if (mask >> i & 1 && cpus->kind[i])
            kind = cpus->kind[i];
    }
    return kind;
}

static uint64_t exactly_kind(const struct linux_cpus *cpus, uint64_t mask, uint32_t kind)
{
    uint64_t found = 0;

    for (unsigned i = 0; i < cpus->nr; i++) {
        if (cpus->kind[i] == kind)
            found |= mask & 1ull << i;
    }
    return found;
}

/* Those of the mask that are of this kind, or may be. */
static uint64_t of_kind(const struct linux_cpus *cpus, uint64_t mask, uint32_t kind)
{
    return exactly_kind(cpus, mask, kind) | exactly_kind(cpus, mask, 0);
}

static bool is_of_one_kind(const struct linux_cpus *cpus, uint64_t mask)
{
    return of_kind(cpus, mask, last_kind(cpus, mask)) == mask;
}

static uint64_t last_of(uint64_t left, unsigned wanted)
{
    uint64_t picked = 0;

    for (; wanted && left; wanted--) {
        uint64_t last = 1ull << (63 - __builtin_clzll(left));

        picked |= last;
        left &= ~last;
    }
    return wanted ? 0 : picked;
}

uint64_t linux_cpus_pick(const struct linux_cpus *cpus, uint64_t taken, unsigned wanted)
{
    uint64_t left = cpus->online & ~taken, untried = left;

    if (wanted >= (unsigned)__builtin_popcountll(left))
        return 0;
    for (;;) {
        uint32_t kind = last_kind(cpus, untried);
        uint64_t picked = last_of(of_kind(cpus, left, kind), wanted);

        if (picked || !kind)
            return picked;
        untried &= ~exactly_kind(cpus, untried, kind);
    }
}

/* Such as "0,1 (implementer 0x41, part 0xd05), 2,3 (...)"; cut off where `text` ends. */
static void print_kinds(const struct linux_cpus *cpus, uint64_t mask, char *text, size_t size)
{
    size_t at = 0;

    *text = 0;
    while (mask && at < size) {
        uint32_t kind = cpus->kind[__builtin_ctzll(mask)];
        uint64_t alike = exactly_kind(cpus, mask, kind);
        char list[LIST_MAX];

        linux_cpus_print(cpus, alike, list, sizeof(list));
        at += (size_t)snprintf(text + at, size - at, "%sCPU %s (", at ? ", " : "", list);
        if (at < size && kind)
            at += (size_t)snprintf(text + at, size - at, "implementer 0x%02x, part 0x%03x)",
                                   MIDR_IMPLEMENTER(kind), MIDR_PART(kind));
        else if (at < size)
            at += (size_t)snprintf(text + at, size - at, "the kernel does not say which)");
        mask &= ~alike;
    }
}

int linux_cpus_choose(const struct linux_cpus *cpus, uint64_t taken, unsigned wanted,
                      uint64_t named, uint64_t *chosen)
{
    unsigned nr_named = (unsigned)__builtin_popcountll(named);
    uint64_t left = cpus->online & ~taken;
    char text[KINDS_MAX];

    *chosen = named ? named : linux_cpus_pick(cpus, taken, wanted);
    if (named && nr_named != wanted) {
        log_error("--machine linux: 'cpus' names %u CPUs, and the guest is to have %u", nr_named,
                  wanted);
        return -EINVAL;
    }
    if (!is_of_one_kind(cpus, named)) {
        print_kinds(cpus, named, text, sizeof(text));
        log_error(
            "--machine linux: option 'cpus' names CPUs of different kinds, and a guest cannot "
            "move between them: %s; name CPUs of one kind",
            text);
        return -EINVAL;
    }
    if (*chosen)
        return 0;
    if (wanted < (unsigned)__builtin_popcountll(left)) {
        print_kinds(cpus, left, text, sizeof(text));
        log_error("--machine linux: the guest is to have %u CPUs of one kind, and no kind has so "
                  "many free: %s; give it fewer vCPUs (-c)",
                  wanted, text);
        return -EBUSY;
    }
    linux_cpus_print(cpus, cpus->online, text, sizeof(text));
    log_error("--machine linux: the guest is to have %u CPUs, and one must stay for the host: "
              "online are %s",
              wanted, *text ? text : "none that have the stub");
    return -EBUSY;
}
