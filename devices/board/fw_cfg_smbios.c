/* SPDX-License-Identifier: BSD-2-Clause */
/* Section numbers are of DSP0134 3.0. */
#include "fw_cfg_smbios.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* 6.2: structure types */
#define SMBIOS_SYSTEM         1u
#define SMBIOS_CHASSIS        3u
#define SMBIOS_PROCESSOR      4u
#define SMBIOS_MEMORY_ARRAY   16u
#define SMBIOS_MEMORY_DEVICE  17u
#define SMBIOS_MEMORY_ADDRESS 19u
#define SMBIOS_BOOT           32u
#define SMBIOS_END            127u

/* A handle is the type and a number; there is one structure of each type. */
#define SMBIOS_HANDLE(type) ((uint16_t)((type) << 8))
#define SMBIOS_NO_ERRORS    0xfffeu /* memory error information is not provided */
#define SMBIOS_NO_CACHE     0xffffu

#define MIB_SHIFT 20
#define KIB_SHIFT 10

#define STRINGS_MAX 8u

/* The structure that is being written. */
struct table {
    uint8_t *to;
    size_t size;  /* of all tables so far */
    size_t start; /* of this one */
    const char *strings[STRINGS_MAX];
    unsigned nr_strings;
};

static void put(struct table *t, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, value >>= 8)
        t->to[t->size++] = (uint8_t)value;
}

/* The number of a string, which follows behind the structure; 0: none. */
static void put_string(struct table *t, const char *text)
{
    if (text && *text)
        t->strings[t->nr_strings++] = text;
    put(t, text && *text ? t->nr_strings : 0, 1);
}

static void begin(struct table *t, unsigned type)
{
    t->start = t->size;
    t->nr_strings = 0;
    put(t, type, 1);
    put(t, 0, 1); /* the length: end() knows it */
    put(t, SMBIOS_HANDLE(type), 2);
}

/* 6.1.3: each string ends with a NUL, all of them with another; none are two. */
static void end(struct table *t)
{
    t->to[t->start + 1] = (uint8_t)(t->size - t->start);
    for (unsigned i = 0; i < t->nr_strings; i++) {
        size_t length = strlen(t->strings[i]) + 1;

        memcpy(t->to + t->size, t->strings[i], length);
        t->size += length;
    }
    put(t, 0, t->nr_strings ? 1 : 2);
}

/* 7.2: the first three fields of a UUID are little-endian. */
static void put_uuid(struct table *t, const uint8_t uuid[16])
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    for (unsigned i = 0; i < sizeof(order); i++)
        put(t, uuid[order[i]], 1);
}

static void put_system(struct table *t, const struct fw_cfg_smbios *about)
{
    begin(t, SMBIOS_SYSTEM);
    for (unsigned i = FW_CFG_SMBIOS_MANUFACTURER; i <= FW_CFG_SMBIOS_SERIAL; i++)
        put_string(t, about->text[i]);
    put_uuid(t, about->uuid);
    put(t, 6, 1); /* woken by the power switch */
    put_string(t, about->text[FW_CFG_SMBIOS_SKU]);
    put_string(t, about->text[FW_CFG_SMBIOS_FAMILY]);
    end(t);
}

