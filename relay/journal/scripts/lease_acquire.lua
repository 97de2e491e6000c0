-- Take a partition's lease if it is free.
--
-- EVALSHA lease_acquire 1  lease  token ttl_ms
--
-- Returns 1 (it is the caller's) or 0 (it is somebody else's). Taking again what the same token holds
-- counts as taken, so that a repeated call is harmless.
--
-- key          type    reads                writes
-- lease        string  token                token, with expiry

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
