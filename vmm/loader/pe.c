/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/pe.h"

#include <errno.h>
#include <string.h>

#include "vmm/loader/bytes_internal.h"

#define MZ_PE_OFFSET 0x3cu /* where the PE header is, 32 bits */
#define MZ_SIZE      0x40u

#define PE_HEADER_SIZE   24u
#define PE_MACHINE       4u
#define PE_NR_SECTIONS   6u
#define PE_OPTIONAL_SIZE 20u

#define SECTION_SIZE        40u
#define SECTION_MEMORY_SIZE 8u
#define SECTION_RAW_SIZE    16u
#define SECTION_RAW_START   20u

int64_t pe_open(struct pe *pe, const uint8_t *data, size_t size)
{
    uint64_t header, end;

    *pe = (struct pe){.data = data, .size = size};
    if (size < MZ_SIZE)
        return -ENOENT;
    header = bytes_le32(data + MZ_PE_OFFSET);
    if (header == 0)
        return -ENOENT;
    if (header + PE_HEADER_SIZE > size)
        return (int64_t)(header + PE_HEADER_SIZE);
    if (memcmp(data + header, "PE\0\0", 4) != 0)
        return -ENOENT;
    pe->machine = bytes_le16(data + header + PE_MACHINE);
    pe->nr = bytes_le16(data + header + PE_NR_SECTIONS);
    pe->sections = header + PE_HEADER_SIZE + bytes_le16(data + header + PE_OPTIONAL_SIZE);
    end = pe->sections + pe->nr * SECTION_SIZE;
    return end > size ? (int64_t)end : 0;
}

struct pe_section pe_section(const struct pe *pe, unsigned index)
{
    const uint8_t *header = pe->data + pe->sections + index * SECTION_SIZE;

    return (struct pe_section){
        .name = header,
        .memory_size = bytes_le32(header + SECTION_MEMORY_SIZE),
        .start = bytes_le32(header + SECTION_RAW_START),
        .size = bytes_le32(header + SECTION_RAW_SIZE),
    };
}
