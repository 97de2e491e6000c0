-- Count a request in its user's window; the window begins with its first request.
--
-- EVALSHA rate 1  rate  window_ms
--
-- Returns {count, left_ms}: the requests of this window so far, this one included, and the time until it ends.
--
-- key                  type    reads                writes
-- rate:<scope>:<user>  string  time to live         count, with expiry

local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {count, left}
