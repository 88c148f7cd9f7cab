/* SPDX-License-Identifier: BSD-2-Clause */
/* Both rings from the stub's side, against a vmm that is slow, restarted or hostile. */
#include <string.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"

static struct pcpu *core;
static struct rv_channel *channel;

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    core = fake_use(0);
    channel = core->channel;
    return 0;
}

/* Both rings as they are after `n` messages each. */
static void start_at(uint32_t n)
{
    core->command_tail = core->event_head = core->event_tail = n;
    channel->command_head.v = channel->command_tail.v = n;
    channel->event_head.v = channel->event_tail.v = n;
    for (uint32_t i = 0; i < RV_COMMAND_ENTRIES; i++) /* what the last turn left */
        channel->command[(n + i) % RV_COMMAND_ENTRIES].seq = n + i - RV_COMMAND_ENTRIES + 1;
    for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
        channel->event[(n + i) % RV_EVENT_ENTRIES].seq = n + i - RV_EVENT_ENTRIES + 1;
}

static void space_of_each_index_is_right_or_impossible(void **state)
{
    static const uint32_t heads[] = {0, 1, 255, 256, 0x7fffffff, 0xffffffff, 0xffffff00};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        for (uint32_t used = 0; used <= 256; used++)
            assert_int_equal(rv_ring_space(heads[i], heads[i] - used, 256), (int)(256 - used));
        assert_int_equal(rv_ring_space(heads[i], heads[i] - 257, 256), -1);
        assert_int_equal(rv_ring_space(heads[i], heads[i] + 1, 256), -1);
        assert_int_equal(rv_ring_space(heads[i], heads[i] + 0x80000000u, 256), -1);
    }
}

static void events_and_commands_keep_their_order_over_the_end_of_the_index(void **state)
{
    struct rv_command command = {.op = RV_COMMAND_COUNT};
    struct rv_event event;

    (void)state;
    start_at(0xffffffff - 150);
    for (uint32_t i = 0; i < 600; i++) {
        command.tag = i;
        fake_command(core, &command);
        assert_true(command_ready(core));
        command_take(core, &command);
        assert_int_equal(command.tag, i);
        assert_false(command_ready(core));
        event_send(core, RV_EVENT_ACK, i, 2 * i, 3 * i);
        assert_true(fake_event(core, &event));
        assert_int_equal(event.type, RV_EVENT_ACK);
        assert_int_equal(event.esr, i);
        assert_int_equal(event.ipa, 2 * i);
        assert_int_equal(event.value, 3 * i);
        assert_false(fake_event(core, &event));
    }
    assert_int_equal(channel->command_tail.v, (uint32_t)(0xffffffff - 150 + 600));
    assert_int_equal(channel->event_head.v, (uint32_t)(0xffffffff - 150 + 600));
}

static void nothing(void)
{
}

/*
 * The vmm takes one event after the stub has looked for room ten times. Each
 * time it also looks for interrupts: another core's doorbell may come there.
 */
static unsigned waits;

static void drain_one_late(enum fake_register reg)
{
    struct rv_event event;

    if (reg != REG_icc_iar1_el1)
        return;
    if (++waits == 10) {
        assert_true(fake_event(core, &event));
        assert_int_equal(event.value, 0);
    }
    assert_true(waits < 20);
}

static void full_event_ring_waits_and_overwrites_nothing(void **state)
{
    static const uint32_t starts[] = {0, 0xffffffff - 100};
    struct rv_event event;

    for (size_t s = 0; s < COUNT_OF(starts); s++) {
        setup(state);
        start_at(starts[s]);
        for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
            event_send(core, RV_EVENT_ACK, 0, 0, i);
        waits = 0;
        fake.on_sleep = nothing;
        fake.on_read = drain_one_late;
        event_send(core, RV_EVENT_ACK, 0, 0, RV_EVENT_ENTRIES);
        assert_true(waits >= 10);
        for (uint32_t i = 1; i <= RV_EVENT_ENTRIES; i++) {
            assert_true(fake_event(core, &event));
            assert_int_equal(event.value, i);
        }
        assert_false(core->ring_broken);
    }
}

