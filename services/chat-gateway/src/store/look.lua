-- How a user stands. Keys as in register.lua; ARGV[1] the field of this gateway; ARGV[2] the length of the
-- lease in ms by which this gateway is told of changes from now on, 0: it is not.
-- Returns for how many ms the user is connected at least, 0: not connected; and when the user was last seen
-- (Unix ms), 0: not known.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] ~= '0' then
  redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', now + ARGV[2]))
  redis.call('PEXPIRE', KEYS[2], string.format('%.0f', ARGV[2] * 2))
end
local left = 0
for _, expiry in pairs_of(KEYS[1]) do
  left = math.max(left, expiry - now)
end
return {left, tonumber(redis.call('GET', KEYS[3]) or '0')}
