/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_copy.c - rows into a table by COPY … FROM STDIN (FORMAT binary).
 *
 * Rows gather in a buffer that goes out when it is large. What the server has
 * against them is said at db_copy_end(); a lost connection may be said sooner.
 */
#include "db/db_priv.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_AT ((size_t)(64 * KiB))

enum status
db_copy_begin(struct db *db, const char *sql, struct fault *fault)
{
	static const char header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
	enum status st = db_ready(db, fault);
	PGresult *r;

	check(!db->pipe.open);
	if (st != OK)
		return st;
	r = PQexec(db->conn, sql);
	st = db_result_fault(db, r, fault);
	check(st != OK || PQresultStatus(r) == PGRES_COPY_IN);
	PQclear(r);
	buf_reset(&db->copy);
	if (st == OK)
		buf_add(&db->copy, header, sizeof header);
	return st;
}

static enum status
flush(struct db *db, struct fault *fault)
{
	int sent = PQputCopyData(db->conn, db->copy.data, (int)db->copy.len);

	buf_reset(&db->copy);
	return sent == 1 ? OK : db_conn_fault(db, fault);
}

static void
add_length(struct buf *b, int32_t len)
{
	uint32_t big = htobe32((uint32_t)len);

	buf_add(b, &big, sizeof big);
}

enum status
db_copy_row(struct db *db, const struct db_bytes *fields, size_t n, struct fault *fault)
{
	uint16_t count = htobe16((uint16_t)n);

	check(n <= INT16_MAX);
	buf_add(&db->copy, &count, sizeof count);
	for (size_t i = 0; i < n; i++) {
		check(fields[i].len <= INT_MAX / 2);
		add_length(&db->copy, fields[i].bytes ? (int32_t)fields[i].len : -1);
		if (fields[i].bytes)
			buf_add(&db->copy, fields[i].bytes, fields[i].len);
		if (db->copy.len >= FLUSH_AT) {
			enum status st = flush(db, fault);
			if (st != OK)
				return st;
		}
	}
	return OK;
}

enum status
db_copy_end(struct db *db, int64_t *ret_rows, struct fault *fault)
{
	static const char trailer[2] = "\377\377";
	enum status st;
	PGresult *r;

	buf_add(&db->copy, trailer, sizeof trailer);
	st = flush(db, fault);
	if (st == OK && PQputCopyEnd(db->conn, NULL) != 1)
		st = db_conn_fault(db, fault);
	if (st != OK)
		return st;
	r = PQgetResult(db->conn);
	st = db_result_fault(db, r, fault);
	if (st == OK && ret_rows)
		*ret_rows = strtoll(PQcmdTuples(r), NULL, 10);
	PQclear(r);
	while (db_alive(db) && (r = PQgetResult(db->conn)) != NULL)
		PQclear(r);
	return st;
}
