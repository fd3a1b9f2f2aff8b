-- Enters or refreshes this gateway's lease in the hash of a user's sockets.
-- KEYS[1] the hash; KEYS[2] the hash of the gateways that watch the user; KEYS[3] when the user was last seen.
-- ARGV[1] the field of this gateway; ARGV[2] the length of the lease in ms; ARGV[3] how long KEYS[3] is kept.
-- Returns the time (Unix ms), whether the lease was held all the while, whether the user was not connected
-- anywhere before, and in that case the partitions of the watchers. A lease that had run out is as good as
-- gone: what happened since was not delivered here.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held, connected = 0, 0
for field, expiry in pairs_of(KEYS[1]) do
  if expiry > now then
    connected = 1
    if field == ARGV[1] then held = 1 end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[2] * 2))
redis.call('SET', KEYS[3], string.format('%.0f', now), 'PX', ARGV[3])
local answer = {now, held, 1 - connected}
if connected == 0 then add_watchers(answer, KEYS[2], now) end
return answer
