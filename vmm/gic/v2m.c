/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/v2m.h"

#include <errno.h>

#define MSI_TYPER       0x008u /* bits 25:16 first INTID, bits 9:0 how many */
#define MSI_TYPER_FIRST 16u
#define MSI_IIDR        0xfccu
#define IIDR            0x43bu /* implementer: Arm, as the vgic's */

void v2m_message(const struct v2m *v2m, uint32_t data)
{
    if (data - v2m->first < v2m->count)
        v2m->edge(v2m->opaque, data);
}

static int v2m_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct v2m *v2m = opaque;

    if (size == 8)
        return -EINVAL;
    *value = 0;
    if (size == 4 && offset == MSI_TYPER)
        *value = v2m->first << MSI_TYPER_FIRST | v2m->count;
    else if (size == 4 && offset == MSI_IIDR)
        *value = IIDR;
    return 0;
}

static int v2m_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    if (size == 8)
        return -EINVAL;
    if (offset == V2M_SETSPI_NS && size >= 2)
        v2m_message(opaque, (uint32_t)value);
    return 0;
}

const struct bus_ops v2m_bus_ops = {.read = v2m_read, .write = v2m_write};
