/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/run_trace.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "vmm/cli/run_options.h"
#include "vmm/keeper/kept.h"
#include "vmm/trace/trace.h"
#include "vmm/util/memfile.h"

/* The file and its beginning, as an earlier worker has left them. */
static struct trace_origin find(const char *name)
{
    struct trace_origin origin = {.fd = kept_get("%s", name)};
    int zero = kept_get("%s-zero", name);

    if (zero >= 0 && pread(zero, &origin.zero, sizeof(origin.zero), 0) != sizeof(origin.zero))
        origin.zero = 0;
    if (zero >= 0)
        close(zero);
    return origin;
}

static int keep(const char *name, const struct trace_origin *origin)
{
    int zero = memfile_create(name, sizeof(origin->zero)), error;

    if (zero < 0)
        return zero;
    error = pwrite(zero, &origin->zero, sizeof(origin->zero), 0) < 0 ? -errno : 0;
    if (!error)
        error = kept_put(zero, "%s-zero", name);
    close(zero);
    return error ? error : kept_put(origin->fd, "%s", name);
}

static int start(const char *name, const char *spec,
                 int (*how)(const char *spec, struct trace_origin *origin, struct trace **trace),
                 struct trace **trace)
{
    struct trace_origin origin = {.fd = -1};
    bool goes_on;
    int error;

    if (!spec)
        return 0;
    if (kept_has_keeper())
        origin = find(name);
    goes_on = origin.fd >= 0;
    error = how(spec, &origin, trace);
    return error || goes_on || !kept_has_keeper() ? error : keep(name, &origin);
}

int run_traces_start(const struct run_options *o, struct trace *traces[RUN_TRACES])
{
    int error = start("trace", o->trace, trace_text_start, &traces[0]);

    return error ? error : start("perfetto", o->perfetto, trace_perfetto_start, &traces[1]);
}

void run_traces_stop(struct trace *traces[RUN_TRACES])
{
    for (unsigned i = 0; i < RUN_TRACES; i++) {
        if (traces[i])
            trace_stop(traces[i]);
        traces[i] = NULL;
    }
}
