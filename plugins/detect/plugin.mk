# SPDX-License-Identifier: BSD-2-Clause
detect_PKGS := libpq libsodium
detect_LIBS := -lmagic
detect_SRCS := detect.c document.c known.c
