/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The software walk of stage 1 against the CPU's: reads what tests/payloads/walk-oracle.c
 * printed (its opening comment has the format), walks the same tables, and compares
 * with PAR_EL1: fault and status code, output address, attributes.
 *
 * Not compared, because PAR_EL1 does not tell it: execute permission, and the size
 * of the translation.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "vmm/insn/walk.h"

/* PAR_EL1, Arm ARM D24.2. */
#define PAR_F    (1ull << 0)
#define PAR_FST  (0x3full << 1)
#define PAR_PTW  (1ull << 8)
#define PAR_S    (1ull << 9)
#define PAR_PA   0x0000fffffffff000ull
#define PAR_ATTR (0xffull << 56)

#define RAM_BASE  0x40000000ull
#define RAM_SIZE  0x08000000ull /* -m 128M */
#define MAX_WORDS 0x200000u
#define ACCESSES  6u
#define SHOWN     20u

struct word {
    uint64_t address, value;
};

struct oracle {
    struct walk_regs regs;
    struct word *words;
    size_t words_len, words_fixed;
    unsigned accesses;
    uint64_t granules[3]; /* translations of 4, 16 and 64 KiB */
    uint64_t translations, agree, disagree, regimes;
    uint64_t faults[WALK_ATOMIC_UPDATE + 1], reserved_blocks, other_level;
    bool hypervisor;
};

static const struct {
    const char *name;
    enum walk_access access;
    uint64_t el, pan; /* AT S1E1R and W take no notice of PAN: Arm ARM D8.13 */
} accesses[ACCESSES] = {
    {"S1E1R", WALK_READ, PSTATE_EL1h, 0},           {"S1E1W", WALK_WRITE, PSTATE_EL1h, 0},
    {"S1E0R", WALK_READ, PSTATE_EL0t, 0},           {"S1E0W", WALK_WRITE, PSTATE_EL0t, 0},
    {"S1E1RP", WALK_READ, PSTATE_EL1h, PSTATE_PAN}, {"S1E1WP", WALK_WRITE, PSTATE_EL1h, PSTATE_PAN},
};

static void malformed(const char *line)
{
    fprintf(stderr, "oracle_walk: cannot use the line '%.*s'\n", (int)strcspn(line, "\r\n"), line);
    exit(2);
}

/* The last one counts: later regimes append. */
static struct word *find_word(struct oracle *o, uint64_t address)
{
    for (size_t n = o->words_len; n-- != 0;) {
        if (o->words[n].address == address)
            return &o->words[n];
    }
    return NULL;
}

static int read_word(void *opaque, ipa_t addr, uint64_t *value)
{
    const struct word *word = find_word(opaque, addr.v);

    if (addr.v - RAM_BASE >= RAM_SIZE)
        return -ENXIO;
    *value = word ? word->value : 0;
    return 0;
}

static int swap_word(void *opaque, ipa_t addr, uint64_t old, uint64_t new)
{
    struct word *word = find_word(opaque, addr.v);

    if (!word || word->value != old)
        return -EFAULT;
    word->value = new;
    return 0;
}

static void take_words(struct oracle *o, const char *line)
{
    uint64_t address, first, step, count;

    if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, &address, &first, &step,
               &count) != 4 ||
        address - RAM_BASE >= RAM_SIZE || count > MAX_WORDS - o->words_len)
        malformed(line);
    for (uint64_t i = 0; i < count; i++)
        o->words[o->words_len++] = (struct word){address + 8 * i, first + i * step};
    if (o->regimes == 0)
        o->words_fixed = o->words_len;
}

static void take_regime(struct oracle *o, const char *line)
{
    struct walk_regs *r = &o->regs;

    if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
               &r->sctlr, &r->tcr, &r->ttbr0, &r->ttbr1, &r->mair, &r->pstate) != 6)
        malformed(line);
    o->regimes++;
    o->words_len = o->words_fixed;
}

