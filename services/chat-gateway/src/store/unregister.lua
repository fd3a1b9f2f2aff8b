-- Takes this gateway's lease out of the hash of a user's sockets. Keys and ARGV as in register.lua.
-- Returns the time (Unix ms), 0, whether the user is not connected anywhere any more, and in that case the
-- partitions of the watchers.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SET', KEYS[3], string.format('%.0f', now), 'PX', ARGV[3])
for _, expiry in pairs_of(KEYS[1]) do
  if expiry > now then return {now, 0, 0} end
end
local answer = {now, 0, 1}
add_watchers(answer, KEYS[2], now)
return answer
