-- Free a partition's lease.
--
-- EVALSHA lease_release 1  lease  token
--
-- Returns 1 (freed) or 0 (it ended, or is somebody else's).
--
-- key          type    reads                writes
-- lease        string  token                deleted

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
