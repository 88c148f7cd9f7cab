/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/abi_version.h"
#include "proto/boot.h"
#include "vmm/config.h"
#include "vmm/util/log.h"

#define MANIFEST_MAX (1u << 20) /* bytes */

_Static_assert(MANIFEST_IDS == sizeof(((struct rv_boot_page *)0)->stub_id) / sizeof(uint64_t),
               "one entry for each register");

/*
 * Writing. 64 bits are text: JSON's numbers have less.
 */

static json_t *hex(uint64_t value)
{
    return json_sprintf("0x%" PRIx64, value);
}

static json_t *part_object(const struct snapshot_part *part)
{
    return json_pack("{s:s, s:I, s:s}", "file", part->file, "size", (json_int_t)part->size,
                     "sha256", part->digest);
}

static json_t *cpu_object(const struct manifest_cpu *cpu)
{
    json_t *ids = json_array();

    for (unsigned i = 0; i < MANIFEST_IDS; i++)
        json_array_append_new(ids, hex(cpu->id[i]));
    return json_pack("{s:o, s:o, s:o, s:o}", "id_registers", ids, "counter_frequency",
                     hex(cpu->frequency), "dczid", hex(cpu->dczid), "vector_lengths",
                     hex(cpu->sve));
}

static json_t *disk_object(const struct manifest_disk *disk)
{
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I}", "device", disk->device, "path", disk->path, "size",
                  (json_int_t)disk->size, "mtime_ns", (json_int_t)disk->mtime_ns);

    if (disk->part.file[0])
        json_object_set_new(object, "copy", part_object(&disk->part));
    return object;
}

/* Of all members but the checksum itself. */
static int checksum(const json_t *root, char text[DIGEST_TEXT])
{
    unsigned char digest[DIGEST_SIZE];
    json_t *copy = json_copy((json_t *)root);
    char *dump;

    json_object_del(copy, "sha256");
    dump = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(copy);
    if (!dump)
        return -ENOMEM;
    digest_bytes(dump, strlen(dump), digest);
    digest_text(digest, text);
    free(dump);
    return 0;
}

char *manifest_write(const struct manifest *m, char digest[DIGEST_TEXT])
{
    json_t *disks = json_array(), *root;
    char *text = NULL;

    for (unsigned i = 0; i < m->nr_disks; i++)
        json_array_append_new(disks, disk_object(&m->disks[i]));
    root = json_pack(
        "{s:i, s:s, s:i, s:s, s:s, s:O, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "ringvisor_snapshot", m->base ? MANIFEST_OVERLAY : MANIFEST_FORMAT, "version",
        CONFIG_VERSION, "abi", RV_ABI_MAJOR, "name", m->name, "folder", m->folder, "options",
        m->options, "memory", hex(m->memory), "rom", hex(m->rom), "vcpus", hex(m->vcpus), "cpu",
        cpu_object(&m->cpu), "counter", hex(m->counter), "physical_counter", hex(m->physical),
        "ram", part_object(&m->ram), "registers", part_object(&m->cpus), "state",
        part_object(&m->state), "disks", disks);
    if (root && m->base)
        json_object_set_new(
            root, "base", json_pack("{s:s, s:s}", "directory", m->base, "sha256", m->base_digest));
    if (root && checksum(root, digest) == 0) {
        json_object_set_new(root, "sha256", json_string(digest));
        text = json_dumps(root, JSON_INDENT(2));
    }
    json_decref(root);
    return text;
}

/*
 * Reading
 */

static bool get_hex(const json_t *object, const char *key, uint64_t *value)
{
    const char *text = json_string_value(json_object_get(object, key));
    char *end;

    if (!text || strncmp(text, "0x", 2) != 0 || strlen(text) > 18)
        return false;
    errno = 0;
    *value = strtoull(text, &end, 16);
    return !*end && end > text + 2 && !errno;
}

static bool get_text(const json_t *object, const char *key, char **text)
{
    const char *value = json_string_value(json_object_get(object, key));

    *text = value ? strdup(value) : NULL;
    return *text;
}

static bool get_number(const json_t *object, const char *key, int64_t *number)
{
    const json_t *value = json_object_get(object, key);

    *number = json_integer_value(value);
    return json_is_integer(value);
}

