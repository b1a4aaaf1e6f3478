-- Keys of submissions, each with the run that a further submission with it gets (docs/design/control.md).

create table submit_key (
  name blob primary key,
  expires_at integer not null,
  packed blob not null
) strict, without rowid;
create index submit_key_by_expiry on submit_key (expires_at, name);
