/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that the user gave for the guest: kernel or initrd. It is opened once
 * and can be read any number of times, so that a guest reset loads the same
 * bytes, even if the path names another file by then. A pipe is copied into
 * anonymous memory when it is opened.
 *
 * Files are read, never mapped: one that shrinks meanwhile reads short, where a
 * mapping would raise SIGBUS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/loader/buffer.h"

struct input {
    const char *what; /* "kernel", "initrd": for messages */
    const char *path; /* as the user gave it; must outlive the input */
    int fd;
};

/* How long a pipe is waited for: it is asked again and again, and says whether that is enough. */
struct input_wait {
    bool (*is_over)(void *opaque);
    void *opaque;
};

/*
 * Regular files and pipes only. A pipe is read to its end here, and this waits
 * for the process that writes it (for ever, if `wait` is NULL). 0; -EISDIR; -EINVAL: a device
 * or a socket; -EFBIG: more than `limit` bytes; -ENODATA: an empty pipe; -ECANCELED: the wait is
 * over; other: what open() and read() said.
 */
int input_open(struct input *input, const char *what, const char *path, uint64_t limit,
               const struct input_wait *wait);
void input_close(struct input *input);

/*
 * The whole file into `data`, which has `room` bytes. 0; -EFBIG: it is longer;
 * -ENODATA: it is empty; other: what pread() said.
 */
int input_read(const struct input *input, uint8_t *data, size_t room, size_t *size);

/* The same into a buffer that grows up to `limit`. -ENOMEM too. The caller frees the buffer. */
int input_slurp(const struct input *input, size_t limit, struct buffer *buffer);

/* An error message that starts with what the input is and its path: "kernel 'foo': ". */
void input_error(const struct input *input, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
