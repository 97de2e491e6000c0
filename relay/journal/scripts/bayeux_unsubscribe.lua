-- Take subscriptions from a Bayeux session, and say so in the journal.
--
-- EVALSHA bayeux_unsubscribe 3  bayeux bayeux-due events  client account user ttl_ms  pattern*
--
-- Returns 1, or 0 (the user has no such session). What it was not subscribed to is passed over.
--
-- key              type    reads                writes
-- bayeux:<client>  hash    account user sub:*   - sub:<pattern>; changed: the record's id
-- bayeux-due       zset    (type)               when the session expires
-- events           stream                       a record, if a subscription goes

local client, account = ARGV[1], ARGV[2]
local session = redis.call('HMGET', KEYS[1], 'account', 'user')
if session[1] ~= account or session[2] ~= ARGV[3] then
  return 0
end
redis.call('ZCARD', KEYS[2])
local known = {}
for i = 5, #ARGV do
  if redis.call('HEXISTS', KEYS[1], 'sub:' .. ARGV[i]) == 1 then
    known[#known + 1] = 'sub:' .. ARGV[i]
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if #known > 0 then
  local id = redis.call('XADD', KEYS[3], '*', 'k', 'bayeux', 'a', account,
    'd', '{"client":"' .. client .. '","change":"unsubscribed"}')
  redis.call('HSET', KEYS[1], 'changed', id)
  for _, field in ipairs(known) do
    redis.call('HDEL', KEYS[1], field)
  end
end
redis.call('ZADD', KEYS[2], 'GT', string.format('%.0f', now + ARGV[4]), client)
return 1
