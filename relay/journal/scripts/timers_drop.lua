-- Take a timer out that has run or cannot run. Owner script.
--
-- EVALSHA timers_drop 2  lease timers  token timer
--
-- Returns nil (the lease is not the caller's) or how many went (0: it was gone).
--
-- key          type    reads                writes
-- lease        string  token
-- timers       zset                         the timer out

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
return redis.call('ZREM', KEYS[2], ARGV[2])
