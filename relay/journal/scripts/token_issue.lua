-- Issue an access and a refresh token of a login, in place of a pair that is spent by it or anew.
--
-- EVALSHA token_issue 3  access refresh login  access_record access_ttl_ms refresh_record refresh_ttl_ms
-- EVALSHA token_issue 5  access refresh login spent_access spent_refresh  (the same)
--
-- Returns 1, or 0 if the refresh token to be spent is not there: another request was first.
--
-- key                   type    reads          writes
-- token:<access>        string                 the new access token's record, with expiry
-- token:<refresh>       string                 the new refresh token's record, with expiry
-- token:<login>         string                 that it goes on, for as long as it can be refreshed
-- token:<spent access>  string                 gone
-- token:<spent refresh> string  whether it is  gone

if KEYS[5] then
  if redis.call('EXISTS', KEYS[5]) == 0 then
    return 0
  end
  redis.call('DEL', KEYS[4], KEYS[5])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('SET', KEYS[3], 1, 'PX', math.max(ARGV[2], ARGV[4]))
return 1
