/* SPDX-License-Identifier: BSD-2-Clause */
#include <ringvisor/virtio/iov.h>

#include <stdint.h>
#include <string.h>

enum iov_what { IOV_READ, IOV_WRITE, IOV_FILL };

size_t iov_size(const struct iovec *iov, unsigned count)
{
    size_t size = 0;

    for (unsigned i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

static size_t iov_each(const struct iovec *iov, unsigned count, size_t offset, size_t len,
                       enum iov_what what, uint8_t *to, const uint8_t *from, int byte)
{
    size_t done = 0;

    for (unsigned i = 0; i < count && done < len; i++) {
        uint8_t *base = iov[i].iov_base;
        size_t n = iov[i].iov_len;

        if (offset >= n) {
            offset -= n;
            continue;
        }
        n -= offset;
        if (n > len - done)
            n = len - done;
        switch (what) {
        case IOV_READ: memcpy(to + done, base + offset, n); break;
        case IOV_WRITE: memcpy(base + offset, from + done, n); break;
        case IOV_FILL: memset(base + offset, byte, n); break;
        }
        offset = 0;
        done += n;
    }
    return done;
}

size_t iov_read(const struct iovec *iov, unsigned count, size_t offset, void *data, size_t len)
{
    return iov_each(iov, count, offset, len, IOV_READ, data, NULL, 0);
}

size_t iov_write(const struct iovec *iov, unsigned count, size_t offset, const void *data,
                 size_t len)
{
    return iov_each(iov, count, offset, len, IOV_WRITE, NULL, data, 0);
}

size_t iov_fill(const struct iovec *iov, unsigned count, size_t offset, int byte, size_t len)
{
    return iov_each(iov, count, offset, len, IOV_FILL, NULL, NULL, byte);
}

size_t iov_advance(struct iovec **iov, unsigned *count, size_t len)
{
    size_t done = 0;

    while (*count != 0 && done < len) {
        struct iovec *first = *iov;

        if (first->iov_len > len - done) {
            first->iov_base = (uint8_t *)first->iov_base + (len - done);
            first->iov_len -= len - done;
            return len;
        }
        done += first->iov_len;
        ++*iov;
        --*count;
    }
    return done;
}

size_t iov_trim(struct iovec *iov, unsigned *count, size_t len)
{
    size_t done = 0;

    while (*count != 0 && done < len) {
        struct iovec *last = &iov[*count - 1];

        if (last->iov_len > len - done) {
            last->iov_len -= len - done;
            return len;
        }
        done += last->iov_len;
        --*count;
    }
    return done;
}
