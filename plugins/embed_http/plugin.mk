# SPDX-License-Identifier: BSD-2-Clause
embed_http_PKGS := libcurl jansson
embed_http_LIBS := -lm
embed_http_SRCS := embed_http.c courier.c answer.c
embed_http_TEST_SRCS := test_embed_http.c test_server.c
