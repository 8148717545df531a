-- SPDX-License-Identifier: BSD-2-Clause
-- 0003_words: the words of a passage come as the server took them apart before; plans are made once for a session.
--
-- The function of before stays, for hosts that were not started again yet.
-- Locks nothing that is in use; takes milliseconds.

-- What to_tsvector() makes of pieces that have no blanks, each with a number behind it: the position
-- of that says how many the piece takes. owners: places in languages. Null where a dictionary may
-- look at more than one word (a thesaurus) or is not known to us: such texts go to to_tsvector() whole.
create function documents.lexemes(languages text[], owners int[], pieces text[]) returns setof tsvector
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off as $$
begin
	return query
	with language as materialized (
		select l.o, c.config, not exists (
			select from pg_ts_config_map m join pg_ts_dict d on d.oid = m.mapdict
			join pg_ts_template t on t.oid = d.dicttemplate
			where m.mapcfg = c.config and t.tmplname not in ('simple', 'synonym', 'ispell', 'snowball')
		) as word_by_word
		from unnest(languages) with ordinality l (language, o)
		cross join lateral (select documents.config(l.language) as config) c
	)
	select case when l.word_by_word then to_tsvector(l.config, u.piece || ' 7') end
	from unnest(owners, pieces) with ordinality u (owner, piece, place)
	join language l on l.o = u.owner
	order by u.place;
end $$;

-- A row, so that plpgsql leaves the array as it came: it would unfold a long one, and fold it
-- again for each slice.
create type documents.vectors as (numbers real[]);

-- Stores all documents of a call. A document that is there under its path is
-- replaced, passages and all. jobs and job_paths: one for each job; paths to
-- attributes: one for each document, each path once; owners to signatures: one
-- for each passage, owners being positions in paths. words: of the body, null
-- where they are still to be found. vectors: one behind the other; that
-- of a passage ends at place ends and has `dimensions` numbers, 0: none.
--
-- Statements, not one: the deletion must see what another host committed while
-- the first waited for the row.
create function documents.put(
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

revoke execute on function documents.lexemes, documents.put(bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
	text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors) from public;
do $$
begin
	if exists (select from pg_roles where rolname = 'penstock_host') then
		grant usage on type documents.vectors to penstock_host;
		grant execute on function documents.lexemes,
			documents.put(bigint[], text[], text[], bytea[], text[], text[], text[], bigint[], text[], int[], int[],
			text[], text[], int[], int[], tsvector[], int[], int[], text[], documents.vectors) to penstock_host;
	end if;
end $$;