static void put_chassis(struct table *t, const struct fw_cfg_smbios *about)
{
    begin(t, SMBIOS_CHASSIS);
    put_string(t, about->text[FW_CFG_SMBIOS_MANUFACTURER]);
    put(t, 1, 1); /* type: other */
    put_string(t, about->text[FW_CFG_SMBIOS_VERSION]);
    put_string(t, about->text[FW_CFG_SMBIOS_SERIAL]);
    put(t, 0, 1);                     /* no asset tag */
    put(t, 0x030303, 3);              /* states at boot, of power and of temperature: safe */
    put(t, 2, 1);                     /* security: unknown */
    put(t, 0, 4 + 1 + 1 + 1 + 1 + 1); /* OEM's, height, cords, elements and their length, SKU */
    end(t);
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

static void put_processor(struct table *t, const struct fw_cfg_smbios *about)
{
    begin(t, SMBIOS_PROCESSOR);
    put_string(t, "CPU 0");
    put(t, 3, 1);    /* a central processor */
    put(t, 0xfe, 1); /* its family is below */
    put_string(t, about->text[FW_CFG_SMBIOS_MANUFACTURER]);
    put(t, 0, 8);         /* ID */
    put(t, 0, 1 + 1);     /* version, voltage */
    put(t, 0, 2 + 2 + 2); /* clocks: unknown */
    put(t, 0x41, 1);      /* populated, enabled */
    put(t, 1, 1);         /* upgrade: other */
    put(t, SMBIOS_NO_CACHE, 2);
    put(t, SMBIOS_NO_CACHE, 2);
    put(t, SMBIOS_NO_CACHE, 2);
    put(t, 0, 1 + 1 + 1); /* serial number, asset tag, part number */
    for (unsigned i = 0; i < 3; i++)
        put(t, at_most(about->cpus, 0xff), 1); /* cores, enabled ones, threads */
    put(t, 1u << 2, 2);                        /* 64-bit capable */
    put(t, 0x101, 2);                          /* ARMv8 */
    for (unsigned i = 0; i < 3; i++)
        put(t, about->cpus, 2);
    end(t);
}

static void put_memory(struct table *t, const struct fw_cfg_smbios *about)
{
    uint64_t kib = about->memory >> KIB_SHIFT, mib = about->memory >> MIB_SHIFT;
    uint64_t first = about->memory_base, last = first + about->memory - 1;
    int wide = last >> KIB_SHIFT >= UINT32_MAX;

    begin(t, SMBIOS_MEMORY_ARRAY);
    put(t, 0x030301, 3);                   /* other place, system memory, no ECC */
    put(t, kib >> 31 ? 1u << 31 : kib, 4); /* 1 << 31: see below */
    put(t, SMBIOS_NO_ERRORS, 2);
    put(t, 1, 2); /* devices */
    put(t, kib >> 31 ? about->memory : 0, 8);
    end(t);

    begin(t, SMBIOS_MEMORY_DEVICE);
    put(t, SMBIOS_HANDLE(SMBIOS_MEMORY_ARRAY), 2);
    put(t, SMBIOS_NO_ERRORS, 2);
    put(t, 0xffffffff, 2 + 2);              /* widths: unknown */
    put(t, mib < 0x7fff ? mib : 0x7fff, 2); /* 0x7fff: see below */
    put(t, 9, 1);                           /* a DIMM */
    put(t, 0, 1);
    put_string(t, "DIMM 0");
    put(t, 0, 1);
    put(t, 7, 1);       /* RAM */
    put(t, 1u << 1, 2); /* other */
    put(t, 0, 2 + 1 + 1 + 1 + 1 + 1);
    put(t, mib < 0x7fff ? 0 : mib, 4);
    put(t, 0, 2);
    end(t);

    begin(t, SMBIOS_MEMORY_ADDRESS);
    put(t, wide ? UINT32_MAX : first >> KIB_SHIFT, 4); /* all bits: see below */
    put(t, wide ? UINT32_MAX : last >> KIB_SHIFT, 4);
    put(t, SMBIOS_HANDLE(SMBIOS_MEMORY_ARRAY), 2);
    put(t, 1, 1);
    put(t, wide ? first : 0, 8);
    put(t, wide ? last : 0, 8);
    end(t);
}

size_t fw_cfg_smbios_tables(const struct fw_cfg_smbios *about, uint8_t to[FW_CFG_SMBIOS_MAX])
{
    struct table t = {.to = to};

    put_system(&t, about);
    put_chassis(&t, about);
    put_processor(&t, about);
    put_memory(&t, about);
    begin(&t, SMBIOS_BOOT);
    put(&t, 0, 6 + 1); /* reserved, no errors */
    end(&t);
    begin(&t, SMBIOS_END);
    end(&t);
    return t.size;
}

/* 5.2.2 */
void fw_cfg_smbios_entry(uint8_t to[FW_CFG_SMBIOS_ENTRY_SIZE], size_t tables_size)
{
    struct table t = {.to = to};
    uint8_t sum = 0;

    memcpy(to, "_SM3_", 5);
    t.size = 5;
    put(&t, 0, 1); /* checksum */
    put(&t, FW_CFG_SMBIOS_ENTRY_SIZE, 1);
    put(&t, 3, 1); /* version 3.0.0 */
    put(&t, 0, 1);
    put(&t, 0, 1);
    put(&t, 1, 1); /* of the entry point */
    put(&t, 0, 1);
    put(&t, tables_size, 4);
    put(&t, 0, 8);
    for (unsigned i = 0; i < FW_CFG_SMBIOS_ENTRY_SIZE; i++)
        sum = (uint8_t)(sum + to[i]);
    to[5] = (uint8_t)-sum;
}

int fw_cfg_smbios_uuid(const char *text, uint8_t uuid[16])
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned byte = 0;

        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (*text++ != '-')
                return -EINVAL;
        for (unsigned digit = 0; digit < 2; digit++, text++) {
            if (!isxdigit((unsigned char)*text))
                return -EINVAL;
            byte = byte << 4 | (unsigned)(*text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10);
        }
        uuid[i] = (uint8_t)byte;
    }
    return *text ? -EINVAL : 0;
}
