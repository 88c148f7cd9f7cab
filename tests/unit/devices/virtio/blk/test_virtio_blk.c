/* SPDX-License-Identifier: BSD-2-Clause */
/* The block device: requests of a driver in both ring formats, and what they are answered. */
#include "tests/unit/support/blk_fixture.h"

static void data_goes_both_ways_however_a_request_is_laid_out(void **state)
{
    /* Header, 1,024 bytes and status, in one piece each or in several; together where they may be. */
    static const struct {
        unsigned out, in;       /* elements of each direction */
        struct driver_seg e[8]; /* a write: all but the last are readable */
    } layouts[] = {
        {2, 1, {{HEADER, 16, 0}, {DATA, 1024, 0}, {STATUS, 1, 1}}},
        {1, 1, {{DATA - 16, 1040, 0}, {STATUS, 1, 1}}},
        {4,
         1,
         {{HEADER, 7, 0}, {HEADER + 7, 9, 0}, {DATA, 1, 0}, {DATA + 1, 1023, 0}, {STATUS, 1, 1}}},
        {2, 1, {{DATA - 16, 17, 0}, {DATA + 1, 1023, 0}, {STATUS, 1, 1}}},
    };
    static const struct driver_seg reads[][6] = {
        {{HEADER, 16, 0}, {DATA, 1024, 1}, {STATUS, 1, 1}},
        {{HEADER, 16, 0}, {DATA, 1025, 1}},
        {{HEADER, 3, 0}, {HEADER + 3, 13, 0}, {DATA, 1000, 1}, {DATA + 1000, 25, 1}},
    };
    struct fixture *f = *state;

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    for (unsigned packed = 0; packed <= 1; packed++) {
        negotiate(f, packed ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0);
        for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
            uint8_t fill = (uint8_t)(0x40 + 2 * i + packed);
            bool together = layouts[i].e[0].addr != HEADER;
            uint32_t len = 0;

            memset(at(f, DATA), fill, 1024);
            put_header(f, together ? DATA - 16 : HEADER, VIRTIO_BLK_T_OUT, 10 * i);
            *at(f, STATUS) = NONE;
            assert_true(driver_add(&f->q, layouts[i].e, layouts[i].out + layouts[i].in, false, f));
            kick(f);
            assert_false(driver_pending(&f->q)); /* not before it is done */
            plugin_host_disk_complete_all(&f->host.disk);
            assert_ptr_equal(driver_get(&f->q, &len), f);
            assert_int_equal(len, 1);
            assert_int_equal(*at(f, STATUS), VIRTIO_BLK_S_OK);
            for (unsigned n = 0; n < 1024; n++)
                assert_int_equal(f->host.disk.image[5120 * i + n], fill);
            assert_int_equal(f->host.disk.image[5120 * i + 1024], (10 * i + 2) & 0xff);
        }
        for (unsigned i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
            unsigned n = 0;
            uint32_t len = 0;
            uint8_t status;

            while (n < 6 && reads[i][n].len)
                n++;
            memset(at(f, DATA), NONE, 1025);
            *at(f, STATUS) = NONE;
            put_header(f, HEADER, VIRTIO_BLK_T_IN, 1000 + i);
            assert_true(driver_add(&f->q, reads[i], n, i & 1, f));
            kick(f);
            plugin_host_disk_complete_all(&f->host.disk);
            assert_ptr_equal(driver_get(&f->q, &len), f);
            assert_int_equal(len, 1025);
            status = i == 0 ? *at(f, STATUS) : *at(f, DATA + 1024);
            assert_int_equal(status, VIRTIO_BLK_S_OK);
            for (unsigned b = 0; b < 1024; b++)
                assert_int_equal(*at(f, DATA + b), (1000 + i + b / 512) & 0xff);
        }
    }
}

