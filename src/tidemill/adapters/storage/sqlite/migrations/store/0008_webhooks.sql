-- What operators register (webhooks, endpoints, hooks) and what is to be sent (docs/design/webhooks.md).

create table registered (
  kind text not null,
  name text not null,
  packed blob not null,
  primary key (kind, name)
) strict, without rowid;

-- `due_at` is null once a delivery has ended; then it is the log.
create table outbox (
  id blob primary key,
  hook text not null,
  due_at integer,
  packed blob not null
) strict, without rowid;
create index outbox_by_hook on outbox (hook, id);
create index outbox_by_due on outbox (hook, due_at, id) where due_at is not null;
create index outbox_ended on outbox (hook, id) where due_at is null;
