-- Say what the store was set up with; set it up if it is new or was flushed.
--
-- EVALSHA meta 1  relay:meta  schema partitions id
--
-- Returns {schema, partitions, id} as they are stored now.
--
-- key          type    reads                writes
-- relay:meta   hash    schema partitions id the three, where missing

redis.call('HSETNX', KEYS[1], 'schema', ARGV[1])
redis.call('HSETNX', KEYS[1], 'partitions', ARGV[2])
redis.call('HSETNX', KEYS[1], 'id', ARGV[3])
return redis.call('HMGET', KEYS[1], 'schema', 'partitions', 'id')
