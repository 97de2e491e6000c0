-- Say where a partition's journal ends and which history it is; begin one if it has none.
--
-- EVALSHA tail_position 2  events epoch  new_epoch
--
-- Returns {epoch, last_id}: the last generated id, which trimming does not change, or 0-0 without a stream.
--
-- key          type    reads                writes
-- events       stream  info
-- epoch        string  value                new_epoch, where missing

local epoch = redis.call('GET', KEYS[2])
local last = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = info[i + 1]
    end
  end
end
if not epoch then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
end
return {epoch, last}
