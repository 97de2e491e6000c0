-- Begin connects of Bayeux sessions: whoever held one before may not answer it any more.
--
-- EVALSHA bayeux_connect 2+n  bayeux-due events bayeux*n  (client account user ttl_ms ack socket age)*n
--
-- The session lives for ttl_ms, the time it may be held included: should this process die, it expires. `ack` is
-- the last batch the client has got, -1 if it does not say; `socket` is 1 if this connect will be pushed to,
-- `age` how many ms ago it came: whoever holds one that came later is not overtaken for good.
-- A session whose client acknowledges goes back to where it was if its client has not got the last batch. Whoever
-- is pushing to the session, or holds a connect of it, is told by a journal record; others find out when they take.
-- Returns for each session nil (the user has no such session) or {gen, cursor, changed, acks, moved,
-- (pattern from)*}: the generation of this connect (1: the session's first), the id up to which everything is
-- delivered, the id of the last record about the session, whether the client acknowledges, whether `socket` was
-- the other before, and the subscriptions with the ids after which entries match.
--
-- key              type    reads                writes
-- bayeux-due       zset    (type)               when the session expires
-- events           stream                       a record, if somebody is pushing or holds a connect
-- bayeux:<client>  hash    everything           gen at held cursor base socket; changed: the record's id

redis.call('ZCARD', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local sessions = {}
for i = 3, #KEYS do
  local fields, session = redis.call('HGETALL', KEYS[i]), {subs = {}}
  for j = 1, #fields, 2 do
    if fields[j]:sub(1, 4) == 'sub:' then
      session.subs[#session.subs + 1] = fields[j]:sub(5)
      session.subs[#session.subs + 1] = fields[j + 1]
    else
      session[fields[j]] = fields[j + 1]
    end
  end
  sessions[i - 2] = session
end

local found = {}
for i, session in ipairs(sessions) do
  local key, at = KEYS[i + 2], (i - 1) * 7
  local client, account, user, ttl = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local ack, socket, age = tonumber(ARGV[at + 5]), ARGV[at + 6], ARGV[at + 7]
  if session.account ~= account or session.user ~= user then
    found[i] = false
  else
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl), client)
    local cursor, changed = session.cursor, session.changed
    if session.batch and ack >= 0 then
      if ack < tonumber(session.batch) then
        cursor = session.base
        redis.call('HSET', key, 'cursor', cursor)
      elseif session.base ~= cursor then
        redis.call('HSET', key, 'base', cursor)
      end
    end
    if session.socket == '1' or session.held == '1' then
      changed = redis.call('XADD', KEYS[2], '*', 'k', 'bayeux', 'a', account,
        'd', '{"client":"' .. client .. '","change":"moved"}')
      redis.call('HSET', key, 'changed', changed)
    end
    local moved = (session.socket or '0') ~= socket
    if moved then
      redis.call('HSET', key, 'socket', socket)
    end
    redis.call('HSET', key, 'at', string.format('%.0f', now - age), 'held', 1)
    local gen = redis.call('HINCRBY', key, 'gen', 1)
    local one = {gen, cursor, changed, session.batch and 1 or 0, moved and 1 or 0}
    for _, text in ipairs(session.subs) do
      one[#one + 1] = text
    end
    found[i] = one
  end
end
return found
