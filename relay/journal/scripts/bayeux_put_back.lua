-- Put back what was taken for a connect of a Bayeux session whose client has not got it.
--
-- EVALSHA bayeux_put_back 3  bayeux bayeux-due events  client gen taken cursor ttl_ms
--
-- `taken` is where the cursor was or may have been moved to, `cursor` where it was before. What another connect has
-- moved there is not put back: its client was told. Afterwards the connect can take nothing any more, not even by a
-- command that is still on its way. A later connect that already goes on from `taken`, wherever it is held, is told
-- by a journal record.
-- Returns 1 (the cursor is where it was) or 0 (the session is gone, or a later connect has been answered).
--
-- key              type    reads                writes
-- bayeux:<client>  hash    gen cursor account   gen held cursor; changed: the record's id
--                          by
-- bayeux-due       zset    (type)               when the session expires
-- events           stream                       a record, if there is a later connect

local client, taken, cursor = ARGV[1], ARGV[3], ARGV[4]
local session = redis.call('HMGET', KEYS[1], 'gen', 'cursor', 'account', 'by')
if not session[1] then
  return 0
end
redis.call('ZCARD', KEYS[2])
local last = session[1] == ARGV[2]
local moved = taken ~= cursor and session[2] == taken and session[4] == ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if last then
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[5]), client)
  redis.call('HINCRBY', KEYS[1], 'gen', 1)
  redis.call('HSET', KEYS[1], 'held', 0)
elseif moved then
  local id = redis.call('XADD', KEYS[3], '*', 'k', 'bayeux', 'a', session[3],
    'd', '{"client":"' .. client .. '","change":"put-back"}')
  redis.call('HSET', KEYS[1], 'changed', id)
end
if moved then
  redis.call('HSET', KEYS[1], 'cursor', cursor)
end
return (moved or session[2] == cursor) and 1 or 0
