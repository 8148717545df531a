# SPDX-License-Identifier: BSD-2-Clause
store_PKGS := libpq
store_SRCS := store.c arrays.c attributes.c words.c
