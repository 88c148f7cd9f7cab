/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a restore reads of files that anybody may have edited: the manifest, and the state area.
 * An input that begins with '{' is a manifest; what it says is read also with the right checksum.
 * Any other input is an area, laid over one that is whole. Checked: that what was accepted has no
 * value that leads out of a folder, an array or the area.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/support/check.h"
#include "vmm/snapshot/manifest.h"
#include "vmm/util/log.h"
#include "vmm/vm/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void log_msg(enum log_level level, const char *fmt, ...)
{
}

static void check_part(const struct snapshot_part *part)
{
    CHECK(memchr(part->file, '\0', sizeof(part->file)) && !strchr(part->file, '/'));
    CHECK(strcmp(part->file, "..") != 0 && strlen(part->digest) == DIGEST_TEXT - 1);
}

static void read_manifest(const char *text, size_t size)
{
    struct manifest m;

    if (manifest_read(&m, text, size, "fuzz") == 0) {
        check_part(&m.ram);
        check_part(&m.cpus);
        check_part(&m.state);
        CHECK(m.name && m.version && m.folder && json_is_object(m.options));
        CHECK(m.nr_disks <= MANIFEST_DISKS_MAX);
        CHECK(strlen(m.digest) == DIGEST_TEXT - 1);
        CHECK(!m.base || (m.base[0] && strlen(m.base_digest) == DIGEST_TEXT - 1));
        for (unsigned i = 0; i < m.nr_disks; i++) {
            CHECK(m.disks[i].device && m.disks[i].path);
            if (m.disks[i].part.file[0])
                check_part(&m.disks[i].part);
        }
    }
    manifest_free(&m);
}

/* The checksum is no secret: who edits a manifest can make it right. */
static void read_with_checksum(const char *text, size_t size)
{
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    unsigned char digest[DIGEST_SIZE];
    char sum[DIGEST_TEXT], *dump;

    if (json_is_object(root)) {
        json_object_del(root, "sha256");
        dump = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
        if (dump) {
            digest_bytes(dump, strlen(dump), digest);
            digest_text(digest, sum);
            free(dump);
            json_object_set_new(root, "sha256", json_string(sum));
            dump = json_dumps(root, 0);
            read_manifest(dump, strlen(dump));
            free(dump);
        }
    }
    json_decref(root);
}

/* All that a vmm does with an area that it has taken over. */
static void use_area(struct state_area *area)
{
    static const char *const names[] = {"gic", "psci", "vm", ""};
    struct state_found found;
    uint8_t *more;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!state_lookup(area, names[i], &found))
            continue;
        CHECK((uint8_t *)found.at > area->base && found.size <= state_used(area));
        CHECK((uint8_t *)found.at + found.size <= area->base + state_used(area));
        memset(found.at, 1, found.size);
        more = state_resize(area, found.at, found.size + 100);
        CHECK(more);
        memset(more, 2, found.size + 100);
    }
    (void)state_unclaimed(area);
    more = state_alloc(area, "more", 1, 2000);
    CHECK(more);
    memset(more, 3, 2000);
}

static void read_area(struct input *in)
{
    struct state_area area;
    int fd;

    CHECK(state_create(&area) == 0);
    CHECK(state_alloc(&area, "gic", 1, 100) && state_alloc(&area, "psci", 1, 64) &&
          state_alloc(&area, "vm", 1, 64));
    while (in->size) {
        size_t at = take(in, 2) % 1024;

        area.base[at] ^= (uint8_t)take(in, 1);
    }
    fd = dup(area.fd);
    state_close(&area);
    if (state_attach(&area, fd) == 0) {
        use_area(&area);
        state_close(&area);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    if (size && data[0] == '{') {
        read_manifest((const char *)data, size);
        read_with_checksum((const char *)data, size);
    } else {
        read_area(&in);
    }
    return 0;
}
