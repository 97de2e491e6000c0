-- Put a key of no use aside, and what was made anew in its place. Owner script.
--
-- EVALSHA set_aside 4  lease key anew aside  token type kept_ms value
--
-- Returns nil (the lease is not the caller's), 0 (the key is as it should be by now; `anew` is deleted) or 1. A
-- key of another type is of no use, and a string that holds `value`, unless that is ''.
--
-- key     type    reads          writes
-- lease   string  token
-- key     any     (type, value)  what was made anew, without expiry
-- anew    any                    moved or deleted
-- aside   any                    what the key was; expiry

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end
local key, anew, aside = KEYS[2], KEYS[3], KEYS[4]
local held = redis.call('TYPE', key)['ok']
if held == 'none' or (held == ARGV[2] and (ARGV[4] == '' or redis.call('GET', key) ~= ARGV[4])) then
  redis.call('DEL', anew)
  return 0
end
redis.call('RENAME', key, aside)
redis.call('PEXPIRE', aside, ARGV[3])
if redis.call('EXISTS', anew) == 1 then
  redis.call('RENAME', anew, key)
  redis.call('PERSIST', key)
end
return 1
