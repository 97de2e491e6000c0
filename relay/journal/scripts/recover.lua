-- Queue a page of past events for a subscription again, and note how far its recovery has come. Owner script.
--
-- EVALSHA recover 9+n  lease events subs recovery ready queue lanes attempts dead  parked*n
--                      token sub expected new ttl_ms attempts_ms undelivered (event score lane)*n
--
-- Left out are events that wait already, those the journal has no more, and, where `undelivered` is 1, those that
-- were delivered. Dead letters come to life. Returns nil (the lease is not the caller's), {0} (the recovery is not
-- as the caller read it, or the subscription is gone; nothing is written), or {1, recovery}: done.
--
-- key             type    reads                writes
-- lease           string  token
-- events          stream  the oldest id
-- subs            hash    (whether it is in)
-- recovery:..     string  expected             new, with what was queued added to `queued`; expiry
-- ready           set     (type)               the subscription in
-- queue:<sub>     zset    (whether it is there) events by place
-- lanes:<sub>     hash    the event's lane
-- attempts:<sub>  zset    the delivery         "<event> <delivery>" by place, pending; expiry
-- dead:<sub>      zset    the letter           letters out
-- parked:<event>  hash    (whether it is in)   sub -> live; no expiry

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
local events, subs, recovery, ready, queue, lanes, attempts, dead = unpack(KEYS, 2, 9)
local sub, expected, new, ttl, attempts_ms, undelivered = unpack(ARGV, 2, 7)
if redis.call('GET', recovery) ~= expected or redis.call('HEXISTS', subs, sub) == 0 then
  return {0}
end
redis.call('SCARD', ready)
redis.call('ZCARD', queue)

local function numbers(id)
  local ms, seq = id:match('^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function find(kept, score, event)
  for _, entry in ipairs(redis.call('ZRANGE', kept, score, score, 'BYSCORE')) do
    if entry:sub(1, #event + 1) == event .. ' ' then
      return entry
    end
  end
end

local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
local ms, seq = numbers(oldest and oldest[1] or '99999999999999-0')
local function is_left(event)
  local at_ms, at_seq = numbers(event)
  return at_ms > ms or (at_ms == ms and at_seq >= seq)
end

local function waits(lane, event)
  local state = redis.call('HGET', lanes, lane)
  return state and (state .. ' '):find(' ' .. event .. ' ', 1, true)
end

local wanted = {}
for i = 10, #KEYS do
  local at = 8 + (i - 10) * 3
  local one = {event = ARGV[at], score = ARGV[at + 1], parked = KEYS[i]}
  if is_left(one.event) and not waits(ARGV[at + 2], one.event) and not redis.call('ZSCORE', queue, one.event) then
    one.letter = find(dead, one.score, one.event)
    one.kept = one.letter or find(attempts, one.score, one.event)
    one.delivery = one.kept and cjson.decode(one.kept:sub(#one.event + 2))
    one.needed = redis.call('HEXISTS', one.parked, 'body') == 1
    if undelivered == '0' or not one.delivery or one.delivery[1] ~= 'succeeded' then
      wanted[#wanted + 1] = one
    end
  end
end

local told = cjson.decode(new)
told.queued = told.queued + #wanted
told = cjson.encode(told)
redis.call('SET', recovery, told, 'PX', ttl)
if wanted[1] then
  redis.call('SADD', ready, sub)
end
for _, one in ipairs(wanted) do
  redis.call('ZADD', queue, one.score, one.event)
  if one.letter then
    redis.call('ZREM', dead, one.letter)
  end
  if one.needed then
    redis.call('HSET', one.parked, sub, 'live')
    redis.call('PERSIST', one.parked)
  end
  if one.kept then
    local made = one.delivery[3]
    local shown = made[1] and cjson.encode(made) or '[]'
    local pending = '["pending",' .. cjson.encode(one.delivery[2]) .. ',' .. shown .. ',null,null]'
    redis.call('ZREM', attempts, one.kept)
    redis.call('ZADD', attempts, one.score, one.event .. ' ' .. pending)
    redis.call('PEXPIRE', attempts, attempts_ms)
  end
end
return {1, told}
