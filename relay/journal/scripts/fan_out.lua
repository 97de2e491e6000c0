-- Add events to the queues of the subscriptions they match, and move the fan-out cursor past them. Owner script.
--
-- EVALSHA fan_out 4+n  lease cursor ready subs queue*n  token expected new (subscription count (score event)*count)*n
--
-- Returns nil (the lease is not the caller's), {0} (the cursor is not where the caller read it; nothing is
-- written), or {1, subscription...}: done, but for these subscriptions, which are deleted or have no queue that could
-- take anything.
--
-- key          type    reads                writes
-- lease        string  token
-- cursor       string  value                new position
-- ready        set     (type)               subscriptions that got something
-- subs         hash    (whether it is in)
-- queue:<sub>  zset    (type)               events by place

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
local cursor, ready, subs = KEYS[2], KEYS[3], KEYS[4]
if (redis.call('GET', cursor) or '') ~= ARGV[2] then
  return {0}
end

local done, additions = {1}, {}
local at = 4
redis.call('SCARD', ready)
for i = 5, #KEYS do
  local subscription, last = ARGV[at], at + 1 + 2 * tonumber(ARGV[at + 1])
  if redis.call('HEXISTS', subs, subscription) == 1 and type(redis.pcall('ZCARD', KEYS[i])) == 'number' then
    additions[#additions + 1] = {queue = KEYS[i], subscription = subscription, first = at + 2, last = last}
  else
    done[#done + 1] = subscription
  end
  at = last + 1
end

redis.call('SET', cursor, ARGV[3])
for _, addition in ipairs(additions) do
  redis.call('ZADD', addition.queue, unpack(ARGV, addition.first, addition.last))
  redis.call('SADD', ready, addition.subscription)
end
return done
