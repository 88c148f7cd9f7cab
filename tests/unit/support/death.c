/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/death.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define KEPT_MAX  16u
#define PAGE      4096u
#define OPEN_MAX  4u
#define TRAP_FLAG 0x100

static struct {
    uint8_t *at;
    size_t size;
} kept[KEPT_MAX];
static unsigned nr_kept;

static struct {
    bool armed, paused, lived;
    uintptr_t open[OPEN_MAX]; /* pages of the store that is made now */
    unsigned nr_open;
    unsigned count, at;
    sigjmp_buf end;
} death;

void death_keep(void *at, size_t size)
{
    if (nr_kept == KEPT_MAX)
        abort();
    kept[nr_kept].at = at;
    kept[nr_kept++].size = size;
}

static void protect(int prot)
{
    for (unsigned i = 0; i < nr_kept; i++) {
        uintptr_t first = (uintptr_t)kept[i].at & ~(uintptr_t)(PAGE - 1);
        uintptr_t end = ((uintptr_t)kept[i].at + kept[i].size + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

        if (mprotect((void *)first, end - first, prot))
            abort();
    }
}

/* `margin`: all of its pages count. */
static bool is_kept(uintptr_t at, bool margin)
{
    for (unsigned i = 0; i < nr_kept; i++) {
        uintptr_t first = (uintptr_t)kept[i].at, end = first + kept[i].size;

        if (margin) {
            first &= ~(uintptr_t)(PAGE - 1);
            end = (end + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
        }
        if (at >= first && at < end)
            return true;
    }
    return false;
}

/* The page of a store, which may lie in two. */
static void open_page(uintptr_t at)
{
    uintptr_t page = at & ~(uintptr_t)(PAGE - 1);

    if (death.nr_open == OPEN_MAX || mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE))
        abort();
    death.open[death.nr_open++] = page;
}

/* A store to what is kept: it is made by itself, or the process is dead. */
static void on_store(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    uintptr_t at = (uintptr_t)info->si_addr;

    if (!death.armed || death.paused || !is_kept(at, true)) {
        fprintf(stderr, "a fault at %p\n", info->si_addr);
        signal(SIGSEGV, SIG_DFL); /* it comes again */
        return;
    }
    if (is_kept(at, false) && ++death.count == death.at)
        siglongjmp(death.end, 1);
    open_page(at);
    context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;

    context->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    while (death.nr_open) {
        uintptr_t page = death.open[--death.nr_open];

        if (death.armed && !death.paused && mprotect((void *)page, PAGE, PROT_READ))
            abort();
    }
}

bool death_run(unsigned store, void (*live)(void *opaque), void *opaque, unsigned *stores)
{
    struct sigaction stored = {.sa_sigaction = on_store, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction stepped = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_NODEFER};

    if (sigaction(SIGSEGV, &stored, NULL) || sigaction(SIGTRAP, &stepped, NULL))
        abort();
    death.at = store;
    death.count = 0;
    death.paused = death.lived = false;
    if (sigsetjmp(death.end, 1) == 0) {
        death.armed = true;
        protect(PROT_READ);
        live(opaque);
        death.lived = true;
    }
    death.armed = false;
    protect(PROT_READ | PROT_WRITE);
    *stores = death.count;
    return !death.lived;
}

void death_pause(void)
{
    if (!death.armed)
        return;
    death.paused = true;
    protect(PROT_READ | PROT_WRITE);
}

void death_go_on(void)
{
    if (!death.armed)
        return;
    death.paused = false;
    protect(PROT_READ);
}
