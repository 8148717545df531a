/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lease.pml - the protocol of a lease: two jobs, two hosts, a database, and what goes wrong.
 *
 * A statement of PostgreSQL is one step here (d_step), since PostgreSQL makes
 * it one. A settlement and a claim are two: the statement, which locks its
 * rows, and the commit, which comes later or not at all, also when its client
 * has gone. docs/decisions/0007-lease-model.md says what is left out and why.
 *
 * With -DMUTANT_name one rule is left away; tests/model/run shows that the
 * loss is noticed.
 */

#ifndef FAULTS
#define FAULTS 2 /* in one run, of any kind */
#endif

#define TOKENS 4 /* more than hosts remember at once */
#define NONE 15  /* no token */
#define GOOD 1   /* a job whose stage says DONE */
#define BAD 2    /* one whose stage says RETRY, whatever the attempt */
#define ALL 3
#define BOOTS 3

/* ---- the database ---- */

byte ready = ALL, ready_locked; /* parcels; those that a claim in flight has locked */
byte ended;
byte lease[TOKENS], lease_boot[TOKENS], lease_locked; /* jobs of each; its host's row; a bit a token */
byte requests;                                        /* to cancel */
byte host_row;                                        /* a bit a boot: 3 for each host */
bit outage;

/* ---- hosts ---- */

mtype = { IDLE, CLAIMING, WORKING, SETTLING, ASKING };
mtype phase[2] = IDLE;
bit up[2] = 1, stopped[2], lost[2]; /* lost: the reply will not come */
byte boot[2];                       /* how often it was started */
byte token[2] = NONE, held[2], part[2];
bit taken[2];          /* others took the lease that it works on */

/* What a host's connection does in the database: it ends also without the host. */
mtype = { NOTHING, CLAIM, SETTLE, REPLY }; /* REPLY: the claim has committed, its host will hear of it */
mtype flight[2] = NOTHING;
byte flight_token[2], flight_jobs[2], flight_back[2], flight_boot[2];

/* ---- time ---- */

bit silent[2]; /* somebody watched the same beat for L, over a healthy connection */
bit old[2];    /* the beat was written longer than L ago */
byte faults = FAULTS;
bit cancel_done;

#define ID(h) (BOOTS * (h) + boot[h])
#define BIT(x) (1 << (x))
#define IN_FLIGHT(h) (flight[h] == CLAIM || flight[h] == SETTLE)
#define RUNS(h) (up[h] && !stopped[h])
#define ONLINE(h) (RUNS(h) && !outage)
#define LOCKED(t) ((lease_locked >> (t)) & 1)
#define HAS_ROW(id) ((host_row >> (id)) & 1)

/* Conservation: each job is in one place, and in one only. */
inline conserved() {
	assert((ready | lease[0] | lease[1] | lease[2] | lease[3] | ended) == ALL);
	assert(ready + lease[0] + lease[1] + lease[2] + lease[3] + ended == ALL);
}

inline end_jobs(jobs) {
	assert((ended & (jobs)) == 0); /* none twice */
	ended = ended | (jobs);
}

inline note_taken(t) {
	if
	:: token[0] == t -> taken[0] = 1
	:: else
	fi;
	if
	:: token[1] == t -> taken[1] = 1
	:: else
	fi
}

/* A lease goes back to where it was claimed. */
inline give_back(t) {
	ready = ready | lease[t];
	lease[t] = 0;
	conserved()
}

/* Of a host that is gone, what nobody has locked: SKIP LOCKED. */
inline void_lost(t) {
	if
	:: lease[t] != 0 && !HAS_ROW(lease_boot[t]) && !LOCKED(t) ->
		note_taken(t);
		give_back(t)
	:: else
	fi
}

inline void_all_lost() {
	void_lost(0);
	void_lost(1);
	void_lost(2);
	void_lost(3)
}

#define FREE(t) (lease[t] == 0 && token[0] != t && token[1] != t && \
	!(flight[0] != NOTHING && flight_token[0] == t) && !(flight[1] != NOTHING && flight_token[1] == t))

/* A random number that nobody remembers. */
inline draw(t) {
	if
	:: FREE(0) -> t = 0
	:: !FREE(0) && FREE(1) -> t = 1
	:: !FREE(0) && !FREE(1) && FREE(2) -> t = 2
	:: else -> t = 3; assert(FREE(3))
	fi
}

