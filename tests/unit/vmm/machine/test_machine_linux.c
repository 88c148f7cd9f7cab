/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine `linux`, as far as it needs no module: its options, and what the keeper has of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/keeper/kept.h"
#include "vmm/machine/machine.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The keeper: two descriptors of /dev/null, and a record of so many bytes. */
static struct {
    uint8_t record[4096];
    size_t size;
    const char *missing;
    unsigned took_over;
    uint64_t midr, sve; /* as the machine says then */
} kept;

bool kept_has_keeper(void)
{
    return true;
}

int kept_put(int fd, const char *fmt, ...)
{
    return 0;
}

int kept_get(const char *fmt, ...)
{
    FILE *file;
    int fd;

    if (kept.missing && strcmp(fmt, kept.missing) == 0)
        return -1;
    if (strcmp(fmt, "linux-session") != 0)
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(kept.record, 1, kept.size, file), kept.size);
    fflush(file);
    fd = dup(fileno(file));
    fclose(file);
    return fd;
}

int machine_take_over(struct machine *machine, const struct machine_config *config, int memory_fd)
{
    kept.took_over++;
    kept.midr = machine->boot->stub_id[0];
    kept.sve = machine->boot->stub_sve;
    close(memory_fd);
    return -EINVAL;
}

void machine_answers(struct machine *machine)
{
}

static void only_its_options_are_taken(void **state)
{
    static const char *const bad[] = {"cpus",    "cpus=",    "cpus=x",
                                      "cpu=max", "cpus=2,3", "session=a"};

    assert_int_equal(machine_linux_check(NULL), 0);
    assert_int_equal(machine_linux_check(""), 0);
    assert_int_equal(machine_linux_check("cpus=2-3"), 0);
    assert_int_equal(machine_linux_check("cpus=1,,3"), 0);
    assert_int_equal(machine_linux_check("cpus=124-125"), 0);
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(machine_linux_check(bad[i]), -EINVAL);
}

static void what_the_keeper_has_must_be_a_whole_session(void **state)
{
    static const struct {
        uint64_t magic;
        uint32_t version;
        size_t size;
        const char *missing;
        unsigned took_over;
    } rows[] = {
        {0x31534553584e4c52, 2, 624, NULL, 1},
        {0x31534553584e4c53, 2, 624, NULL, 0},
        {0x31534553584e4c52, 1, 624, NULL, 0},
        {0x31534553584e4c52, 2, 623, NULL, 0},
        {0x31534553584e4c52, 2, 0, NULL, 0},
        {0x31534553584e4c52, 2, 624, "linux-session", 0},
        {0x31534553584e4c52, 2, 624, "linux-device", 0},
        {0x31534553584e4c52, 2, 624, "linux-doorbell", 0},
    };
    const struct machine_config config = {.nr_pcpus = 1, .nr_vcpus = 1, .ram_size = 2 << 20};

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        memset(&kept, 0, sizeof(kept));
        memcpy(kept.record, &rows[i].magic, sizeof(rows[i].magic));
        memcpy(kept.record + 8, &rows[i].version, sizeof(rows[i].version));
        kept.size = rows[i].size;
        kept.missing = rows[i].missing;
        assert_null(machine_linux_take_over(&config));
        assert_int_equal(kept.took_over, rows[i].took_over);
    }
}

/* Not those of the CPUs that another guest took since, which the device would tell. */
static void a_later_worker_has_the_features_of_the_guests_own_cpus(void **state)
{
    static const uint64_t magic = 0x31534553584e4c52, midr = 0x412fd050, sve = 0xb;
    const struct machine_config config = {.nr_pcpus = 1, .nr_vcpus = 1, .ram_size = 2 << 20};

    memset(&kept, 0, sizeof(kept));
    memcpy(kept.record, &magic, sizeof(magic));
    kept.record[8] = 2;
    memcpy(kept.record + 80, &midr, sizeof(midr));
    memcpy(kept.record + 80 + 0x210, &sve, sizeof(sve));
    kept.size = 624;
    assert_null(machine_linux_take_over(&config));
    assert_int_equal(kept.took_over, 1);
    assert_int_equal(kept.midr, midr);
    assert_int_equal(kept.sve, sve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_options_are_taken),
        cmocka_unit_test(what_the_keeper_has_must_be_a_whole_session),
        cmocka_unit_test(a_later_worker_has_the_features_of_the_guests_own_cpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
