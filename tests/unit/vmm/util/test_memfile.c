/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for other processes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/util/memfile.h"

static void its_length_cannot_be_changed(void **state)
{
    int fd = memfile_create("test", 0x10000);
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0x10000);
    assert_int_equal(ftruncate(fd, 0x1000), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0x20000), -1);
    assert_int_equal(errno, EPERM);
    /* Nor can that be changed, or writing be forbidden to us. */
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    assert_int_equal(errno, EPERM);
    close(fd);
}

static void it_can_be_mapped_and_given_back_to_the_host(void **state)
{
    int fd = memfile_create("test", 0x10000);
    char *memory;

    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    memory = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memory[0xffff] = 1;
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0xf000, 0x1000), 0);
    assert_int_equal(memory[0xffff], 0);
    munmap(memory, 0x10000);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_length_cannot_be_changed),
        cmocka_unit_test(it_can_be_mapped_and_given_back_to_the_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
