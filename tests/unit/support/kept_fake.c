/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/kept_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"

#define ENTRIES 64u

static bool there;
static unsigned numbers[128]; /* by the first letter of a kind */
static struct {
    char name[64]; /* "": free */
    int fd;
} kept[ENTRIES];

void kept_fake_begin(void)
{
    kept_fake_end();
    there = true;
}

void kept_fake_next(void)
{
    memset(numbers, 0, sizeof(numbers));
}

unsigned kept_number(const char *kind)
{
    return numbers[(unsigned char)kind[0] % 128]++;
}

void kept_fake_end(void)
{
    kept_fake_next();
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (kept[i].name[0])
            close(kept[i].fd);
        kept[i].name[0] = '\0';
    }
    there = false;
}

bool kept_has_keeper(void)
{
    return there;
}

static unsigned find(const char *name)
{
    unsigned i = 0;

    while (i < ENTRIES && strcmp(kept[i].name, name) != 0)
        i++;
    return i;
}

int kept_get(const char *fmt, ...)
{
    char name[64];
    unsigned i;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    i = find(name);
    return there && i < ENTRIES ? fcntl(kept[i].fd, F_DUPFD_CLOEXEC, 0) : -1;
}

int kept_put(int fd, const char *fmt, ...)
{
    char name[64];
    unsigned i;
    va_list ap;

    if (!there)
        return 0;
    va_start(ap, fmt);
    vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    i = find(name);
    if (i < ENTRIES)
        close(kept[i].fd);
    else
        i = find("");
    if (i == ENTRIES)
        return -ENOSPC;
    strcpy(kept[i].name, name);
    kept[i].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return 0;
}
