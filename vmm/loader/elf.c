/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/elf.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/boot.h"
#include "vmm/loader/bytes_internal.h"

/* <elf.h> has the fields in the host's order, which is the file's: both are little-endian. */
_Static_assert(BYTE_ORDER == LITTLE_ENDIAN, "ELF headers are used in place");

struct elf_file {
    const struct input *input;
    const uint8_t *data;
    size_t size;
    Elf64_Ehdr header;
};

bool elf_match(const uint8_t *data, size_t size)
{
    return size >= EI_NIDENT + 4 && memcmp(data, ELFMAG, SELFMAG) == 0 &&
           data[EI_CLASS] == ELFCLASS64 && data[EI_DATA] == ELFDATA2LSB &&
           bytes_le16(data + offsetof(Elf64_Ehdr, e_machine)) == EM_AARCH64;
}

static Elf64_Phdr elf_segment(const struct elf_file *elf, unsigned index)
{
    Elf64_Phdr segment;

    memcpy(&segment, elf->data + elf->header.e_phoff + index * sizeof(segment), sizeof(segment));
    return segment;
}

static int elf_truncated(const struct elf_file *elf)
{
    input_error(elf->input, "truncated: an ELF file that ends within its %s; copy the file again",
                elf->size < sizeof(elf->header) ? "header" : "segments");
    return -EBADMSG;
}

static int elf_check_header(struct elf_file *elf)
{
    const Elf64_Ehdr *h = &elf->header;

    if (elf->size < sizeof(*h))
        return elf_truncated(elf);
    memcpy(&elf->header, elf->data, sizeof(*h));
    /* ET_DYN is what position-independent firmware is: fine if linked to lie in RAM. */
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN) {
        input_error(elf->input, "an AArch64 ELF file, but not an executable: link it first");
        return -ENOTSUP;
    }
    /* PN_XNUM puts the count elsewhere; no kernel has 65535 segments. */
    if (h->e_phnum == 0 || h->e_phnum == PN_XNUM || h->e_phentsize != sizeof(Elf64_Phdr)) {
        input_error(elf->input, "corrupt: an ELF executable without usable program headers");
        return -EBADMSG;
    }
    if (h->e_phoff > elf->size ||
        h->e_phnum * (uint64_t)sizeof(Elf64_Phdr) > elf->size - h->e_phoff)
        return elf_truncated(elf);
    return 0;
}

static int elf_check_segment(const struct elf_file *elf, const struct guest_ram *ram,
                             const Elf64_Phdr *segment)
{
    if (segment->p_filesz > segment->p_memsz) {
        input_error(elf->input, "corrupt: an ELF segment with more bytes in the file than in RAM");
        return -EBADMSG;
    }
    if (segment->p_offset > elf->size || segment->p_filesz > elf->size - segment->p_offset)
        return elf_truncated(elf);
    if (guest_ram_has(ram, segment->p_paddr, segment->p_memsz))
        return 0;
    if (segment->p_paddr >> RV_IPA_BITS != 0)
        input_error(elf->input,
                    "an ELF file linked to run at 0x%" PRIx64 ", which is no physical address: "
                    "of a Linux kernel give arch/arm64/boot/Image, not vmlinux",
                    segment->p_paddr);
    else
        input_error(elf->input,
                    "an ELF segment of %" PRIu64 " bytes at 0x%" PRIx64 " does not lie in RAM, "
                    "which is 0x%" PRIx64 " to 0x%" PRIx64 ": link it there, or give more RAM",
                    segment->p_memsz, segment->p_paddr, ram->ipa, guest_ram_end(ram) - 1);
    return -ENOSPC;
}

/* Checks all segments and finds the extent of them. */
static int elf_check_segments(const struct elf_file *elf, const struct guest_ram *ram,
                              struct kernel *kernel)
{
    uint64_t total = 0;

    kernel->start = ipa(UINT64_MAX);
    kernel->end = ipa(0);
    for (unsigned i = 0; i < elf->header.e_phnum; i++) {
        const Elf64_Phdr segment = elf_segment(elf, i);
        int error;

        if (segment.p_type == PT_INTERP) {
            input_error(elf->input, "an ELF program for an operating system (it names a dynamic "
                                    "linker), not one for a bare machine");
            return -ENOTSUP;
        }
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
            continue;
        error = elf_check_segment(elf, ram, &segment);
        if (error != 0)
            return error;
        /* Without this, 65534 segments that all cover RAM would take minutes to load. */
        total += segment.p_memsz;
        if (total > ram->size) {
            input_error(elf->input, "corrupt: ELF segments that overlap each other");
            return -EBADMSG;
        }
        if (segment.p_paddr < kernel->start.v)
            kernel->start.v = segment.p_paddr;
        if (segment.p_paddr + segment.p_memsz > kernel->end.v)
            kernel->end.v = segment.p_paddr + segment.p_memsz;
    }
    if (total == 0) {
        input_error(elf->input, "an ELF file with nothing to load");
        return -EBADMSG;
    }
    return 0;
}

/*
 * e_entry is a virtual address (System V ABI, "ELF Header"); the guest starts
 * with its MMU off, at the same place in the segment's physical range. Some
 * linker scripts give the physical address there at once.
 */
static int elf_find_entry(const struct elf_file *elf, struct kernel *kernel)
{
    uint64_t entry = elf->header.e_entry;
    bool found = false;

    for (unsigned i = 0; i < elf->header.e_phnum; i++) {
        const Elf64_Phdr segment = elf_segment(elf, i);

        if (segment.p_type != PT_LOAD)
            continue;
        if (entry - segment.p_vaddr < segment.p_memsz) {
            kernel->entry = ipa(entry - segment.p_vaddr + segment.p_paddr);
            found = true;
            break;
        }
        if (entry - segment.p_paddr < segment.p_memsz) {
            kernel->entry = ipa(entry);
            found = true;
        }
    }
    if (!found || kernel->entry.v % 4 != 0) {
        input_error(elf->input,
                    "the ELF entry point 0x%" PRIx64 " is no instruction of a loaded segment: "
                    "set it with ENTRY() in the linker script",
                    entry);
        return -EBADMSG;
    }
    return 0;
}

int elf_load(const struct input *input, const uint8_t *data, size_t size,
             const struct guest_ram *ram, struct kernel *kernel)
{
    struct elf_file elf = {.input = input, .data = data, .size = size};
    int error = elf_check_header(&elf);

    if (error == 0)
        error = elf_check_segments(&elf, ram, kernel);
    if (error == 0)
        error = elf_find_entry(&elf, kernel);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < elf.header.e_phnum; i++) {
        const Elf64_Phdr segment = elf_segment(&elf, i);
        uint8_t *to;

        if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
            continue;
        to = guest_ram_to_write(ram, segment.p_paddr, segment.p_memsz);
        memcpy(to, data + segment.p_offset, segment.p_filesz);
        memset(to + segment.p_filesz, 0, segment.p_memsz - segment.p_filesz);
    }
    return 0;
}
