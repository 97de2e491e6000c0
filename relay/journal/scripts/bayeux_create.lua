-- Begin a Bayeux session at the journal's end, by the server's clock.
--
-- EVALSHA bayeux_create 4  bayeux bayeux-due bayeux-users events  client account user limit ttl_ms ack login_ms
-- EVALSHA bayeux_create 5  bayeux bayeux-due bayeux-users events bayeux-login  (the same)
--
-- With `ack` 1 the client acknowledges what it gets: nothing it has not acknowledged is behind `base`. That it
-- was begun by a login is known for login_ms. Once a login has begun twice `limit` sessions, those that are gone are
-- let go: at least half of them.
-- Returns nil (the user has `limit` sessions already) or the session's cursor.
--
-- key              type    reads                writes
-- bayeux:<client>  hash                         account user created gen cursor changed; batch
--                                               base if the client acknowledges
-- bayeux-due       zset    who is there         when the session expires
-- bayeux-users     hash    the user's sessions  one more
-- events           stream  info
-- bayeux-login     set     how many, members    the client, with expiry; out, whose sessions are gone

local client, account, user = ARGV[1], ARGV[2], ARGV[3]
local owner = account .. '/' .. user
redis.call('ZCARD', KEYS[2])
local begun = KEYS[5] and redis.call('SCARD', KEYS[5]) or 0
if tonumber(redis.call('HGET', KEYS[3], owner) or 0) >= tonumber(ARGV[4]) then
  return false
end
local last = '0-0'
if redis.call('EXISTS', KEYS[4]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[4])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = info[i + 1]
    end
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('HSET', KEYS[1], 'account', account, 'user', user, 'created', string.format('%.0f', now),
  'gen', 0, 'cursor', last, 'changed', '0-0')
if ARGV[6] == '1' then
  redis.call('HSET', KEYS[1], 'batch', 0, 'base', last)
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[5]), client)
redis.call('HINCRBY', KEYS[3], owner, 1)
if KEYS[5] then
  if begun >= 2 * ARGV[4] then
    for _, one in ipairs(redis.call('SMEMBERS', KEYS[5])) do
      if not redis.call('ZSCORE', KEYS[2], one) then
        redis.call('SREM', KEYS[5], one)
      end
    end
  end
  redis.call('SADD', KEYS[5], client)
  redis.call('PEXPIRE', KEYS[5], ARGV[7])
end
return last
