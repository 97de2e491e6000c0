-- Prolong a partition's lease.
--
-- EVALSHA lease_renew 1  lease  token ttl_ms
--
-- Returns 1 (prolonged) or 0 (it ended, or is somebody else's).
--
-- key          type    reads                writes
-- lease        string  token                expiry

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
