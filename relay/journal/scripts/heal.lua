-- Take sessions whose record is gone out of an account's live set.
--
-- EVALSHA heal 1+n  live  call*n  (session)*n
--
-- Returns how many it took out.
--
-- key          type    reads                writes
-- live         set                          - sessions without a record
-- call:<id>    hash    (existence)

local gone = 0
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    gone = gone + redis.call('SREM', KEYS[1], ARGV[i - 1])
  end
end
return gone
