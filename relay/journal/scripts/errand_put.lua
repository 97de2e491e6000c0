-- Ask the partition's owner to do something for a subscription, and tell of it in the journal.
--
-- EVALSHA errand_put 3  events subs errands  account sub id errand record cap
--
-- Returns 1 (written), 0 (there is no such subscription), or -1 (`cap` errands wait).
--
-- key      type    reads                writes
-- events   stream                       one entry
-- subs     hash    (whether it is in)
-- errands  hash    size                 the errand

local events, subs, errands = KEYS[1], KEYS[2], KEYS[3]

local size = redis.call('HLEN', errands)
if redis.call('HEXISTS', subs, ARGV[2]) == 0 then
  return 0
end
if size >= tonumber(ARGV[6]) then
  return -1
end

redis.call('XADD', events, '*', 'k', 'subscription', 'a', ARGV[1], 'd', ARGV[5])
redis.call('HSET', errands, ARGV[3], ARGV[4])
return 1
