-- What the scripts share; it stands before each of them.
-- Fields of a hash of leases with the times (Unix ms) at which they run out.
local function pairs_of(key)
  local fields, i = redis.call('HGETALL', key), -1
  return function()
    i = i + 2
    if fields[i] then return fields[i], tonumber(fields[i + 1]) end
  end
end
-- Appends the partitions of the gateways whose leases in the hash `key` have not run out.
local function add_watchers(answer, key, now)
  for field, expiry in pairs_of(key) do
    if expiry > now then answer[#answer + 1] = tonumber(string.match(field, '^%d+')) end
  end
end