inline forget(h) {
	phase[h] = IDLE;
	token[h] = NONE;
	held[h] = 0;
	part[h] = 0;
	taken[h] = 0;
	lost[h] = 0
}

/* It is over with these jobs, one way or the other; with the others of the lease it goes on. */
inline drop_part(h) {
	held[h] = held[h] & ~part[h];
	part[h] = 0;
	if
	:: held[h] == 0 -> forget(h)
	:: else -> phase[h] = WORKING
	fi
}

/* ---- the server's side of a connection ---- */

/* The claim sees parcels that nobody has locked. */
inline begin_claim(h, jobs) {
	draw(flight_token[h]);
	flight[h] = CLAIM;
	flight_jobs[h] = jobs;
	flight_boot[h] = ID(h);
	ready_locked = ready_locked | jobs;
	phase[h] = CLAIMING;
#ifndef MUTANT_LATE_TOKEN
	token[h] = flight_token[h]
#endif
}

/* False: it raised PS001. What is asked to be cancelled is seen by the statement, not by the commit. */
#ifdef MUTANT_NO_FENCE
#define HOLDS(h) true
#else
#ifdef MUTANT_NO_CONTAINMENT
#define HOLDS(h) (lease[token[h]] != 0)
#else
#define HOLDS(h) ((lease[token[h]] & part[h]) == part[h])
#endif
#endif

inline begin_settle(h) {
	if
	:: HOLDS(h) ->
		flight[h] = SETTLE;
		flight_token[h] = token[h];
		flight_jobs[h] = part[h];
		flight_back[h] = part[h] & BAD & ~requests;
		lease_locked = lease_locked | BIT(token[h]);
		phase[h] = SETTLING
	:: else ->
		/* refused, and counted as a late one: so it must be, unless it repeats a part */
		assert(taken[h] || part[h] != held[h]);
		drop_part(h)
	fi
}

inline commit_flight(h) {
	if
	:: flight[h] == CLAIM ->
		ready = ready & ~flight_jobs[h];
		ready_locked = ready_locked & ~flight_jobs[h];
		lease[flight_token[h]] = flight_jobs[h];
		lease_boot[flight_token[h]] = flight_boot[h]
	:: else ->
		lease[flight_token[h]] = lease[flight_token[h]] & ~flight_jobs[h];
		lease_locked = lease_locked & ~BIT(flight_token[h]);
		ready = ready | flight_back[h];
		end_jobs(flight_jobs[h] & ~flight_back[h]);
#ifdef MUTANT_UNSEEN_REQUEST
		requests = requests & ~flight_jobs[h]
#else
		requests = requests & ~(flight_jobs[h] & ~flight_back[h]) /* those that the statement saw */
#endif
	fi;
	conserved()
}

inline abort_flight(h) {
	if
	:: flight[h] == CLAIM -> ready_locked = ready_locked & ~flight_jobs[h]
	:: else -> lease_locked = lease_locked & ~BIT(flight_token[h])
	fi
}

inline end_flight(h) {
	flight[h] = NOTHING;
	flight_token[h] = 0;
	flight_jobs[h] = 0;
	flight_back[h] = 0;
	flight_boot[h] = 0
}

proctype server(byte h)
{
end:	do
	/* its client waits */
	:: d_step { flight[h] == CLAIM && !outage && !lost[h] && up[h] -> commit_flight(h); flight[h] = REPLY }
	:: d_step { flight[h] == SETTLE && !outage && !lost[h] && up[h] -> commit_flight(h); drop_part(h); end_flight(h) }
	/* nobody hears of it */
	:: d_step { IN_FLIGHT(h) && !outage && (lost[h] || !up[h]) -> commit_flight(h); end_flight(h); lost[h] = 0 }
	:: d_step { IN_FLIGHT(h) && (lost[h] || !up[h]) -> abort_flight(h); end_flight(h); lost[h] = 0 }
	od
}

/* ---- a host ---- */

#ifdef MUTANT_PLAIN_LOOK
#define MAY_ASK(t) true
#else
#define MAY_ASK(t) !LOCKED(t)
#endif

