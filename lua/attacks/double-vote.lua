return attack "double-vote" {
  summary  = "A validator signs two votes of one phase in one round, for the block and for nothing, and shows both to one peer.",
  source   = "CometBFT consensus/byzantine_test.go (TestByzantinePrevoteEquivocation); test/maverick of Tendermint v0.34",
  tags     = { "safety", "equivocation", "accountability" },
  kinds    = { "vote" },
  args     = {
    phase   = { "prevote", "which vote is doubled: prevote, precommit or both" },
    traitor = { 0, "the validator that signs twice", min = 0 },
    victim  = { -1, "the peer that is shown both; -1: the next one" },
    times   = { 1, "how many votes are doubled, at a height each (both: two)", min = 1 },
    apart   = { 1, "heights between two of them", min = 1 },
    first   = { false, "send the lie before the true vote" },
    grace   = { 0.2, "seconds by which others' precommits of that height come late to the peer: it must not leave before it has seen both", min = 0 },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, evidence = true },
  verdict  = "caught  equivocation  replica 0 signed two prevotes for height 12, round 0",

  on_start = function(c, a)
    c.state.victim = a.victim >= 0 and a.victim or (a.traitor + 1) % c.n
    c.state.done = 0
    c.state.height, c.state.offered = 0, 0
  end,

  -- What the peer needs to leave a height comes late once it was lied to there; and it is not lied to at a height that it
  -- may have left before the lie comes.
  on_message = function(c, m, a)
    local s = c.state
    if m.to ~= s.victim then return end
    if m.phase == "precommit" and m.from ~= a.traitor then
      if m.sequence == s.lied then return delay(a.grace, "the peer sees both first") end
      if m.sequence > s.height then s.height, s.offered = m.sequence, 0 end
      if m.sequence == s.height then s.offered = s.offered + 1 end
    end
    if m.from ~= a.traitor or m.signer ~= a.traitor then return end
    if m.phase ~= a.phase and a.phase ~= "both" then return end
    local second = m.sequence == s.lied and m.phase ~= s.phase -- of both
    if m.sequence < s.height or (m.sequence == s.height and s.offered > 1) then return end
    if m.value == NIL or s.done >= a.times or (s.next and m.sequence < s.next and not second) then return end
    local lie = m:copy()
    lie.fields.block_id.hash = ""
    lie.fields.block_id.part_set_header.total = 0
    lie.fields.block_id.part_set_header.hash = ""
    lie = lie:sign(m.signer)
    s.done, s.next, s.lied, s.phase = s.done + 1, m.sequence + a.apart, m.sequence, m.phase
    c:note(("two %ss at height %d, round %d, shown to replica %d"):format(m.phase, m.sequence, m.view, m.to))
    if a.first then return replace(lie, m, "two votes") end
    return replace(m, lie, "two votes")
  end,
}
