/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages: events go from the stub to the vmm, commands from the vmm to
 * the stub. Each is one cache line. PROTOCOL.md tells what each field means
 * for each type; the tables there and the constants here go together.
 */
#pragma once

#include <stdint.h>

/*
 * An entry's `seq` is its position in the ring's life plus one, and is written
 * last: it is what tells the consumer that the other 60 bytes are there.
 */
struct rv_event {
    uint32_t seq;       /* 0x00 */
    uint8_t type;       /* 0x04 RV_EVENT_* */
    uint8_t flags;      /* 0x05 RV_EVENT_FLAG_*; PANIC: the vector's number */
    uint16_t vcpu;      /* 0x06 vCPU, or RV_NO_VCPU */
    uint64_t esr;       /* 0x08 ESR_EL2 */
    uint64_t far;       /* 0x10 FAR_EL2: a guest virtual address */
    uint64_t ipa;       /* 0x18 from HPFAR_EL2 and FAR_EL2[11:0] */
    uint64_t pc;        /* 0x20 ELR_EL2 */
    uint32_t pstate;    /* 0x28 SPSR_EL2 */
    uint32_t groups;    /* 0x2c RV_GROUP_*: what of the vCPU page is current */
    uint64_t value;     /* 0x30 value written, INTID, result; by type */
    uint64_t timestamp; /* 0x38 CNTPCT_EL0, or 0 without RV_FEATURE_TIMESTAMP */
};
_Static_assert(sizeof(struct rv_event) == 64, "an event is one cache line");

#define RV_NO_VCPU 0xffffu

/* Event types. */
#define RV_EVENT_READY   1u  /* this pCPU takes commands; value: list registers */
#define RV_EVENT_SYNC    2u  /* synchronous exception from the guest */
#define RV_EVENT_SERROR  3u  /* SError taken while the guest ran */
#define RV_EVENT_POSTED  4u  /* a posted write: already done for the guest */
#define RV_EVENT_EOI     5u  /* the guest ended interrupt `value`, injected with RV_IRQ_EOI */
#define RV_EVENT_ACK     6u  /* a command with RV_COMMAND_ACK is done */
#define RV_EVENT_REFUSED 7u  /* an illegal command; its VM is stopped */
#define RV_EVENT_STOPPED 8u  /* the vCPU no longer runs on this pCPU */
#define RV_EVENT_PANIC   9u  /* the stub itself failed; this pCPU is lost */
#define RV_EVENT_STRAY   10u /* nobody asked for interrupt `value`: an SPI, masked now, or an LPI */

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
    uint32_t tag;    /* 0x0c comes back in the acknowledgement */
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
#define RV_COMMAND_VCPU_CREATE 7u  /* - */
#define RV_COMMAND_MAP         8u  /* IPA, RAM offset, size, RV_MAP_* */
#define RV_COMMAND_PROTECT     9u  /* IPA, size, RV_MAP_* */
#define RV_COMMAND_INJECT      10u /* INTID, RV_IRQ_* and priority */
#define RV_COMMAND_RETRACT     11u /* INTID, RV_LR_* to clear; acknowledged with those found */
#define RV_COMMAND_SET_POSTED  12u /* window, IPA, size: once for each window */
#define RV_COMMAND_SET_DIRECT  13u /* physical INTID, virtual INTID, RV_IRQ_* and priority */
#define RV_COMMAND_FLUSH       14u /* RAM offset, size: code that the vmm wrote from outside */
#define RV_COMMAND_COUNT       15u

/* Command flags. */
#define RV_COMMAND_FLAG_ACK 0x80u /* answer with RV_EVENT_ACK */
#define RV_REPLY_ADVANCE    0x01u /* step the PC over the trapped instruction */
#define RV_REPLY_REG        0x02u /* x[reg] takes arg[0] */
#define RV_REPLY_WAIT       0x04u /* wait for an interrupt first, as WFI does */

/* RV_COMMAND_MAP and RV_COMMAND_PROTECT permissions. PROTECT with none of them: unmap. */
#define RV_MAP_READ       0x1u
#define RV_MAP_WRITE      0x2u
#define RV_MAP_EXEC       0x4u
#define RV_MAP_PAGES_ONLY 0x8u /* no blocks: 4 KiB pages all the way */

/* What one command may be about, so that none holds up a pCPU for long: the vmm sends several. */
#define RV_MAX_ENTRIES 2048u    /* MAP, PROTECT: pages, blocks and tables */
#define RV_MAX_FLUSH   0x40000u /* FLUSH: bytes */

/* RV_COMMAND_INJECT and RV_COMMAND_SET_DIRECT: bits of their last argument. */
#define RV_IRQ_PRIORITY 0x00ffu /* bits 7..0: priority */
#define RV_IRQ_GROUP1   0x0100u /* group 1, else group 0 */
#define RV_IRQ_EOI      0x0200u /* send RV_EVENT_EOI when it is deactivated */
#define RV_IRQ_ENABLED  0x0400u /* SET_DIRECT: else the physical interrupt is masked */
#define RV_IRQ_ACTIVE   0x0800u /* INJECT: it is (also) active */
#define RV_IRQ_PENDING  0x1000u /* INJECT: it is (also) pending */

/* RV_COMMAND_RETRACT: the states of an interrupt in a list register or in the queue. */
#define RV_LR_PENDING 0x1u
#define RV_LR_ACTIVE  0x2u

/* RV_EVENT_ACK: `value` is the command's result, `esr` its tag, `ipa` 0 or RV_STATUS_*. */
#define RV_STATUS_OK      0u
#define RV_STATUS_NO_ROOM 1u /* no table page, queue or direct entry left: nothing changed */

/* RV_EVENT_REFUSED: `value` is one of these, `esr` the tag, `ipa` the op. */
#define RV_REFUSED_OP       1u  /* no such command */
#define RV_REFUSED_VM       2u  /* no such VM, or it exists already, or it is stopped */
#define RV_REFUSED_VCPU     3u  /* no such vCPU, it exists already, or another core has it */
#define RV_REFUSED_RANGE    4u  /* memory outside of the VM's, or wraps, or too much at once */
#define RV_REFUSED_ALIGN    5u  /* not a multiple of the page size */
#define RV_REFUSED_STATE    6u  /* not now: nothing to reply to, already running, ... */
#define RV_REFUSED_GROUPS   7u  /* unknown register group */
#define RV_REFUSED_REGISTER 8u  /* a register's value may not be loaded (PSTATE, list register) */
#define RV_REFUSED_INTID    9u  /* INTID out of range, or not this VM's to have */
#define RV_REFUSED_FLAGS    10u /* unknown flag or permission bits */
#define RV_REFUSED_RING     11u /* a ring's index is impossible */
#define RV_REFUSED_OVERLAP  12u /* the range is (partly) taken, or not mapped */