static void impossible_event_tail_stops_the_vm_and_not_the_core(void **state)
{
    static const uint32_t tails[] = {1, 257, 0x80000000, 1u << 20};
    struct rv_event event;

    for (size_t t = 0; t < COUNT_OF(tails); t++) {
        unsigned refused = 0, stopped = 0;

        setup(state);
        fake_create_vm(0);
        fake_create_vm(1);
        fake_create_vcpu(0, 0);
        fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
        for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
            event_send(core, RV_EVENT_ACK, 0, 0, i);
        channel->event_tail.v = core->event_head + tails[t];
        event_send(core, RV_EVENT_ACK, 0, 0, 0); /* does not hang */
        assert_true(core->ring_broken);
        core->blocked = true;
        assert_false(fake_serve(core));
        /* The vmm comes to its senses. The first events were overwritten: look at the last. */
        for (uint32_t i = core->event_head - 8; i != core->event_head; i++) {
            event = channel->event[i % RV_EVENT_ENTRIES];
            refused += event.type == RV_EVENT_REFUSED && event.value == RV_REFUSED_RING;
            stopped += event.type == RV_EVENT_STOPPED && event.vcpu == 0;
        }
        assert_int_equal(refused, 1);
        assert_int_equal(stopped, 1);
        assert_true(vms[0].stopped);
        assert_false(vms[1].stopped);
        assert_false(core->ring_broken);
        channel->event_tail.v = core->event_head;
        fake_create_vcpu(1, 1); /* the core lives, and so do others' VMs */
        fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN, .vcpu = 1, .vm = 1});
    }
}

static void impossible_event_tail_without_a_vcpu_stops_nothing(void **state)
{
    (void)state;
    fake_create_vm(0);
    for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
        event_send(core, RV_EVENT_ACK, 0, 0, i);
    channel->event_tail.v = core->event_head + 5;
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_false(fake_serve(core));
    assert_false(vms[0].stopped);
    assert_false(core->ring_broken);
}

static void command_with_a_wrong_seq_waits(void **state)
{
    static const uint32_t seqs[] = {0, 2, 64, 65, 0xffffffff, 0x80000001};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        memset(&channel->command[0], 0xff, sizeof(channel->command[0]));
        channel->command[0].seq = seqs[i];
        channel->command_head.v = 0xdeadbeef; /* nothing of the stub reads it */
        assert_false(command_ready(core));
        assert_false(fake_serve(core));
        assert_int_equal(core->command_tail, 0);
    }
    channel->command[0].seq = 1;
    assert_true(command_ready(core));
}

/* The vmm may do what it likes with its own copies of the stub's words. */
static void stub_never_reads_back_what_it_wrote(void **state)
{
    struct rv_command command = {.op = RV_COMMAND_COUNT};

    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        channel->command_tail.v = 0;
        channel->command_head.v = i;
        fake_command(core, &command);
        channel->command_tail.v = (uint32_t)fake_random();
        channel->event_head.v = (uint32_t)fake_random();
        assert_true(command_ready(core));
        command_take(core, &command);
        assert_int_equal(core->command_tail, i + 1);
        event_send(core, RV_EVENT_ACK, 0, 0, 0);
        assert_int_equal(core->event_head, i + 1);
    }
}

static void doorbell_rings_once_and_only_when_asked(void **state)
{
    (void)state;
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_int_equal(fake.doorbells, 0);
    channel->event_waiting.v = 1;
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_int_equal(fake.doorbells, 1);
    assert_int_equal(channel->event_waiting.v, 0);
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_int_equal(fake.doorbells, 1);
    channel->event_waiting.v = 0xffffffff; /* any value but 0 asks */
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_int_equal(fake.doorbells, 2);
}

static void event_fields_that_a_type_does_not_set_are_common(void **state)
{
    struct rv_event event;

    (void)state;
    boot.features = RV_FEATURE_TIMESTAMP;
    REG(cntpct_el0) = 1234;
    event_send(core, RV_EVENT_READY, 1, 2, 3);
    assert_true(fake_event(core, &event));
    assert_int_equal(event.vcpu, RV_NO_VCPU);
    assert_int_equal(event.flags, 0);
    assert_int_equal(event.timestamp, 1234);
    boot.features = 0;
    event_send(core, RV_EVENT_READY, 1, 2, 3);
    assert_true(fake_event(core, &event));
    assert_int_equal(event.timestamp, 0);
}

static void send_a_command_before_the_sleep(void)
{
    struct rv_command command = {.op = RV_COMMAND_COUNT};

    if (fake.relaxes == core->poll_limit)
        fake_command(core, &command); /* after the last look of the poll */
}

static void command_that_comes_before_the_sleep_is_not_slept_over(void **state)
{
    (void)state;
    fake.on_relax = send_a_command_before_the_sleep;
    command_wait(core);
    assert_int_equal(fake.sleeps, 0);
    assert_true(command_ready(core));
    assert_int_equal(channel->command_waiting.v, 0);
}

static void look_while_asleep(void)
{
    assert_int_equal(channel->command_waiting.v, 1);
}

static void waiting_is_set_in_the_sleep_and_nowhere_else(void **state)
{
    (void)state;
    fake.on_sleep = look_while_asleep;
    command_wait(core);
    assert_int_equal(fake.sleeps, 1);
    assert_int_equal(channel->command_waiting.v, 0);
}

