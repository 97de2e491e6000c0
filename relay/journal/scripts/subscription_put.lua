-- Create or change a subscription, and tell of it in the journal.
--
-- EVALSHA subscription_put 7  events subs subs:<account> log health due lanes
--                             account id subscription record rev cap notice moved
--
-- `rev` is the revision the change was made from, '' for a new subscription; `notice` is an operational event
-- that tells of the change too, '' for none; `moved` is 1 where it leads to another endpoint. Returns
-- {1, from, rev} (written), {0} (it is not at that revision), or {-1} (the account has `cap` subscriptions).
--
-- key             type    reads                writes
-- events          stream                       one entry, then one for the notice
-- subs            hash    the subscription     "<from> <rev> <subscription>"
-- subs:<account>  zset    size                 id by the place of its creation
-- log             stream                       the notice's id
-- health          hash    (type)               what is known of the endpoint out, if it moved
-- due             zset    (type)               its failing lanes due now, if it moved
-- lanes:<sub>     hash    its failing lanes

local events, subs, owned, log, health, due, lanes = unpack(KEYS)
local account, id, subscription, record, expected = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local notice, moved = ARGV[7], ARGV[8] == '1'

local from, rev = (redis.call('HGET', subs, id) or ''):match('^(%S+) (%S+) ')
local count = redis.call('ZCARD', owned)
if moved then
  redis.call('HLEN', health)
  redis.call('ZCARD', due)
end
if (rev or '') ~= expected then
  return {0}
end
if not rev and count >= tonumber(ARGV[6]) then
  return {-1}
end

local made = redis.call('XADD', events, '*', 'k', 'subscription', 'a', account, 'd', record)
if not from then
  from = made
  local ms, seq = made:match('^(%d+)%-(%d+)$')
  redis.call('ZADD', owned, string.format('%.0f', ms * 4096 + seq), id)
end
redis.call('HSET', subs, id, from .. ' ' .. made .. ' ' .. subscription)
if moved then
  redis.call('HDEL', health, id)
  local ms, failing = made:match('^%d+'), redis.pcall('HKEYS', lanes)
  for _, lane in ipairs(failing) do -- none where the key cannot be read
    redis.call('ZADD', due, 'XX', ms, id .. ' ' .. lane)
  end
end
if notice ~= '' then
  local told = redis.call('XADD', events, '*', 'k', 'operational', 'a', account, 'd', notice)
  if type(redis.pcall('XADD', log, told, '', '')) == 'table' then -- it tells of a history that is gone
    redis.call('DEL', log)
    redis.call('XADD', log, told, '', '')
  end
end
return {1, from, made}
