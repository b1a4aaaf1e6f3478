-- @make_id
insert into meta (name, value) values ('id', ?) on conflict (name) do nothing;
-- @id
select value from meta where name = 'id';
