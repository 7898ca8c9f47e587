return attack "perturb-node" {
  summary  = "One replica is cut off, frozen, killed or restarted for a while, and must find back.",
  source   = "CometBFT test/e2e/runner/perturb.go (disconnect, pause, kill, restart)",
  tags     = { "liveness", "crash", "network" },
  args     = {
    how    = { "kill", "disconnect, pause, kill or restart" },
    victim = { 3, "the replica", min = 0 },
    down   = { 2.0, "seconds that it lasts (restart: it is started at once)", min = 0 },
  },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded-recovery  first decision 0.3 s after the replica was back",

  on_start = function(c, a)
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
    elseif a.how == "kill" then
      c:kill(a.victim)
      c:after(a.down, function(c, a) c:restart(a.victim) end)
    elseif a.how == "restart" then
      c:kill(a.victim)
      c:after(0.01, function(c, a) c:restart(a.victim) end)
    else
      error("how: expected disconnect, pause, kill or restart, found '" .. a.how .. "'")
    end
    c:note(("replica %d: %s"):format(a.victim, a.how))
  end,
}
