-- Note how far Bayeux sessions are that are being pushed to, and that their clients are alive.
--
-- EVALSHA bayeux_move 1+n  bayeux-due bayeux*n  (client gen cursor ttl_ms)*n
--
-- The session lives for ttl_ms from now; 0 leaves its time as it is. An empty cursor stays where it is: a connect
-- is held that did not begin in the store.
-- Returns for each session 1, 0 (a later connect has begun) or -1 (the session is gone).
--
-- key              type    reads                writes
-- bayeux-due       zset    (type)               when the session expires
-- bayeux:<client>  hash    gen                  cursor, or held

redis.call('ZCARD', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local generations = {}
for i = 2, #KEYS do
  generations[i - 1] = redis.call('HGET', KEYS[i], 'gen')
end

local moved = {}
for i, generation in ipairs(generations) do
  local at = (i - 1) * 4
  if not generation then
    moved[i] = -1
  elseif generation ~= ARGV[at + 2] then
    moved[i] = 0
  else
    if ARGV[at + 4] ~= '0' then
      redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[at + 4]), ARGV[at + 1])
    end
    if ARGV[at + 3] ~= '' then
      redis.call('HSET', KEYS[i + 1], 'cursor', ARGV[at + 3])
    else
      redis.call('HSET', KEYS[i + 1], 'held', 1)
    end
    moved[i] = 1
  end
end
return moved
