-- Runs that a task of another run started.

alter table run add column parent blob;
create index run_by_parent on run (parent, id) where parent is not null;
