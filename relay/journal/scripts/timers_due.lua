-- List the timers that are due, by the server's clock. Owner script; nothing is taken out.
--
-- EVALSHA timers_due 2  lease timers  token limit
--
-- Returns nil (the lease is not the caller's) or {pause_ms, timer...}: the earliest due timers, at most
-- `limit`, and the time until the next one after now is due (-1: there is none).
--
-- key          type    reads                writes
-- lease        string  token
-- timers       zset    earliest entries

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

local due = redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])
local following = redis.call('ZRANGE', KEYS[2], '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
local found = {following[2] and math.ceil(following[2] - now) or -1}
for i = 1, #due do
  found[i + 1] = due[i]
end
return found
