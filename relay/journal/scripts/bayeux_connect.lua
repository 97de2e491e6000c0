-- Begin a connect of a Bayeux session: whoever held one before may not answer it any more.
--
-- EVALSHA bayeux_connect 2  bayeux bayeux-due  client account user ttl_ms
--
-- The session lives for ttl_ms, the time it may be held included: should this process die, it expires.
-- Returns nil (the user has no such session) or {gen, cursor, changed, (pattern from)*}: the generation of this
-- connect (1: the session's first), the id up to which everything is delivered, the id of the last record about
-- the session, and the subscriptions with the ids after which entries match.
--
-- key              type    reads                writes
-- bayeux:<client>  hash    everything           gen
-- bayeux-due       zset                         when the session expires

local session = redis.call('HMGET', KEYS[1], 'account', 'user', 'cursor', 'changed')
if session[1] ~= ARGV[2] or session[2] ~= ARGV[3] then
  return false
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[4]), ARGV[1])
local found = {redis.call('HINCRBY', KEYS[1], 'gen', 1), session[3], session[4]}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if fields[i]:sub(1, 4) == 'sub:' then
    found[#found + 1] = fields[i]:sub(5)
    found[#found + 1] = fields[i + 1]
  end
end
return found
