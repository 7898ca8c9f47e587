return attack "withheld-votes" {
  summary  = "The traitor's votes come late, and so do those of as many others that a quorum needs them: certificates form at the last moment.",
  source   = "Decouchant et al., PRDC'23 (certificates that form late); Momose & Cruz, Force-locking attack on Sync HotStuff, 2019",
  tags     = { "liveness", "performance", "delay" },
  kinds    = { "vote" },
  args     = {
    delay = { 0.25, "how late the votes come, seconds", min = 0.001, max = 60 },
    share = { 0.5, "share of the views in which they are withheld, 0 to 1", min = 0, max = 1 },
    never = { false, "the traitor's own votes do not come at all" },
  },
  traitors = function(c) return { c:backups(c.view)[1] } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  agreement  quorums formed 0.25 s late in half of the views",

  -- A quorum must need one of the late: n - quorum + 1 replicas, the traitor among them. The others' links are slow.
  on_start = function(c)
    local s, count = c.state, 0
    s.late = {}
    for _, id in ipairs(c.traitors) do s.late[id], count = true, count + 1 end
    for _, id in ipairs(c.replicas) do
      if not s.late[id] and count < c.n - c.quorum + 1 then s.late[id], count = true, count + 1 end
    end
  end,

  on_message = function(c, m, a)
    if not c.state.late[m.from] or c:random(m.view) >= a.share then return end
    if a.never and c:is_traitor(m.from) then return drop("withheld for good") end
    return delay(a.delay, "withheld until the last moment")
  end,
}
