-- Take what a connect of a Bayeux session is about to be answered with: the cursor moves behind it.
--
-- EVALSHA bayeux_take 2  bayeux bayeux-due  client gen changed cursor ttl_ms
--
-- `changed` is the last record about the session that the caller knows of: with another one, what it collected
-- may not be what the session is subscribed to.
-- Returns 1 (it is the caller's to answer), 0 (a later connect has begun), -1 (the session is gone) or -2 (the
-- session has changed).
--
-- key              type    reads                writes
-- bayeux:<client>  hash    gen changed          cursor
-- bayeux-due       zset                         when the session expires

local session = redis.call('HMGET', KEYS[1], 'gen', 'changed')
if not session[1] then
  return -1
end
if session[1] ~= ARGV[2] then
  return 0
end
if session[2] ~= ARGV[3] then
  return -2
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[5]), ARGV[1])
redis.call('HSET', KEYS[1], 'cursor', ARGV[4])
return 1
