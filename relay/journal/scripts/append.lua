-- Append records of one account, one after another, none in between.
--
-- EVALSHA append 1  events  account (kind data)*
--
-- Returns their ids.
--
-- key          type    reads                writes
-- events       stream                       one entry per record

local ids = {}
for i = 2, #ARGV, 2 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 'k', ARGV[i], 'a', ARGV[1], 'd', ARGV[i + 1])
end
return ids
