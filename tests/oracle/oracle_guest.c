/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs cases on the CPU that runs this: cases file on stdin, results file on stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "tests/oracle/record.h"

extern const char oracle_run[], oracle_run_end[];

static void *map(uint64_t address, size_t size, int prot)
{
    void *p = mmap((void *)address, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static void get(void *p, size_t size)
{
    if (fread(p, size, 1, stdin) != 1) {
        fprintf(stderr, "cases file is too short\n");
        exit(1);
    }
}

static void put(const void *p, size_t size)
{
    if (fwrite(p, size, 1, stdout) != 1) {
        perror("results file");
        exit(1);
    }
}

int main(void)
{
    static uint8_t memory[ORACLE_MEMORY_SIZE];
    char *code = map(ORACLE_CODE, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC);
    struct oracle_state *state = map(ORACLE_STATE, 0x1000, PROT_READ | PROT_WRITE);
    void *sve = map(ORACLE_SVE, 0x3000, PROT_READ | PROT_WRITE);
    void *work = map(ORACLE_MEMORY, ORACLE_MEMORY_SIZE, PROT_READ | PROT_WRITE);
    volatile uint32_t *slot = (volatile uint32_t *)ORACLE_PC;
    struct oracle_header header;
    struct oracle_case one;
    uint64_t dczid;
    size_t sve_size;

    memcpy(code, oracle_run, (size_t)(oracle_run_end - oracle_run));
    get(&header, sizeof(header));
    get(memory, sizeof(memory));
    if (header.vl > 256 || (header.vl && prctl(PR_SVE_SET_VL, header.vl) != (int)header.vl)) {
        fprintf(stderr, "this CPU has no vectors of %llu bytes\n", (unsigned long long)header.vl);
        return 1;
    }
    sve_size = ORACLE_SVE_SIZE(header.vl);
    __asm__("mrs %0, dczid_el0" : "=r"(dczid));
    header.zva_size = dczid & 16u ? 0 : 4ull << (dczid & 15u);
    put(&header, sizeof(header));
    for (uint64_t n = 0; n < header.count; n++) {
        get(&one, sizeof(one));
        if (sve_size)
            get(sve, sve_size);
        *slot = (uint32_t)one.word;
        __builtin___clear_cache(code, code + 0x1000);
        memcpy(work, memory, sizeof(memory));
        *state = one.state;
        state[1].x[0] = header.vl; /* see oracle_guest_run.S */
        ((void (*)(void))code)();
        put(state, sizeof(*state));
        put(work, ORACLE_MEMORY_SIZE);
        if (sve_size)
            put(sve, sve_size);
    }
    return 0;
}
