/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers by which a vCPU sends SGIs, as the trap handler names them to the vgic. */
#pragma once

enum vgic_sgi_reg {
    VGIC_SGI0R,  /* ICC_SGI0R_EL1 */
    VGIC_SGI1R,  /* ICC_SGI1R_EL1 */
    VGIC_ASGI1R, /* ICC_ASGI1R_EL1 */
};
