/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reset while a device's request does not end for long, as of a disk server that hangs:
 * the reset waits for it, and the VM does not end. Needs the test device.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/testdev.h"

#define HANG_MS 35000u
#define HANG_TO (RAM_BASE + 0x7000000ull) /* beyond all that is loaded */

void test_main(void)
{
    if (!mmio_read64(TESTDEV_BASE + TESTDEV_STICKY)) {
        mmio_write64(HANG_TO, 0);
        mmio_write64(TESTDEV_BASE + TESTDEV_STICKY, 1);
        mmio_write64(TESTDEV_BASE + TESTDEV_DMA_TO, HANG_TO);
        mmio_write64(TESTDEV_BASE + TESTDEV_LATE, HANG_MS);
        psci(PSCI_SYSTEM_RESET, 0, 0, 0);
        check_true(false, "system_reset_does_not_return");
        return;
    }
    check(mmio_read64(HANG_TO), UINT64_MAX, "reset_comes_when_the_request_has_ended");
}
