/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a virtio device needs of the world: guest memory, interrupts and
 * a place for messages.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct virtio_env {
    void *opaque;

    /*
     * The host address of guest memory [ipa, ipa + len), which stays where it
     * is for as long as the device lives; NULL if not all of it is RAM (that
     * the device may write). `len` is not 0; ipa + len may wrap.
     * The address is aligned as `ipa` is, up to 16.
     */
    void *(*span)(void *opaque, uint64_t ipa, uint64_t len, bool write);

    /* The device has written these bytes, all inside of a span() for writing. */
    void (*dirty)(void *opaque, uint64_t ipa, uint64_t len);

    /* Level of the interrupt line. Idempotent. */
    void (*irq)(void *opaque, bool level);

    /*
     * virtio-mmio, where the driver may read registers in memory, and acknowledge late. changed:
     * registers other than InterruptStatus may read otherwise now. unheard: how many
     * acknowledgements may the driver have made of which the device does not know yet? When it has
     * made a later one, it sees what was written to guest memory before. NULL: nobody cares, and none.
     */
    void (*changed)(void *opaque);
    uint32_t (*unheard)(void *opaque);

    /* A message for the user, once for each kind of fault of the guest. */
    void (*log)(void *opaque, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

    /*
     * An interrupt by a message: virtio 1.2, 4.1.5.1. True: the driver has chosen messages, so
     * the line is of no meaning. A vector that there is not is no interrupt. NULL: the
     * transport has no messages.
     */
    bool (*message)(void *opaque, uint32_t vector);
};
