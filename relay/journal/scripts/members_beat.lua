-- Show that a member is alive, and forget those that are not, by the server's clock.
--
-- EVALSHA members_beat 1  relay:members  member ttl_ms
--
-- Returns how many members are alive, the caller among them. Heartbeats far ahead of the clock are from
-- before it was set back; whoever is alive beats again.
--
-- key            type    reads                writes
-- relay:members  zset    count                the member's time; silent members out

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[2])

redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ttl))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + ttl), '+inf')
return redis.call('ZCARD', KEYS[1])
