/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * insn_sve.c against binutils: oracle_sve_decode OBJDUMP [WORDS]. Random words of
 * SVE's memory encodings; what we say of each is written as binutils' disassembler
 * does and compared with its text. (capstone 4 knows too little of SVE.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/oracle/insn_text.h"

#define MAX_SHOWN 40u

/* xorshift64 */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Bits 31, 28, 27, 26 and 25 are those of "SVE memory". */
static int write_words(FILE *f, unsigned long words)
{
    uint64_t noise = 0x9e3779b97f4a7c15ull;

    for (unsigned long n = 0; n < words; n++) {
        uint32_t word = ((uint32_t)(next(&noise) >> 16) & 0x61ffffffu) | 0x84000000u;

        if (fwrite(&word, sizeof(word), 1, f) != 1)
            return -1;
    }
    return fflush(f);
}

int main(int argc, char **argv)
{
    unsigned long words = argc > 2 ? strtoul(argv[2], NULL, 0) : 200000;
    unsigned long seen = 0, memory = 0, prefetches = 0, shown = 0;
    char path[] = "/tmp/oracle_sve.XXXXXX", command[4096], line[512];
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb"), *objdump;

    if (argc < 2 || !f || write_words(f, words)) {
        perror("oracle_sve_decode");
        return 1;
    }
    snprintf(command, sizeof(command), "'%s' -D -b binary -m aarch64 %s", argv[1], path);
    objdump = popen(command, "r");
    while (objdump && fgets(line, sizeof(line), objdump)) {
        char ours[160], *theirs, *end;
        uint32_t word;
        struct insn i;
        int at = 0;

        if (sscanf(line, " %*x:\t%8" SCNx32 " \t%n", &word, &at) != 1 || at == 0)
            continue;
        seen++;
        theirs = line + at;
        end = strpbrk(theirs, "\n");
        if (end)
            *end = 0;
        if (strncmp(theirs, ".inst", 5) == 0)
            *theirs = 0;
        insn_decode(word, &i);
        insn_sve_text(&i, ours, sizeof(ours));
        memory += ours[0] || theirs[0];
        if (strcmp(ours, "prf") == 0 && strncmp(theirs, "prf", 3) == 0)
            prefetches++;
        else if (strcmp(ours, theirs) != 0 && shown++ < MAX_SHOWN)
            printf("%08" PRIx32 ": '%s', binutils '%s'\n", word, ours, theirs);
    }
    if (!objdump || pclose(objdump))
        shown++;
    fclose(f);
    unlink(path);
    printf("%lu words, %lu are allocated by either (%lu of them prefetches), %lu differ\n", seen,
           memory, prefetches, shown);
    return shown != 0 || seen != words;
}
