-- SPDX-License-Identifier: BSD-2-Clause
-- Puts the functions of 0002_put and 0003_words back.
create or replace function documents.put(
	jobs bigint[], job_paths text[],
	paths text[], sums bytea[], titles text[], languages text[], mimes text[], sizes bigint[],
	attributes text[],
	owners int[], places int[], headings text[], bodies text[], starts int[], lengths int[],
	words tsvector[], dimensions int[], ends int[], signatures text[], vectors documents.vectors
) returns void
language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
declare
	ids bigint[];
begin
	-- in one order on all hosts, so that none waits for the other in a circle
	with put as (
		insert into documents.document as d (path, sha256, title, language, mime, size, attributes)
		select u.path, u.sum, u.title, u.language, u.mime, u.size, u.attributes::jsonb
		from unnest(paths, sums, titles, languages, mimes, sizes, attributes)
			u (path, sum, title, language, mime, size, attributes)
		order by u.path collate "C"
		on conflict (path) do update
		set sha256 = excluded.sha256, title = excluded.title, language = excluded.language,
		    mime = excluded.mime, size = excluded.size, attributes = excluded.attributes,
		    stored_at = now()
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

create or replace function documents.put(
	jobs bigint[], job_paths text[],
	paths text[], sums bytea[], titles text[], languages text[], mimes text[], sizes bigint[],
	attributes text[],
	owners int[], places int[], headings text[], bodies text[], starts int[], lengths int[],
	dimensions int[], ends int[], numbers real[], signatures text[]
) returns void
language sql set search_path = pg_catalog, pg_temp set jit = off as $$
	-- in one order on all hosts, so that none waits for the other in a circle
	insert into documents.document as d (path, sha256, title, language, mime, size, attributes)
	select u.path, u.sum, u.title, u.language, u.mime, u.size, u.attributes::jsonb
	from unnest(paths, sums, titles, languages, mimes, sizes, attributes)
		u (path, sum, title, language, mime, size, attributes)
	order by u.path collate "C"
	on conflict (path) do update
	set sha256 = excluded.sha256, title = excluded.title, language = excluded.language,
	    mime = excluded.mime, size = excluded.size, attributes = excluded.attributes,
	    stored_at = now();

	delete from documents.passage p
	where p.document in (select d.id from documents.document d where d.path = any (paths));

	with owner as materialized (
		select x.o, d.id, c.config, setweight(to_tsvector(c.config, coalesce(x.title, '')), 'C') as title
		from unnest(paths, titles, languages) with ordinality x (path, title, language, o)
		join documents.document d on d.path = x.path
		cross join lateral (select documents.config(x.language) as config) c
	)
	insert into documents.passage
		(document, n, heading, body, start, length, terms, vector, signature)
	select o.id, u.place, u.heading, u.body, u.start, u.length,
	       setweight(to_tsvector(o.config, u.heading), 'B') || o.title || to_tsvector(o.config, u.body),
	       case when u.dimensions > 0 then numbers[u.last - u.dimensions + 1 : u.last] end, u.signature::varbit
	from unnest(owners, places, headings, bodies, starts, lengths, dimensions, ends, signatures)
		u (owner, place, heading, body, start, length, dimensions, last, signature)
	join owner o on o.o = u.owner;

	insert into documents.effect (job, document)
	select u.job, d.id from unnest(jobs, job_paths) u (job, path) join documents.document d on d.path = u.path;
$$;

drop function documents.put(
	bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
	text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors, boolean);
drop index documents.document_sha256;
alter table documents.document drop column copy;
create index document_sha256 on documents.document (sha256);
