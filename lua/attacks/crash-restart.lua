return attack "crash-restart" {
  summary  = "A replica is killed without warning and started again, at random times, again and again, at most f at once.",
  source   = "narwhal issue 488 (votes that a restart forgot); Castro & Liskov, TOCS'02, section 4.3",
  tags     = { "durability", "liveness", "crash" },
  args     = {
    up   = { 0.6, "mean seconds between a restart and the next kill", min = 0 },
    down = { 0.2, "mean seconds that a replica is down", min = 0 },
  },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  equivocation  no replica contradicted itself over 50 kills",

  on_start = function(c, a)
    local s = c.state
    s.round = 0
    local function strike(c, a)
      s.round = s.round + 1
      local victim = c:random("victim " .. s.round, c.n) - 1
      c:kill(victim)
      c:after(a.down * (0.5 + c:random("down " .. s.round)), function(c, a)
        c:restart(victim)
        c:after(a.up * (0.5 + c:random("up " .. s.round)), strike)
      end)
    end
    strike(c, a)
  end,
}
