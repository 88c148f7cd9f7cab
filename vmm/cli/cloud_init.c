/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/cloud_init.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/util/keyval.h"
#include "vmm/util/log.h"
#include "vmm/util/write_all.h"

/* cloud-init takes no more from anybody than a few MiB. */
#define FILE_SIZE_MAX  (8u << 20)
#define SECTOR_SIZE    512u
#define ROOM_FOR_TABLE (1u << 20)
#define HOST_LABEL_MAX 63u

/* Where a whole disk would have its partition table. */
#define TABLE_OFFSET 446
#define TABLE_SIZE   64

static const char no_user_data[] = "#cloud-config\n";

static int wrong(const char *value, const char *wanted)
{
    log_error("cloud-init '%s': %s", value, wanted);
    return -EINVAL;
}

/* RFC 1123: what the guest's tools take as a name. */
static bool hostname_valid(const char *name)
{
    size_t label = 0;

    for (const char *at = name; *at; at++) {
        if (*at == '.'   ? !label || at[-1] == '-'
            : *at == '-' ? !label
                         : !isalnum((unsigned char)*at))
            return false;
        label = *at == '.' ? 0 : label + 1;
        if (label > HOST_LABEL_MAX || at - name >= 253)
            return false;
    }
    return label && name[strlen(name) - 1] != '-';
}

int cloud_init_parse(const char *text, struct cloud_init *config)
{
    const struct {
        const char *key;
        char **value;
    } keys[] = {{"user-data", &config->user_data},
                {"ssh-key", &config->ssh_key},
                {"hostname", &config->hostname}};
    const char *rest = text;
    struct keyval keyval;
    int found;

    while ((found = keyval_next(&rest, &keyval)) > 0) {
        char **value = NULL;
        bool known = false;

        for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            if (strcmp(keyval.key, keys[i].key) == 0)
                value = keys[i].value;
        }
        if (value && !*value && keyval.value && *keyval.value) {
            *value = strdup(keyval.value);
            known = *value != NULL;
        }
        keyval_free(&keyval);
        if (!known)
            return wrong(text,
                         "give user-data=FILE, ssh-key=FILE, hostname=NAME, each once at most");
    }
    if (found < 0)
        return found;
    if (!config->user_data && !config->ssh_key && !config->hostname)
        return wrong(text, "give user-data=FILE, ssh-key=FILE or hostname=NAME");
    if (config->hostname && !hostname_valid(config->hostname))
        return wrong(config->hostname, "not a host's name");
    return 0;
}

void cloud_init_free(struct cloud_init *config)
{
    free(config->user_data);
    free(config->ssh_key);
    free(config->hostname);
}

/* A whole file, with a NUL behind it. free() it; NULL after a message. */
static char *read_file(const char *path, size_t *size)
{
    FILE *in = fopen(path, "re");
    char *data = in ? malloc(FILE_SIZE_MAX + 1u) : NULL;
    bool failed;

    if (!data) {
        log_error("cloud-init '%s': %s", path, strerror(errno));
        if (in)
            fclose(in);
        return NULL;
    }
    *size = fread(data, 1, FILE_SIZE_MAX + 1u, in);
    failed = ferror(in);
    if (failed || *size > FILE_SIZE_MAX)
        log_error("cloud-init '%s': %s", path,
                  failed ? "it cannot be read" : "more than 8M, which is the limit");
    fclose(in);
    if (failed || *size > FILE_SIZE_MAX) {
        free(data);
        return NULL;
    }
    data[*size] = '\0';
    return data;
}

/* The lines of the file that are keys, as a list. NULL after a message. */
static json_t *public_keys(const char *path)
{
    json_t *keys;
    char *rest, *line, *text;
    size_t size;

    text = read_file(path, &size);
    if (!text)
        return NULL;
    keys = json_array();
    rest = text;
    while ((line = strsep(&rest, "\r\n"))) {
        if (strstr(line, "PRIVATE KEY")) {
            log_error("cloud-init '%s': this is a private key; give the file of the public one",
                      path);
            goto failed;
        }
        if (*line && *line != '#' && json_array_append_new(keys, json_string(line))) {
            log_error("cloud-init '%s': not a text in UTF-8", path);
            goto failed;
        }
    }
    free(text);
    return keys;
failed:
    free(text);
    json_decref(keys);
    return NULL;
}

