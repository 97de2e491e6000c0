-- Change a device's settings, and tell of it in the journal, and of its user's presence if that changes.
--
-- EVALSHA device_put 5+n  events log device agent presence  target*n
--         account settings record_without_agent expected_rev  head dnd_field dnd_value  (field value)*n
--
-- A target is another device's hash where the change is to be seen too; no value takes a field out. Without a
-- head presence stays as it is; the head lacks what the hash has.
-- Returns the record's id, or nil where the settings are no longer at that revision ('0': never set).
--
-- key          type    reads                writes
-- events       stream                       one entry, and one of presence
-- log          stream                       the first entry's id
-- device:<id>  hash    rev                  settings rev; of a target the field
-- agent:<user> hash    state
-- presence:..  hash    all                  whether the device takes no calls; sequence

local events, log, device, agent, presence = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local account, settings, record, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local head, quiet_field, quiet_value = ARGV[5], ARGV[6], ARGV[7]

if (redis.call('HGET', device, 'rev') or '0') ~= expected then
  return nil
end
local state = redis.call('HGET', agent, 'state') or '{}'
for i = 5, #KEYS do
  redis.call('HLEN', KEYS[i])
end

local function put(key, field, value)
  if value == '' then
    redis.call('HDEL', key, field)
  else
    redis.call('HSET', key, field, value)
  end
end

-- Tell what a user's presence has come to be.
local function tell_presence(key, head)
  local sequence, calls, quiet = redis.call('HINCRBY', key, 'sequence', 1), {}, {}
  local found = redis.call('HGETALL', key)
  for f = 1, #found, 2 do
    if found[f]:sub(1, 4) == 'dnd:' then
      quiet[#quiet + 1] = found[f + 1]
    elseif found[f] ~= 'sequence' then
      calls[#calls + 1] = found[f + 1]
    end
  end
  local record = string.format('%s,"sequence":%d,"do_not_disturb":[%s],"calls":[%s]}',
    head, sequence, table.concat(quiet, ','), table.concat(calls, ','))
  redis.call('XADD', events, '*', 'k', 'presence', 'a', account, 'd', record)
end

local told = record .. ',"agent":' .. state .. '}'
local made = redis.call('XADD', events, '*', 'k', 'device', 'a', account, 'd', told)
if type(redis.pcall('XADD', log, made, '', '')) == 'table' then -- it tells of a history that is gone
  redis.call('DEL', log)
  redis.call('XADD', log, made, '', '')
end
redis.call('HSET', device, 'settings', settings, 'rev', expected + 1)
for i = 6, #KEYS do
  put(KEYS[i], ARGV[2 * i - 4], ARGV[2 * i - 3])
end
if head ~= '' then
  put(presence, quiet_field, quiet_value)
  tell_presence(presence, head)
end
return made
