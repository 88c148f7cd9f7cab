/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The stub: an ELF file as the build left it. */
	.section .rodata, "a"
	.balign 8
	.global ringvisor_image, ringvisor_image_end
ringvisor_image:
	.incbin STUB_IMAGE
ringvisor_image_end:
