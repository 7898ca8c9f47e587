return attack "conflicting-proposals" {
  summary  = "A proposer shows one replica, cut off from the rest, another block than the others, votes on each side for what it showed, and relays nothing; then the cut heals.",
  source   = "CometBFT consensus/byzantine_test.go (TestByzantineConflictingProposalsWithPartition)",
  tags     = { "safety", "equivocation", "network" },
  kinds    = { "propose", "vote", "sync" },
  args     = {
    traitor = { 0, "the validator that proposes twice", min = 0 },
    victim  = { -1, "who is cut off with the second block; -1: the next one" },
    cut     = { 1.5, "seconds until the cut heals", min = 0.1 },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, liveness = true, evidence = true },
  verdict  = "holds  agreement  4 replicas, 61 sequence numbers compared",

  on_start = function(c, a)
    c.state.victim = a.victim >= 0 and a.victim or (a.traitor + 1) % c.n
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.from ~= a.traitor or s.healed then return end
    local own = m:has("signer") and m.signer == a.traitor
    if not s.second and own and m.kind == "propose" then
      local second, why = m:perturb()
      if not second then return c:note(why) end
      s.second, s.slot, s.sequence, s.view = second:sign(a.traitor), m.slot, m.sequence, m.view
      for _, other in ipairs(c.replicas) do
        if other ~= a.traitor and other ~= s.victim then c:sever(s.victim, other) end
      end
      c:after(a.cut, function(c)
        s.healed = true
        c:heal()
        c:note("the cut heals")
      end)
      c:note(("two proposals for height %d, round %d; replica %d is alone with the second"):format(m.sequence, m.view, s.victim))
    end
    if not s.second or m.to ~= s.victim then return end
    if not own then return drop("a liar relays nothing") end -- blocks and votes of others would tell on it
    if m.kind == "propose" and m.slot == s.slot then return replace(s.second, "the second proposal") end
    if m.kind == "vote" and m.sequence == s.sequence and m.view == s.view and m.value ~= NIL then
      return replace(m:vote_for(s.second):sign(a.traitor), "the vote that goes with it")
    end
  end,
}
