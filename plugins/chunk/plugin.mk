# SPDX-License-Identifier: BSD-2-Clause
chunk_SRCS := chunk.c units.c