/* JSON, which is YAML as well. free() it; NULL after a message. */
static char *meta_data(const struct cloud_init *config, const char *name)
{
    const char *host = config->hostname               ? config->hostname
                       : name && hostname_valid(name) ? name
                                                      : NULL;
    json_t *data = json_pack("{s:s}", "instance-id", name ? name : "ringvisor");
    char *text = NULL;

    if (host)
        json_object_set_new(data, "local-hostname", json_string(host));
    if (config->ssh_key) {
        json_t *keys = public_keys(config->ssh_key);

        if (!keys)
            goto out;
        json_object_set_new(data, "public-keys", keys);
    }
    text = json_dumps(data, JSON_COMPACT);
    if (!text)
        log_error("cloud-init: out of memory");
out:
    json_decref(data);
    return text;
}

/* One of mtools, with its standard input from `input`. 0 or -errno after a message. */
static int run_tool(char *const argv[], int input)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    int error, status;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        log_error("cannot run '%s': %s; install it (on Debian: apt-get install mtools)", argv[0],
                  strerror(error));
        return -error;
    }
    do {
        error = waitpid(pid, &status, 0) < 0 ? errno : 0;
    } while (error == EINTR);
    if (!error && status == 0)
        return 0;
    log_error("cloud-init: '%s' failed", argv[0]);
    return -EIO;
}

static int new_file(const char *name, const char *data, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd >= 0 && write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    log_error("cloud-init: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -EIO;
}

static int add_file(char *image, const char *name, const char *data, size_t size)
{
    char target[32];
    char *argv[] = {"mcopy", "-i", image, "-", target, NULL};
    int error, fd = new_file(name, data, size);

    if (fd < 0)
        return fd;
    snprintf(target, sizeof(target), "::%s", name);
    error = run_tool(argv, fd);
    close(fd);
    return error;
}

/*
 * A FAT file system of `size` bytes at `path`, which is `fd`. mformat writes a partition table, too,
 * of the file system itself, which Linux would show as a second disk. 0 or -errno after a message.
 */
static int make_file_system(int fd, char *path, size_t size)
{
    char sectors[24];
    char *argv[] = {"mformat", "-i", path, "-v", "cidata", "-T", sectors,
                    "-h",      "16", "-s", "32", "::",     NULL};
    int error;

    snprintf(sectors, sizeof(sectors), "%zu", size / SECTOR_SIZE);
    if (ftruncate(fd, (off_t)size)) {
        error = -errno;
        log_error("cloud-init: %s", strerror(-error));
        return error;
    }
    error = run_tool(argv, STDIN_FILENO);
    if (!error && pwrite(fd, (char[TABLE_SIZE]){0}, TABLE_SIZE, TABLE_OFFSET) != TABLE_SIZE) {
        log_error("cloud-init: the seed cannot be written");
        error = -EIO;
    }
    return error;
}

int cloud_init_seed(const struct cloud_init *config, const char *name)
{
    char image[64];
    char *user = NULL, *meta = meta_data(config, name);
    size_t user_size = sizeof(no_user_data) - 1, size;
    int fd = -EIO, error = -EIO;

    if (!meta || (config->user_data && !(user = read_file(config->user_data, &user_size))))
        goto out;
    fd = new_file("cidata", NULL, 0);
    if (fd < 0)
        goto out;
    size = user_size + strlen(meta) + ROOM_FOR_TABLE;
    size -= size % ROOM_FOR_TABLE;
    size += ROOM_FOR_TABLE;
    /* The descriptor of this process: the tools do not inherit it. */
    snprintf(image, sizeof(image), "/proc/%ld/fd/%d", (long)getpid(), fd);
    error = make_file_system(fd, image, size);
    if (!error)
        error = add_file(image, "user-data", user ? user : no_user_data, user_size);
    if (!error)
        error = add_file(image, "meta-data", meta, strlen(meta));
out:
    free(user);
    free(meta);
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}
