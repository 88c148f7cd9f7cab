/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages: events go from the stub to the vmm, commands from the vmm to
 * the stub. Each is one cache line. PROTOCOL.md says what each field means
 * for each type; its tables and the constants here must agree.
 */
#pragma once

#include <stdint.h>

/*
 * An entry's `seq` is its position, counted since the start, plus one. The producer
 * writes it last: it tells the consumer that the other 60 bytes are valid.
 */
struct rv_event {
    uint32_t seq;       /* 0x00 */
    uint8_t type;       /* 0x04 RV_EVENT_* */
    uint8_t flags;      /* 0x05 RV_EVENT_FLAG_*; PANIC: the vector's number */
    uint16_t vcpu;      /* 0x06 vCPU, or RV_NO_VCPU */
    uint64_t esr;       /* 0x08 ESR_EL2 */
    uint64_t far;       /* 0x10 FAR_EL2: a guest virtual address */
    uint64_t ipa;       /* 0x18 address that a stage 2 fault is at, or RV_NO_IPA */
    uint64_t pc;        /* 0x20 ELR_EL2 */
    uint32_t pstate;    /* 0x28 SPSR_EL2 */
    uint32_t reserved;  /* 0x2c */
    uint64_t value;     /* 0x30 value written, INTID, result; by type */
    uint64_t timestamp; /* 0x38 CNTPCT_EL0, or 0 without RV_FEATURE_TIMESTAMP */
};
_Static_assert(sizeof(struct rv_event) == 64, "an event is one cache line");

#define RV_NO_VCPU 0xffffu
#define RV_NO_IPA  (~0ull)

/* Event types. */
#define RV_EVENT_READY   1u  /* this pCPU takes commands; says what CPU it is */
#define RV_EVENT_SYNC    2u  /* synchronous exception from the guest */
#define RV_EVENT_SERROR  3u  /* SError taken while the guest ran */
#define RV_EVENT_POSTED  4u  /* a posted write: the guest has continued */
#define RV_EVENT_EOI     5u  /* the guest ended interrupt `value`, injected with RV_IRQ_EOI */
#define RV_EVENT_ACK     6u  /* a command with RV_COMMAND_FLAG_ACK is done */
#define RV_EVENT_REFUSED 7u  /* an illegal command; its VM is stopped */
#define RV_EVENT_STOPPED 8u  /* the vCPU no longer runs on this pCPU */
#define RV_EVENT_PANIC   9u  /* the stub took an exception itself; this pCPU is lost */
#define RV_EVENT_STRAY   10u /* unrequested interrupt `value`: an SPI, now masked, or an LPI */
#define RV_EVENT_REFILL  11u /* the vmm has to fill the list registers; `value` found none free */

/* Event flags. */
#define RV_EVENT_FLAG_BLOCKING 0x01u /* the guest waits for RV_COMMAND_REPLY */
#define RV_EVENT_FLAG_WAITS    0x02u /* STOPPED: the guest was waiting for an interrupt */

struct rv_command {
    uint32_t seq;    /* 0x00 */
    uint8_t op;      /* 0x04 RV_COMMAND_* */
    uint8_t flags;   /* 0x05 RV_COMMAND_FLAG_* and, for a reply, RV_REPLY_* */
    uint16_t vcpu;   /* 0x06 */
    uint16_t vm;     /* 0x08 */
    uint16_t reg;    /* 0x0a reply: the register that takes the value */
    uint32_t tag;    /* 0x0c returned in the acknowledgement */
    uint64_t arg[6]; /* 0x10 by op */
};
_Static_assert(sizeof(struct rv_command) == 64, "a command is one cache line");

