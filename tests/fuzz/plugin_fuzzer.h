/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fuzzer of a virtio device says of it; plugin_fuzzer.c has the driver. */
#pragma once

#include "tests/unit/support/plugin_host.h"

extern const struct plugin_host_property plugin_fuzzer_properties[];

/* Before the device is made, and after it has ended. */
void plugin_fuzzer_begin(struct rv_instance *host);
void plugin_fuzzer_end(struct rv_instance *host);

/* What the driver sends on a queue may be brought nearer to what makes sense. */
void plugin_fuzzer_sent(unsigned queue, uint8_t *data, size_t size);

/* The other side of the device (a socket's peer, a control channel) does something. */
void plugin_fuzzer_peer(struct rv_instance *host, const uint8_t *data, size_t size);