static void requests_end_in_any_order_and_interrupt_once_in_a_round(void **state)
{
    struct fixture *f = *state;
    uint64_t tokens[8];
    unsigned rises;
    uint32_t len;

    start(f, 0);
    for (unsigned i = 0; i < 8; i++) {
        struct driver_seg segs[3] = {
            {HEADER + 16 * i, 16, false}, {DATA + 0x200 * i, 512, true}, {STATUS + i, 1, true}};

        put_header(f, HEADER + 16 * i, VIRTIO_BLK_T_IN, 100 + i);
        assert_true(driver_add(&f->q, segs, 3, false, &tokens[i]));
    }
    kick(f);
    assert_int_equal(f->host.disk.nr_pending, 8);
    rises = f->host.rises;
    plugin_host_disk_complete(&f->host.disk, 5, 0, false);
    plugin_host_disk_complete(&f->host.disk, 0, -EIO, false);
    assert_int_equal(f->host.rises, rises);
    plugin_host_disk_complete(&f->host.disk, 2, 0, true);
    assert_int_equal(f->host.rises, rises + 1);
    assert_ptr_equal(driver_get(&f->q, &len), &tokens[5]);
    assert_ptr_equal(driver_get(&f->q, &len), &tokens[0]);
    assert_ptr_equal(driver_get(&f->q, &len), &tokens[3]);
    assert_null(driver_get(&f->q, &len));
    assert_int_equal(*at(f, STATUS), VIRTIO_BLK_S_IOERR);
    assert_int_equal(*at(f, STATUS + 5), VIRTIO_BLK_S_OK);
    assert_int_equal(*at(f, DATA + 0x200 * 5), 105);
}

static void what_the_disk_answers_is_the_status(void **state)
{
    static const struct {
        int error;
        uint8_t status;
    } cases[] = {{0, VIRTIO_BLK_S_OK},          {-EIO, VIRTIO_BLK_S_IOERR},
                 {-ENOSPC, VIRTIO_BLK_S_IOERR}, {-EROFS, VIRTIO_BLK_S_IOERR},
                 {-EINVAL, VIRTIO_BLK_S_IOERR}, {-EOPNOTSUPP, VIRTIO_BLK_S_UNSUPP}};
    static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH};
    struct fixture *f = *state;

    start(f, usual);
    for (unsigned t = 0; t < 3; t++) {
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            add(f, types[t], 0, t < 2 ? 512 : 0);
            assert_int_equal(f->host.disk.nr_pending, 1);
            plugin_host_disk_complete(&f->host.disk, 0, cases[i].error, true);
            assert_int_equal(f->host.disk.nr_pending, 0); /* a failed flush is not tried again */
            assert_int_equal(got(f), cases[i].status);
        }
    }
}

static void requests_that_cannot_be_are_refused(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t bytes;
        uint8_t status;
    } cases[] = {
        {VIRTIO_BLK_T_IN, 0, 511, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_OUT, 0, 513, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_OUT, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_IN, UINT64_MAX, 512, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_OUT, UINT64_MAX / 512 + 1, 512, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_OUT, UINT64_MAX / 512, 512, VIRTIO_BLK_S_IOERR},
        {2, 0, 512, VIRTIO_BLK_S_UNSUPP},
        {0xffffffff, 0, 0, VIRTIO_BLK_S_UNSUPP},
        {VIRTIO_BLK_T_DISCARD, 0, 0, VIRTIO_BLK_S_IOERR},   /* no segment */
        {VIRTIO_BLK_T_DISCARD, 0, 15, VIRTIO_BLK_S_IOERR},  /* a part of one */
        {VIRTIO_BLK_T_DISCARD, 0, 272, VIRTIO_BLK_S_IOERR}, /* 17 */
    };
    struct fixture *f = *state;

    start(f, usual);
    memset(at(f, DATA), 0, 1024);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(run(f, cases[i].type, cases[i].sector, cases[i].bytes), cases[i].status);
    assert_int_equal(driver_read(mmio_of(f), 0x070) & NEEDS_RESET, 0);
}

static void no_header_or_no_status_breaks_the_device(void **state)
{
    static const struct driver_seg cases[][2] = {
        {{HEADER, 15, 0}, {STATUS, 1, 1}}, {{STATUS, 1, 1}},  {{HEADER, 16, 0}},
        {{HEADER, 16, 0}, {DATA, 512, 0}}, {{HEADER, 15, 0}},
    };
    struct fixture *f = *state;

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        negotiate(f, 0);
        put_header(f, HEADER, VIRTIO_BLK_T_OUT, 0);
        assert_true(driver_add(&f->q, cases[i], cases[i][1].len ? 2 : 1, false, f));
        kick(f);
        assert_int_equal(driver_read(mmio_of(f), 0x070) & NEEDS_RESET, NEEDS_RESET);
        assert_int_equal(f->host.disk.submitted, 0);
    }
    negotiate(f, 0); /* a reset mends it */
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

