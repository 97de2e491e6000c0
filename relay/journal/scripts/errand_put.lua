-- Ask the partition's owner to do something for a subscription, and tell of it in the journal.
--
-- EVALSHA errand_put 4  events subs errands attempts
--                       account sub id errand record cap of_one (score delivery attempts_ms)?
--
-- The last arguments have a delivery kept from now on, `<event> <delivery>`. Returns 1 (written), 0 (there is no
-- such subscription), or -1 (`cap` errands wait, or `of_one` of the subscription).
--
-- key             type    reads                writes
-- events          stream                       one entry
-- subs            hash    (whether it is in)
-- errands         hash    size, all of them    the errand
-- attempts:<sub>  zset    (type)               the delivery by place; expiry

local events, subs, errands, attempts = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

redis.call('ZCARD', attempts)
local size = redis.call('HLEN', errands)
local sub, cap, of_one = ARGV[2], tonumber(ARGV[6]), tonumber(ARGV[7])
if redis.call('HEXISTS', subs, sub) == 0 then
  return 0
end
if size >= cap then
  return -1
end
if size >= of_one then
  for _, errand in ipairs(redis.call('HVALS', errands)) do
    of_one = of_one - (errand:find('"' .. sub .. '"', 1, true) and 1 or 0)
  end
  if of_one <= 0 then
    return -1
  end
end

redis.call('XADD', events, '*', 'k', 'subscription', 'a', ARGV[1], 'd', ARGV[5])
redis.call('HSET', errands, ARGV[3], ARGV[4])
if ARGV[8] then
  redis.call('ZADD', attempts, ARGV[8], ARGV[9])
  redis.call('PEXPIRE', attempts, ARGV[10])
end
return 1