static void poll_limit_shrinks_by_halves_and_comes_back(void **state)
{
    static const uint32_t limits[] = {0, 1, 15, 16, 17, 100, 1600, 4096};
    struct rv_command command = {.op = RV_COMMAND_COUNT};

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        uint32_t before = limits[i];

        setup(state);
        fake.on_sleep = nothing;
        boot.poll_limit = core->poll_limit = limits[i];
        for (unsigned n = 0; n < 10; n++) {
            fake.relaxes = 0;
            command_wait(core);
            assert_int_equal(fake.relaxes, before);
            assert_int_equal(core->poll_limit, before > limits[i] / 16 ? before / 2 : before);
            before = core->poll_limit;
        }
        assert_true(core->poll_limit <= limits[i] / 16);
        if (!core->poll_limit)
            continue;
        fake_command(core, &command);
        fake.sleeps = 0;
        command_wait(core);
        assert_int_equal(fake.sleeps, 0);
        assert_int_equal(core->poll_limit, limits[i]);
    }
}

/* The vmm takes a batch while the core sleeps, and rings. */
static void drain_in_the_sleep(void)
{
    struct rv_event event;

    assert_int_equal(channel->event_full.v, 1);
    for (unsigned i = 0; i < RV_EVENT_BATCH; i++)
        assert_true(fake_event(core, &event));
}

static void full_event_ring_is_slept_over(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
        event_send(core, RV_EVENT_ACK, 0, 0, i);
    assert_int_equal(fake.sleeps, 0);
    assert_int_equal(channel->event_full.v, 0);
    fake.on_sleep = drain_in_the_sleep;
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_int_equal(fake.sleeps, 1);
    assert_int_equal(channel->event_full.v, 0);
}

static void fail_to_sleep(void)
{
    fail_msg("slept though there was room");
}

static void make_room(enum fake_register reg)
{
    struct rv_event event;

    if (reg == REG_icc_iar1_el1 && !waits++)
        assert_true(fake_event(core, &event));
}

static void wake_once(void)
{
    fake.on_sleep = fail_to_sleep;
}

static void room_that_was_made_ends_the_wait(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
        event_send(core, RV_EVENT_ACK, 0, 0, i);
    waits = 0;
    fake.on_sleep = wake_once; /* a kick for something else ends the first sleep */
    fake.on_read = make_room;
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_int_equal(fake.sleeps, 1);
}

/* The core may have other things to do while its ring is full: pass on doorbells, say. */
static void kick_the_others(void)
{
    if (fake.sleeps == 1) {
        fake.doorbell_kicks = 1u << 2;
        fake_core->irq[fake_core->nr_irqs++] = FAKE_DOORBELL;
    } else {
        drain_in_the_sleep();
    }
}

static void doorbells_are_passed_on_while_the_event_ring_is_full(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
        event_send(core, RV_EVENT_ACK, 0, 0, i);
    fake.on_sleep = kick_the_others;
    event_send(core, RV_EVENT_ACK, 0, 0, 0);
    assert_int_equal(fake.core[2].kicks, 1);
    assert_int_equal(fake.sleeps, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(space_of_each_index_is_right_or_impossible, setup),
        cmocka_unit_test_setup(events_and_commands_keep_their_order_over_the_end_of_the_index,
                               setup),
        cmocka_unit_test_setup(full_event_ring_waits_and_overwrites_nothing, setup),
        cmocka_unit_test_setup(impossible_event_tail_stops_the_vm_and_not_the_core, setup),
        cmocka_unit_test_setup(impossible_event_tail_without_a_vcpu_stops_nothing, setup),
        cmocka_unit_test_setup(command_with_a_wrong_seq_waits, setup),
        cmocka_unit_test_setup(stub_never_reads_back_what_it_wrote, setup),
        cmocka_unit_test_setup(doorbell_rings_once_and_only_when_asked, setup),
        cmocka_unit_test_setup(event_fields_that_a_type_does_not_set_are_common, setup),
        cmocka_unit_test_setup(command_that_comes_before_the_sleep_is_not_slept_over, setup),
        cmocka_unit_test_setup(waiting_is_set_in_the_sleep_and_nowhere_else, setup),
        cmocka_unit_test_setup(poll_limit_shrinks_by_halves_and_comes_back, setup),
        cmocka_unit_test_setup(full_event_ring_is_slept_over, setup),
        cmocka_unit_test_setup(room_that_was_made_ends_the_wait, setup),
        cmocka_unit_test_setup(doorbells_are_passed_on_while_the_event_ring_is_full, setup),
    };

    return cmocka_run_group_tests_name("stub_ring", tests, NULL, NULL);
}
