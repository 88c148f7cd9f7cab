/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* For the headers of proto/. */
#pragma once

#include <linux/types.h>
