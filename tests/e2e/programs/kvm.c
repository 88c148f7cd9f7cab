/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does KVM run a guest? One that stores a word to where no memory is: KVM hands the store on.
 * Prints "kvm: 0x5a" and exits with 0; with an argument, after so many seconds.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM    0x40000000ull
#define NO_RAM 0x10000000u
#define VALUE  0x5au
#define REG_PC (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc))

static const uint32_t guest[] = {
    0xd2a20000, /* mov x0, #NO_RAM */
    0x52800b41, /* mov w1, #VALUE */
    0xb9000001, /* str w1, [x0] */
    0x14000000, /* b . */
};

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(int argc, char **argv)
{
    struct kvm_userspace_memory_region region = {.guest_phys_addr = RAM, .memory_size = 0x10000};
    struct kvm_vcpu_init init = {0};
    uint64_t pc = RAM;
    struct kvm_one_reg set_pc = {.id = REG_PC, .addr = (uint64_t)&pc};
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
    void *ram =
        mmap(NULL, region.memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_run *run;
    int vcpu;

    if (vm < 0 || ram == MAP_FAILED)
        return fail("KVM_CREATE_VM");
    memcpy(ram, guest, sizeof(guest));
    region.userspace_addr = (uint64_t)ram;
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return fail("KVM_SET_USER_MEMORY_REGION");
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu < 0)
        return fail("KVM_CREATE_VCPU");
    run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
               MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED || ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) < 0 ||
        ioctl(vcpu, KVM_ARM_VCPU_INIT, &init) < 0 || ioctl(vcpu, KVM_SET_ONE_REG, &set_pc) < 0)
        return fail("KVM_ARM_VCPU_INIT");
    if (ioctl(vcpu, KVM_RUN, 0) < 0)
        return fail("KVM_RUN");
    if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.phys_addr != NO_RAM) {
        fprintf(stderr, "kvm: exit %u, not a store to 0x%x\n", run->exit_reason, NO_RAM);
        return 1;
    }
    printf("kvm: 0x%x\n", run->mmio.data[0]);
    fflush(stdout);
    if (argc > 1)
        sleep((unsigned)strtoul(argv[1], NULL, 10));
    return run->mmio.data[0] != VALUE;
}
