/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupts in the GIC group of a vCPU's page (struct rv_gic). While the vCPU is live,
 * the CPU's list registers hold some of its interrupts, and the page those that wait for a
 * list register: in the places behind those of the list registers. While it is live nowhere,
 * all of them are in the page; page_irqs_arrange() decides before the next RUN which ones get
 * list registers. So the functions work on the places from `from` on: the number of list
 * registers for a live vCPU, 0 for one that is live nowhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/vcpu.h"

/* Is this INTID pending or active there? */
bool page_irqs_has(const struct rv_gic *gic, unsigned from, unsigned intid);

/* The place that page_irqs_add() and page_irqs_retract() of this INTID would change. NULL: none. */
uint64_t *page_irqs_place(struct rv_gic *gic, unsigned from, unsigned intid);

/*
 * Add an interrupt in the format of a list register, or new states, priority and group of
 * one that is there, as RV_COMMAND_INJECT does. 0; -ENOSPC: no place is left.
 */
int page_irqs_add(struct rv_gic *gic, unsigned from, uint64_t lr);

/* As RV_COMMAND_RETRACT. `mask` and the result, the states that it had, are RV_LR_*. */
int page_irqs_retract(struct rv_gic *gic, unsigned from, unsigned intid, uint32_t mask);

/*
 * Call it after each SAVE of the group (and after STOP): takes what the guest has ended
 * (EOIcount) from the interrupts that waited. True: there was any, and the stub, whose count
 * is 0 now, does not tell of it again: the vCPU needs the next RUN.
 */
bool page_irqs_saved(struct rv_gic *gic, unsigned nr_lrs);

/*
 * For a vCPU that is live nowhere: an interrupt that the guest has ended, and whose end is to
 * be reported (RV_IRQ_EOI). False: there is none any more.
 */
bool page_irqs_next_end(struct rv_gic *gic, unsigned *intid);

/*
 * For a vCPU that is live nowhere: put those first that get list registers, and set the bits
 * of ICH_HCR_EL2 that the others need. `has_tdir`: the CPU has ICH_HCR_EL2.TDIR.
 */
void page_irqs_arrange(struct rv_gic *gic, unsigned nr_lrs, bool has_tdir);