/* Commands; the comment names arg[0], arg[1], ... */
#define RV_COMMAND_REPLY       1u  /* value, kick mask */
#define RV_COMMAND_RUN         2u  /* - */
#define RV_COMMAND_STOP        3u  /* - */
#define RV_COMMAND_LOAD        4u  /* groups */
#define RV_COMMAND_SAVE        5u  /* groups */
#define RV_COMMAND_VM_CREATE   6u  /* RAM offset, size */
#define RV_COMMAND_VCPU_CREATE 7u  /* ICC_SGI1R_EL1 that is for it alone */
#define RV_COMMAND_MAP         8u  /* IPA, RAM offset, size, RV_MAP_* */
#define RV_COMMAND_PROTECT     9u  /* IPA, size, RV_MAP_* */
#define RV_COMMAND_INJECT      10u /* INTID, RV_IRQ_* and priority */
#define RV_COMMAND_RETRACT     11u /* INTID, RV_LR_* to clear; the ACK has the old states */
#define RV_COMMAND_FLUSH       12u /* RAM offset, size: written by another process */
#define RV_COMMAND_COUNT       13u

/* Command flags. */
#define RV_COMMAND_FLAG_ACK 0x80u /* answer with RV_EVENT_ACK */
#define RV_REPLY_ADVANCE    0x01u /* advance the PC past the trapped instruction */
#define RV_REPLY_REG        0x02u /* x[reg] takes arg[0] */
#define RV_REPLY_WAIT       0x04u /* wait for an interrupt first, as WFI does */

/* Permissions of RV_COMMAND_MAP and RV_COMMAND_PROTECT. PROTECT with none of them unmaps. */
#define RV_MAP_READ       0x1u
#define RV_MAP_WRITE      0x2u
#define RV_MAP_EXEC       0x4u
#define RV_MAP_PAGES_ONLY 0x8u /* 4 KiB pages only, no blocks */

/* Limits of one command, so that none occupies a pCPU for long. The vmm splits larger ranges. */
#define RV_MAX_ENTRIES 2048u    /* MAP, PROTECT: pages and blocks; MAP: new tables too */
#define RV_MAX_FLUSH   0x40000u /* FLUSH: bytes */

/* RV_COMMAND_INJECT: bits of its last argument. */
#define RV_IRQ_PRIORITY 0x00ffu /* bits 7..0: priority */
#define RV_IRQ_GROUP1   0x0100u /* group 1, else group 0 */
#define RV_IRQ_EOI      0x0200u /* send RV_EVENT_EOI when the guest has ended it */
#define RV_IRQ_ACTIVE   0x0800u /* it is (also) active */
#define RV_IRQ_PENDING  0x1000u /* it is (also) pending */

/* RV_COMMAND_RETRACT: the states of an interrupt in a list register. */
#define RV_LR_PENDING 0x1u
#define RV_LR_ACTIVE  0x2u

/* RV_EVENT_ACK: `value` is the command's result, `esr` its tag, `ipa` 0 or RV_STATUS_*. */
#define RV_STATUS_OK      0u
#define RV_STATUS_NO_ROOM 1u /* no table page left: nothing changed */

/* RV_EVENT_REFUSED: `value` is one of these, `esr` the tag, `ipa` the op. */
#define RV_REFUSED_OP       1u  /* no such command */
#define RV_REFUSED_VM       2u  /* no such VM, or it exists already, or it is stopped */
#define RV_REFUSED_VCPU     3u  /* no such vCPU, exists already, is elsewhere, or VM stopped */
#define RV_REFUSED_RANGE    4u  /* memory outside of the VM's, or wraps, or above a limit */
#define RV_REFUSED_ALIGN    5u  /* not a multiple of the page size */
#define RV_REFUSED_STATE    6u  /* not in this state: nothing to reply to, already live, ... */
#define RV_REFUSED_GROUPS   7u  /* unknown register group */
#define RV_REFUSED_REGISTER 8u  /* a register's value may not be loaded (PSTATE, list register) */
#define RV_REFUSED_INTID    9u  /* INTID out of range, or not allowed for this VM */
#define RV_REFUSED_FLAGS    10u /* unknown flag or permission bits */
#define RV_REFUSED_RING     11u /* a ring's index is impossible */
#define RV_REFUSED_OVERLAP  12u /* the range is taken or not mapped, or an end cuts a block */
