-- Say where a partition's journal ends and begins and which history it is; begin one if it has none.
--
-- EVALSHA tail_position 2  events epoch  new_epoch
--
-- Returns {epoch, last_id, before_id, written, trimmed}: the last generated id, which trimming does not change, or
-- 0-0 without a stream; the id right before the oldest entry left, or the last one where none is; how many entries
-- were ever written, and how many of them are gone.
--
-- key          type    reads                writes
-- events       stream  info
-- epoch        string  value                new_epoch, where missing

local epoch = redis.call('GET', KEYS[2])
local stream = {}
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    stream[info[i]] = info[i + 1]
  end
end
if not epoch then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
end
local last = stream['last-generated-id'] or '0-0'
local before = last
if stream['first-entry'] then
  local ms, seq = stream['first-entry'][1]:match('^(%d+)%-(%d+)$')
  if tonumber(seq) > 0 then
    before = ms .. '-' .. string.format('%.0f', seq - 1)
  else
    before = string.format('%.0f', ms - 1) .. '-18446744073709551615'
  end
end
local written = stream['entries-added'] or 0
return {epoch, last, before, written, written - (stream['length'] or 0)}
