-- What is kept of deliveries: "<event> <delivery>" by place, in `attempts:<sub>` or `dead:<sub>`.
--
-- Needs: now (ms), PLACES, whole

local TRIM = 4 -- kept entries that are looked at per entry added: more than one, so that trimming keeps up

local function find(kept, score, event)
  for _, entry in ipairs(redis.call('ZRANGE', kept, score, score, 'BYSCORE')) do
    if entry:sub(1, #event + 1) == event .. ' ' then
      return entry:sub(#event + 2)
    end
  end
end

local function remove(kept, score, event)
  local found = find(kept, score, event)
  if found then
    redis.call('ZREM', kept, event .. ' ' .. found)
  end
end

-- Keep what became of deliveries, (score "<event> <delivery>")*, and drop what is older than the retention.
local function keep(kept, retention, entries)
  redis.call('ZADD', kept, unpack(entries))
  local horizon = whole((now - retention) * PLACES)
  local old = redis.call('ZRANGE', kept, '-inf', '(' .. horizon, 'BYSCORE', 'LIMIT', 0, TRIM * #entries / 2)
  if old[1] then
    redis.call('ZREM', kept, unpack(old))
  end
  redis.call('PEXPIRE', kept, whole(retention))
end

local function keep_one(kept, retention, score, event, delivery)
  remove(kept, score, event)
  keep(kept, retention, {score, event .. ' ' .. delivery})
end
