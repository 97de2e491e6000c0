-- Records of events that leave the journal before all who wait for them have got them: `parked:<event>`.
--
-- Needs: events (the stream), dead_body_ms

local PASSING = {subscription = true, bayeux = true, login = true} -- kinds of records that nobody is sent

local function park(parked, sub, event)
  if redis.call('EXISTS', parked) == 0 then
    local fields = (redis.call('XRANGE', events, event, event)[1] or {{}, {}})[2]
    local record = {}
    for i = 1, #fields, 2 do
      record[fields[i]] = fields[i + 1]
    end
    if not record.k or PASSING[record.k] or not record.a or not record.d then
      return
    end
    redis.call('HSET', parked, 'kind', record.k, 'account', record.a, 'body', record.d)
  end
  redis.call('HSET', parked, sub, 'live')
  redis.call('PERSIST', parked)
end

-- Let a record go when nobody needs it any more; later, if only resends of dead letters may ask for it.
local function let_go(parked)
  local fields, dead = redis.call('HGETALL', parked), false
  for i = 1, #fields, 2 do
    if fields[i] ~= 'body' and fields[i + 1] == 'live' then
      return
    end
    dead = dead or (fields[i] ~= 'body' and fields[i + 1] == 'dead')
  end
  if dead then
    redis.call('PEXPIRE', parked, dead_body_ms)
  else
    redis.call('DEL', parked)
  end
end

local function release(parked, sub)
  if redis.call('HDEL', parked, sub) == 1 then
    let_go(parked)
  end
end
