#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# cluster.sh - a private PostgreSQL cluster for a test, in a folder of its own.
#
#   cluster.sh start DIR [CONF-LINE...]   make and start it; prints its DSN
#   cluster.sh dsn DIR                    print the DSN again
#   cluster.sh psql DIR [ARG...]          psql on it, stopping at the first error
#   cluster.sh restart DIR [MODE]         stop (fast, immediate) and start
#   cluster.sh kill9 DIR                  SIGKILL every process of it; restart brings it back
#   cluster.sh standby DIR OF             a standby of the cluster OF, by streaming; prints its DSN
#   cluster.sh promote DIR                a standby becomes a primary
#   cluster.sh stop DIR                   stop it and remove the folder
#   cluster.sh bin                        where the programs of PostgreSQL are
#
# It listens on a socket inside DIR only, and DIR is closed to others. As
# root, the server runs as user postgres. fsync is off unless a CONF-LINE
# says "fsync = on". stop may be called twice, or on what start left half
# made, so that a trap can call it; it removes nothing that start did not
# make. With CLUSTER_OWNER=PID a watcher stops the cluster once PID is gone.
set -eu
umask 077
unset PGDATA PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE PGSSLMODE

die() {
	echo "cluster.sh: $*" >&2
	exit 1
}

usage() {
	sed -n 's/^#   cluster.sh/usage: cluster.sh/p' "$0" >&2
	exit 2
}