/* A file's name has no way out of the folder. */
static bool get_part(const json_t *object, const char *key, struct snapshot_part *part)
{
    const json_t *value = json_object_get(object, key);
    const char *file = json_string_value(json_object_get(value, "file"));
    const char *digest = json_string_value(json_object_get(value, "sha256"));
    int64_t size;

    if (!file || !*file || strlen(file) >= sizeof(part->file) || strchr(file, '/') ||
        file[0] == '.' || !digest || strlen(digest) != DIGEST_TEXT - 1 ||
        !get_number(value, "size", &size) || size < 0)
        return false;
    *part = (struct snapshot_part){.size = (uint64_t)size};
    strcpy(part->file, file);
    strcpy(part->digest, digest);
    return true;
}

static bool get_cpu(const json_t *root, struct manifest_cpu *cpu)
{
    const json_t *object = json_object_get(root, "cpu");
    const json_t *ids = json_object_get(object, "id_registers");
    bool good = json_array_size(ids) == MANIFEST_IDS;

    for (unsigned i = 0; good && i < MANIFEST_IDS; i++) {
        json_t *one = json_pack("{s:O}", "id", json_array_get(ids, i));

        good = get_hex(one, "id", &cpu->id[i]);
        json_decref(one);
    }
    return good && get_hex(object, "counter_frequency", &cpu->frequency) &&
           get_hex(object, "dczid", &cpu->dczid) && get_hex(object, "vector_lengths", &cpu->sve);
}

static bool get_disk(const json_t *object, struct manifest_disk *disk)
{
    int64_t size;
    bool good = get_text(object, "device", &disk->device);

    good = get_text(object, "path", &disk->path) && good;
    if (!good || !get_number(object, "size", &size) || size < 0 ||
        !get_number(object, "mtime_ns", &disk->mtime_ns))
        return false;
    disk->size = (uint64_t)size;
    return !json_object_get(object, "copy") ||
           (get_part(object, "copy", &disk->part) && disk->part.size == disk->size);
}

static bool get_disks(const json_t *root, struct manifest *m)
{
    const json_t *list = json_object_get(root, "disks");
    bool good = json_is_array(list) && json_array_size(list) <= MANIFEST_DISKS_MAX;

    while (good && m->nr_disks < json_array_size(list)) {
        good = get_disk(json_array_get(list, m->nr_disks), &m->disks[m->nr_disks]);
        m->nr_disks++;
    }
    return good;
}

static bool get_digest(const json_t *object, char text[DIGEST_TEXT])
{
    const char *digest = json_string_value(json_object_get(object, "sha256"));

    if (!digest || strspn(digest, "0123456789abcdef") != DIGEST_TEXT - 1 || digest[DIGEST_TEXT - 1])
        return false;
    strcpy(text, digest);
    return true;
}

/* It is there if the format says so. */
static bool get_base(const json_t *root, struct manifest *m)
{
    const json_t *base = json_object_get(root, "base");
    int64_t format;

    if (!get_number(root, "ringvisor_snapshot", &format) || (format == MANIFEST_OVERLAY) != !!base)
        return false;
    return !base || (get_text(base, "directory", &m->base) && *m->base &&
                     strlen(m->base) < PATH_MAX && get_digest(base, m->base_digest));
}

static bool get_all(const json_t *root, struct manifest *m)
{
    m->options = json_incref(json_object_get(root, "options"));
    return json_is_object(m->options) && get_text(root, "name", &m->name) &&
           get_text(root, "version", &m->version) && get_text(root, "folder", &m->folder) &&
           get_hex(root, "memory", &m->memory) && get_hex(root, "rom", &m->rom) &&
           get_hex(root, "vcpus", &m->vcpus) && get_cpu(root, &m->cpu) &&
           get_hex(root, "counter", &m->counter) &&
           get_hex(root, "physical_counter", &m->physical) && get_part(root, "ram", &m->ram) &&
           get_part(root, "registers", &m->cpus) && get_part(root, "state", &m->state) &&
           get_disks(root, m) && get_base(root, m) && get_digest(root, m->digest);
}

static int refuse(const char *where, const char *why)
{
    log_error("snapshot '%s': %s", where, why);
    return -EINVAL;
}

