-- Commit changes of sessions of one account, with the events that tell of them.
--
-- EVALSHA commit 4+n+m+k+u+r  events log live timers  call*n  leg*m  device*k  presence*u  receipt*r
--         nonce ended_ttl_ms account
--         receipt receipt_ttl_ms     no receipt: r is 0, otherwise 1
--         t  (due_ms timer)*t
--         d  (timer)*d
--         n  (session expected_version record lives)*n    lives: 1, 0, or empty where it was and does
--         m  (session ttl_ms)*m
--         k  (field line alone)*k     no line: the leg is no longer there; alone: no other may be
--         e  (event)*e
--         u  (record_head  c  (leg call)*c)*u    no call: the leg has ended; the head lacks what the hash has
--
-- Returns nil (a session is not at its expected version, or a line not alone), {0, id...} (done, the events' ids),
-- or {1, id...} (the nonce was committed before; the ids it made then; none where the receipt alone tells).
--
-- key          type    reads                writes
-- events       stream                       one entry per event, then one per presence
-- log          stream                       the events' ids
-- live         set     (type)               live sessions in, ended ones out
-- timers       zset    (type)               timers in, done ones out
-- call:<id>    hash    version nonces       version record nonces; expiry once ended
-- leg:<id>     string                       session id; expiry once ended
-- device:<id>  hash    (type) field         live legs at the device in, others out
-- receipt:..   string  (exists)             what the command came to; expiry
-- presence:..  hash    all                  the user's calls in, ended ones out; sequence

local NONCES_KEPT = 16

local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end

local events, log, live, timers = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local nonce, ended_ttl, account = take(), take(), take()
local receipt, receipt_ttl = take(), take()
local receipt_key = receipt ~= '' and KEYS[#KEYS]

-- Check everything. A key of a wrong type shows here, before anything is written.
if receipt_key and redis.call('EXISTS', receipt_key) == 1 then
  return {1}
end
local set, done = {}, {}
for i = 1, 2 * take() do
  set[i] = take()
end
for i = 1, take() do
  done[i] = take()
end
if set[1] or done[1] then
  redis.call('ZCARD', timers)
end
local changes = {}
local current = true
for i = 1, take() do
  local key = KEYS[4 + i]
  local stored = redis.call('HMGET', key, 'version', 'nonces')
  local nonces = stored[2] or '\n'
  local _, ends = nonces:find('\n' .. nonce .. ' ', 1, true)
  if ends then
    local already = {1}
    for id in nonces:match('[^\n]*', ends + 1):gmatch('%S+') do
      already[#already + 1] = id
    end
    return already
  end
  local change = {
    key = key, nonces = nonces,
    session = take(), expected = take(), record = take(), lives = take(),
  }
  if change.lives ~= '' then
    redis.call('SCARD', live)
  end
  current = current and (stored[1] or '0') == change.expected
  changes[i] = change
end
if not current then
  return nil
end
local legs = {}
for i = 1, take() do
  legs[i] = {key = KEYS[4 + #changes + i], session = take(), ttl = take()}
end
local lines = {}
for i = 1, take() do
  local line = {device = KEYS[4 + #changes + #legs + i], field = take(), line = take()}
  local there, alone = redis.call('HLEN', line.device), take() == '1' and line.line ~= ''
  if alone and there > redis.call('HEXISTS', line.device, line.field) then
    return nil
  end
  lines[i] = line
end
local presences = {}
for i = 5 + #changes + #legs + #lines, #KEYS - (receipt_key and 1 or 0) do
  presences[#presences + 1] = {key = KEYS[i], found = redis.call('HGETALL', KEYS[i])}
end

-- Change a user's calls, and tell what the user's presence has come to be.
local function tell_presence(key, found, head)
  local fields, gone, changed, calls, quiet = {'sequence', 1}, {}, {}, {}, {}
  for _ = 1, take() do
    local leg, call = take(), take()
    changed[leg] = true
    if call == '' then
      gone[#gone + 1] = leg
    else
      fields[#fields + 1], fields[#fields + 2] = leg, call
      calls[#calls + 1] = call
    end
  end
  for f = 1, #found, 2 do
    local field, value = found[f], found[f + 1]
    if field == 'sequence' then
      fields[2] = (tonumber(value) or 0) + 1
    elseif field:sub(1, 4) == 'dnd:' then
      quiet[#quiet + 1] = value
    elseif not changed[field] then
      calls[#calls + 1] = value
    end
  end
  redis.call('HSET', key, unpack(fields))
  if gone[1] then
    redis.call('HDEL', key, unpack(gone))
  end
  local record = string.format('%s,"sequence":%d,"do_not_disturb":[%s],"calls":[%s]}',
    head, fields[2], table.concat(quiet, ','), table.concat(calls, ','))
  redis.call('XADD', events, '*', 'k', 'presence', 'a', account, 'd', record)
end

-- Write. The events go first: should the store refuse to write at all, it does so here.
local made = {0}
for i = 2, 1 + take() do
  made[i] = redis.call('XADD', events, '*', 'k', 'call', 'a', account, 'd', take())
end
for i = 2, #made do
  local added = redis.pcall('XADD', log, made[i], '', '')
  if type(added) == 'table' then -- it is ahead of the events, so it tells of a history that is gone
    redis.call('DEL', log)
    redis.call('XADD', log, made[i], '', '')
  end
end

if receipt_key then
  redis.call('SET', receipt_key, receipt, 'PX', receipt_ttl)
end
local ids = table.concat(made, ' ', 2)
for _, change in ipairs(changes) do
  local nonces = change.nonces .. nonce .. ' ' .. ids .. '\n'
  local _, breaks = nonces:gsub('\n', '')
  if breaks > NONCES_KEPT + 1 then
    nonces = nonces:sub((nonces:find('\n', 2, true)))
  end
  redis.call('HSET', change.key, 'version', change.expected + 1, 'record', change.record, 'nonces', nonces)
  if change.lives == '1' then
    if change.expected ~= '0' then
      redis.call('PERSIST', change.key)
    end
    redis.call('SADD', live, change.session)
  elseif change.lives == '0' then
    redis.call('PEXPIRE', change.key, ended_ttl)
    redis.call('SREM', live, change.session)
  end
end
for _, leg in ipairs(legs) do
  if leg.ttl == '0' then
    redis.call('SET', leg.key, leg.session)
  else
    redis.call('SET', leg.key, leg.session, 'PX', leg.ttl)
  end
end
for _, line in ipairs(lines) do
  if line.line == '' then
    redis.call('HDEL', line.device, line.field)
  else
    redis.call('HSET', line.device, line.field, line.line)
  end
end

if set[1] then
  redis.call('ZADD', timers, unpack(set))
end
if done[1] then
  redis.call('ZREM', timers, unpack(done))
end
for i = 1, take() do
  tell_presence(presences[i].key, presences[i].found, take())
end
return made
