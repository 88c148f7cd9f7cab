/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which CPUs of the host the machine `linux` takes. A mask has bit n for the nth CPU that has the stub,
 * which is CPU n of the kernel where all CPUs were online when the module was loaded.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/boot.h"

/* The CPUs that have the stub. */
struct linux_cpus {
    unsigned nr;
    uint16_t number[RV_MAX_PCPUS]; /* the kernel's, ascending */
    uint32_t kind[RV_MAX_PCPUS];   /* MIDR_KIND(); 0: not known, and taken to be like the others */
    uint64_t online;               /* a mask */
};

#define LINUX_CPUS_FOLDER "/sys/devices/system/cpu"

/* What the kernel says of them in this folder: which are online, and their kinds. */
void linux_cpus_look(struct linux_cpus *cpus, const char *folder);

/*
 * A list such as "0-3,6", as in Linux's files and options. 0; -EINVAL: no such list; -ENODEV: some of
 * them have no stub, and the mask has the others. Without `cpus` only the list's form is looked at.
 */
int linux_cpus_parse(const char *list, const struct linux_cpus *cpus, uint64_t *mask);

/* The kernel's numbers of those in the mask, such as "2,3,124"; cut off where `text` ends. */
void linux_cpus_print(const struct linux_cpus *cpus, uint64_t mask, char *text, size_t size);

/*
 * `wanted` of the CPUs that are online and that nobody has: the last ones of one kind, of that kind whose
 * last CPU comes last if several have enough; at least one CPU stays. 0: there are not so many.
 */
uint64_t linux_cpus_pick(const struct linux_cpus *cpus, uint64_t taken, unsigned wanted);

/*
 * Which ones a guest takes: `named` if it is not 0, else what is picked. 0, or after a message -EINVAL: it is
 * not `wanted` of one kind that are named; -EBUSY: there are not so many.
 */
int linux_cpus_choose(const struct linux_cpus *cpus, uint64_t taken, unsigned wanted,
                      uint64_t named, uint64_t *chosen);
