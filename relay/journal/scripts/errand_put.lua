-- Ask the partition's owner to do something for a subscription, and tell of it in the journal.
--
-- EVALSHA errand_put 4  events subs errands attempts  account sub id errand record cap (score delivery attempts_ms)?
--
-- The last arguments have a delivery kept from now on, `<event> <delivery>`. Returns 1 (written), 0 (there is no such subscription), or -1 (`cap` errands wait).
--
-- key             type    reads                writes
-- events          stream                       one entry
-- subs            hash    (whether it is in)
-- errands         hash    size                 the errand
-- attempts:<sub>  zset    (type)               the delivery by place; expiry

local events, subs, errands, attempts = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

redis.call('ZCARD', attempts)
local size = redis.call('HLEN', errands)
if redis.call('HEXISTS', subs, ARGV[2]) == 0 then
  return 0
end
if size >= tonumber(ARGV[6]) then
  return -1
end

redis.call('XADD', events, '*', 'k', 'subscription', 'a', ARGV[1], 'd', ARGV[5])
redis.call('HSET', errands, ARGV[3], ARGV[4])
if ARGV[7] then
  redis.call('ZADD', attempts, ARGV[7], ARGV[8])
  redis.call('PEXPIRE', attempts, ARGV[9])
end
return 1
