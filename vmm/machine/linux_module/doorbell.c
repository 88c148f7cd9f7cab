// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The doorbell: a shared peripheral interrupt that no device has, which the stub makes pending
 * (GICD_ISPENDR). It is an ordinary interrupt of this kernel.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/of.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/version.h>

#include "module.h"

#define GICD_TYPER       0x4
#define GICD_TYPER_LINES 0x1f /* 32 interrupts each, the first 32 are no SPIs */
#define SPI_FIRST        32u
#define SPI_END          1020u

static unsigned int irq;

void doorbell_signal(struct eventfd_ctx *eventfd)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
    eventfd_signal(eventfd);
#else
    eventfd_signal(eventfd, 1);
#endif
}

static irqreturn_t rang(int unused, void *data)
{
    device_doorbell();
    return IRQ_HANDLED;
}

/* The highest SPI of the distributor that the kernel has no use for. 0: there is none. */
static u32 free_spi(struct irq_domain *domain, phys_addr_t gicd)
{
    void __iomem *map = ioremap(gicd, SZ_64K);
    u32 spi;

    if (!map)
        return 0;
    spi = min(32 * ((readl_relaxed(map + GICD_TYPER) & GICD_TYPER_LINES) + 1), SPI_END);
    iounmap(map);
    while (--spi >= SPI_FIRST)
        if (!irq_find_mapping(domain, spi))
            return spi;
    return 0;
}

int doorbell_start(struct rv_boot_page *boot)
{
    struct device_node *node = of_find_compatible_node(NULL, NULL, "arm,gic-v3");
    struct irq_domain *domain = node ? irq_find_host(node) : NULL;
    u32 spi = domain ? free_spi(domain, boot->gicd_base) : 0;
    struct irq_fwspec fwspec = {
        .fwnode = node ? of_node_to_fwnode(node) : NULL,
        .param_count = 3,
        .param = {0, spi - SPI_FIRST, IRQ_TYPE_EDGE_RISING},
    };
    int error = -ENOSPC;

    if (spi) {
        irq = irq_create_fwspec_mapping(&fwspec);
        error = irq ? request_irq(irq, rang, 0, "ringvisor", &irq) : -ENXIO;
    }
    of_node_put(node);
    if (!error) {
        boot->doorbell_intid = spi;
        return 0;
    }
    pr_err("no interrupt for the doorbell (%d)\n", error);
    if (irq)
        irq_dispose_mapping(irq);
    irq = 0;
    return error;
}

void doorbell_stop(void)
{
    if (!irq)
        return;
    free_irq(irq, &irq);
    irq_dispose_mapping(irq);
    irq = 0;
}
