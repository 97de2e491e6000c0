-- Take what connects of Bayeux sessions are about to be answered with: each cursor moves behind it.
--
-- EVALSHA bayeux_take 1+n  bayeux-due bayeux*n  (client gen changed cursor ttl_ms got)*n
--
-- `changed` is the last record about the session that the caller knows of: with another one, what it collected
-- may not be what the session is subscribed to. `got` is 1 if the client has acknowledged all it was told before.
-- Returns for each session 1 + b (it is the caller's to answer; b is the number of the batch if the client
-- acknowledges, else 0), -1 (the session is gone), -2 (the session has changed) or -1000 - a (a later connect has
-- begun, a ms ago).
--
-- key              type    reads                writes
-- bayeux-due       zset    (type)               when the session expires
-- bayeux:<client>  hash    gen changed batch at cursor batch held base; by: gen, if that moves the cursor
--                          cursor by

redis.call('ZCARD', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local sessions = {}
for i = 2, #KEYS do
  sessions[i - 1] = redis.call('HMGET', KEYS[i], 'gen', 'changed', 'batch', 'at', 'cursor', 'by')
end

local taken = {}
for i, session in ipairs(sessions) do
  local key, at = KEYS[i + 1], (i - 1) * 6
  if not session[1] then
    taken[i] = -1
  elseif session[1] ~= ARGV[at + 2] then
    taken[i] = -1000 - math.max(0, now - tonumber(session[4] or 0))
  elseif session[2] ~= ARGV[at + 3] then
    taken[i] = -2
  else
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[at + 5]), ARGV[at + 1])
    local by = session[5] == ARGV[at + 4] and session[6] or ARGV[at + 2]
    if session[3] then
      local batch = tonumber(session[3]) + 1
      if ARGV[at + 6] == '1' then
        redis.call('HSET', key, 'base', session[5])
      end
      redis.call('HSET', key, 'cursor', ARGV[at + 4], 'by', by, 'held', 0, 'batch', batch)
      taken[i] = 1 + batch
    else
      redis.call('HSET', key, 'cursor', ARGV[at + 4], 'by', by, 'held', 0)
      taken[i] = 1
    end
  end
end
return taken
