-- SPDX-License-Identifier: BSD-2-Clause
-- 0004_duplicates: of two hosts that store the same new bytes at the same time, one finds them stored.
--
-- Locks documents.document against writing while an index is built: seconds for a million documents.
-- The functions of before stay, for hosts that were not started again yet, and store duplicates.

-- 0 for the first document with these bytes, another number where they are stored on purpose once more.
alter table documents.document add column copy bigint not null default 0;
update documents.document d set copy = d.id
where exists (select from documents.document o where o.sha256 = d.sha256 and o.id < d.id);
drop index documents.document_sha256;
create unique index document_sha256 on documents.document (sha256, copy);

-- Stores all documents of a call. A document that is there under its path is
-- replaced, passages and all. jobs and job_paths: one for each job; paths to
-- attributes: one for each document, each path once; owners to signatures: one
-- for each passage, owners being positions in paths. words: of the body, null
-- where they are still to be found. vectors: one behind the other; that
-- of a passage ends at place ends and has `dimensions` numbers, 0: none. single: a new
-- document is refused, by the key of document_sha256, when its bytes are stored.
--
-- A path that is stored already takes any bytes: what it had before is gone.
--
-- Statements, not one: the deletion must see what another host committed while
-- the first waited for the row.
create function documents.put(
	jobs bigint[], job_paths text[],
	paths text[], sums bytea[], titles text[], languages text[], mimes text[], sizes bigint[],
	attributes text[],
	owners int[], places int[], headings text[], bodies text[], starts int[], lengths int[],
	words tsvector[], dimensions int[], ends int[], signatures text[], vectors documents.vectors,
	single boolean
) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
declare
	ids bigint[];
begin
	-- in one order on all hosts, so that none waits for the other in a circle
	with put as (
		insert into documents.document as d (path, sha256, title, language, mime, size, attributes, copy)
		select u.path, u.sum, u.title, u.language, u.mime, u.size, u.attributes::jsonb,
		       case when exists (select from documents.document o where o.sha256 = u.sum and o.path <> u.path) and
		                 (not single or exists (select from documents.document o where o.path = u.path))
		            then jobs[array_position(job_paths, u.path)] else 0 end
		from unnest(paths, sums, titles, languages, mimes, sizes, attributes)
			u (path, sum, title, language, mime, size, attributes)
		order by u.path collate "C"
		on conflict (path) do update
		set sha256 = excluded.sha256, title = excluded.title, language = excluded.language,
		    mime = excluded.mime, size = excluded.size, attributes = excluded.attributes,
		    copy = excluded.copy, stored_at = now()
		returning d.id, d.path
	)
	select array_agg(p.id order by u.o) into ids
	from put p join unnest(paths) with ordinality u (path, o) on u.path = p.path;

	delete from documents.passage p where p.document = any (ids);

	with owner as materialized (
		select x.o, x.id, c.config, setweight(to_tsvector(c.config, coalesce(x.title, '')), 'C') as title
		from unnest(ids, titles, languages) with ordinality x (id, title, language, o)
		cross join lateral (select documents.config(x.language) as config) c
	)
	insert into documents.passage
		(document, n, heading, body, start, length, terms, vector, signature)
	select o.id, u.place, u.heading, u.body, u.start, u.length,
	       setweight(to_tsvector(o.config, u.heading), 'B') || o.title || coalesce(u.words, to_tsvector(o.config, u.body)),
	       case when u.dimensions > 0 then (vectors).numbers[u.last - u.dimensions + 1 : u.last] end,
	       u.signature::varbit
	from unnest(owners, places, headings, bodies, starts, lengths, words, dimensions, ends, signatures)
		u (owner, place, heading, body, start, length, words, dimensions, last, signature)
	join owner o on o.o = u.owner;

	insert into documents.effect (job, document)
	select u.job, ids[u.o]
	from (select j.job, array_position(paths, j.path) as o from unnest(jobs, job_paths) j (job, path)) u;
end $$;

-- As before, of hosts that were not started again.
create or replace function documents.put(
	jobs bigint[], job_paths text[],
	paths text[], sums bytea[], titles text[], languages text[], mimes text[], sizes bigint[],
	attributes text[],
	owners int[], places int[], headings text[], bodies text[], starts int[], lengths int[],
	words tsvector[], dimensions int[], ends int[], signatures text[], vectors documents.vectors
) returns void
language sql set search_path = pg_catalog, pg_temp as $$
	select documents.put(jobs, job_paths, paths, sums, titles, languages, mimes, sizes, attributes, owners, places,
	                     headings, bodies, starts, lengths, words, dimensions, ends, signatures, vectors, false)
$$;
create or replace function documents.put(
	jobs bigint[], job_paths text[],
	paths text[], sums bytea[], titles text[], languages text[], mimes text[], sizes bigint[],
	attributes text[],
	owners int[], places int[], headings text[], bodies text[], starts int[], lengths int[],
	dimensions int[], ends int[], numbers real[], signatures text[]
) returns void
language sql set search_path = pg_catalog, pg_temp as $$
	select documents.put(jobs, job_paths, paths, sums, titles, languages, mimes, sizes, attributes, owners, places,
	                     headings, bodies, starts, lengths, '{}', dimensions, ends, signatures, row(numbers), false)
$$;

revoke execute on function documents.put(
	bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
	text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors, boolean) from public;
do $$
begin
	if exists (select from pg_roles where rolname = 'penstock_host') then
		grant execute on function documents.put(
			bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
			text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors, boolean) to penstock_host;
	end if;
end $$;
