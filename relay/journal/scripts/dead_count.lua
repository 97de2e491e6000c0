-- Count the dead letters of some subscriptions, and forget that those have any which have none.
--
-- EVALSHA dead_count 1+n  with-dead dead:<sub>*n  sub*n
--
-- Returns how many there are. A key of the wrong type counts as empty.
--
-- key         type  reads  writes
-- with-dead   set          subscriptions without dead letters out
-- dead:<sub>  zset  size

local letters = 0
for i = 2, #KEYS do
  local size = redis.pcall('ZCARD', KEYS[i])
  if type(size) == 'number' and size > 0 then
    letters = letters + size
  else
    redis.call('SREM', KEYS[1], ARGV[i - 1])
  end
end
return letters
