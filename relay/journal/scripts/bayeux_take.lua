-- Take what a connect of a Bayeux session is about to be answered with: the cursor moves behind it.
--
-- EVALSHA bayeux_take 2  bayeux bayeux-due  client gen cursor ttl_ms
--
-- Returns 1 (it is the caller's to answer), 0 (a later connect has begun) or -1 (the session is gone).
--
-- key              type    reads                writes
-- bayeux:<client>  hash    gen                  cursor
-- bayeux-due       zset                         when the session expires

local gen = redis.call('HGET', KEYS[1], 'gen')
if not gen then
  return -1
end
if gen ~= ARGV[2] then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[4]), ARGV[1])
redis.call('HSET', KEYS[1], 'cursor', ARGV[3])
return 1
