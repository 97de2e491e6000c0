-- Tell where an account's history begins and ends.
--
-- EVALSHA bounds 2  events log
--
-- Returns {events_last, events_first, log_last, log_first, log_trimmed, events_trimmed}: the last generated ids, 0-0
-- before the first, and the first ids that are left, '' where there are none; trimmed is 1 where entries were cut.
--
-- key          type    reads                writes
-- events       stream  info
-- log          stream  info

local function info(key)
  local found = {}
  if redis.call('EXISTS', key) == 1 then
    local reply = redis.call('XINFO', 'STREAM', key)
    for i = 1, #reply, 2 do
      found[reply[i]] = reply[i + 1]
    end
  end
  return found
end

local function first(stream)
  return stream['first-entry'] and stream['first-entry'][1] or ''
end

local function trimmed(stream)
  return (stream['entries-added'] or 0) > (stream['length'] or 0) and 1 or 0
end

local events, log = info(KEYS[1]), info(KEYS[2])
return {
  events['last-generated-id'] or '0-0',
  first(events),
  log['last-generated-id'] or '0-0',
  first(log),
  trimmed(log),
  trimmed(events),
}
