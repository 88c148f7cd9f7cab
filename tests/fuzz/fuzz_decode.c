/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: any 64 bytes are an event. What must hold for each is asserted
 * here: the fields that later code uses as an index, a shift or a length.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/check.h"
#include "vmm/exit/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fsc(const struct exit_fsc *fsc)
{
    CHECK(fsc->code < 64 && fsc->fault < EXIT_FAULTS);
    CHECK(fsc->level == EXIT_NO_LEVEL || (fsc->level >= -2 && fsc->level <= 3));
    CHECK(decode_fault_name((enum exit_fault)fsc->fault)[0]);
}

static void check_abort(const struct exit_abort *a)
{
    check_fsc(&a->fsc);
    if (!a->isv) {
        CHECK(a->size == 0);
        return;
    }
    CHECK(a->size == 1 || a->size == 2 || a->size == 4 || a->size == 8);
    CHECK(a->srt < 32);
    CHECK(a->sf || decode_load(a, a->far.v) <= UINT32_MAX);
    CHECK(((decode_load(a, a->far.v) ^ a->far.v) & decode_size_mask(a->size)) == 0 ||
          (!a->sf && a->size == 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rv_event event = {0};
    struct exit_info info, twice;

    memcpy(&event, data, size < sizeof(event) ? size : sizeof(event));
    memset(&info, 0xff, sizeof(info));
    memset(&twice, 0x55, sizeof(twice));
    decode_exit(&event, &info);
    decode_exit(&event, &twice);
    CHECK(memcmp(&info, &twice, sizeof(info)) == 0);
    CHECK(info.kind >= EXIT_RESERVED && info.kind < EXIT_KINDS);
    CHECK(decode_kind_name(info.kind)[0]);

    switch (info.kind) {
    case EXIT_DATA_ABORT:
    case EXIT_INSN_ABORT: check_abort(&info.u.abort); break;
    case EXIT_SYSREG:
    case EXIT_SYSREG128:
        CHECK(info.u.sysreg.op0 < 4 && info.u.sysreg.op1 < 8 && info.u.sysreg.crn < 16);
        CHECK(info.u.sysreg.crm < 16 && info.u.sysreg.op2 < 8 && info.u.sysreg.rt < 32);
        break;
    case EXIT_CP15_32:
    case EXIT_CP14_32:
    case EXIT_CP10_ID:
    case EXIT_CP15_64:
    case EXIT_CP14_64:
        CHECK(info.u.cp.rt < 32 && info.u.cp.rt2 < 32 && info.u.cp.cond.cond < 16);
        (void)decode_condition(info.u.cp.cond, info.pstate);
        break;
    case EXIT_WFX: (void)decode_condition(info.u.wfx.cond, info.pstate); break;
    case EXIT_GPC: check_fsc(&info.u.gpc.fsc); break;
    case EXIT_SERROR: check_fsc(&info.u.serror.fsc); break;
    case EXIT_BREAKPOINT:
    case EXIT_STEP:
    case EXIT_WATCHPOINT:
    case EXIT_VECTOR_CATCH32: check_fsc(&info.u.debug.fsc); break;
    default: break;
    }
    return 0;
}
