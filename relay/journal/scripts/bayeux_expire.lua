-- End a Bayeux session that is past its time, by the server's clock, and say so in the journal. Owner script.
--
-- EVALSHA bayeux_expire 5  lease bayeux bayeux-due bayeux-users events  token client
--
-- Returns nil (the lease is not the caller's), 1, or 0 (its client was heard of meanwhile, or it is gone).
--
-- key              type    reads                writes
-- lease            string  token
-- bayeux:<client>  hash    account user         deleted
-- bayeux-due       zset    its time             the session out
-- bayeux-users     hash    the user's sessions  one less
-- events           stream                       a record

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
local client = ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZSCORE', KEYS[3], client)
if not due or tonumber(due) > now then
  return 0
end
local session = redis.call('HMGET', KEYS[2], 'account', 'user')
if not session[1] then
  redis.call('ZREM', KEYS[3], client)
  return 0
end
local owner = session[1] .. '/' .. session[2]
local last = tonumber(redis.call('HGET', KEYS[4], owner) or 0) <= 1

redis.call('XADD', KEYS[5], '*', 'k', 'bayeux', 'a', session[1],
  'd', '{"client":"' .. client .. '","change":"expired"}')
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], client)
if last then
  redis.call('HDEL', KEYS[4], owner)
else
  redis.call('HINCRBY', KEYS[4], owner, -1)
end
return 1
