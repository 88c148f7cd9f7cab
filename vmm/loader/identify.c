/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/identify.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/loader/bytes_internal.h"
#include "vmm/loader/pe.h"

#define TEXT_LOOK 512u /* bytes that decide whether a file is text */

/* Magic numbers at fixed offsets; the first that fits wins, so the longer and surer come first. */
static const struct {
    size_t offset;
    size_t size;
    const char *magic;
    const char *name;
} identify_table[] = {
    {0x202, 4, "HdrS", "an x86 bzImage"},
    {56, 4, "RSC\x05", "a RISC-V kernel Image"},
    {0x24, 4, "\x18\x28\x6f\x01", "a 32-bit Arm zImage"},
    {0, 4, "\x27\x05\x19\x56", "a U-Boot uImage"},
    {0, 4, "\xd0\x0d\xfe\xed", "a device tree blob or a U-Boot FIT image"},
    {0, 2, "\x1f\x8b", "a gzip file inside of a compressed file"},
    {0, 4, "\x28\xb5\x2f\xfd", "a zstd file inside of a compressed file"},
    {0, 6, "\xfd\x37zXZ\0", "an xz file: unpack it first"},
    {0, 4, "\x04\x22\x4d\x18", "an lz4 file: unpack it first"},
    {0, 4, "\x02\x21\x4c\x18", "an lz4 file: unpack it first"},
    {0, 4, "\x89LZO", "an lzop file: unpack it first"},
    {0, 3, "BZh", "a bzip2 file: unpack it first"},
    {0, 6, "070701", "a cpio archive: an initrd, not a kernel"},
    {0, 6, "070702", "a cpio archive: an initrd, not a kernel"},
    {0, 4, "QFI\xfb", "a qcow2 disk image"},
    {0, 8, "!<arch>\n", "an ar archive or a Debian package"},
    {257, 5, "ustar", "a tar archive"},
    {0, 4, "PK\x03\x04", "a zip archive"},
    {0, 8, "ANDROID!", "an Android boot image"},
    {0x8001, 5, "CD001", "a CD or DVD image"},
    {0, 2, "#!", "a script"},
};

static const struct {
    uint16_t machine;
    const char *name;
} identify_elf_table[] = {
    {EM_386, "an ELF file for x86"},        {EM_X86_64, "an ELF file for x86-64"},
    {EM_ARM, "an ELF file for 32-bit Arm"}, {EM_RISCV, "an ELF file for RISC-V"},
    {EM_PPC64, "an ELF file for PowerPC"},  {EM_S390, "an ELF file for s390"},
    {EM_MIPS, "an ELF file for MIPS"},
};

static const char *identify_elf(const uint8_t *data, size_t size)
{
    uint16_t machine;

    if (size < EI_NIDENT + 4)
        return "a truncated ELF file";
    machine = bytes_le16(data + offsetof(Elf64_Ehdr, e_machine));
    if (data[EI_DATA] == ELFDATA2MSB)
        machine = __builtin_bswap16(machine);
    if (machine == EM_AARCH64)
        return data[EI_DATA] == ELFDATA2MSB ? "a big-endian ELF file for AArch64"
                                            : "a 32-bit (ILP32) ELF file for AArch64";
    for (size_t i = 0; i < sizeof(identify_elf_table) / sizeof(identify_elf_table[0]); i++) {
        if (identify_elf_table[i].machine == machine)
            return identify_elf_table[i].name;
    }
    return "an ELF file for another processor";
}

static const char *identify_pe(const uint8_t *data, size_t size)
{
    struct pe pe;

    if (pe_open(&pe, data, size) < 0)
        return "a DOS executable";
    switch (pe.machine) {
    case PE_MACHINE_ARM64: return "a PE (EFI) executable for AArch64 that is no Linux kernel";
    case 0x8664: return "a PE (EFI) executable for x86-64";
    case 0x014c: return "a PE executable for x86";
    default: return "a PE executable";
    }
}

static bool looks_like_text(const uint8_t *data, size_t size)
{
    if (size > TEXT_LOOK)
        size = TEXT_LOOK;
    for (size_t i = 0; i < size; i++) {
        bool control = data[i] < 0x20 && strchr("\t\n\r\f\x1b", data[i]) == NULL;

        if (control || data[i] == 0 || data[i] == 0x7f)
            return false;
    }
    return true;
}

const char *identify(const uint8_t *data, size_t size)
{
    if (size == 0)
        return "an empty file";
    if (size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0)
        return identify_elf(data, size);
    for (size_t i = 0; i < sizeof(identify_table) / sizeof(identify_table[0]); i++) {
        size_t offset = identify_table[i].offset, length = identify_table[i].size;

        if (size >= offset + length && memcmp(data + offset, identify_table[i].magic, length) == 0)
            return identify_table[i].name;
    }
    if (size >= 2 && memcmp(data, "MZ", 2) == 0)
        return identify_pe(data, size);
    if (looks_like_text(data, size))
        return "a text file";
    if (size >= 512 && data[510] == 0x55 && data[511] == 0xaa)
        return "a disk image";
    return "unknown data; a bare binary needs --raw ADDRESS";
}
