-- End a login, and say so in the journal: what was opened by it is closed, at whichever process.
--
-- EVALSHA token_revoke 4  events token partner login  account login
--
-- Returns the record's id.
--
-- key                   type    reads  writes
-- events                stream         a record
-- token:<token>         string         gone
-- token:<partner>       string         gone
-- token:<login>         string         gone

local id = redis.call('XADD', KEYS[1], '*', 'k', 'login', 'a', ARGV[1], 'd', '{"client":"' .. ARGV[2] .. '"}')
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
return id