/* The format comes first: of another one nothing else is known, not even its checksum. */
static int check_root(const json_t *root, const char *where)
{
    const char *version = json_string_value(json_object_get(root, "version"));
    const char *digest = json_string_value(json_object_get(root, "sha256"));
    char wanted[DIGEST_TEXT];
    int64_t format, abi;

    if (!get_number(root, "ringvisor_snapshot", &format))
        return refuse(where, "its manifest is not one of ringvisor's");
    if ((format != MANIFEST_FORMAT && format != MANIFEST_OVERLAY) ||
        !get_number(root, "abi", &abi) || abi != RV_ABI_MAJOR) {
        log_error("snapshot '%s': ringvisor %s wrote it, in a format that this version (%s) does "
                  "not read",
                  where, version ? version : "(unknown)", CONFIG_VERSION);
        return -EINVAL;
    }
    if (checksum(root, wanted))
        return refuse(where, "out of memory");
    if (!digest || strcmp(digest, wanted) != 0)
        return refuse(where, "its manifest was changed after it was written");
    return 0;
}

int manifest_write_file(const struct manifest *m, int folder, char digest[DIGEST_TEXT])
{
    char *text = manifest_write(m, digest);
    struct snapshot_part unused;
    int error = text ? part_write(folder, MANIFEST_FILE, text, strlen(text), &unused) : -ENOMEM;

    free(text);
    return error;
}

int manifest_read(struct manifest *m, const char *text, size_t size, const char *where)
{
    json_error_t why;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    int error;

    memset(m, 0, sizeof(*m));
    if (!json_is_object(root)) {
        json_decref(root);
        return refuse(where, "its manifest is damaged: it is no JSON object");
    }
    error = check_root(root, where);
    if (!error && !get_all(root, m))
        error = refuse(where, "its manifest is damaged: a member is missing or has no such value");
    json_decref(root);
    return error;
}

int manifest_open(int at, const char *path, int *folder)
{
    int fd = -1;

    *folder = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*folder >= 0)
        fd = openat(*folder, MANIFEST_FILE, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int manifest_read_file(struct manifest *m, int fd, const char *where)
{
    char *text = malloc(MANIFEST_MAX);
    size_t size = 0;
    ssize_t n = -1;
    int error;

    memset(m, 0, sizeof(*m));
    while (text && size < MANIFEST_MAX &&
           (n = pread(fd, text + size, MANIFEST_MAX - size, (off_t)size)) > 0)
        size += (size_t)n;
    if (!text || n) {
        error = !text ? -ENOMEM : n > 0 ? -EFBIG : -errno;
        log_error("snapshot '%s': %s: %s", where, MANIFEST_FILE, strerror(-error));
    } else {
        error = manifest_read(m, text, size, where);
    }
    free(text);
    return error;
}

void manifest_free(struct manifest *m)
{
    free(m->base);
    free(m->name);
    free(m->version);
    free(m->folder);
    json_decref(m->options);
    for (unsigned i = 0; i < m->nr_disks; i++) {
        free(m->disks[i].device);
        free(m->disks[i].path);
    }
    memset(m, 0, sizeof(*m));
}

/*
 * The CPU
 */

/* What helps on either machine: a real CPU is what it is, and an emulated one has the host's counter. */
#define OTHER_CPU     "it goes on where the CPU is the same, or with -M qemu,cpu=MODEL on any computer"
#define OTHER_COUNTER "it goes on where the counter is the same, whatever the CPU"

static int differs(const char *what, uint64_t saved, uint64_t here, const char *hint)
{
    if (saved == here)
        return 0;
    log_error("the snapshot is of another CPU: %s was 0x%" PRIx64 " there and is 0x%" PRIx64
              " here; %s",
              what, saved, here, hint);
    return -EINVAL;
}

int manifest_check_cpu(const struct manifest_cpu *saved, const struct manifest_cpu *here)
{
    int error = differs("MIDR_EL1", saved->id[0], here->id[0], OTHER_CPU);
    char name[48];

    for (unsigned i = 8; i < MANIFEST_IDS && !error; i++) {
        snprintf(name, sizeof(name), "ID register S3_0_C0_C%u_%u", i / 8, i % 8);
        error = differs(name, saved->id[i], here->id[i], OTHER_CPU);
    }
    if (!error)
        error = differs("CNTFRQ_EL0", saved->frequency, here->frequency, OTHER_COUNTER);
    if (!error)
        error = differs("DCZID_EL0", saved->dczid, here->dczid, OTHER_CPU);
    return error ? error : differs("the set of vector lengths", saved->sve, here->sve, OTHER_CPU);
}
