-- List Bayeux sessions that are past their time, by the server's clock. Owner script; nothing is taken out.
--
-- EVALSHA bayeux_due 2  lease bayeux-due  token limit
--
-- Returns nil (the lease is not the caller's) or the clients, at most `limit`, the longest past first.
--
-- key              type    reads                writes
-- lease            string  token
-- bayeux-due       zset    earliest entries

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])
