-- Change a device's settings, and tell of it in the journal.
--
-- EVALSHA device_put 2+n  events device  target*n  account settings record expected_rev  (field value)*n
--
-- A target is another device's hash where the change is to be seen too; no value takes its field out.
-- Returns the record's id, or nil where the settings are no longer at that revision ('0': never set).
--
-- key          type    reads                writes
-- events       stream                       one entry
-- device:<id>  hash    rev                  settings rev; of a target the field

local events, device = KEYS[1], KEYS[2]
local account, settings, record, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if (redis.call('HGET', device, 'rev') or '0') ~= expected then
  return nil
end
for i = 3, #KEYS do
  redis.call('HLEN', KEYS[i])
end
local made = redis.call('XADD', events, '*', 'k', 'device', 'a', account, 'd', record)
redis.call('HSET', device, 'settings', settings, 'rev', expected + 1)
for i = 3, #KEYS do
  local field, value = ARGV[2 * i - 1], ARGV[2 * i]
  if value == '' then
    redis.call('HDEL', KEYS[i], field)
  else
    redis.call('HSET', KEYS[i], field, value)
  end
end
return made
