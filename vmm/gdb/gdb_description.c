/* SPDX-License-Identifier: BSD-2-Clause */
/* The target description: GDB manual, appendix G, "AArch64 Features" for the names. */
#include "vmm/gdb/gdb_registers_internal.h"

static void reg(FILE *out, const char *name, unsigned bits, const char *type)
{
    fprintf(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", name, bits, type);
}

static void numbered(FILE *out, char letter, unsigned count, unsigned bits, const char *type)
{
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "<reg name=\"%c%u\" bitsize=\"%u\" type=\"%s\"/>", letter, i, bits, type);
}

static void write_core(FILE *out)
{
    static const struct {
        const char *name;
        unsigned first, last;
    } flags[] = {
        {"SP", 0, 0},   {"EL", 2, 3},    {"nRW", 4, 4},     {"F", 6, 6},      {"I", 7, 7},
        {"A", 8, 8},    {"D", 9, 9},     {"BTYPE", 10, 11}, {"SSBS", 12, 12}, {"IL", 20, 20},
        {"SS", 21, 21}, {"PAN", 22, 22}, {"UAO", 23, 23},   {"DIT", 24, 24},  {"V", 28, 28},
        {"C", 29, 29},  {"Z", 30, 30},   {"N", 31, 31},
    };

    fprintf(out, "<feature name=\"org.gnu.gdb.aarch64.core\"><flags id=\"pstate\" size=\"4\">");
    for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++)
        fprintf(out, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", flags[i].name, flags[i].first,
                flags[i].last);
    fprintf(out, "</flags>");
    numbered(out, 'x', 31, 64, "int");
    reg(out, "sp", 64, "data_ptr");
    reg(out, "pc", 64, "code_ptr");
    reg(out, "cpsr", 32, "pstate");
    fprintf(out, "</feature>");
}

/* A vector of each type of element, and a union of them. */
static void write_vector_types(FILE *out, const char *prefix, unsigned bytes)
{
    static const struct {
        const char *field, *type;
        unsigned bytes;
    } elements[] = {
        {"f64", "ieee_double", 8}, {"u64", "uint64", 8},    {"s64", "int64", 8},
        {"f32", "ieee_single", 4}, {"u32", "uint32", 4},    {"s32", "int32", 4},
        {"u16", "uint16", 2},      {"s16", "int16", 2},     {"u8", "uint8", 1},
        {"s8", "int8", 1},         {"u128", "uint128", 16},
    };
    const unsigned count = sizeof(elements) / sizeof(*elements);

    for (unsigned i = 0; i < count; i++)
        fprintf(out, "<vector id=\"%s_%s\" type=\"%s\" count=\"%u\"/>", prefix, elements[i].field,
                elements[i].type, bytes / elements[i].bytes);
    fprintf(out, "<union id=\"%s\">", prefix);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "<field name=\"%s\" type=\"%s_%s\"/>", elements[i].field, prefix,
                elements[i].field);
    fprintf(out, "</union>");
}

static void write_fpu(FILE *out)
{
    fprintf(out, "<feature name=\"org.gnu.gdb.aarch64.fpu\">");
    write_vector_types(out, "vector", 16);
    numbered(out, 'v', 32, 128, "vector");
    reg(out, "fpsr", 32, "int");
    reg(out, "fpcr", 32, "int");
    fprintf(out, "</feature>");
}

static void write_sve(FILE *out, unsigned vl)
{
    fprintf(out, "<feature name=\"org.gnu.gdb.aarch64.sve\">");
    write_vector_types(out, "svector", vl);
    fprintf(out, "<vector id=\"predicate\" type=\"uint8\" count=\"%u\"/>", vl / 8);
    numbered(out, 'z', 32, vl * 8, "svector");
    reg(out, "fpsr", 32, "int");
    reg(out, "fpcr", 32, "int");
    numbered(out, 'p', 16, vl, "predicate");
    reg(out, "ffr", vl, "predicate");
    reg(out, "vg", 64, "int");
    fprintf(out, "</feature>");
}

static void write_pauth(FILE *out)
{
    fprintf(out, "<feature name=\"org.gnu.gdb.aarch64.pauth_v2\">");
    reg(out, "pauth_dmask", 64, "int");
    reg(out, "pauth_cmask", 64, "int");
    reg(out, "pauth_dmask_high", 64, "int");
    reg(out, "pauth_cmask_high", 64, "int");
    fprintf(out, "</feature>");
}

static void write_system(FILE *out, unsigned count)
{
    fprintf(out, "<feature name=\"org.ringvisor.aarch64.system\">");
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "<reg name=\"%s\" bitsize=\"64\" type=\"uint64\" group=\"system\"/>",
                gdb_system_registers[i].name);
    fprintf(out, "</feature>");
}

/* The registers come in the order of the blocks: GDB numbers them as they stand here. */
void gdb_description_write(const struct gdb_registers *registers, FILE *out)
{
    fprintf(out, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
                 "<architecture>aarch64</architecture>");
    write_core(out);
    for (unsigned i = 0; i < registers->nr_blocks; i++) {
        switch (registers->blocks[i].kind) {
        case GDB_KIND_V: write_fpu(out); break;
        case GDB_KIND_Z: write_sve(out, registers->vl); break;
        case GDB_KIND_PAUTH: write_pauth(out); break;
        case GDB_KIND_SYSTEM: write_system(out, registers->blocks[i].count); break;
        default: break;
        }
    }
    fprintf(out, "</target>");
}
