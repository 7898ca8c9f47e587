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
    since   = { 0, "the first height at which it may be", min = 0 },
    first   = { false, "send the lie before the true vote" },
    grace   = { 0.2, "seconds by which what lets the peer leave that height comes late: it must see both votes first", min = 0 },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, evidence = true },
  verdict  = "caught  equivocation  replica 0 signed two prevotes for height 12, round 0",

  on_start = function(c, a)
    c.state.victim = a.victim >= 0 and a.victim or (a.traitor + 1) % c.n
    c.state.done, c.state.next = 0, a.since
    c.state.height, c.state.offered = 0, 0
  end,

  -- The peer must see both before it leaves the height. Where a lie is due, the traitor passes on no precommit before it; the
  -- one of others that would let the peer leave comes late, and so does the true vote by way of others (who has it does not
  -- ask the traitor for it). Where it was lied to, all come late.
  on_message = function(c, m, a)
    local s = c.state
    if m.to ~= s.victim then return end
    local own = m.from == a.traitor
    local doubled = m:has("signer") and m.signer == a.traitor and (m.phase == a.phase or a.phase == "both")
    local second = a.phase == "both" and m.sequence == s.lied and m.phase ~= s.phase
    local due = s.done < a.times and (second or m.sequence >= s.next)
    if m.phase == "precommit" then
      if m.sequence > s.height then s.height, s.offered, s.leaves = m.sequence, 0, nil end
      if own and due and not doubled then return drop("the lie comes first") end
      if not own and m.sequence == s.lied then return delay(a.grace, "the peer sees both first") end
      if not own and due and m.sequence == s.height and (doubled or s.offered > c.quorum - 3) then
        s.leaves = s.leaves or c.now + a.grace
        return delay(a.grace, "the peer waits for the lie")
      end
      if m.sequence == s.height then s.offered = s.offered + 1 end
    end
    if not doubled or not due then return end
    if not own then return delay(a.grace, "the peer hears it from the traitor first") end
    if m.value == NIL or m.sequence < s.height or (m.sequence == s.height and s.leaves and c.now >= s.leaves) then return end
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
