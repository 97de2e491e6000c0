-- Drop dead letters of a subscription.
--
-- EVALSHA dead_purge 1+n  dead parked*n  sub letter*n
--
-- Returns how many were dropped.
--
-- key             type    reads                writes
-- dead:<sub>      zset    (type)               letters out
-- parked:<event>  hash    holders              sub out, or the whole record if nobody else needs it

local dead, sub = KEYS[1], ARGV[1]

-- The record's own fields: every other one is a holder.
local own = {kind = true, account = true, body = true}

redis.call('ZCARD', dead)
local held = {}
for i = 2, #KEYS do
  local fields = redis.call('HGETALL', KEYS[i])
  local mine, others = false, false
  for at = 1, #fields, 2 do
    mine = mine or (fields[at] == sub and fields[at + 1] == 'dead')
    others = others or (fields[at] ~= sub and not own[fields[at]])
  end
  held[i] = mine and (others and 'HDEL' or 'DEL')
end

local dropped = 0
for i = 2, #KEYS do
  if redis.call('ZREM', dead, ARGV[i]) == 1 then
    dropped = dropped + 1
    if held[i] == 'DEL' then
      redis.call('DEL', KEYS[i])
    elseif held[i] then
      redis.call('HDEL', KEYS[i], sub)
    end
  end
end
return dropped
