-- Count what waits to be sent for some subscriptions.
--
-- EVALSHA waiting 2*n  (queue lanes)*n  sample
--
-- Returns {events in queues, place of the oldest of them ('' if there is none), events behind failing heads}. The
-- last is counted in at most `sample` failing lanes of a subscription; of more it is estimated from as many, drawn
-- by lot. Keys of the wrong type count as empty.
--
-- key          type  reads             writes
-- queue:<sub>  zset  size, the oldest
-- lanes:<sub>  hash  size, lanes

local sample = tonumber(ARGV[1])
local queued, behind, oldest = 0, 0, nil

for i = 1, #KEYS, 2 do
  local size, lanes = redis.pcall('ZCARD', KEYS[i]), redis.pcall('HLEN', KEYS[i + 1])
  if type(size) == 'number' and size > 0 then
    queued = queued + size
    local place = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2]
    if not oldest or tonumber(place) < tonumber(oldest) then
      oldest = place
    end
  end
  if type(lanes) == 'number' and lanes > 0 then
    local drawn, events = redis.call('HRANDFIELD', KEYS[i + 1], sample, 'WITHVALUES'), 0
    for at = 2, #drawn, 2 do
      local _, waiting = drawn[at]:gsub(' ', '')
      events = events + math.max(0, waiting - 1) -- the first is the head
    end
    behind = behind + events * lanes / (#drawn / 2)
  end
end
return {queued, oldest or '', math.floor(behind + 0.5)}
