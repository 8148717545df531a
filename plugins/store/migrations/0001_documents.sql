-- SPDX-License-Identifier: BSD-2-Clause
-- 0001_documents: what the stage store writes, and the search over it.
--
-- Makes the schema documents with its tables and functions. Locks nothing that
-- exists; takes milliseconds. Needs a database in UTF-8.

create schema documents;
comment on schema documents is 'documents and their passages, written by the stage store of penstock';

create table documents.document (
	id         bigint      generated always as identity primary key,
	path       text        not null unique,
	sha256     bytea,
	title      text,
	language   text,
	mime       text,
	size       bigint,
	stored_at  timestamptz not null default now(),
	attributes jsonb       not null default '{}'
);
create index document_sha256 on documents.document (sha256);
create index document_language on documents.document (language);

-- heading is the path of headings above the passage; start and length are
-- bytes of the extracted text. signature has one bit for each dimension of the
-- vector, 1 where it is positive.
create table documents.passage (
	document  bigint not null references documents.document on delete cascade,
	n         int    not null,
	heading   text   not null,
	body      text   not null,
	start     int    not null,
	length    int    not null,
	terms     tsvector not null,
	vector    real[],
	signature varbit,
	primary key (document, n)
);
-- The search adds up vectors by the hundred: they stay in the row while they fit.
alter table documents.passage alter vector set storage main;
create index passage_terms on documents.passage using gin (terms);
-- The coarse look of the search reads this index alone.
create index passage_signature on documents.passage (document, n) include (signature);

-- One row for each job that was stored, in the transaction that settled it: a
-- job that took effect twice would break the key. May be pruned by age.
create table documents.effect (
	job      bigint      primary key,
	document bigint      not null,
	at       timestamptz not null default now()
);

-- ---- the vector of a text ----------------------------------------------------
--
-- The same as plugins/embed/features.c, for the one vector of a query: words
-- and their 3- to 5-grams, hashed with a sign into a fixed number of
-- dimensions (Weinberger et al., Feature Hashing for Large Scale Multitask
-- Learning, ICML 2009). test_embed.c compares the two.

-- Small letters by a table of ours: lower() depends on the database's locale.
create function documents.fold(text) returns text
language sql immutable strict parallel safe as $$
	select translate($1,
		'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶĹĻĽĿŁŃŅŇŹŻŽŸ',
		'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþαβγδεζηθικλμνξοπρστυφχψωϊϋабвгдежзийклмнопрстуфхцчшщъыьэюяѐёђѓєѕіїјљњћќѝўџāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷĺļľŀłńņňźżžÿ')
$$;

-- FNV-1a, 32 bits, over the bytes of the text in UTF-8.
create function documents.fnv1a(term text) returns bigint
language plpgsql immutable strict parallel safe as $$
declare
	bytes constant bytea := convert_to(term, 'UTF8');
	h bigint := 2166136261;
