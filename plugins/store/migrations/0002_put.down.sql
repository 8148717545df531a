-- SPDX-License-Identifier: BSD-2-Clause
-- Puts the function of 0001_documents back.
drop function documents.put;

-- Stores all documents of a call. A document that is there under its path is
-- replaced, passages and all. jobs and job_paths: one for each job; paths to
-- attributes: one for each document, each path once; owners to signatures: one
-- for each passage, owners being positions in paths.
--
-- Statements, not one: the deletion must see what another host committed while
-- the first waited for the row.
create function documents.put(
	jobs bigint[], job_paths text[],
	paths text[], sums bytea[], titles text[], languages text[], mimes text[], sizes bigint[],
	attributes text[],
	owners int[], numbers int[], headings text[], bodies text[], starts int[], lengths int[],
	vectors text[], signatures text[]
) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
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
	select array_agg(p.id order by array_position(paths, p.path)) into ids from put p;

	delete from documents.passage where document = any (ids);

	insert into documents.passage
		(document, n, heading, body, start, length, terms, vector, signature)
	select ids[u.owner], u.n, u.heading, u.body, u.start, u.length,
	       setweight(to_tsvector(c.config, u.heading), 'B') ||
	       setweight(to_tsvector(c.config, coalesce(titles[u.owner], '')), 'C') ||
	       to_tsvector(c.config, u.body),
	       u.vector::real[], u.signature::varbit
	from unnest(owners, numbers, headings, bodies, starts, lengths, vectors, signatures)
		u (owner, n, heading, body, start, length, vector, signature)
	join (select o, documents.config(l) from unnest(languages) with ordinality x (l, o))
		c (owner, config) on c.owner = u.owner;

	insert into documents.effect (job, document)
	select u.job, ids[array_position(paths, u.path)] from unnest(jobs, job_paths) u (job, path);
end $$;

revoke execute on function documents.put from public;
do $$
begin
	if exists (select from pg_roles where rolname = 'penstock_host') then
		grant execute on function documents.put to penstock_host;
	end if;
end $$;
