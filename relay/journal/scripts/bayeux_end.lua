-- End a Bayeux session, and say so in the journal: a connect held elsewhere is released by it.
--
-- EVALSHA bayeux_end 4  bayeux bayeux-due bayeux-users events  client account user change ttl_ms
--
-- `change` is why it ends, one word; it can be read for ttl_ms by a connect that is still held.
-- Returns 1, or 0 (the user has no such session).
--
-- key              type    reads                writes
-- bayeux:<client>  hash    account user         nothing but ended: the change; expiry
-- bayeux-due       zset    (type)               the session out
-- bayeux-users     hash    the user's sessions  one less
-- events           stream                       a record

local client, account = ARGV[1], ARGV[2]
local session = redis.call('HMGET', KEYS[1], 'account', 'user')
if session[1] ~= account or session[2] ~= ARGV[3] then
  return 0
end
local owner = account .. '/' .. session[2]
redis.call('ZCARD', KEYS[2])
local last = tonumber(redis.call('HGET', KEYS[3], owner) or 0) <= 1

redis.call('XADD', KEYS[4], '*', 'k', 'bayeux', 'a', account,
  'd', '{"client":"' .. client .. '","change":"' .. ARGV[4] .. '"}')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZREM', KEYS[2], client)
if last then
  redis.call('HDEL', KEYS[3], owner)
else
  redis.call('HINCRBY', KEYS[3], owner, -1)
end
return 1
