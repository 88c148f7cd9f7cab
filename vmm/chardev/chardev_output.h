/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output that was taken from a device and not written yet. It outlives this process, if there is
 * a keeper: the next one writes it. What is written when a process dies may so come twice.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct chardev_output;

/*
 * For `size` bytes, a power of two, with what the process before has left: all processes of a guest
 * make theirs in the same order. NULL: out of memory. One thread may put while another one peeks and drops.
 */
struct chardev_output *chardev_output_new(uint32_t size);
void chardev_output_free(struct chardev_output *output); /* NULL is allowed */

size_t chardev_output_used(const struct chardev_output *output);
size_t chardev_output_room(const struct chardev_output *output);

/* How many of the bytes fit. */
size_t chardev_output_put(struct chardev_output *output, const uint8_t *data, size_t len);

/* The oldest bytes, in one piece: not always all of them. */
size_t chardev_output_peek(const struct chardev_output *output, const uint8_t **data);
void chardev_output_drop(struct chardev_output *output, size_t len);
