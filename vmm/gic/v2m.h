/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A GICv2m frame (Arm Server Base System Architecture, appendix E): a doorbell for messages. A
 * write of an SPI's INTID to SETSPI_NS is an edge of that SPI's wire.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/vm/bus.h"

#define V2M_SETSPI_NS 0x040u

struct v2m {
    uint32_t first; /* INTID of its first SPI */
    uint32_t count;
    void (*edge)(void *opaque, uint32_t intid);
    void *opaque;
};

/* A write of `data` to SETSPI_NS. One to an SPI that is not the frame's does nothing. */
void v2m_message(const struct v2m *v2m, uint32_t data);

/* The frame's registers: the opaque pointer is the struct v2m. */
extern const struct bus_ops v2m_bus_ops;
