-- Put dead letters back into their subscription's queue, and tell of it in the journal.
--
-- EVALSHA dead_redrive 6+n  events subs ready queue attempts dead parked*n
--                           account sub record attempts_ms (event score letter delivery)*n
--
-- Returns how many were put back, or -1 (there is no such subscription). Left are those that are not kept as
-- `letter` any more, and those whose record is kept nowhere.
--
-- key             type    reads                writes
-- events          stream  the event            one entry
-- subs            hash    (whether it is in)
-- ready           set     (type)               the subscription in
-- queue:<sub>     zset    (type)               events by place
-- attempts:<sub>  zset    (type)               "<event> <delivery>" by place; expiry
-- dead:<sub>      zset    the letter           letters out
-- parked:<event>  hash    (whether it is in)   sub -> live; no expiry

local events, subs, ready, queue, attempts, dead = unpack(KEYS, 1, 6)
local account, sub, record, attempts_ms = unpack(ARGV, 1, 4)

redis.call('SCARD', ready)
redis.call('ZCARD', queue)
redis.call('ZCARD', attempts)
if redis.call('HEXISTS', subs, sub) == 0 then
  return -1
end
local wanted = {}
for i = 7, #KEYS do
  local at = 5 + (i - 7) * 4
  local one = {event = ARGV[at], score = ARGV[at + 1], letter = ARGV[at + 2], delivery = ARGV[at + 3]}
  if redis.call('ZSCORE', dead, one.letter) then
    if redis.call('HEXISTS', KEYS[i], 'body') == 1 then
      one.parked = KEYS[i]
      wanted[#wanted + 1] = one
    elseif redis.call('XRANGE', events, one.event, one.event)[1] then
      wanted[#wanted + 1] = one
    end
  end
end
if not wanted[1] then
  return 0
end

redis.call('XADD', events, '*', 'k', 'subscription', 'a', account, 'd', record)
redis.call('SADD', ready, sub)
for _, one in ipairs(wanted) do
  redis.call('ZREM', dead, one.letter)
  redis.call('ZADD', queue, one.score, one.event)
  redis.call('ZADD', attempts, one.score, one.event .. ' ' .. one.delivery)
  if one.parked then
    redis.call('HSET', one.parked, sub, 'live')
    redis.call('PERSIST', one.parked)
  end
end
redis.call('PEXPIRE', attempts, attempts_ms)
return #wanted
