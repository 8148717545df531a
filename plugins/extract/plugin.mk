# SPDX-License-Identifier: BSD-2-Clause
extract_PKGS := gumbo libcmark libutf8proc zlib
extract_SRCS := extract.c blocks.c charset.c html.c language.c man.c unzip.c