static void serial_is_20_bytes_padded_with_zeros(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "serial", "exactly-twenty-chars");
    start(f, 0);
    memset(at(f, DATA), NONE, 32);
    assert_int_equal(run(f, VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(f, DATA), "exactly-twenty-chars\xee", 21);
    plugin_host_stop(&f->host);
    plugin_host_set(&f->host, "serial", "short");
    start(f, 0);
    memset(at(f, DATA), NONE, 32);
    assert_int_equal(run(f, VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(f, DATA), "short\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xee", 21);
    memset(at(f, DATA), NONE, 32);
    assert_int_equal(run(f, VIRTIO_BLK_T_GET_ID, 0, 3), VIRTIO_BLK_S_OK);
    assert_memory_equal(at(f, DATA), "sho\xee", 4);
}

/* A write in write-through mode is over when its own flush is. */
static void write_through_flushes_each_write(void **state)
{
    static const struct {
        uint64_t features;
        int wce; /* written to config; -1: not */
        bool flushes;
    } cases[] = {
        {0, -1, true}, /* no FLUSH: the driver could not ask for one */
        {VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH), -1, false},
        {VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH), 0, false}, /* not negotiated: not written */
        {VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE), -1, false},
        {VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE), 0, true},
        {VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE), 1, false},
        {VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE), 0, true},
    };
    struct fixture *f = *state;

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t at_wce = 0x100 + offsetof(struct virtio_blk_config, wce);
        uint64_t wce = 9;

        negotiate(f, cases[i].features);
        ringvisor_device.regions[0].read(f->host.device, at_wce, 1, &wce, NULL);
        assert_int_equal(wce, 1);
        if (cases[i].wce >= 0)
            ringvisor_device.regions[0].write(f->host.device, at_wce, 1, (uint64_t)cases[i].wce,
                                              NULL);
        for (int error = 0; error >= -EIO; error -= EIO) {
            f->host.disk.flushes = 0;
            add(f, VIRTIO_BLK_T_OUT, 0, 512);
            plugin_host_disk_complete(&f->host.disk, 0, 0, true);
            assert_int_equal(f->host.disk.flushes, cases[i].flushes);
            assert_int_equal(f->host.disk.nr_pending, cases[i].flushes);
            assert_int_equal(driver_pending(&f->q), !cases[i].flushes);
            if (cases[i].flushes)
                plugin_host_disk_complete(&f->host.disk, 0, error, true);
            assert_int_equal(got(f),
                             cases[i].flushes && error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
        }
    }
}

static void disk_without_a_cache_needs_no_flush(void **state)
{
    struct fixture *f = *state;
    uint64_t features = 0;

    f->host.disk.info.write_cache = false;
    start(f, 0);
    driver_write(mmio_of(f), 0x014, 0);
    features = driver_read(mmio_of(f), 0x010);
    assert_int_equal(features & VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH), 0);
    assert_int_equal(run(f, VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(f->host.disk.flushes, 0);
}

static void put_range(struct fixture *f, unsigned i, uint64_t sector, uint32_t count,
                      uint32_t flags)
{
    struct virtio_blk_discard_write_zeroes range = {sector, count, flags};

    memcpy(at(f, DATA) + 16 * i, &range, sizeof(range));
}

static void ranges_are_checked_all_before_the_first_is_done(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t count, flags;
        uint8_t status;
    } cases[] = {
        {VIRTIO_BLK_T_DISCARD, 8, 8, 0, VIRTIO_BLK_S_OK},
        {VIRTIO_BLK_T_DISCARD, 8, 8, 1, VIRTIO_BLK_S_UNSUPP}, /* unmap is not for it */
        {VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0, VIRTIO_BLK_S_OK},
        {VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 1, VIRTIO_BLK_S_OK},
        {VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 2, VIRTIO_BLK_S_UNSUPP},
        {VIRTIO_BLK_T_DISCARD, SECTORS - 8, 9, 0, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_DISCARD, UINT64_MAX, 1, 0, VIRTIO_BLK_S_IOERR},
        {VIRTIO_BLK_T_WRITE_ZEROES, 0, 0xffffffff, 0, VIRTIO_BLK_S_IOERR},
    };
    struct fixture *f = *state;

    start(f, usual);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool good = cases[i].status == VIRTIO_BLK_S_OK;
        uint8_t made = cases[i].type == VIRTIO_BLK_T_DISCARD ? 0xdd : 0;

        memset(f->host.disk.image, 0x77, 16 * 512);
        f->host.disk.submitted = 0;
        f->host.disk.discard_flags = 0xff;
        put_range(f, 0, 1, 2, 0);
        put_range(f, 1, cases[i].sector, cases[i].count, cases[i].flags);
        assert_int_equal(run(f, cases[i].type, 0, 32), cases[i].status);
        assert_int_equal(f->host.disk.submitted, good ? 2 : 0);
        assert_int_equal(f->host.disk.image[512], good ? made : 0x77);
        assert_int_equal(f->host.disk.image[8 * 512], good ? made : 0x77);
        assert_int_equal(f->host.disk.image[3 * 512], 0x77);
        if (good)
            assert_int_equal(f->host.disk.discard_flags, cases[i].flags ? RV_DISK_UNMAP : 0);
    }
    /* The first of two fails: the second is not begun. */
    put_range(f, 0, 1, 2, 0);
    put_range(f, 1, 8, 8, 0);
    add(f, VIRTIO_BLK_T_DISCARD, 0, 32);
    plugin_host_disk_complete(&f->host.disk, 0, -EIO, true);
    assert_int_equal(f->host.disk.nr_pending, 0);
    assert_int_equal(got(f), VIRTIO_BLK_S_IOERR);
}

