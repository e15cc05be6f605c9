-- Tables, closures, strings, metatables and coroutines.
local progress = io.open("/dev/fd/9", "a")
if progress then progress:setvbuf("no") end

local Vector = {}
Vector.__index = Vector
Vector.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Vector) end
function Vector:length() return (self.x * self.x + self.y * self.y) ^ 0.5 end

local function fibonacci(n) if n < 2 then return n end return fibonacci(n - 1) + fibonacci(n - 2) end

local function queens(n)
  local found, columns, left, right = 0, {}, {}, {}
  local function place(row)
    if row > n then found = found + 1 return end
    for column = 1, n do
      if not (columns[column] or left[row + column] or right[row - column]) then
        columns[column], left[row + column], right[row - column] = true, true, true
        place(row + 1)
        columns[column], left[row + column], right[row - column] = nil, nil, nil
      end
    end
  end
  place(1)
  return found
end

local function texts(step)
  local parts = {}
  for i = 1, 400 do parts[#parts + 1] = string.format("%d:%s", i * step, ("word"):rep(i % 4)) end
  local text = table.concat(parts, " ")
  local count = 0
  for number, word in text:gmatch("(%d+):(%a*)") do count = count + tonumber(number) % 7 + #word end
  return count + #text:gsub("word", "Wort"):upper()
end

local function producer(n)
  return coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i % 31) end end)
end

local sum = 0
for step = 1, 20 do
  local total = setmetatable({ x = 0, y = 0 }, Vector)
  for i = 1, 8000 do total = total + setmetatable({ x = i, y = step }, Vector) end
  sum = sum + math.floor(total:length()) + fibonacci(20) + queens(6) + texts(step)
  for value in producer(4000) do sum = sum + value end
  local list = {}
  for i = 1, 3000 do list[i] = (i * 7919 + step) % 10007 end
  table.sort(list, function(a, b) return a > b end)
  sum = sum + list[step]
  if progress then progress:write(".") end
end
print(sum)
