return attack "partition-and-heal" {
  summary  = "The replicas are cut into two groups that cannot talk, healed, and cut elsewhere, again and again.",
  source   = "Gilbert & Lynch 2002; fabric issue 1917 (a view change that never ended after a partition)",
  tags     = { "liveness", "safety", "network" },
  args     = {
    share  = { 1/2, "share of the replicas on one side, 0 to 1", min = 0, max = 1 },
    cut    = { 0.8, "seconds that a partition lasts", min = 0 },
    healed = { 1.2, "seconds between two partitions", min = 0 },
  },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded recovery  first decision 0.6 s after the last partition healed",

  on_start = function(c, a)
    local s = c.state
    s.round = 0
    local function cut(c, a)
      s.round = s.round + 1
      local side = c:split(c.replicas, a.share, s.round)
      local left, right = {}, {}
      for _, id in ipairs(c.replicas) do
        table.insert(side[id] and left or right, id)
      end
      if #left == 0 or #right == 0 then return c:note("a partition needs two sides: choose another share") end
      c:partition{ left, right }
      c:after(a.cut, function(c, a)
        c:heal()
        c:after(a.healed, cut)
      end)
    end
    cut(c, a)
  end,
}
