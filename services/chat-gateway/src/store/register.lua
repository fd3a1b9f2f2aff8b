-- Enters or refreshes this gateway's lease in the hash of a user's sockets.
-- KEYS[1] the hash; ARGV[1] the field of this gateway; ARGV[2] the length of the lease in ms.
-- Returns the time (Unix ms) and whether the lease was held all the while. One that had run out is
-- as good as gone: what happened since was not delivered here.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[2] * 2))
local held = 0
if before and tonumber(before) > now then
  held = 1
end
return {now, held}
