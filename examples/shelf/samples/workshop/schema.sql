-- The least that a durable queue has to remember.
create table step (
    id         integer primary key,
    run_id     text    not null,
    path       text    not null,          -- its place in the run
    status     text    not null check (status in ('ready', 'leased', 'succeeded', 'failed')),
    attempt    integer not null default 0, -- the fence: a report with an older number is refused
    lease_until integer,
    result     blob,
    unique (run_id, path)
) strict;

create index step_ready on step (id) where status = 'ready';
