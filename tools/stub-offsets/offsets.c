/* SPDX-License-Identifier: BSD-2-Clause */
/* Never linked: its assembly is where offsets.h is made from. */
#include "el2stub/host/host.h"

#define OFFSET(name, type, member) \
    __asm__ volatile("\n@" #name " %0" : : "i"(offsetof(type, member)))

#define SIZE(name, type) __asm__ volatile("\n@" #name " %0" : : "i"(sizeof(type)))

void offsets(void);
void offsets(void)
{
    OFFSET(STACK_TOP_GPR, struct stack_top, gpr);
    OFFSET(STACK_TOP_PCPU, struct stack_top, pcpu);
    OFFSET(STACK_TOP, struct stack, top);
    OFFSET(PCPU_STACK_TOP, struct pcpu, stack_top);
    SIZE(PCPU_SIZE, struct pcpu);
    SIZE(STACK_SIZE, struct stack);
    OFFSET(HOST_SCTLR, struct host_cpu, sctlr);
}
