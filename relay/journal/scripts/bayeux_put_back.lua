-- Put back what was taken for a connect of a Bayeux session whose client has not got it.
--
-- EVALSHA bayeux_put_back 3  bayeux bayeux-due events  client gen taken cursor ttl_ms
--
-- `taken` is where the cursor was moved to, `cursor` where it was before: equal if nothing was taken.
-- A later connect that already goes on from `taken`, wherever it is held, is told by a journal record.
-- Returns 1, or 0 (the session is gone, or a later connect has been answered).
--
-- key              type    reads                writes
-- bayeux:<client>  hash    gen cursor account   cursor; changed: the record's id
-- bayeux-due       zset    (type)               when the session expires
-- events           stream                       a record, if there is a later connect

local client, taken, cursor = ARGV[1], ARGV[3], ARGV[4]
local session = redis.call('HMGET', KEYS[1], 'gen', 'cursor', 'account')
if not session[1] then
  return 0
end
redis.call('ZCARD', KEYS[2])
if session[1] == ARGV[2] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[5]), client)
  redis.call('HSET', KEYS[1], 'cursor', cursor)
  return 1
end
if session[2] ~= taken or taken == cursor then
  return 0
end
local id = redis.call('XADD', KEYS[3], '*', 'k', 'bayeux', 'a', session[3],
  'd', '{"client":"' .. client .. '","change":"put-back"}')
redis.call('HSET', KEYS[1], 'cursor', cursor, 'changed', id)
return 1
