return attack "slow-leader" {
  summary  = "Proposals arrive just before the view timer would run out: the delay is found by bisection, raised while no view change comes, lowered when one does.",
  source   = "Clement et al., Aardvark, NSDI'09; Amir et al., Prime, DSN'08 (a leader that is slow but not slow enough to be replaced)",
  tags     = { "performance", "liveness", "delay" },
  kinds    = { "propose" },
  args     = {
    start  = { 0.05, "first delay, seconds", min = 0.001, max = 86400 },
    most   = { 10.0, "longest delay that is tried, seconds", min = 0.001, max = 86400 },
    grain  = { 0.005, "the search ends when the bounds are this near, seconds", min = 0.0001 },
    settle = { 0.3, "how long each delay is watched beyond its own length, seconds", min = 0, max = 3600 },
  },
  expect   = { safety = true },
  verdict  = "holds  agreement  decisions wait 0.46 s each; a delay of 0.50 s brings a view change",

  -- No traitor: whoever leads is slow. The links delay; nobody lies.
  on_start = function(c, a)
    local s = c.state
    s.delay, s.good, s.view, s.changes, s.decided = a.start, 0, c.view, 0, 0
    local function watch()
      c:after(s.delay + a.settle, function(c, a)
        if s.changes > 0 then
          s.bad = s.bad and math.min(s.bad, s.delay) or s.delay
        elseif s.decided > 0 then
          s.good = math.max(s.good, s.delay)
        end -- neither: not long enough to tell
        if s.bad and s.good >= s.bad then s.good = s.bad / 2 end -- timers grew or shrank: search again below
        if s.changes > 0 or s.decided > 0 then
          if not s.bad then
            s.delay = math.min(s.delay * 2, a.most)
          elseif s.bad - s.good > a.grain then
            s.delay = (s.good + s.bad) / 2
          else
            s.delay = s.good
            if not s.told then
              s.told = true
              c:note(("the longest delay without a view change: %.3f s (one comes at %.3f s)"):format(s.good, s.bad))
            end
          end
        end
        s.changes, s.decided = 0, 0
        watch()
      end)
    end
    watch()
  end,

  on_message = function(c, m, a)
    if not m:has("view") or m.from ~= c:leader(m.view) then return end
    if not m:has("signer") or m.signer == m.from then -- what it relays is not its own
      return delay(c.state.delay, "just below the view timer")
    end
  end,

  on_view = function(c, e)
    if e.view > c.state.view then
      c.state.view = e.view
      c.state.changes = c.state.changes + 1
    end
  end,

  on_decide = function(c, e)
    c.state.decided = c.state.decided + 1
  end,

  -- What was found, whether the search came to its end or not.
  on_end = function(c, a)
    local s = c.state
    local good = s.good and s.good > 0 and ("%.3f s"):format(s.good) or "none found"
    local bad = s.bad and ("%.3f s"):format(s.bad) or "none found"
    c:note(("longest delay without a view change: %s; shortest with one: %s%s"):format(good, bad,
      s.told and "" or " (the search did not come to its end)"))
  end,
}
