-- Find the last event that some subscriptions are known to have got into their queues.
--
-- EVALSHA last_queued 4*n  (queue lanes attempts dead)*n
--
-- Returns its place, '' if there is none. Keys of the wrong type, and what cannot be read, count as empty.
--
-- key             type  reads        writes
-- queue:<sub>     zset  the last
-- lanes:<sub>     hash  every lane
-- attempts:<sub>  zset  the last
-- dead:<sub>      zset  the last

local last = 0
for i = 1, #KEYS, 4 do
  for _, key in ipairs({KEYS[i], KEYS[i + 2], KEYS[i + 3]}) do
    local found = redis.pcall('ZRANGE', key, -1, -1, 'WITHSCORES')
    last = math.max(last, tonumber(found[2]) or 0)
  end
  local lanes = redis.pcall('HVALS', KEYS[i + 1])
  for _, lane in ipairs(lanes) do
    local ms, seq = lane:match('(%d+)%-(%d+)$')
    if ms then
      last = math.max(last, ms * 4096 + seq)
    end
  end
end
return last > 0 and string.format('%.0f', last) or ''
