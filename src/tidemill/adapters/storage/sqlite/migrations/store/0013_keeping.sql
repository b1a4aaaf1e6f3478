-- What retention and collection look for (docs/design/keeping.md). `ended_at` is null of a hidden run; it is filled for
-- older rows at opening.

alter table run add column ended_at integer;
create index run_ended on run (workflow, status, ended_at, id) where ended_at is not null;
alter table run add column origin blob;
create index run_by_origin on run (origin, id) where origin is not null and ended_at is null;

-- A blob that is `deleting` counts as missing. What was there before counts as touched when the server was last in use.
alter table blob add column touched_at integer not null default 0;
alter table blob add column deleting integer not null default 0;
update blob set touched_at = coalesce((select max(seen_at) from session), 0);
create index blob_leaving on blob (digest) where deleting = 1;
