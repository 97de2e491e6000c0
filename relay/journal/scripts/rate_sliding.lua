-- Count a request in a window that slides, or refuse it: once over, a user waits out a penalty, which every
-- request sent meanwhile begins anew.
--
-- EVALSHA rate_sliding 2  rate penalty  quota window_ms penalty_ms
--
-- Returns {1, used} (counted; the requests of the last window, this one included) or {0, used} (refused).
--
-- key                          type    reads                writes
-- rate:<group>:<user>          zset    size                 one entry per request by its time, with expiry
-- rate:<group>-penalty:<user>  string  whether it is there  a mark with expiry

local rate, penalty = KEYS[1], KEYS[2]
local quota, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local waits = redis.call('EXISTS', penalty) == 1
local used = redis.call('ZCOUNT', rate, string.format('(%.0f', now - window * 1000), '+inf')
if waits or used >= quota then
  redis.call('SET', penalty, '', 'PX', ARGV[3])
  return {0, used}
end
redis.call('ZREMRANGEBYSCORE', rate, '-inf', string.format('%.0f', now - window * 1000))
redis.call('ZADD', rate, string.format('%.0f', now), string.format('%.0f:%d', now, used))
redis.call('PEXPIRE', rate, window)
return {1, used + 1}
