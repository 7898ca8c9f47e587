return attack "poison-state" {
  summary  = "A replica is cut off until it needs the state of others; the traitor sends it a false one, right after the first true one.",
  source   = "bft-smart issue 62 (answers were counted, not compared); GHSA-g5xx (checkpoint poisoning)",
  tags     = { "safety", "state-transfer", "network" },
  kinds    = { "sync" },
  args     = {
    cut   = { 0.8, "seconds that it is cut off", min = 0 },
    every = { 2.4, "seconds from one cut to the next", min = 0.1 },
    late  = { 0.02, "seconds that the false state comes after the first true one", min = 0 },
  },
  traitors = function(c) return { c:backups(c.view)[1] } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  state digest  the false state was not believed",

  on_start = function(c, a)
    local s = c.state
    s.traitor = c.traitors[1]
    s.victim, s.lies = (s.traitor + 1) % c.n, 0
    local others = {}
    for _, id in ipairs(c.replicas) do
      if id ~= s.victim then table.insert(others, id) end
    end
    local function cut(c, a)
      c:partition{ { s.victim }, others }
      c:after(a.cut, function(c) c:heal() end)
      c:after(a.every, cut)
    end
    cut(c, a)
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.type ~= "state" or m.to ~= s.victim then return end
    if m.from == s.traitor then return drop("false ones come in its place") end
    if s.told == m.sequence then return delay(a.late + 0.2, "the false one is to come before it") end
    s.told = m.sequence
    -- The last byte belongs to the last client's last result.
    local truth = m.fields.snapshot
    local lie = m:with{ snapshot = truth:sub(1, -2) .. string.char(truth:byte(-1) ~ 1) }:sign(s.traitor)
    s.lies = s.lies + 1
    c:after(a.late, function(c) c:send(lie, { from = s.traitor, to = s.victim }) end)
  end,

  on_end = function(c)
    c:heal()
    c:note(("%d false states were sent"):format(c.state.lies))
  end,
}
