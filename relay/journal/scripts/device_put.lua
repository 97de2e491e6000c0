-- Change a device's settings, and tell of it in the journal.
--
-- EVALSHA device_put 2  events device  account settings record expected_rev
--
-- Returns the record's id, or nil where the settings are no longer at that revision ('0': never set).
--
-- key          type    reads                writes
-- events       stream                       one entry
-- device:<id>  hash    rev                  settings rev

local events, device = KEYS[1], KEYS[2]
local account, settings, record, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if (redis.call('HGET', device, 'rev') or '0') ~= expected then
  return nil
end
local made = redis.call('XADD', events, '*', 'k', 'device', 'a', account, 'd', record)
redis.call('HSET', device, 'settings', settings, 'rev', expected + 1)
return made
