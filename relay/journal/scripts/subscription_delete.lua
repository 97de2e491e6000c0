-- Delete a subscription, and tell of it in the journal; the partition's owner clears away what is queued for it.
--
-- EVALSHA subscription_delete 4  events subs subs:<account> ready  account id record rev
--
-- A rev that is not empty is the one the subscription must be at.
-- Returns 1, or 0 if the account has no such subscription, or none at that rev.
--
-- key             type    reads                writes
-- events          stream                       one entry
-- subs            hash    rev                  the subscription out
-- subs:<account>  zset    (whether it is in)   id out
-- ready           set     (type)               id in, so that an owner finds what there is to clear

local events, subs, owned, ready = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local account, id, record, rev = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

redis.call('SCARD', ready)
local stored = redis.call('HGET', subs, id)
if not redis.call('ZSCORE', owned, id) then
  return 0
end
if rev ~= '' and not (stored and stored:match('^%S+ (%S+) ') == rev) then
  return 0
end

redis.call('XADD', events, '*', 'k', 'subscription', 'a', account, 'd', record)
redis.call('HDEL', subs, id)
redis.call('ZREM', owned, id)
redis.call('SADD', ready, id)
return 1
