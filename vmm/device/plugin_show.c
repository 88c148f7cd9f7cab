/* SPDX-License-Identifier: BSD-2-Clause */
/* Device classes for people: `vmm devices`. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util/log.h"
#include "vmm/device/plugin.h"
#include "vmm/device/property.h"

static int plugin_compare(const void *a, const void *b)
{
    const struct plugin *const *pa = a;
    const struct plugin *const *pb = b;

    return strcmp((*pa)->class.name, (*pb)->class.name);
}

void plugin_list(const struct plugins *plugins, FILE *out)
{
    const struct plugin **sorted = calloc(plugin_count(plugins) + 1, sizeof(struct plugin *));
    int width = 0;

    if (!sorted)
        return;
    for (size_t i = 0; i < plugin_count(plugins); i++) {
        int len = (int)strlen(plugin_at(plugins, i)->class.name);

        sorted[i] = plugin_at(plugins, i);
        width = len > width ? len : width;
    }
    qsort(sorted, plugin_count(plugins), sizeof(struct plugin *), plugin_compare);
    for (size_t i = 0; i < plugin_count(plugins); i++)
        fprintf(out, "%-*s  %s (%s)\n", width, sorted[i]->class.name, sorted[i]->class.description,
                sorted[i]->file);
    free(sorted);
}

static void plugin_describe_posted(const struct rv_device_class *class, FILE *out)
{
    bool any = false;

    fputs("posted writes:", out);
    for (const struct rv_region *r = class->regions; r->bytes; r++) {
        for (const struct rv_range *p = r->posted; p && p->size; p++) {
            fprintf(out, " 0x%" PRIx64 "+0x%" PRIx64, p->start, p->size);
            any = true;
        }
    }
    fputs(any ? "\n" : " none\n", out);
}

/* What it is on the guest's board. */
static void plugin_describe_board(const struct rv_device_class *class, FILE *out)
{
    fprintf(out, "device ABI: %" PRIu32 " to %" PRIu32 "\n", class->abi_min, class->abi_max);
    switch (class->place) {
    case RV_PLACE_FIXED:
        fprintf(out, "place: 0x%" PRIx64 ", else the platform bus", class->regions[0].fixed_base);
        break;
    case RV_PLACE_VIRTIO_MMIO: fputs("place: virtio-mmio transport", out); break;
    case RV_PLACE_PCI: fputs("place: PCI", out); break;
    default: fputs("place: platform bus", out); break;
    }
    if (class->pci_regions)
        fputs(", or PCI by bus=pci", out);
    for (const struct rv_region *r = class->regions; r->bytes; r++)
        fprintf(out, "%s 0x%" PRIx64, r == class->regions ? ";" : " +", r->bytes);
    fputs(" bytes of registers\n", out);
    fprintf(out, "interrupts: %" PRIu32, class->irq_lines);
    if (class->place == RV_PLACE_FIXED && class->irq_lines)
        fprintf(out, ", SPI %" PRIu32, class->fixed_spi);
    fprintf(out, "\nstate: %" PRIu64 " bytes, version %" PRIu32 "\n", class->state_size,
            class->state_version);
    plugin_describe_posted(class, out);
}

int plugin_describe(const struct plugins *plugins, const char *name, FILE *out)
{
    const struct plugin *plugin = plugin_find(plugins, name);
    const struct rv_property *p;

    if (!plugin) {
        plugin_unknown(plugins, name);
        return -ENOENT;
    }
    fprintf(out, "%s: %s\nfile: %s\n", plugin->class.name, plugin->class.description, plugin->file);
    plugin_describe_board(&plugin->class, out);
    p = plugin->class.properties;
    fprintf(out, p && p->name ? "properties:\n" : "properties: none\n");
    for (; p && p->name; p++) {
        fprintf(out, "  %s: %s\n      ", p->name, p->help);
        property_help(p, out);
        if (p->list)
            fputs("; may be given several times", out);
        if (p->runtime)
            fputs("; may be changed while the guest runs", out);
        if (p->required)
            fputs("; must be given\n", out);
        else if (p->value)
            fprintf(out, "; default: %s\n", p->value);
        else
            fputs("; no default\n", out);
    }
    for (const struct rv_command_info *c = plugin->class.commands; c && c->name; c++)
        fprintf(out, "%s  %s: %s\n", c == plugin->class.commands ? "commands:\n" : "", c->name,
                c->help);
    return 0;
}

void plugin_unknown(const struct plugins *plugins, const char *name)
{
    char *names = NULL;
    size_t size;
    FILE *out = open_memstream(&names, &size);

    if (out) {
        for (size_t i = 0; i < plugin_count(plugins); i++)
            fprintf(out, "%s%s", i == 0 ? "" : ", ", plugin_at(plugins, i)->class.name);
        fclose(out);
    }
    if (plugin_count(plugins) == 0)
        log_error("no device '%s': no plugins were found (see --plugin-path)", name);
    else
        log_error("no device '%s': there are %s", name, names ? names : "others");
    free(names);
}