/* Also keeps the word that was read last: where the walk ended. */
struct watch {
    struct oracle *oracle;
    uint64_t last;
};

static int watch_read(void *opaque, ipa_t addr, uint64_t *value)
{
    struct watch *watch = opaque;
    int error = read_word(watch->oracle, addr, value);

    watch->last = error ? 0 : *value;
    return error;
}

static int watch_swap(void *opaque, ipa_t addr, uint64_t old, uint64_t new)
{
    return swap_word(((struct watch *)opaque)->oracle, addr, old, new);
}

static bool agrees(const struct walk_result *w, uint64_t result, bool exception)
{
    if (exception) {
        uint32_t ec = (uint32_t)ESR_GET(result, ESR_ELx_EC);

        return ec == ESR_EC_DABT_SAME && w->fault == WALK_EXTERNAL &&
               (result & 0x3fu) == walk_fsc(w);
    }
    if (result & PAR_F)
        return w->fault != WALK_OK && !(result & (PAR_PTW | PAR_S)) &&
               ESR_GET(result, PAR_FST) == walk_fsc(w);
    return w->fault == WALK_OK && (result & PAR_PA) == (w->ipa.v & PAR_PA) &&
           ESR_GET(result, PAR_ATTR) == w->attr &&
           w->device == ((ESR_GET(result, PAR_ATTR) & 0xf0u) == 0);
}

/*
 * QEMU 7.2 takes the reserved encoding 0b01 at a level without blocks for a block. Arm ARM
 * D8.3.1: there it is invalid, without FEAT_LPA (64 KiB, level 1) and LPA2. Later versions
 * check it (lpae_block_desc_valid). True when the
 * walk ended at such a word, and the CPU's answer is one that a block at this level gives.
 */
static bool reserved_block(const struct walk_result *w, uint64_t last, uint64_t result,
                           bool exception)
{
    uint64_t fst = ESR_GET(result, PAR_FST);

    if (exception || w->fault != WALK_TRANSLATION || w->level > 1 || (last & 3u) != 1u)
        return false;
    if (!(result & PAR_F))
        return true;
    return (fst & 3u) == (unsigned)w->level && (fst & ~3ull) != ESR_FSC_TRANSLATION;
}

/*
 * Under a hypervisor it is stage 2 that has no memory for the table. ESR_EL2 then has stage
 * 2's level and not the walk's, so the abort that the guest gets instead is of level 0.
 */
static bool other_level(const struct oracle *o, const struct walk_result *w, uint64_t result,
                        bool exception)
{
    return o->hypervisor && exception && w->fault == WALK_EXTERNAL &&
           ESR_GET(result, ESR_ELx_EC) == ESR_EC_DABT_SAME &&
           (result & 0x3fu) == ESR_FSC_EXTERNAL_WALK;
}

/* 0: 4 KiB, 1: 16 KiB, 2: 64 KiB. The payload uses no reserved value of TG0 and TG1. */
static unsigned granule(const struct walk_regs *regs, uint64_t address)
{
    static const uint8_t tg0[4] = {0, 2, 1, 0}, tg1[4] = {0, 1, 0, 2};

    return address >> 55 & 1u ? tg1[regs->tcr >> 30 & 3u] : tg0[regs->tcr >> 14 & 3u];
}

