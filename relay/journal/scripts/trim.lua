-- Cut a partition's oldest events, and the same from the logs of their accounts. Owner script.
--
-- EVALSHA trim 3+n  lease events cursor log*n  token last_ms last_seq
--
-- Cuts every entry up to and including last_ms-last_seq. Returns nil (the lease is not the caller's), -1 (the
-- cut would pass the fan-out cursor; nothing is cut) or how many events went.
--
-- key            type    reads                writes
-- lease          string  token
-- cursor         string  value
-- events         stream                       oldest entries out
-- log:<account>  stream  (type)               oldest entries out

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return false
end

local last_ms, last_seq = tonumber(ARGV[2]), tonumber(ARGV[3])
local ms, seq, offset = (redis.call('GET', KEYS[3]) or ''):match('^(%d+)%-(%d+)(.*)$')
if not ms then
  return -1
end
ms, seq = tonumber(ms), tonumber(seq)
local before = last_ms < ms or (last_ms == ms and last_seq < seq)
local at = last_ms == ms and last_seq == seq
if not (before or (at and offset == '')) then
  return -1
end
for i = 4, #KEYS do
  redis.call('XLEN', KEYS[i])
end

local first_kept = string.format('%s-%.0f', ARGV[2], last_seq + 1)
local cut = redis.call('XTRIM', KEYS[2], 'MINID', '=', first_kept)
for i = 4, #KEYS do
  redis.call('XTRIM', KEYS[i], 'MINID', '=', first_kept)
end
return cut