begin
	for i in 0 .. length(bytes) - 1 loop
		h := ((h # get_byte(bytes, i)) * 16777619) & 4294967295;
	end loop;
	return h;
end $$;

create function documents.embed(query text, dimensions int) returns real[]
language sql immutable strict parallel safe as $$
	with word as (
		select left(m[1], 40) as w
		from regexp_matches(documents.fold(query),
			'[0-9a-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u2c00-\u2fef\u3040-\ud7ff\uf900-\ufdff\U00010000-\U0010ffff]+',
			'g') m
	), feature as (
		select true as whole, documents.fnv1a('=' || w) as h from word
		union all
		select false, documents.fnv1a(substr('<' || w || '>', i, g))
		from word, generate_series(3, 5) g, generate_series(1, length(w) + 3 - g) i
	), weighed as (
		select h, (1 + ln(count(*)::double precision)) * case when whole then 1.0 else 0.25 end as w
		from feature group by whole, h
	), summed as (
		select ((h # (h >> 16)) % dimensions)::int as d,
		       sum(case when h >= 2147483648 then -w else w end) as x
		from weighed group by 1
	), norm as (
		select sqrt(sum(x * x)) as length from summed
	)
	select array_agg(coalesce(x / nullif(length, 0), 0)::real order by i)
	from generate_series(0, dimensions - 1) i left join summed on d = i cross join norm
$$;

-- ---- words -------------------------------------------------------------------

-- The configuration for a language as extract names it: "de", "de-AT", "german".
create function documents.config(language text) returns regconfig
language sql immutable parallel safe as $$
	select coalesce((
		select c.config from (values
			('ar', 'arabic'::regconfig), ('hy', 'armenian'), ('eu', 'basque'), ('ca', 'catalan'),
			('da', 'danish'), ('nl', 'dutch'), ('en', 'english'), ('fi', 'finnish'), ('fr', 'french'),
			('de', 'german'), ('el', 'greek'), ('hi', 'hindi'), ('hu', 'hungarian'),
			('id', 'indonesian'), ('ga', 'irish'), ('it', 'italian'), ('lt', 'lithuanian'),
			('ne', 'nepali'), ('no', 'norwegian'), ('nb', 'norwegian'), ('nn', 'norwegian'),
			('pt', 'portuguese'), ('ro', 'romanian'), ('ru', 'russian'), ('sr', 'serbian'),
			('es', 'spanish'), ('sv', 'swedish'), ('ta', 'tamil'), ('tr', 'turkish'), ('yi', 'yiddish')
		) c (code, config)
		where c.code = substring(lower(language) from '^([a-z]{2})(?:[-_]|$)')
		   or c.config::text = lower(language)
		limit 1), 'simple'::regconfig)
$$;

-- ---- storing -----------------------------------------------------------------

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

-- ---- searching ---------------------------------------------------------------

-- A query in the words of each language that is stored. any_word: passages with
-- one of its words are enough.
create function documents.question(query text, any_word boolean default false) returns tsquery
language plpgsql stable
set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
	c regconfig;
	part tsquery;
	question tsquery;
begin
	for c in
		select distinct documents.config(l.language)
		from (select distinct d.language from documents.document d) l
	loop
		if any_word then
			select string_agg('''' || replace(replace(t.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
			into part from unnest(to_tsvector(c, query)) t;
		else
			part := websearch_to_tsquery(c, query);
		end if;
		question := coalesce(question || part, question, part);
	end loop;
	return question;
end $$;

-- The words of a query with their weights: a word that few passages have says more
-- than one that many have, ln(1 + N / df) (Robertson, Understanding Inverse
-- Document Frequency, Journal of Documentation 60, 2004). One that is a stop word in a
-- part of the documents' languages counts by the share of the others.
create function documents.weights(query text)
returns table (word tsquery, weight double precision)
language sql stable
set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
	with config as (
		select documents.config(d.language) as c, count(*) / sum(count(*)) over () as share
		from documents.document d group by 1
	), word as (
		select string_agg(distinct '''' || replace(replace(t.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery as word,
		       sum(config.share) as share
		from config, unnest(to_tsvector(config.c, query)) t group by t.positions[1]
	), counted as (
		select w.word, w.share, (select count(*) from documents.passage p where p.terms @@ w.word) as df,
		       (select count(*) from documents.passage) as n
		from word w
	)
	select word, share * ln(1 + n::double precision / df) from counted where df > 0 order by 2 desc limit 50
$$;

-- The passages that answer a query best, in PostgreSQL's web search syntax
-- ("a phrase", or, -without). The score, 0 to 1, mixes two: the weights of the
-- words that a passage has, each saturating as it repeats (as in BM25), and the
-- cosine of its vector. Both look at candidates only: 2000 passages that match by
-- words, those with the rarest words first, and the 1000 whose signs agree best
-- with the query's on the dimensions that the query has (after Charikar, STOC 2002).
create function documents.search(query text, n int default 10)
returns table (title text, path text, heading text, passage text, score double precision)
language plpgsql stable rows 10
set search_path = pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
declare
	most      constant int  := least(greatest(coalesce(n, 10), 1), 200);
	by_words  constant double precision := 0.7; -- the rest goes by vectors
	half      constant double precision := 0.03; -- ts_rank of one or two occurrences: they count half
	asked     constant text := left(coalesce(query, ''), 1000);
	-- what is not wanted does not pull passages near
	wanted    constant text := regexp_replace(asked, '(^|\s)-("[^"]*"?|\S+)', ' ', 'g');
	question  tsquery := documents.question(asked);
	size      int;
	vec       real[];
	signs     varbit;
	mask      varbit;
	words     tsquery[];
	weights   double precision[];
begin
	if not exists (select from documents.passage p where p.terms @@ question) then
		question := documents.question(wanted, true);
	end if;
	select coalesce(array_agg(w.word order by w.weight desc), '{}'), coalesce(array_agg(w.weight order by w.weight desc), '{}')
	into words, weights from documents.weights(wanted) w;

	-- vectors of one size compare: that of the newest document
	select length(p.signature) into size from documents.passage p
	where p.signature is not null order by p.document desc, p.n desc limit 1;
	if size is not null then
		vec := documents.embed(wanted, size);
		select string_agg(case when v > 0 then '1' else '0' end, '' order by i)::varbit,
		       string_agg(case when v <> 0 then '1' else '0' end, '' order by i)::varbit
		into signs, mask from unnest(vec) with ordinality u (v, i);
	end if;
	if bit_count(mask) = 0 then
		mask := null;
	end if;

	return query
	with near as (
		select p.document, p.n from documents.passage p
		where mask is not null and length(p.signature) = size
		order by bit_count((p.signature # signs) & mask), p.document, p.n
		limit 1000
	), said as (
		select m.document, m.n
		from unnest(words) with ordinality u (word, place)
		cross join lateral (select p.document, p.n from documents.passage p where p.terms @@ u.word and p.terms @@ question limit 2000) m
		group by m.document, m.n order by min(u.place), m.document, m.n limit 2000
	), candidate as materialized (
		select document, n from near
		union
		select document, n from said
	), rated as (
		select p.document, p.n,
		       case when p.terms @@ question
		            then (select sum(w * r / (r + half))
		                  from (select u.w, ts_rank(p.terms, u.q)::double precision as r from unnest(words, weights) u (q, w)) t)
		       end as said,
		       case when mask is not null and length(p.signature) = size
		            then (select sum(a * b) from unnest(p.vector, vec) u (a, b))
		       end as cosine
		from candidate join documents.passage p using (document, n)
	), fused as (
		select document, n,
		       by_words * coalesce(said / nullif((select sum(w) from unnest(weights) w), 0), 0) +
		       (1 - by_words) * greatest(coalesce(cosine, 0), 0) as score
		from rated
		order by score desc, document, n limit most
	)
	select coalesce(d.title, d.path), d.path, p.heading, p.body, f.score
	from fused f
	join documents.passage p using (document, n)
	join documents.document d on d.id = f.document
	where f.score > 0
	order by f.score desc, f.document, f.n;
end $$;

-- ---- who may -----------------------------------------------------------------

revoke execute on all functions in schema documents from public;

do $$
begin
	if exists (select from pg_roles where rolname = 'penstock_host') then
		grant usage on schema documents to penstock_host;
		grant select, insert, update, delete on all tables in schema documents to penstock_host;
		grant execute on all functions in schema documents to penstock_host;
	end if;
	if exists (select from pg_roles where rolname = 'penstock_read') then
		grant usage on schema documents to penstock_read;
		grant select on all tables in schema documents to penstock_read;
		grant execute on function documents.fold, documents.fnv1a, documents.embed, documents.config,
			documents.question, documents.weights,
			documents.search to penstock_read;
	end if;
end $$;
