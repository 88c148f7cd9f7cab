/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tests/unit/devices/virtio/attach/attach_device.h"

extern const struct attach_case attach_cases[];
extern const unsigned attach_nr_cases;

/* attach_console.c, attach_sockets.c */
extern const struct attach_case attach_console, attach_net, attach_net_merged, attach_vsock,
    attach_fs;