#define UNHELD(h, t) (lease[t] != 0 && lease_boot[t] == ID(h) && !LOCKED(t) && token[h] != t)

proctype host(byte h)
{
	byte can;

end:	do
	:: d_step { ONLINE(h) && phase[h] == IDLE && flight[h] == NOTHING && HAS_ROW(ID(h)) && (ready & ~ready_locked) != 0 ->
		can = ready & ~ready_locked; begin_claim(h, can); can = 0 }
	:: d_step { ONLINE(h) && phase[h] == IDLE && flight[h] == NOTHING && HAS_ROW(ID(h)) && (ready & ~ready_locked) == ALL ->
		begin_claim(h, GOOD) }
	:: d_step { ONLINE(h) && phase[h] == CLAIMING && flight[h] == REPLY ->
		phase[h] = WORKING; token[h] = flight_token[h]; held[h] = flight_jobs[h]; end_flight(h) }
	/* the whole, or a part */
	:: d_step { ONLINE(h) && phase[h] == WORKING && flight[h] == NOTHING && !LOCKED(token[h]) ->
		part[h] = held[h]; begin_settle(h) }
	:: d_step { ONLINE(h) && phase[h] == WORKING && flight[h] == NOTHING && !LOCKED(token[h]) && held[h] == ALL ->
		part[h] = GOOD; begin_settle(h) }
	:: d_step { ONLINE(h) && phase[h] == WORKING && flight[h] == NOTHING && !LOCKED(token[h]) && held[h] == ALL ->
		part[h] = BAD; begin_settle(h) }
	/* after a lost reply: is the token there? */
	:: d_step { ONLINE(h) && phase[h] == ASKING && MAY_ASK(token[h]) && lease[token[h]] == 0 -> drop_part(h) }
#ifdef MUTANT_PLAIN_LOOK
	:: d_step { ONLINE(h) && phase[h] == ASKING && lease[token[h]] != 0 -> phase[h] = WORKING }
#else
	:: d_step { ONLINE(h) && phase[h] == ASKING && flight[h] == NOTHING && MAY_ASK(token[h]) && lease[token[h]] != 0 -> begin_settle(h) }
#endif
	/* the janitor: what the database says that this host has, and nobody here holds */
#ifndef MUTANT_VOID_ONCE
	:: d_step { ONLINE(h) && UNHELD(h, 0) -> give_back(0) }
	:: d_step { ONLINE(h) && UNHELD(h, 1) -> give_back(1) }
	:: d_step { ONLINE(h) && UNHELD(h, 2) -> give_back(2) }
	:: d_step { ONLINE(h) && UNHELD(h, 3) -> give_back(3) }
#endif
	/* the beat; a host without its row drops what it has and starts anew */
	:: d_step { ONLINE(h) && HAS_ROW(ID(h)) && (silent[h] || old[h]) -> silent[h] = 0; old[h] = 0 }
	:: d_step { ONLINE(h) && !HAS_ROW(ID(h)) && boot[h] + 1 < BOOTS && flight[h] == NOTHING ->
		forget(h); boot[h]++; host_row = host_row | BIT(ID(h)); silent[h] = 0; old[h] = 0 }
	od
}

/* Its supervisor saw it die, and voids its former boot at once. */
proctype supervisor(byte h)
{
end:	do
	:: d_step { !up[h] && !outage && boot[h] + 1 < BOOTS && flight[h] == NOTHING ->
		host_row = host_row & ~BIT(ID(h)); void_all_lost();
		boot[h]++; host_row = host_row | BIT(ID(h)); up[h] = 1; silent[h] = 0; old[h] = 0 }
	od
}

/* ---- beside the hosts ---- */

#ifdef MUTANT_OTHER_CLOCK
#define DEAD(h) old[h]
#else
#define DEAD(h) silent[h]
#endif

inline reap(h) {
	assert(silent[h]); /* never one that lives */
	host_row = host_row & ~BIT(ID(h));
	old[h] = 0;
	silent[h] = 0
}