static void compare(struct oracle *o, uint64_t address, unsigned n, uint64_t result, bool exception)
{
    struct watch watch = {.oracle = o};
    struct walk_memory memory = {.opaque = &watch, .read = watch_read, .swap = watch_swap};
    struct walk_request request = {.addr = gva(address), .access = accesses[n].access};
    struct walk_regs regs = o->regs;
    struct walk_result w;

    regs.pstate = accesses[n].el | (o->regs.pstate & accesses[n].pan);
    walk(&regs, &memory, &request, &w);
    o->translations++;
    o->granules[granule(&o->regs, address)]++;
    if (agrees(&w, result, exception)) {
        o->agree++;
        o->faults[w.fault]++;
        return;
    }
    if (reserved_block(&w, watch.last, result, exception)) {
        o->reserved_blocks++;
        return;
    }
    if (other_level(o, &w, result, exception)) {
        o->other_level++;
        return;
    }
    if (o->disagree++ >= SHOWN)
        return;
    printf("differs: %s 0x%" PRIx64 ": CPU %s 0x%" PRIx64 ", walk fault %d level %d FSC 0x%x "
           "IPA 0x%" PRIx64 " attr 0x%x, last word 0x%" PRIx64 "\n"
           "  SCTLR 0x%" PRIx64 " TCR 0x%" PRIx64 " TTBR0 0x%" PRIx64 " TTBR1 0x%" PRIx64
           " MAIR 0x%" PRIx64 " PSTATE 0x%" PRIx64 "\n",
           accesses[n].name, address, exception ? "exception, ESR" : "PAR", result, (int)w.fault,
           w.level, walk_fsc(&w), w.ipa.v, w.attr, watch.last, regs.sctlr, regs.tcr, regs.ttbr0,
           regs.ttbr1, regs.mair, regs.pstate);
}

static void take_answers(struct oracle *o, char *line)
{
    char *end = line;
    uint64_t address = strtoull(line, &end, 16), result = 0;
    bool exception = false;

    if (end == line || o->regimes == 0)
        malformed(line);
    for (unsigned n = 0; n < o->accesses; n++) {
        char *at = end + strspn(end, " ");

        if (*at == '=' && n != 0) {
            end = at + 1;
        } else {
            exception = *at == 'x';
            at += exception;
            result = strtoull(at, &end, 16);
            if (end == at)
                malformed(line);
        }
        compare(o, address, n, result, exception);
    }
}

static void take_line(struct oracle *o, char *line)
{
    if (!strncmp(line, "# i ", 4)) {
        if (sscanf(line + 4, "%x %x", &o->regs.pa_bits, &o->accesses) != 2 ||
            o->accesses > ACCESSES)
            malformed(line);
        if (o->regs.pa_bits > 48)
            o->regs.pa_bits = 48;
    } else if (!strncmp(line, "# g ", 4)) {
        take_regime(o, line + 4);
    } else if (!strncmp(line, "# m ", 4)) {
        take_words(o, line + 4);
    } else if (!strncmp(line, "# a ", 4)) {
        take_answers(o, line + 4);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"translated",   "address size", "translation fault",
                                        "access flag",  "permission",   "external abort",
                                        "atomic update"};
    struct oracle o = {0};
    uint64_t least = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    char line[512];

    if (argc != 3 || (strcmp(argv[1], "board") && strcmp(argv[1], "vmm"))) {
        fputs("usage: oracle_walk board|vmm LEAST-TRANSLATIONS <CONSOLE\n", stderr);
        return 2;
    }
    o.hypervisor = !strcmp(argv[1], "vmm");
    o.words = calloc(MAX_WORDS, sizeof(*o.words));
    if (!o.words) {
        fputs("oracle_walk: out of memory\n", stderr);
        return 2;
    }
    while (fgets(line, sizeof(line), stdin))
        take_line(&o, line);
    free(o.words);
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
        printf("%s: %" PRIu64 "\n", names[n], o.faults[n]);
    printf("4 KiB: %" PRIu64 ", 16 KiB: %" PRIu64 ", 64 KiB: %" PRIu64 "\n", o.granules[0],
           o.granules[1], o.granules[2]);
    printf("%" PRIu64 " regimes, %" PRIu64 " translations: %" PRIu64 " agree, %" PRIu64
           " differ; explained: %" PRIu64
           " reserved encodings that the CPU took for blocks, %" PRIu64
           " external aborts of another level\n",
           o.regimes, o.translations, o.agree, o.disagree, o.reserved_blocks, o.other_level);
    if (o.translations < least)
        printf("FAIL: fewer than %" PRIu64 " translations\n", least);
    return o.disagree != 0 || o.translations < least;
}
