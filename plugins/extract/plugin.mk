# SPDX-License-Identifier: BSD-2-Clause
extract_PKGS := libxml-2.0 libcmark libutf8proc zlib
extract_SRCS := extract.c blocks.c charset.c html.c language.c man.c unzip.c
