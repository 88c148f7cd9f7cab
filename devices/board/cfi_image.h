/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of the flash: read at the start, and made from a template when they are missing. */
#pragma once

#include <ringvisor/device.h>
#include <stdint.h>

/*
 * Reads the file into a bank that is zeroed; what the file does not have stays so. `what` is for
 * messages. 0 or -errno after a message.
 */
int cfi_image_load(struct rv_instance *instance, const struct rv_vmm_ops *ops, const char *what,
                   const char *path, uint8_t *bank);

/*
 * If there is no file `path`, makes one of a bank's size with the contents of `template` (NULL:
 * zeros). It is complete or not there, whatever happens meanwhile. 0 or -errno after a message.
 */
int cfi_image_make(struct rv_instance *instance, const struct rv_vmm_ops *ops, const char *path,
                   const char *template);
