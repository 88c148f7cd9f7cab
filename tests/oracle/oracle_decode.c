/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * insn.c against capstone: oracle_decode KNOWN [WORDS]. Random instruction words;
 * half of them are any word, half are of the loads and stores. What we say of a
 * word is written as assembler and compared with capstone's text: the operation,
 * the width, every register and immediate. Where capstone is known to be of
 * another opinion, and why, is in the file KNOWN.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>

#include "tests/oracle/insn_text.h"

#define PC        0x10000000ull
#define MAX_KNOWN 64u
#define MAX_SHOWN 40u

/* A line of KNOWN: words with these bits and registers; who says that it is a load or store. */
struct known {
    uint32_t mask, value;
    char registers[16]; /* any, rt=rn, rt=rt2, rn-in-pair */
    char side[16];      /* ours, capstone, both */
    char why[160];
    unsigned long count;
};

static struct known known[MAX_KNOWN];
static unsigned nr_known;

static int read_known(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[256];

    if (!f) {
        perror(path);
        return -1;
    }
    while (fgets(line, sizeof(line), f)) {
        struct known *k = &known[nr_known];

        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (nr_known == MAX_KNOWN ||
            sscanf(line, "%" SCNx32 " %" SCNx32 " %15s %15s %159[^\n]", &k->mask, &k->value,
                   k->registers, k->side, k->why) != 5) {
            fprintf(stderr, "%s: cannot use the line: %s", path, line);
            fclose(f);
            return -1;
        }
        nr_known++;
    }
    fclose(f);
    return 0;
}

static bool registers_are(uint32_t word, const char *which)
{
    unsigned rt = word & 31u, rn = word >> 5 & 31u, rt2 = word >> 10 & 31u;

    if (strcmp(which, "rt=rn") == 0)
        return rt == rn && rn != 31;
    if (strcmp(which, "rt=rt2") == 0)
        return rt == rt2;
    if (strcmp(which, "rn-in-pair") == 0)
        return (rt == rn || rt2 == rn) && rn != 31;
    return strcmp(which, "any") == 0;
}

static bool is_known(uint32_t word, const char *side)
{
    for (unsigned n = 0; n < nr_known; n++) {
        if ((word & known[n].mask) == known[n].value && strcmp(known[n].side, side) == 0 &&
            registers_are(word, known[n].registers)) {
            known[n].count++;
            return true;
        }
    }
    return false;
}

/* Loads and stores by capstone's word: its groups do not say, the operands' memory does. */
static bool is_memory(const cs_insn *insn)
{
    static const char *const names[] = {"ld", "st", "swp", "cas", "prf"};

    if (strcmp(insn->mnemonic, "dc") == 0)
        return strncmp(insn->op_str, "zva", 3) == 0;
    for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        if (strncmp(insn->mnemonic, names[n], strlen(names[n])) == 0)
            return true;
    }
    return false;
}

/* xorshift64 */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int main(int argc, char **argv)
{
    unsigned long words = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000;
    unsigned long memory = 0, agree = 0, explained = 0, shown = 0;
    uint64_t noise = 0x9e3779b97f4a7c15ull;
    cs_insn *insn;
    csh cs;

    if (argc < 2 || read_known(argv[1]))
        return 1;
    if (cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &cs) != CS_ERR_OK)
        return 1;
    insn = cs_malloc(cs);
    for (unsigned long n = 0; n < words; n++) {
        uint32_t word = (uint32_t)(next(&noise) >> 16);
        char ours[160], theirs[256] = "";
        const uint8_t *code = (const uint8_t *)&word;
        size_t size = sizeof(word);
        uint64_t pc = PC;
        struct insn i;

        if (n % 2)
            word = (word & ~(1u << 25)) | 1u << 27;
        insn_decode(word, &i);
        insn_text(&i, word, PC, ours, sizeof(ours));
        if (cs_disasm_iter(cs, &code, &size, &pc, insn) && is_memory(insn))
            snprintf(theirs, sizeof(theirs), "%s %s", insn->mnemonic, insn->op_str);
        memory += ours[0] || theirs[0];
        if (strcmp(ours, theirs) == 0) {
            agree++;
        } else if (is_known(word, !theirs[0] ? "ours" : !ours[0] ? "capstone" : "both")) {
            explained++;
        } else if (shown++ < MAX_SHOWN) {
            printf("%08" PRIx32 ": '%s', capstone '%s'\n", word, ours, theirs);
        }
    }
    cs_free(insn, 1);
    cs_close(&cs);
    for (unsigned n = 0; n < nr_known; n++)
        printf("%8lu  %08" PRIx32 "/%08" PRIx32 " %s %s: %s\n", known[n].count, known[n].mask,
               known[n].value, known[n].registers, known[n].side, known[n].why);
    printf("%lu words, %lu loads or stores by either, %lu agree, %lu known differences, "
           "%lu unexplained\n",
           words, memory, agree, explained, shown);
    return shown != 0;
}
