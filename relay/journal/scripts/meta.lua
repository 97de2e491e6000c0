-- Say what the store was set up with; set it up if it is new or was flushed.
--
-- EVALSHA meta 1  relay:meta  schema partitions id
--
-- Returns {schema, partitions, id} as they are stored now.
--
-- key          type    reads                 writes
-- relay:meta   hash    schema partitions id  the three, if there are none

local stored = redis.call('HMGET', KEYS[1], 'schema', 'partitions', 'id')
if stored[1] and stored[2] and stored[3] then
  return stored -- without a write, so that a store that is full or read-only can still be looked at
end
redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'partitions', ARGV[2], 'id', ARGV[3])
return {ARGV[1], ARGV[2], ARGV[3]}
