-- SPDX-License-Identifier: BSD-2-Clause
-- 0002_put: vectors come as numbers, not as text that the server must read; a title is taken apart once for its document.
--
-- A store of before finds its function gone until its host is started again: its jobs are tried again later.
-- Locks nothing that is in use; takes milliseconds.

drop function documents.put(bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[],
                            int[], int[], text[], text[], int[], int[], text[], text[]);

-- Stores all documents of a call. A document that is there under its path is
-- replaced, passages and all. jobs and job_paths: one for each job; paths to
-- attributes: one for each document, each path once; owners to signatures: one
-- for each passage, owners being positions in paths. numbers: the vectors, one
-- behind the other; that of a passage ends at place ends and has `sizes` numbers, 0: none.
--
-- In SQL and not in plpgsql, which would unfold the long array and fold it again for each
-- slice. Statements, not one: the deletion must see what another host
-- committed while the first waited for the row.
create function documents.put(
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

revoke execute on function documents.put from public;
do $$
begin
	if exists (select from pg_roles where rolname = 'penstock_host') then
		grant execute on function documents.put to penstock_host;
	end if;
end $$;
