-- Show that a Bayeux session's client is alive: it lives for ttl_ms from now at least.
--
-- EVALSHA bayeux_touch 2  bayeux bayeux-due  client account user ttl_ms
--
-- Returns 1, or 0 (the user has no such session).
--
-- key              type    reads                writes
-- bayeux:<client>  hash    account user
-- bayeux-due       zset                         when the session expires

local session = redis.call('HMGET', KEYS[1], 'account', 'user')
if session[1] ~= ARGV[2] or session[2] ~= ARGV[3] then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], 'GT', string.format('%.0f', now + ARGV[4]), ARGV[1])
return 1
