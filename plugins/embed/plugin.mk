# SPDX-License-Identifier: BSD-2-Clause
embed_SRCS := embed.c features.c
embed_LIBS := -lm