static void what_is_not_offered_is_not_done(void **state)
{
    struct fixture *f = *state;
    uint32_t features;

    f->host.disk.info.can_discard = false;
    f->host.disk.info.read_only = true;
    start(f, 0);
    driver_write(mmio_of(f), 0x014, 0);
    features = driver_read(mmio_of(f), 0x010);
    assert_int_equal(features & VIRTIO_FEATURE(VIRTIO_BLK_F_RO), VIRTIO_FEATURE(VIRTIO_BLK_F_RO));
    assert_int_equal(features & (VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) |
                                 VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES)),
                     0);
    put_range(f, 0, 0, 8, 0);
    assert_int_equal(run(f, VIRTIO_BLK_T_DISCARD, 0, 16), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), VIRTIO_BLK_S_UNSUPP);
    assert_int_equal(run(f, VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

static void config_space_tells_the_geometry(void **state)
{
    struct fixture *f = *state;
    struct virtio_blk_config config = {0};
    uint64_t value;

    plugin_host_set(&f->host, "queues", "3");
    start(f, 0);
    for (unsigned i = 0; i < sizeof(config); i++) {
        assert_int_equal(
            ringvisor_device.regions[0].read(f->host.device, 0x100 + i, 1, &value, NULL), 0);
        ((uint8_t *)&config)[i] = (uint8_t)value;
    }
    assert_int_equal(config.capacity, SECTORS);
    assert_int_equal(config.blk_size, 512);
    assert_int_equal(config.physical_block_exp, 3);
    assert_int_equal(config.seg_max, 254);
    assert_int_equal(config.num_queues, 3);
    assert_int_equal(config.discard_sector_alignment, 8);
    assert_int_equal(config.max_discard_seg, 16);
    ringvisor_device.regions[0].read(f->host.device, 0x100, 4, &value, NULL);
    assert_int_equal(value, SECTORS);
    ringvisor_device.regions[0].read(f->host.device, 0x100 + 34, 2, &value, NULL);
    assert_int_equal(value, 3);
    ringvisor_device.regions[0].write(f->host.device, 0x100, 4, 7, NULL); /* read-only */
    ringvisor_device.regions[0].read(f->host.device, 0x100, 4, &value, NULL);
    assert_int_equal(value, SECTORS);
}

static void wrong_properties_are_refused_by_name(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "queue-size", "100");
    assert_int_equal(plugin_host_start(&f->host, 0), -EINVAL);
    assert_non_null(strstr(f->host.log, "queue-size 100"));
    plugin_host_set(&f->host, "queue-size", NULL);
    plugin_host_set(&f->host, "serial", "twenty-one-characters");
    assert_int_equal(plugin_host_start(&f->host, 0), -EINVAL);
    assert_non_null(strstr(f->host.log, "20 characters"));
    plugin_host_set(&f->host, "serial", NULL);
    f->host.disk.open_error = -ENOENT; /* said by the core */
    assert_int_equal(plugin_host_start(&f->host, 0), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(data_goes_both_ways_however_a_request_is_laid_out),
        TEST(requests_end_in_any_order_and_interrupt_once_in_a_round),
        TEST(what_the_disk_answers_is_the_status),
        TEST(requests_that_cannot_be_are_refused),
        TEST(no_header_or_no_status_breaks_the_device),
        TEST(serial_is_20_bytes_padded_with_zeros),
        TEST(write_through_flushes_each_write),
        TEST(disk_without_a_cache_needs_no_flush),
        TEST(ranges_are_checked_all_before_the_first_is_done),
        TEST(what_is_not_offered_is_not_done),
        TEST(config_space_tells_the_geometry),
        TEST(wrong_properties_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
