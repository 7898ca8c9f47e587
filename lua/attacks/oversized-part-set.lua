return attack "oversized-part-set" {
  summary  = "A proposer says that its block comes in 4294967295 parts: who believes it would make room for them all.",
  source   = "CometBFT consensus/reactor_test.go (TestRejectOversizedProposals)",
  tags     = { "robustness", "limits" },
  kinds    = { "propose" },
  args     = {
    traitor = { 0, "the validator that says so", min = 0 },
    victim  = { -1, "the peer that is told; -1: the next one" },
    total   = { 4294967295, "how many parts", min = 1, max = 4294967295 },
    times   = { 1, "how many proposals", min = 1 },
    grace   = { 0.5, "seconds by which the peer hears of that proposal later from others than from its proposer", min = 0 },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  crashes  no replica ended",

  on_start = function(c, a)
    c.state.victim = a.victim >= 0 and a.victim or (a.traitor + 1) % c.n
    c.state.done = 0
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.to ~= s.victim or not m:has("signer") or m.signer ~= a.traitor then return end
    if m.from ~= a.traitor then -- who has the true proposal looks at no other
      if s.done < a.times or m.slot == s.slot then return delay(a.grace, "the lie comes first") end
      return
    end
    if s.done >= a.times then return end
    local lie = m:copy()
    lie.fields.block_id.part_set_header.total = a.total
    s.done, s.slot = s.done + 1, m.slot
    c:note(("a proposal of %d parts for height %d is shown to replica %d"):format(a.total, m.sequence, m.to))
    return replace(lie:sign(m.signer), "more parts than a block can have")
  end,
}
