-- Add subscriptions to a Bayeux session, and say so in the journal: each is matched by entries after that record.
--
-- EVALSHA bayeux_subscribe 3  bayeux bayeux-due events  client account user ttl_ms limit  pattern*
--
-- Returns nil (the user has no such session), 0 (it would have more than `limit` subscriptions: none is added)
-- or 1. A subscription it has already stays as it is.
--
-- key              type    reads                writes
-- bayeux:<client>  hash    account user sub:*   sub:<pattern> changed: the record's id
-- bayeux-due       zset    (type)               when the session expires
-- events           stream                       a record, if there is a new subscription

local client, account = ARGV[1], ARGV[2]
local session = redis.call('HMGET', KEYS[1], 'account', 'user')
if session[1] ~= account or session[2] ~= ARGV[3] then
  return false
end
redis.call('ZCARD', KEYS[2])
local had = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field:sub(1, 4) == 'sub:' then
    had = had + 1
  end
end
local fresh, seen = {}, {}
for i = 6, #ARGV do
  local field = 'sub:' .. ARGV[i]
  if not seen[field] and redis.call('HEXISTS', KEYS[1], field) == 0 then
    seen[field] = true
    fresh[#fresh + 1] = field
  end
end
if had + #fresh > tonumber(ARGV[5]) then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if #fresh > 0 then
  local id = redis.call('XADD', KEYS[3], '*', 'k', 'bayeux', 'a', account,
    'd', '{"client":"' .. client .. '","change":"subscribed"}')
  redis.call('HSET', KEYS[1], 'changed', id)
  for _, field in ipairs(fresh) do
    redis.call('HSET', KEYS[1], field, id)
  end
end
redis.call('ZADD', KEYS[2], 'GT', string.format('%.0f', now + ARGV[4]), client)
return 1
