/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: gpio CHIP LINE COUNT
 *
 * Watches a line of a GPIO character device for both edges: says "watching", then of each of
 * COUNT edges which it is, what the line is by then, and how many ms it came after the one
 * before.
 */
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NS_PER_MS 1000000u

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static unsigned line_value(int fd)
{
    struct gpio_v2_line_values values = {.mask = 1};

    if (ioctl(fd, GPIO_V2_LINE_GET_VALUES_IOCTL, &values))
        fail("value");
    return (unsigned)values.bits & 1u;
}

int main(int argc, char **argv)
{
    struct gpiochip_info info = {0};
    struct gpio_v2_line_request request = {.num_lines = 1, .consumer = "gpio"};
    struct gpio_v2_line_event event;
    unsigned long long before = 0;
    int chip;

    if (argc != 4)
        return 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    chip = open(argv[1], O_RDWR | O_CLOEXEC);
    if (chip < 0 || ioctl(chip, GPIO_GET_CHIPINFO_IOCTL, &info))
        fail(argv[1]);
    printf("chip %s lines %u\n", info.label, info.lines);
    request.offsets[0] = (unsigned)atoi(argv[2]);
    request.config.flags =
        GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING;
    if (ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request))
        fail("line");
    printf("watching %u\n", line_value(request.fd));
    for (int i = atoi(argv[3]); i > 0; i--) {
        if (read(request.fd, &event, sizeof(event)) != sizeof(event))
            fail("edge");
        printf("%s value %u after %llu ms\n",
               event.id == GPIO_V2_LINE_EVENT_RISING_EDGE ? "rising" : "falling",
               line_value(request.fd),
               before ? (unsigned long long)(event.timestamp_ns - before) / NS_PER_MS : 0);
        before = event.timestamp_ns;
    }
    return 0;
}
