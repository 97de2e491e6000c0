-- Change a device's settings, and tell of it in the journal.
--
-- EVALSHA device_put 3+n  events device agent  target*n
--         account settings record_without_agent expected_rev  (field value)*n
--
-- A target is another device's hash where the change is to be seen too; no value takes its field out.
-- Returns the record's id, or nil where the settings are no longer at that revision ('0': never set).
--
-- key          type    reads                writes
-- events       stream                       one entry
-- device:<id>  hash    rev                  settings rev; of a target the field
-- agent:<user> hash    state                (none)

local events, device, agent = KEYS[1], KEYS[2], KEYS[3]
local account, settings, record, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if (redis.call('HGET', device, 'rev') or '0') ~= expected then
  return nil
end
local state = redis.call('HGET', agent, 'state') or '{}'
for i = 4, #KEYS do
  redis.call('HLEN', KEYS[i])
end
local told = record .. ',"agent":' .. state .. '}'
local made = redis.call('XADD', events, '*', 'k', 'device', 'a', account, 'd', told)
redis.call('HSET', device, 'settings', settings, 'rev', expected + 1)
for i = 4, #KEYS do
  local field, value = ARGV[2 * i - 3], ARGV[2 * i - 2]
  if value == '' then
    redis.call('HDEL', KEYS[i], field)
  else
    redis.call('HSET', KEYS[i], field, value)
  end
end
return made