find_bin() {
	if [ -n "${PG_BIN:-}" ]; then
		echo "$PG_BIN"
		return
	fi
	for d in /usr/lib/postgresql/*/bin; do
		if [ -x "$d/initdb" ]; then echo "$d"; fi
	done | sort -V | tail -n 1 | grep . || die "no PostgreSQL server below /usr/lib/postgresql"
}

# PostgreSQL refuses to run as root
as_server() {
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

server() {
	(cd / && as_server "$bin/pg_ctl" -s -w -t 240 -D "$dir/data" -l "$dir/log" "$@") ||
		{ tail -n 20 "$dir/log" >&2; return 1; }
}

dsn() { echo "host=$dir/socket port=5432 user=postgres dbname=postgres"; }

ours() { [ -f "$dir/penstock-test-cluster" ]; }

# The processes of the cluster, postmaster first; zombies are no processes
processes() {
	master=$(head -n 1 "$dir/data/postmaster.pid" 2> /dev/null) || return 0
	for stat in /proc/[0-9]*/stat; do
		# pid (name) state ppid: the name may hold blanks and parentheses
		{ read -r line < "$stat"; } 2> /dev/null || continue
		pid=${line%% *}
		rest=${line##*) }
		state=${rest%% *}
		rest=${rest#* }
		if [ "$state" = Z ]; then continue; fi
		if [ "$pid" = "$master" ] || [ "${rest%% *}" = "$master" ]; then echo "$pid"; fi
	done
}

# The folder of a new cluster
make_folder() {
	if ours; then die "$dir: there is a cluster already"; fi
	if [ -e "$dir" ] && [ -n "$(ls -A "$dir")" ]; then die "$dir: not empty"; fi
	# a socket's path has at most 107 bytes
	if [ ${#dir} -gt 80 ]; then die "$dir: too long a name for a socket inside it"; fi
	bin=$(find_bin)
	mkdir -p "$dir"
	echo "$$" > "$dir/penstock-test-cluster"
	mkdir "$dir/socket"
	if [ "$(id -u)" -eq 0 ]; then
		chown -R postgres "$dir" || die "the server cannot run as root and there is no user postgres"
		runuser -u postgres -- test -w "$dir" || die "$dir: user postgres cannot get there"
	fi
}

start() {
	make_folder
	(cd / && as_server "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync > "$dir/initdb.log" 2>&1) ||
		{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
	{
		cat <<-END
			listen_addresses = ''
			unix_socket_directories = '$dir/socket'
			unix_socket_permissions = 0700
			fsync = off
			shared_buffers = 64MB
			max_connections = 60
			timezone = 'UTC'
			lc_messages = 'C'
			log_line_prefix = '%m [%p] %q%a '
		END
		for line in "$@"; do printf '%s\n' "$line"; done
	} | as_server tee -a "$dir/data/postgresql.conf" > /dev/null
	serve
}

serve() {
	server start || die "the server did not start"
	if [ -n "${CLUSTER_OWNER:-}" ]; then
		# exec: a redirected function would keep the caller's stdout open beside
		(exec > /dev/null 2>&1 < /dev/null; watch_owner) &
	fi
	dsn
}

watch_owner() {
	trap '' INT HUP
	cd /
	while [ -d "/proc/$CLUSTER_OWNER" ] && ours; do sleep 1; done
	if ours; then stop; fi
}

standby() {
	case $1 in /*) of=${1%/} ;; *) of=$PWD/${1%/} ;; esac
	make_folder
	(cd / && as_server "$bin/pg_basebackup" -D "$dir/data" -X stream -R --checkpoint=fast --no-sync \
		-d "host=$of/socket port=5432 user=postgres" > "$dir/basebackup.log" 2>&1) ||
		{ cat "$dir/basebackup.log" >&2; die "pg_basebackup failed"; }
	echo "unix_socket_directories = '$dir/socket'" | as_server tee -a "$dir/data/postgresql.conf" > /dev/null
	serve
}

kill9() {
	pids=$(processes)
	if [ -z "$pids" ]; then die "$dir: not running"; fi
	# the postmaster first, so that it starts no new ones
	# shellcheck disable=SC2086
	kill -KILL $pids 2> /dev/null || true
	for _ in $(seq 2400); do
		alive=
		for pid in $pids; do
			{ read -r line < "/proc/$pid/stat"; } 2> /dev/null || continue
			case ${line##*) } in Z*) ;; *) alive=1 ;; esac
		done
		if [ -z "$alive" ]; then return 0; fi
		sleep 0.05
	done
	die "$dir: still running after SIGKILL"
}

# After SIGKILL the lock files name a dead process. Where nobody reaps it, it
# stays a zombie and PostgreSQL takes it for alive: so they go by our hand.
restart() {
	if [ -n "$(processes)" ]; then server -m "$1" stop; fi
	if [ -n "$(processes)" ]; then die "$dir: still running"; fi
	rm -f "$dir/data/postmaster.pid" "$dir"/socket/.s.PGSQL.*.lock
	server start
}

stop() {
	if ! [ -e "$dir" ]; then return 0; fi
	if ! ours; then
		# start makes the folder before its mark
		rmdir "$dir" 2> /dev/null || die "$dir: not made by cluster.sh, left alone"
		return 0
	fi
	if [ -n "$(processes)" ]; then
		bin=$(find_bin)
		server -m immediate stop > /dev/null 2>&1 || kill9
	fi
	rm -rf "$dir"
}

[ $# -ge 1 ] || usage
command=$1
shift
if [ "$command" = bin ]; then
	find_bin
	exit 0
fi
[ $# -ge 1 ] || usage
case $1 in /*) dir=${1%/} ;; *) dir=$PWD/${1%/} ;; esac
shift

case $command in
start) start "$@" ;;
stop) stop ;;
standby) standby "${1:?whose standby?}" ;;
dsn | psql | restart | kill9 | promote)
	ours || die "$dir: no cluster here"
	bin=$(find_bin)
	case $command in
	dsn) dsn ;;
	psql)
		# some builds come without clients: any psql does
		client=$bin/psql
		[ -x "$client" ] || client=psql
		exec "$client" -X -q -v ON_ERROR_STOP=1 -d "$(dsn)" "$@"
		;;
	restart) restart "${1:-fast}" ;;
	kill9) kill9 ;;
	promote) server promote ;;
	esac
	;;
*) usage ;;
esac
