return attack "hidden-commit" {
  summary  = "Only one backup gets to see the commits; then the leader stops: the next view must remember what that one executed.",
  source   = "Castro & Liskov, OSDI'99, section 4.4 (why view changes carry prepared certificates); raijin issue 8",
  tags     = { "safety", "view-change" },
  kinds    = { "vote", "new_view" },
  args     = {
    phase = { "commit", "votes of which phase are hidden" },
    hide  = { 0.1, "seconds between the first hidden vote and the leader's stop", min = 0 },
    pause = { 3.0, "the leader is stopped until the new view comes, at most so many seconds", min = 0 },
    times = { 2, "how many views in a row are ended so", min = 0 },
  },
  expect   = { safety = true },
  verdict  = "violated  agreement  replica 3 executed something at sequence 41, the others nothing",

  on_start = function(c, a)
    c.state.left = a.times
    c.state.view = c.view
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.kind == "new_view" then
      if s.paused and m.view > s.view then
        c:resume(s.paused)
        c:release("hidden")
        s.paused = nil
        s.left = s.left - 1
        s.chosen, s.view = nil, -1 -- not yet: let the new view work first
        c:after(0.5, function(c) s.view = c.view end)
      end
      return
    end
    if s.left == 0 or m.phase ~= a.phase or m.view ~= s.view then return end
    if not s.chosen then
      -- Neither the leader, which is about to stop, nor the next one, which is to forget.
      local others = {}
      for _, id in ipairs(c:backups(s.view)) do
        if id ~= c:leader(s.view + 1) then table.insert(others, id) end
      end
      s.chosen = others[c:random("chosen " .. s.view, #others)]
      c:note("replica " .. s.chosen .. " alone sees the votes of view " .. s.view)
      c:after(a.hide, function(c, a)
        s.paused = c:leader(s.view)
        c:pause(s.paused)
        c:after(a.pause, function(c)
          if s.paused then c:resume(s.paused) end
          s.paused = nil
        end)
      end)
    end
    if m.to ~= s.chosen then return hold("hidden", "hidden from all but one") end
  end,
}
