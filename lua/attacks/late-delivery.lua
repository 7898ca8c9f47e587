return attack "late-delivery" {
  summary  = "All that is said about one sequence number reaches one replica only after the state of the others did, which holds it already.",
  source   = "SmartBFT issue 570 (what a synchronisation had delivered was delivered again)",
  tags     = { "safety", "state-transfer", "network" },
  kinds    = { "propose", "vote", "sync" },
  args     = {
    victim = { -1, "the replica that hears late; -1: the last backup" },
    late   = { 0.02, "seconds between the state and what was held back", min = 0 },
    every  = { 1.5, "seconds from one such sequence number to the next", min = 0.1 },
  },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  exactly once  what the state held was not executed again",

  on_start = function(c, a)
    local s = c.state
    local backups = c:backups(c.view)
    s.victim = a.victim >= 0 and a.victim or backups[#backups]
    local function again(c, a)
      c:release("late")
      s.sequence = nil
      c:after(a.every, again)
    end
    c:after(a.every, again)
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.to ~= s.victim then return end
    if m.kind == "sync" then
      if m.type == "state" and s.sequence and m:has("sequence") and m.sequence >= s.sequence then
        c:after(a.late, function(c) c:release("late") end)
      end
      return
    end
    if not m:has("sequence") then return end
    if s.sequence == nil and m.kind == "propose" and m.sequence % 4 == 1 then s.sequence = m.sequence end
    if m.sequence == s.sequence then return hold("late", "until the state has come") end
  end,

  on_end = function(c)
    c:release("late")
  end,
}
