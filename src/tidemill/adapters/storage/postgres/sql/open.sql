-- @server
select current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery();
-- @schema
select to_regnamespace($1) is not null, coalesce(has_schema_privilege(to_regnamespace($1), 'usage'), false);
-- @version
select number from tidemill_schema;
-- @is_ours
select to_regclass($1) is not null;
-- @tables
select count(*) from pg_class where relnamespace = to_regnamespace($1) and relkind in ('r', 'p', 'v', 'm', 'S');
-- @lock
select pg_advisory_xact_lock(hashtextextended($1, 7));
-- @begin_schema
create table if not exists tidemill_schema (number integer not null);
-- @set_version
with gone as (delete from tidemill_schema) insert into tidemill_schema (number) values ($1);
-- @make
insert into meta (name, value) values ($1, $2) on conflict (name) do nothing;
-- @kept
select value from meta where name = $1;
