/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices' parts of the device tree. */
#pragma once

#include "vmm/board/fdt.h"
#include "vmm/board/fdt_writer.h"

/* The node of config->devices[index], with what its plugin adds. */
void fdt_device_build(struct fdt_writer *w, const struct fdt_config *config, unsigned index);

/* What its plugin adds to the root node. */
void fdt_device_build_root(struct fdt_writer *w, const struct fdt_config *config, unsigned index);
