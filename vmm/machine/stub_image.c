/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/stub_image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/boot.h"
#include "vmm/util/log.h"

#define FILE_MAX  (16u << 20)
#define IMAGE_MAX (16u << 20)

static int read_file(struct stub_image *image, const char *path)
{
    struct stat st;
    size_t done = 0;
    int error = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0) {
        error = -errno;
        log_error("stub image '%s': %s", path, strerror(-error));
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > (off_t)FILE_MAX) {
        error = -ENOEXEC;
        log_error("stub image '%s': not a file of a sensible size", path);
        goto out;
    }
    image->file_size = (size_t)st.st_size;
    image->file = malloc(image->file_size);
    if (!image->file) {
        error = -ENOMEM;
        log_error("stub image '%s': out of memory", path);
        goto out;
    }
    while (done < image->file_size) {
        ssize_t n = read(fd, image->file + done, image->file_size - done);

        if (n <= 0) {
            error = n < 0 ? -errno : -ENOEXEC;
            log_error("stub image '%s': %s", path, n < 0 ? strerror(errno) : "became shorter");
            goto out;
        }
        done += (size_t)n;
    }
out:
    if (fd >= 0)
        close(fd);
    return error;
}

static Elf64_Phdr segment(const struct stub_image *image, const Elf64_Ehdr *ehdr, unsigned i)
{
    Elf64_Phdr phdr;

    memcpy(&phdr, image->file + ehdr->e_phoff + i * sizeof(phdr), sizeof(phdr));
    return phdr;
}

/* What is wrong with the file, or NULL. Fills in `image`. */
static const char *check(struct stub_image *image)
{
    Elf64_Ehdr ehdr;
    struct rv_stub_header header;
    const unsigned minor = RV_ABI_MINOR;
    uint64_t end = 0;
    bool found = false;

    if (image->file_size < sizeof(ehdr))
        return "too short";
    memcpy(&ehdr, image->file, sizeof(ehdr));
    if (memcmp(ehdr.e_ident, ELFMAG, SELFMAG) || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
        ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_machine != EM_AARCH64)
        return "not an AArch64 ELF file";
    if (ehdr.e_phentsize != sizeof(Elf64_Phdr) || ehdr.e_phoff > image->file_size ||
        ehdr.e_phnum > (image->file_size - ehdr.e_phoff) / sizeof(Elf64_Phdr))
        return "its program headers lie outside of the file";
    for (unsigned i = 0; i < ehdr.e_phnum; i++) {
        Elf64_Phdr phdr = segment(image, &ehdr, i);

        if (phdr.p_type != PT_LOAD)
            continue;
        if (phdr.p_offset > image->file_size || phdr.p_filesz > image->file_size - phdr.p_offset ||
            phdr.p_filesz > phdr.p_memsz || phdr.p_paddr + phdr.p_memsz < phdr.p_paddr)
            return "a segment lies outside of the file";
        if (!found) {
            image->start = phdr.p_paddr;
            if (phdr.p_filesz < sizeof(header))
                return "its header is missing";
            memcpy(&header, image->file + phdr.p_offset, sizeof(header));
        }
        found = true;
        if (phdr.p_paddr < image->start || phdr.p_paddr + phdr.p_memsz - image->start > IMAGE_MAX)
            return "its segments are scattered";
        if (phdr.p_paddr + phdr.p_memsz > end)
            end = phdr.p_paddr + phdr.p_memsz;
    }
    if (!found || header.magic != RV_STUB_MAGIC)
        return "it has no ringvisor stub header";
    if (header.image_size < end - image->start || header.image_size > IMAGE_MAX ||
        image->start % RV_PAGE_SIZE)
        return "its header does not fit its segments";
    if (ehdr.e_entry < image->start || ehdr.e_entry >= end)
        return "its entry lies outside of its segments";
    image->entry = ehdr.e_entry;
    image->image_size = header.image_size;
    if (header.abi_major != RV_ABI_MAJOR || header.abi_minor < minor) {
        log_error("the stub speaks ABI %u.%u, this vmm %u.%u", header.abi_major, header.abi_minor,
                  RV_ABI_MAJOR, minor);
        return "take the stub and the vmm from one build";
    }
    return NULL;
}

int stub_image_open(struct stub_image *image, const char *path)
{
    const char *wrong;
    int error;

    memset(image, 0, sizeof(*image));
    error = read_file(image, path);
    if (error) {
        stub_image_close(image);
        return error;
    }
    wrong = check(image);
    if (wrong) {
        log_error("stub image '%s': %s", path, wrong);
        stub_image_close(image);
        return -ENOEXEC;
    }
    return 0;
}

void stub_image_close(struct stub_image *image)
{
    free(image->file);
    image->file = NULL;
}

void stub_image_copy(const struct stub_image *image, uint8_t *to, uint64_t boot_page)
{
    Elf64_Ehdr ehdr;

    memcpy(&ehdr, image->file, sizeof(ehdr));
    for (unsigned i = 0; i < ehdr.e_phnum; i++) {
        Elf64_Phdr phdr = segment(image, &ehdr, i);

        if (phdr.p_type == PT_LOAD)
            memcpy(to + (phdr.p_paddr - image->start), image->file + phdr.p_offset, phdr.p_filesz);
    }
    memcpy(to + offsetof(struct rv_stub_header, boot_page), &boot_page, sizeof(boot_page));
}
