return attack "timer-desync" {
  summary  = "Replicas are let into views at different times: what the traitor says as leader, and its word that a view is over, reach some at once and the others much later.",
  source   = "Guo, Hu, Zhang, Liveness attacks on HotStuff: the vulnerability of timer doubling mechanism, Computer Journal 2024",
  tags     = { "liveness", "view-change", "delay" },
  kinds    = { "propose", "view_change", "new_view" },
  args     = {
    lag   = { 0.35, "how much later the others hear it, seconds; just below the view timer hurts most", min = 0, max = 60 },
    share = { 1/2, "share of the others that hear it late, 0 to 1", min = 0, max = 1 },
    cut   = { 0.7, "a leader other than the traitor is silenced now and then for so many seconds, so that timers run out; 0: never", min = 0, max = 60 },
    every = { 2.0, "seconds between two such silences", min = 0.1, max = 3600 },
  },
  traitors = function(c) return { c:backups(c.view)[1] } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded recovery  replicas entered views up to 0.35 s apart, and met again within one view timer",

  on_start = function(c, a)
    local function silence(c, a)
      local leader = c:leader(c.view)
      if not c:is_traitor(leader) then
        c:pause(leader)
        c:after(a.cut, function(c) c:resume(leader) end)
      end
      c:after(a.every, silence)
    end
    if a.cut > 0 then c:after(a.every, silence) end
  end,

  on_message = function(c, m, a)
    if not c:is_traitor(m.from) or not m:has("view") then return end
    local s = c.state
    if not s[m.view] then s[m.view] = c:split(c:backups(c:leader(0) == m.from and 0 or m.view), a.share, m.view) end
    if s[m.view][m.to] then return delay(a.lag, "this one hears it late") end
  end,
}
