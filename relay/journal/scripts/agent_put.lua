-- Change the state a user is in, and tell of it in the journal: of the user, and of each of their devices.
--
-- EVALSHA agent_put 3+n  events log agent  device*n
--         account state record expected_rev  (device_record_without_settings_and_agent)*n
--
-- Returns the id of the user's record, or nil where the state is no longer at that revision ('0': never set).
--
-- key          type    reads                writes
-- events       stream                       one entry, then one per device
-- log          stream                       the entries' ids
-- agent:<user> hash    rev                  state rev
-- device:<id>  hash    settings

local events, log, agent = KEYS[1], KEYS[2], KEYS[3]
local account, state, record, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if (redis.call('HGET', agent, 'rev') or '0') ~= expected then
  return nil
end
local devices = {}
for i = 4, #KEYS do
  local settings = redis.call('HGET', KEYS[i], 'settings') or '{}'
  devices[#devices + 1] = ARGV[i + 1] .. ',"settings":' .. settings .. ',"agent":' .. state .. '}'
end

local function tell(kind, data)
  local id = redis.call('XADD', events, '*', 'k', kind, 'a', account, 'd', data)
  if type(redis.pcall('XADD', log, id, '', '')) == 'table' then -- it tells of a history that is gone
    redis.call('DEL', log)
    redis.call('XADD', log, id, '', '')
  end
  return id
end

local made = tell('agent', record)
redis.call('HSET', agent, 'state', state, 'rev', expected + 1)
for _, device in ipairs(devices) do
  tell('device', device)
end
return made
