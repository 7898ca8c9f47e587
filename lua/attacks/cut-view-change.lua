return attack "cut-view-change" {
  summary  = "The leader stops, and the link between the next leader and another backup is cut until the view changes have been said; then it heals.",
  source   = "fabric issue 1917 (a view change that one lost message held up for good)",
  tags     = { "liveness", "network", "view-change" },
  kinds    = { "view_change" },
  args     = {
    heal = { 0.3, "seconds between the last of these view changes and the end of the cut", min = 0 },
  },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded recovery  the view changes were said again when the link was back",

  on_start = function(c)
    local s = c.state
    s.view = c.view
    s.leader, s.next = c:leader(c.view), c:leader(c.view + 1)
    for _, id in ipairs(c:backups(c.view)) do
      if id ~= s.next then s.other = id end
    end
    c:sever(s.next, s.other)
    c:pause(s.leader)
    s.said = {}
  end,

  on_message = function(c, m, a)
    local s = c.state
    if s.healing or m.view <= s.view then return end
    s.said[m.from] = true
    if s.said[s.next] and s.said[s.other] then
      s.healing = true
      c:after(a.heal, function(c) c:heal() end)
    end
  end,

  on_end = function(c)
    c:resume(c.state.leader)
  end,
}