proctype reaper()
{
end:	do
	:: d_step { !outage && HAS_ROW(ID(0)) && DEAD(0) -> reap(0) }
	:: d_step { !outage && HAS_ROW(ID(1)) && DEAD(1) -> reap(1) }
	:: d_step { !outage && ((lease[0] && !HAS_ROW(lease_boot[0]) && !LOCKED(0)) || (lease[1] && !HAS_ROW(lease_boot[1]) && !LOCKED(1)) ||
	                        (lease[2] && !HAS_ROW(lease_boot[2]) && !LOCKED(2)) || (lease[3] && !HAS_ROW(lease_boot[3]) && !LOCKED(3))) ->
		void_all_lost() }
	/* watch(): requests whose jobs were on their way when they were looked for */
	:: d_step { !outage && (requests & ready & ~ready_locked) != 0 ->
		end_jobs(requests & ready & ~ready_locked); ready = ready & ~ended; requests = requests & ~ended; conserved() }
	od
}

/* L passes. Who runs and reaches the database beats in this time. */
proctype time()
{
end:	do
	:: d_step { !silent[0] && HAS_ROW(ID(0)) && !RUNS(0) && !outage -> silent[0] = 1; old[0] = 1 }
	:: d_step { !silent[1] && HAS_ROW(ID(1)) && !RUNS(1) && !outage -> silent[1] = 1; old[1] = 1 }
	:: d_step { outage && !(old[0] && old[1]) -> old[0] = 1; old[1] = 1 }
	od
}

/* Somebody cancels the job that would be tried for ever. It is looked for, then the transaction ends: on the way it may have moved. */
proctype canceller()
{
	bit found;

	/* it waits for a claim that has locked the parcel, and then does not find it any more */
	d_step { !outage ->
		if
		:: (ready & ~ready_locked & BAD) != 0 -> found = 1; ready_locked = ready_locked | BAD
		:: else
		fi }
	d_step { !outage ->
		if
		:: found -> ready = ready & ~BAD; ready_locked = ready_locked & ~BAD; end_jobs(BAD); conserved()
		:: else ->
#ifndef MUTANT_NO_REQUEST
			if
			:: (ended & BAD) == 0 -> requests = requests | BAD
			:: else
			fi
#else
			skip
#endif
		fi;
		found = 0;
		cancel_done = 1 }
}

/* ---- what goes wrong ---- */

inline lose(h) {
	lost[h] = 1;
	if
	:: flight[h] == SETTLE -> phase[h] = ASKING
	:: else ->
		if
		:: flight[h] == REPLY ->
#ifdef MUTANT_VOID_ONCE
			give_back(flight_token[h]);
#endif
			end_flight(h);
			lost[h] = 0
		:: else /* it may yet commit */
		fi;
		token[h] = NONE;
		phase[h] = IDLE
	fi
}

inline kill(h) {
	up[h] = 0;
	stopped[h] = 0;
	forget(h);
	if
	:: flight[h] == REPLY -> end_flight(h)
	:: else
	fi
}

active proctype world()
{
	host_row = BIT(ID(0)) | BIT(ID(1));
	atomic {
		run server(0);
		run server(1);
		run host(0);
		run host(1);
		run supervisor(0);
		run supervisor(1);
		run reaper();
		run time();
		run canceller()
	}
	do
	:: d_step { faults > 0 && up[0] && flight[0] != NOTHING && !lost[0] -> faults--; lose(0) }
	:: d_step { faults > 0 && up[1] && flight[1] != NOTHING && !lost[1] -> faults--; lose(1) }
	:: d_step { faults > 0 && up[0] && boot[0] + 2 < BOOTS -> faults--; kill(0) }
	:: d_step { faults > 0 && up[1] && boot[1] + 2 < BOOTS -> faults--; kill(1) }
	:: d_step { faults > 0 && RUNS(0) && boot[0] + 2 < BOOTS -> faults--; stopped[0] = 1 }
	:: d_step { faults > 0 && RUNS(1) && boot[1] + 2 < BOOTS -> faults--; stopped[1] = 1 }
	:: d_step { stopped[0] -> stopped[0] = 0 }
	:: d_step { stopped[1] -> stopped[1] = 0 }
	:: d_step { faults > 0 && !outage -> faults--; outage = 1 }
	:: d_step { outage -> outage = 0 }
	:: d_step { faults > 0 && !outage && !stopped[0] && !stopped[1] -> faults = 0 } /* enough */
	:: faults == 0 && !outage && !stopped[0] && !stopped[1] -> break
	od
}

ltl all_end { <> (ended == ALL) }
