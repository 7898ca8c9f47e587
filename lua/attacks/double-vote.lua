return attack "double-vote" {
  summary  = "A validator signs two votes of one phase in one round, for the block and for nothing, and shows both to one peer.",
  source   = "CometBFT consensus/byzantine_test.go (TestByzantinePrevoteEquivocation); test/maverick of Tendermint v0.34",
  tags     = { "safety", "equivocation", "accountability" },
  kinds    = { "vote" },
  args     = {
    phase   = { "prevote", "which vote is doubled: prevote or precommit" },
    traitor = { 0, "the validator that signs twice", min = 0 },
    victim  = { -1, "the peer that is shown both; -1: the next one" },
    times   = { 1, "at how many heights", min = 1 },
    apart   = { 1, "heights between two of them", min = 1 },
    first   = { false, "send the lie before the true vote" },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, evidence = true },
  verdict  = "caught  equivocation  replica 0 signed two prevotes for height 12, round 0",

  on_start = function(c, a)
    c.state.victim = a.victim >= 0 and a.victim or (a.traitor + 1) % c.n
    c.state.done = 0
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.phase ~= a.phase or m.from ~= a.traitor or m.signer ~= a.traitor or m.to ~= s.victim then return end
    if m.value == NIL or s.done >= a.times or (s.next and m.sequence < s.next) then return end
    local lie = m:copy()
    lie.fields.block_id.hash = ""
    lie.fields.block_id.part_set_header.total = 0
    lie.fields.block_id.part_set_header.hash = ""
    lie = lie:sign(m.signer)
    s.done, s.next = s.done + 1, m.sequence + a.apart
    c:note(("two %ss at height %d, round %d, shown to replica %d"):format(a.phase, m.sequence, m.view, m.to))
    if a.first then return replace(lie, m, "two votes") end
    return replace(m, lie, "two votes")
  end,
}
