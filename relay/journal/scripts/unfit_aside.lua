-- Put keys aside that hold another type than they must: nobody can read or write them.
--
-- EVALSHA unfit_aside 2n  (key aside)*n  kept_ms type*n
--
-- Returns for each key that was set aside its number and the type it had; others are left as they are.
--
-- key    type  reads   writes
-- key    any   (type)  moved
-- aside  any           what the key was; expiry

local found = {}
for i = 1, #KEYS / 2 do
  local key, aside = KEYS[2 * i - 1], KEYS[2 * i]
  local held = redis.call('TYPE', key)['ok']
  if held ~= 'none' and held ~= ARGV[i + 1] then
    redis.call('RENAME', key, aside)
    redis.call('PEXPIRE', aside, ARGV[1])
    found[#found + 1] = i
    found[#found + 1] = held
  end
end
return found
