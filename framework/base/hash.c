/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.c - hashes and random numbers by libsodium; mixing of integers.
 */
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

static void
init_sodium(void)
{
	check(sodium_init() >= 0);
}

static void
need_sodium(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_sodium);
}

void
sha256_of(const void *bytes, size_t len, struct sha256 *ret)
{
	need_sodium();
	crypto_hash_sha256(ret->bytes, bytes, len);
}

enum status
sha256_file(int fd, struct sha256 *ret, struct fault *fault)
{
	crypto_hash_sha256_state state;
	unsigned char chunk[65536];
	off_t at = 0;
	ssize_t n;

	need_sodium();
	crypto_hash_sha256_init(&state);
	while ((n = pread(fd, chunk, sizeof(chunk), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(fault, errno, "cannot read");
		crypto_hash_sha256_update(&state, chunk, (unsigned long long)n);
		at += n;
	}
	crypto_hash_sha256_final(&state, ret->bytes);
	return OK;
}

void
sha256_hex(const struct sha256 *sum, char out[65])
{
	sodium_bin2hex(out, 65, sum->bytes, sizeof(sum->bytes));
}

struct uuid
uuid_random(void)
{
	struct uuid u;

	need_sodium();
	randombytes_buf(u.bytes, sizeof(u.bytes));
	u.bytes[6] = (uint8_t)((u.bytes[6] & 0x0f) | 0x40);
	u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3f) | 0x80);
	return u;
}

void
uuid_text(const struct uuid *uuid, char out[37])
{
	char hex[33];
	static const size_t groups[] = { 8, 4, 4, 4, 12 };
	size_t from = 0, to = 0;

	sodium_bin2hex(hex, sizeof(hex), uuid->bytes, sizeof(uuid->bytes));
	for (size_t g = 0; g < countof(groups); g++) {
		memcpy(out + to, hex + from, groups[g]);
		from += groups[g];
		to += groups[g];
		out[to++] = '-';
	}
	out[36] = '\0';
}

/* Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014), the output function.
 */
uint64_t
splitmix64(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static void
draw_hash_key(void)
{
	need_sodium();
	crypto_shorthash_keygen(hash_key);
}

uint64_t
hash_of(const void *bytes, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t hash;

	pthread_once(&once, draw_hash_key);
	crypto_shorthash((unsigned char *)&hash, bytes, len, hash_key);
	return hash;
}
