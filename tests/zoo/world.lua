-- A random world for a correct protocol: cluster, timers, links, clocks and disks are drawn by the number `world`, a
-- local that tests/zoo/worlds puts in front of this file. Every delay stays below the view timer: the bounds of the
-- liveness oracles hold for such worlds, and whatever else is drawn, 'turncoat hunt' must find nothing.
local state = world

local function draw(bound) -- 0 … bound-1; splitmix64, as the library's random belongs to attacks
  state = state + 0x9e3779b97f4a7c15
  local z = (state ~ state >> 30) * 0xbf58476d1ce4e5b9
  z = (z ~ z >> 27) * 0x94d049bb133111eb
  return (z >> 33) % bound
end

local function any(...) return (select(1 + draw(select("#", ...)), ...)) end

local function chance(percent) return draw(100) < percent end

local protocol = any("pbft", "hotstuff", "chained-hotstuff")
local n = any(4, 4, 4, 5, 6, 7, 10)
local timer = any(0.01, 0.02, 0.05, 0.25)
local interval = any(2, 4, 8, 16)

local latency = any(
  constant(timer / any(8, 20, 100)),
  uniform(timer / 1000, timer / any(5, 10, 50)),
  log_normal(timer / 100, 0.8, timer / 5),
  regions { replicas = { "a", "b", "b" }, clients = { "a" }, within = timer / 200, links = { { "a", "b", timer / 20 } },
            jitter = 0.3 })

local network = { latency = latency }
if chance(40) then
  network.gst = any(0.3, 1, 1.5)
  network.delay_before_gst = timer * any(0.5, 2, 10)
  network.loss_before_gst = any(0.02, 0.1, 0.4)
end
-- A change of view says some 8 kB to each peer with n = 4, and more as n² grows: the links carry ten times that in a timer.
if chance(20) then network.bandwidth = 5000 * n * n // timer end

local clocks, disk
if chance(30) then clocks = { { node = draw(n), offset = any(0.5, 3600), drift = any(0.001, -0.001) } } end
if chance(40) then
  disk = { sync = uniform(timer / 200, timer / 50), unsynced = any("lost", "kept") }
  if chance(50) then disk.slow = { nodes = { draw(n) }, by = timer / 20 } end
end

return scenario("world-" .. world) {
  summary  = "A random world: nothing may be found.",
  protocol = protocol,
  cluster  = reference {
    n = n, clients = any(1, 2, 4), checkpoint_interval = interval, window = interval * any(2, 3, 4),
    batch_max = any(1, 2, 8), pipeline_max = any(1, 2, 4), view_timeout = timer, view_timeout_max = 8 * timer,
    authentication = protocol == "pbft" and chance(25) and "mac" or nil,
  },
  load     = { value_bytes = any(16, 64, 500) },
  phases   = { before = any(0, 0, 2 * timer), during = 50 * timer, after = 100 * timer },
  network  = network,
  clocks   = clocks,
  disk     = disk,
  expect   = { verdict = "holds" },
}
