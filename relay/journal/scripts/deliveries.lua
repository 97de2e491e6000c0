-- Apply changes to subscriptions' queues and to what is kept of their deliveries, one after another. Owner script.
--
-- EVALSHA deliveries 6+n  lease ready due subs events with-dead  key*n  token attempts_ms dead_ms dead_body_ms (operation)*
--
-- Each operation is its name and arguments; its keys follow those of the operation before:
--
--   settled  queue lanes attempts parked*n          sub n (lane event score delivery)*n
--            Events were delivered, or are let go of; a lane that one headed goes back into the queue.
--   died     queue lanes attempts dead parked       sub lane event score delivery
--            An event was given up; its lane goes back as well.
--   exhausted  log, then as died                    account notice, then as died
--            The same, and an operational event tells of it.
--   failed   queue lanes attempts parked*(1+n)      sub lane event score delivery made pause_ms n event*n
--            It is tried again after a pause; the events behind it, if it is the first failure, wait with it.
--   behind   queue lanes parked                     sub lane event
--            A queued event joins the failing lane it belongs to.
--   park     queue parked                           sub event
--            A queued event is about to be cut from the journal: keep its record.
--   forget   queue lanes parked                     sub event
--            Something that is none of ours leaves the queue, or what is kept of a dead letter's event.
--   cancel   queue lanes attempts parked            sub event
--            An event of a subscription that gets nothing more leaves the queue: its delivery is canceled.
--   abandon  queue lanes attempts parked*n          sub lane n event*n
--            A failing lane of such a subscription goes, and so do its events.
--   resent   queue attempts dead parked             sub event score type attempt succeeded
--            Somebody had an event sent again: its attempt joins what is kept. A success ends what had ended badly.
--   health   health                                 sub health
--            How an endpoint is doing; '' is well.
--   done     errands                                id
--            An errand is run.
--   erase    queue lanes attempts dead              sub
--            What is kept of a deleted subscription goes.
--
-- Returns nil (the lease is not the caller's) or 1. Repeating a batch changes nothing more, so whoever gets no
-- answer, or an error over a key of a wrong type, may apply it again, whole or one by one. Operations on a deleted
-- subscription do nothing, but for those that take something out: forget, cancel, abandon and erase.
--
-- key             type    reads                writes
-- lease           string  token
-- ready           set                          subscriptions with nothing queued out
-- due             zset                         "<sub> <lane>" by when it is tried again
-- subs            hash    (whether it is in)
-- events          stream  the event            operational events
-- with-dead       set                          subscriptions with dead letters; expiry
-- log             stream                       their ids
-- queue:<sub>     zset    (whether it is there) events by place
-- lanes:<sub>     hash    the lane             "<attempts> <event> <event>..."
-- attempts:<sub>  zset    oldest entries       "<event> <delivery>" by place; expiry
-- dead:<sub>      zset    oldest entries       "<event> <delivery>" by place; expiry
-- health          hash                         how its endpoint is doing
-- errands         hash                         the errand out
-- parked:<event>  hash    holders              kind, account, body, sub -> live or dead; expiry

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
local ready, due, subs, events, with_dead = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local attempts_ms, dead_ms, dead_body_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local PLACES = 4096
local MOST_ATTEMPTS = 50 -- of one delivery: each may have an excerpt of 4 KiB, and resends are unlimited

local function taker(list, at)
  return function(count)
    local taken = {}
    for i = 1, tonumber(count) do
      at = at + 1
      taken[i] = list[at]
    end
    return taken
  end
end
local keys, args = taker(KEYS, 6), taker(ARGV, 4)

local function whole(number)
  return string.format('%.0f', number)
end

local function place(event)
  local ms, seq = event:match('^(%d+)%-(%d+)$')
  return whole(ms * PLACES + seq)
end

local function exists(sub)
  return redis.call('HEXISTS', subs, sub) == 1
end

-- The events of a lane as it is kept while it fails: the head, then those behind it; none of another lane.
local function waiting_in(state)
  local waiting = {}
  for event in (state or ''):gmatch('%d+%-%d+') do
    waiting[#waiting + 1] = event
  end
  return waiting
end

-- Let a lane go on whose failing head is settled. False if the event is not that head.
local function resume(sub, queue, lanes, lane, event, state)
  local waiting = waiting_in(state)
  if waiting[1] ~= event then
    return false
  end
  redis.call('HDEL', lanes, lane)
  redis.call('ZREM', due, sub .. ' ' .. lane)
  for i = 2, #waiting do
    redis.call('ZADD', queue, place(waiting[i]), waiting[i])
  end
  return true
end

-- A deleted subscription stays ready until it is erased, so that the next owner goes on where this one ends.
local function rest(sub, queue, lanes)
  if redis.call('EXISTS', queue, lanes) == 0 and exists(sub) then
    redis.call('SREM', ready, sub)
  end
end

-- include parked
-- include kept

-- Note that an event is not sent any more; the attempts that were made stay.
local function cancel(attempts, event)
  local score = place(event)
  local kept = find(attempts, score, event)
  local known = kept and cjson.decode(kept) or {false, '', {}}
  local made = known[3][1] and cjson.encode(known[3]) or '[]'
  local canceled = '["canceled",' .. cjson.encode(known[2]) .. ',' .. made .. ',null,null]'
  keep_one(attempts, attempts_ms, score, event, canceled)
end

local operations = {}

function operations.settled()
  local queue, lanes, attempts = unpack(keys(3))
  local sub, count = unpack(args(2))
  local parked = keys(count)
  local of_lanes, events, entries = {}, {}, {}
  for i = 1, #parked do
    local lane, event, score, delivery = unpack(args(4))
    of_lanes[i], events[i] = lane, event
    entries[2 * i - 1], entries[2 * i] = score, event .. ' ' .. delivery
  end
  if not exists(sub) then
    return
  end
  local states = redis.call('HMGET', lanes, unpack(of_lanes))
  for i, event in ipairs(events) do
    resume(sub, queue, lanes, of_lanes[i], event, states[i])
    release(parked[i], sub)
    remove(attempts, entries[2 * i - 1], event)
  end
  redis.call('ZREM', queue, unpack(events))
  keep(attempts, attempts_ms, entries)
  rest(sub, queue, lanes)
end

function operations.died()
  local queue, lanes, attempts, dead, parked = unpack(keys(5))
  local sub, lane, event, score, delivery = unpack(args(5))
  if not exists(sub) then
    return
  end
  redis.call('SADD', with_dead, sub)
  redis.call('PEXPIRE', with_dead, whole(dead_ms))
  local taken = resume(sub, queue, lanes, lane, event, redis.call('HGET', lanes, lane))
    or redis.call('ZREM', queue, event) == 1
  park(parked, sub, event)
  if redis.call('EXISTS', parked) == 1 then
    redis.call('HSET', parked, sub, 'dead')
    let_go(parked)
  end
  remove(attempts, score, event)
  keep_one(dead, dead_ms, score, event, delivery)
  rest(sub, queue, lanes)
  return taken
end

function operations.exhausted()
  local log, account, notice = keys(1)[1], unpack(args(2))
  if operations.died() then -- not again where the batch is repeated
    local id = redis.call('XADD', events, '*', 'k', 'operational', 'a', account, 'd', notice)
    if type(redis.pcall('XADD', log, id, '', '')) == 'table' then -- it tells of a history that is gone
      redis.call('DEL', log)
      redis.call('XADD', log, id, '', '')
    end
  end
end

function operations.failed()
  local queue, lanes, attempts, parked = unpack(keys(4))
  local sub, lane, event, score, delivery, made, pause, count = unpack(args(8))
  local behind_parked, behind = keys(count), args(count)
  if not exists(sub) then
    return
  end
  local waiting = waiting_in(redis.call('HGET', lanes, lane))
  if not waiting[1] then
    redis.call('ZREM', queue, event)
    waiting = {event}
    for i, one in ipairs(behind) do
      if redis.call('ZREM', queue, one) == 1 then
        waiting[#waiting + 1] = one
        park(behind_parked[i], sub, one)
      end
    end
  end
  redis.call('HSET', lanes, lane, made .. ' ' .. table.concat(waiting, ' '))
  redis.call('ZADD', due, whole(now + pause), sub .. ' ' .. lane)
  redis.call('SADD', ready, sub)
  park(parked, sub, event)
  keep_one(attempts, attempts_ms, score, event, delivery)
end

function operations.behind()
  local queue, lanes, parked = unpack(keys(3))
  local sub, lane, event = unpack(args(3))
  local state = exists(sub) and redis.call('HGET', lanes, lane)
  if state and redis.call('ZREM', queue, event) == 1 then
    redis.call('HSET', lanes, lane, state .. ' ' .. event)
    park(parked, sub, event)
  end
end

function operations.park()
  local queue, parked = unpack(keys(2))
  local sub, event = unpack(args(2))
  if exists(sub) and redis.call('ZSCORE', queue, event) then
    park(parked, sub, event)
  end
end

function operations.forget()
  local queue, lanes, parked = unpack(keys(3))
  local sub, event = unpack(args(2))
  redis.call('ZREM', queue, event)
  release(parked, sub)
  rest(sub, queue, lanes)
end

function operations.cancel()
  local queue, lanes, attempts, parked = unpack(keys(4))
  local sub, event = unpack(args(2))
  if redis.call('ZREM', queue, event) == 1 and exists(sub) then
    cancel(attempts, event)
  end
  release(parked, sub)
  rest(sub, queue, lanes)
end

function operations.abandon()
  local queue, lanes, attempts = unpack(keys(3))
  local sub, lane, count = unpack(args(3))
  local parked, waiting = keys(count), args(count)
  local taken = redis.call('HDEL', lanes, lane) == 1
  redis.call('ZREM', due, sub .. ' ' .. lane)
  for i, event in ipairs(waiting) do
    if taken and exists(sub) then
      cancel(attempts, event)
    end
    release(parked[i], sub)
  end
  rest(sub, queue, lanes)
end

function operations.resent()
  local queue, attempts, dead, parked = unpack(keys(4))
  local sub, event, score, kind, attempt, succeeded = unpack(args(6))
  if not exists(sub) then
    return
  end
  local letter = find(dead, score, event)
  local kept = letter or find(attempts, score, event) or (redis.call('ZSCORE', queue, event) and '["pending",null,[],null,null]')
  if not kept then
    return
  end
  local delivery, added = cjson.decode(kept), cjson.decode(attempt)
  local made = delivery[3]
  for _, one in ipairs(made) do
    if one[1] == added[1] and one[7] == added[7] then
      return -- it is there: the batch is being repeated
    end
  end
  made[#made + 1] = added
  if #made > MOST_ATTEMPTS then
    table.remove(made, 1)
  end
  delivery[2] = kind
  local ended = delivery[1] == 'dead' or delivery[1] == 'canceled'
  if succeeded == '1' and ended then
    delivery[1], delivery[4], delivery[5] = 'succeeded', cjson.null, cjson.null
    if letter then
      remove(dead, score, event)
      release(parked, sub)
      letter = nil
    end
  end
  keep_one(letter and dead or attempts, letter and dead_ms or attempts_ms, score, event, cjson.encode(delivery))
end

function operations.health()
  local kept = keys(1)[1]
  local sub, health = unpack(args(2))
  if health == '' then
    redis.call('HDEL', kept, sub)
  elseif exists(sub) then
    redis.call('HSET', kept, sub, health)
  end
end

function operations.done()
  redis.call('HDEL', keys(1)[1], args(1)[1])
end

function operations.erase()
  local queue, lanes, attempts, dead = unpack(keys(4))
  local sub = args(1)[1]
  if not exists(sub) then
    redis.call('DEL', attempts, dead)
    if redis.call('EXISTS', queue, lanes) == 0 then
      redis.call('SREM', ready, sub)
    end
  end
end

for name in function() return args(1)[1] end do
  operations[name]()
end
return 1
