return attack "perturb-node" {
  summary  = "One replica is cut off, frozen, killed or restarted for a while, and must find back.",
  source   = "CometBFT test/e2e/runner/perturb.go (disconnect, pause, kill, restart)",
  tags     = { "liveness", "crash", "network" },
  kinds    = { "vote" },
  args     = {
    how    = { "kill", "disconnect, pause, kill or restart" },
    victim = { 3, "the replica", min = 0 },
    down   = { 2.0, "seconds that it lasts (restart: from when it is asked to end until it is started again)", min = 0 },
  },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded-recovery  first decision 0.3 s after the replica was back",

  on_start = function(c, a)
    local known = { disconnect = true, pause = true, kill = true, restart = true }
    if not known[a.how] then error("how: expected disconnect, pause, kill or restart, found '" .. a.how .. "'") end
  end,

  -- Once it takes part: a node that is still catching up is another story.
  on_message = function(c, m, a)
    local voter = m:has("signer") and m.signer or m.from -- whose vote it is, where that is known
    if c.state.begun or voter ~= a.victim then return end
    c.state.begun = true
    if a.how == "disconnect" then
      local others = {}
      for _, id in ipairs(c.replicas) do
        if id ~= a.victim then others[#others + 1] = id end
      end
      c:partition{ { a.victim }, others }
      c:after(a.down, function(c) c:heal() end)
    elseif a.how == "pause" then
      c:pause(a.victim)
      c:after(a.down, function(c, a) c:resume(a.victim) end)
    else
      if a.how == "kill" then c:kill(a.victim) else c:stop(a.victim) end
      c:after(a.down, function(c, a) c:restart(a.victim) end)
    end
    c:note(("replica %d: %s"):format(a.victim, a.how))
  end,
}
