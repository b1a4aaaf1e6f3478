-- @runs
select packed from run where id = ?;
-- @scopes
select packed from scope where run = ? and path = ?;
-- @steps
select packed from step where run = ? and path = ?;
-- @attempts
select packed from attempt where run = ? and path = ? and number = ?;
-- @values
select run, path, port, packed from value where run = ? and path = ? and port = ?;
-- @chunks
select run, path, param, number, data from chunk where run = ? and path = ? and param = ? and number = ?;
-- @blobs
select digest, size from blob where digest = ? and deleting = 0;
-- @limits
select packed from limit_row where key = ?;
-- @cached
select packed from cached where key = ?;
-- @schedules
select packed from schedule where name = ?;
-- @submit_keys
select packed from submit_key where name = ?;
-- @waits
select packed from wait where run = ? and path = ?;
-- @mailboxes
select packed from mailbox where run = ? and kind = ? and name = ? and key = ?;
-- @signals
select packed from signal where run = ? and kind = ? and name = ? and key = ? and id = ?;
-- @told
select packed from emitted where run = ? and type = ? order by number desc limit 1;
-- @attributes
select packed from attribute where run = ? and path = ?;
-- @shelves
select packed from shelf where owner = ? and kind = ? and name = ?;
-- @kept
select packed from kept where owner = ? and name = ? and key = ?;
